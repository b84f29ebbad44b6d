//! Invalid or expired manifests and offers: exit code 10, named in the error, and nothing dialed.

use serde_json::json;

use super::stage::{
    Listener, hint, is_unchanged, manifest, model, names, now, offer_until, peer_id, snapshot, stage,
    stranger,
};
use crate::home::Home;
use crate::process::Running;

/// Runs a command and asserts exit code 10, and that nothing was dialed or written.
#[track_caller]
fn refuses(home: &Home, listener: &Listener, arguments: &[&str], words: &[&str]) {
    let before = snapshot(&home.path(""));
    let ran = home.run(arguments).exits(10);
    names(&ran, words);
    assert!(!listener.was_dialed(), "{arguments:?} dialed");
    assert!(!home.own("").exists(), "something was written below MINIMODEL_HOME");
    is_unchanged(&before, &home.path(""));
}

/// A request that agrees with [`manifest`] in all but `offers`.
fn request(offers: &[&str]) -> String {
    let manifest = manifest();
    json!({
        "request_version": 0, "kind": "minimodel.import-peer-request", "model_id": manifest.value("model.id"),
        "byte_count": model().len(), "artifact_sha256": manifest.value("artifact.sha256"),
        "offers": offers, "consent": ["fetch", "import"],
    })
    .to_string()
}

#[test]
fn project_server_url_exits_10_and_every_verb_names_the_key() {
    let (home, listener) = (stage(), Listener::new());
    for url in
        ["https://models.example.org/sample-model.slm", "https://models.example.org", "None", "none none"]
    {
        let bad = manifest().with("artifact.project_server_url", url);
        home.write("bad.minimodel", bad.render());
        let offer = listener.offer(bad.swarm_id());
        home.write("request.json", request(&[&offer]));
        let lines: [&[&str]; 6] = [
            &["verify-manifest", "bad.minimodel"],
            &["manifest", "show", "bad.minimodel"],
            &["seed", "bad.minimodel", "model.slm", "--listen", "127.0.0.1:0", "--consent", "serve"],
            &["fetch", "bad.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"],
            &["fetch", "bad.minimodel", "--peer", &offer, "-o", "out"],
            &["import-peer-request", "request.json", "bad.minimodel", "out"],
        ];
        for line in lines {
            refuses(&home, &listener, line, &["artifact.project_server_url", "bad.minimodel"]);
        }
    }
}

// Rows: C5
#[test]
fn an_expired_offer_is_exit_10_with_both_times() {
    let (home, listener) = (stage(), Listener::new());
    let swarm = manifest().swarm_id();
    // 2001-09-09T01:46:40Z, and an expiry just beyond the permitted clock skew.
    for expires in [1_000_000_000, now() - 600] {
        let offer = offer_until(&stranger(), swarm, listener.address(), expires);
        home.write("request.json", request(&[&offer]));
        let lines: [&[&str]; 3] = [
            &["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"],
            &["fetch", "--offer", &offer, "-o", "out", "--consent", "fetch,import"],
            &["import-peer-request", "request.json", "model.minimodel", "out"],
        ];
        for line in lines {
            refuses(
                &home,
                &listener,
                line,
                &[&peer_id(&stranger()), "has expired", "good until ", "clock says "],
            );
            let ran = home.run(line);
            let times = ran.stderr.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != ':');
            let times: Vec<&str> = times.filter(|word| word.len() == 20 && word.ends_with('Z')).collect();
            assert_eq!(times.len(), 2, "{}", ran.stderr);
            assert!(expires != 1_000_000_000 || times[0] == "2001-09-09T01:46:40Z", "{}", ran.stderr);
            assert!(hint(&ran).contains("nothing was dialed"), "{}", ran.stderr);
        }
    }
}

// Rows: C5
#[test]
fn an_offer_within_the_skew_of_clocks_is_taken() {
    let (home, listener) = (stage(), Listener::new());
    let offer = offer_until(&stranger(), manifest().swarm_id(), listener.address(), now() - 60);
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let ran = home.run([&line[..], &["--stall-timeout", "300ms"]].concat()).exits(3);
    assert!(listener.was_dialed(), "{}", ran.stderr);
}

// Rows: C4
#[test]
fn altered_truncated_or_mixed_offer_exits_10_before_any_dial() {
    let (home, listener) = (stage(), Listener::new());
    let good = listener.offer(manifest().swarm_id());
    let other = listener.offer([9; 32]);
    let flip = |at: usize| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        String::from_utf8(bytes).unwrap()
    };
    let mut bad = vec![
        good[..good.len() - 1].to_owned(),
        good[..good.len() / 2].to_owned(),
        "mm1".to_owned(),
        format!("{good}a"),
        format!("{good}{good}"),
        good.to_uppercase().replace("MM1", "mm1"),
        // The body of one offer with the signature of the other.
        format!("{}{}", &good[..good.len() - 103], &other[other.len() - 103..]),
    ];
    bad.extend((4..good.len()).step_by(29).map(flip));
    for (number, offer) in bad.iter().enumerate() {
        let line = ["fetch", "model.minimodel", "--peer", offer, "-o", "out", "--consent", "fetch,import"];
        refuses(&home, &listener, &line, &["is not valid"]);
        if number < 8 {
            home.write("an.offer", format!("{offer}\n"));
            home.write("request.json", request(&[&good, offer]));
            let line = ["fetch", "--offer", "an.offer", "-o", "out", "--consent", "fetch,import"];
            refuses(&home, &listener, &line, &["is not valid", "an.offer"]);
            let line = ["import-peer-request", "request.json", "model.minimodel", "out"];
            refuses(&home, &listener, &line, &["request.json", "offers[1]"]);
        }
    }
}

#[test]
fn a_request_that_disagrees_with_its_manifest_dials_nobody() {
    let (home, listener) = (stage(), Listener::new());
    let good = request(&[&listener.offer(manifest().swarm_id())]);
    let size = format!("\"byte_count\":{}", model().len());
    let cases = [
        (good.replace("sample-model", "other-model"), "model_id"),
        (good.replace(&size, "\"byte_count\":7"), "byte_count"),
        (good.replace("\"sha256:", "\"sha256:00"), "artifact_sha256"),
        (request(&[&listener.offer([9; 32])]), "offers[0]"),
        (request(&[]), "offers"),
        (good.replace("\"kind\"", "\"more\":1,\"kind\""), "more"),
        (good.replace("\"import\"", "\"execute\""), "execute"),
    ];
    for (text, word) in cases {
        assert_ne!(text, good);
        home.write("request.json", text);
        let line = ["import-peer-request", "request.json", "model.minimodel", "out"];
        refuses(&home, &listener, &line, &["request.json", word]);
    }
}

#[test]
fn seed_refuses_a_file_that_does_not_match_and_prints_no_offer() {
    let home = stage();
    let mut one_byte = model().to_vec();
    let middle = one_byte.len() / 2;
    one_byte[middle] ^= 1;
    let cases = [one_byte, model()[..model().len() - 1].to_vec(), [model(), &b"\0"[..]].concat(), Vec::new()];
    for (number, bytes) in cases.into_iter().enumerate() {
        let name = format!("bad-{number}.slm");
        home.write(&name, bytes);
        let line = ["seed", "model.minimodel", &name, "--listen", "127.0.0.1:0", "--consent", "serve"];
        let ran = home.run([&line[..], &["--offer-out", "offer"]].concat()).exits(4);
        names(&ran, &[&name]);
        assert!(
            hint(&ran).contains(&format!("minimodel verify-artifact model.minimodel {name}")),
            "{}",
            ran.stderr
        );
        assert_eq!(ran.stdout, "");
        assert!(!home.path("offer").exists());
    }
    // The same home serves the right manifest.
    Running::seed(&home, ["model.minimodel", "model.slm"]).stop().exits(0);
}
