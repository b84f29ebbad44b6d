//! Limits that are changed while bytes move, budgets that outlast a restart, and the log of transferred bytes.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::Duration;

use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};
use serde_json::Value;

use super::causes::{fetch, only, with_model};
use super::house::House;
use crate::process::{events, own_host};

const AGREED: [&str; 2] = ["--consent", "fetch,import"];

/// Long enough for much to move if nothing were held back: the tests compare bytes, never rates.
const WHILE: Duration = Duration::from_millis(700);
/// Most that moves after a transfer was held: two chunks.
const UNDER_WAY: u64 = 128 << 10;

#[track_caller]
fn bytes(transfer: &Value, field: &str) -> u64 {
    transfer[field].as_u64().unwrap()
}

/// Asserts that the fetch completes with the right file.
#[track_caller]
fn ends(house: &House, publisher: &House, id: u64, file: &str) {
    let done = house.transfer_when(id, "done", |fetch| fetch["state"] == "done");
    assert!(std::fs::read(done["path"].as_str().unwrap()).unwrap() == publisher.home.read(file));
}

/// Transferred bytes, as `limits log` has them: (peer, sent, received) of each row.
#[track_caller]
fn log(house: &House) -> Vec<(String, u64, u64)> {
    let ran = house.home.say("--json limits log --days 2").exits(0);
    let row = |row: Value| {
        (row["peer"].as_str().unwrap().to_owned(), bytes(&row, "sent_bytes"), bytes(&row, "received_bytes"))
    };
    events(&ran.stdout, "moved").map(row).collect()
}

fn sent(house: &House) -> u64 {
    log(house).iter().map(|row| row.1).sum()
}

fn received(house: &House) -> u64 {
    log(house).iter().map(|row| row.2).sum()
}

fn moves_within_a_while(moves: impl Fn(u64) -> u64) -> bool {
    let before = moves(0);
    std::thread::sleep(WHILE);
    moves(before) > 0
}

/// Asserts that one command of a pair holds a running fetch back at once, and the other lets it go on.
#[track_caller]
fn holds_and_lets_go(holder: impl Fn(&House, &House, u64) -> (String, String), is_alice: bool) {
    // Minutes of data, however late a busy machine checks.
    let (alice, bob) = (House::of(with_model(4_000_000)), House::new());
    let offer = alice.share(&["--up", "32KiB"]);
    let fetching = fetch(&bob, &alice, &offer, &AGREED);
    bob.transfer_when(fetching, "fetching", |fetch| fetch["received_bytes"].as_u64() > Some(0));
    let (hold, let_go) = holder(&alice, &bob, fetching);
    let side = if is_alice { &alice } else { &bob };
    side.home.say(&hold).exits(0);
    let id = if is_alice { only(&alice) } else { fetching };
    let held = side.transfer_when(id, "held", |transfer| transfer["cause"] == "rate-limit");
    let field = if is_alice { "sent_bytes" } else { "received_bytes" };
    let moves = |since: u64| bytes(&side.transfer(id), field) - since;
    // The share's own rate is a cause too: what moves may end a moment later, and then for good.
    while moves_within_a_while(moves) {
        assert!(moves(bytes(&held, field)) < UNDER_WAY, "{:#}", side.transfer(id));
    }
    assert_eq!(bob.transfer(fetching)["state"], "running");
    side.home.say(&let_go).exits(0);
    alice.home.say(&format!("limits set --transfer {} --up none", only(&alice))).exits(0);
    ends(&bob, &alice, fetching, "a.slm");
}

#[test]
fn a_common_rate_holds_a_running_share_at_once_and_lets_it_go() {
    let words =
        |_: &House, _: &House, _| ("limits set --up 1B".to_owned(), "limits set --up none".to_owned());
    holds_and_lets_go(words, true);
}

#[test]
fn transfer_rate_holds_a_running_share_at_once_and_releases_it() {
    let words = |alice: &House, _: &House, _| {
        let id = only(alice);
        (format!("transfer limit {id} --up 1B"), format!("limits set --transfer {id} --up none"))
    };
    holds_and_lets_go(words, true);
}

#[test]
fn a_common_rate_and_one_of_its_own_hold_a_running_fetch() {
    let common =
        |_: &House, _: &House, _| ("limits set --down 1B".to_owned(), "limits set --down none".to_owned());
    holds_and_lets_go(common, false);
    let own = |_: &House, _: &House, id| {
        (format!("limits set --transfer {id} --down 1B"), format!("transfer limit {id} --down none"))
    };
    holds_and_lets_go(own, false);
}

#[test]
fn slots_are_given_and_taken_while_a_share_runs() {
    let alice = House::of(with_model(600_000));
    let (bob, carol) = (House::new(), House::new());
    let offer = alice.share(&["--slots", "1", "--up", "2KiB"]);
    let share = only(&alice);
    let first = fetch(&bob, &alice, &offer, &AGREED);
    bob.transfer_when(first, "served", |fetch| fetch["received_bytes"].as_u64() > Some(0));
    let second = fetch(&carol, &alice, &offer, &AGREED);
    carol.transfer_when(second, "choked", |fetch| fetch["cause"] == "choked");
    let is_served = |house: &House, id| house.transfer(id)["peers"][0]["choking_us"] == false;

    alice.home.say(&format!("transfer limit {share} --slots 2")).exits(0);
    carol.until("both are served", || is_served(&bob, first) && is_served(&carol, second));
    alice.home.say(&format!("transfer limit {share} --slots 1")).exits(0);
    carol.until("one waits again", || !is_served(&bob, first) || !is_served(&carol, second));
    // The limit of all shares together.
    alice.home.say("limits set --slots 2").exits(0);
    alice.home.say(&format!("transfer limit {share} --slots none")).exits(0);
    carol.until("both are served again", || is_served(&bob, first) && is_served(&carol, second));
}

#[test]
fn daily_peer_budget_covers_all_shares_and_survives_a_restart() {
    let mut alice = House::with_artifact();
    let bob = House::new();
    let artifact = slm_vec(&Shape::about(45_000, Quantization::Q4_0).unwrap(), 8);
    let named = ManifestOptions { model_id: "other-model".to_owned(), ..ManifestOptions::default() };
    alice.home.write("b.slm", &artifact);
    alice.home.write("b.minimodel", ManifestText::of(&artifact, &named).render());
    alice.home.say("limits set --peer-day 64KiB").exits(0);
    let first = alice.share(&[]);
    let words = ["seed", "--detach", "--listen", "127.0.0.1:0", "--consent", "serve", "b.minimodel", "b.slm"];
    let second = alice.home.run(words).exits(0).stdout.lines().next().unwrap().to_owned();

    let one = fetch(&bob, &alice, &first, &AGREED);
    ends(&bob, &alice, one, "a.slm");
    let whole = alice.home.read("a.slm").len() as u64;
    alice.until("the last picture of the share", || sent(&alice) == whole);
    bob.home.write("b.minimodel", alice.home.read("b.minimodel"));
    let two = bob.fetch(&["b.minimodel", "--peer", &second, "--out", "models", "--consent", "fetch,import"]);
    bob.transfer_when(two, "out of budget", |fetch| fetch["cause"] == "quota");
    // The budget still had room for one chunk.
    alice.until("the last picture of the other share", || sent(&alice) > whole);
    assert!(sent(&alice) <= 64 << 10, "{}", sent(&alice));

    let spent = sent(&alice);
    assert_eq!(alice.stop().code, 0);
    alice.start();
    let shares: Vec<u64> = alice.transfers().iter().map(|share| share["id"].as_u64().unwrap()).collect();
    for id in shares {
        alice.transfer_when(id, "shared again", |share| {
            share["offer"].is_string() && share["state"] == "running"
        });
    }
    bob.home.say(&format!("transfer start {two}")).exits(0);
    bob.home.say(&format!("transfer pause {two}")).exits(0);
    bob.home.say(&format!("transfer start {two}")).exits(0);
    bob.transfer_when(two, "turned away again", |fetch| fetch["cause"] == "quota");
    assert_eq!(sent(&alice), spent, "what was taken before the restart counts");

    alice.home.say("limits set --peer-day none").exits(0);
    bob.home.say(&format!("transfer start {two}")).exits(0);
    ends(&bob, &alice, two, "b.slm");
}

#[test]
fn schedule_window_sets_its_rates_and_its_end_restores_defaults() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    alice.home.say("limits schedule add 0-24 --up 1B --down none").exits(0);
    let now = alice.home.say("--json limits show").exits(0).object();
    assert_eq!((&now["now"]["up"], &now["limits"]["up"]), (&1.into(), &Value::Null));
    let fetching = fetch(&bob, &alice, &offer, &AGREED);
    alice.transfer_when(only(&alice), "held", |share| share["cause"] == "rate-limit");
    assert_eq!(bytes(&bob.transfer(fetching), "have_bytes"), 0);
    alice.home.say("limits schedule clear").exits(0);
    ends(&bob, &alice, fetching, "a.slm");
}

#[test]
fn the_log_of_both_sides_has_every_byte_once_over_restarts_too() {
    let (mut alice, mut bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    let fetching = fetch(&bob, &alice, &offer, &AGREED);
    ends(&bob, &alice, fetching, "a.slm");
    let whole = alice.home.read("a.slm").len() as u64;
    alice.until("the last picture of the share", || sent(&alice) == whole);
    assert_eq!((received(&bob), sent(&bob), received(&alice)), (whole, 0, 0));
    let peer = |house: &House| house.home.say("--json status").exits(0).object()["status"]["peer"].clone();
    assert_eq!((&log(&alice)[0].0, &log(&bob)[0].0), (&text(&peer(&bob)), &text(&peer(&alice))));
    assert_eq!(alice.stop().code, 0);
    // `limits log` wrote down all that was not yet recorded, so that even a crash loses none of it.
    bob.kill();
    for house in [&mut alice, &mut bob] {
        house.start();
    }
    assert_eq!((sent(&alice), received(&bob)), (whole, whole));
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn fetch_beyond_the_storage_limit_is_refused_before_any_dial() {
    let (alice, bob) = (House::with_artifact(), House::new());
    // The offer leads to a socket of the test alone.
    let silent = UdpSocket::bind(own_host()).unwrap();
    silent.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let offer = alice.share(&["--advertise", &silent.local_addr().unwrap().to_string()]);
    bob.home.say("limits set --storage 20KiB").exits(0);
    bob.home.write("a.minimodel", alice.home.read("a.minimodel"));
    let words = ["fetch", "a.minimodel", "--peer", &offer, "--consent", "fetch,import,cache"];
    let refused = bob.home.run(words).exits(9);
    assert!(refused.stderr.contains("raise the limit"), "{}", refused.stderr);
    let error = silent.recv(&mut [0; 2_000]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    // With room for the file, the peer is dialed.
    bob.home.say("limits set --storage 1MiB").exits(0);
    bob.fetch(&["a.minimodel", "--peer", &offer, "--consent", "fetch,import,cache"]);
    silent.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(silent.recv(&mut [0; 2_000]).unwrap() > 0);
}
