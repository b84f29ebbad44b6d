//! Peers behind routers that are introduced by a member which both reach.

use std::time::Duration;

use minimodel_sim::{KIB, MIB, Network, Plan, Router, World, id_of, ms, secs};
use minimodel_swarm::machine::NotMet;
use minimodel_wire::Consent;

/// How an introduction between two routers went.
#[derive(Debug, PartialEq, Eq)]
enum Met {
    /// By a plain dial, without a meeting.
    Dialed,
    /// In the first meeting.
    First,
    /// In the second.
    Second,
    Never,
}

/// A member that both reach, a seeder behind the first router and a leecher behind the second, each 25 ms from the middle.
/// The leecher has the seeder's offer.
fn world(seeder: Router, leecher: Router, seed: u64) -> World {
    let mut world = World::new(2 * MIB, 64 * KIB, seed);
    let publishes = Consent::SERVE | Consent::PUBLISH;
    // The member is slow: without the seeder the leecher is not done in the time of the test.
    let member = Plan { consent: publishes, ..Plan::seeder() }.rates(KIB, MIB).delay_ms(25);
    let member = world.add(member);
    let hidden = Plan { consent: publishes, ..Plan::seeder() }.knows(&[member]).delay_ms(25);
    let hidden = world.add(hidden);
    let looks = Plan::leecher().knows(&[member, hidden]).joins_at(secs(2)).delay_ms(25);
    let looks = world.add(looks);
    world.behind(hidden, seeder);
    world.behind(looks, leecher);
    world
}

fn met(world: &mut World) -> Met {
    const HIDDEN: usize = 1;
    const LOOKS: usize = 2;
    let is_met =
        |world: &World| world.peers[LOOKS].tally.joined.iter().any(|&(peer, _)| peer == id_of(HIDDEN));
    if !world.run(secs(120), is_met) {
        return Met::Never;
    }
    match world.met(LOOKS) {
        [] => Met::Dialed,
        [one] if one.why_not.is_none() => Met::First,
        _ => Met::Second,
    }
}

#[test]
fn every_pair_of_routers_that_can_meet_does() {
    for (name, seeder) in Router::KINDS {
        for (other, leecher) in Router::KINDS {
            for seed in 0..20 {
                let met = met(&mut world(seeder, leecher, seed));
                assert_eq!(
                    met != Met::Never,
                    seeder.can_meet(leecher),
                    "{name} and {other}, {seed}: {met:?}"
                );
            }
        }
    }
}

#[test]
fn at_a_loss_of_two_percent_nearly_all_meet_at_the_first_try() {
    let (mut first, mut all, mut failed) = (0, 0, Vec::new());
    for (name, seeder) in Router::KINDS {
        for (other, leecher) in Router::KINDS {
            // An early packet is not what this is about.
            if !seeder.can_meet(leecher) || seeder.collides || leecher.collides {
                continue;
            }
            for seed in 0..20 {
                let mut world = world(seeder, leecher, seed);
                world.network = Network { packet_loss: 0.02, ..world.network };
                let met = met(&mut world);
                all += 1;
                first += u32::from(matches!(met, Met::First | Met::Dialed));
                if met == Met::Never {
                    failed.push((name, other, seed));
                }
            }
        }
    }
    assert_eq!(failed, []);
    assert!(first * 100 >= all * 97, "{first} of {all}");
}

#[test]
fn two_that_cannot_meet_are_told_so_within_five_seconds() {
    let random = Router::KINDS[4].1;
    let mut world = world(random, random, 1);
    world.must_run(secs(20), |world| !world.met(2).is_empty());
    let end = world.met(2)[0];
    assert_eq!((end.peer, end.why_not), (id_of(1), Some(NotMet::NothingCame)));
    let after = end.at.since_start() - secs(2);
    assert!(after < secs(5), "{after:?} after it joined");
}

#[test]
fn the_asker_is_connected_two_round_trips_after_its_question() {
    let port = Router::KINDS[3].1;
    let mut world = world(port, port, 1);
    assert_eq!(met(&mut world), Met::First);
    let connected = world.met(2)[0].at.since(world.peers[2].tally.dials[1].1);
    // Half a second in which the dial was silent, the question and its answer, and a handshake.
    let round_trip = ms(100);
    assert!(connected <= ms(500) + 3 * round_trip + ms(50), "{connected:?}");
    let _: Duration = connected;
}
