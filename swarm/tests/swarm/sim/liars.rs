//! Liars with a role in the swarm: members that introduce others, the user's first source, and the only peers that
//! know the honest seeder.

use minimodel_sim::{Behaviour, KIB, MBIT, MIB, PeerNo, Plan, World, id_of, ideal, secs};
use minimodel_skipped::walk;
use minimodel_wire::Consent;

const BYTES: u64 = 16 * MIB;
const CHUNKS: u32 = 256;

/// A liar that takes part: it has the first half, wants the rest, and passes on the offers of its peers.
fn member(knows: &[PeerNo]) -> Plan {
    Plan { behaviour: Behaviour::Liar, ..Plan::leecher().has(0..CHUNKS / 2).knows(knows) }
}

fn publishing_seeder(rate: u64) -> Plan {
    Plan { consent: Consent::SERVE | Consent::PUBLISH, ..Plan::seeder().rates(rate, rate) }
}

/// Runs until the leecher has every chunk, all from the honest seeder, and neither of the two blamed the other.
fn must_find(world: &mut World, (leecher, honest): (PeerNo, PeerNo), limit: u64) {
    world.must_run(secs(limit), |world| world.is_complete(leecher));
    let tally = &world.peers[leecher].tally;
    assert_eq!(tally.chunks_from.get(&id_of(honest)), Some(&CHUNKS), "{:?}", tally.chunks_from);
    for (no, other) in [(leecher, honest), (honest, leecher)] {
        let tally = &world.peers[no].tally;
        let blamed = tally.banned.iter().chain(&tally.struck);
        assert_eq!(blamed.filter(|(id, ..)| *id == id_of(other)).count(), 0, "{no} blames {other}");
    }
    let wasted = tally.wasted_bytes / (64 * KIB);
    assert!(
        wasted <= tally.banned.len() as u64 * 4,
        "{wasted} chunks wasted on {} liars",
        tally.banned.len()
    );
}

// Rows: B19
#[test]
fn an_honest_seeder_that_only_liars_know_is_found_through_them() {
    for seed in 0..2 {
        let mut world = World::new(BYTES, 64 * KIB, seed);
        world.settings.check_every = 64;
        let honest = world.add(publishing_seeder(50 * MBIT));
        // These nine are connected to the honest seeder; the other ninety are not.
        let bridges: Vec<_> = (0..9).map(|_| world.add(member(&[honest]))).collect();
        let liars: Vec<_> = (0..90).map(|_| world.add(Plan::hostile(Behaviour::Liar))).collect();
        let known: Vec<_> = liars.iter().chain(&bridges).copied().collect();
        let leecher = world.add(Plan::leecher().knows(&known).joins_at(secs(1)));
        must_find(&mut world, (leecher, honest), 120);
        eprintln!(
            "found behind 99 liars: {:.1} s, ideal {:.1}",
            world.seconds(leecher),
            ideal(BYTES, 6_250_000)
        );
        assert!(world.seconds(leecher) < 30.0, "{}", world.seconds(leecher));
    }
}

/// More liars than the honest seeder has places: a leecher that found the seeder loses its place and comes back.
// Rows: B19
#[test]
fn liar_as_only_source_still_leads_to_the_one_honest_seeder() {
    let mut world = World::new(BYTES, 64 * KIB, 0);
    world.settings.check_every = 64;
    let honest = world.add(publishing_seeder(16 * MBIT));
    let most = |plan: Plan| plan.has(0..CHUNKS * 7 / 8);
    let first = world.add(most(member(&[honest])));
    for _ in 0..walk(98, 48) {
        world.add(most(member(&[first])));
    }
    let leecher = world.add(Plan::leecher().knows(&[first]).joins_at(secs(2)));
    must_find(&mut world, (leecher, honest), 600);
    let left = world.peers[leecher].tally.left.iter().filter(|(id, ..)| *id == id_of(honest)).count();
    eprintln!("behind a liar and its friends: {:.1} s, sent away {left} times", world.seconds(leecher));
}

// Rows: B19
#[test]
fn liar_as_first_source_is_banned_and_a_later_peer_brings_file() {
    let mut world = World::new(BYTES, 64 * KIB, 5);
    let liar = world.add(Plan::hostile(Behaviour::Liar));
    let honest = world.add(Plan::leecher().has(0..CHUNKS).joins_at(secs(40)));
    let leecher = world.add(Plan::leecher().knows(&[liar, honest]));
    world.must_run(secs(20), |world| !world.peers[leecher].tally.banned.is_empty());
    assert_eq!(world.peers[leecher].machine.have().ones(), 0);
    must_find(&mut world, (leecher, honest), 120);
}
