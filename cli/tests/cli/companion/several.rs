//! Quotas that several transfers share: no byte too much passes, however many of them run at once.

use serde_json::Value;

use super::house::House;
use super::version::Version;
use crate::process::events;

const CHUNK: u64 = 16 << 10;
/// Quota in bytes, for files of about 600 KiB together.
const MOST: u64 = 6 * CHUNK;
const STEMS: [&str; 3] = ["m0", "m1", "m2"];

/// Bytes sent and received, by the log.
fn moved(house: &House) -> (u64, u64) {
    let ran = house.home.say("--json limits log").exits(0);
    let rows: Vec<Value> = events(&ran.stdout, "moved").collect();
    let sum = |field: &str| rows.iter().map(|row| row[field].as_u64().unwrap()).sum();
    (sum("sent_bytes"), sum("received_bytes"))
}

/// Shares three models from Alice, and lets Bob's fetches of them begin at the same moment; returns the numbers of
/// the fetches.
fn begin(alice: &House, bob: &House, agreed: &[&str]) -> Vec<u64> {
    let offers = STEMS.map(|stem| {
        Version::about(200_000, stem, "1", stem.as_bytes()[1].into()).write(&alice.home, stem);
        bob.home.write(format!("{stem}.minimodel"), alice.home.read(format!("{stem}.minimodel")));
        alice.share_of(stem, &["--consent", "serve"])
    });
    bob.home.say("limits schedule add 0-24 --paused").exits(0);
    let fetch = |(stem, offer): (&str, &String)| {
        let manifest = format!("{stem}.minimodel");
        bob.fetch(&[&[&manifest, "--peer", offer, "--out", "models"], agreed].concat())
    };
    let fetches = STEMS.into_iter().zip(&offers).map(fetch).collect();
    bob.home.say("limits schedule clear").exits(0);
    fetches
}

/// Bytes that all fetches had received when a quota held back the last of them.
#[track_caller]
fn held_back(bob: &House, fetches: &[u64]) -> u64 {
    let held = |&id| bob.transfer_when(id, "held back", |fetch| fetch["cause"] == "quota");
    fetches.iter().map(held).for_each(drop);
    fetches.iter().map(|&id| bob.transfer(id)["received_bytes"].as_u64().unwrap()).sum()
}

// Rows: B22
#[test]
fn daily_peer_budget_holds_across_three_simultaneous_shares() {
    let (alice, bob) = (House::new(), House::new());
    alice.home.say(&format!("limits set --peer-day {MOST}")).exits(0);
    let fetches = begin(&alice, &bob, &["--consent", "fetch,import"]);
    let received = held_back(&bob, &fetches);
    alice.until("the last pictures of the shares", || moved(&alice).0 >= received);
    assert!((MOST - CHUNK + 1..=MOST).contains(&received), "{received}");
    assert_eq!(moved(&alice).0, received);
}

// Rows: I5, B22
#[test]
fn a_quota_of_a_grant_is_not_passed_by_three_fetches_at_once() {
    let (alice, bob) = (House::new(), House::new());
    bob.home.say(&format!("consent grant fetch --quota {MOST} --consent fetch")).exits(0);
    bob.home.say("consent grant import --consent import").exits(0);
    let fetches = begin(&alice, &bob, &[]);
    held_back(&bob, &fetches);
    let used = || {
        let listed = bob.home.say("--json consent list --all").exits(0);
        let grant = events(&listed.stdout, "grant").find(|grant| grant["action"] == "fetch").unwrap();
        grant["used_bytes"].as_u64().unwrap()
    };
    // A fetch is held back for a moment as well while others have chunks under way that would fill the quota.
    bob.until("less of the quota than a chunk", || used() > MOST - CHUNK);
    bob.until("the last pictures of the fetches", || moved(&bob).1 >= used());
    assert!(used() <= MOST, "{}", used());
    assert_eq!(moved(&bob).1, used());
    // Under a new grant all fetches complete.
    bob.home.say("consent grant fetch --consent fetch").exits(0);
    for (stem, id) in STEMS.into_iter().zip(fetches) {
        let done = bob.transfer_when(id, "done", |fetch| fetch["state"] == "done");
        let path = done["path"].as_str().unwrap();
        assert!(std::fs::read(path).unwrap() == alice.home.read(format!("{stem}.slm")));
    }
}
