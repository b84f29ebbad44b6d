//! Appends of many lines, a full log, and a read-only one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Built, NOW, build, data, given, new_grant, peer, swarm, unsee};
use crate::consent::chain::{Fault, read_with};
use crate::consent::line::{Given, Kind};
use crate::consent::log::{KEPT_BYTES, MAX_BYTES};
use crate::consent::{Action, GrantState, NewGrant};
use crate::consent::{ConsentBook, ConsentError, NotAGrant, verify};

fn log(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("consent.log")).unwrap()
}

fn serve_to(n: u8) -> NewGrant {
    NewGrant { peer: Some(peer(n)), ..new_grant(&[Action::Serve]) }
}

/// An append of three lines, cut at each byte, with parts of it lost.
fn each_crash_of_a_batch(before: usize) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let mut book = ConsentBook::open(folder, &data(folder)).unwrap();
    for _ in 0..before {
        book.grant(&serve_to(9), NOW).unwrap();
    }
    let (head, new_head) = (folder.join("consent.head"), folder.join("consent.head.new"));
    let (acted_on, head_before) =
        (fs::read(folder.join("consent.log")).unwrap_or_default(), fs::read(&head).ok());
    book.grant_all(&[serve_to(1), new_grant(&[Action::Fetch, Action::Import])], NOW).unwrap();
    let (whole, head_after) = (log(folder), fs::read(&head).unwrap());
    let from = acted_on.len();
    for end in from..=whole.len() {
        let is_thorough = end % 64 == 0 || end == whole.len();
        let added = end - from;
        for lost in [0..0, 0..added / 2, added / 3..added / 3 * 2, added / 2..added] {
            if added < 3 && !lost.is_empty() {
                continue;
            }
            let mut crashed = whole[..end].to_vec();
            crashed[from + lost.start..from + lost.end].fill(0);
            let is_whole = end == whole.len() && lost.is_empty();
            let kept = before + if is_whole { 3 } else { 0 };
            let chain = read_with(&crashed, head_before.as_deref(), Some(&head_after)).unwrap();
            assert_eq!((chain.lines.len(), chain.is_ahead), (kept, is_whole), "{end} {lost:?}");
            assert!(chain.len >= from as u64 && chain.len + chain.torn == end as u64, "{end} {lost:?}");
            // A cut in lines that the head names is damage.
            let after = read_with(&crashed, Some(&head_after), None);
            assert_eq!(after.is_ok(), is_whole, "{end} {lost:?}");
            if !is_thorough {
                continue;
            }
            match &head_before {
                Some(bytes) => fs::write(&head, bytes).unwrap(),
                None => drop(fs::remove_file(&head)),
            }
            fs::write(&new_head, &head_after).unwrap();
            unsee(folder);
            fs::write(folder.join("consent.log"), &crashed).unwrap();
            assert!(verify(folder, &data(folder), &[]).unwrap().ok, "{end} {lost:?}");
            let mut book = ConsentBook::open(folder, &data(folder)).unwrap();
            assert_eq!(book.grants().list(NOW, |_| 0).len(), kept, "{end} {lost:?}");
            assert_eq!(
                fs::read(&head).ok().as_ref() == Some(&head_after),
                is_whole,
                "named before it counts"
            );
            book.grant(&serve_to(2), NOW).unwrap();
            let book = ConsentBook::open(folder, &data(folder)).unwrap();
            assert_eq!(book.grants().list(NOW, |_| 0).len(), kept + 1);
            assert!(book.verify().ok && log(folder).starts_with(&acted_on));
        }
    }
    // Without their prepared head, several lines are not what a crash leaves.
    let broken = read_with(&whole, head_before.as_deref(), None).unwrap_err();
    assert!(matches!(broken.fault, Fault::Ahead { .. }), "{:?}", broken.fault);
    let other = fs::read_to_string(&head).unwrap().replace('a', "b");
    assert!(read_with(&whole, head_before.as_deref(), Some(other.as_bytes())).is_err());
}

// Rows: E1
#[test]
fn crash_in_a_batch_append_keeps_all_of_its_lines_or_none() {
    each_crash_of_a_batch(0);
    each_crash_of_a_batch(2);
}

#[test]
fn batch_grants_and_revocations_stop_whole_at_one_bad_entry() {
    let home = tempfile::tempdir().unwrap();
    let folder = &home.path().join("state");
    let mut book = ConsentBook::open(folder, &data(folder)).unwrap();
    assert!(book.grant_all(&[], NOW).unwrap().is_empty());
    book.revoke_all(&[], "flag", NOW).unwrap();
    let mut many: Vec<NewGrant> = (1..=200).map(serve_to).collect();
    let wrong = NewGrant { model: Some("no".to_owned()), ..serve_to(1) };
    many.push(wrong);
    assert!(matches!(book.grant_all(&many, NOW), Err(ConsentError::NotAGrant(NotAGrant::Model(_)))));
    assert!(!folder.exists());
    // In one call, `publish` needs a `serve` before it, not after it.
    let of = |action| NewGrant { model: Some(swarm(1)), ..new_grant(&[action]) };
    let too_soon = book.grant_all(&[of(Action::Publish), of(Action::Serve)], NOW).unwrap_err();
    assert!(matches!(too_soon, ConsentError::NotAGrant(NotAGrant::Alone { .. })), "{too_soon}");
    *many.last_mut().unwrap() = of(Action::Publish);
    many.insert(0, of(Action::Serve));
    let numbers = book.grant_all(&many, NOW).unwrap();
    assert_eq!(numbers, (1..=202).collect::<Vec<u64>>());
    assert!(matches!(book.revoke_all(&[5, 203], "flag", NOW), Err(ConsentError::Unknown(203))));
    assert_eq!(book.lines().len(), 202);
    book.revoke(3, "flag", NOW).unwrap();
    book.revoke_all(&[9, 4, 3, 9], "flag", NOW).unwrap();
    let again = ConsentBook::open(folder, &data(folder)).unwrap();
    assert_eq!((again.lines().len(), again.verify().ok), (205, true));
    assert_eq!(again.grants(), book.grants());
    let is_revoked = |grant: &crate::consent::Grant| grant.state == GrantState::Revoked;
    let revoked: Vec<u64> = book
        .grants()
        .list(NOW, |_| 0)
        .iter()
        .filter(|grant| is_revoked(grant))
        .map(|grant| grant.id)
        .collect();
    assert_eq!(revoked, [3, 4, 9]);
}

/// A log of so many bytes, in few lines.
fn filled(bytes: usize) -> Built {
    let long = |length: usize| Kind::Given(Given { spelled: "x".repeat(length), ..given() });
    let rest = bytes - build(&[long(0)]).log.len();
    let built = build(&[long(rest)]);
    assert_eq!(built.log.len(), bytes);
    built
}

#[test]
fn full_log_takes_no_more_consents_and_still_takes_revocations() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let room = 1000;
    let filled = filled(usize::try_from(MAX_BYTES - KEPT_BYTES - room).unwrap());
    fs::write(folder.join("consent.log"), &filled.log).unwrap();
    fs::write(folder.join("consent.head"), &filled.head).unwrap();
    let mut book = ConsentBook::open(folder, &data(folder)).unwrap();
    let [id] = book.grant(&serve_to(1), NOW).unwrap()[..] else { panic!("one") };
    let before = fs::metadata(folder.join("consent.log")).unwrap().len();
    let full = book.grant_all(&[serve_to(2), serve_to(3), serve_to(4)], NOW).unwrap_err();
    assert!(matches!(full, ConsentError::Full { .. }), "{full}");
    let long = Given { spelled: "x".repeat(256), verb: "y".repeat(256), ..given() };
    let mut fits = 0;
    while book.record_given(long.clone(), NOW).is_ok() {
        fits += 1;
        assert!(fits < 2, "it never fills");
    }
    assert!(fs::metadata(folder.join("consent.log")).unwrap().len() < before + room);
    assert_eq!(book.grants().is_revoked(id), Some(false), "what was granted stays");
    book.revoke(id, "flag", NOW).unwrap();
    assert!(book.verify().ok);
    assert_eq!(ConsentBook::open(folder, &data(folder)).unwrap().grants().is_revoked(id), Some(true));
}

#[test]
fn read_only_log_is_verified_without_creating_a_file_beside_it() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state");
    let mut book = ConsentBook::open(&folder, &data(&folder)).unwrap();
    book.grant_all(&[serve_to(1), serve_to(2)], NOW).unwrap();
    fs::remove_file(folder.join("consent.lock")).unwrap();
    let mode = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o500);
    let verdict = verify(&folder, &data(&folder), &[]).unwrap();
    assert_eq!((verdict.ok, verdict.entries, book.verify().ok), (true, 2, true));
    assert!(!folder.join("consent.lock").exists());
    mode(0o700);
    let bytes = log(&folder);
    fs::write(folder.join("consent.log"), &bytes[..bytes.len() / 2]).unwrap();
    assert!(!verify(&folder, &data(&folder), &[]).unwrap().ok && !book.verify().ok);
    assert!(!folder.join("consent.lock").exists());
}
