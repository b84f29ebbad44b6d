use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use minimodel_wire::{Bitfield, CloseCode, Frame};

use super::super::events::{Ask, Input, ServeOutcome};
use super::super::harness::{Harness, SEED, TAKE, all, having, id, offer};
use super::super::peer::Admission;
use super::*;

fn at(address: [u8; 4]) -> Site {
    Site::of(address.into())
}

/// A holder with this connection number.
fn holder(conn: u64, address: [u8; 4], claim: Claim) -> Holder {
    Holder { conn: Conn(conn), site: at(address), claim, is_idle: false }
}

/// `count` holders of one address, from connection `first` on.
fn many(first: u64, count: u64, address: [u8; 4], claim: Claim) -> Vec<Holder> {
    (first..first + count).map(|conn| holder(conn, address, claim)).collect()
}

/// The connection that is closed for a newcomer at this site.
fn evicted(holders: &[Holder], kept: usize, site: Site, claim: Claim) -> Option<Conn> {
    to_evict(holders, kept, Newcomer { site, claim })
}

// Rows: H2
#[test]
fn site_over_its_share_gives_way_to_other_sites_not_to_itself() {
    let siege = [203, 0, 113, 9];
    let mut holders = many(0, 61, siege, Claim::New);
    holders.push(holder(70, [198, 51, 100, 1], Claim::New));
    holders.extend(many(80, 2, [192, 0, 2, 1], Claim::New));
    let new = |address| evicted(&holders, 32, at(address), Claim::New);
    assert_eq!(new([198, 51, 100, 200]), Some(Conn(60)), "the one that came last, of those with most");
    assert_eq!(new(siege), None);
    assert_eq!(new([192, 0, 2, 1]), Some(Conn(60)));
    // With even shares no holder is evicted.
    let mut even = many(0, 4, [10, 1, 0, 1], Claim::New);
    even.extend(many(4, 3, [10, 2, 0, 1], Claim::New));
    for address in [[10, 1, 0, 1], [10, 2, 0, 1]] {
        assert_eq!(evicted(&even, 3, at(address), Claim::New), None, "{address:?}");
    }
}

// Rows: H2
#[test]
fn the_addresses_of_one_network_share_what_one_network_has() {
    // A whole /24 with one place for each address, and a peer from elsewhere with two.
    let mut holders: Vec<Holder> = (0..62).map(|n| holder(n, [203, 0, 113, n as u8], Claim::New)).collect();
    holders.extend(many(90, 2, [192, 0, 2, 1], Claim::New));
    let new = |address| evicted(&holders, 32, at(address), Claim::New);
    assert_eq!(new([198, 51, 100, 1]), Some(Conn(61)));
    assert_eq!(new([192, 0, 2, 7]), Some(Conn(61)), "a third of that network is still few");
    assert_eq!(new([203, 0, 113, 200]), None);
    // The same for a whole /32.
    let v6 = |n: u16| Site::of(IpAddr::from([0x2001, 0xdb8, n, 0, 0, 0, 0, 1]));
    let holders: Vec<Holder> = (0..64)
        .map(|n| Holder { conn: Conn(n), site: v6(n as u16), claim: Claim::New, is_idle: false })
        .collect();
    let other = Site::of("2001:db9::1".parse().unwrap());
    assert_eq!(evicted(&holders, 32, other, Claim::New), Some(Conn(63)));
    assert_eq!(evicted(&holders, 32, v6(900), Claim::New), None);
    // Within one network, an address with many gives way to one with none.
    let mut holders = many(0, 8, [127, 0, 0, 2], Claim::New);
    holders.extend(many(8, 2, [127, 0, 0, 3], Claim::New));
    assert_eq!(evicted(&holders, 5, at([127, 0, 0, 1]), Claim::New), Some(Conn(7)));
    assert_eq!(evicted(&holders, 5, at([127, 0, 0, 2]), Claim::New), None);
}

// Rows: H2
#[test]
fn used_peers_keep_half_of_the_places_and_no_site_has_them_all() {
    let siege = [203, 0, 113, 9];
    // Every holder has read one chunk, to look used.
    let mut holders = many(0, 64, siege, Claim::Used(1));
    let new = Newcomer { site: at([198, 51, 100, 1]), claim: Claim::New };
    assert_eq!(to_evict(&holders, 32, new), Some(Conn(63)), "32 of them are more than is kept");
    // 32 places went to peers of other networks, one for each network: the rest is kept.
    for n in 32..64 {
        holders[n as usize] = holder(n, [100, n as u8, 0, 1], Claim::New);
    }
    assert_eq!(to_evict(&holders, 32, new), None);
    // Once those others have read a chunk as well, the first site keeps one place.
    for n in 32..64 {
        holders[n as usize].claim = Claim::Used(1);
    }
    let kept = best(&holders, 32);
    assert_eq!(kept.iter().filter(|conn| conn.0 < 32).count(), 1, "{kept:?}");
    assert_eq!(to_evict(&holders, 32, new), Some(Conn(31)));
    // The holder that moved most keeps its place longest.
    let mut holders = many(0, 8, siege, Claim::Used(5));
    holders[3].claim = Claim::Used(4);
    assert_eq!(to_evict(&holders, 4, new), Some(Conn(3)));
}

// Rows: H2
#[test]
fn idle_peer_gives_way_to_newcomer_unless_among_the_best_half() {
    let mut holders: Vec<Holder> = (0..8).map(|n| holder(n, [100, n as u8, 0, 1], Claim::New)).collect();
    let new = Newcomer { site: at([198, 51, 100, 1]), claim: Claim::New };
    assert_eq!(to_evict(&holders, 4, new), None);
    for n in [3, 5] {
        holders[n].is_idle = true;
    }
    assert_eq!(to_evict(&holders, 4, new), Some(Conn(3)));
    // One of a network that holds as many puts none out.
    let second = Newcomer { site: at([100, 0, 0, 2]), ..new };
    assert_eq!(to_evict(&holders, 4, second), None);
    assert_eq!(to_evict(&holders, 4, Newcomer { claim: Claim::Named, ..second }), Some(Conn(3)));
    holders[3].claim = Claim::Used(9);
    assert_eq!(to_evict(&holders, 4, new), Some(Conn(5)));
    holders[5].is_idle = false;
    assert_eq!(to_evict(&holders, 4, new), None, "it is among the best");
    holders.iter_mut().for_each(|holder| holder.claim = Claim::Used(10 + holder.conn.0));
    assert_eq!(to_evict(&holders, 4, new), Some(Conn(3)));
}

// Rows: H2
#[test]
fn returning_guest_precedes_unknown_keys_and_named_peer_all() {
    let crowd = [203, 0, 113, 9];
    let holders = many(0, 8, crowd, Claim::New);
    assert_eq!(evicted(&holders, 4, at(crowd), Claim::New), None);
    assert_eq!(evicted(&holders, 4, at(crowd), Claim::Returned), Some(Conn(7)));
    let returned = many(0, 8, crowd, Claim::Returned);
    assert_eq!(evicted(&returned, 4, at(crowd), Claim::Returned), None);
    // A peer that has moved bytes before comes back to the half that is kept for such peers, and no further.
    assert_eq!(evicted(&returned, 4, at(crowd), Claim::Used(7)), Some(Conn(7)));
    let used = many(0, 4, crowd, Claim::Used(3));
    let both: Vec<Holder> = used.into_iter().chain(many(4, 4, crowd, Claim::New)).collect();
    assert_eq!(evicted(&both, 4, at(crowd), Claim::Used(7)), None);
    assert_eq!(evicted(&both, 4, at(crowd), Claim::Named), Some(Conn(7)));
    let named = many(0, 8, crowd, Claim::Named);
    assert_eq!(evicted(&named, 4, at([198, 51, 100, 1]), Claim::Used(9)), None, "not for strangers");
}

// Rows: H2, I6
#[test]
fn turned_away_keys_are_bounded_and_no_site_fills_the_table() {
    let mut away = TurnedAway::default();
    let key = |n: u32| {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_le_bytes());
        PeerId(key)
    };
    away.add(Time::ZERO, key(u32::MAX), at([198, 51, 100, 1]));
    for n in 0..10_000 {
        let now = Time::after_start(Duration::from_millis(n.into()));
        away.add(now, key(n), at([203, 0, 113, 9]));
    }
    assert_eq!(away.since.len(), MAX_TURNED_AWAY);
    assert!(away.has(key(9_999)) && !away.has(key(0)));
    assert!(away.take(key(u32::MAX)) && !away.take(key(u32::MAX)));
}

/// A seeder with three places and none for guests.
fn full() -> Harness {
    Harness::with(SEED, Bitfield::full(20), |config| {
        config.limits.max_connections = 3;
        config.limits.max_guests = 0;
    })
}

// Rows: B18, H2
#[test]
fn idle_peers_give_way_to_newcomers_and_waiting_peers_stay() {
    let mut harness = full();
    for n in 1..=3 {
        harness.join(n, TAKE, having([]));
    }
    for n in [1, 3] {
        harness.frame(n, Frame::Interested);
    }
    harness.said();
    harness.connect(4, 4, false);
    assert_eq!(harness.closes(), [(2, CloseCode::Busy)], "it wants nothing");
    harness.connect(5, 5, false);
    assert_eq!(harness.closes(), [(5, CloseCode::Busy)]);
    // The first peer requests and reads; the third has a slot and requests nothing.
    for ask in 0..3 {
        harness.ask(1, ask, ask as u32);
        harness.tell(Input::Served { ask: Ask(ask), outcome: ServeOutcome::Done { bytes: 1 << 16 } });
        let hello = harness.hello(TAKE);
        if ask == 0 {
            harness.frame(4, Frame::Hello(hello));
            harness.frame(4, Frame::Bitfield(having([])));
            harness.frame(4, Frame::Interested);
        }
        harness.wait(Duration::from_secs(9));
    }
    harness.said();
    harness.connect(6, 6, false);
    assert_eq!(harness.closes().first(), Some(&(3, CloseCode::Busy)));
    assert_eq!(harness.machine.swarm.peers.len(), 3);
}

// Rows: H2
#[test]
fn site_holding_every_place_makes_room_only_for_another_site() {
    let mut harness = full();
    for n in 1..=3 {
        harness.connect_from(n.into(), n, [203, 0, 113, 9], false);
    }
    assert_eq!(harness.machine.swarm.peers.len(), 3);
    harness.connect_from(4, 4, [203, 0, 113, 9], false);
    assert_eq!(harness.closes(), [(4, CloseCode::Busy)]);
    harness.connect_from(5, 5, [198, 51, 100, 1], false);
    assert_eq!(harness.closes(), [(3, CloseCode::Busy)]);
    // The third peer comes back as it was told to and is recognized; but its site has its share.
    harness.connect_from(6, 3, [203, 0, 113, 9], false);
    assert_eq!(harness.closes(), [(2, CloseCode::Busy)], "one of its own gives way");
    assert!(harness.peer(6).admission == Admission::Returned);
}

// Rows: H2
#[test]
fn nobody_has_to_go_for_a_key_that_is_shut_out() {
    let mut harness = full();
    for n in 1..=3 {
        harness.connect_from(n.into(), n, [203, 0, 113, 9], false);
    }
    for _ in 0..3 {
        harness.connect_from(7, 7, [198, 51, 100, 1], false);
        (0..3).for_each(|_| harness.broke(7, super::super::fault::Breach::AskFlood));
    }
    harness.said();
    let before = harness.machine.swarm.peers.len();
    harness.connect_from(8, 7, [198, 51, 100, 1], false);
    assert_eq!((harness.closes(), harness.machine.swarm.peers.len()), (vec![(8, CloseCode::Busy)], before));
}

// Rows: H2
#[test]
fn dialed_and_user_named_peers_are_not_displaced_by_strangers() {
    let mut harness = Harness::with(all(), having([0]), |config| {
        config.limits.max_connections = 3;
        config.limits.max_dials = 0;
        config.limits.max_guests = 0;
    });
    harness.tell(Input::Source(offer(1, [1; 32], 1_000_000)));
    for (n, dialed) in [(1, false), (2, true), (3, false)] {
        harness.connect_from(n.into(), n, [203, 0, 113, 9], dialed);
    }
    for n in 4..8 {
        harness.connect_from(n.into(), n, [100, n, 0, 1], false);
    }
    let here: Vec<PeerId> = harness.machine.swarm.peers.values().map(|peer| peer.id).collect();
    assert!(here.contains(&id(1)) && here.contains(&id(2)), "{here:?}");
    assert_eq!(here.len(), 3);
}

#[test]
fn newcomer_without_a_place_is_told_other_peers_offers() {
    let mut harness = Harness::with(SEED, Bitfield::full(20), |config| {
        config.limits.max_connections = 2;
        config.limits.max_guests = 1;
    });
    for n in 1..=2 {
        harness.join(n, all(), having([]));
        harness.frame(n.into(), Frame::Interested);
        let offer = Bytes::from(offer(n, [1; 32], 1_000_000).to_bytes());
        harness.frame(n.into(), Frame::Peers { offers: vec![offer] });
    }
    harness.said();
    for (n, consent, told) in [(3, all(), 2), (4, TAKE, 0)] {
        harness.connect(n, n as u8, false);
        harness.connect(n + 10, n as u8 + 10, false);
        assert_eq!(harness.closes(), [(n + 10, CloseCode::Busy)], "one guest at a time");
        let hello = harness.hello(consent);
        harness.frame(n, Frame::Hello(hello));
        let frames = harness.frames(n);
        let offers: usize = frames
            .iter()
            .map(|frame| if let Frame::Peers { offers } = frame { offers.len() } else { 0 })
            .sum();
        assert_eq!(offers, told, "only to those who take part in the exchange");
        assert_eq!(frames.last(), Some(&Frame::Bye { code: CloseCode::Busy }));
        assert_eq!(harness.machine.swarm.peers.len(), 2);
    }
}

// Rows: H2
#[test]
fn guests_of_one_site_leave_room_for_one_of_another() {
    let mut harness = Harness::with(SEED, Bitfield::full(20), |config| {
        config.limits.max_connections = 1;
        config.limits.max_guests = 2;
    });
    for n in 1..=3 {
        harness.connect_from(n.into(), n, [203, 0, 113, 9], false);
    }
    harness.said();
    // The newcomer takes no place, since that site has only one; but it is sent the offers of others.
    harness.connect_from(4, 4, [198, 51, 100, 1], false);
    assert_eq!(harness.closes(), [(3, CloseCode::Busy)]);
    assert!(harness.peer(4).is_guest());
}
