use minimodel_wire::{Bitfield, Frame};

use super::super::events::Input;
use super::super::harness::{Harness, SEED, TAKE, all, both, having, id, offer, offer_at};
use super::super::offer_checks::RENEWAL;
use super::super::time::Time;
use super::*;

const LATE: u64 = 1_000_000;

// Rows: B21, I5
#[test]
fn a_passed_on_offer_is_dialed_only_by_who_consented_to_publish() {
    for (consent, expected) in [(TAKE, vec![]), (all(), vec![id(9)])] {
        let mut harness = Harness::new(consent, having([0]));
        harness.join(1, all(), having([1]));
        harness.said();
        let offers = vec![Bytes::from(offer(9, [1; 32], LATE).to_bytes())];
        harness.frame(1, Frame::Peers { offers });
        harness.wait(Duration::from_secs(2));
        assert_eq!(harness.dialed(), expected);
    }
}

// Rows: B21, C4
#[test]
fn foreign_or_forged_offer_disconnects_expired_offer_does_not() {
    let bytes = |signed: SignedOffer| signed.to_bytes();
    let mut forged = bytes(offer(9, [1; 32], LATE));
    forged[40] ^= 1;
    let mut later = bytes(offer(9, [1; 32], LATE));
    later[0] = 2;
    let cases = [
        (bytes(offer(9, [7; 32], LATE)), 0),
        (forged, 0),
        (bytes(offer(9, [1; 32], 1)), 1),
        (later, 1),
        (bytes(offer(9, [1; 32], LATE)), 1),
    ];
    for (offer, left) in cases {
        let mut harness = Harness::new(all(), having([0]));
        harness.join(1, all(), having([1]));
        harness.frame(1, Frame::Peers { offers: vec![Bytes::from(offer)] });
        assert_eq!(harness.machine.progress().peers, left);
    }
}

// Rows: B19
#[test]
fn one_peer_cannot_fill_the_table_of_known_peers() {
    let mut harness = Harness::with(all(), having([0]), |config| config.limits.max_offers_per_peer = 20);
    harness.join(1, all(), having([1]));
    for n in 2..60 {
        harness.frame(1, Frame::Peers { offers: vec![Bytes::from(offer(n, [1; 32], LATE).to_bytes())] });
    }
    assert_eq!(harness.machine.dialer.sources.count(), 20);
    harness.machine.swarm.config.limits.max_known = 20;
    harness.join(70, all(), having([1]));
    harness.frame(70, Frame::Peers { offers: vec![Bytes::from(offer(80, [1; 32], LATE).to_bytes())] });
    assert_eq!(harness.machine.dialer.sources.count(), 20);
    harness.machine.dialer.sources.ban(id(5), false, Time::ZERO);
    harness.frame(70, Frame::Peers { offers: vec![Bytes::from(offer(81, [1; 32], LATE).to_bytes())] });
    assert!(harness.machine.dialer.sources.is_known(id(81)), "a banned one made room");
}

// Rows: B19, I8
#[test]
fn peer_that_filled_the_table_gives_way_to_offers_of_others() {
    let mut harness = Harness::with(all(), having([0]), |config| config.limits.max_known = 20);
    // No peer is dialed, so that only offers fill the table.
    harness.machine.swarm.config.limits.max_dials = 0;
    let members = [(1, [10, 1, 0, 1]), (2, [10, 2, 0, 1]), (3, [10, 2, 0, 2]), (4, [10, 1, 0, 1])];
    members.into_iter().for_each(|(n, address)| harness.join_from(n, address, all(), having([1])));
    let known = |harness: &Harness, of: std::ops::Range<u8>| {
        of.filter(|&n| harness.machine.dialer.sources.is_known(id(n))).count()
    };
    tell_of(&mut harness, 1, (10..60).map(|n| bytes_of(n, LATE)));
    assert_eq!(known(&harness, 10..60), 20);
    // Another key of the same site has no share of its own.
    tell_of(&mut harness, 4, [bytes_of(60, LATE)]);
    assert_eq!((known(&harness, 10..60), known(&harness, 60..61)), (20, 0));
    // A member of another network gets up to half of the table, and a second site there up to half of that.
    tell_of(&mut harness, 2, (100..130).map(|n| bytes_of(n, LATE)));
    assert_eq!((known(&harness, 10..60), known(&harness, 100..130)), (10, 10));
    tell_of(&mut harness, 3, (130..160).map(|n| bytes_of(n, LATE)));
    assert_eq!([known(&harness, 10..60), known(&harness, 100..130), known(&harness, 130..160)], [10, 5, 5]);
}

// Rows: B19, I8
#[test]
fn user_named_and_useful_peers_do_not_yield_to_passed_on_offers() {
    let mut harness = Harness::with(all(), having([0]), |config| config.limits.max_known = 6);
    harness.machine.swarm.config.limits.max_dials = 0;
    [1, 2].into_iter().for_each(|n| harness.join(n, all(), having([1])));
    tell_of(&mut harness, 1, (10..16).map(|n| bytes_of(n, LATE)));
    harness.tell(Input::Source(offer(10, [1; 32], LATE)));
    harness.machine.dialer.sources.brought_a_chunk(id(11));
    harness.machine.dialer.sources.connected(id(12));
    tell_of(&mut harness, 2, (20..30).map(|n| bytes_of(n, LATE)));
    assert!((10..13).all(|n| harness.machine.dialer.sources.is_known(id(n))));
    let heard = (20..30).filter(|&n| harness.machine.dialer.sources.is_known(id(n))).count();
    assert_eq!((harness.machine.dialer.sources.count(), heard), (6, 1));
}

/// A peer from one address passes on offers and leaves before they are checked; then the verdicts come.
fn tell_and_leave(harness: &mut Harness, n: u8, address: [u8; 4], offers: Vec<Bytes>) {
    harness.join_from(n, address, all(), having([1]));
    harness
        .machine
        .handle(harness.now, Input::Frame { conn: Conn(n.into()), frame: Frame::Peers { offers } });
    let outputs: Vec<Output> = std::iter::from_fn(|| harness.machine.poll()).collect();
    part(harness, n);
    for output in outputs {
        if let Output::CheckOffer { check, offer } = output {
            let verdict = OfferVerdict::Good(offer.check().unwrap());
            harness.tell(Input::OfferChecked { check, verdict });
        }
    }
}

// Rows: B19, I8
#[test]
fn peer_that_filled_the_table_and_left_early_gives_way_too() {
    let mut harness = Harness::with(all(), having([0]), |config| config.limits.max_known = 20);
    harness.machine.swarm.config.limits.max_dials = 0;
    let public = |n: u8| Bytes::from(offer_at(n, &format!("8.8.{n}.8:1"), LATE).to_bytes());
    for n in 1..=5 {
        let first = 20 + 8 * n;
        tell_and_leave(&mut harness, n, [10, 1, 0, 1], (first..first + 8).map(public).collect());
    }
    assert_eq!(harness.machine.dialer.sources.count(), 20);
    // A member of another network that stays gets its half, and so does one that leaves.
    harness.join_from(10, [10, 2, 0, 1], all(), having([1]));
    tell_of(&mut harness, 10, (101..113).map(public));
    let heard =
        |harness: &Harness| (101..130).filter(|&n| harness.machine.dialer.sources.is_known(id(n))).count();
    assert_eq!(heard(&harness), 10);
    // New keys at the first address win nothing back.
    for n in 1..=5 {
        let first = 140 + 8 * n;
        tell_and_leave(&mut harness, n + 10, [10, 1, 0, 1], (first..first + 8).map(public).collect());
    }
    assert_eq!((heard(&harness), harness.machine.dialer.sources.count()), (10, 20));
}

// Rows: B19, I8
#[test]
fn member_that_passed_on_offers_and_left_keeps_only_its_share() {
    let mut harness = Harness::with(all(), having([0]), |config| config.limits.max_known = 20);
    harness.machine.swarm.config.limits.max_dials = 0;
    let public = |n: u8| Bytes::from(offer_at(n, &format!("8.8.{n}.8:1"), LATE).to_bytes());
    harness.join_from(1, [10, 1, 0, 1], all(), having([1]));
    tell_of(&mut harness, 1, (20..40).map(public));
    tell_and_leave(&mut harness, 2, [10, 2, 0, 1], (101..113).map(public).collect());
    assert_eq!((101..113).filter(|&n| harness.machine.dialer.sources.is_known(id(n))).count(), 10);
}

/// Offers of 16 keys that were found good and for which the table had no room.
fn good_without_room(harness: &mut Harness, address: [u8; 4]) -> Vec<Bytes> {
    let most = std::mem::replace(&mut harness.machine.swarm.config.limits.max_known, 0);
    for n in 200..216 {
        harness.join_from(n, address, all(), having([1]));
        tell_of(harness, n.into(), [bytes_of(n, LATE)]);
        part(harness, n);
    }
    harness.machine.swarm.config.limits.max_known = most;
    (200..216).map(|n| bytes_of(n, LATE)).collect()
}

// Rows: H3
#[test]
fn good_offers_without_room_cost_one_table_walk_per_site() {
    let mut harness = Harness::with(all(), having([0]), |config| config.limits.max_known = 20);
    harness.machine.swarm.config.limits.max_dials = 0;
    let site = [10, 1, 0, 1];
    harness.join_from(1, site, all(), having([1]));
    tell_of(&mut harness, 1, (20..40).map(|n| bytes_of(n, LATE)));
    let offers = good_without_room(&mut harness, site);
    let (walks, checks) = (harness.machine.dialer.sources.evictions.walks, harness.checks);
    for n in 40..50 {
        harness.join_from(n, site, all(), having([1]));
        (0..20).for_each(|_| harness.frame(n.into(), Frame::Peers { offers: offers.clone() }));
        // Unknown offers add no walk through the table either.
        tell_of(&mut harness, n.into(), (101..117).map(|n| bytes_of(n, LATE)));
        part(&mut harness, n);
    }
    let walks = harness.machine.dialer.sources.evictions.walks - walks;
    assert!(walks <= 1, "{walks} walks through the table for 3,360 offers");
    assert_eq!(harness.checks, checks);
    // A change of the table is seen: two entries end, and two offers are added.
    (20..22).for_each(|n| harness.machine.dialer.sources.refused(id(n)));
    harness.join_from(60, site, all(), having([1]));
    harness.frame(60, Frame::Peers { offers });
    assert_eq!((200..216).filter(|&n| harness.machine.dialer.sources.is_known(id(n))).count(), 2);
}

// Rows: H3
#[test]
fn offers_of_banned_keys_do_not_take_turns_in_the_table() {
    let mut harness = Harness::with(all(), having([0]), |config| config.limits.max_known = 20);
    harness.machine.swarm.config.limits.max_dials = 0;
    harness.join(1, all(), having([1]));
    (200..204).for_each(|n| harness.ban(n));
    for _ in 0..5 {
        tell_of(&mut harness, 1, (200..204).map(|n| bytes_of(n, LATE)));
    }
    assert_eq!(harness.machine.dialer.sources.count(), 0);
}

// Rows: H3
#[test]
fn checked_offers_count_against_each_peer_that_passes_them_on() {
    let mut harness = Harness::with(all(), having([0]), |config| config.limits.max_offers_per_peer = 3);
    harness.machine.swarm.config.limits.max_dials = 0;
    let offers = good_without_room(&mut harness, [10, 1, 0, 1]);
    let checks = harness.checks;
    harness.join(1, all(), having([1]));
    harness.frame(1, Frame::Peers { offers: offers.clone() });
    assert_eq!((harness.machine.dialer.sources.count(), harness.checks), (3, checks));
    // A peer that reconnects keeps its count; another peer has its own.
    part(&mut harness, 1);
    harness.join(1, all(), having([1]));
    harness.frame(1, Frame::Peers { offers: offers.clone() });
    assert_eq!(harness.machine.dialer.sources.count(), 3);
    harness.join(2, all(), having([1]));
    harness.frame(2, Frame::Peers { offers });
    assert_eq!((harness.machine.dialer.sources.count(), harness.checks), (6, checks));
}

fn bytes_of(n: u8, expires_unix: u64) -> Bytes {
    Bytes::from(offer(n, [1; 32], expires_unix).to_bytes())
}

fn tell_of(harness: &mut Harness, conn: u64, offers: impl IntoIterator<Item = Bytes>) {
    for offer in offers {
        harness.frame(conn, Frame::Peers { offers: vec![offer] });
    }
}

/// Ends the connection of the peer with key `n`.
fn part(harness: &mut Harness, n: u8) {
    harness.tell(Input::Closed { conn: Conn(n.into()), code: None });
}

// Rows: H3
#[test]
fn checked_offer_is_not_rechecked_and_renewal_waits_a_minute() {
    let mut harness = Harness::new(all(), having([0]));
    harness.join(1, all(), having([1]));
    harness.join(2, all(), having([1]));
    tell_of(&mut harness, 1, [bytes_of(9, LATE), bytes_of(9, LATE), bytes_of(9, LATE + 1)]);
    tell_of(&mut harness, 2, [bytes_of(9, LATE)]);
    assert_eq!(harness.checks, 1);
    harness.wait(RENEWAL);
    tell_of(&mut harness, 2, [bytes_of(9, LATE + 1)]);
    assert_eq!(harness.checks, 2);
    // The same offer except for the last byte of its signature.
    harness.wait(RENEWAL);
    let mut forged = bytes_of(9, LATE + 1).to_vec();
    *forged.last_mut().unwrap() ^= 1;
    tell_of(&mut harness, 2, [forged.into()]);
    assert_eq!((harness.checks, harness.machine.progress().peers), (3, 1));
}

// Rows: H3
#[test]
fn one_own_offer_per_key_is_checked_at_once_then_one_per_minute() {
    for ours in [SEED, all()] {
        let mut harness = Harness::new(ours, Bitfield::full(20));
        for round in 0..5 {
            harness.join(1, all(), having([1]));
            tell_of(&mut harness, 1, (0..128).map(|n| bytes_of(1, LATE + 1_000 * round + n)));
            part(&mut harness, 1);
        }
        assert_eq!(harness.checks, 1, "{ours:?}");
        harness.join(1, all(), having([1]));
        tell_of(&mut harness, 1, (0..128).map(|n| bytes_of(1, LATE + n)));
        harness.wait(RENEWAL * 3);
        assert_eq!(harness.checks, 2, "the last that it brought, when a minute is over");
        let renewed = harness.peer(1).offer.as_ref().map(|offer| offer.offer().expires_unix);
        assert_eq!(renewed, Some(LATE + 127));
    }
}

// Rows: H3
#[test]
fn offers_that_serve_nobody_are_not_even_read() {
    // Neither side publishes: no offer is passed on or dialed.
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    harness.join(1, TAKE, having([]));
    tell_of(&mut harness, 1, [bytes_of(1, LATE), bytes_of(9, LATE), Bytes::from_static(b"\x01no offer")]);
    assert_eq!((harness.checks, harness.machine.progress().peers), (0, 1));
    // The peer publishes: its own offer is for others. Offers of others are of no use to a seeder.
    for ours in [SEED, SEED | Consent::PUBLISH] {
        let mut harness = Harness::new(ours, Bitfield::full(20));
        harness.join(1, all(), having([]));
        tell_of(&mut harness, 1, [bytes_of(9, LATE), bytes_of(1, LATE), bytes_of(8, LATE)]);
        assert_eq!((harness.checks, harness.machine.progress().peers), (1, 1), "{ours:?}");
    }
}

// Rows: H3
#[test]
fn offer_checks_have_a_common_rate_with_room_kept_for_members() {
    let mut harness = Harness::new(both() | Consent::PUBLISH, having([0]));
    harness.join(200, all(), having([1]));
    // A member: it has moved a chunk, and keeps its standing.
    let member = harness.machine.standings.of(id(200), Time::ZERO);
    member.gave(1);
    member.moved(1 << 16);
    // A crowd of new keys connects; each sends its own offer and one of another key, and leaves.
    let mut strangers = 0;
    for second in 0..10 {
        for n in 1..=60u8 {
            harness.join(n, all(), having([1]));
            tell_of(&mut harness, n.into(), [bytes_of(n, LATE + second), bytes_of(n + 100, LATE + second)]);
        }
        let before = harness.checks;
        harness.wait(Duration::from_secs(1));
        strangers += harness.checks - before;
        (1..=60).for_each(|n| part(&mut harness, n));
    }
    assert!(strangers <= 10 * 32, "{strangers} checks in ten seconds");
    assert!(harness.checks <= 128 + 10 * 32 + 1, "{} checks in all", harness.checks);
    // The budget of new keys is used up, and that of members is not.
    (1..=60u8).for_each(|n| harness.join(n, all(), having([1])));
    (1..=60u8).for_each(|n| tell_of(&mut harness, n.into(), [bytes_of(n + 100, LATE + 99)]));
    let before = harness.checks;
    tell_of(&mut harness, 200, [bytes_of(200, LATE)]);
    assert_eq!(harness.checks, before + 1);
    assert!(harness.peer(200).offer.is_some());
}

// Rows: H3
#[test]
fn strangers_offer_is_checked_in_turn_under_an_endless_flood() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    let flood = |harness: &mut Harness, round: u64| {
        for n in 1..=40u8 {
            harness.tell(Input::Closed { conn: Conn(n.into()), code: None });
            harness.join(n, all(), having([1]));
            tell_of(harness, n.into(), [bytes_of(n, LATE + round)]);
        }
    };
    for round in 0..8 {
        flood(&mut harness, round);
        harness.wait(RENEWAL);
    }
    harness.join(99, all(), having([1]));
    tell_of(&mut harness, 99, [bytes_of(99, LATE)]);
    harness.wait(Duration::from_secs(3));
    assert!(harness.peer(99).offer.is_some());
}

// Rows: H6
#[test]
fn offers_expired_during_sleep_are_neither_dialed_nor_passed_on() {
    let mut harness = Harness::new(both() | Consent::PUBLISH, having([0]));
    harness.join(1, all(), having([1]));
    tell_of(&mut harness, 1, [bytes_of(1, 10_000)]);
    // Peers with larger keys are dialed a second later; the computer sleeps before that.
    tell_of(&mut harness, 1, (2..60).map(|n| bytes_of(n, 10_000)));
    let before = harness.dialed().len();
    harness.tell(Input::Calendar { unix: 20_000 });
    harness.join(70, all(), having([1]));
    assert!(!harness.frames(70).iter().any(|frame| matches!(frame, Frame::Peers { .. })), "passed on");
    harness.wait(Duration::from_secs(100));
    assert!(before > 0 && harness.dialed().is_empty(), "dialed");
}
