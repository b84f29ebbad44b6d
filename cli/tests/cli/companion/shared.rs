//! Transfers of a companion that name no address: they share one endpoint.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use minimodel_wire::{Offer, SignedOffer};

use super::house::House;
use super::version::Version;
use crate::home::Home;
use crate::process::Running;

const STEMS: [&str; 3] = ["m0", "m1", "m2"];

/// A companion that shares three models without `--listen`, and the offers of these.
struct Sharer {
    house: House,
    offers: Vec<SignedOffer>,
}

impl Sharer {
    fn new() -> Self {
        let house = House::new();
        let share = |stem: &str| {
            Version::about(200_000, stem, "1", stem.as_bytes()[1].into()).write(&house.home, stem);
            let (manifest, artifact) = (format!("{stem}.minimodel"), format!("{stem}.slm"));
            let ran =
                house.home.run(["seed", "--detach", "--consent", "serve", &manifest, &artifact]).exits(0);
            ran.stdout.lines().next().unwrap().parse().unwrap()
        };
        Self { offers: STEMS.map(share).to_vec(), house }
    }

    /// The offers that the companion has now, in the order of the shares.
    fn offers_now(&self) -> Vec<SignedOffer> {
        let is_offered =
            |share: &serde_json::Value| share["offer"].is_string() && share["state"] == "running";
        let ids: Vec<u64> =
            self.house.transfers().iter().map(|share| share["id"].as_u64().unwrap()).collect();
        let offer =
            |id| self.house.transfer_when(id, "shared", is_offered)["offer"].as_str().map(str::to_owned);
        ids.into_iter().map(|id| offer(id).unwrap().parse().unwrap()).collect()
    }

    /// The offer with a loopback address in place of those of this machine.
    fn at_loopback(&self, offer: &SignedOffer) -> String {
        let key = minimodel::Identity::read(&self.house.home.own("data/identity.key")).unwrap().key;
        let port = offer.offer().addresses[0].port();
        let addresses = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
        SignedOffer::sign(Offer { addresses, ..offer.offer().clone() }, &key).unwrap().to_string()
    }

    /// Fetches a model with an offer of it.
    fn fetch(&self, stem: &str, offer: &SignedOffer) -> (Home, Running) {
        let home = Home::new();
        home.write("m.minimodel", self.house.home.read(format!("{stem}.minimodel")));
        let offer = self.at_loopback(offer);
        let words =
            ["fetch", "m.minimodel", "--peer", &offer, "--out", "models", "--consent", "fetch,import"];
        let fetching = Running::start(&mut home.command(words));
        (home, fetching)
    }

    /// Fetches all models at once, each from its offer.
    #[track_caller]
    fn is_whole(&self, offers: &[SignedOffer]) {
        let fetch = |(stem, offer)| (stem, self.fetch(stem, offer));
        let fetching: Vec<_> = STEMS.into_iter().zip(offers).map(fetch).collect();
        for (stem, (home, running)) in fetching {
            running.end().exits(0);
            let fetched = home.read(format!("models/{stem}-1.slm"));
            assert!(fetched == self.house.home.read(format!("{stem}.slm")), "{stem}");
        }
    }
}

fn ports(offers: &[SignedOffer]) -> BTreeSet<u16> {
    offers.iter().flat_map(|offer| &offer.offer().addresses).map(SocketAddr::port).collect()
}

#[test]
fn shares_without_an_address_have_one_port_that_a_restart_keeps() {
    let mut sharer = Sharer::new();
    let first = sharer.offers.clone();
    assert_eq!(ports(&first).len(), 1, "{:?}", ports(&first));
    sharer.is_whole(&first);
    for is_killed in [true, false] {
        if is_killed {
            sharer.house.kill();
        } else {
            assert_eq!(sharer.house.stop().code, 0);
        }
        sharer.house.start();
        assert_eq!(ports(&sharer.offers_now()), ports(&first), "killed: {is_killed}");
        // The offers of before lead to the shares of now.
        sharer.is_whole(&first);
    }
}

#[test]
fn port_taken_at_one_start_is_that_of_the_next_start_again() {
    let mut sharer = Sharer::new();
    let first = sharer.offers.clone();
    let port = *ports(&first).first().unwrap();
    assert_eq!(sharer.house.stop().code, 0);
    let taken = UdpSocket::bind(("::", port)).or_else(|_| UdpSocket::bind(("0.0.0.0", port))).unwrap();
    sharer.house.start();
    let meanwhile = sharer.offers_now();
    assert!(ports(&meanwhile).len() == 1 && ports(&meanwhile).is_disjoint(&ports(&first)));
    sharer.is_whole(&meanwhile);
    let told = sharer.house.home.say("doctor").exits(1).stdout;
    assert!(told.contains(&format!(":{port} of transfer 1 is taken by another program")), "{told}");
    let stopped = sharer.house.stop().exits(0);
    let warned = format!("UDP port {port}, which earlier offers name, is taken by another program");
    assert_eq!(stopped.stderr.matches(&warned).count(), 1, "{}", stopped.stderr);
    drop(taken);
    sharer.house.start();
    assert_eq!(ports(&sharer.offers_now()), ports(&first));
    sharer.is_whole(&first);
}

#[test]
fn fetch_from_a_paused_share_waits_for_it_while_others_go_on() {
    let sharer = Sharer::new();
    let paused = sharer.house.transfers()[0]["id"].as_u64().unwrap();
    sharer.house.home.say(&format!("transfer pause {paused}")).exits(0);
    sharer.house.transfer_when(paused, "paused", |share| share["state"] == "paused");
    let (home, mut waiting) = sharer.fetch(STEMS[0], &sharer.offers[0]);
    // The others are served meanwhile, at the same port.
    for n in [1, 2] {
        sharer.fetch(STEMS[n], &sharer.offers[n]).1.end().exits(0);
    }
    assert!(!waiting.has_ended(), "a share that is paused was refused for good");
    sharer.house.home.say(&format!("transfer start {paused}")).exits(0);
    waiting.end().exits(0);
    assert!(home.read("models/m0-1.slm") == sharer.house.home.read("m0.slm"));
    assert_eq!(ports(&sharer.offers_now()), ports(&sharer.offers));
}

#[test]
fn transfer_with_an_address_of_its_own_has_its_own_port() {
    let sharer = Sharer::new();
    Version::about(200_000, "own", "1", 9).write(&sharer.house.home, "own");
    let own: SignedOffer = sharer.house.share_of("own", &["--consent", "serve"]).parse().unwrap();
    assert!(ports(&[own]).is_disjoint(&ports(&sharer.offers)));
}

#[test]
fn second_share_of_one_content_has_an_endpoint_of_its_own() {
    let sharer = Sharer::new();
    let (home, shared) = (&sharer.house.home, &sharer.offers[0]);
    home.write("copy.slm", home.read("m0.slm"));
    let ran = home.run(["seed", "--detach", "--consent", "serve", "m0.minimodel", "copy.slm"]).exits(0);
    let second: SignedOffer = ran.stdout.lines().next().unwrap().parse().unwrap();
    assert!(ports(std::slice::from_ref(&second)).is_disjoint(&ports(&sharer.offers)));
    for offer in [shared, &second] {
        sharer.fetch("m0", offer).1.end().exits(0);
    }
}
