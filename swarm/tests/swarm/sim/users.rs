//! What users may tell their own programs, at any time and in any order: no honest peer draws blame by it.

use std::collections::BTreeSet;

use minimodel_sim::{KIB, MIB, Plan, World, address_of, id_of, ms, offer_of, renewed_offer_of, secs};
use minimodel_skipped::walk;
use minimodel_swarm::machine::{Controls, EarlierPeer, FoundPeer, Input, Way};
use minimodel_wire::{CloseCode, Consent, PeerId};

/// Worlds in a soak, and in any other run.
const WORLDS: (u64, u64) = (1_000, 60);

/// One word of a user to the program of peer `me`, about any peer: `me` too, and peers that do not exist.
fn word(rng: &mut fastrand::Rng, me: usize, peers: usize, swarm_id: [u8; 32]) -> Input {
    let other = rng.usize(..=peers);
    let offer = if rng.bool() { offer_of(other, swarm_id) } else { renewed_offer_of(other, swarm_id, 500) };
    let some = |rng: &mut fastrand::Rng| -> Option<BTreeSet<PeerId>> {
        rng.bool().then(|| (0..peers).filter(|_| rng.u8(..4) > 0).map(id_of).collect())
    };
    match rng.u8(..12) {
        0..=3 => Input::Source(offer),
        4 | 5 => Input::Listed(offer),
        6 => Input::Earlier(EarlierPeer { offer, was_named: rng.bool() }),
        7 => Input::Found(FoundPeer { offer, at: rng.bool().then(|| address_of(other)), way: Way::Lan }),
        8 => Input::OwnOffer(renewed_offer_of(me, swarm_id, rng.u64(1..9_000))),
        9 | 10 => Input::Controls(Controls {
            allow: some(rng),
            sources: some(rng),
            expected: vec![offer],
            expected_named: rng.u64(..3),
            ..Controls::default()
        }),
        _ if rng.u8(..8) == 0 => Input::Stop(CloseCode::ShuttingDown),
        _ => Input::Controls(Controls::default()),
    }
}

// Rows: A9, H14
#[test]
fn nothing_that_users_say_makes_honest_peers_blame_each_other() {
    let (mut met, mut given) = (0, 0);
    for seed in 0..walk(WORLDS.0, WORLDS.1) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::new(2 * MIB, 64 * KIB, seed);
        let publishes = Consent::SERVE | Consent::PUBLISH;
        let member = world.add(Plan { consent: publishes, ..Plan::seeder() }.rates(64 * KIB, MIB));
        let others = [
            Plan { consent: publishes, ..Plan::seeder() }.knows(&[member]),
            Plan::leecher().knows(&[member]),
            Plan::leecher().knows(&[member, 1]),
            Plan::taker().knows(&[member]),
            Plan { listening: false, ..Plan::leecher() }.knows(&[member]).joins_at(secs(3)),
        ];
        others.into_iter().for_each(|plan| _ = world.add(plan));
        let (peers, swarm_id) = (world.peers.len(), world.terms.swarm_id);
        for _ in 0..60 {
            let me = rng.usize(..peers);
            let input = word(&mut rng, me, peers, swarm_id);
            world.tell_at(ms(rng.u64(..60_000)), me, input);
        }
        // The world itself fails where an honest peer is blamed for more than a bad path.
        world.run(secs(150), |_| false);
        for (no, peer) in world.peers.iter().enumerate() {
            assert_eq!((peer.tally.banned.len(), peer.tally.struck.len()), (0, 0), "seed {seed}, peer {no}");
            met += world.met(no).len();
            given += peer.tally.chunks_from.len();
        }
    }
    assert!(met > 0 && given > 0, "nothing happened: {met} meetings, {given} givers");
}
