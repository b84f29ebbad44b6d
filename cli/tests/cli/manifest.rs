//! `manifest create`, `show`, `sign`.

use std::os::unix::fs::PermissionsExt as _;

use minimodel_fixtures::chunk_list;
use minimodel_verifier::{Manifest, sha256};

use crate::home::{Home, artifact};

const CREATE: &str = "manifest create a.slm --model-id my-model --model-version 1.0 --publisher-id me \
                      --license-route /license --model-card-route https://example.org/card -o m";

fn create(home: &Home, more: &str) -> crate::home::Ran {
    home.run(CREATE.split_whitespace().chain(more.split_whitespace()))
}

#[test]
fn what_is_created_verifies_and_says_what_was_typed() {
    let home = Home::with_artifact();
    let ran =
        create(&home, "--license-spdx MIT --takedown-route /takedown --created-utc 2026-06-01T12:00:00Z");
    assert_eq!(ran.exits(0).stdout, "m\n");
    home.say("verify-artifact m a.slm").exits(0);
    let manifest = Manifest::parse(&home.read("m")).unwrap();
    assert_eq!(manifest.model_id(), "my-model");
    assert_eq!(manifest.license_spdx(), Some("MIT"));
    assert_eq!(manifest.takedown_route(), Some("/takedown"));
    assert_eq!(manifest.acquisition(), "user-local-file");
    assert!(manifest.evidence().is_empty() && !manifest.is_signed());
    assert!(manifest.canonical().contains("evidence.status=not-claimed\n"));
    assert_eq!(std::fs::metadata(home.path("m")).unwrap().permissions().mode() & 0o133, 0);
    assert!(!home.own("data").exists(), "nothing was signed, so no identity was needed");
}

#[test]
fn evidence_chunk_size_list_and_lane_are_taken() {
    let home = Home::with_artifact();
    let sum = format!("sha256:{}", "AB".repeat(32));
    let more = format!(
        "--evidence eval=/eval --evidence audit=https://example.org/audit,{sum} --chunk-size 16KiB \
         --chunk-list-out list --chunk-list-route /list --acquisition consent-peer-transfer"
    );
    create(&home, &more).exits(0);
    let manifest = Manifest::parse(&home.read("m")).unwrap();
    let kinds: Vec<_> = manifest.evidence().iter().map(|piece| piece.kind.as_str()).collect();
    assert_eq!(kinds, ["eval", "audit"]);
    assert_eq!(manifest.evidence()[1].sha256, Some([0xAB; 32]));
    assert_eq!((manifest.chunk_size(), manifest.acquisition()), (16_384, "consent-peer-transfer"));
    let hashes: Vec<_> = artifact().chunks(16_384).map(sha256).collect();
    assert_eq!(home.read("list"), chunk_list(&hashes).into_bytes());
    assert_eq!(manifest.chunk_list_sha256(), Some(&sha256(&home.read("list"))));
    assert_eq!(manifest.chunk_list_route(), Some("/list"));
}

#[test]
fn auto_chunks_are_64_kib_for_a_small_file() {
    let home = Home::with_artifact();
    create(&home, "--chunk-size auto").exits(0);
    assert_eq!(Manifest::parse(&home.read("m")).unwrap().chunk_size(), 65_536);
}

#[test]
fn invalid_manifest_value_exits_2_names_the_flag_writes_no_file() {
    let home = Home::with_artifact();
    let cases = [
        ("--evidence Eval=/x", "--evidence"),
        ("--evidence eval=/x,sha256:ab", "64 uppercase hex digits"),
        ("--evidence eval=x", "--evidence"),
        ("--takedown-route /model.slm", "--takedown-route"),
        ("--license-spdx ((", "--license-spdx"),
        ("--created-utc yesterday", "--created-utc"),
        ("--chunk-size 5000", "--chunk-size"),
        ("--chunk-size 32MiB", "--chunk-size"),
        ("--chunk-list-route /x?y", "--chunk-list-route"),
        ("--chunk-list-out m", "--chunk-list-out"),
    ];
    for (more, word) in cases {
        let ran = create(&home, more).exits(2);
        assert!(ran.stderr.contains(word), "{more}: {}", ran.stderr);
    }
    let words = CREATE.replace("my-model", "My-Model");
    let ran = home.run(words.split_whitespace()).exits(2);
    assert!(ran.stderr.contains("--model-id"), "{}", ran.stderr);
    assert_eq!(home.names(), ["a.minimodel", "a.slm"]);
}

#[test]
fn manifest_create_refuses_existing_file_link_and_bad_artifact() {
    let home = Home::with_artifact();
    home.write("m", "mine");
    create(&home, "").exits(13);
    assert_eq!(home.read("m"), b"mine");
    std::fs::remove_file(home.path("m")).unwrap();
    std::os::unix::fs::symlink("elsewhere", home.path("m")).unwrap();
    assert!(create(&home, "").exits(13).stderr.contains("symbolic link"));
    std::fs::remove_file(home.path("m")).unwrap();
    home.write("list", "mine");
    create(&home, "--chunk-list-out list").exits(13);
    assert_eq!((home.read("list"), home.path("m").exists()), (b"mine".to_vec(), false));
    home.write("a.slm", &artifact()[..40_000]);
    create(&home, "").exits(4);
    assert_eq!(home.names(), ["a.minimodel", "a.slm", "list"]);
}

#[test]
fn signing_names_the_key_and_verifies_and_is_done_once() {
    let home = Home::with_artifact();
    let ran = home.say("manifest sign a.minimodel -o b.minimodel").exits(0);
    assert_eq!(ran.stdout, "b.minimodel\n");
    assert!(ran.stderr.contains("created the identity"), "{}", ran.stderr);
    let key_id = home.say("--json id show").exits(0).object()["key_id"].as_str().unwrap().to_owned();
    let signed = Manifest::parse(&home.read("b.minimodel")).unwrap();
    assert!(signed.is_signed());
    assert_eq!(signed.publisher_key_id(), key_id);
    let verified = home.say("--json verify-artifact b.minimodel a.slm").exits(0);
    assert_eq!(verified.outcome("manifest.signature"), "pass");
    let again = home.say("manifest sign b.minimodel -o c.minimodel").exits(2);
    assert!(again.stderr.contains(&key_id), "{}", again.stderr);
    home.say("manifest sign a.minimodel -o b.minimodel").exits(13);
    create(&home, "--sign").exits(0);
    assert_eq!(Manifest::parse(&home.read("m")).unwrap().publisher_key_id(), key_id);
}

#[test]
fn show_prints_what_it_says_and_canonical_what_is_summed() {
    let home = Home::with_artifact();
    let shown = home.say("manifest show a.minimodel").exits(0);
    for label in ["model", "publisher", "signature", "license", "evidence", "takedown", "size", "swarm"] {
        assert!(shown.stdout.lines().any(|line| line.starts_with(label)), "{label}: {}", shown.stdout);
    }
    let canonical = home.say("manifest show --canonical a.minimodel").exits(0);
    let manifest = Manifest::parse(&home.read("a.minimodel")).unwrap();
    assert_eq!(sha256(canonical.stdout.as_bytes()), *manifest.swarm_id());
    let object = home.say("--json manifest show a.minimodel").exits(0).object();
    assert_eq!(object["fields"]["artifact.project_server_url"], "none");
    assert_eq!(object["signed"], false);
}
