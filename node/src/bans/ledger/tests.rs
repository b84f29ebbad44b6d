//! Age, number and damage of the entries on disk.

use super::*;

const NOW: u64 = 1_800_000_000;

fn entry(peer: u8, swarm: u8, at_unix: u64) -> BanEntry {
    let line = serde_json::json!({
        "version": 0, "peer": PeerId([peer; 32]).to_string(), "swarm_id": format!("{swarm:02x}").repeat(32),
        "model": "tiny 1", "verb": "fetch", "reason": "sent a chunk that fails its proof", "chunk": 3,
        "expected": null, "got": minimodel_verifier::digest::tagged(&[7; 32]),
        "at_unix": at_unix, "until_unix": at_unix + BAN.as_secs(),
    });
    BanEntry::parse(&line.to_string()).unwrap()
}

fn ledger() -> (tempfile::TempDir, BanLedger) {
    let home = tempfile::tempdir().unwrap();
    let ledger = BanLedger { folder: home.path().join("state") };
    (home, ledger)
}

fn swarm(n: u8) -> String {
    format!("{n:02x}").repeat(32)
}

// Rows: B1
#[test]
fn a_ban_is_for_one_content_and_for_a_day() {
    let (_home, ledger) = ledger();
    assert_eq!(ledger.read(NOW).unwrap(), KnownBans::default());
    ledger.add(vec![entry(1, 1, NOW)], NOW).unwrap();
    let standing = ledger.read(NOW).unwrap();
    assert_eq!(standing.banned(&swarm(1), NOW), BTreeMap::from([(PeerId([1; 32]), BAN)]));
    assert!(standing.banned(&swarm(2), NOW).is_empty());
    let later = NOW + BAN.as_secs();
    assert!(ledger.read(later).unwrap().banned(&swarm(1), later).is_empty());
    // An entry is kept for longer than its ban lasts.
    assert_eq!(ledger.read(later).unwrap().entries.len(), 1);
    assert_eq!(ledger.read(NOW + KEEP.as_secs()).unwrap().entries.len(), 0);
}

// Rows: B1
#[test]
fn a_key_that_was_banned_for_three_contents_is_banned_for_all() {
    let (_home, ledger) = ledger();
    for (swarm, days) in [(1, 0), (2, 1), (1, 2), (1, 3)] {
        let at = NOW + days * BAN.as_secs();
        ledger.add(vec![entry(1, swarm, at)], at).unwrap();
    }
    let at = NOW + 4 * BAN.as_secs();
    assert!(ledger.read(at).unwrap().banned(&swarm(9), at).is_empty(), "two contents");
    ledger.add(vec![entry(1, 3, at)], at).unwrap();
    let standing = ledger.read(at).unwrap();
    assert_eq!(standing.banned(&swarm(9), at), BTreeMap::from([(PeerId([1; 32]), KEEP)]));
    assert_eq!(ledger.remove(at, |entry| entry.swarm_id == swarm(2)).unwrap().len(), 1);
    assert!(ledger.read(at).unwrap().banned(&swarm(9), at).is_empty());
}

// Rows: E16
#[test]
fn a_clock_that_was_a_year_ahead_bans_nobody_for_a_year() {
    let (_home, ledger) = ledger();
    ledger.add(vec![entry(1, 1, NOW)], NOW).unwrap();
    for days in [0, 1, 100] {
        let right = NOW - 365 * BAN.as_secs() + days * BAN.as_secs();
        assert!(ledger.read(right).unwrap().entries.is_empty());
    }
    assert_eq!(ledger.read(NOW - 60).unwrap().entries.len(), 1, "clocks are put right by a minute");
}

// Rows: I6
#[test]
fn the_newest_entries_are_kept_and_what_is_no_entry_is_counted() {
    let (_home, ledger) = ledger();
    private::create_folder(&ledger.folder).unwrap();
    let mut text = String::from("no entry\n{\"version\":1}\n");
    for n in 0..MAX_ENTRIES as u64 {
        text += &format!("{}\n", json::line(&entry(2, 2, NOW - 5_000 + n)).unwrap());
    }
    std::fs::write(ledger.path(), text).unwrap();
    assert_eq!(ledger.read(NOW).unwrap().unreadable, 2);
    ledger.add(vec![entry(1, 1, NOW)], NOW).unwrap();
    let standing = ledger.read(NOW).unwrap();
    assert_eq!((standing.entries.len(), standing.unreadable), (MAX_ENTRIES, 0));
    assert_eq!(standing.entries[0].at_unix, NOW - 5_000 + 1);
    assert_eq!(standing.entries.last().unwrap().peer, PeerId([1; 32]).to_string());
}

// Rows: E9
#[test]
fn a_symlink_is_not_followed_and_a_file_without_end_is_refused() {
    let (home, ledger) = ledger();
    private::create_folder(&ledger.folder).unwrap();
    let other = home.path().join("other");
    std::fs::write(&other, "").unwrap();
    std::os::unix::fs::symlink(&other, ledger.folder.join(LOCK_NAME)).unwrap();
    assert!(ledger.add(vec![entry(1, 1, NOW)], NOW).is_err());
    std::fs::remove_file(ledger.folder.join(LOCK_NAME)).unwrap();
    std::os::unix::fs::symlink(&other, ledger.path()).unwrap();
    assert!(ledger.read(NOW).is_err());
    std::fs::remove_file(ledger.path()).unwrap();
    File::create(ledger.path()).unwrap().set_len(MAX_BYTES + 1).unwrap();
    assert!(ledger.read(NOW).is_err());
}

// Rows: H6
#[test]
fn flood_of_bans_for_less_does_not_push_out_those_for_a_chunk() {
    let (_home, ledger) = ledger();
    let liar = entry(1, 1, NOW);
    ledger.add(vec![liar.clone()], NOW).unwrap();
    let flood = |_| {
        let mut less = entry(2, 1, NOW);
        less.chunk = None;
        less
    };
    ledger.add((0..MAX_ENTRIES).map(flood).collect(), NOW).unwrap();
    let kept = ledger.read(NOW).unwrap().entries;
    assert_eq!((kept.len(), &kept[0]), (MAX_ENTRIES, &liar));
    // Among those for a chunk the newest are kept.
    ledger.add((0..MAX_ENTRIES).map(|_| entry(3, 1, NOW)).collect(), NOW).unwrap();
    let kept = ledger.read(NOW).unwrap().entries;
    assert!(kept.len() == MAX_ENTRIES && kept.iter().all(|kept| kept.peer == entry(3, 1, NOW).peer));
}

// Rows: E16
#[test]
fn a_clock_that_was_set_back_holds_no_ban_back() {
    let (_home, ledger) = ledger();
    let bans = || (0..200).map(|swarm| entry(1, swarm, NOW)).collect::<Vec<_>>();
    assert!(matches!(ledger.add_in_turn(bans(), NOW), Ok(Added::Written)));
    assert!(matches!(ledger.add_in_turn(bans(), NOW), Ok(Added::NotBefore(_))), "two writes in a row");
    let file = std::fs::File::options().write(true).open(ledger.path()).unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(3_600)).unwrap();
    assert!(matches!(ledger.add_in_turn(bans(), NOW), Ok(Added::Written)));
    assert!(
        matches!(ledger.add_in_turn(bans(), NOW), Ok(Added::NotBefore(_))),
        "from here on the clock is right"
    );
}
