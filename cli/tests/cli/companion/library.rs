//! The library of a running companion: eviction when it is full, the links of active versions, and the states of
//! entries.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::causes::with_model;
use super::house::House;
use super::http::Http;
use super::version::Version;
use crate::home::{Home, MINIMODEL, Ran};
use crate::process::{Running, events};

const CACHED: [&str; 2] = ["--consent", "fetch,import,cache"];

/// The library entry of a model; listing it checks its file.
#[track_caller]
fn entry(home: &Home, model: &str) -> Value {
    let listed = home.say("--json library list").exits(0);
    let found = events(&listed.stdout, "entry").find(|entry| entry["model_id"] == model);
    found.unwrap_or_else(|| panic!("no {model} in {}", listed.stdout))
}

#[track_caller]
fn state(home: &Home, model: &str) -> String {
    entry(home, model)["state"].as_str().unwrap().to_owned()
}

fn fetch_into_library(house: &House, offer: &str) -> Ran {
    house.home.run(["fetch", "--offer", offer].iter().chain(&CACHED))
}

/// Names of the models that are cached now.
fn cached(house: &House) -> Vec<String> {
    let listed = house.home.say("--json library list").exits(0);
    let cached = events(&listed.stdout, "entry").filter(|entry| entry["cached"] == true);
    let mut names: Vec<_> = cached.map(|entry| entry["model_id"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn full_cache_evicts_lru_not_pinned_active_served_or_own_files() {
    let (alice, bob) = (House::new(), House::new());
    let names = ["a", "b", "c", "d", "e", "f"];
    let models: Vec<Version> = (1..).zip(names).map(|(seed, name)| Version::of(name, "1", seed)).collect();
    let offers: Vec<String> = names
        .iter()
        .zip(&models)
        .map(|(name, model)| {
            model.write(&alice.home, name);
            alice.share_of(name, &["--consent", "serve"])
        })
        .collect();
    let own = Version::of("own", "1", 99);
    own.write(&bob.home, "own");
    bob.home.say("library add own.minimodel own.slm").exits(0);
    let bytes = models[0].artifact.len();
    bob.home.say(&format!("limits set --cache {}B", 4 * bytes)).exits(0);
    for offer in &offers[..4] {
        fetch_into_library(&bob, offer).exits(0);
    }
    assert_eq!(cached(&bob), ["a", "b", "c", "d"]);
    bob.home.say("library pin a").exits(0);
    bob.home.say("library activate b").exits(0);

    // Of c and d, which may both go, c came first and was used last. Times of use are compared by the second.
    std::thread::sleep(Duration::from_millis(1100));
    bob.home.say("library verify c").exits(0);
    let gone = entry(&bob.home, "d")["path"].as_str().unwrap().to_owned();
    fetch_into_library(&bob, &offers[4]).exits(0);
    assert_eq!(cached(&bob), ["a", "b", "c", "e"]);
    assert!(!fs::exists(gone).unwrap());
    let evicted = entry(&bob.home, "d");
    assert_eq!(
        (&evicted["state"], &evicted["path"], &evicted["reason"]),
        (&"available".into(), &Value::Null, &Value::Null)
    );

    // Serving a file counts as its use, and while a file is served it stays, however long ago that began.
    let path = entry(&bob.home, "c")["path"].as_str().unwrap().to_owned();
    let manifest = path.replace(".slm", ".minimodel");
    let line = ["seed", "--detach", "--listen", "127.0.0.1:0", "--consent", "serve", &manifest, &path];
    std::thread::sleep(Duration::from_millis(1100));
    bob.home.run(line).exits(0);
    fetch_into_library(&bob, &offers[5]).exits(0);
    assert_eq!(cached(&bob), ["a", "b", "c", "f"]);
    std::thread::sleep(Duration::from_millis(1100));
    bob.home.say("library verify f").exits(0);
    fetch_into_library(&bob, &offers[3]).exits(0);
    assert_eq!(cached(&bob), ["a", "b", "c", "d"]);

    // With no entry that may go, none is evicted and nothing is fetched.
    bob.home.say("library pin d").exits(0);
    let sent = || alice.transfers()[4]["sent_bytes"].clone();
    let before = sent();
    let refused = fetch_into_library(&bob, &offers[4]).exits(9);
    assert!(
        refused.stderr.contains("no room for e@1") && refused.stderr.contains("pinned"),
        "{}",
        refused.stderr
    );
    bob.home.say("library unpin d").exits(0);
    bob.home.say("limits set --cache none --storage 60KiB").exits(0);
    let refused = fetch_into_library(&bob, &offers[4]).exits(9);
    assert!(refused.stderr.contains(&format!("may hold {}", 60 << 10)), "{}", refused.stderr);
    assert_eq!((cached(&bob), sent()), (names[..4].iter().map(|&name| name.to_owned()).collect(), before));
    let folder = bob.home.own(&format!("data/library/models/{}", models[4].swarm_id()));
    assert!(!folder.exists() || folder.read_dir().unwrap().next().is_none());
    assert_eq!(state(&bob.home, "own"), "ready");
    assert!(bob.home.read("own.slm") == own.artifact);
}

/// A home with two versions of `small`, both files of the user.
fn two_versions() -> (Home, [Version; 2]) {
    let home = Home::new();
    let versions = [Version::of("small", "1", 1), Version::of("small", "2", 2)];
    for (stem, version) in ["one", "two"].iter().zip(&versions) {
        version.write(&home, stem);
        home.say(&format!("library add {stem}.minimodel {stem}.slm")).exits(0);
    }
    (home, versions)
}

#[test]
fn reader_of_active_link_always_finds_one_whole_version() {
    let (home, versions) = two_versions();
    let house = House::of(home);
    let link = house.home.say("library activate small@1").exits(0).stdout.trim().to_owned();
    let stop = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = [0_u32; 2];
            while !stop.load(Ordering::Relaxed) {
                let found = fs::read(&link).unwrap();
                seen[versions.iter().position(|version| version.artifact == found).unwrap()] += 1;
            }
            seen
        });
        let http = Http::of(&house.home);
        let ids = ["small@1", "small@2"].map(|name| {
            house.home.say(&format!("--json library show {name}")).exits(0).object()["id"].clone()
        });
        for turn in 0..60 {
            let id = &ids[1 - turn % 2];
            http.change(&format!("POST /v1/library/{id}/activate"), &Value::Null).is(200);
        }
        for _ in 0..20 {
            http.change("POST /v1/models/small/rollback", &Value::Null).is(200);
        }
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(seen.iter().all(|&seen| seen > 0), "{seen:?}");

    house.home.say("library activate small@1").exits(0);
    let to = house.home.say("--json library activate small@2").exits(0).object();
    assert_eq!(to["entry"]["model_version"], "2");
    assert!(fs::read(&link).unwrap() == versions[1].artifact);
    let back = house.home.say("--json library rollback small").exits(0).object();
    assert_eq!((&back["entry"]["model_version"], &back["previous"]), (&"1".into(), &to["entry"]["id"]));
    assert!(fs::read(&link).unwrap() == versions[0].artifact);
    // A script reads the active version by its path.
    let line = format!("wc -c < \"$({MINIMODEL} library path small)\"");
    let counted = Command::new("sh").args(["-c", &line]).env("MINIMODEL_HOME", house.home.own("")).output();
    let counted = String::from_utf8(counted.unwrap().stdout).unwrap();
    assert_eq!(counted.trim(), versions[0].artifact.len().to_string());
}

// Rows: E1
#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build cannot be told where to end")]
fn activation_killed_at_disk_calls_matches_database_on_restart() {
    let (home, versions) = two_versions();
    let mut house = House::of(home);
    let mut kills = 0;
    for suffix in ["", "+"] {
        for nth in 1.. {
            let link = house.home.say("library activate small@1").exits(0).stdout.trim().to_owned();
            let whole =
                || versions.iter().position(|version| version.artifact == fs::read(&link).unwrap()).unwrap();
            assert_eq!(whole(), 0);
            house.stop();
            let mut command = house.home.command(["library", "activate", "small@2"]);
            let fate = Running::start(command.env("MINIMODEL_KILL_AT", format!("{nth}{suffix}"))).fate();
            let left = whole();
            house.start();
            let listed = house.home.say("--json library list").exits(0);
            let active = events(&listed.stdout, "entry").find(|entry| entry["active"] == true).unwrap();
            assert_eq!(active["model_version"], (whole() + 1).to_string(), "{nth}{suffix}, it led to {left}");
            if !fate.is_killed() {
                assert_eq!((fate.status.code(), whole()), (Some(0), 1), "{fate:?}");
                break;
            }
            kills += 1;
            house.home.say("library activate small@2").exits(0);
            assert_eq!(whole(), 1);
        }
    }
    assert!(kills >= 8, "{kills}");
}

#[test]
fn an_entry_says_how_it_stands_and_why_it_failed() {
    // At this rate the fetch takes minutes, so it is in progress for as long as the test checks it.
    let (alice, bob) = (House::of(with_model(3_000_000)), House::new());
    alice.home.say("library add a.minimodel a.slm").exits(0);
    let offer = alice.share(&["--up", "16KiB"]);
    bob.home.write("a.minimodel", alice.home.read("a.minimodel"));
    bob.home.say("library add a.minimodel").exits(0);
    assert_eq!(state(&bob.home, "sample-model"), "available");
    let fetch = bob.fetch(&["--offer", &offer, CACHED[0], CACHED[1]]);
    bob.transfer_when(fetch, "fetching", |fetch| fetch["have_bytes"].as_u64() > Some(0));
    assert_eq!(state(&bob.home, "sample-model"), "downloading");
    bob.home.say(&format!("transfer pause {fetch}")).exits(0);
    bob.transfer_when(fetch, "paused", |fetch| fetch["state"] == "paused");
    assert_eq!(state(&bob.home, "sample-model"), "downloading");

    // The source changes under its share: no peer gets a byte of the change, and the library reports it.
    let original = alice.home.read("a.slm");
    let changed: Vec<u8> = original.iter().map(|byte| !byte).collect();
    alice.home.write("a.slm", &changed);
    let share = alice.transfers()[0]["id"].as_u64().unwrap();
    bob.home.say(&format!("transfer start {fetch}")).exits(0);
    let failed = alice.transfer_when(share, "failed", |share| share["state"] == "failed");
    assert!(failed["problem"]["error"].as_str().unwrap().contains("source changed"), "{failed:#}");
    let told = entry(&alice.home, "sample-model");
    assert_eq!(
        (&told["state"], &told["reason"]),
        (&"failed".into(), &"it changed while it was shared".into())
    );
    bob.transfer_when(fetch, "without a source", |fetch| fetch["cause"] == "no-source");

    // With the source restored and checked, the entry is ready again.
    alice.home.write("a.slm", &original);
    alice.home.say("library verify sample-model").exits(0);
    assert_eq!(state(&alice.home, "sample-model"), "ready");
    alice.home.say(&format!("limits set --transfer {share} --up none")).exits(0);
    alice.home.say(&format!("transfer start {share}")).exits(0);
    alice.transfer_when(share, "shared again", |share| {
        share["offer"].is_string() && share["state"] == "running"
    });
    bob.home.say(&format!("transfer start {fetch}")).exits(0);
    bob.transfer_when(fetch, "done", |fetch| fetch["state"] == "done");
    let ready = entry(&bob.home, "sample-model");
    assert_eq!((&ready["state"], &ready["reason"]), (&"ready".into(), &Value::Null));

    // A cached file that vanished can be fetched again; a user's own file that vanished makes its entry fail.
    fs::remove_file(ready["path"].as_str().unwrap()).unwrap();
    assert_eq!(state(&bob.home, "sample-model"), "available");
    alice.home.say(&format!("transfer remove {share}")).exits(0);
    alice.home.write("a.slm", [&original[..100], &[!original[100]], &original[101..]].concat());
    assert_eq!(state(&alice.home, "sample-model"), "ready", "nobody has read it");
    alice.home.say("library verify sample-model").exits(4);
    let told = entry(&alice.home, "sample-model");
    assert_eq!(told["state"], "failed");
    assert!(told["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{told:#}");
    for (bytes, words) in [(Some(&original[..9]), "has 9 bytes"), (None, "not there any more")] {
        alice.home.write("a.slm", &original);
        alice.home.say("library verify sample-model").exits(0);
        match bytes {
            Some(bytes) => alice.home.write("a.slm", bytes),
            None => fs::remove_file(alice.home.path("a.slm")).unwrap(),
        }
        let told = entry(&alice.home, "sample-model");
        assert!(told["state"] == "failed" && told["reason"].as_str().unwrap().contains(words), "{told:#}");
    }
}

#[test]
fn users_own_file_is_checked_and_outlives_its_library_entry() {
    let house = House::with_artifact();
    let bytes = house.home.read("a.slm");
    house.home.write("b.slm", [&bytes[..100], &[!bytes[100]], &bytes[101..]].concat());
    house.home.say("library add a.minimodel b.slm").exits(4);
    assert_eq!(house.home.say("library list").exits(0).stdout, "");
    house.home.say("library add a.minimodel a.slm").exits(0);
    let path = house.home.say("library path sample-model").exits(0).stdout;
    assert_eq!(fs::canonicalize(path.trim()).unwrap(), fs::canonicalize(house.home.path("a.slm")).unwrap());
    house.home.say("library prune --keep 0").exits(0);
    assert_eq!(state(&house.home, "sample-model"), "ready");
    let removed = house.home.say("library remove sample-model").exits(0);
    assert!(removed.stderr.contains("your file stays"), "{}", removed.stderr);
    assert!(house.home.read("a.slm") == bytes);
    house.home.say("library path sample-model").exits(3);
}

#[test]
fn model_requirements_are_compared_and_shown_before_the_fetch() {
    let (alice, bob) = (House::new(), House::new());
    let model =
        Version::of("large", "1", 1).with("requires.arch", "sparc64").with("requires.ram_mb", "4000000000");
    model.write(&alice.home, "large");
    let fits = alice.home.say("--json library fits large.minimodel").exits(0).object();
    assert_eq!(fits["fits"], false);
    let outcomes: Vec<_> = fits["checks"].as_array().unwrap().iter().map(|check| &check["outcome"]).collect();
    assert_eq!(outcomes, ["fail", "fail"]);
    let added = alice.home.say("library add large.minimodel large.slm").exits(0);
    assert!(added.stderr.contains("does not fit this machine"), "{}", added.stderr);
    let told = alice.home.say("library fits large").exits(0).stdout;
    assert!(told.contains("needs 4000000000 MB") && told.contains("needs sparc64"), "{told}");

    let offer = alice.share_of("large", &["--consent", "serve"]);
    let ran = fetch_into_library(&bob, &offer).exits(0);
    for words in ["ram 4000000000 MB: this machine has", "arch sparc64: this machine has", "(fail)"] {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert_eq!(entry(&bob.home, "large")["fits"]["fits"], false);
}
