//! Grants limit what a companion does while it runs: by action, model, peer, time and number of bytes.

use std::fs;

use serde_json::Value;

use super::causes::with_model;
use super::house::House;
use super::version::Version;
use crate::home::Home;
use crate::process::{Running, events};

const CHUNK: u64 = 16 << 10;

/// All grants, those that ended too.
fn grants(house: &House) -> Vec<Value> {
    let listed = house.home.say("--json consent list --all").exits(0);
    events(&listed.stdout, "grant").collect()
}

/// Actions of the active grants, in order.
fn permitted(house: &House) -> Vec<String> {
    let active = grants(house).into_iter().filter(|grant| grant["state"] == "active");
    active.map(|grant| grant["action"].as_str().unwrap().to_owned()).collect()
}

/// A file of 25 chunks, so that there are moments in the middle of it.
fn large() -> Version {
    Version::about(4_000_000, "large", "1", 3)
}

/// A fetch from the first chunk on: the last one, which is shorter, does not come among the first.
fn fetcher(home: &Home, offer: &str) -> Running {
    let line = ["fetch", "--offer", offer, "--out", "models", "--order", "sequential"];
    Running::start(&mut home.command(line.iter().chain(&["--consent", "fetch,import"])))
}

fn sent(transfer: &Value) -> u64 {
    transfer["sent_bytes"].as_u64().unwrap()
}

// Rows: I5
#[test]
fn grant_admits_only_its_peer_to_its_model_for_its_action() {
    let (alice, bob, carol) = (House::with_artifact(), House::new(), Home::new());
    let line = format!("consent grant serve --model a.minimodel --peer {} --consent serve", bob.peer());
    alice.home.say(&line).exits(0);
    let offer = alice.share_of("a", &[]);
    let line = ["fetch", "--offer", &offer, "--out", "models", "--consent", "fetch,import"];
    let refused = carol.run(line).exits(3);
    assert!(refused.stderr.contains("not allowed"), "{}", refused.stderr);
    carol.write("a.minimodel", alice.home.read("a.minimodel"));
    let line = ["fetch", "a.minimodel", "--peer", &offer, "--out", "models", "--consent", "fetch,import"];
    let refused = carol.run(line).exits(3);
    assert!(refused.stderr.contains("not allowed"), "{}", refused.stderr);
    assert_eq!(sent(&alice.transfers()[0]), 0);
    let line = ["fetch", "--offer", &offer, "--out", "models", "--consent", "fetch,import"];
    let path = bob.home.run(line).exits(0).stdout;
    assert!(fs::read(path.trim()).unwrap() == alice.home.read("a.slm"));

    // Another model is another grant, and to publish is another action.
    Version::of("other", "1", 2).write(&alice.home, "b");
    alice.home.say("seed --detach --listen 127.0.0.1:0 b.minimodel b.slm").exits(5);
    let share = &alice.transfers()[0];
    assert_eq!((alice.transfers().len(), &share["publishes"]), (1, &false.into()));
    alice.home.say(&format!("announce on {}", share["id"])).exits(5);
    assert_eq!(permitted(&alice), ["serve"]);
    alice.home.say("consent log --verify").exits(0);
}

// Rows: I5
#[test]
fn a_grant_that_ends_while_bytes_move_stops_them() {
    let (alice, bob) = (House::of(with_model(4_000_000)), House::new());
    let offer = alice.share(&["--up", "4KiB"]);
    let id = alice.transfers()[0]["id"].as_u64().unwrap();
    let fetch = bob.fetch(&["--offer", &offer, "--out", "models", "--consent", "fetch,import"]);
    alice.transfer_when(id, "sending", |share| sent(share) > 0);
    let first = grants(&alice)[0]["id"].clone();
    // Under the second grant alone the transfer goes on for as long as that grant lasts.
    alice.home.say("consent grant serve --model a.minimodel --for 3s --consent serve").exits(0);
    alice.home.say(&format!("consent revoke {first}")).exits(0);
    // Until its last peer is gone, the run that ends may still count what was on its way.
    let share = alice.transfer_when(id, "ended", |share| {
        share["state"] == "waiting" && share["offer"].is_null() && share["peers"] == Value::Array(Vec::new())
    });
    assert_eq!(share["cause"], "consent-missing");
    let states: Vec<Value> = grants(&alice).into_iter().map(|grant| grant["state"].clone()).collect();
    assert_eq!(states, ["revoked", "expired"]);
    bob.transfer_when(fetch, "without a source", |fetch| fetch["cause"] == "no-source");
    assert_eq!(sent(&alice.transfer(id)), sent(&share));
    alice.home.say("consent log --verify").exits(0);
}

// Rows: I5, B22
#[test]
fn a_quota_holds_for_all_peers_together_and_for_what_is_fetched() {
    let (alice, bob) = (House::new(), House::new());
    let (dave, erin) = (Home::new(), Home::new());
    let model = large();
    model.write(&alice.home, "m");
    model.write(&bob.home, "m");
    alice.home.say("consent grant serve --model m.minimodel --quota 64KiB --consent serve").exits(0);
    let offer = alice.share_of("m", &[]);
    let id = alice.transfers()[0]["id"].as_u64().unwrap();
    let both = [&dave, &erin].map(|home| fetcher(home, &offer));
    let share = alice
        .transfer_when(id, "at its quota", |share| share["state"] == "waiting" && share["offer"].is_null());
    assert_eq!(share["cause"], "quota");
    both.into_iter().for_each(|fetcher| drop(fetcher.kill()));
    let grant = &grants(&alice)[0];
    assert_eq!(grant["state"], "spent");
    let used = grant["used_bytes"].as_u64().unwrap();
    assert_eq!(used, 64 << 10, "four chunks and no more, of however many peers");

    alice.home.say("consent grant serve --model m.minimodel --consent serve").exits(0);
    alice
        .transfer_when(id, "shared again", |share| share["offer"].is_string() && share["state"] == "running");
    // Room for four chunks and a piece: of the remaining chunks only the short last one fits.
    bob.home.say("consent grant fetch --model m.minimodel --quota 70KiB --consent fetch").exits(0);
    bob.home.say("consent grant import --model m.minimodel --consent import").exits(0);
    let fetch = bob.fetch(&["m.minimodel", "--peer", &offer, "--out", "models"]);
    let is_stopped =
        |fetch: &Value| fetch["cause"] == "quota" && fetch["have_bytes"].as_u64() >= Some(4 * CHUNK);
    bob.transfer_when(fetch, "at its quota", is_stopped);
    let used = grants(&bob)[0]["used_bytes"].as_u64().unwrap();
    assert!((4 * CHUNK..=70 << 10).contains(&used), "{used}");
    bob.home.say("consent grant fetch --model m.minimodel --consent fetch").exits(0);
    let done = bob.transfer_when(fetch, "done", |fetch| fetch["state"] == "done");
    assert!(fs::read(done["path"].as_str().unwrap()).unwrap() == model.artifact);
    alice.home.say("consent log --verify").exits(0);
    bob.home.say("consent log --verify").exits(0);
}

// Rows: I5
#[test]
fn quota_of_exactly_the_file_size_is_enough_on_both_sides() {
    let (alice, bob) = (House::new(), House::new());
    // The last chunk is shorter than the others; a remaining quota that fits only that chunk counts.
    let model = Version::about(61_000, "m", "1", 4);
    model.write(&alice.home, "m");
    model.write(&bob.home, "m");
    let quota = model.artifact.len();
    assert!(!(quota as u64).is_multiple_of(CHUNK));
    alice
        .home
        .say(&format!("consent grant serve --model m.minimodel --quota {quota} --consent serve"))
        .exits(0);
    bob.home
        .say(&format!("consent grant fetch --model m.minimodel --quota {quota} --consent fetch"))
        .exits(0);
    bob.home.say("consent grant import --model m.minimodel --consent import").exits(0);
    // A rate low enough for the companions to check the quota while the last chunk is in flight.
    let offer = alice.share_of("m", &["--up", "12KiB"]);
    let fetch = bob.fetch(&["m.minimodel", "--peer", &offer, "--out", "models", "--order", "sequential"]);
    bob.transfer_when(fetch, "done", |fetch| fetch["state"] == "done");
    let is_spent =
        |house: &House| grants(house)[0]["used_bytes"] == quota && grants(house)[0]["state"] == "spent";
    bob.until("both are spent", || is_spent(&alice) && is_spent(&bob));
}

// Rows: I5
#[test]
fn revoking_one_of_two_peers_cuts_it_off_and_the_other_finishes() {
    let alice = House::new();
    let (dave, erin) = (Home::new(), Home::new());
    large().write(&alice.home, "m");
    let peers = [&dave, &erin].map(|home| home.say("id show").exits(0).stdout.trim().to_owned());
    let more = ["--up", "64KiB", "--allow", &peers[0], "--allow", &peers[1], "--consent", "serve"];
    let offer = alice.share_of("m", &more);
    let id = alice.transfers()[0]["id"].as_u64().unwrap();
    let [cut, kept] = [&dave, &erin].map(|home| fetcher(home, &offer));
    let has_sent = |share: &Value, peer: &str| {
        let mut all = share["peers"].as_array().unwrap().iter();
        all.any(|with| with["peer"] == peer && sent(with) > 0)
    };
    alice.transfer_when(id, "sending to both", |share| peers.iter().all(|peer| has_sent(share, peer)));
    let grant = grants(&alice).into_iter().find(|grant| grant["peer"] == peers[0]).unwrap();
    alice.home.say(&format!("consent revoke {}", grant["id"])).exits(0);
    let share = alice.transfer_when(id, "without the one", |share| !has_sent(share, &peers[0]));
    assert_eq!(share["state"], "running");
    alice.home.say(&format!("limits set --transfer {id} --up none")).exits(0);
    let path = kept.end().exits(0).stdout;
    assert!(erin.read(path.trim()) == alice.home.read("m.slm"));
    assert_eq!(cut.kill(), "", "it has no file");
    assert!(!dave.path(path.trim()).exists());
    alice.home.say("consent log --verify").exits(0);
}

// Rows: I5
#[test]
fn transfer_grants_end_with_it_and_standing_grants_remain() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let other = "ab".repeat(32);
    alice.home.say(&format!("consent grant serve --model {other} --consent serve")).exits(0);
    let offer = alice.share(&[]);
    assert_eq!(permitted(&alice), ["serve", "serve"]);

    bob.home.write("a.minimodel", alice.home.read("a.minimodel"));
    let by_manifest = ["fetch", "a.minimodel", "--peer", &offer, "--out", "one"];
    let by_offer = ["fetch", "--offer", &offer, "--out", "two"];
    bob.home.run(by_manifest).exits(5);
    bob.home.run(by_offer).exits(5);
    assert_eq!((bob.transfers().len(), grants(&bob).len()), (0, 0));
    // A grant for one action does not permit the other.
    bob.home.say("consent grant fetch --model a.minimodel --consent fetch").exits(0);
    for line in [&by_manifest[..], &by_offer] {
        let refused = bob.home.run(line).exits(5);
        assert!(refused.stderr.contains("import"), "{}", refused.stderr);
    }
    assert_eq!((bob.transfers().len(), permitted(&bob)), (0, vec!["fetch".to_owned()]));
    bob.home.say("consent grant import --model a.minimodel --consent import").exits(0);
    for line in [&by_manifest[..], &by_offer] {
        let path = bob.home.run(line).exits(0).stdout;
        assert!(fs::read(path.trim()).unwrap() == alice.home.read("a.slm"));
    }
    let line = ["fetch", "--offer", &offer, "--out", "three", "--consent", "fetch,import"];
    bob.home.run(line).exits(0);
    assert_eq!((permitted(&bob), grants(&bob).len()), (vec!["fetch".to_owned(), "import".to_owned()], 4));

    // A finished transfer needs no consent: a grant added for it now would not end with it.
    for done in bob.transfers() {
        let path = format!("/v1/transfers/{}/consent", done["id"]);
        super::told::ask(&bob, "POST", &path, r#"{"actions":["fetch","import"],"by":"api"}"#);
    }
    assert_eq!(grants(&bob).len(), 4);

    let id = alice.transfers()[0]["id"].clone();
    alice.home.say(&format!("transfer remove {id}")).exits(0);
    let left: Vec<Value> = grants(&alice).into_iter().filter(|grant| grant["state"] == "active").collect();
    assert_eq!((left.len(), &left[0]["model"]), (1, &other.into()));
    alice.home.say("consent log --verify").exits(0);
    bob.home.say("consent log --verify").exits(0);
}

// Rows: I5
#[test]
fn offer_is_passed_on_and_its_file_exists_only_while_announced() {
    let (alice, carol, frank) = (House::new(), House::new(), Home::new());
    large().write(&alice.home, "m");
    let offer = alice.share_of("m", &["--up", "16KiB", "--consent", "serve"]);
    let id = alice.transfers()[0]["id"].as_u64().unwrap();
    let all = "fetch,import,serve,publish";
    let words = ["--json", "fetch", "--offer", &offer, "--out", "models", "--listen", "127.0.0.1:0"];
    let between = Running::start(&mut frank.command(words.iter().chain(&["--consent", all])));
    let theirs = between.offer();
    let words = ["--offer", &theirs, "--out", "models", "--listen", "127.0.0.1:0", "--consent", all];
    let fetch = carol.fetch(&words);
    carol.transfer_when(fetch, "fetching", |fetch| fetch["have_bytes"].as_u64() > Some(0));
    let peer = carol.peer();
    let has_come = |share: &Value| share["peers"].as_array().unwrap().iter().any(|with| with["peer"] == peer);
    assert!(!has_come(&alice.transfer(id)), "who did not publish is not passed on");
    assert_eq!(alice.home.say("announce list").exits(0).stdout, "");

    let told = alice.home.say(&format!("--json announce on {id} --consent publish")).exits(0).object();
    let path = told["path"].as_str().unwrap().to_owned();
    alice.transfer_when(id, "found through the one between", has_come);
    let listed = alice.home.say("--json announce list").exits(0).object();
    assert_eq!((&listed["transfer"], &listed["path"]), (&id.into(), &path.as_str().into()));
    assert_eq!(fs::read_to_string(&path).unwrap().trim(), listed["offer"]);
    assert_eq!(permitted(&alice), ["serve", "publish"]);

    alice.home.say(&format!("announce off {id}")).exits(0);
    assert!(!fs::exists(&path).unwrap());
    assert_eq!(permitted(&alice), ["serve"]);
    alice.transfer_when(id, "no more published", |share| {
        share["publishes"] == false && share["offer"].is_string() && share["state"] == "running"
    });
    assert_eq!(alice.home.say("announce list").exits(0).stdout, "");
    // The announcement ends with its share as well.
    alice.home.say(&format!("announce on {id} --consent publish")).exits(0);
    assert!(fs::exists(&path).unwrap());
    alice.home.say(&format!("transfer remove {id}")).exits(0);
    assert!(!fs::exists(&path).unwrap());
    assert_eq!(permitted(&alice), [""; 0]);
    alice.home.say("consent log --verify").exits(0);
}

// Rows: I5
#[test]
fn edited_cut_or_shortened_log_stops_transfers_and_names_line() {
    let alice = House::with_artifact();
    alice.share(&[]);
    let id = alice.transfers()[0]["id"].as_u64().unwrap();
    alice.home.say("consent grant cache --consent cache").exits(0);
    let told = alice.home.say(&format!("--json announce on {id} --consent publish")).exits(0).object();
    let announced = told["path"].as_str().unwrap();
    let log = alice.home.own("state/consent.log");
    let whole = fs::read_to_string(&log).unwrap();
    let lines: Vec<String> = whole.lines().map(|line| format!("{line}\n")).collect();
    assert_eq!(lines.len(), 3);
    for (damaged, words) in [
        (whole.replacen("\"action\":\"cache\"", "\"action\":\"fetch\"", 1), "line 2"),
        (lines[..2].concat(), "ends after line 2"),
        ([&lines[0][..], &lines[2]].concat(), "line 2"),
    ] {
        alice.transfer_when(id, "shared", |share| share["offer"].is_string());
        alice.until("announced", || fs::exists(announced).unwrap());
        fs::write(&log, &damaged).unwrap();
        let share = alice.transfer_when(id, "stopped", |share| share["cause"] == "consent-missing");
        assert_eq!((&share["offer"], &share["peers"]), (&Value::Null, &Value::Array(Vec::new())));
        assert!(!fs::exists(announced).unwrap());
        let told = alice.home.say("consent log --verify").exits(10);
        assert!(told.stderr.contains(words), "{words}: {}", told.stderr);
        alice.home.say("consent grant fetch --consent fetch").exits(10);
        assert_eq!(fs::read_to_string(&log).unwrap(), damaged, "nothing is written to it");
        fs::write(&log, &whole).unwrap();
    }
    alice
        .transfer_when(id, "shared again", |share| share["offer"].is_string() && share["state"] == "running");
    alice.home.say("consent log --verify").exits(0);
}
