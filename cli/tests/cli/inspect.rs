//! `inspect` and `completions`.

use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;
use minimodel_verifier::Manifest;
use minimodel_wire::{Offer, PeerId, SignedOffer};

use crate::home::Home;

fn offer(swarm_id: [u8; 32], expires_unix: u64) -> String {
    let key = SigningKey::from_bytes(&[7; 32]);
    let addresses = vec!["127.0.0.1:4000".parse().unwrap(), "[::1]:4000".parse().unwrap()];
    let peer = PeerId(key.verifying_key().to_bytes());
    SignedOffer::sign(Offer { peer, swarm_id, addresses, expires_unix }, &key).unwrap().to_string()
}

#[test]
fn each_thing_is_said_to_be_what_it_is() {
    let home = Home::with_artifact();
    home.say("manifest create a.slm --model-id m --model-version 1 --publisher-id p --license-route /l --model-card-route /c --chunk-list-out list -o m").exits(0);
    home.say("write-import-receipt a.minimodel a.slm receipt").exits(0);
    home.say("id show").exits(0);
    let text = offer([1; 32], 4_000_000_000);
    home.write("offer", format!("{text}\n"));
    let request = r#"{"request_version":0,"kind":"minimodel.import-peer-request","model_id":"m","byte_count":1,"artifact_sha256":"x","offers":[],"consent":["fetch"]}"#;
    home.write("request.json", request);
    let identity = home.own("data/identity.key").to_str().unwrap().to_owned();
    let cases = [
        (text.as_str(), "offer"),
        ("offer", "offer"),
        ("a.minimodel", "manifest"),
        ("receipt", "receipt"),
        ("list", "chunk-list"),
        ("request.json", "request"),
        (&identity, "identity"),
    ];
    for (thing, kind) in cases {
        let object = home.run(["--json", "inspect", thing]).exits(0).object();
        assert_eq!((&object["event"], &object["kind"]), (&"inspect".into(), &kind.into()), "{thing}");
        let ran = home.run(["inspect", thing]).exits(0);
        assert!(ran.stdout.starts_with("what"), "{}", ran.stdout);
        assert_eq!(ran.stderr, "");
    }
    let artifact = home.say("--json inspect a.slm").exits(0).object();
    assert_eq!((&artifact["ok"], &artifact["swarm_id"]), (&true.into(), &serde_json::Value::Null));
    assert!(home.say("inspect a.slm").exits(0).stdout.starts_with("what           a .slm file\n"));
}

/// A GGUF file of one tensor, and a safetensors file of one.
fn foreign_models() -> [(&'static str, Vec<u8>); 2] {
    let mut gguf = b"GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
    gguf.extend(b"\x0c\0\0\0\0\0\0\0general.name\x08\0\0\0\x04\0\0\0\0\0\0\0a\x1b[m");
    gguf.extend(b"\x01\0\0\0\0\0\0\0w\x01\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    gguf.resize(gguf.len().next_multiple_of(32) + 32, 0);
    let header = r#"{"w":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}}"#;
    let tensors = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 32]].concat();
    [("GGUF", gguf), ("safetensors", tensors)]
}

// Rows: D8, D13
#[test]
fn inspect_reads_gguf_and_safetensors_and_names_what_is_wrong() {
    let home = Home::new();
    for (title, bytes) in foreign_models() {
        home.write("m", &bytes);
        let shown = home.say("inspect m").exits(0).stdout;
        assert!(shown.starts_with(&format!("what        a {title} file\n")), "{shown}");
        assert!(shown.contains("parameters  8\n") && !shown.contains('\x1b'), "{shown}");
        let report = home.say("--json inspect m").exits(0).object();
        assert_eq!(report["ok"], true);
        home.write("m", &bytes[..bytes.len() - 1]);
        let cut = home.say("inspect m").exits(4);
        let rule = if title == "GGUF" { "gguf.tensors.range" } else { "safetensors.tensors.range" };
        assert!(cut.stderr.contains(rule), "{}", cut.stderr);
    }
}

#[test]
fn inspect_shows_offers_peer_addresses_and_validity() {
    let home = Home::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let good = home.run(["inspect", &offer([1; 32], now + 3_600)]).exits(0).stdout;
    assert!(
        good.contains("127.0.0.1:4000") && good.contains("[::1]:4000") && good.contains("still good"),
        "{good}"
    );
    let late = home.run(["inspect", &offer([1; 32], 4_000_000_000)]).exits(0).stdout;
    assert!(late.contains("2096-10-02T07:06:40Z, further ahead than an offer may hold"), "{late}");
    let old = home.run(["inspect", &offer([1; 32], 1_000_000_000)]).exits(0).stdout;
    assert!(old.contains("2001-09-09T01:46:40Z, expired"), "{old}");
    let mut broken = offer([1; 32], 4_000_000_000);
    broken.replace_range(60..61, if &broken[60..61] == "a" { "b" } else { "a" });
    home.run(["inspect", &broken]).exits(10);
}

#[test]
fn the_secret_of_an_identity_is_never_shown() {
    let home = Home::new();
    home.say("id show").exits(0);
    let path = home.own("data/identity.key");
    let text = std::fs::read_to_string(&path).unwrap();
    let secret = text.lines().nth(1).unwrap().strip_prefix("seed ").unwrap();
    for json in ["--json", "-v"] {
        let ran = home.run([json, "inspect", path.to_str().unwrap()]).exits(0);
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret));
    }
}

#[test]
fn what_is_not_known_or_not_valid_is_exit_10() {
    let home = Home::with_artifact();
    home.write("nothing", "hello");
    home.say("inspect nothing").exits(10);
    home.write("empty", "");
    home.say("inspect empty").exits(10);
    home.write("receipt", "receipt.version=0\n");
    home.say("inspect receipt").exits(10);
    home.write("state", b"MMSTATE\n garbage");
    home.say("inspect state").exits(10);
    let text = String::from_utf8(home.read("a.minimodel")).unwrap();
    home.write("b.minimodel", text.replace("manifest.version=0", "manifest.version=1"));
    assert_eq!(home.say("--json inspect b.minimodel").exits(10).object()["ok"], false);
    assert!(Manifest::parse(&home.read("a.minimodel")).is_ok());
}

#[test]
fn completions_name_every_verb() {
    let home = Home::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = home.run(["completions", shell]).exits(0);
        assert!(
            ran.stdout.contains("write-import-receipt") && ran.stdout.contains("import-peer-request"),
            "{shell}"
        );
        assert_eq!(ran.stderr, "");
    }
    home.say("completions tcsh").exits(2);
}
