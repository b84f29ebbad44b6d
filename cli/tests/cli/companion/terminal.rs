//! `seed` and `fetch` on a terminal, with a companion that does the work: the questions to the user, and the effect
//! of Ctrl-C.

use std::fs;
use std::net::UdpSocket;

use minimodel_wire::SignedOffer;
use rustix::process::Signal;
use serde_json::Value;

use super::causes::with_model;
use super::house::House;
use crate::home::Home;
use crate::process::{Running, answer, ask, events};
use crate::publishers::stage;

fn grants(house: &House) -> String {
    house.home.say("--json consent list --all").exits(0).stdout
}

// Rows: I5
#[test]
fn terminal_fetch_with_companion_asks_the_same_and_needs_yes() {
    let (alice, bob, carol) = (House::with_artifact(), House::new(), Home::new());
    let offer = alice.share(&[]);
    let line = ["fetch", "--offer", &offer, "--out", "models"];
    for words in [&["no"][..], &["y"], &["yes serve"], &["yes", "YES"], &["yes", ""], &["yes", "yes fetch"]] {
        let (_, refused) = ask(&bob.home, &line, words);
        assert_eq!(refused.fate().status.code(), Some(5), "{words:?}");
        assert!(bob.transfers().is_empty() && grants(&bob).is_empty(), "{words:?}: {}", grants(&bob));
        assert!(!bob.home.path("models").exists());
    }
    // Consent to the manifest, then to the rest with an action that is not needed.
    let words = ["yes", "yes serve"];
    let (theirs, alone) = ask(&carol, &line, &words);
    assert_eq!(alone.fate().status.code(), Some(0));
    let (ours, handed) = ask(&bob.home, &line, &words);
    let path = handed.end().exits(0).stdout;
    assert!(fs::read(path.trim()).unwrap() == alice.home.read("a.slm"));
    assert_eq!(ours, theirs);
    let asked = [
        "Type yes, yes fetch, yes fetch serve or yes fetch serve publish",
        "Type yes, yes serve or yes serve publish",
    ];
    assert_eq!(ours, asked);
    assert!(grants(&bob).contains("\"by\":\"prompt\""));
    assert_eq!(bob.transfers()[0]["state"], "done");
}

// Rows: I5
#[test]
fn terminal_seed_with_companion_asks_same_and_ends_on_ctrl_c() {
    let (alice, carol) = (House::with_artifact(), Home::with_artifact());
    let line = ["seed", "a.minimodel", "a.slm", "--listen", "127.0.0.1:0"];
    for words in ["no", "y", "Yes", "", "yes serve"] {
        let (_, refused) = ask(&alice.home, &line, &[words]);
        assert_eq!(refused.fate().status.code(), Some(5), "{words:?}");
        assert!(alice.transfers().is_empty() && grants(&alice).is_empty(), "{words:?}: {}", grants(&alice));
    }
    // An earlier share stays when the user revokes its consent and declines to renew it, and serves no peer.
    alice.share(&[]);
    alice.home.say("consent revoke --all").exits(0);
    let (_, refused) = ask(&alice.home, &line, &["no"]);
    assert_eq!(refused.fate().status.code(), Some(5));
    let share = alice.transfers().remove(0);
    assert_eq!((&share["state"], &share["offer"]), (&"waiting".into(), &Value::Null));
    alice.home.say(&format!("transfer remove {}", share["id"])).exits(0);
    let (theirs, alone) = ask(&carol, &line, &["yes"]);
    alone.offer();
    alone.stop().exits(0);
    let (ours, seed) = ask(&alice.home, &line, &["yes"]);
    let offer: SignedOffer = seed.offer().parse().unwrap();
    assert_eq!(ours, theirs);
    let id = alice.transfers()[0]["id"].as_u64().unwrap();
    let share = alice.transfer_when(id, "running", |share| share["state"] == "running");
    assert_eq!(share["publishes"], false);
    seed.stop().exits(0);
    assert!(alice.transfers().is_empty());
    assert!(
        grants(&alice).contains("revoked") && !grants(&alice).contains("\"active\""),
        "{}",
        grants(&alice)
    );
    alice.until("the port is free", || UdpSocket::bind(offer.offer().addresses[0]).is_ok());
}

#[test]
fn ctrl_c_pauses_a_followed_fetch_and_the_same_line_resumes_it() {
    let (alice, bob) = (House::of(with_model(4_000_000)), House::new());
    let offer = alice.share(&["--up", "16KiB"]);
    let line = ["fetch", "--offer", &offer, "--out", "models", "--consent", "fetch,import"];
    let followed = Running::start(&mut bob.home.command(line));
    bob.until("handed over", || !bob.transfers().is_empty());
    let fetch = bob.transfers()[0]["id"].as_u64().unwrap();
    bob.transfer_when(fetch, "fetching", |fetch| fetch["have_bytes"].as_u64() > Some(0));
    followed.signal(Signal::INT);
    let stopped = followed.end().exits(130);
    assert!(stopped.stderr.contains("run the same command again"), "{}", stopped.stderr);
    let paused = bob.transfer_when(fetch, "at rest", |fetch| fetch["peers"] == Value::Array(Vec::new()));
    assert_eq!((&paused["state"], &paused["cause"]), (&"paused".into(), &"paused".into()));

    let share = alice.transfers()[0]["id"].clone();
    alice.home.say(&format!("limits set --transfer {share} --up none")).exits(0);
    let path = bob.home.run(line).exits(0).stdout;
    assert!(fs::read(path.trim()).unwrap() == alice.home.read("a.slm"));
    let transfers = bob.transfers();
    assert_eq!((transfers.len(), &transfers[0]["id"]), (1, &fetch.into()));
    let fetched = transfers[0]["received_bytes"].as_u64().unwrap();
    assert!(
        fetched < transfers[0]["total_bytes"].as_u64().unwrap(),
        "what was there was not fetched again: {fetched}"
    );
    assert!(!grants(&bob).contains("\"active\""), "{}", grants(&bob));
}

#[test]
fn ctrl_c_leaves_earlier_transfer_running_or_paused_as_it_was() {
    let (alice, bob) = (House::of(with_model(4_000_000)), House::new());
    let offer = alice.share(&["--up", "1KiB"]);
    let shared: SignedOffer = offer.parse().unwrap();
    let listen = format!("{}:0", shared.offer().addresses[0].ip());
    let seed = ["seed", "--listen", &listen, "a.minimodel", "a.slm", "--up", "1KiB"];
    let followed = Running::start(&mut alice.home.command(seed));
    assert_eq!(followed.offer(), offer);
    let ended = followed.stop().exits(0);
    assert!(ended.stderr.contains("goes on"), "{}", ended.stderr);
    let share = alice.transfers().remove(0);
    assert_eq!((&share["state"], &share["offer"]), (&"running".into(), &offer.as_str().into()));

    let fetch = ["--offer", &offer, "--out", "models", "--consent", "fetch,import"];
    let id = bob.fetch(&fetch);
    bob.transfer_when(id, "running", |fetch| fetch["state"] == "running");
    let followed = Running::start(&mut bob.home.command(["fetch"].iter().chain(&fetch)));
    followed.wait_until_said(&format!("as transfer {id}"));
    followed.signal(Signal::INT);
    let ended = followed.end().exits(130);
    assert!(ended.stderr.contains("the companion goes on"), "{}", ended.stderr);
    assert_eq!(bob.transfer(id)["state"], "running");

    alice.home.say(&format!("transfer pause {}", share["id"])).exits(0);
    let followed = Running::start(&mut alice.home.command(seed));
    followed.offer();
    followed.stop().exits(0);
    let share = alice.transfers().remove(0);
    assert_eq!((&share["state"], &share["offer"]), (&"paused".into(), &Value::Null));
}

// Rows: I5
#[test]
fn one_answer_to_an_offer_fetches_into_the_library() {
    let (alice, bob) = (House::of(stage()), House::new());
    alice.home.write("one.slm", alice.home.read("a.slm"));
    let offer = alice.share_of("one", &["--consent", "serve"]);
    let (shown, running) = answer(&bob.home, &["fetch", "--offer", &offer], &["yes fetch serve"]);
    let path = running.end().exits(0).stdout;
    assert!(fs::read(path.trim()).unwrap() == alice.home.read("a.slm"));
    for words in ["into     the companion's library", "and cache it", "and import the file"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let grants = grants(&bob);
    let given: Vec<Value> = events(&grants, "grant").map(|grant| grant["action"].clone()).collect();
    assert_eq!(given, ["fetch", "import", "serve", "cache"], "{grants}");
    assert_eq!(grants.matches("\"by\":\"prompt\"").count(), 4, "{grants}");
}

// Rows: H10, I5
#[test]
fn early_consent_with_companion_needs_a_signed_manifest() {
    let (alice, bob) = (House::of(stage()), House::new());
    alice.home.write("none.slm", alice.home.read("a.slm"));
    let offer = alice.share_of("none", &["--consent", "serve"]);
    let line = ["fetch", "--offer", &offer, "--out", "models"];
    let (shown, running) = answer(&bob.home, &line, &["yes fetch", "no"]);
    assert_eq!(running.fate().status.code(), Some(5));
    assert!(shown.contains("WARNING: the manifest is not signed"), "{shown}");
    assert!(bob.transfers().is_empty() && grants(&bob).is_empty() && !bob.home.path("models").exists());
    let (_, running) = answer(&bob.home, &line, &["yes fetch", "yes"]);
    let path = running.end().exits(0).stdout;
    assert!(fs::read(path.trim()).unwrap() == alice.home.read("a.slm"));
}

// Rows: I5
#[test]
fn transfer_start_asks_for_the_manifest_then_once_for_the_rest() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    let new = serde_json::json!({"offers": [offer], "out": bob.home.path("models")}).to_string();
    super::told::ask(&bob, "POST", "/v1/fetches", &new);
    let id = bob.transfers()[0]["id"].as_u64().unwrap();
    let number = id.to_string();
    let line = ["transfer", "start", &number];
    for word in ["no", "yes fetch", "yes serve", "\u{4}"] {
        let (asked, running) = ask(&bob.home, &line, &[word]);
        assert_eq!(running.fate().status.code(), Some(5), "{word:?}");
        assert_eq!(asked, ["Type yes"]);
        assert!(grants(&bob).is_empty());
    }
    let (_, running) = ask(&bob.home, &line, &["yes"]);
    running.end().exits(0);
    bob.transfer_when(id, "asking again", |now| now["model_id"] != "" && now["state"] == "asking");
    let (shown, running) = answer(&bob.home, &line, &["yes serve"]);
    running.end().exits(0);
    assert!(shown.contains("Fetch sample-model 1.0.0, ") && shown.contains("into `/"), "{shown}");
    bob.transfer_when(id, "done", |now| now["state"] == "done");
    assert!(!grants(&bob).contains("\"cache\"") && grants(&bob).contains("\"serve\""), "{}", grants(&bob));
}

// Rows: I5
#[test]
fn announce_on_a_terminal_is_one_question_for_one_answer() {
    let alice = House::with_artifact();
    alice.share(&[]);
    let line = ["announce", "on", "1"];
    for word in ["no", "yes publish", ""] {
        let (shown, running) = answer(&alice.home, &line, &[word]);
        assert_eq!(running.fate().status.code(), Some(5), "{word:?}");
        assert!(shown.contains("Publish that this machine has sample-model 1.0.0?"), "{shown}");
        assert!(!grants(&alice).contains("\"publish\""));
    }
    let (_, running) = answer(&alice.home, &line, &["yes"]);
    running.end().exits(0);
    assert!(grants(&alice).contains("\"publish\""), "{}", grants(&alice));
}
