//! No quota is exceeded, and moved bytes are counted once.

use proptest::prelude::*;

use super::*;
use QuotaRefusal::{InFlight, UsedUp};

fn id(n: u8) -> PeerId {
    PeerId([n; 32])
}

fn open(grant: u64, peer: Option<u8>, quota_bytes: Option<u64>) -> Open {
    Open { grant, peer: peer.map(|n| id(n).to_string()), quota_bytes }
}

fn rules(serve: Vec<Open>, fetch: Vec<Open>, day_bytes: Option<u64>) -> Rules {
    Rules { serve, fetch, day_bytes }
}

impl Accounts {
    /// Bytes that count as sent today to the peer with key `n`.
    fn sent_to(&self, n: u8) -> u64 {
        ledger::used(&self.lock().sent_today, &id(n).to_string())
    }
}

/// Otherwise peers for which a quota was used up would not be tried again.
// Rows: B22
#[test]
fn quota_version_changes_with_the_rules_and_with_the_day() {
    let accounts = Accounts::default();
    let with = |quota| rules(vec![open(7, None, Some(quota))], Vec::new(), Some(5));
    let gate = accounts.gate(1, "s", "m", with(5));
    let account = gate.reserve(Direction::Sent, id(1), 5).unwrap();
    gate.settle(Direction::Sent, id(1), account, 5, 5);
    accounts.rule(1, with(5));
    accounts.turn(1);
    assert_eq!((accounts.quota_version(1), gate.reserve(Direction::Sent, id(1), 5)), (0, Err(UsedUp)));
    accounts.rule(1, with(10));
    assert_eq!((accounts.quota_version(1), gate.reserve(Direction::Sent, id(1), 5)), (1, Err(UsedUp)));
    accounts.turn(DAY);
    assert_eq!((accounts.quota_version(1), gate.reserve(Direction::Sent, id(1), 5)), (2, Ok(Account(7))));
    accounts.turn(DAY + 1);
    assert_eq!((accounts.quota_version(1), accounts.quota_version(9)), (2, 0));
}

// Rows: I5
#[test]
fn gate_passes_nothing_without_a_grant_or_after_its_run_ended() {
    let accounts = Accounts::default();
    let gate = accounts.gate(1, "s", "m", rules(vec![open(7, Some(1), None)], Vec::new(), None));
    assert_eq!(gate.reserve(Direction::Sent, id(2), 1), Err(UsedUp));
    assert_eq!(gate.reserve(Direction::Received, id(1), 1), Err(UsedUp));
    assert_eq!(gate.reserve(Direction::Sent, id(1), 1), Ok(Account(7)));
    accounts.rule(1, Rules::default());
    assert_eq!(gate.reserve(Direction::Sent, id(1), 1), Err(UsedUp));
    accounts.rule(1, rules(vec![open(7, None, None)], Vec::new(), None));
    assert_eq!(gate.reserve(Direction::Sent, id(1), 1), Ok(Account(7)));
    accounts.end(1);
    assert_eq!(gate.reserve(Direction::Sent, id(1), 1), Err(UsedUp));
    assert_eq!(accounts.of_run(1, Direction::Sent), (MovedBytes::default(), Vec::new()));
    // Bytes reserved before the run's end still count.
    gate.settle(Direction::Sent, id(1), Account(7), 1, 1);
    assert_eq!(accounts.used(7), 1);
}

#[test]
fn bytes_under_way_hold_quota_and_free_it_if_they_did_not_move() {
    let accounts = Accounts::default();
    let gates: Vec<_> = [1, 2]
        .map(|run| accounts.gate(run, "s", "m", rules(vec![open(1, None, Some(100))], Vec::new(), None)))
        .into();
    assert!(gates[0].reserve(Direction::Sent, id(1), 60).is_ok());
    assert_eq!((gates[1].reserve(Direction::Sent, id(2), 60), accounts.used(1)), (Err(InFlight), 0));
    gates[0].settle(Direction::Sent, id(1), Account(1), 60, 10);
    assert_eq!((accounts.used(1), gates[1].reserve(Direction::Sent, id(2), 90)), (10, Ok(Account(1))));
    assert_eq!(accounts.of_run(1, Direction::Sent).1, [1]);
    assert!(accounts.of_run(1, Direction::Received).1.is_empty());
    let sent = |run| accounts.of_run(run, Direction::Sent).0.sent;
    assert_eq!((sent(1), sent(2)), (10, 0));
}

#[test]
fn moved_bytes_are_written_once_by_grant_and_by_day() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&folder.path().join("db")).unwrap();
    let accounts = Accounts::load(&db, 0).unwrap();
    let gate = accounts.gate(1, "s", "m", rules(vec![open(9, None, None)], Vec::new(), None));
    let move_one = |bytes| {
        let account = gate.reserve(Direction::Sent, id(1), bytes).unwrap();
        gate.settle(Direction::Sent, id(1), account, bytes, bytes);
    };
    move_one(5);
    accounts.flush(&db, 0).unwrap();
    move_one(6);
    accounts.flush(&db, 0).unwrap();
    accounts.flush(&db, 0).unwrap();
    let again = Accounts::load(&db, 0).unwrap();
    assert_eq!((again.used(9), again.sent_to(1)), (11, 11));
    accounts.turn(DAY);
    assert!(accounts.lock().sent_today.is_empty());
}

/// Grants 1 (anyone, 50 bytes), 2 (peer 1, 30 bytes) and 3 (anyone, to fetch, 40 bytes), and 45 bytes per peer and day.
fn all() -> Rules {
    rules(vec![open(2, Some(1), Some(30)), open(1, None, Some(50))], vec![open(3, None, Some(40))], Some(45))
}

proptest! {
    // Rows: B22
    #[test]
    fn no_quota_or_day_budget_is_exceeded_and_bytes_count_once(
        steps in prop::collection::vec((0u64..3, 0u8..3, prop::bool::ANY, 1u64..20, 0u64..20, 0usize..6), 0..300),
    ) {
        let accounts = Accounts::default();
        let gates: Vec<_> = (0..3).map(|run| accounts.gate(run, "s", "m", all())).collect();
        let mut under_way = Vec::new();
        let mut moved_under = BTreeMap::<u64, u64>::new();
        let mut sent_to = BTreeMap::<u8, u64>::new();
        for (run, peer, is_sent, bytes, moved, which) in steps {
            let direction = if is_sent { Direction::Sent } else { Direction::Received };
            if let Ok(account) = gates[run as usize].reserve(direction, id(peer), bytes) {
                under_way.push((run, direction, peer, account, bytes));
            }
            if which < under_way.len() {
                let (run, direction, peer, account, bytes) = under_way.swap_remove(which);
                let moved = moved.min(bytes);
                gates[run as usize].settle(direction, id(peer), account, bytes, moved);
                *moved_under.entry(account.0).or_default() += moved;
                if direction == Direction::Sent {
                    *sent_to.entry(peer).or_default() += moved;
                }
            }
            for (grant, quota) in [(1, 50), (2, 30), (3, 40)] {
                let used = moved_under.get(&grant).copied().unwrap_or(0);
                prop_assert_eq!(accounts.used(grant), used);
                let open: u64 = under_way.iter().filter(|one| one.3.0 == grant).map(|one| one.4).sum();
                prop_assert!(used + open <= quota);
            }
            for peer in 0..3 {
                let sent = sent_to.get(&peer).copied().unwrap_or(0);
                prop_assert_eq!(accounts.sent_to(peer), sent);
                let to = |one: &&(u64, Direction, u8, Account, u64)| one.1 == Direction::Sent && one.2 == peer;
                let open: u64 = under_way.iter().filter(to).map(|one| one.4).sum();
                prop_assert!(sent + open <= 45);
            }
        }
        let total: u64 = (0..3).map(|run| {
            let moved = accounts.of_run(run, Direction::Sent).0;
            moved.sent + moved.received
        }).sum();
        prop_assert_eq!(total, moved_under.values().sum::<u64>());
        for (run, direction, peer, account, bytes) in under_way {
            gates[run as usize].settle(direction, id(peer), account, bytes, 0);
        }
        let state = accounts.lock();
        prop_assert!(state.under_way.is_empty() && state.under_way_to.is_empty());
    }
}

/// After a crash at any moment the database counts no less than what moved, and no more than that plus one step and what was
/// under way.
// Rows: B22
#[test]
fn after_a_crash_quota_and_day_undercount_no_byte_that_moved() {
    const QUOTA: u64 = 4 << 20;
    let folder = tempfile::tempdir().unwrap();
    let db = Arc::new(Db::open(&folder.path().join("db")).unwrap());
    let accounts = Accounts::load(&db, 0).unwrap();
    accounts.require_leases();
    let writer = std::thread::spawn({
        let (accounts, db) = (accounts.clone(), db.clone());
        move || accounts.write_leases(&db)
    });
    let gate = accounts.gate(1, "s", "m", rules(vec![open(9, None, Some(QUOTA))], Vec::new(), Some(QUOTA)));
    let chunk = 64 << 10;
    let mut moved = 0;
    for _ in 0..40 {
        let account = loop {
            match gate.reserve(Direction::Sent, id(1), chunk) {
                Ok(account) => break account,
                Err(InFlight) => std::thread::yield_now(),
                Err(UsedUp) => panic!("used up at {moved}"),
            }
        };
        moved += chunk;
        // The database as another process would find it if this one ended before the chunk was settled.
        let found = Accounts::load(&db, 0).unwrap();
        let sent = found.sent_to(1);
        for counted in [found.used(9), sent] {
            assert!((moved..=moved + chunk + (1 << 18)).contains(&counted), "{counted} of {moved}");
        }
        gate.settle(Direction::Sent, id(1), account, chunk, chunk);
        accounts.flush(&db, 0).unwrap();
        assert!(
            Accounts::load(&db, 0).unwrap().used(9) >= moved,
            "what is written every few seconds takes nothing back"
        );
    }
    accounts.end_leases();
    writer.join().unwrap();
    accounts.flush(&db, 0).unwrap();
    let found = Accounts::load(&db, 0).unwrap();
    let sent = found.sent_to(1);
    assert_eq!((found.used(9), sent), (moved, moved), "an end in good order leaves what moved");
}

/// While leases cannot be written, bytes that a crash would leave uncounted do not move.
// Rows: B22
#[test]
fn nothing_moves_under_a_quota_that_nobody_writes_down() {
    let accounts = Accounts::default();
    accounts.require_leases();
    let gate = accounts.gate(
        1,
        "s",
        "m",
        rules(vec![open(1, None, Some(100)), open(2, None, None)], vec![open(2, None, None)], None),
    );
    assert_eq!(gate.reserve(Direction::Sent, id(1), 1), Err(InFlight));
    assert_eq!(
        gate.reserve(Direction::Received, id(1), 1),
        Ok(Account(2)),
        "without a quota nothing is to be counted ahead"
    );
}
