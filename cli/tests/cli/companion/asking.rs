//! Requests for a manifest where only an offer is known: which consents and schedules permit them.

use std::net::UdpSocket;
use std::time::Duration;

use minimodel_wire::SignedOffer;
use rustix::process::Signal;

use super::causes::{fetch, only};
use super::house::House;
use super::told::ask;
use crate::process::{Running, events, own_port, release, take};

/// Pauses a share and binds its port, to hear who dials it. Returns the socket and the number of the share.
fn hear(alice: &House, offer: &str) -> (UdpSocket, u64) {
    let address = offer.parse::<SignedOffer>().unwrap().offer().addresses[0];
    let share = only(alice);
    alice.home.say(&format!("transfer pause {share}")).exits(0);
    let ear = take(address);
    ear.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    (ear, share)
}

fn share_again(alice: &House, share: u64) {
    alice.home.say(&format!("transfer start {share}")).exits(0);
    // The offer is known from before, so the test waits for the state.
    alice.transfer_when(share, "shared", |share| share["state"] == "running");
}

#[test]
fn consent_of_one_fetch_does_not_cover_another_but_a_grant_does() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    let address = offer.parse::<SignedOffer>().unwrap().offer().addresses[0];
    let share = only(&alice);
    alice.home.say(&format!("transfer pause {share}")).exits(0);
    let first = fetch(&bob, &alice, &offer, &["--consent", "fetch,import"]);
    bob.home.say(&format!("transfer pause {first}")).exits(0);
    bob.transfer_when(first, "paused", |fetch| fetch["state"] == "paused");
    let ear = take(address);
    ear.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    // Discards the last datagrams of the paused fetch.
    while ear.recv(&mut [0; 2_000]).is_ok() {}

    let words = ["fetch", "--offer", &offer, "--out", "other"];
    let refused = bob.home.run(words).exits(5);
    assert!(refused.stderr.contains("nothing was dialed"), "{}", refused.stderr);
    assert!(ear.recv(&mut [0; 2_000]).is_err(), "somebody was dialed");
    assert_eq!(only(&bob), first);
    release(ear);
    alice.home.say(&format!("transfer start {share}")).exits(0);
    // The offer is known from before, so the test waits for the state.
    alice.transfer_when(share, "shared", |share| share["state"] == "running");

    let grant = |action: &str| {
        let line = format!("consent grant {action} --model ./a.minimodel --consent {action}");
        bob.home.say(&line).exits(0);
    };
    grant("fetch");
    let refused = bob.home.run(words).exits(5);
    assert!(refused.stderr.contains("the manifest was asked for"), "{}", refused.stderr);
    assert_eq!(only(&bob), first);
    grant("import");
    let path = bob.home.run(words).exits(0).stdout;
    assert!(std::fs::read(path.trim()).unwrap() == alice.home.read("a.slm"));
}

#[test]
fn fetch_without_consent_leaves_open_question_of_another_fetch() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    let out = bob.home.path("models");
    let new = serde_json::json!({"offers": [offer], "out": out}).to_string();
    ask(&bob, "POST", "/v1/fetches", &new);
    let open = only(&bob);
    let out = out.to_str().unwrap();
    bob.home.run(["fetch", "--offer", &offer, "--out", out, "--keep-seeding"]).exits(5);
    assert_eq!((only(&bob), &bob.transfer(open)["state"]), (open, &"asking".into()));
    ask(&bob, "POST", &format!("/v1/transfers/{open}/consent"), r#"{"actions":["fetch"],"by":"api"}"#);
    bob.transfer_when(open, "known", |fetch| fetch["model_id"] != "");
}

#[test]
fn manifest_request_uses_named_listen_port_and_survives_ctrl_c() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    let (ear, share) = hear(&alice, &offer);
    let own = own_port();
    let at = own.to_string();
    let line = ["fetch", "--offer", &offer, "--listen", &at, "--out", "models", "--consent", "fetch,import"];
    let followed = Running::start(&mut bob.home.command(line));
    assert_eq!(ear.recv_from(&mut [0; 2_000]).unwrap().1, own);
    followed.wait_until_said("asks for the manifest");
    followed.signal(Signal::INT);
    let stopped = followed.end().exits(130);
    assert!(stopped.stderr.contains("run the same command again"), "{}", stopped.stderr);
    let kept = only(&bob);
    assert_eq!(bob.transfer(kept)["state"], "paused");

    release(ear);
    share_again(&alice, share);
    // The manifest request leaves the port free for the fetch.
    let path = bob.home.run(line).exits(0).stdout;
    assert!(std::fs::read(path.trim()).unwrap() == alice.home.read("a.slm"));
    assert_eq!(only(&bob), kept);
}

#[test]
fn fetch_held_by_schedule_says_so_and_asks_for_no_manifest() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    bob.home.say("limits schedule add 0-24 --paused").exits(0);
    let line = ["fetch", "--offer", &offer, "--out", "models", "--consent", "fetch,import"];
    let followed = Running::start(&mut bob.home.command(line));
    followed.wait_until_said("the schedule pauses it");
    followed.signal(Signal::INT);
    let stopped = followed.end().exits(130);
    assert!(!stopped.stderr.contains("the companion asks"), "{}", stopped.stderr);
    let held = only(&bob);
    assert_eq!(bob.transfer(held)["state"], "paused");
    bob.home.say(&format!("transfer remove {held}")).exits(0);

    let left = ["fetch", "--detach", "--offer", &offer, "--out", "models", "--consent", "fetch"];
    let left = bob.home.run(left).exits(0);
    assert!(left.stderr.contains("needs consent to `import`"), "{}", left.stderr);
    bob.home.say("limits schedule clear").exits(0);
    let asks = bob.transfer_when(only(&bob), "asking", |fetch| fetch["state"] == "asking");
    assert!(asks["model_id"] != "" && !bob.home.path("models").exists(), "{asks:#}");
    let listed = bob.home.say("--json consent list").exits(0).stdout;
    let actions: Vec<_> = events(&listed, "grant").map(|grant| grant["action"].clone()).collect();
    assert_eq!(actions, ["fetch"]);
    let path = bob.home.run(line).exits(0).stdout;
    assert!(std::fs::read(path.trim()).unwrap() == alice.home.read("a.slm"));
}

#[test]
fn used_up_grant_asks_its_user_and_dials_for_no_manifest() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    bob.home.write("a.minimodel", alice.home.read("a.minimodel"));
    for (action, quota) in [("import", &[][..]), ("fetch", &["--quota", "16KiB"])] {
        let words = ["consent", "grant", action, "--model", "./a.minimodel", "--consent", action];
        bob.home.run(words.iter().chain(quota)).exits(0);
    }
    // A whole chunk first, which leaves nothing; the short last one would leave enough for another.
    let in_order = ["--order", "sequential"];
    let first = fetch(&bob, &alice, &offer, &in_order);
    let is_spent = |fetch: &serde_json::Value| fetch["state"] == "waiting" && fetch["cause"] == "quota";
    let spent = bob.transfer_when(first, "spent", is_spent);
    assert_eq!(spent["question"]["needs"], serde_json::json!(["fetch", "import"]));
    // In another folder, and where the companion knows the manifest already.
    for out in ["other", "models"] {
        let refused =
            bob.home.run(["fetch", "--offer", &offer, "--out", out].iter().chain(&in_order)).exits(5);
        assert!(refused.stderr.contains("nothing was dialed"), "{}", refused.stderr);
        assert!(!refused.stderr.contains("asks for the manifest"), "{}", refused.stderr);
        assert!(only(&bob) == first && is_spent(&bob.transfer(first)));
    }
    let line = ["fetch", "--offer", &offer, "--out", "other", "--consent", "fetch,import"];
    let path = bob.home.run(line).exits(0).stdout;
    assert!(std::fs::read(path.trim()).unwrap() == alice.home.read("a.slm"));
    bob.home.say(&format!("transfer start {first} --consent fetch,import")).exits(0);
    bob.transfer_when(first, "done", |fetch| fetch["state"] == "done");
}
