//! Files that can run code when a program loads them are shared and fetched only where that was agreed to by name.

use std::fs;

use serde_json::json;

use super::house::House;
use super::http::Http;
use crate::process::own_host;

/// A pickle, by its first bytes.
fn pickle() -> Vec<u8> {
    let mut bytes = b"\x80\x04\x95".to_vec();
    bytes.resize(50_000, b'N');
    bytes
}

const CREATE: &str = "manifest create tiny.gguf --model-id tiny --publisher-id alice --license-spdx MIT --sign -o tiny.minimodel";

// Rows: D16
#[test]
fn file_that_can_run_code_is_refused_whatever_its_name() {
    let house = House::new();
    house.home.write("tiny.gguf", pickle());
    let ran = house.home.say(CREATE).exits(4);
    assert!(ran.stderr.contains("is a Python pickle file: it can run code"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--include-executable"), "{}", ran.stderr);
    assert!(!house.home.path("tiny.minimodel").exists());
    let shown = house.home.say("inspect tiny.gguf").exits(0).stdout;
    assert!(shown.lines().nth(2).is_some_and(|line| line.contains("can run code")), "{shown}");
    // What is of no known format is none of them either.
    house.home.write("tiny.gguf", b"anything else");
    let ran = house.home.say(&format!("{CREATE} --include-executable")).exits(4);
    assert!(ran.stderr.contains("none of the formats that minimodel knows"), "{}", ran.stderr);
}

// Rows: D16
#[test]
fn fetch_of_executable_needs_a_consent_of_its_own() {
    let (alice, bob) = (House::new(), House::new());
    alice.home.write("tiny.gguf", pickle());
    alice.home.say(&format!("{CREATE} --include-executable")).exits(0);
    let text = String::from_utf8(alice.home.read("tiny.minimodel")).unwrap();
    for line in ["artifact.kind=other", "artifact.executes_on_load=yes", "other.container=pkl"] {
        assert!(text.lines().any(|found| found == line), "{text}");
    }
    let words =
        ["seed", "--detach", "--listen", &own_host(), "tiny.minimodel", "tiny.gguf", "--consent", "serve"];
    let offer = alice.home.run(words).exits(0).stdout.lines().next().unwrap().to_owned();

    let fetch = |consent: &[&str]| {
        let line = [&["fetch", "--offer", &offer, "--out", "models", "--consent"], consent].concat();
        bob.home.run(line)
    };
    let ran = fetch(&["fetch,import"]).exits(5);
    assert!(ran.stderr.contains("needs consent to executable"), "{}", ran.stderr);
    assert!(ran.stderr.contains("it can run code when a program loads it"), "{}", ran.stderr);
    let has_bytes = |name: &str| bob.home.path("models").join(name).exists();
    assert!(!has_bytes("tiny-1.pkl") && !has_bytes("tiny-1.pkl.part"));
    let ran = fetch(&["fetch,import", "--accept-executable"]).exits(0);
    let path = ran.stdout.trim().to_owned();
    assert!(path.ends_with("tiny-1.pkl") && fs::read(&path).unwrap() == pickle(), "{path}");
    let receipt = fs::read_to_string(format!("{path}.receipt")).unwrap();
    assert!(receipt.contains("=executable\n") && receipt.contains("\nother.container=pkl\n"), "{receipt}");
    bob.home.say(&format!("inspect {path}.receipt")).exits(0);
}

// Rows: D16
#[test]
fn companion_asks_for_executable_by_its_name() {
    let (alice, bob) = (House::new(), House::new());
    alice.home.write("tiny.gguf", pickle());
    alice.home.say(&format!("{CREATE} --include-executable")).exits(0);
    let words =
        ["seed", "--detach", "--listen", &own_host(), "tiny.minimodel", "tiny.gguf", "--consent", "serve"];
    let offer = alice.home.run(words).exits(0).stdout.lines().next().unwrap().to_owned();
    bob.home.say("consent grant fetch,import,cache --consent fetch,import,cache").exits(0);
    let http = Http::of(&bob.home);
    let manifest = String::from_utf8(alice.home.read("tiny.minimodel")).unwrap();
    let new = json!({"manifest": manifest, "offers": [offer]});
    let fetch = http.change("POST /v1/fetches", &new).is(201).json();
    assert_eq!(fetch["state"], "asking");
    assert_eq!(fetch["question"]["needs"], json!(["fetch", "import", "cache", "executable"]));
    let consent = format!("POST /v1/transfers/{}/consent", fetch["id"]);
    let refused =
        http.change(&consent, &json!({"actions": ["fetch", "import", "cache"], "by": "api"})).is(200).json();
    assert_eq!(refused["state"], "asking");
    let agreed = http.change(&consent, &json!({"actions": ["executable"], "by": "api"})).is(200).json();
    assert_ne!(agreed["state"], "asking", "{agreed}");
}
