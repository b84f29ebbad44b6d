//! State of the log after a crash, a power cut or another process's append, on a real disk.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{NOW, data, given, new_grant, peer, swarm, unsee};
use crate::consent::chain::{read, read_with};
use crate::consent::{Action, NewGrant};
use crate::consent::{ConsentBook, ConsentError, NotAGrant, verify};

fn log(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("consent.log")).unwrap()
}

fn open(folder: &Path) -> Result<ConsentBook, ConsentError> {
    ConsentBook::open(folder, &data(folder))
}

fn serve() -> NewGrant {
    new_grant(&[Action::Serve])
}

#[test]
fn a_folder_without_a_log_grants_nothing_and_stays_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let mut book = open(&folder).unwrap();
    assert!(book.grants().list(NOW, |_| 0).is_empty() && book.lines().is_empty());
    assert!(
        book.verify().ok
            && verify(&folder, &data(&folder), &[]).unwrap().ok
            && !book.reload_if_changed().unwrap()
    );
    assert!(!folder.exists());
}

#[test]
fn recorded_lines_reach_the_next_and_an_already_running_process() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let (mut one, mut other) = (open(&folder).unwrap(), open(&folder).unwrap());
    assert_eq!(one.record_given(given(), NOW).unwrap(), 1);
    assert_eq!(one.grant(&new_grant(&[Action::Serve, Action::Fetch]), NOW).unwrap(), [2, 3]);
    assert!(other.grants().list(NOW, |_| 0).is_empty());
    assert!(other.reload_if_changed().unwrap() && !other.reload_if_changed().unwrap());
    assert_eq!(other.grants(), one.grants());
    // Each process appends to the log on disk, not to the one it remembers.
    other.revoke(2, "flag", NOW + 1).unwrap();
    assert_eq!(one.grant(&serve(), NOW + 2).unwrap(), [5]);
    assert_eq!(one.lines().len(), 5);
    assert!(!one.reload_if_changed().unwrap(), "its own lines are known to it");
    let length = log(&folder).len();
    one.revoke(2, "flag", NOW + 3).unwrap();
    assert_eq!(log(&folder).len(), length, "taken back once");
    assert!(matches!(one.revoke(1, "flag", NOW), Err(ConsentError::Unknown(1))), "a `given` is no grant");
    assert_eq!(open(&folder).unwrap().grants(), one.grants());
    assert_eq!((one.verify().ok, one.verify().entries), (true, 5));
    use std::os::unix::fs::PermissionsExt as _;
    for name in ["consent.log", "consent.head", "consent.lock"] {
        let mode = fs::metadata(folder.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn appends_of_many_at_once_are_one_chain() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut book = ConsentBook::unread(folder, &data(folder));
                for _ in 0..5 {
                    book.record_given(given(), NOW).unwrap();
                }
            });
        }
    });
    let verdict = verify(folder, &data(folder), &[]).unwrap();
    assert_eq!((verdict.ok, verdict.entries), (true, 20), "{verdict:?}");
}

/// A state folder after `before` appends and one more, whose line is cut at each byte, with the previous head.
fn each_crash_of_the_last_append(before: usize) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let mut book = open(folder).unwrap();
    for _ in 0..before {
        book.grant(&serve(), NOW).unwrap();
    }
    let head = folder.join("consent.head");
    let (acted_on, head_before) =
        (fs::read(folder.join("consent.log")).unwrap_or_default(), fs::read(&head).ok());
    book.grant(&new_grant(&[Action::Fetch]), NOW).unwrap();
    let (whole, head_after) = (log(folder), fs::read(&head).unwrap());
    // As a crash leaves it: the head of the append is prepared, and none of its lines was recorded as seen.
    let set_head = |bytes: Option<&Vec<u8>>| {
        unsee(folder);
        fs::write(folder.join("consent.head.new"), &head_after).unwrap();
        match bytes {
            Some(bytes) => fs::write(&head, bytes).unwrap(),
            None => drop(fs::remove_file(&head)),
        }
    };
    for end in acted_on.len()..=whole.len() {
        // Syncing is slow: each cut is checked in memory, and each sixteenth on the disk.
        let is_thorough = end % 16 == 0 || end == whole.len();
        for zeros in [false, true] {
            let mut crashed = whole[..end].to_vec();
            if zeros {
                // The beginning of the line did not reach the disk, its end did.
                let lost = (end - acted_on.len()) / 2;
                if lost == 0 {
                    continue;
                }
                crashed[acted_on.len()..acted_on.len() + lost].fill(0);
            }
            let is_whole = end == whole.len() && !zeros;
            let chain = read_with(&crashed, head_before.as_deref(), Some(&head_after)).unwrap();
            assert_eq!(chain.lines.len(), before + usize::from(is_whole), "{end} {zeros}");
            assert!(chain.len >= acted_on.len() as u64 && chain.is_ahead == is_whole, "{end} {zeros}");
            assert!(is_whole || read(&crashed, Some(&head_after)).is_err(), "{end} {zeros}");
            if !is_thorough {
                continue;
            }
            set_head(head_before.as_ref());
            fs::write(folder.join("consent.log"), &crashed).unwrap();
            assert!(verify(folder, &data(folder), &[]).unwrap().ok, "{end} {zeros}");
            assert_eq!(log(folder), crashed, "to verify changes nothing");
            let mut book = open(folder).unwrap();
            assert_eq!(book.grants().list(NOW, |_| 0).len(), before + usize::from(is_whole), "{end} {zeros}");
            assert!(log(folder).starts_with(&acted_on), "what was acted on is there");
            if is_whole {
                assert_eq!(fs::read(&head).unwrap(), head_after, "the whole line is named before it counts");
            }
            book.grant(&serve(), NOW).unwrap();
            let book = open(folder).unwrap();
            assert_eq!(book.grants().list(NOW, |_| 0).len(), before + 1 + usize::from(is_whole));
            assert!(book.verify().ok && log(folder).starts_with(&acted_on));
            // The same cut in lines that the head names is damage: nothing is granted or changed.
            if end < whole.len() || zeros {
                set_head(Some(&head_after));
                fs::write(folder.join("consent.log"), &crashed).unwrap();
                assert!(matches!(open(folder), Err(ConsentError::Damaged { .. })), "{end} {zeros}");
                let refused = ConsentBook::unread(folder, &data(folder)).grant(&serve(), NOW);
                assert!(matches!(refused, Err(ConsentError::Damaged { .. })));
                assert_eq!((log(folder), fs::read(&head).unwrap()), (crashed, head_after.clone()));
            }
        }
    }
}

/// A second crash, between the truncation of that file and its content, would leave a first line without a head.
// Rows: E1
#[test]
fn the_prepared_head_of_a_first_line_is_renamed_not_rewritten() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    open(folder).unwrap().grant(&serve(), NOW).unwrap();
    let (head, prepared) = (folder.join("consent.head"), folder.join("consent.head.new"));
    unsee(folder);
    fs::rename(&head, &prepared).unwrap();
    let written = prepared.metadata().unwrap();
    assert_eq!(open(folder).unwrap().grants().list(NOW, |_| 0).len(), 1);
    let named = head.metadata().unwrap();
    assert_eq!((named.ino(), named.modified().unwrap()), (written.ino(), written.modified().unwrap()));
}

// Rows: E1
#[test]
fn log_cut_at_each_byte_of_its_last_append_keeps_acted_on_lines() {
    each_crash_of_the_last_append(0);
    each_crash_of_the_last_append(1);
    each_crash_of_the_last_append(2);
}

#[test]
fn log_damaged_while_open_grants_nothing_until_whole_again() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let mut book = open(folder).unwrap();
    book.grant(&serve(), NOW).unwrap();
    book.grant(&serve(), NOW).unwrap();
    let whole = log(folder);
    fs::write(folder.join("consent.log"), &whole[..whole.len() / 2]).unwrap();
    let error = book.reload_if_changed().unwrap_err();
    assert!(!book.grants().permission(Action::Serve, &swarm(1), NOW, |_| 0).is_some());
    assert!(!book.verify().ok);
    let ConsentError::Damaged { verdict, .. } = error else { panic!("{error}") };
    assert!(verdict.fault.unwrap().contains("number 2 was written"));
    assert!(book.reload_if_changed().is_err(), "again, though nothing changed since");
    fs::remove_file(folder.join("consent.log")).unwrap();
    assert!(book.reload_if_changed().is_err(), "a log that is gone is damage too");
    fs::write(folder.join("consent.log"), &whole).unwrap();
    assert!(book.reload_if_changed().unwrap());
    assert!(book.grants().permission(Action::Serve, &swarm(1), NOW, |_| 0).is_some());
}

#[test]
fn a_symbolic_link_a_folder_and_an_endless_file_are_no_log() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let path = folder.join("consent.log");
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    assert!(
        open(folder).is_err()
            && ConsentBook::unread(folder, &data(folder)).record_given(given(), NOW).is_err()
    );
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(open(folder).is_err());
    fs::remove_dir(&path).unwrap();
    fs::File::create(&path).unwrap().set_len((64 << 20) + 1).unwrap();
    assert!(open(folder).unwrap_err().to_string().contains("damaged"));
}

#[test]
fn what_cannot_be_granted_says_why_and_leaves_no_line() {
    let home = tempfile::tempdir().unwrap();
    let folder = &home.path().join("state");
    let mut book = open(folder).unwrap();
    assert!(matches!(book.revoke(1, "flag", NOW), Err(ConsentError::Unknown(1))));
    let change = |change: &dyn Fn(&mut NewGrant)| {
        let mut new = serve();
        change(&mut new);
        new
    };
    use Action::{Fetch, Import, Publish, Serve};
    let cases = [
        (change(&|new| new.actions.clear()), "no action"),
        (change(&|new| new.actions.push(Serve)), "twice"),
        (change(&|new| new.model = Some("ab".repeat(31))), "no swarm id"),
        (change(&|new| new.model = Some("AB".repeat(32))), "no swarm id"),
        (change(&|new| new.peer = Some("a".repeat(51))), "no peer"),
        (change(&|new| new.quota_bytes = Some(0)), "0 bytes"),
        (change(&|new| (new.quota_bytes, new.actions) = (Some(1), vec![Import])), "only `fetch`"),
        (change(&|new| new.expires_unix = Some(NOW)), "would have ended"),
        (change(&|new| new.by = String::new()), "`by`"),
        (change(&|new| new.by = "\u{1b}[2J".to_owned()), "`by`"),
        (change(&|new| (new.actions, new.peer) = (vec![Serve, Publish], Some(peer(1)))), "all peers"),
    ];
    for (new, why) in cases {
        let error = book.grant(&new, NOW).unwrap_err();
        assert!(
            matches!(error, ConsentError::NotAGrant(_)) && error.to_string().contains(why),
            "{error} {why}"
        );
    }
    assert!(!folder.exists());
    // Publishing needs a consent to serve the same model, in the same call or before.
    let of =
        |actions: &[Action], model: Option<u8>| NewGrant { model: model.map(swarm), ..new_grant(actions) };
    let alone = book.grant(&of(&[Publish], Some(1)), NOW).unwrap_err();
    assert!(alone.to_string().contains("no consent to `serve`") && !folder.join("consent.log").exists());
    let numbers = book.grant(&of(&[Publish, Serve], Some(1)), NOW).unwrap();
    assert_eq!(numbers, [1, 2]);
    book.grant(&of(&[Publish], Some(1)), NOW).unwrap();
    for wider in [None, Some(2)] {
        let refused = book.grant(&of(&[Publish], wider), NOW);
        assert!(matches!(refused, Err(ConsentError::NotAGrant(NotAGrant::Alone { .. }))), "{wider:?}");
    }
    book.revoke(1, "flag", NOW).unwrap();
    assert!(book.grant(&of(&[Publish], Some(1)), NOW).is_err());
    // A quota is kept only with actions that move bytes.
    let mut new = new_grant(&[Import, Fetch]);
    new.quota_bytes = Some(9);
    book.grant(&new, NOW).unwrap();
    let quotas: Vec<_> =
        book.grants().list(NOW, |_| 0).into_iter().map(|grant| (grant.action, grant.quota_bytes)).collect();
    assert_eq!(quotas[quotas.len() - 2..], [(Fetch, Some(9)), (Import, None)]);
}
