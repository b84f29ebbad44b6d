//! A DHT of twenty nodes on loopback, in a network of its own for each test.

#![allow(deprecated, reason = "the library prefers its async interface, which needs one more crate")]

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use mainline::{Id, MutableItem, SigningKey, Testnet};
use minimodel_reach::dht::{Cancel, Dht, DhtError, DhtSettings, MAX_FOUND, MAX_OFFER, Place, day, info_hash};
use sha2::{Digest as _, Sha256};

use crate::alone;

const NOON: u64 = 1_794_744_000;
const MIDNIGHT: u64 = 1_794_787_200;
const SWARM: [u8; 32] = [0x11; 32];
const PLACE: Place = Place { peer: [0x22; 32], swarm: SWARM };

fn testnet() -> Testnet {
    Testnet::builder(20).build().unwrap()
}

fn dht(bootstrap: &[String]) -> Dht {
    Dht::new(DhtSettings { bootstrap: bootstrap.to_vec(), port: 0, allow_local: true })
}

fn look_up(dht: &Dht, now: u64) -> Result<Vec<SocketAddrV4>, DhtError> {
    let mut found = Vec::new();
    let count = dht.look_up(&SWARM, now, &Cancel::new(), |address| found.push(address))?;
    assert_eq!(count, found.len());
    Ok(found)
}

fn at(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

/// Somebody else's node.
fn other(testnet: &Testnet) -> mainline::Dht {
    let mut builder = mainline::Dht::builder();
    builder.bootstrap(&testnet.bootstrap).bind_address(Ipv4Addr::LOCALHOST).port(0).build().unwrap()
}

/// The key of the item of `PLACE`, as anybody derives it who knows peer and swarm.
fn place_key() -> SigningKey {
    let seed =
        Sha256::new_with_prefix(b"minimodel where\0").chain_update(PLACE.peer).chain_update(PLACE.swarm);
    SigningKey::from_bytes(&seed.finalize().into())
}

/// The address of a first node that never answers.
fn silent() -> (UdpSocket, Vec<String>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, vec![address])
}

fn timed<T>(what: &str, task: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = task();
    println!("measured: {what} took {:?} among 20 nodes", start.elapsed());
    result
}

#[test]
fn an_announced_member_is_found() {
    alone::run("dht::an_announced_member_is_found", || {
        let testnet = testnet();
        let (one, two) = (dht(&testnet.bootstrap), dht(&testnet.bootstrap));
        timed("an announcement", || one.announce(&SWARM, 4001, NOON, &Cancel::new())).unwrap();
        let (start, mut first) = (Instant::now(), None);
        let found = timed("a lookup", || {
            two.look_up(&SWARM, NOON, &Cancel::new(), |address| {
                first = first.or(Some((address, start.elapsed())));
            })
        });
        assert_eq!(found, Ok(1));
        let (address, time) = first.unwrap();
        assert_eq!(address, at(4001));
        println!("measured: the first address came after {time:?}");
    });
}

#[test]
fn members_of_the_day_before_are_found_for_an_hour() {
    alone::run("dht::members_of_the_day_before_are_found_for_an_hour", || {
        let testnet = testnet();
        let dht = dht(&testnet.bootstrap);
        dht.announce(&SWARM, 4001, MIDNIGHT - 60, &Cancel::new()).unwrap();
        assert_eq!(look_up(&dht, MIDNIGHT + 600), Ok(vec![at(4001)]));
        assert_eq!(look_up(&dht, MIDNIGHT + 3_600), Ok(vec![]));
    });
}

#[test]
fn nobody_is_found_where_nobody_announced() {
    alone::run("dht::nobody_is_found_where_nobody_announced", || {
        let testnet = testnet();
        let dht = dht(&testnet.bootstrap);
        assert_eq!(look_up(&dht, NOON), Ok(vec![]));
        assert_eq!(dht.find_where(&PLACE, &Cancel::new()), Ok(None));
    });
}

#[test]
fn an_offer_is_published_replaced_and_found() {
    alone::run("dht::an_offer_is_published_replaced_and_found", || {
        let testnet = testnet();
        let (one, two) = (dht(&testnet.bootstrap), dht(&testnet.bootstrap));
        let offer = [7; MAX_OFFER];
        timed("publishing", || one.publish_where(&PLACE, &offer, NOON, &Cancel::new())).unwrap();
        let found = timed("finding", || two.find_where(&PLACE, &Cancel::new()));
        assert_eq!(found, Ok(Some(offer.to_vec())));
        // A clock that was set back hides no update.
        for (offer, now) in [(b"second", NOON + 3_600), (b"third!", NOON)] {
            one.publish_where(&PLACE, offer, now, &Cancel::new()).unwrap();
            assert_eq!(two.find_where(&PLACE, &Cancel::new()), Ok(Some(offer.to_vec())));
        }
        let elsewhere = Place { swarm: [9; 32], ..PLACE };
        assert_eq!(two.find_where(&elsewhere, &Cancel::new()), Ok(None));
    });
}

// Rows: H17
#[test]
fn an_overwritten_place_gives_no_forged_offer() {
    alone::run("dht::an_overwritten_place_gives_no_forged_offer", || {
        let testnet = testnet();
        let dht = dht(&testnet.bootstrap);
        dht.publish_where(&PLACE, b"mine", NOON, &Cancel::new()).unwrap();
        let vandal = other(&testnet);
        let seq = i64::try_from(NOON).unwrap() + 10;
        vandal.put_mutable(MutableItem::new(place_key(), &[6; 542], seq, None), None).unwrap();
        assert_eq!(dht.find_where(&PLACE, &Cancel::new()), Ok(None));
        // The next update takes the place back.
        dht.publish_where(&PLACE, b"mine", NOON, &Cancel::new()).unwrap();
        assert_eq!(dht.find_where(&PLACE, &Cancel::new()), Ok(Some(b"mine".to_vec())));
        vandal.put_mutable(MutableItem::new(place_key(), b"", i64::MAX, None), None).unwrap();
        assert_eq!(dht.publish_where(&PLACE, b"mine", NOON, &Cancel::new()), Err(DhtError::PlaceClosed));
    });
}

// Rows: H17
#[test]
fn planted_addresses_are_bounded_and_none_twice() {
    alone::run("dht::planted_addresses_are_bounded_and_none_twice", || {
        let testnet = testnet();
        let hash = Id::from(info_hash(&SWARM, day(NOON)));
        thread::scope(|scope| {
            for planter in 1..=6 {
                let node = other(&testnet);
                scope.spawn(move || {
                    for port in 0..10 {
                        node.announce_peer(hash, Some(planter * 1_000 + port)).unwrap();
                    }
                });
            }
        });
        let mut found = look_up(&dht(&testnet.bootstrap), NOON).unwrap();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), MAX_FOUND);
    });
}

#[test]
fn local_addresses_are_reported_in_tests_alone() {
    alone::run("dht::local_addresses_are_reported_in_tests_alone", || {
        let testnet = testnet();
        dht(&testnet.bootstrap).announce(&SWARM, 4001, NOON, &Cancel::new()).unwrap();
        let public = Dht::new(DhtSettings { bootstrap: testnet.bootstrap, ..DhtSettings::default() });
        assert_eq!(look_up(&public, NOON), Ok(vec![]));
    });
}

// Rows: H17
#[test]
fn a_member_is_found_with_a_third_of_the_nodes_dead() {
    alone::run("dht::a_member_is_found_with_a_third_of_the_nodes_dead", || {
        let mut testnet = testnet();
        let dht = dht(&testnet.bootstrap[14..]);
        dht.announce(&SWARM, 4001, NOON, &Cancel::new()).unwrap();
        dht.publish_where(&PLACE, b"mine", NOON, &Cancel::new()).unwrap();
        testnet.nodes.drain(..6);
        thread::sleep(Duration::from_millis(200));
        assert_eq!(timed("a lookup with 6 dead", || look_up(&dht, NOON)), Ok(vec![at(4001)]));
        let found = timed("finding with 6 dead", || dht.find_where(&PLACE, &Cancel::new()));
        assert_eq!(found, Ok(Some(b"mine".to_vec())));
        timed("an announcement with 6 dead", || dht.announce(&SWARM, 4001, NOON, &Cancel::new())).unwrap();
    });
}

// Rows: H17
#[test]
fn silent_nodes_end_every_call_with_no_answer() {
    alone::run("dht::silent_nodes_end_every_call_with_no_answer", || {
        let (_socket, bootstrap) = silent();
        let dht = dht(&bootstrap);
        assert_eq!(look_up(&dht, NOON), Err(DhtError::NoAnswer));
        assert_eq!(dht.find_where(&PLACE, &Cancel::new()), Err(DhtError::NoAnswer));
        assert_eq!(dht.announce(&SWARM, 4001, NOON, &Cancel::new()), Err(DhtError::NoAnswer));
        assert_eq!(dht.publish_where(&PLACE, b"mine", NOON, &Cancel::new()), Err(DhtError::NoAnswer));
    });
}

// Rows: H17
#[test]
fn a_cancelled_call_ends_and_leaves_nothing() {
    alone::run("dht::a_cancelled_call_ends_and_leaves_nothing", || {
        let (_socket, bootstrap) = silent();
        let dht = dht(&bootstrap);
        let before = (alone::sockets(), alone::threads());
        let cancel = Cancel::new();
        let canceller = cancel.clone();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            canceller.cancel();
        });
        assert_eq!(dht.look_up(&SWARM, NOON, &cancel, |_| ()), Err(DhtError::Cancelled));
        thread.join().unwrap();
        alone::eventually("the end", || (alone::sockets(), alone::threads()) == before);
    });
}

// Rows: H17
#[test]
fn a_fifth_call_at_once_is_refused() {
    alone::run("dht::a_fifth_call_at_once_is_refused", || {
        let (_socket, bootstrap) = silent();
        let (dht, cancel) = (dht(&bootstrap), Cancel::new());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    assert_eq!(dht.look_up(&SWARM, NOON, &cancel, |_| ()), Err(DhtError::Cancelled));
                });
            }
            thread::sleep(Duration::from_millis(300));
            assert_eq!(look_up(&dht, NOON), Err(DhtError::Busy { running: 4 }));
            cancel.cancel();
        });
        // The places are free again.
        assert_eq!(look_up(&dht, NOON), Err(DhtError::NoAnswer));
    });
}

// Rows: H17
#[test]
fn there_is_no_socket_before_and_after_a_call() {
    alone::run("dht::there_is_no_socket_before_and_after_a_call", || {
        let (_socket, bootstrap) = silent();
        let before = (alone::sockets(), alone::threads());
        let dht = dht(&bootstrap);
        assert_eq!(dht.announce(&SWARM, 0, NOON, &Cancel::new()), Err(DhtError::NoPort));
        let too_long = Err(DhtError::OfferTooLong { bytes: MAX_OFFER + 1, max: MAX_OFFER });
        assert_eq!(dht.publish_where(&PLACE, &[0; MAX_OFFER + 1], NOON, &Cancel::new()), too_long);
        assert_eq!(((alone::sockets(), alone::threads()), alone::datagrams()), (before, 0));
        assert_eq!(look_up(&dht, NOON), Err(DhtError::NoAnswer));
        alone::eventually("the end", || (alone::sockets(), alone::threads()) == before);
    });
}

// Rows: H17
#[test]
fn a_running_node_answers_no_stranger() {
    alone::run("dht::a_running_node_answers_no_stranger", || {
        let (socket, bootstrap) = silent();
        let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let dht = Dht::new(DhtSettings { bootstrap, port, allow_local: true });
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(look_up(&dht, NOON), Err(DhtError::NoAnswer)));
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let (_, node) = socket.recv_from(&mut [0; 2048]).unwrap();
            assert_eq!(node.port(), port);
            let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let queries = [
                "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t4:aaaa1:y1:qe",
                "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t4:aaab1:y1:qe",
                "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t4:aaac1:y1:qe",
            ];
            for query in queries {
                stranger.send_to(query.as_bytes(), node).unwrap();
            }
            stranger.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            assert!(stranger.recv(&mut [0; 2048]).is_err());
        });
    });
}

#[test]
fn a_taken_port_is_an_error() {
    alone::run("dht::a_taken_port_is_an_error", || {
        let (socket, bootstrap) = silent();
        let port = socket.local_addr().unwrap().port();
        let dht = Dht::new(DhtSettings { bootstrap, port, allow_local: true });
        assert!(matches!(look_up(&dht, NOON), Err(DhtError::Node { port: taken, .. }) if taken == port));
    });
}
