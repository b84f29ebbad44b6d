//! Known publishers in the real program: the first key, another key, no key, pins, and the questions to the user.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use ed25519_dalek::SigningKey;
use minimodel_fixtures::{ManifestOptions, ManifestText};
use serde_json::Value;

use crate::home::{Home, Ran, artifact};
use crate::process::{Running, answer, event, events};

mod library;

/// Publisher id of these manifests.
pub(crate) const LAB: &str = "sample-publisher";

/// Writes `NAME.minimodel`, of the same publisher and file, signed by key `n` if given.
pub(crate) fn write_manifest(home: &Home, name: &str, n: Option<u8>) {
    let options = ManifestOptions {
        // Each manifest is a swarm of its own, by whatever key it is signed.
        created_utc: format!("2026-06-01T12:00:{:02}Z", n.unwrap_or(0)),
        signing_key: n.map(|n| SigningKey::from_bytes(&[n; 32])),
        ..ManifestOptions::default()
    };
    home.write(format!("{name}.minimodel"), ManifestText::of(&artifact(), &options).render());
}

/// The key `n` as manifests and flags spell it.
pub(crate) fn key(n: u8) -> String {
    let key = SigningKey::from_bytes(&[n; 32]).verifying_key();
    format!("ed25519:{}", data_encoding::HEXLOWER.encode(key.as_bytes()))
}

/// A home with `a.slm` and its manifests `one`, `two` (by two keys) and `none` (not signed).
pub(crate) fn stage() -> Home {
    let home = Home::new();
    home.write("a.slm", artifact());
    for (name, n) in [("one", Some(1)), ("two", Some(2)), ("none", None)] {
        write_manifest(&home, name, n);
    }
    home
}

/// Such a home in which the publisher is known by key 1.
pub(crate) fn stage_that_knows() -> Home {
    let home = stage();
    home.say("write-import-receipt one.minimodel a.slm first.receipt").exits(0);
    assert_eq!(known(&home), [key(1)]);
    home
}

/// The known keys, in the order in which they were learned.
#[track_caller]
pub(crate) fn known(home: &Home) -> Vec<String> {
    let listed = home.say("--json publisher list").exits(0).stdout;
    let keys = events(&listed, "known-publisher").flat_map(|known| known["keys"].as_array().unwrap().clone());
    keys.map(|key| key["key"].as_str().unwrap().to_owned()).collect()
}

/// Asserts that a refusal has all its blocks and contains these words.
#[track_caller]
fn names(ran: &Ran, words: &[&str]) {
    for block in ["error: ", "cause: ", "hint: "] {
        assert!(ran.stderr.contains(block), "{block}: {}", ran.stderr);
    }
    for word in words {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
}

/// Every verb that takes a publisher's manifest, with its arguments.
fn verbs(name: &str) -> [Vec<String>; 8] {
    let manifest = format!("{name}.minimodel");
    [
        format!("verify-manifest {manifest}"),
        format!("verify-artifact {manifest} a.slm"),
        format!("write-import-receipt {manifest} a.slm {name}.receipt"),
        format!("seed {manifest} a.slm --listen 127.0.0.1:0 --consent serve"),
        format!("fetch {manifest} -o models --listen 127.0.0.1:0 --consent fetch,import,serve"),
        format!("verify-artifact {manifest} a.slm --repair --peer nobody --consent fetch,import"),
        format!("verify-chunks {manifest} a.slm"),
        format!("library add {manifest} a.slm"),
    ]
    .map(|line| line.split(' ').map(str::to_owned).collect())
}

// Rows: H10
#[test]
fn the_first_key_is_shown_as_new_and_kept_when_its_user_imports() {
    let (alice, bob) = (stage(), Home::new());
    let seeder = Running::seed(&alice, ["one.minimodel", "a.slm"]);
    let offer = seeder.offer();
    bob.write("one.minimodel", alice.read("one.minimodel"));
    let shown = bob.say("inspect one.minimodel").exits(0).stdout;
    assert!(shown.contains(&format!("signed by {}, first seen now", key(1))), "{shown}");
    let line = ["fetch", "one.minimodel", "--peer", &offer, "-o", "models"];
    bob.run(line).exits(5);
    bob.say("verify-manifest one.minimodel").exits(0);
    assert!(known(&bob).is_empty(), "nobody agreed to import");

    let fetched = bob.run(line.iter().chain(&["--consent", "fetch,import"])).exits(0);
    assert!(fetched.stderr.contains(&format!("signed by {}, first seen now", key(1))), "{}", fetched.stderr);
    assert_eq!(known(&bob), [key(1)]);
    let receipt = String::from_utf8(bob.read("models/sample-model-1.0.0.slm.receipt")).unwrap();
    assert!(receipt.contains(&format!("detail={}, first seen now", key(1))), "{receipt}");

    // From now on the key is known, with the date of its first use.
    let listed = bob.say("publisher list").exits(0).stdout;
    assert!(listed.starts_with(&format!("{LAB}  {}  since 20", key(1))), "{listed}");
    let again = bob.run(line.iter().chain(&["--json", "--consent", "fetch,import"])).exits(0);
    let told = event(&again.stdout, "already-here")["publisher"].clone();
    assert_eq!((&told["standing"], &told["key"]), (&"known".into(), &key(1).into()));
    assert_eq!(told["known"][0]["model"], "sample-model 1.0.0");
    let report = bob.say("verify-manifest one.minimodel --json").exits(0);
    assert_eq!(report.outcome("publisher.key"), "pass");
    assert!(report.stdout.contains("known since"), "{}", report.stdout);
    seeder.stop();
    assert!(known(&alice).is_empty(), "to serve is not to import");
}

// Rows: H10
#[test]
fn script_meeting_another_key_or_none_exits_6_naming_both_keys() {
    let home = stage_that_knows();
    for (name, shown) in [("two", key(2)), ("none", "unsigned".to_owned())] {
        for words in verbs(name) {
            let refused = home.run(&words).exits(6);
            let flag = format!("--accept-publisher-key {shown}");
            names(&refused, &[LAB, &key(1), &flag, if name == "two" { &shown } else { "not signed" }]);
            let other = home.run(words.iter().map(String::as_str).chain(["--accept-publisher-key", &key(9)]));
            other.exits(6);
        }
        let refused = home.run(verbs(name)[4].iter().map(String::as_str).chain(["--json"])).exits(6);
        assert_eq!(event(&refused.stdout, "error")["code"], 6);
        let told = event(&refused.stdout, "publisher");
        assert_eq!(told["standing"], if name == "two" { "changed" } else { "signature-missing" });
        assert_eq!(told["known"][0]["key"], key(1));
        let report = home.say(&format!("verify-manifest {name}.minimodel --json")).exits(6);
        assert_eq!(report.outcome("publisher.key"), "fail");
        assert_eq!(report.object()["ok"], Value::Bool(false));
        let shown = home.say(&format!("inspect {name}.minimodel")).exits(0);
        assert!(shown.stderr.contains("warning:") && shown.stderr.contains(&key(1)), "{}", shown.stderr);
        let shown_json = home.say(&format!("inspect {name}.minimodel --json")).exits(0);
        let warned = event(&shown_json.stdout, "warning")["warning"].to_string();
        assert!(warned.contains(&key(1)), "{warned}");
        assert!(shown.stdout.contains(&key(1)), "{}", shown.stdout);
    }
    assert_eq!(known(&home), [key(1)]);
    assert!(
        !home.names().iter().any(|name| name == "models" || name.starts_with("two.r")),
        "{:?}",
        home.names()
    );
    assert_eq!(home.say("--json library list").exits(0).stdout, "");
    // The known key still passes.
    home.say("verify-artifact one.minimodel a.slm").exits(0);
}

// Rows: H10
#[test]
fn accept_flag_keeps_a_key_but_a_missing_signature_only_once() {
    let home = stage_that_knows();
    let accepts = |name: &str, what: &str, receipt: &str| {
        let manifest = format!("{name}.minimodel");
        home.run(["write-import-receipt", &manifest, "a.slm", receipt, "--accept-publisher-key", what])
    };
    let report = format!("verify-manifest two.minimodel --json --accept-publisher-key {}", key(2));
    assert_eq!(home.say(&report).exits(0).outcome("publisher.key"), "warn");
    assert_eq!(known(&home), [key(1)], "to verify is not to import");
    accepts("none", "unsigned", "none.receipt").exits(0);
    home.say("verify-manifest none.minimodel").exits(6);
    accepts("two", &key(2), "two.receipt").exits(0);
    assert_eq!(known(&home), [key(1), key(2)]);
    let receipt = String::from_utf8(home.read("two.receipt")).unwrap();
    assert!(receipt.contains("name=publisher.key\ncheck.") && receipt.contains("=warn"), "{receipt}");
    for name in ["one", "two"] {
        home.say(&format!("verify-manifest {name}.minimodel")).exits(0);
    }
    let shown = home.say(&format!("publisher show {LAB}")).exits(0).stdout;
    assert!(shown.contains("accepted") && shown.contains("import"), "{shown}");

    // One key is forgotten, then the whole publisher.
    home.run(["publisher", "forget", LAB, &key(2)]).exits(0);
    home.say("verify-manifest two.minimodel").exits(6);
    home.say(&format!("publisher forget {LAB}")).exits(0);
    assert!(known(&home).is_empty());
    let report = home.say("verify-manifest two.minimodel").exits(0);
    assert!(report.stdout.contains("first seen now"), "{}", report.stdout);
    home.say(&format!("publisher forget {LAB}")).exits(3);
    home.say(&format!("publisher show {LAB}")).exits(3);
}

// Rows: H10
#[test]
fn a_pin_is_overridden_by_no_flag_and_moved_by_another_pin() {
    let home = stage_that_knows();
    home.say(&format!("publisher pin {LAB}")).exits(0);
    for (name, shown) in [("two", key(2)), ("none", "unsigned".to_owned())] {
        for words in verbs(name) {
            let refused =
                home.run(words.iter().map(String::as_str).chain(["--accept-publisher-key", &shown])).exits(6);
            names(&refused, &["pinned", &key(1)]);
            assert!(!refused.stderr.contains("add `--accept"), "{}", refused.stderr);
        }
    }
    assert_eq!(known(&home), [key(1)]);
    let told = home.say("verify-manifest one.minimodel").exits(0).stdout;
    assert!(told.contains(", pinned"), "{told}");
    let moved = home.run(["publisher", "pin", LAB, &key(2), "--json"]).exits(0).object();
    assert_eq!(moved["pinned"], key(2));
    home.say("verify-manifest two.minimodel").exits(0);
    home.say("verify-manifest one.minimodel").exits(6);
    home.say(&format!("publisher unpin {LAB}")).exits(0);
    for name in ["one", "two"] {
        home.say(&format!("verify-manifest {name}.minimodel")).exits(0);
    }
    // With two known keys a pin must name one; a publisher id that no manifest can have is not pinned.
    home.say(&format!("publisher pin {LAB}")).exits(2);
    home.run(["publisher", "pin", "Sample-Publisher", &key(1)]).exits(2);
    home.run(["publisher", "pin", LAB, "ed25519:00"]).exits(2);
}

// Rows: H5
#[test]
fn a_key_that_can_sign_no_manifest_is_not_pinned() {
    let home = Home::new();
    for bytes in minimodel_fixtures::refused_keys() {
        let key = format!("ed25519:{}", data_encoding::HEXLOWER.encode(&bytes));
        let ran = home.run(["publisher", "pin", LAB, &key]).exits(2);
        assert!(ran.stderr.contains("cannot be the key of a publisher"), "{}", ran.stderr);
    }
    assert!(known(&home).is_empty());
}

// Rows: H10
#[test]
fn a_key_that_is_demanded_must_have_signed_whatever_is_known() {
    let home = stage();
    for name in ["one", "two", "none"] {
        for (at, words) in verbs(name).into_iter().enumerate() {
            // With the right key, verbs that only check succeed.
            if name == "one" {
                if at < 2 {
                    home.run(words.iter().map(String::as_str).chain(["--publisher-key", &key(1)])).exits(0);
                }
                continue;
            }
            let demand = ["--publisher-key", &key(1), "--accept-publisher-key", &key(2)];
            let refused = home.run(words.iter().map(String::as_str).chain(demand)).exits(6);
            names(&refused, &[&key(1), "--publisher-key"]);
        }
    }
    assert!(known(&home).is_empty());
    home.run(["verify-manifest", "one.minimodel", "--publisher-key", "unsigned"]).exits(2);
}

/// Runs a verb at a terminal with one answer a question; returns what was shown and the exit code.
pub(crate) fn at_terminal(home: &Home, line: &[&str], words: &[&str]) -> (String, i32) {
    let (shown, running) = answer(home, line, words);
    (shown, running.fate().status.code().unwrap())
}

// Rows: H10
#[test]
fn terminal_asks_about_another_key_and_only_yes_accepts_it() {
    let (alice, bob) = (stage(), stage_that_knows());
    for (name, shown) in [("none", None), ("two", Some(key(2)))] {
        let manifest = format!("{name}.minimodel");
        let seeder = Running::seed(&alice, [manifest.as_str(), "a.slm"]);
        let offer = seeder.offer();
        let line = ["fetch", &manifest, "--peer", &offer, "-o", name];
        for word in ["", "no", "y", "Yes", "YES", "accept"] {
            let (asked, code) = at_terminal(&bob, &line, &[word]);
            assert_eq!(code, 6, "{word:?}: {asked}");
            assert!(asked.contains("WARNING") && asked.contains(&key(1)), "{asked}");
            assert!(shown.as_ref().is_none_or(|key| asked.contains(key)), "{asked}");
            assert!(!asked.contains("Fetch sample-model"), "{asked}");
        }
        // The key is accepted, then the fetch is refused: nothing is kept.
        assert_eq!(at_terminal(&bob, &line, &["yes", "no"]).1, 5);
        assert_eq!(at_terminal(&bob, &line, &["yes", "yes publish"]).1, 5);
        assert_eq!(known(&bob), [key(1)]);
        assert!(!bob.path(name).exists());
        assert_eq!(at_terminal(&bob, &line, &["yes", "yes"]).1, 0);
        seeder.stop();
    }
    assert_eq!(known(&bob), [key(1), key(2)]);
    // With a pinned key there is no question.
    bob.run(["publisher", "pin", LAB, &key(1)]).exits(0);
    let line = ["fetch", "two.minimodel", "--listen", "127.0.0.1:0", "-o", "pinned"];
    assert_eq!(at_terminal(&bob, &line, &[]).1, 6);
}

// Rows: H10
#[test]
fn one_of_two_processes_meeting_two_keys_at_once_is_refused() {
    for round in 0..4 {
        let home = stage();
        let start = |name: &str| {
            let (manifest, receipt) = (format!("{name}.minimodel"), format!("{name}.receipt"));
            Running::start(&mut home.command(["write-import-receipt", &manifest, "a.slm", &receipt]))
        };
        let both = [start("one"), start("two")].map(Running::end);
        let mut codes: Vec<_> = both.iter().map(|ran| ran.code).collect();
        codes.sort_unstable();
        assert_eq!(codes, [0, 6], "round {round}: {both:?}");
        assert_eq!(known(&home).len(), 1);
        let has = |name: &str| home.path(format!("{name}.receipt")).exists();
        assert!(has("one") != has("two"));
    }
}

// Rows: H10
#[test]
fn damaged_publisher_record_is_named_and_not_taken_for_empty() {
    let home = stage_that_knows();
    let path = home.own("state/publishers");
    let whole = std::fs::read(&path).unwrap();
    let changed = String::from_utf8(whole.clone()).unwrap().replace(LAB, "sample-publishes");
    for bytes in [changed.as_bytes(), &whole[..whole.len() - 20], b"", b"minimodel-publishers 0\n"] {
        std::fs::write(&path, bytes).unwrap();
        for words in verbs("one") {
            let refused = home.run(&words).exits(10);
            names(&refused, &["state/publishers", "damaged", "copy"]);
        }
        home.say("publisher list").exits(10);
        home.run(["publisher", "pin", LAB, &key(2)]).exits(10);
        // Verbs that only show go on, and say that the key cannot be judged.
        let shown = home.say("inspect one.minimodel").exits(0);
        assert!(shown.stderr.contains("damaged") && shown.stdout.contains("cannot be told"), "{shown:?}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(known(&home), [key(1)]);
    std::fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let refused = home.say("verify-manifest one.minimodel").exits(13);
    names(&refused, &["state/publishers", "0666", "chmod 600"]);
}

// Rows: H10
#[test]
fn a_request_file_meets_the_same_question() {
    let home = stage_that_knows();
    home.write("request.json", request(&home, "two"));
    let line =
        ["import-peer-request", "request.json", "two.minimodel", "models", "--consent", "fetch,import"];
    let refused = home.run(line).exits(6);
    names(&refused, &[&key(1), &key(2), "--accept-publisher-key"]);
    home.run(line.iter().chain(&["--publisher-key", &key(1)])).exits(6);
    assert!(!home.path("models").exists() && known(&home) == [key(1)]);
}

fn in_an_hour() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 3_600
}

/// A request for one of these manifests, with an offer that no peer answers.
fn request(home: &Home, name: &str) -> String {
    let manifest = home.read(format!("{name}.minimodel"));
    let manifest = minimodel_verifier::Manifest::parse(&manifest).unwrap();
    let peer = SigningKey::from_bytes(&[7; 32]);
    let offer = minimodel_wire::Offer {
        peer: minimodel_wire::PeerId(peer.verifying_key().to_bytes()),
        swarm_id: *manifest.swarm_id(),
        addresses: vec!["127.0.0.1:9".parse().unwrap()],
        expires_unix: in_an_hour(),
    };
    serde_json::json!({
        "request_version": 0, "kind": "minimodel.import-peer-request", "model_id": manifest.model_id(),
        "byte_count": manifest.byte_count(),
        "artifact_sha256": minimodel_verifier::digest::tagged(manifest.artifact_sha256()),
        "offers": [minimodel_wire::SignedOffer::sign(offer, &peer).unwrap().to_string()],
        "consent": ["fetch", "import"],
    })
    .to_string()
}

// Rows: H10
#[test]
fn verify_chunks_needs_an_accepted_key_and_reports_its_standing() {
    let home = stage_that_knows();
    let report = home.run(["verify-chunks", "two.minimodel", "a.slm", "--json"]).exits(6);
    assert_eq!(report.outcome("publisher.key"), "fail");
    let accept = ["verify-chunks", "two.minimodel", "a.slm", "--json", "--accept-publisher-key", &key(2)];
    assert_eq!(home.run(accept).exits(0).outcome("publisher.key"), "warn");
    let known = home.say("verify-chunks one.minimodel a.slm --json").exits(0);
    assert_eq!(known.outcome("publisher.key"), "pass");
}
