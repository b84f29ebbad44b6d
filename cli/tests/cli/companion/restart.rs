//! A companion that is killed or ended, and started again.

use super::causes::with_model;
use super::house::House;

#[test]
fn running_transfer_resumes_and_paused_stays_paused_on_restart() {
    let (mut alice, mut bob) = (House::of(with_model(4_000_000)), House::new());
    let offer = alice.share(&["--up", "12KiB"]);
    let share = alice.transfers()[0]["id"].as_u64().unwrap();
    let fetch = bob.fetch(&["--offer", &offer, "--out", "models", "--consent", "fetch,import"]);
    bob.transfer_when(fetch, "fetching", |fetch| fetch["have_bytes"].as_u64() > Some(0));

    bob.kill();
    bob.start();
    let resumed = bob.transfer_when(fetch, "running again", |fetch| fetch["state"] == "running");
    assert!(resumed["have_bytes"].as_u64() > Some(0), "{resumed:#}");

    bob.home.say(&format!("transfer pause {fetch}")).exits(0);
    bob.transfer_when(fetch, "paused", |fetch| fetch["state"] == "paused");
    assert_eq!(bob.stop().code, 0);
    bob.start();
    assert_eq!(bob.transfer(fetch)["state"], "paused");

    // The share comes back at its port, so that the offer that other peers hold still leads to it.
    alice.kill();
    alice.start();
    let is_back = |share: &serde_json::Value| share["offer"].is_string() && share["state"] == "running";
    alice.transfer_when(share, "shared again", is_back);
    alice.home.say(&format!("limits set --transfer {share} --up none")).exits(0);
    bob.home.say(&format!("transfer start {fetch}")).exits(0);
    let done = bob.transfer_when(fetch, "done", |fetch| fetch["state"] == "done");
    assert_eq!(std::fs::read(done["path"].as_str().unwrap()).unwrap(), alice.home.read("a.slm"));
}

// Rows: E12
#[test]
fn fetch_paused_and_started_repeatedly_never_locks_itself_out() {
    let (alice, bob) = (House::of(with_model(4_000_000)), House::new());
    let offer = alice.share(&["--up", "24KiB"]);
    let share = alice.transfers()[0]["id"].as_u64().unwrap();
    let fetch = bob.fetch(&["--offer", &offer, "--out", "models", "--consent", "fetch,import"]);
    bob.transfer_when(fetch, "fetching", |fetch| fetch["have_bytes"].as_u64() > Some(0));
    for _ in 0..12 {
        bob.home.say(&format!("transfer pause {fetch}")).exits(0);
        bob.home.say(&format!("transfer start {fetch}")).exits(0);
        let state = bob.transfer(fetch)["state"].clone();
        assert_ne!(state, "failed");
    }
    alice.home.say(&format!("limits set --transfer {share} --up none")).exits(0);
    bob.transfer_when(fetch, "done", |fetch| {
        assert_ne!(fetch["state"], "failed", "{fetch:#}");
        fetch["state"] == "done"
    });
}
