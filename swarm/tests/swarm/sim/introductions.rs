//! Mismatched Hellos, allow lists, wrong keys, simultaneous dials.

use std::collections::BTreeSet;

use minimodel_sim::{Behaviour, KIB, MIB, Other, Plan, Scripted, World, id_of, secs};
use minimodel_wire::{CloseCode, Consent};

#[test]
fn each_hello_mismatch_is_refused_with_its_code_on_both_sides() {
    let cases = [
        (Other::License, CloseCode::LicenseMismatch),
        (Other::Evidence, CloseCode::EvidenceMismatch),
        (Other::Swarm, CloseCode::WrongSwarm),
        (Other::Artifact, CloseCode::WrongSwarm),
        (Other::Layout, CloseCode::ChunkLayoutMismatch),
    ];
    for (other, code) in cases {
        let mut world = World::new(2 * MIB, 64 * KIB, 21);
        let seeder = world.add(Plan { other, ..Plan::seeder() });
        let leecher = world.add(Plan::taker().knows(&[seeder]));
        world.must_run(secs(10), |world| world.peers[leecher].tally.exhausted_at.is_some());
        assert_eq!(world.peers[leecher].tally.refused.len(), 1, "{other:?}");
        assert_eq!(world.peers[leecher].tally.refused[0].1, code);
        world.run(secs(12), |_| false);
        assert!(world.peers[seeder].tally.refused.iter().all(|refused| refused.1 == code), "{other:?}");
        assert_eq!(world.peers[leecher].tally.dials.len(), 1, "{other:?}: dialed once, never again");
        assert_eq!((world.peers[leecher].tally.banned.len(), world.peers[seeder].tally.banned.len()), (0, 0));
    }
}

// Rows: A4
#[test]
fn another_version_is_refused_without_blame() {
    let mut world = World::new(2 * MIB, 64 * KIB, 22);
    let seeder = world.add(Plan::hostile(Behaviour::OtherVersion));
    let leecher = world.add(Plan::taker().knows(&[seeder]));
    world.must_run(secs(10), |world| world.peers[leecher].tally.exhausted_at.is_some());
    assert_eq!(world.peers[leecher].tally.refused, [(id_of(seeder), CloseCode::UnsupportedVersion, false)]);
    assert_eq!(world.peers[leecher].tally.banned, []);
}

#[test]
fn peers_without_a_usable_consent_disconnect_at_once() {
    for consent in [Consent::NONE, Consent::FETCH, Consent::PUBLISH] {
        let mut world = World::new(2 * MIB, 64 * KIB, 23);
        let other = world.add(Plan { consent, ..Plan::seeder() });
        let leecher = world.add(Plan::taker().knows(&[other]));
        world.must_run(secs(10), |world| world.peers[leecher].tally.exhausted_at.is_some());
        assert_eq!(world.peers[leecher].tally.refused[0].1, CloseCode::NoConsent, "{consent:?}");
    }
}

#[test]
fn peer_off_the_allow_list_is_refused_and_does_not_return() {
    let mut world = World::new(2 * MIB, 64 * KIB, 24);
    let allow = Some(BTreeSet::from([id_of(1)]));
    let seeder = world.add(Plan { allow, ..Plan::seeder() });
    let friend = world.add(Plan::taker().knows(&[seeder]));
    let stranger = world.add(Plan::taker().knows(&[seeder]));
    world.must_run(secs(10), |world| world.peers[stranger].tally.exhausted_at.is_some());
    world.must_run(secs(10), |world| world.is_complete(friend));
    assert_eq!(world.peers[stranger].tally.refused, [(id_of(seeder), CloseCode::NotAllowed, true)]);
    assert_eq!(world.peers[stranger].tally.dials.len(), 1);
    assert_eq!(world.peers[stranger].tally.received_bytes, 0);
}

#[test]
fn two_that_dial_each_other_at_once_keep_one_connection() {
    for delay in [1, 20, 80] {
        let mut world = World::new(8 * MIB, 64 * KIB, delay);
        let half = |odd: u32| (0..128).filter(move |index| index % 2 == odd);
        let one = world.add(Plan::leecher().delay_ms(delay).has(half(0)).knows(&[1]));
        let two = world.add(Plan::leecher().delay_ms(delay).has(half(1)).knows(&[0]));
        world.must_run(secs(20), |world| world.is_complete(one) && world.is_complete(two));
        for no in [one, two] {
            assert_eq!(world.peers[no].tally.dials.len(), 1, "dialed once, no backoff");
            assert_eq!((world.peers[no].tally.struck.len(), world.peers[no].tally.banned.len()), (0, 0));
        }
        assert!(world.seconds(one) < 3.0, "{}", world.seconds(one));
    }
}

// Rows: C1
#[test]
fn another_key_at_the_address_is_named_and_not_used() {
    let mut world = World::new(2 * MIB, 64 * KIB, 25);
    let seeder = world.add(Plan::seeder());
    let leecher = world.add(Plan::taker().knows(&[seeder]));
    // The peer at the address of peer 0 has the key of peer 3.
    world.peers[seeder].id = id_of(3);
    world.must_run(secs(10), |world| world.peers[leecher].tally.exhausted_at.is_some());
    assert_eq!(world.peers[leecher].tally.wrong_keys, [(id_of(0), id_of(3))]);
}

#[test]
fn a_full_seeder_says_busy_and_lets_the_rest_in_later() {
    let mut world = World::new(2 * MIB, 64 * KIB, 26);
    let mut plan = Plan::seeder().rates(2 * MIB, 2 * MIB);
    plan.limits.max_connections = 2;
    let seeder = world.add(plan);
    let takers: Vec<_> = (0..6)
        .map(|_| world.add(Plan { lingers: Some(secs(0)), ..Plan::taker().knows(&[seeder]) }))
        .collect();
    world.must_run(secs(120), |world| takers.iter().all(|&taker| world.is_complete(taker)));
    for &taker in &takers {
        assert!(world.peers[taker].tally.dials.len() < 12, "{:?}", world.peers[taker].tally.dials);
    }
}

#[test]
fn a_connection_that_breaks_again_and_again_is_made_again() {
    let mut world = World::new(16 * MIB, 64 * KIB, 27);
    let seeder = world.add(Plan::seeder().rates(2 * MIB, 2 * MIB));
    let leecher = world.add(Plan::leecher().knows(&[seeder]));
    for second in 1..10 {
        world.script(secs(second), Scripted::Cut(seeder));
    }
    world.must_run(secs(60), |world| world.is_complete(leecher));
    assert!(world.seconds(leecher) < 20.0, "{}", world.seconds(leecher));
    assert_eq!((world.peers[leecher].tally.struck.len(), world.peers[leecher].tally.banned.len()), (0, 0));
}
