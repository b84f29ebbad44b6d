//! A model that moves from one home to another, each with its companion.

use minimodel_verifier::receipt::Receipt;

use super::causes::with_model;
use super::house::House;
use crate::home::Home;
use crate::process::Running;

#[test]
fn fetch_between_homes_has_same_receipt_as_without_companion() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    let ran =
        bob.home.run(["fetch", "--offer", &offer, "--out", "models", "--consent", "fetch,import"]).exits(0);
    let path = ran.stdout.trim();
    assert_eq!(std::fs::read(path).unwrap(), alice.home.read("a.slm"));
    let receipt = Receipt::parse(&std::fs::read(format!("{path}.receipt")).unwrap()).unwrap();

    let carol = Home::new();
    let ran =
        carol.run(["fetch", "--offer", &offer, "--out", "models", "--consent", "fetch,import"]).exits(0);
    let alone = Receipt::parse(
        &std::fs::read(format!("{}.receipt", carol.path(ran.stdout.trim()).display())).unwrap(),
    )
    .unwrap();
    assert_eq!(receipt.subject(), alone.subject());
    let names = |receipt: &Receipt| -> Vec<String> {
        receipt.import().checks.iter().map(|check| check.name.clone()).collect()
    };
    assert_eq!(names(&receipt), names(&alone));
    let actions = |receipt: &Receipt| -> Vec<_> {
        receipt.import().consents.iter().map(|consent| consent.action).collect()
    };
    assert_eq!(actions(&receipt), actions(&alone));
    assert_eq!(receipt.import().peers.len(), 1);
    assert_eq!(receipt.import().peers[0].id, alone.import().peers[0].id);

    // The grants of the transfer ended with it.
    let grants = bob.home.say("--json consent list").exits(0);
    assert!(!grants.stdout.contains("\"active\""), "{}", grants.stdout);
    assert_eq!(bob.transfers()[0]["state"], "done");
    bob.home.say("consent log --verify").exits(0);
}

#[test]
fn a_fetch_without_a_folder_goes_into_the_library() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    let refused = bob.home.run(["fetch", "--offer", &offer, "--consent", "fetch,import"]).exits(5);
    assert!(refused.stderr.contains("cache"), "{}", refused.stderr);
    let ran = bob.home.run(["fetch", "--offer", &offer, "--consent", "fetch,import,cache"]).exits(0);
    assert_eq!(std::fs::read(ran.stdout.trim()).unwrap(), alice.home.read("a.slm"));
    let listed = bob.home.say("--json library list").exits(0).object();
    assert_eq!(listed["state"], "ready");
    assert_eq!(listed["cached"], true);
}

#[test]
fn companion_mirrors_under_a_consent_with_its_quota() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    let line = ["mirror", "--offer", &offer, "--out", "models", "--detach", "--quota", "3GiB", "--consent"];
    let refused = bob.home.run(line.iter().chain(&["fetch,import,serve"])).exits(5);
    assert!(refused.stderr.contains("publish"), "{}", refused.stderr);
    bob.home.run(line.iter().chain(&["fetch,import,serve,publish"])).exits(0);
    bob.until("it serves the whole file", || {
        bob.transfers()
            .iter()
            .any(|it| it["kind"] == "share" && it["state"] == "running" && !it["offer"].is_null())
    });
    let grants = bob.home.say("--json consent list").exits(0).stdout;
    let serve = grants.lines().find(|line| line.contains("\"serve\"")).unwrap();
    assert!(serve.contains(&(3_u64 << 30).to_string()), "{serve}");
    let publish = grants.lines().find(|line| line.contains("\"publish\"")).unwrap();
    assert!(publish.contains("\"quota_bytes\":null"), "{publish}");
}

#[test]
fn second_companion_of_a_home_is_refused_and_the_first_runs_on() {
    let mut house = House::new();
    let second = house.home.say("companion run").exits(11);
    assert!(second.stderr.contains("already"), "{}", second.stderr);
    house.home.say("companion status").exits(0);
    let ended = house.stop();
    assert_eq!(ended.code, 0);
    house.home.say("companion status").exits(3);
}

#[test]
fn the_existing_verbs_work_without_a_companion_and_beside_one() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    let words = ["fetch", "--here", "--offer", &offer, "--out", "here", "--consent", "fetch,import"];
    bob.home.run(words).exits(0);
    assert!(bob.transfers().is_empty(), "it was done by the verb itself");
}

#[test]
fn model_bytes_come_from_peers_alone() {
    let house = House::with_artifact();
    for source in ["https://minimodel.org/models/a.slm", "http://127.0.0.1/a.slm", "minimodel.org/a.slm"] {
        let ran = house.home.run([
            "fetch",
            "a.minimodel",
            "--peer",
            source,
            "--out",
            "o",
            "--consent",
            "fetch,import",
        ]);
        assert_ne!(ran.code, 0, "{}", ran.stderr);
    }
    assert!(house.transfers().is_empty());
}

#[test]
fn detached_fetch_is_followed_when_typed_again() {
    let (alice, bob) = (House::of(with_model(4_000_000)), House::new());
    let offer = alice.share(&["--up", "12KiB"]);
    let share = alice.transfers()[0]["id"].as_u64().unwrap();
    let words = ["--offer", &offer, "--out", "models", "--consent", "fetch,import"];
    let id = bob.fetch(&words);
    bob.transfer_when(id, "fetching", |fetch| fetch["have_bytes"].as_u64() > Some(0));
    let following = Running::start(&mut bob.home.command(["fetch"].iter().chain(&words)));
    following.wait_until_said(&format!("as transfer {id}"));
    alice.home.say(&format!("limits set --transfer {share} --up none")).exits(0);
    let ran = following.end().exits(0);
    assert_eq!(std::fs::read(ran.stdout.trim()).unwrap(), alice.home.read("a.slm"));
    assert_eq!(bob.transfers().len(), 1);
}
