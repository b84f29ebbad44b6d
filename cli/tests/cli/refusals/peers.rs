//! Refused connections of a fetch, by either side: another license, other evidence, another artifact, another key, a
//! key that is not on the allow list.

use std::time::{Duration, Instant};

use minimodel_fixtures::{ManifestText, Quantization, Shape, slm_vec};

use super::stage::{
    Listener, PART, TARGET, hint, identity_of, is_unchanged, manifest, model, names, offer, peer_id,
    snapshot, stage, stranger,
};
use crate::home::{Home, Ran};
use crate::process::{Running, event, events};

/// Manifests of the same artifact that differ in what a Hello binds.
fn other_license() -> ManifestText {
    manifest().with("license.route", "/models/sample-model/another-license")
}

fn other_evidence() -> ManifestText {
    manifest()
        .without("evidence.status")
        .with("evidence.0.kind", "eval-report")
        .with("evidence.0.route", "https://models.example.org/sample-model/report")
        .with("evidence.0.sha256", "none")
}

fn other_version() -> ManifestText {
    manifest().with("model.version", "1.0.1")
}

fn other_artifact() -> ManifestText {
    let other = slm_vec(&Shape::about(2 << 20, Quantization::Q8_0).unwrap(), 12);
    ManifestText::of(&other, &minimodel_fixtures::ManifestOptions::default())
}

/// A seeder of the right manifest, and a fetch with another manifest under an offer for it that the seeder's own key
/// signed.
fn fetch_under_a_forged_offer(asked: &ManifestText) -> (Ran, Home) {
    let (theirs, ours) = (stage(), Home::new());
    let seeder = Running::seed(&theirs, ["model.minimodel", "model.slm"]);
    ours.write("asked.minimodel", asked.render());
    let forged = offer(&identity_of(&theirs), asked.swarm_id(), seeder.address());
    let line = ["fetch", "asked.minimodel", "--peer", &forged, "-o", "out", "--consent", "fetch,import"];
    let ran = ours.run(line);
    assert!(ran.stderr.contains(&seeder.peer()), "{}", ran.stderr);
    drop(seeder);
    (ran, ours)
}

/// Asserts that no byte of a model is in the output folder: no finished file, and an empty partial file.
#[track_caller]
fn no_model_byte(home: &Home) {
    for (path, (_, _, content)) in snapshot(&home.path("out")) {
        assert!(!path.ends_with(TARGET), "{}", path.display());
        assert!(!path.ends_with(PART) || content.is_empty(), "{}", path.display());
    }
}

// Rows: H4, B21
#[test]
fn fetch_reports_silent_peer_and_sends_it_few_datagrams() {
    let (home, listener) = (stage(), Listener::new());
    let offer = listener.offer(manifest().swarm_id());
    let line =
        ["--json", "fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let fetching = Running::start(&mut home.command(line));
    let until = Instant::now() + Duration::from_secs(60);
    while !listener.was_dialed() {
        assert!(Instant::now() < until, "nobody was dialed");
        std::thread::sleep(Duration::from_millis(5));
    }
    // How soon it is reported is tested with a paused clock, in `swarm/src/driver/tests/dial.rs`.
    let told = fetching.wait_for_event("peer-unreachable");
    assert_eq!((&told["peer"], &told["tries"]), (&peer_id(&stranger()).into(), &1.into()));
    // The first datagram was read above, and the next attempt may have begun.
    let datagrams = std::iter::repeat_with(|| listener.was_dialed()).take_while(|&came| came).count();
    assert!(datagrams <= 10, "{datagrams} datagrams");
}

// Rows: C4
#[test]
fn an_offer_for_another_license_dials_nobody() {
    let (home, listener) = (stage(), Listener::new());
    for asked in [other_license(), other_evidence(), other_artifact(), other_version()] {
        home.write("asked.minimodel", asked.render());
        let before = snapshot(&home.path(""));
        let offer = listener.offer(manifest().swarm_id());
        let line = ["fetch", "asked.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
        let ran = home.run(line).exits(10);
        let hex = |id: [u8; 32]| data_encoding::HEXLOWER.encode(&id);
        names(&ran, &[&peer_id(&stranger()), &hex(manifest().swarm_id()), &hex(asked.swarm_id())]);
        assert!(hint(&ran).contains("nothing was dialed"), "{}", ran.stderr);
        assert!(!listener.was_dialed() && !home.own("").exists());
        is_unchanged(&before, &home.path(""));
    }
}

// Rows: C4
#[test]
fn a_hello_for_another_license_route_is_exit_6() {
    let (ran, home) = fetch_under_a_forged_offer(&other_license());
    let ran = ran.exits(6);
    names(&ran, &["license"]);
    assert!(hint(&ran).contains("minimodel manifest show"), "{}", ran.stderr);
    no_model_byte(&home);
}

// Rows: C4
#[test]
fn a_hello_for_other_evidence_is_exit_6() {
    let (ran, home) = fetch_under_a_forged_offer(&other_evidence());
    let ran = ran.exits(6);
    names(&ran, &["evidence"]);
    no_model_byte(&home);
}

// Rows: C4
#[test]
fn a_hello_for_another_artifact_or_version_is_exit_3() {
    for asked in [other_artifact(), other_version()] {
        let (ran, home) = fetch_under_a_forged_offer(&asked);
        let ran = ran.exits(3);
        names(&ran, &["wrong swarm"]);
        no_model_byte(&home);
    }
}

// Rows: C4
#[test]
fn manifest_asked_for_under_forged_offer_is_refused_not_kept() {
    let (theirs, ours) = (stage(), Home::new());
    let seeder = Running::seed(&theirs, ["model.minimodel", "model.slm"]);
    let forged = offer(&identity_of(&theirs), other_license().swarm_id(), seeder.address());
    let ran = ours.run(["fetch", "--offer", &forged, "-o", "out", "--consent", "fetch,import"]).exits(3);
    names(&ran, &[&seeder.peer(), "wrong swarm"]);
    assert!(!ours.path("out").exists());
}

#[test]
fn missing_import_consent_says_the_manifest_was_asked_for() {
    let (theirs, ours) = (stage(), Home::new());
    let seeder = Running::seed(&theirs, ["model.minimodel", "model.slm"]);
    let ran = ours.run(["fetch", "--offer", &seeder.offer(), "-o", "out", "--consent", "fetch"]).exits(5);
    names(&ran, &["not consent to `import`", "the manifest was asked for"]);
    assert!(!ran.stderr.contains("nothing was dialed"), "{}", ran.stderr);
    // The content of the manifest was shown before the question.
    assert!(ran.stderr.contains("/models/sample-model/license"), "{}", ran.stderr);
    assert!(hint(&ran).contains("`--consent fetch,import`"), "{}", ran.stderr);
    assert!(!ours.path("out").exists());
}

// Rows: C1
#[test]
fn another_key_at_the_address_is_refused_and_both_are_named() {
    let (theirs, ours) = (stage(), stage());
    let seeder = Running::seed(&theirs, ["model.minimodel", "model.slm"]);
    let forged = offer(&stranger(), manifest().swarm_id(), seeder.address());
    let line = ["fetch", "model.minimodel", "--peer", &forged, "-o", "out", "--consent", "fetch,import"];
    let ran = ours.run(line).exits(3);
    names(&ran, &[&peer_id(&stranger()), &seeder.peer(), "expected"]);
    no_model_byte(&ours);
    let ran = ours.run(["fetch", "--offer", &forged, "-o", "out", "--consent", "fetch,import"]).exits(3);
    names(&ran, &[&peer_id(&stranger()), &seeder.peer(), "expected"]);
    // The seeder saw no peer join: the handshake ended before either side sent a Hello.
    let seeded = seeder.stop().exits(0);
    assert!(!seeded.stderr.contains("joined"), "{}", seeded.stderr);
}

// Rows: C1, I7
#[test]
fn another_key_blames_nobody_and_the_honest_peer_still_serves() {
    let (theirs, ours) = (stage(), stage());
    let seeder = Running::seed(&theirs, ["model.minimodel", "model.slm"]);
    let forged = offer(&stranger(), manifest().swarm_id(), seeder.address());
    let honest = seeder.offer();
    let line = ["--json", "fetch", "model.minimodel", "--peer", &forged, "--peer", &honest, "-o", "out"];
    let ran = ours.run([&line[..], &["--consent", "fetch,import"]].concat()).exits(0);
    let wrong = event(&ran.stdout, "wrong-key");
    assert_eq!((&wrong["expected"], &wrong["found"]), (&peer_id(&stranger()).into(), &seeder.peer().into()));
    assert_eq!(events(&ran.stdout, "peer-banned").count(), 0);
    assert_eq!(ours.read(format!("out/{TARGET}")), model());
}

#[test]
fn peer_off_the_allow_list_exits_3_and_is_told_to_send_its_id() {
    let (theirs, ours) = (stage(), stage());
    let listed = Home::new();
    let id = listed.say("id show").exits(0).stdout;
    let seeder = Running::seed(&theirs, ["model.minimodel", "model.slm", "--allow", id.trim()]);
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let ran = ours.run(line).exits(3);
    names(&ran, &[&seeder.peer(), "not allowed"]);
    assert!(hint(&ran).contains("minimodel id show") && hint(&ran).contains("--allow"), "{}", ran.stderr);
    no_model_byte(&ours);
    // The allow list guards the manifest as well.
    let ran = ours.run(["fetch", "--offer", &offer, "-o", "out", "--consent", "fetch,import"]).exits(3);
    names(&ran, &[&seeder.peer(), "not allowed"]);
    assert!(hint(&ran).contains("minimodel id show"), "{}", ran.stderr);

    let ran = listed.run(["fetch", "--offer", &offer, "-o", "out", "--consent", "fetch,import"]).exits(0);
    assert_eq!(ran.stdout, format!("out/{TARGET}\n"));
    assert_eq!(listed.read(format!("out/{TARGET}")), model());
}

// Rows: B22
#[test]
fn key_with_budget_used_up_exits_12_and_is_told_when_to_return() {
    let (theirs, ours) = (stage(), stage());
    let seeder = Running::seed(&theirs, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    // The documented budget of a key: sixteen times the whole file.
    for number in 0..16 {
        let out = format!("out-{number}");
        let line = ["-q", "fetch", "model.minimodel", "--peer", &offer, "-o", &out];
        ours.run([&line[..], &["--consent", "fetch,import"]].concat()).exits(0);
    }
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let ran = ours.run(line).exits(12);
    names(&ran, &[&seeder.peer(), "budget"]);
    assert!(hint(&ran).contains("within a day"), "{}", ran.stderr);
    assert!(!ours.path("out").join(TARGET).exists());
    // Another key has a budget of its own.
    let others = stage();
    others.run(line).exits(0);
}
