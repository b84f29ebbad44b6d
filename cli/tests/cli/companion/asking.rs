//! Who may ask for a manifest, where only an offer is known.

use std::net::UdpSocket;
use std::time::Duration;

use minimodel_wire::SignedOffer;

use super::causes::{fetch, only};
use super::house::House;

#[test]
fn what_was_agreed_to_with_one_fetch_asks_for_no_manifest_for_another_and_a_grant_that_lasts_does() {
    let (alice, bob) = (House::with_artifact(), House::new());
    let offer = alice.share(&[]);
    let address = offer.parse::<SignedOffer>().unwrap().offer().addresses[0];
    let share = only(&alice);
    alice.home.say(&format!("transfer pause {share}")).exits(0);
    let first = fetch(&bob, &alice, &offer, &["--consent", "fetch,import"]);
    bob.home.say(&format!("transfer pause {first}")).exits(0);
    bob.transfer_when(first, "paused", |fetch| fetch["state"] == "paused");
    alice.until("the port is free", || UdpSocket::bind(address).is_ok());
    let ear = UdpSocket::bind(address).unwrap();
    ear.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    // The last words of the one that was paused.
    while ear.recv(&mut [0; 2_000]).is_ok() {}

    let words = ["fetch", "--offer", &offer, "--out", "other"];
    let refused = bob.home.run(words).exits(5);
    assert!(refused.stderr.contains("nothing was dialed"), "{}", refused.stderr);
    assert!(ear.recv(&mut [0; 2_000]).is_err(), "somebody was dialed");
    assert_eq!(only(&bob), first);
    drop(ear);
    alice.home.say(&format!("transfer start {share}")).exits(0);
    alice.transfer_when(share, "shared", |share| share["offer"].is_string());

    let grant = |action: &str| {
        let line = format!("consent grant {action} --model ./a.minimodel --consent {action}");
        bob.home.say(&line).exits(0);
    };
    grant("fetch");
    let refused = bob.home.run(words).exits(5);
    assert!(refused.stderr.contains("the manifest was asked for"), "{}", refused.stderr);
    assert_eq!(only(&bob), first);
    grant("import");
    let path = bob.home.run(words).exits(0).stdout;
    assert!(std::fs::read(path.trim()).unwrap() == alice.home.read("a.slm"));
}
