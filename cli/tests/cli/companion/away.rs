//! Shares whose port or file is gone for a while: unattended shares wait for it, and a user who follows one gets the
//! error at once.

use std::fs;
use std::net::UdpSocket;

use minimodel_wire::SignedOffer;
use serde_json::Value;

use super::causes::only;
use super::house::House;
use super::told::is_told;
use crate::process::{own_host, release, take};

fn grants(house: &House) -> String {
    house.home.say("--json consent list --all").exits(0).stdout
}

/// Asserts that the share waits for this cause, with the code and part of the text of its problem, and that every
/// interface shows it.
#[track_caller]
fn waits(house: &House, cause: &str, code: u64, error: &str) -> u64 {
    let share = only(house);
    is_told(house, share, cause);
    let told = house.transfer(share);
    assert_eq!((&told["state"], &told["offer"]), (&"waiting".into(), &Value::Null));
    assert_eq!(told["problem"]["code"], code, "{told:#}");
    assert!(told["problem"]["error"].as_str().unwrap().contains(error), "{told:#}");
    for line in ["status", "doctor"] {
        let said = house.home.say(line).stdout;
        assert!(said.contains(error) && said.contains(&format!("transfer start {share}")), "{line}: {said}");
    }
    share
}

#[track_caller]
fn serves_again(house: &House, share: u64) -> SignedOffer {
    house.home.say(&format!("transfer start {share}")).exits(0);
    let running = house.transfer_when(share, "shared again", |share| share["state"] == "running");
    assert_eq!(running["problem"], Value::Null);
    running["offer"].as_str().unwrap().parse().unwrap()
}

#[test]
fn share_with_taken_port_waits_unattended_and_fails_for_a_user() {
    let mut alice = House::with_artifact();
    let taken = UdpSocket::bind(own_host()).unwrap();
    let address = taken.local_addr().unwrap();
    let at = address.to_string();
    let line = ["seed", "--listen", &at, "a.minimodel", "a.slm", "--consent", "serve"];
    let detached = [&line[..], &["--detach"]].concat();
    for words in [&line[..], &detached] {
        let refused = alice.home.run(words).exits(13);
        assert!(refused.stderr.contains(&at), "{}", refused.stderr);
        assert_eq!(alice.transfer(only(&alice))["state"], "failed");
    }
    release(taken);
    alice.home.run(&detached).exits(0);
    let agreed = grants(&alice);

    alice.stop();
    let taken = take(address);
    alice.start();
    let share = waits(&alice, "address", 13, &at);
    // A user who follows the share gets the error without waiting, and disturbs nothing.
    let seen = alice.home.run(line).exits(13);
    assert!(seen.stderr.contains(&at) && seen.stderr.contains("tries again by itself"), "{}", seen.stderr);
    let left = alice.home.run(&detached).exits(0);
    assert!(left.stderr.contains("it waits") && left.stderr.contains(&at), "{}", left.stderr);
    waits(&alice, "address", 13, &at);

    release(taken);
    assert_eq!(serves_again(&alice, share).offer().addresses[0], address);
    assert_eq!(grants(&alice), agreed);
}

#[test]
fn share_waits_for_a_missing_folder_and_fails_on_a_changed_file() {
    let mut alice = House::with_artifact();
    let (disk, away) = (alice.home.path("disk"), alice.home.path("away"));
    fs::create_dir(&away).unwrap();
    fs::rename(alice.home.path("a.slm"), away.join("a.slm")).unwrap();
    let line = ["seed", "--listen", "127.0.0.1:0", "a.minimodel", "disk/a.slm", "--consent", "serve"];
    let detached = [&line[..], &["--detach"]].concat();
    for words in [&line[..], &detached] {
        alice.home.run(words).exits(3);
        assert_eq!(alice.transfer(only(&alice))["state"], "failed");
    }
    fs::rename(&away, &disk).unwrap();
    alice.home.run(&detached).exits(0);
    let (agreed, offer) = (grants(&alice), alice.transfer(only(&alice))["offer"].clone());
    let offer: SignedOffer = offer.as_str().unwrap().parse().unwrap();

    alice.kill();
    fs::rename(&disk, &away).unwrap();
    alice.start();
    let share = waits(&alice, "disk", 3, "disk/a.slm");
    alice.home.run(line).exits(3);
    waits(&alice, "disk", 3, "disk/a.slm");
    fs::rename(&away, &disk).unwrap();
    assert_eq!(serves_again(&alice, share).offer().addresses, offer.offer().addresses);
    assert_eq!(grants(&alice), agreed);

    alice.stop();
    let mut bytes = fs::read(disk.join("a.slm")).unwrap();
    bytes[20_000] ^= 1;
    fs::write(disk.join("a.slm"), bytes).unwrap();
    alice.start();
    let failed = alice.transfer_when(share, "failed", |share| share["state"] == "failed");
    assert_eq!(failed["problem"]["code"], 4, "{failed:#}");
}
