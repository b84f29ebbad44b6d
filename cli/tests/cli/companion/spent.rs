//! The end of a quota: a session lets the last admitted bytes arrive, and does nothing else.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::Duration;

use serde_json::Value;

use super::house::House;
use super::version::Version;
use crate::process::own_host;

const CHUNK: u64 = 16 << 10;

fn bytes(transfer: &Value, field: &str) -> u64 {
    transfer[field].as_u64().unwrap()
}

// Rows: I5
#[test]
fn fetch_at_its_quota_dials_no_peer_without_a_grant() {
    let (alice, bob, carol) = (House::new(), House::new(), House::new());
    let model = Version::about(61_000, "m", "1", 4);
    [&alice, &bob, &carol].iter().for_each(|house| model.write(&house.home, "m"));
    // Carol's offer leads to a socket of the test alone.
    let ear = UdpSocket::bind(own_host()).unwrap();
    ear.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let at_ear = ear.local_addr().unwrap().to_string();
    let offers = [
        alice.share_of("m", &["--up", "24KiB", "--consent", "serve"]),
        carol.share_of("m", &["--advertise", &at_ear, "--consent", "serve"]),
    ];
    let line = format!(
        "consent grant fetch --model m.minimodel --peer {} --quota 40KiB --consent fetch",
        alice.peer()
    );
    bob.home.say(&line).exits(0);
    bob.home.say("consent grant import --model m.minimodel --consent import").exits(0);
    let fetch = bob.fetch(&["m.minimodel", "--peer", &offers[0], "--peer", &offers[1], "--out", "models"]);
    let held = |fetch: &Value| fetch["state"] == "waiting" && fetch["cause"] == "quota";
    bob.transfer_when(fetch, "at its quota", held);
    let error = ear.recv(&mut [0; 2_000]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    // With a grant that covers Carol, she is dialed.
    bob.home.say("consent grant fetch --model m.minimodel --consent fetch").exits(0);
    ear.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(ear.recv(&mut [0; 2_000]).unwrap() > 0);
}

// Rows: I5
#[test]
fn revoking_a_grant_stops_its_bytes_when_another_grant_is_spent() {
    let (alice, bob) = (House::new(), House::new());
    let model = Version::about(4_000_000, "m", "1", 5);
    [&alice, &bob].iter().for_each(|house| model.write(&house.home, "m"));
    alice.home.say("consent grant serve --consent serve").exits(0);
    // The newer grant is more specific, so its quota is used first.
    alice.home.say("consent grant serve --model m.minimodel --quota 16KiB --consent serve").exits(0);
    let offer = alice.share_of("m", &["--up", "64KiB"]);
    let share = alice.transfers()[0]["id"].as_u64().unwrap();
    let fetch = bob.fetch(&["m.minimodel", "--peer", &offer, "--out", "models", "--consent", "fetch,import"]);
    bob.transfer_when(fetch, "under the other grant", |fetch| bytes(fetch, "have_bytes") >= 2 * CHUNK);
    // At this rate, what is in flight would take many seconds from here on.
    alice.home.say(&format!("limits set --transfer {share} --up 2KiB")).exits(0);
    let before = bytes(&alice.transfer(share), "sent_bytes");
    alice.home.say("consent revoke 1").exits(0);
    let stopped = alice.transfer_when(share, "stopped", |share| share["offer"].is_null());
    assert_eq!(stopped["state"], "waiting");
    let more = bytes(&alice.transfer(share), "sent_bytes") - before;
    assert!(more < CHUNK, "{more} bytes passed although no grant permitted them");
}
