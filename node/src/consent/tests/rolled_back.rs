//! Logs that were replaced by an older copy or by another log.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{NOW, data, new_grant, unsee};
use crate::consent::Action;
use crate::consent::{ConsentBook, ConsentError, verify};

const FILES: [&str; 2] = ["consent.log", "consent.head"];

type Copy = Vec<Option<Vec<u8>>>;

fn copy(folder: &Path) -> Copy {
    FILES.map(|name| fs::read(folder.join(name)).ok()).to_vec()
}

/// Puts a copy back as new files, as a copying program does.
fn put_back(folder: &Path, copy: &Copy) {
    for (name, bytes) in FILES.iter().zip(copy) {
        let path = folder.join(name);
        let _ = fs::remove_file(&path);
        if let Some(bytes) = bytes {
            fs::write(path, bytes).unwrap();
        }
    }
}

/// Makes a log with one grant that is then revoked; returns the book and copies of the files before and after the revocation.
fn revoked(folder: &Path) -> (ConsentBook, Copy, Copy) {
    let mut book = ConsentBook::open(folder, &data(folder)).unwrap();
    book.grant(&new_grant(&[Action::Serve]), NOW).unwrap();
    let granted = copy(folder);
    book.revoke(1, "flag", NOW + 1).unwrap();
    let revoked = copy(folder);
    (book, granted, revoked)
}

#[track_caller]
fn is_refused(folder: &Path, book: &mut ConsentBook, word: &str) {
    let verdict = verify(folder, &data(folder), book.remembered()).unwrap();
    assert!(!verdict.ok && verdict.fault.as_ref().unwrap().contains(word), "{verdict:?}");
    assert!(!book.verify().ok);
    assert!(matches!(book.reload_if_changed(), Err(ConsentError::Damaged { .. })));
    assert!(book.grants().list(NOW, |_| 0).is_empty() && book.head().is_none());
    let before = copy(folder);
    assert!(book.grant(&new_grant(&[Action::Fetch]), NOW + 2).is_err());
    assert!(book.revoke(1, "flag", NOW + 2).is_err() || before == vec![None, None]);
    assert_eq!(copy(folder), before, "nothing is written to it");
}

// Rows: H9
#[test]
fn an_older_log_is_damage_to_a_new_process_and_to_one_that_runs() {
    let home = tempfile::tempdir().unwrap();
    let (mut running, granted, revoked) = revoked(home.path());
    put_back(home.path(), &granted);
    is_refused(home.path(), &mut running, "an older copy");
    let mut fresh = ConsentBook::unread(home.path(), &data(home.path()));
    is_refused(home.path(), &mut fresh, "an older copy");
    // A running process knows the newest head, whatever happened to the data folder.
    unsee(home.path());
    is_refused(home.path(), &mut running, "an older copy");
    // So does a process that was given the head, as from its database.
    let mut told = ConsentBook::unread(home.path(), &data(home.path()));
    running.remembered().iter().for_each(|head| told.remember(head.clone()));
    is_refused(home.path(), &mut told, "an older copy");
    put_back(home.path(), &revoked);
    assert!(running.reload_if_changed().unwrap() && told.reload_if_changed().unwrap());
    assert_eq!(running.grants().is_revoked(1), Some(true));
}

// Rows: H9
#[test]
fn every_shorter_log_is_damage_even_with_a_matching_head() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let mut book = ConsentBook::open(folder, &data(folder)).unwrap();
    let mut copies = vec![copy(folder)];
    for at in 0..4 {
        book.grant(&new_grant(&[Action::Serve]), NOW + at).unwrap();
        copies.push(copy(folder));
    }
    let whole = copies.pop().unwrap();
    for (lines, shorter) in copies.iter().enumerate() {
        put_back(folder, shorter);
        is_refused(folder, &mut ConsentBook::unread(folder, &data(folder)), "the log ends with number");
        // A cut log without its head.
        put_back(folder, &vec![shorter[0].clone(), None]);
        let _ = fs::remove_file(folder.join("consent.head.new"));
        let word = if lines == 1 { "is gone" } else { "" };
        is_refused(folder, &mut ConsentBook::unread(folder, &data(folder)), word);
    }
    put_back(folder, &whole);
    assert!(book.reload_if_changed().is_ok());
}

/// The length of a log without its head is unknown, even if no line of it was recorded as seen.
// Rows: H9
#[test]
fn a_line_without_any_head_is_no_crash_of_ours() {
    let home = tempfile::tempdir().unwrap();
    let (_, granted, _) = revoked(home.path());
    unsee(home.path());
    let _ = fs::remove_file(home.path().join("consent.head.new"));
    put_back(home.path(), &vec![granted[0].clone(), None]);
    is_refused(home.path(), &mut ConsentBook::unread(home.path(), &data(home.path())), "is gone");
}

// Rows: H9
#[test]
fn another_log_of_the_same_length_or_longer_is_damage_too() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let (mut book, ..) = revoked(folder);
    let other = tempfile::tempdir().unwrap();
    let mut theirs = ConsentBook::open(other.path(), &data(other.path())).unwrap();
    for at in 0..3 {
        theirs.grant(&new_grant(&[Action::Serve]), NOW + 7 + at).unwrap();
        if at > 0 {
            put_back(folder, &copy(other.path()));
            is_refused(folder, &mut book, "another log");
        }
    }
}

// Rows: H9
#[test]
fn what_was_seen_is_no_word_that_can_be_spoilt() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    revoked(folder);
    for bytes in [&b""[..], b"{}", b"\0\0\0"] {
        fs::write(data(folder).join("consent.seen"), bytes).unwrap();
        is_refused(folder, &mut ConsentBook::unread(folder, &data(folder)), "`consent.seen`");
    }
}

// Rows: H9
#[test]
fn restored_log_counts_after_consent_restore_without_old_grants() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let (mut running, granted, _) = revoked(folder);
    for older in [granted, vec![None, None]] {
        put_back(folder, &older);
        let mut book = ConsentBook::unread(folder, &data(folder));
        assert!(book.reload_if_changed().is_err());
        assert_eq!(book.restore("command", NOW + 5).unwrap(), 1);
        assert!(
            book.grants()
                .list(NOW, |_| 0)
                .iter()
                .all(|grant| grant.state == crate::consent::GrantState::Revoked)
        );
        assert!(book.lines().last().unwrap().kind == "restore" && book.verify().ok);
        // A running process finds that the head that it remembers was given up.
        assert!(running.reload_if_changed().unwrap());
        assert_eq!(book.restore("command", NOW + 5).unwrap(), 0, "it is the log now");
        let id = book.grant(&new_grant(&[Action::Serve]), NOW + 6).unwrap();
        assert!(running.reload_if_changed().unwrap() && running.grants().is_revoked(id[0]) == Some(false));
        // It gives up what was seen then, nothing that was seen later.
        let later = copy(folder);
        book.revoke(id[0], "flag", NOW + 7).unwrap();
        put_back(folder, &later);
        assert!(ConsentBook::open(folder, &data(folder)).is_err());
        book.restore("command", NOW + 8).unwrap();
        running.reload_if_changed().unwrap();
    }
}

// Rows: H9
#[test]
fn what_a_process_knew_of_a_log_outlives_it() {
    let home = tempfile::tempdir().unwrap();
    let seen = data(home.path()).join("consent.seen");
    let mut running = ConsentBook::open(home.path(), &data(home.path())).unwrap();
    running.grant(&new_grant(&[Action::Serve]), NOW).unwrap();
    let (granted, seen_then) = (copy(home.path()), fs::read(&seen).unwrap());
    running.revoke(1, "flag", NOW + 1).unwrap();
    // All files are replaced by older copies while the process runs.
    put_back(home.path(), &granted);
    fs::write(&seen, &seen_then).unwrap();
    assert!(matches!(running.reload_if_changed(), Err(ConsentError::Damaged { .. })));
    drop(running);
    let mut fresh = ConsentBook::unread(home.path(), &data(home.path()));
    is_refused(home.path(), &mut fresh, "an older copy");
}

// Rows: H9, H11
#[test]
fn files_that_others_may_write_to_grant_nothing() {
    for name in ["consent.log", "consent.head", "data/consent.seen"] {
        let home = tempfile::tempdir().unwrap();
        let mut book = ConsentBook::open(home.path(), &data(home.path())).unwrap();
        book.grant(&new_grant(&[Action::Serve]), NOW).unwrap();
        let path = home.path().join(name);
        let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        set(0o666);
        let refused = ConsentBook::open(home.path(), &data(home.path())).unwrap_err();
        assert!(matches!(refused, ConsentError::Io { doing: "read", .. }), "{name}: {refused}");
        assert!(refused.to_string().contains("0666"), "{name}: {refused}");
        set(0o600);
        ConsentBook::open(home.path(), &data(home.path())).unwrap();
    }
}
