//! Causes of a standstill that the user made, by doing something or not: every interface names them by the same word.
//! Causes that others make are in `injected`.

use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};
use serde_json::{Value, json};

use super::house::House;
use super::told::{ask, is_told};
use crate::home::Home;
use crate::process::Running;

/// Number of the only transfer of a home.
pub(super) fn only(house: &House) -> u64 {
    let transfers = house.transfers();
    assert_eq!(transfers.len(), 1, "{transfers:?}");
    transfers[0]["id"].as_u64().unwrap()
}

/// A home with a model of about so many bytes in chunks of 16 KiB.
pub(super) fn with_model(bytes: u64) -> Home {
    let home = Home::new();
    let artifact = slm_vec(&Shape::about(bytes, Quantization::Q4_0).unwrap(), 11);
    home.write("a.slm", &artifact);
    home.write("a.minimodel", ManifestText::of(&artifact, &ManifestOptions::default()).render());
    home
}

/// Fetches from an offer into `models`; the manifest comes along, so that no peer need be there for it.
#[track_caller]
pub(super) fn fetch(house: &House, publisher: &House, offer: &str, more: &[&str]) -> u64 {
    house.home.write("a.minimodel", publisher.home.read("a.minimodel"));
    let words = ["a.minimodel", "--peer", offer, "--out", "models"];
    let words: Vec<&str> = words.iter().chain(more).copied().collect();
    house.fetch(&words)
}

const AGREED: [&str; 2] = ["--consent", "fetch,import"];

#[track_caller]
fn ends(house: &House, publisher: &House, id: u64) {
    let done = house.transfer_when(id, "done", |fetch| fetch["state"] == "done");
    assert!(std::fs::read(done["path"].as_str().unwrap()).unwrap() == publisher.home.read("a.slm"));
}

#[test]
fn nobody_asks_the_user_paused_it_and_nobody_is_there() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    let share = only(&alice);
    is_told(&alice, share, "no-demand");
    alice.home.say(&format!("transfer pause {share}")).exits(0);
    is_told(&alice, share, "paused");

    let fetching = fetch(&bob, &alice, &offer, &AGREED);
    is_told(&bob, fetching, "no-source");
    bob.home.say(&format!("transfer pause {fetching}")).exits(0);
    is_told(&bob, fetching, "paused");
    alice.home.say(&format!("transfer start {share}")).exits(0);
    alice.transfer_when(share, "shared", |share| share["offer"].is_string());
    bob.home.say(&format!("transfer start {fetching}")).exits(0);
    ends(&bob, &alice, fetching);
}

#[test]
fn our_own_rates_hold_bytes_back_on_either_side() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&["--up", "1B"]);
    let share = only(&alice);
    let fetching = fetch(&bob, &alice, &offer, &AGREED);
    is_told(&alice, share, "rate-limit");

    bob.home.say(&format!("transfer limit {fetching} --down 1B")).exits(0);
    alice.home.say(&format!("transfer limit {share} --up none")).exits(0);
    is_told(&bob, fetching, "rate-limit");
    bob.home.say(&format!("transfer limit {fetching} --down none")).exits(0);
    ends(&bob, &alice, fetching);
}

#[test]
fn the_schedule_holds_both_sides_and_lets_them_go_on() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    alice.home.say("limits schedule add 0-24 --paused").exits(0);
    is_told(&alice, only(&alice), "schedule");
    bob.home.say("limits schedule add 0-24 --paused").exits(0);
    let fetching = fetch(&bob, &alice, &offer, &AGREED);
    is_told(&bob, fetching, "schedule");
    for house in [&alice, &bob] {
        house.home.say("limits schedule clear").exits(0);
    }
    ends(&bob, &alice, fetching);
}

#[test]
fn second_fetch_of_a_model_waits_for_the_first() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    let first = fetch(&bob, &alice, &offer, &["--down", "1B", "--consent", "fetch,import"]);
    is_told(&bob, first, "rate-limit");
    let words = ["a.minimodel", "--peer", &offer, "--out", "elsewhere"];
    let second = bob.fetch(&[&words[..], &AGREED].concat());
    is_told(&bob, second, "same-model");
    bob.home.say(&format!("transfer limit {first} --down none")).exits(0);
    ends(&bob, &alice, first);
    ends(&bob, &alice, second);
}

#[test]
fn grant_quota_stops_fetch_when_less_than_one_chunk_is_left() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    bob.home.write("a.minimodel", alice.home.read("a.minimodel"));
    let grant = |action: &str, more: &[&str]| {
        let words = ["consent", "grant", action, "--model", "./a.minimodel", "--consent", action];
        bob.home.run(words.iter().chain(more)).exits(0);
    };
    grant("import", &[]);
    // Room for one chunk and part of another, which does not count. The last chunk, which is shorter, does not come first.
    grant("fetch", &["--quota", "20KiB"]);
    let fetching = fetch(&bob, &alice, &offer, &["--order", "sequential"]);
    is_told(&bob, fetching, "quota");
    let held = bob.transfer(fetching);
    assert_eq!((&held["state"], &held["have_bytes"]), (&"waiting".into(), &16_384.into()));

    // A quota that the fetch uses up to its last byte.
    bob.home.say("consent revoke --all").exits(0);
    is_told(&bob, fetching, "consent-missing");
    grant("import", &[]);
    grant("fetch", &["--quota", "16KiB"]);
    let spent = bob
        .transfer_when(fetching, "spent", |fetch| fetch["state"] == "waiting" && fetch["cause"] == "quota");
    assert_eq!(spent["state"], "waiting");
    is_told(&bob, fetching, "quota");
    grant("fetch", &[]);
    ends(&bob, &alice, fetching);
}

#[test]
fn the_budget_of_a_peer_and_day_stops_both_sides() {
    let (alice, bob) = (House::with_artifact(), House::new());
    alice.home.say("limits set --peer-day 20KiB").exits(0);
    let offer = alice.share(&[]);
    let fetching = fetch(&bob, &alice, &offer, &AGREED);
    is_told(&bob, fetching, "quota");
    is_told(&alice, only(&alice), "quota");
    alice.home.say("limits set --peer-day none").exits(0);
    bob.home.say(&format!("transfer start {fetching}")).exits(0);
    ends(&bob, &alice, fetching);
}

#[test]
fn before_anything_can_move_there_is_a_cause_too() {
    let (alice, bob, carol) = (House::with_artifact(), House::new(), House::new());
    let manifest = String::from_utf8(alice.home.read("a.minimodel")).unwrap();
    let agreed = |actions: &[&str]| json!({"actions": actions, "by": "api"});
    let add = |house: &House, path: &str, body: &Value| -> Value {
        serde_json::from_str(&ask(house, "POST", path, &body.to_string())).unwrap()
    };
    // The answer comes before the share's work can begin.
    let body = json!({"manifest": manifest, "path": alice.home.path("a.slm"), "consent": agreed(&["serve"])});
    let share = add(&alice, "/v1/shares", &body);
    assert_eq!((&share["state"], &share["cause"]), (&"preparing".into(), &"checking".into()));
    let share = alice.transfer_when(only(&alice), "shared", |share| share["offer"].is_string());
    alice.home.say(&format!("transfer pause {}", only(&alice))).exits(0);
    let offers = json!([share["offer"]]);
    let consent = agreed(&["fetch", "import"]);
    let body =
        json!({"manifest": manifest, "offers": offers, "out": bob.home.path("models"), "consent": consent});
    let known = add(&bob, "/v1/fetches", &body);
    assert_eq!((&known["state"], &known["cause"]), (&"preparing".into(), &"disk".into()));
    let body = json!({"offers": offers, "out": carol.home.path("models"), "consent": agreed(&["fetch"])});
    let unknown = add(&carol, "/v1/fetches", &body);
    assert_eq!((&unknown["state"], &unknown["cause"]), (&"preparing".into(), &"no-source".into()));
    let shown = carol.home.say("status").exits(0).stdout;
    assert!(shown.contains("the manifest is being asked for"), "{shown}");
}

#[test]
fn consent_never_given_expired_or_revoked_is_consent_missing() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let manifest = String::from_utf8(alice.home.read("a.minimodel")).unwrap();
    let body = json!({"manifest": manifest, "path": alice.home.path("a.slm"), "endpoint": {"listen": "127.0.0.1:0"}});
    let added: Value = serde_json::from_str(&ask(&alice, "POST", "/v1/shares", &body.to_string())).unwrap();
    let share = added["id"].as_u64().unwrap();
    assert_eq!(alice.transfer(share)["state"], "asking");
    is_told(&alice, share, "consent-missing");

    // A grant that ends while the share runs. The start takes some of it, on a busy machine all of a short one.
    let shared = [4, 16, 64].into_iter().find_map(|seconds| {
        let words = format!("consent grant serve --model ./a.minimodel --for {seconds}s --consent serve");
        alice.home.say(&words).exits(0);
        let shared = alice.transfer_when(share, "shared or ended", |share| {
            share["offer"].is_string() || share["state"] == "waiting"
        });
        shared["offer"].is_string().then_some(shared)
    });
    let shared = shared.unwrap();
    let offer = shared["offer"].as_str().unwrap().to_owned();
    is_told(&alice, share, "consent-missing");
    assert_eq!(alice.transfer(share)["state"], "waiting");

    let fetching = fetch(&bob, &alice, &offer, &AGREED);
    is_told(&bob, fetching, "no-source");
    bob.home.say("consent revoke --all").exits(0);
    is_told(&bob, fetching, "consent-missing");
    assert_eq!(bob.transfer(fetching)["have_bytes"], 0, "nothing is sent once a consent has ended");
}

#[test]
fn whoever_waits_for_a_slot_of_a_busy_share_is_choked() {
    let alice = House::of(with_model(400_000));
    let (bob, carol) = (House::new(), House::new());
    let offer = alice.share(&["--slots", "1", "--up", "2KiB"]);
    let first = fetch(&carol, &alice, &offer, &AGREED);
    carol.transfer_when(first, "served", |fetch| fetch["received_bytes"].as_u64() > Some(0));
    let second = fetch(&bob, &alice, &offer, &AGREED);
    // The fetch gets its turn now and then; in `injected` the peer never unchokes.
    let choked = bob.transfer_when(second, "choked", |fetch| fetch["cause"] == "choked");
    assert_eq!(choked["peers"][0]["choking_us"], true);
}

#[test]
fn a_followed_fetch_says_what_only_a_companion_waits_for() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&["--up", "1B"]);
    bob.home.write("a.minimodel", alice.home.read("a.minimodel"));
    let words = ["--json", "fetch", "a.minimodel", "--peer", &offer, "--out", "models"];
    let following = Running::start(&mut bob.home.command(words.iter().chain(&AGREED)));
    let says = |cause: &str| {
        let event = format!("\"cause\":\"{cause}\"");
        bob.until(cause, || following.has_said(&event));
    };
    bob.until("it runs", || bob.transfers().iter().any(|fetch| fetch["state"] == "running"));
    bob.home.say("limits schedule add 0-24 --paused").exits(0);
    says("schedule");
    bob.home.say("limits schedule clear").exits(0);
    bob.home.say("consent revoke --all").exits(0);
    // A missing consent does not pass by itself, so the following command ends.
    let ended = following.end().exits(5);
    assert!(ended.stdout.contains("a consent that it needs"), "{}", ended.stdout);
    is_told(&bob, only(&bob), "consent-missing");
}

#[test]
fn followed_transfer_names_same_cause_as_without_companion() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&["--up", "1B"]);
    alice.home.say(&format!("transfer pause {}", only(&alice))).exits(0);
    bob.home.write("a.minimodel", alice.home.read("a.minimodel"));
    for here in [&["--here"][..], &[]] {
        let words = ["--json", "fetch", "a.minimodel", "--peer", &offer, "--out", "models"];
        let words: Vec<&str> = words.iter().chain(&AGREED).chain(here).copied().collect();
        let running = Running::start(&mut bob.home.command(&words));
        assert_eq!(running.wait_for_event("idle")["cause"], "no-source", "{here:?}");
        bob.until("a line of progress with the cause", || running.has_said("\"idle\":\"no-source\""));
        assert_eq!(running.stop().code, 130, "{here:?}");
    }
    for here in [&["--here"][..], &[]] {
        let words =
            ["--json", "seed", "a.minimodel", "a.slm", "--listen", "127.0.0.1:0", "--consent", "serve"];
        let words: Vec<&str> = words.iter().chain(here).copied().collect();
        let carol = House::with_artifact();
        let running = Running::start(&mut carol.home.command(&words));
        assert_eq!(running.wait_for_event("idle")["cause"], "no-demand", "{here:?}");
        assert_eq!(running.stop().code, 0, "{here:?}");
    }
}
