use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::super::events::{Conn, Input};
use super::super::found::{Found, Way};
use super::super::harness::{Harness, SEED, TAKE, all, having, id, offer, offer_at};
use super::*;
use bytes::Bytes;
use minimodel_wire::{Bitfield, Frame};

mod crowd;
mod found;
mod hidden;

const LATE: u64 = 1_000_000;

#[test]
fn a_passed_on_peer_is_tried_five_times_and_a_user_s_for_ever() {
    let mut harness = Harness::new(all(), having([0]));
    harness.tell(Input::Source(offer(8, [1; 32], LATE)));
    harness.join(1, all(), having([1]));
    harness.frame(1, Frame::Peers { offers: vec![Bytes::from(offer(9, [1; 32], LATE).to_bytes())] });
    let mut tries = BTreeMap::new();
    for _ in 0..600 {
        for peer in harness.dialed() {
            *tries.entry(peer).or_insert(0) += 1;
            harness.tell(Input::DialFailed { peer, wrong_key: None, code: None });
        }
        harness.wait(Duration::from_secs(1));
    }
    assert_eq!(tries[&id(9)], 5);
    assert!((10..=20).contains(&tries[&id(8)]), "{tries:?}");
}

// Rows: B19
#[test]
fn passed_on_peer_that_gave_a_chunk_is_redialed_despite_busy() {
    let mut harness = Harness::new(all(), having([0]));
    harness.join(1, all(), having([1]));
    harness.frame(1, Frame::Peers { offers: vec![Bytes::from(offer(9, [1; 32], LATE).to_bytes())] });
    harness.wait(Duration::from_secs(2));
    assert_eq!(harness.dialed(), [id(9)]);
    // The peer connected, delivered a chunk, and was evicted for another.
    harness.machine.dialer.sources.brought_a_chunk(id(9));
    let code = Some(CloseCode::Busy);
    harness.tell(Input::DialFailed { peer: id(9), wrong_key: None, code });
    let mut tries = 0;
    for _ in 0..600 {
        for peer in harness.dialed() {
            tries += 1;
            harness.tell(Input::DialFailed { peer, wrong_key: None, code });
        }
        harness.wait(Duration::from_secs(1));
    }
    assert!((10..=20).contains(&tries), "{tries}");
}

#[test]
fn banned_first_source_does_not_end_a_fetch_with_a_second_one() {
    let mut harness = Harness::new(TAKE, having([]));
    harness.machine.dialer.sources.ban(id(1), false, Time::ZERO);
    harness.tell(Input::Source(offer(1, [1; 32], LATE)));
    harness.tell(Input::Source(offer(2, [1; 32], LATE)));
    harness.wait(Duration::from_secs(2));
    assert!(!harness.events().contains(&Event::Exhausted));
    harness.tell(Input::DialFailed { peer: id(2), wrong_key: Some(id(3)), code: None });
    harness.wait(Duration::from_secs(2));
    assert_eq!(harness.events().iter().filter(|&event| *event == Event::Exhausted).count(), 1);
}

#[test]
fn a_connected_peer_that_does_not_serve_is_no_hope() {
    let mut harness = Harness::new(all(), having([0]));
    harness.join(1, TAKE, having([1]));
    harness.wait(Duration::from_secs(2));
    assert!(harness.events().contains(&Event::Exhausted));
    harness.join(2, SEED, Bitfield::full(20));
    harness.wait(Duration::from_secs(2));
    assert!(!harness.events().contains(&Event::Exhausted));
}

#[test]
fn passed_on_offers_wait_at_enough_peers_and_user_offers_do_not() {
    let mut harness = Harness::with(all(), having([0]), |config| config.limits.enough_peers = 3);
    harness.join(1, all(), having([1]));
    for n in [2, 3] {
        harness.connect(n.into(), n, true);
    }
    let offers = (5..9).map(|n| Bytes::from(offer(n, [1; 32], LATE).to_bytes())).collect();
    harness.frame(1, Frame::Peers { offers });
    harness.wait(Duration::from_secs(2));
    let dialed = harness.dialed();
    assert_eq!(dialed.len(), 1, "two were dialed a moment ago and one is enough");
    harness.tell(Input::Source(offer(9, [1; 32], LATE)));
    assert_eq!(harness.dialed(), [id(9)]);
    for peer in [dialed[0], id(9)] {
        harness.tell(Input::DialFailed { peer, wrong_key: None, code: None });
    }
    harness.wait(Duration::from_secs(4));
    assert_eq!(harness.dialed().len(), 1, "somebody else's turn");
}

/// A public address of a member, and an address without a peer.
const PUBLIC: [u8; 4] = [8, 8, 8, 8];
const VICTIM: &str = "203.0.113.9:53";

/// A leecher with a member at a public address that passes offers on.
fn with_a_member() -> Harness {
    let mut harness = Harness::new(all(), having([0]));
    harness.join_from(1, PUBLIC, all(), having([1]));
    harness.said();
    harness
}

fn pass_on(harness: &mut Harness, offers: &[SignedOffer]) {
    for some in offers.chunks(16) {
        let offers = some.iter().map(|offer| Bytes::from(offer.to_bytes())).collect();
        harness.frame(1, Frame::Peers { offers });
    }
}

fn at(addresses: &str) -> Vec<SocketAddr> {
    addresses.split_whitespace().map(|address| address.parse().unwrap()).collect()
}

/// The dials since the last call: the peer, the addresses that the user named, and those of passed-on offers.
fn dials(harness: &mut Harness) -> Vec<(PeerId, Vec<SocketAddr>, Vec<SocketAddr>)> {
    let dial = |output| match output {
        Output::Dial { peer, addresses, pex_addresses } => Some((peer, addresses, pex_addresses)),
        _ => None,
    };
    harness.said().into_iter().filter_map(dial).collect()
}

/// Lets every dial fail for so many seconds; returns how many addresses of passed-on offers were dialed.
fn fail_for(harness: &mut Harness, seconds: u64) -> usize {
    let mut count = 0;
    for _ in 0..seconds {
        for (peer, _, pex_addresses) in dials(harness) {
            count += pex_addresses.len();
            harness.tell(Input::DialFailed { peer, wrong_key: None, code: None });
        }
        harness.wait(Duration::from_secs(1));
    }
    count
}

// Rows: H4, B21
#[test]
fn passed_on_offers_dial_two_public_addresses_user_offers_all() {
    let mut harness = with_a_member();
    let near = "127.0.0.1:1 10.0.0.1:1 192.168.1.1:1 100.64.0.1:1";
    pass_on(
        &mut harness,
        &[offer_at(8, near, LATE), offer_at(9, &format!("{near} 9.9.9.9:1 9.9.9.9:2 9.9.9.9:3"), LATE)],
    );
    harness.wait(Duration::from_secs(2));
    assert_eq!(dials(&mut harness), [(id(9), vec![], at("9.9.9.9:1 9.9.9.9:2"))]);
    harness.tell(Input::Source(offer_at(7, near, LATE)));
    assert_eq!(dials(&mut harness), [(id(7), at(near), vec![])]);
}

// Rows: H4, B21
#[test]
fn dials_of_one_network_are_counted_over_all_offers_and_keys() {
    let mut harness = with_a_member();
    let offers: Vec<SignedOffer> =
        (10..110).map(|n| offer_at(n, &format!("203.0.113.{n}:53 203.0.113.9:{n}"), LATE)).collect();
    pass_on(&mut harness, &offers);
    let hour = fail_for(&mut harness, 3_000);
    assert!((2..=16).contains(&hour), "{hour} within an hour");
    // Offers of the same and of other keys, renewed all day.
    let mut day = hour;
    for renewed in 1..24 {
        let offers: Vec<SignedOffer> =
            (10..130).map(|n| offer_at(n, VICTIM, LATE + renewed + u64::from(n))).collect();
        harness.tell(Input::Closed { conn: super::super::events::Conn(1), code: None });
        harness.join_from(1, PUBLIC, all(), having([1]));
        pass_on(&mut harness, &offers);
        day += fail_for(&mut harness, 3_600);
    }
    assert!(day <= 64, "{day} within a day");
}

// Rows: H4
#[test]
fn failed_key_is_not_redialed_for_a_renewed_or_forgotten_offer() {
    let mut harness = with_a_member();
    let mut tries = 0;
    for renewed in 0..40 {
        // Each offer expires soon, so that its peer is forgotten before the next one.
        let soon = harness.machine.swarm.unix() + 30;
        pass_on(&mut harness, &[offer_at(9, &format!("9.9.9.9:{}", 1 + renewed), soon)]);
        tries += fail_for(&mut harness, 60);
    }
    assert_eq!(tries, 5);
    // The user may still name the peer.
    harness.tell(Input::Source(offer_at(9, "9.9.9.9:1", LATE)));
    assert_eq!(dials(&mut harness).len(), 1);
}

// Rows: H4
#[test]
fn failed_address_counts_even_if_another_reached_the_peer() {
    let mut harness = with_a_member();
    let mut victim = 0;
    for round in 0..100 {
        let n = 20 + round;
        pass_on(&mut harness, &[offer_at(n, &format!("{VICTIM} 9.9.9.9:1"), LATE)]);
        harness.wait(Duration::from_secs(2));
        for (_, _, pex_addresses) in dials(&mut harness) {
            victim += usize::from(pex_addresses.contains(&VICTIM.parse().unwrap()));
            harness.connect_from(n.into(), n, [9, 9, 9, 9], true);
            harness.tell(Input::Closed { conn: super::super::events::Conn(n.into()), code: None });
        }
        harness.said();
    }
    assert!((2..=16).contains(&victim), "{victim}");
}

// Rows: H4, H14
#[test]
fn connection_elsewhere_takes_no_dial_of_an_address_back() {
    let mut harness = with_a_member();
    let mut victim = 0;
    for n in 120..220 {
        pass_on(&mut harness, &[offer_at(n, VICTIM, LATE)]);
        harness.wait(Duration::from_secs(2));
        victim += dials(&mut harness).len();
        // A member introduced it meanwhile.
        harness.connect_from(n.into(), n, [9, 9, 9, 9], true);
        harness.tell(Input::Closed { conn: Conn(n.into()), code: None });
        harness.said();
    }
    assert!((2..=16).contains(&victim), "{victim}");
}

// Rows: H6
#[test]
fn peer_is_dialed_at_its_newest_offers_and_user_named_addresses() {
    let mut harness = with_a_member();
    harness.tell(Input::Source(offer_at(9, "10.0.0.9:1", LATE)));
    assert_eq!(dials(&mut harness), [(id(9), at("10.0.0.9:1"), vec![])]);
    for (port, expires) in [(1, LATE), (3, LATE + 2), (2, LATE + 1)] {
        pass_on(&mut harness, &[offer_at(9, &format!("9.9.9.9:{port}"), expires)]);
        // Renewed offers are checked once a minute.
        harness.wait(Duration::from_secs(61));
    }
    harness.said();
    harness.tell(Input::DialFailed { peer: id(9), wrong_key: None, code: None });
    harness.wait(Duration::from_secs(1));
    assert_eq!(dials(&mut harness), [(id(9), at("10.0.0.9:1"), at("9.9.9.9:3"))]);
    // Of more addresses than are kept, the latest that the user named stay.
    for n in 1..=20 {
        harness.tell(Input::Source(offer_at(9, &format!("10.0.0.9:{n}"), LATE)));
    }
    harness.tell(Input::DialFailed { peer: id(9), wrong_key: None, code: None });
    harness.wait(Duration::from_secs(2));
    let named = dials(&mut harness).remove(0).1;
    assert_eq!((named.len(), named[0].port(), named[15].port()), (16, 20, 5));
}

// Rows: H2
#[test]
fn peers_without_a_place_do_not_block_dialing_user_named_peers() {
    let mut harness = Harness::with(all(), having([0]), |config| {
        (config.limits.max_connections, config.limits.max_dials) = (4, 1);
    });
    for n in 1..30 {
        harness.connect_from(n.into(), n, [203, 0, 113, 9], false);
    }
    assert_eq!(harness.machine.swarm.peers.len(), 3 + harness.machine.swarm.config.limits.max_guests);
    harness.said();
    harness.tell(Input::Source(offer(99, [1; 32], LATE)));
    assert_eq!(harness.dialed(), [id(99)]);
}

// Rows: H4
#[test]
fn dials_of_passed_on_offers_leave_half_to_user_named_peers() {
    let mut harness = with_a_member();
    let offers: Vec<SignedOffer> = (10..60).map(|n| offer_at(n, &format!("9.{n}.9.9:1"), LATE)).collect();
    pass_on(&mut harness, &offers);
    harness.wait(Duration::from_secs(2));
    assert_eq!(dials(&mut harness).len(), 4);
    for n in 2..6 {
        harness.tell(Input::Source(offer(n, [1; 32], LATE)));
    }
    assert_eq!(dials(&mut harness).len(), 4);
}

fn earlier(n: u8, addresses: &str, was_named: bool) -> Input {
    Input::Earlier(EarlierPeer { offer: offer_at(n, addresses, LATE), was_named })
}

#[test]
fn peers_of_an_earlier_run_are_dialed_first_and_then_given_up() {
    let mut harness = Harness::new(TAKE, having([]));
    harness.machine.swarm.config.limits.max_dials = 1;
    // Of the user's, one is being dialed; the next place is for the earlier one.
    harness.tell(Input::Source(offer(1, [1; 32], LATE)));
    harness.tell(Input::Source(offer(2, [2; 32], LATE)));
    harness.tell(earlier(9, "10.0.0.9:1", true));
    let mut tries = Vec::new();
    for _ in 0..600 {
        for peer in harness.dialed() {
            tries.push(peer);
            harness.tell(Input::DialFailed { peer, wrong_key: None, code: None });
        }
        harness.wait(Duration::from_secs(1));
    }
    assert_eq!(tries[..2], [id(1), id(9)]);
    assert_eq!(tries.iter().filter(|&&peer| peer == id(9)).count(), 5);
}

// Rows: B21
#[test]
fn private_addresses_of_an_earlier_run_are_dialed_only_if_named() {
    let dialed = |addresses, was_named| {
        let mut harness = Harness::new(TAKE, having([]));
        harness.tell(earlier(9, addresses, was_named));
        harness.wait(Duration::from_secs(1));
        harness.dialed().len()
    };
    assert_eq!((dialed("10.0.0.9:1", true), dialed("10.0.0.9:1", false)), (1, 0));
    assert_eq!((dialed("8.8.4.4:1", true), dialed("8.8.4.4:1", false)), (1, 1));
    let mut banned = Harness::new(TAKE, having([]));
    banned.machine.dialer.sources.ban(id(9), false, Time::ZERO);
    banned.tell(earlier(9, "8.8.4.4:1", true));
    banned.wait(Duration::from_secs(1));
    assert_eq!(banned.dialed(), []);
}
