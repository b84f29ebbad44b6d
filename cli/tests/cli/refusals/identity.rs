//! A bad identity file stops every verb that would sign with it, and stays as it is.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::json;

use super::stage::{Listener, hint, is_unchanged, manifest, model, names, snapshot, stage};
use crate::home::Home;

/// Command lines that need an identity.
fn lines(home: &Home, listener: &Listener) -> Vec<Vec<String>> {
    let offer = listener.offer(manifest().swarm_id());
    let request = json!({
        "request_version": 0, "kind": "minimodel.import-peer-request", "model_id": "sample-model",
        "byte_count": model().len(), "artifact_sha256": manifest().value("artifact.sha256"),
        "offers": [&offer], "consent": ["fetch", "import"],
    });
    home.write("request.json", request.to_string());
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    vec![
        words("seed model.minimodel model.slm --listen 127.0.0.1:0 --consent serve"),
        words(&format!("fetch model.minimodel --peer {offer} -o out --consent fetch,import")),
        words(&format!("fetch --offer {offer} -o out --consent fetch,import")),
        words("import-peer-request request.json model.minimodel out --consent fetch,import"),
        words("manifest sign model.minimodel -o signed.minimodel"),
    ]
}

/// Asserts that every such command exits with 13 and changes nothing.
#[track_caller]
fn stops_everything(home: &Home, listener: &Listener, cause: &str, step: &str) {
    let lines = lines(home, listener);
    // Consents are recorded before the identity is needed, and so is `consent.seen`.
    let data = || {
        let mut snapshot = snapshot(&home.own("data"));
        snapshot.retain(|path, _| !path.ends_with("consent.seen"));
        snapshot
    };
    let before = [data(), snapshot(&home.path(""))];
    for line in lines {
        let ran = home.run(&line).exits(13);
        names(&ran, &["identity", "data/identity.key", cause]);
        assert!(hint(&ran).contains(step), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
        assert!(!ran.stderr.contains("created the identity"), "{}", ran.stderr);
        assert!(!listener.was_dialed(), "{line:?}");
        assert!(before[0] == data(), "{line:?}");
        is_unchanged(&before[1], &home.path(""));
    }
}

fn with_identity() -> (Home, Listener, Vec<u8>) {
    let (home, listener) = (stage(), Listener::new());
    lines(&home, &listener);
    home.say("id new").exits(0);
    let good = fs::read(home.own("data/identity.key")).unwrap();
    (home, listener, good)
}

// Rows: C6
#[test]
fn a_damaged_or_truncated_identity_is_exit_13_and_unchanged() {
    let (home, listener, good) = with_identity();
    let mut flipped = good.clone();
    flipped[40] = if flipped[40] == b'0' { b'1' } else { b'0' };
    let seed = String::from_utf8_lossy(&good[26..90]).into_owned();
    for bytes in [
        &[][..],
        &good[..good.len() - 1],
        &good[..60],
        &flipped,
        b"\0\0\0",
        &[good.as_slice(), b"x\n"].concat(),
    ] {
        fs::write(home.own("data/identity.key"), bytes).unwrap();
        stops_everything(&home, &listener, "it is damaged", "restore it from a copy");
    }
    // No error shows the secret.
    for line in lines(&home, &listener) {
        let ran = home.run(&line).exits(13);
        assert!(!ran.stderr.contains(&seed[..16]), "{}", ran.stderr);
    }
}

// Rows: C6
#[test]
fn an_identity_that_others_may_read_is_exit_13_and_unchanged() {
    let (home, listener, _) = with_identity();
    for mode in [0o644, 0o640, 0o602] {
        fs::set_permissions(home.own("data/identity.key"), Permissions::from_mode(mode)).unwrap();
        stops_everything(&home, &listener, "lets others at the secret key", "chmod 600");
    }
}

// Rows: C6
#[test]
fn identity_that_is_a_folder_or_dangling_link_is_not_replaced() {
    let (home, listener, good) = with_identity();
    let path = home.own("data/identity.key");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    stops_everything(&home, &listener, "it is a folder", "name an ordinary file");
    fs::remove_dir(&path).unwrap();
    symlink("nowhere", &path).unwrap();
    for line in lines(&home, &listener) {
        home.run(&line).exits(13);
    }
    assert!(!home.own("data/nowhere").exists() && !listener.was_dialed());
    fs::remove_file(&path).unwrap();
    fs::write(&path, good).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    home.say("id show").exits(0);
}
