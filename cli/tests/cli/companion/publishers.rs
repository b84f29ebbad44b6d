//! Known publishers where a companion does the work: whatever grants there are, another key needs the user's
//! acceptance.

use serde_json::Value;

use super::house::House;
use super::told::{answer_of, ask};
use crate::process::{event, events};
use crate::publishers::{LAB, at_terminal, key, known, stage};

/// Offers of Alice's shares of one file, under manifests by two keys and by none.
fn shared(alice: &House) -> [String; 3] {
    ["one", "two", "none"].map(|stem| {
        alice.home.write(format!("{stem}.slm"), alice.home.read("a.slm"));
        alice.share_of(stem, &["--consent", "serve"])
    })
}

// Rows: H10
#[test]
fn companion_keeps_first_key_and_refuses_another_without_flag() {
    let (alice, bob) = (House::of(stage()), House::new());
    let [one, two, none] = shared(&alice);
    assert!(known(&alice.home).is_empty(), "to serve is not to import");
    let fetch = |offer: &str, out: &str, more: &[&str]| {
        let line = ["--json", "fetch", "--offer", offer, "--out", out, "--consent", "fetch,import"];
        bob.home.run(line.iter().chain(more))
    };
    let first = fetch(&one, "first", &[]).exits(0);
    assert_eq!(known(&bob.home), [key(1)]);
    let receipt = std::fs::read_to_string(event(&first.stdout, "done")["receipt"].as_str().unwrap()).unwrap();
    assert!(receipt.contains(&format!("detail={}, first seen now", key(1))), "{receipt}");
    let entries = bob.home.say("--json library list").exits(0).stdout;
    let entry = events(&entries, "entry").next().unwrap();
    assert_eq!(
        (&entry["publisher"]["standing"], &entry["publisher"]["key"]),
        (&"known".into(), &key(1).into())
    );
    assert_eq!(bob.transfers()[0]["publisher"]["standing"], "known");

    let refused = fetch(&two, "second", &[]).exits(6);
    for words in [LAB, &key(1), &key(2), "--accept-publisher-key"] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
    fetch(&two, "second", &["--publisher-key", &key(1)]).exits(6);
    assert_eq!((bob.transfers().len(), known(&bob.home)), (1, vec![key(1)]));
    assert!(!bob.home.path("second").exists());
    let second = fetch(&two, "second", &["--accept-publisher-key", &key(2)]).exits(0);
    assert_eq!(known(&bob.home), [key(1), key(2)]);
    let receipt =
        std::fs::read_to_string(event(&second.stdout, "done")["receipt"].as_str().unwrap()).unwrap();
    assert!(receipt.contains(&format!("found {}, expected {}", key(2), key(1))), "{receipt}");
    // An unsigned manifest is accepted for that transfer alone; nothing is remembered.
    let third = ["--accept-publisher-key", "unsigned"];
    fetch(&none, "third", &[]).exits(6);
    let done = event(&fetch(&none, "third", &third).exits(0).stdout, "done");
    assert_eq!(done["publisher"]["standing"], "signature-missing");
    assert_eq!(known(&bob.home), [key(1), key(2)]);
    // A pin shows in the library.
    bob.home.run(["publisher", "pin", LAB, &key(1)]).exits(0);
    let table = bob.home.say("library list").exits(0).stdout;
    assert_eq!(table.matches("NOT THE PINNED KEY").count(), 2, "{table}");
}

// Rows: H10
#[test]
fn grant_accepts_no_publisher_key_and_fetch_resumes_on_accept() {
    let (alice, bob) = (House::of(stage()), House::new());
    let [one, two, _] = shared(&alice);
    bob.home.say("consent grant fetch,import,cache --consent fetch,import,cache").exits(0);
    let first = bob.fetch(&["--offer", &one]);
    bob.transfer_when(first, "done", |fetch| fetch["state"] == "done");
    assert_eq!(known(&bob.home), [key(1)]);
    // The command that hands the fetch over refuses at once; over the interface the transfer fails.
    bob.home.run(["fetch", "--detach", "--offer", &two]).exits(6);
    assert_eq!(bob.transfers().len(), 1);
    let new = serde_json::json!({"offers": [two]}).to_string();
    let added: Value = serde_json::from_str(&ask(&bob, "POST", "/v1/fetches", &new)).unwrap();
    let second = added["id"].as_u64().unwrap();
    let failed = bob.transfer_when(second, "failed", |fetch| fetch["state"] == "failed");
    assert_eq!(
        (&failed["problem"]["code"], failed["received_bytes"].as_u64()),
        (&6.into(), Some(0)),
        "{failed:#}"
    );
    assert_eq!(failed["publisher"]["standing"], "changed");
    assert!(failed["problem"]["cause"].as_str().unwrap().contains(&key(1)), "{failed:#}");
    assert_eq!(known(&bob.home), [key(1)]);
    // Accepting a key that did not sign changes nothing, and a pinned publisher is never a question.
    let start = format!("transfer start {second} --accept-publisher-key");
    bob.home.say(&format!("{start} {}", key(9))).exits(6);
    bob.home.run(["publisher", "pin", LAB, &key(1)]).exits(0);
    bob.home.say(&format!("{start} {}", key(2))).exits(6);
    let accept = format!(r#"{{"actions":[],"by":"api","accept_publisher_key":"{}"}}"#, key(2));
    let refused = answer_of(&bob, "POST", &format!("/v1/transfers/{second}/consent"), &accept);
    assert!(refused.contains("pinned"), "{refused}");
    bob.home.say(&format!("publisher unpin {LAB}")).exits(0);
    bob.home.say(&format!("{start} {}", key(2))).exits(0);
    let done = bob.transfer_when(second, "done", |fetch| fetch["state"] == "done");
    assert_eq!(done["publisher"]["standing"], Value::from("known"));
    assert_eq!(known(&bob.home), [key(1), key(2)]);
}

// Rows: H10
#[test]
fn companion_checks_publisher_keys_of_shares_at_each_start() {
    let mut alice = House::of(stage());
    shared(&alice);
    alice.home.run(["publisher", "pin", LAB, &key(1)]).exits(0);
    alice.stop();
    alice.start();
    for transfer in alice.transfers() {
        // The unsigned manifest fails as the one by another key does.
        let id = transfer["id"].as_u64().unwrap();
        let is_ones = transfer["publisher"]["key"] == key(1);
        let state = if is_ones { "running" } else { "failed" };
        let now = alice.transfer_when(id, state, |share| share["state"] == state);
        assert!(is_ones || now["problem"]["code"] == 6, "{now:#}");
    }
    let manifest = ["seed", "--detach", "two.minimodel", "two.slm", "--consent", "serve"];
    alice.home.run(manifest.iter().chain(&["--accept-publisher-key", &key(2)])).exits(6);
}

// Rows: H10
#[test]
fn terminal_fetch_with_companion_asks_about_another_key() {
    let (alice, bob) = (House::of(stage()), House::new());
    let [one, two, _] = shared(&alice);
    bob.home.run(["fetch", "--offer", &one, "--out", "one", "--consent", "fetch,import"]).exits(0);
    let line = ["fetch", "--offer", &two, "--out", "two"];
    // The first question is about the manifest, the next about the key, the last about the rest, whatever the first answer was.
    for (words, code) in [
        (&["yes", "no"][..], 6),
        (&["yes fetch", "YES"], 6),
        (&["yes fetch", "yes fetch"], 6),
        (&["yes", "yes", "no"], 5),
        (&["yes fetch serve", "yes", "no"], 5),
    ] {
        let (asked, ended) = at_terminal(&bob.home, &line, words);
        assert_eq!(ended, code, "{words:?}: {asked}");
        assert!(asked.contains("WARNING") && asked.contains(&key(1)) && asked.contains(&key(2)), "{asked}");
        assert_eq!((bob.transfers().len(), known(&bob.home)), (1, vec![key(1)]), "{words:?}");
    }
    let (asked, ended) = at_terminal(&bob.home, &line, &["yes fetch", "yes", "yes"]);
    assert_eq!((ended, known(&bob.home)), (0, vec![key(1), key(2)]), "{asked}");
    assert!(asked.contains("your answer to the first question does not count"), "{asked}");
}

// Rows: H10
#[test]
fn library_api_refuses_another_key_unless_it_is_accepted() {
    let alice = House::of(stage());
    let path = alice.home.path("a.slm");
    let add = |name: &str, accepted: Option<String>| {
        let manifest = String::from_utf8(alice.home.read(format!("{name}.minimodel"))).unwrap();
        let new = serde_json::json!({"manifest": manifest, "path": path, "accept_publisher_key": accepted});
        answer_of(&alice, "POST", "/v1/library", &new.to_string())
    };
    let is =
        |answer: &str, status: &str| assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    is(&add("one", None), "201");
    assert_eq!(known(&alice.home), [key(1)]);
    let refused = add("two", None);
    assert!(refused.contains("\"code\":6") && refused.contains(&key(2)), "{refused}");
    is(&add("two", Some(key(9))), "412");
    is(&add("two", Some("mine".to_owned())), "422");
    assert_eq!(events(&alice.home.say("--json library list").stdout, "entry").count(), 1);
    is(&add("two", Some(key(2))), "201");
    assert_eq!(known(&alice.home), [key(1), key(2)]);

    alice.home.run(["publisher", "forget", LAB, &key(2)]).exits(0);
    let activate = |body: &str| answer_of(&alice, "POST", "/v1/library/2/activate", body);
    let accept = |key: &str| serde_json::json!({"accept_publisher_key": key}).to_string();
    for body in ["", "{}", &accept(&key(1))] {
        let refused = activate(body);
        assert!(refused.contains("\"code\":6"), "{body}: {refused}");
    }
    is(&activate(r#"{"accept":1}"#), "422");
    is(&activate(&accept(&key(2))), "200");
    assert_eq!(known(&alice.home), [key(1), key(2)]);
    // The verbs use the same companion.
    alice.home.run(["publisher", "forget", LAB, &key(2)]).exits(0);
    alice.home.say("library activate 1").exits(0);
    alice.home.say("library activate 2").exits(6);
    alice.home.run(["library", "activate", "2", "--accept-publisher-key", &key(2)]).exits(0);
}
