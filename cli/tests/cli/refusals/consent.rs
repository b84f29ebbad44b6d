//! Without consent nothing is dialed and nothing is written, and the hint shows the flag that would consent.

use std::fs;

use serde_json::json;

use super::stage::{Listener, hint, is_unchanged, manifest, names, snapshot, stage};
use crate::home::Home;

/// Runs a command that lacks a consent, and asserts that nothing was dialed or written.
#[track_caller]
fn nothing_comes_of(home: &Home, listener: &Listener, arguments: &[&str], missing: &str, flag: &str) {
    let before = snapshot(&home.path(""));
    let ran = home.run(arguments).exits(5);
    names(&ran, &[missing, "nothing was dialed or written"]);
    assert!(hint(&ran).contains(&format!("`{flag}`")), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    assert!(!listener.was_dialed());
    is_unchanged(&before, &home.path(""));
    assert!(!home.own("").exists(), "something was written below MINIMODEL_HOME");
}

// Rows: I5
#[test]
fn a_fetch_without_consent_dials_and_writes_nothing() {
    let (home, listener) = (stage(), Listener::new());
    let offer = listener.offer(manifest().swarm_id());
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out"];
    nothing_comes_of(&home, &listener, &line, "no consent was given", "--consent fetch,import");
}

// Rows: I5
#[test]
fn an_offer_alone_without_consent_dials_and_writes_nothing() {
    let (home, listener) = (stage(), Listener::new());
    let offer = listener.offer(manifest().swarm_id());
    let line = ["fetch", "--offer", &offer, "-o", "out"];
    nothing_comes_of(&home, &listener, &line, "no consent was given", "--consent fetch");
    let line = ["fetch", "--offer", &offer, "-o", "out", "--consent", "import"];
    nothing_comes_of(&home, &listener, &line, "not consent to `fetch`", "--consent fetch");
}

// Rows: I5
#[test]
fn consent_to_fetch_alone_is_not_consent_to_import() {
    let (home, listener) = (stage(), Listener::new());
    let offer = listener.offer(manifest().swarm_id());
    for given in ["fetch", "fetch,serve", "import", "serve,publish"] {
        let absent = if given.starts_with("fetch") { "import" } else { "fetch" };
        let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", given];
        let missing = format!("not consent to `{absent}`");
        nothing_comes_of(&home, &listener, &line, &missing, "--consent fetch,import");
    }
}

// Rows: I5
#[test]
fn publishing_and_seeding_on_need_the_consent_to_serve() {
    let (home, listener) = (stage(), Listener::new());
    let offer = listener.offer(manifest().swarm_id());
    for more in [&["--consent", "fetch,import,publish"][..], &["--consent", "fetch,import", "--keep-seeding"]]
    {
        let line = [&["fetch", "model.minimodel", "--peer", &offer, "-o", "out"], more].concat();
        let before = snapshot(&home.path(""));
        let ran = home.run(&line).exits(5);
        names(&ran, &["needs consent to serve", "nothing was dialed or written"]);
        assert!(hint(&ran).contains("--consent fetch,import,serve"), "{}", ran.stderr);
        assert!(!listener.was_dialed());
        is_unchanged(&before, &home.path(""));
        assert!(!home.own("").exists(), "something was written below MINIMODEL_HOME");
    }
}

// Rows: I5
#[test]
fn a_seed_without_consent_offers_and_writes_nothing() {
    let (home, listener) = (stage(), Listener::new());
    let line = ["seed", "model.minimodel", "model.slm", "--listen", "127.0.0.1:0", "--offer-out", "offer"];
    nothing_comes_of(&home, &listener, &line, "no consent was given", "--consent serve");
    let line = [&line[..], &["--consent", "publish"]].concat();
    nothing_comes_of(&home, &listener, &line, "not consent to `serve`", "--consent serve");
}

// Rows: H7, I5
#[test]
fn a_request_asks_and_a_script_repeats_just_what_it_asks() {
    let (home, listener) = (stage(), Listener::new());
    let cases = [
        (json!([]), "fetch,import"),
        (json!(["fetch"]), "fetch,import"),
        (json!(["fetch", "import"]), "fetch,import"),
        (json!(["import", "serve"]), "fetch,import,serve"),
        (json!(["fetch", "import", "serve", "publish"]), "fetch,import,serve,publish"),
    ];
    for (asked, needed) in cases {
        let manifest = manifest();
        let request = json!({
            "request_version": 0, "kind": "minimodel.import-peer-request", "model_id": manifest.value("model.id"),
            "byte_count": manifest.value("artifact.byte_count").unwrap().parse::<u64>().unwrap(),
            "artifact_sha256": manifest.value("artifact.sha256"),
            "offers": [listener.offer(manifest.swarm_id())], "consent": asked,
        });
        fs::write(home.path("request.json"), request.to_string()).unwrap();
        let line = ["import-peer-request", "request.json", "model.minimodel", "out"];
        let flag = format!("--consent {needed}");
        nothing_comes_of(&home, &listener, &line, "no consent was given", &flag);
        for other in ["fetch", "import", "fetch,import", "fetch,import,serve", "fetch,import,serve,publish"] {
            if other != needed {
                let line = [&line[..], &["--consent", other]].concat();
                nothing_comes_of(&home, &listener, &line, "is not the same", &flag);
            }
        }
        // Words on stdin are no answers without a terminal to show the questions.
        fs::write(home.path("yes"), "yes\n".repeat(5)).unwrap();
        let ran = home.command(line).stdin(fs::File::open(home.path("yes")).unwrap()).output().unwrap();
        assert_eq!(ran.status.code(), Some(5));
        assert!(!listener.was_dialed() && !home.path("out").exists() && !home.own("").exists());
        fs::remove_file(home.path("yes")).unwrap();
    }
}

// Rows: I5
#[test]
fn no_variable_file_or_json_flag_stands_in_for_consent() {
    let (home, listener) = (stage(), Listener::new());
    let offer = listener.offer(manifest().swarm_id());
    let mut command = home.command(["--json", "fetch", "model.minimodel", "--peer", &offer, "-o", "out"]);
    command.env("MINIMODEL_CONSENT", "fetch,import").env("MINIMODEL_YES", "1").env("CI", "1");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&object["event"], &object["code"]), (&"error".into(), &5.into()));
    assert!(object["hint"].as_str().unwrap().contains("`--consent fetch,import`"), "{object}");
    assert!(!listener.was_dialed() && !home.path("out").exists() && !home.own("").exists());
}
