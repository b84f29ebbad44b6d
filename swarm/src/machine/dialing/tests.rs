use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::super::desk::{Desk, SEED, TAKE, all, having, id, offer, offer_at};
use super::super::events::Input;
use super::*;
use bytes::Bytes;
use minimodel_wire::{Bitfield, Frame};

const LATE: u64 = 1_000_000;

#[test]
fn a_passed_on_peer_is_tried_five_times_and_a_user_s_for_ever() {
    let mut desk = Desk::new(all(), having([0]));
    desk.tell(Input::Source(offer(8, [1; 32], LATE)));
    desk.join(1, all(), having([1]));
    desk.frame(1, Frame::Peers { offers: vec![Bytes::from(offer(9, [1; 32], LATE).to_bytes())] });
    let mut tries = BTreeMap::new();
    for _ in 0..600 {
        for peer in desk.dialed() {
            *tries.entry(peer).or_insert(0) += 1;
            desk.tell(Input::DialFailed { peer, wrong_key: None, code: None });
        }
        desk.wait(Duration::from_secs(1));
    }
    assert_eq!(tries[&id(9)], 5);
    assert!((10..=20).contains(&tries[&id(8)]), "{tries:?}");
}

#[test]
fn b19_a_passed_on_peer_that_brought_a_chunk_is_tried_on_although_it_has_no_place_for_us() {
    let mut desk = Desk::new(all(), having([0]));
    desk.join(1, all(), having([1]));
    desk.frame(1, Frame::Peers { offers: vec![Bytes::from(offer(9, [1; 32], LATE).to_bytes())] });
    desk.wait(Duration::from_secs(2));
    assert_eq!(desk.dialed(), [id(9)]);
    // The peer connected, delivered a chunk, and was evicted for another.
    desk.machine.sources.brought_a_chunk(id(9));
    let code = Some(CloseCode::Busy);
    desk.tell(Input::DialFailed { peer: id(9), wrong_key: None, code });
    let mut tries = 0;
    for _ in 0..600 {
        for peer in desk.dialed() {
            tries += 1;
            desk.tell(Input::DialFailed { peer, wrong_key: None, code });
        }
        desk.wait(Duration::from_secs(1));
    }
    assert!((10..=20).contains(&tries), "{tries}");
}

#[test]
fn a_banned_source_named_first_does_not_end_a_fetch_that_has_a_second() {
    let mut desk = Desk::new(TAKE, having([]));
    desk.machine.sources.ban(id(1), Time::ZERO);
    desk.tell(Input::Source(offer(1, [1; 32], LATE)));
    desk.tell(Input::Source(offer(2, [1; 32], LATE)));
    desk.wait(Duration::from_secs(2));
    assert!(!desk.events().contains(&Event::Exhausted));
    desk.tell(Input::DialFailed { peer: id(2), wrong_key: Some(id(3)), code: None });
    desk.wait(Duration::from_secs(2));
    assert_eq!(desk.events().iter().filter(|&event| *event == Event::Exhausted).count(), 1);
}

#[test]
fn a_connected_peer_that_does_not_serve_is_no_hope() {
    let mut desk = Desk::new(all(), having([0]));
    desk.join(1, TAKE, having([1]));
    desk.wait(Duration::from_secs(2));
    assert!(desk.events().contains(&Event::Exhausted));
    desk.join(2, SEED, Bitfield::full(20));
    desk.wait(Duration::from_secs(2));
    assert!(!desk.events().contains(&Event::Exhausted));
}

#[test]
fn passed_on_offers_wait_while_there_are_enough_peers_and_a_user_s_do_not() {
    let mut desk = Desk::with(all(), having([0]), |config| config.limits.enough_peers = 3);
    desk.join(1, all(), having([1]));
    desk.join(2, all(), having([1]));
    let offers = (5..9).map(|n| Bytes::from(offer(n, [1; 32], LATE).to_bytes())).collect();
    desk.frame(1, Frame::Peers { offers });
    desk.wait(Duration::from_secs(2));
    let dialed = desk.dialed();
    assert_eq!(dialed.len(), 1, "two are here and one is enough");
    desk.tell(Input::Source(offer(9, [1; 32], LATE)));
    assert_eq!(desk.dialed(), [id(9)]);
    for peer in [dialed[0], id(9)] {
        desk.tell(Input::DialFailed { peer, wrong_key: None, code: None });
    }
    desk.wait(Duration::from_millis(1));
    assert_eq!(desk.dialed().len(), 1, "somebody else's turn");
}

/// A public address of a member, and an address without a peer.
const PUBLIC: [u8; 4] = [8, 8, 8, 8];
const VICTIM: &str = "203.0.113.9:53";

/// A leecher with a member at a public address that passes offers on.
fn with_a_member() -> Desk {
    let mut desk = Desk::new(all(), having([0]));
    desk.join_from(1, PUBLIC, all(), having([1]));
    desk.said();
    desk
}

fn pass_on(desk: &mut Desk, offers: &[SignedOffer]) {
    for some in offers.chunks(16) {
        let offers = some.iter().map(|offer| Bytes::from(offer.to_bytes())).collect();
        desk.frame(1, Frame::Peers { offers });
    }
}

fn at(addresses: &str) -> Vec<SocketAddr> {
    addresses.split_whitespace().map(|address| address.parse().unwrap()).collect()
}

/// The dials since the last call: the peer, the addresses that the user named, and those of passed-on offers.
fn dials(desk: &mut Desk) -> Vec<(PeerId, Vec<SocketAddr>, Vec<SocketAddr>)> {
    let dial = |output| match output {
        Output::Dial { peer, addresses, hearsay } => Some((peer, addresses, hearsay)),
        _ => None,
    };
    desk.said().into_iter().filter_map(dial).collect()
}

/// Lets every dial fail for so many seconds; returns how many addresses of passed-on offers were dialed.
fn fail_for(desk: &mut Desk, seconds: u64) -> usize {
    let mut count = 0;
    for _ in 0..seconds {
        for (peer, _, hearsay) in dials(desk) {
            count += hearsay.len();
            desk.tell(Input::DialFailed { peer, wrong_key: None, code: None });
        }
        desk.wait(Duration::from_secs(1));
    }
    count
}

#[test]
fn h4_b21_of_a_passed_on_offer_two_public_addresses_are_dialed_and_of_our_user_s_all() {
    let mut desk = with_a_member();
    let near = "127.0.0.1:1 10.0.0.1:1 192.168.1.1:1 100.64.0.1:1";
    pass_on(
        &mut desk,
        &[offer_at(8, near, LATE), offer_at(9, &format!("{near} 9.9.9.9:1 9.9.9.9:2 9.9.9.9:3"), LATE)],
    );
    desk.wait(Duration::from_secs(2));
    assert_eq!(dials(&mut desk), [(id(9), vec![], at("9.9.9.9:1 9.9.9.9:2"))]);
    desk.tell(Input::Source(offer_at(7, near, LATE)));
    assert_eq!(dials(&mut desk), [(id(7), at(near), vec![])]);
}

#[test]
fn h4_b21_dials_of_one_network_are_counted_over_all_offers_and_keys() {
    let mut desk = with_a_member();
    let offers: Vec<SignedOffer> =
        (10..110).map(|n| offer_at(n, &format!("203.0.113.{n}:53 203.0.113.9:{n}"), LATE)).collect();
    pass_on(&mut desk, &offers);
    let hour = fail_for(&mut desk, 3_000);
    assert!((2..=16).contains(&hour), "{hour} within an hour");
    // Offers of the same and of other keys, renewed all day.
    let mut day = hour;
    for renewed in 1..24 {
        let offers: Vec<SignedOffer> =
            (10..130).map(|n| offer_at(n, VICTIM, LATE + renewed + u64::from(n))).collect();
        desk.tell(Input::Closed { conn: super::super::events::Conn(1), code: None });
        desk.join_from(1, PUBLIC, all(), having([1]));
        pass_on(&mut desk, &offers);
        day += fail_for(&mut desk, 3_600);
    }
    assert!(day <= 64, "{day} within a day");
}

#[test]
fn h4_a_key_that_failed_is_not_dialed_anew_because_its_offer_is_renewed_or_was_forgotten() {
    let mut desk = with_a_member();
    let mut tries = 0;
    for renewed in 0..40 {
        // Each offer expires soon, so that its peer is forgotten before the next one.
        let soon = desk.machine.unix(desk.now) + 30;
        pass_on(&mut desk, &[offer_at(9, &format!("9.9.9.9:{}", 1 + renewed), soon)]);
        tries += fail_for(&mut desk, 60);
    }
    assert_eq!(tries, 5);
    // The user may still name the peer.
    desk.tell(Input::Source(offer_at(9, "9.9.9.9:1", LATE)));
    assert_eq!(dials(&mut desk).len(), 1);
}

#[test]
fn h4_an_address_before_the_right_one_is_counted_although_the_peer_was_there() {
    let mut desk = with_a_member();
    let mut victim = 0;
    for round in 0..100 {
        let n = 20 + round;
        pass_on(&mut desk, &[offer_at(n, &format!("{VICTIM} 9.9.9.9:1"), LATE)]);
        desk.wait(Duration::from_secs(2));
        for (_, _, hearsay) in dials(&mut desk) {
            victim += usize::from(hearsay.contains(&VICTIM.parse().unwrap()));
            desk.connect_from(n.into(), n, [9, 9, 9, 9], true);
            desk.tell(Input::Closed { conn: super::super::events::Conn(n.into()), code: None });
        }
        desk.said();
    }
    assert!((2..=16).contains(&victim), "{victim}");
}

#[test]
fn h6_the_addresses_of_a_known_peer_are_those_of_its_newest_offer_and_what_our_user_named() {
    let mut desk = with_a_member();
    desk.tell(Input::Source(offer_at(9, "10.0.0.9:1", LATE)));
    assert_eq!(dials(&mut desk), [(id(9), at("10.0.0.9:1"), vec![])]);
    for (port, expires) in [(1, LATE), (3, LATE + 2), (2, LATE + 1)] {
        pass_on(&mut desk, &[offer_at(9, &format!("9.9.9.9:{port}"), expires)]);
        // Renewed offers are checked once a minute.
        desk.wait(Duration::from_secs(61));
    }
    desk.said();
    desk.tell(Input::DialFailed { peer: id(9), wrong_key: None, code: None });
    desk.wait(Duration::from_secs(1));
    assert_eq!(dials(&mut desk), [(id(9), at("10.0.0.9:1"), at("9.9.9.9:3"))]);
    // Of more addresses than are kept, the latest that the user named stay.
    for n in 1..=20 {
        desk.tell(Input::Source(offer_at(9, &format!("10.0.0.9:{n}"), LATE)));
    }
    desk.tell(Input::DialFailed { peer: id(9), wrong_key: None, code: None });
    desk.wait(Duration::from_secs(2));
    let named = dials(&mut desk).remove(0).1;
    assert_eq!((named.len(), named[0].port(), named[15].port()), (16, 20, 5));
}

#[test]
fn h2_peers_that_come_and_find_no_place_do_not_keep_us_from_those_whom_our_user_names() {
    let mut desk = Desk::with(all(), having([0]), |config| {
        (config.limits.max_connections, config.limits.max_dials) = (4, 1);
    });
    for n in 1..30 {
        desk.connect_from(n.into(), n, [203, 0, 113, 9], false);
    }
    assert_eq!(desk.machine.peers.len(), 3 + desk.machine.config.limits.max_guests);
    desk.said();
    desk.tell(Input::Source(offer(99, [1; 32], LATE)));
    assert_eq!(desk.dialed(), [id(99)]);
}

#[test]
fn h4_dials_on_hearsay_leave_half_of_all_dials_to_those_whom_our_user_named() {
    let mut desk = with_a_member();
    let offers: Vec<SignedOffer> = (10..60).map(|n| offer_at(n, &format!("9.{n}.9.9:1"), LATE)).collect();
    pass_on(&mut desk, &offers);
    desk.wait(Duration::from_secs(2));
    assert_eq!(dials(&mut desk).len(), 4);
    for n in 2..6 {
        desk.tell(Input::Source(offer(n, [1; 32], LATE)));
    }
    assert_eq!(dials(&mut desk).len(), 4);
}
