//! Misbehaviour of third parties: it changes neither what honest peers send each other nor which peers they blame.

use minimodel_sim::{Behaviour, KIB, MIB, PeerNo, Plan, Scripted, World, id_of, secs};
use minimodel_wire::{CloseCode, Consent};

/// A seeder that publishes, so many hostile peers of each kind, and two leechers that come last.
fn crowd(behaviours: &[(Behaviour, usize)], seed: u64) -> (World, PeerNo, [PeerNo; 2]) {
    let mut world = World::new(3 * MIB, 64 * KIB, seed);
    world.settings.check_every = 512;
    let consent = Consent::SERVE | Consent::PUBLISH;
    let seeder = world.add(Plan { consent, ..Plan::seeder().rates(MIB, MIB) });
    for &(behaviour, count) in behaviours {
        for _ in 0..count {
            let mut plan = Plan { behaviour, ..Plan::leecher().knows(&[seeder]) };
            // Hostile peers dial the seeder, and not each other.
            plan.limits.enough_peers = 1;
            world.add(plan);
        }
    }
    let leechers = [(); 2].map(|()| world.add(Plan::leecher().knows(&[seeder]).joins_at(secs(1))));
    (world, seeder, leechers)
}

/// Both leechers finish, and no honest peer blames, strikes or leaves another. That no honest peer sends more frames
/// than it may is checked in every world.
fn all_is_well(mut world: World, seeder: PeerNo, leechers: [PeerNo; 2], limit: u64) {
    world.must_run(secs(limit), |world| leechers.iter().all(|&no| world.is_complete(no)));
    let honest = [seeder, leechers[0], leechers[1]];
    for no in honest {
        let tally = &world.peers[no].tally;
        let is_honest = |id: &minimodel_wire::PeerId| honest.iter().any(|&no| id_of(no) == *id);
        assert_eq!(tally.banned, [], "{no}: nothing of this is proof of a lie");
        assert!(!tally.struck.iter().any(|(id, ..)| is_honest(id)), "{no}: {:?}", tally.struck);
        let is_done = |code: &Option<CloseCode>| *code == Some(CloseCode::Done);
        assert!(
            tally.left.iter().all(|(id, code, _)| is_done(code) || !is_honest(id)),
            "{no}: {:?}",
            tally.left
        );
    }
}

// Rows: H1
#[test]
fn toggled_interest_does_not_choke_other_peers_by_the_frame() {
    let (world, seeder, leechers) = crowd(&[(Behaviour::Toggler, 17)], 1);
    all_is_well(world, seeder, leechers, 120);
}

// Rows: H1
#[test]
fn renewed_offers_are_passed_on_together() {
    let (world, seeder, leechers) = crowd(&[(Behaviour::Renewer, 20)], 1);
    all_is_well(world, seeder, leechers, 120);
}

// Rows: H1
#[test]
fn peers_that_come_and_go_toggle_and_renew_harm_nobody() {
    let mix = [(Behaviour::Comer, 12), (Behaviour::Toggler, 9), (Behaviour::Renewer, 9)];
    let (world, seeder, leechers) = crowd(&mix, 1);
    all_is_well(world, seeder, leechers, 240);
}

// Rows: H1
#[test]
fn chunks_lost_one_by_one_do_not_make_their_holder_flood() {
    let mut world = World::new(16 * MIB, 4 * KIB, 4);
    world.settings.check_every = 4_096;
    let rotten = world.add(Plan::seeder().rates(MIB, MIB));
    let good = world.add(Plan::seeder().rates(2 * MIB, 2 * MIB));
    let leecher = world.add(Plan::taker().knows(&[rotten, good]));
    for index in 0..4_000 {
        world.script(secs(2), Scripted::Lose(rotten, index));
    }
    all_is_well(world, good, [leecher; 2], 240);
}
