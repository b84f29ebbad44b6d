//! `verify-manifest`, `verify-artifact`, `verify-chunks`, `write-import-receipt`, `sample`.

use std::fs;

use minimodel_fixtures::{bad_manifests, bad_slm};
use minimodel_skipped::walk;
use minimodel_swarm::store::{Opener, Part, PartSpec, RealDisk};
use minimodel_verifier::Manifest;
use minimodel_verifier::artifact::{ArtifactName, Format};
use minimodel_verifier::chunk::{Layout, Tree, list};
use minimodel_verifier::receipt::Receipt;

use crate::home::{Home, artifact};

#[test]
fn a_right_manifest_and_artifact_pass_and_exit_0() {
    let home = Home::with_artifact();
    for line in [
        "verify-manifest a.minimodel",
        "verify-artifact a.minimodel a.slm",
        "verify-chunks a.minimodel a.slm",
    ] {
        let ran = home.say(line).exits(0);
        assert!(ran.stdout.lines().last().unwrap().starts_with("ok: "), "{}", ran.stdout);
        assert!(ran.stdout.lines().all(|line| !line.starts_with("fail")), "{}", ran.stdout);
    }
    assert_eq!(home.names(), ["a.minimodel", "a.slm"]);
}

#[test]
fn the_report_object_has_its_shape_and_nothing_else() {
    let home = Home::with_artifact();
    for line in [
        "verify-manifest a.minimodel",
        "verify-artifact a.minimodel a.slm",
        "verify-chunks a.minimodel a.slm",
    ] {
        let ran = home.say(&format!("--json {line}")).exits(0);
        let object = ran.object();
        let keys: Vec<&String> = object.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["checks", "ok", "swarm_id"]);
        assert_eq!(object["ok"], true);
        assert_eq!(object["swarm_id"].as_str().unwrap().len(), 64);
        for check in object["checks"].as_array().unwrap() {
            let keys: Vec<&String> = check.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["detail", "name", "outcome"]);
        }
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn an_unsigned_manifest_is_a_warning() {
    let ran = Home::with_artifact().say("--json verify-manifest a.minimodel").exits(0);
    assert_eq!(ran.outcome("manifest.signature"), "warn");
}

#[test]
fn every_bad_manifest_is_exit_10_with_a_report_under_every_verb() {
    let home = Home::with_artifact();
    // The verifier's own tests read each of them.
    for bad in bad_manifests().into_iter().step_by(walk(1, 5)) {
        home.write("bad.minimodel", &bad.text);
        let ran = home.say("--json verify-manifest bad.minimodel").exits(10);
        let object = ran.object();
        assert_eq!(
            (&object["ok"], &object["swarm_id"]),
            (&false.into(), &serde_json::Value::Null),
            "{}",
            bad.name
        );
        ran.is_harmless();
    }
    for line in ["verify-artifact bad.minimodel a.slm", "verify-chunks bad.minimodel a.slm"] {
        let ran = home.say(&format!("--json {line}")).exits(10);
        assert_eq!(ran.object()["ok"], false);
        assert!(
            ran.stderr.starts_with("error: the manifest `bad.minimodel` is not valid\n"),
            "{}",
            ran.stderr
        );
    }
    home.say("write-import-receipt bad.minimodel a.slm r").exits(10);
    assert!(!home.path("r").exists());
}

#[test]
fn a_project_server_url_is_exit_10_and_the_key_is_named() {
    let home = Home::with_artifact();
    let text = String::from_utf8(home.read("a.minimodel")).unwrap();
    let url = "artifact.project_server_url=https://example.org/x";
    home.write("b.minimodel", text.replace("artifact.project_server_url=none", url));
    let ran = home.say("verify-manifest b.minimodel").exits(10);
    assert!(ran.stderr.contains("artifact.project_server_url"), "{}", ran.stderr);
}

#[test]
fn one_changed_byte_is_exit_4_and_the_checks_are_named() {
    let home = Home::with_artifact();
    let mut bytes = artifact();
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    home.write("b.slm", &bytes);
    let ran = home.say("--json verify-artifact a.minimodel b.slm").exits(4);
    assert_eq!(ran.outcome("artifact.sha256"), "fail");
    assert_eq!(ran.outcome("chunk.merkle_root"), "fail");
    assert!(ran.stderr.contains("error: the artifact `b.slm` failed"), "{}", ran.stderr);
    for bytes in [&bytes[..last], &[bytes.as_slice(), b"x"].concat(), b""] {
        home.write("c.slm", bytes);
        let ran = home.say("--json verify-artifact a.minimodel c.slm").exits(4);
        assert_eq!(ran.outcome("artifact.byte_count"), "fail");
    }
}

// Rows: E11
#[test]
fn a_receipt_is_written_after_a_pass_only_and_never_over_a_file() {
    let home = Home::with_artifact();
    let ran = home.say("--json write-import-receipt a.minimodel a.slm a.receipt").exits(0);
    assert_eq!(ran.object()["ok"], true);
    let receipt = Receipt::parse(&home.read("a.receipt")).unwrap();
    assert_eq!(receipt.import().lane.as_str(), "user-local-file");
    assert!(receipt.import().checksum_recomputed);
    assert_eq!(receipt.import().consents.len(), 1);
    let log = fs::read_to_string(home.own("state/consent.log")).unwrap();
    assert_eq!(log.lines().count(), 1);
    let line: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!((&line["actions"][0], &line["by"]), (&"import".into(), &"command".into()));

    let before = home.read("a.receipt");
    home.say("write-import-receipt a.minimodel a.slm a.receipt").exits(13);
    assert_eq!(home.read("a.receipt"), before);

    home.write("b.slm", b"SLM1");
    home.say("write-import-receipt a.minimodel b.slm b.receipt").exits(4);
    assert_eq!(home.names(), ["a.minimodel", "a.receipt", "a.slm", "b.slm"]);
    assert_eq!(fs::read_to_string(home.own("state/consent.log")).unwrap(), log);
}

#[test]
fn chunks_are_judged_by_their_list() {
    let home = Home::with_artifact();
    let manifest = Manifest::parse(&home.read("a.minimodel")).unwrap();
    let artifact = artifact();
    let hashes: Vec<_> = artifact.chunks(16_384).map(minimodel_verifier::sha256).collect();
    home.write("list", list::render(&hashes));
    home.write("half", &artifact[..20_000]);
    let ran = home.say("--json verify-chunks a.minimodel half --chunk-list list").exits(0);
    assert_eq!((ran.outcome("chunk.data"), ran.outcome("chunk.present")), ("pass".into(), "warn".into()));

    let mut wrong = artifact;
    wrong[17_000] ^= 1;
    home.write("wrong", &wrong);
    let ran = home.say("--json verify-chunks a.minimodel wrong --chunk-list list").exits(4);
    assert_eq!(ran.outcome("chunk.data"), "fail");
    home.say("verify-chunks a.minimodel wrong").exits(4);

    home.write("other", list::render(&hashes[1..]));
    home.say("verify-chunks a.minimodel half --chunk-list other").exits(4);
    home.write("nonsense", "hello\n");
    home.say("verify-chunks a.minimodel half --chunk-list nonsense").exits(10);
    home.say("verify-chunks a.minimodel half --chunk-list none").exits(3);
    let ran = home.say("verify-chunks a.minimodel half").exits(3);
    assert!(ran.stderr.contains("--chunk-list"), "{}", ran.stderr);
    assert_eq!(manifest.chunk_count() as usize, hashes.len());
}

#[test]
fn locked_partial_file_is_judged_chunk_by_chunk_by_its_record() {
    let home = Home::with_artifact();
    let manifest = Manifest::parse(&home.read("a.minimodel")).unwrap();
    let layout = Layout::new(manifest.byte_count(), manifest.chunk_size()).unwrap();
    let artifact = artifact();
    let tree = Tree::from_chunk_hashes(artifact.chunks(16_384).map(minimodel_verifier::sha256).collect());
    let spec = PartSpec { swarm_id: *manifest.swarm_id(), layout, root: *manifest.merkle_root() };
    let disk = RealDisk::open(&home.path("")).unwrap();
    let (part, _) =
        Part::open(disk, &ArtifactName::new("b", Format::Slm), spec, Opener { pid: 1, now_unix: 1 }).unwrap();
    part.keep(1, &artifact[16_384..32_768], &tree.proof(1).unwrap(), [3; 32]).unwrap();

    let line = "--json verify-chunks a.minimodel b.slm.part";
    let ran = home.say(line).exits(0);
    assert_eq!((ran.outcome("chunk.data"), ran.outcome("chunk.present")), ("pass".into(), "warn".into()));
    let mut bytes = home.read("b.slm.part");
    bytes[16_384] ^= 1;
    home.write("b.slm.part", bytes);
    assert_eq!(home.say(line).exits(4).outcome("chunk.data"), "fail");
    drop(part);
}

#[test]
fn sample_is_valid_and_deterministic_and_overwrites_no_file() {
    let home = Home::new();
    let ran = home.say("sample a.slm --bytes 300KiB --quantization q8_0 --seed 5").exits(0);
    assert_eq!(ran.stdout, "a.slm\n");
    home.say("sample b.slm --bytes 300KiB --quantization q8_0 --seed 5").exits(0);
    home.say("sample c.slm --bytes 300KiB --quantization q8_0 --seed 6").exits(0);
    assert!(home.read("a.slm") == home.read("b.slm"));
    assert!(home.read("a.slm") != home.read("c.slm"));
    assert!(home.read("a.slm").len().abs_diff(300 << 10) < 40_000);
    home.say("inspect c.slm").exits(0);
    home.say("sample a.slm --bytes 300KiB").exits(13);
    assert!(home.read("a.slm") == home.read("b.slm"));
    let object = home.say("--json sample d.slm --profile tinylm-16m").exits(0).object();
    assert_eq!((&object["event"], &object["byte_count"]), (&"sample".into(), &10_657_728.into()));
    home.say("sample e.slm --bytes 100").exits(2);
    assert_eq!(home.names(), ["a.slm", "b.slm", "c.slm", "d.slm"]);
}

// Rows: D13
#[test]
fn every_bad_artifact_is_exit_4_under_inspect() {
    let home = Home::new();
    for bad in bad_slm() {
        // Without its magic number a file is not even recognized as an `.slm` file.
        let code = if bad.bytes.starts_with(b"SLM1") { 4 } else { 10 };
        home.write("bad.slm", &bad.bytes);
        let ran = home.say("inspect bad.slm");
        assert_eq!(ran.code, code, "{}: {}", bad.name, ran.stderr);
    }
}
