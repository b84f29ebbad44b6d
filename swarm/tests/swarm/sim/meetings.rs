//! Peers behind routers that are introduced by a member which both reach.

use std::time::Duration;

use minimodel_sim::{
    Filter, KIB, MIB, Mapping, Network, Plan, Router, UNIX_AT_START, World, id_of, key, ms, offer_of, secs,
};
use minimodel_swarm::machine::{FoundPeer, Input, NotMet, Way};
use minimodel_wire::{Consent, Offer, SignedOffer};

const HIDDEN: usize = 1;
const LOOKS: usize = 2;
/// The address outside of a router in front of both.
const OUTSIDE: [u8; 4] = [203, 0, 113, 7];

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

/// A member that both reach, a seeder and a leecher, each 25 ms from the middle.
fn three(seed: u64) -> World {
    let mut world = World::new(2 * MIB, 64 * KIB, seed);
    let publishes = Consent::SERVE | Consent::PUBLISH;
    // The member is slow: without the seeder the leecher is not done in the time of the test.
    let member = Plan { consent: publishes, ..Plan::seeder() }.rates(KIB, MIB).delay_ms(25);
    let member = world.add(member);
    let hidden = Plan { consent: publishes, ..Plan::seeder() }.knows(&[member]).delay_ms(25);
    world.add(hidden);
    world.add(Plan::leecher().knows(&[member]).joins_at(secs(2)).delay_ms(25));
    world
}

/// The seeder behind the first routers, the leecher behind the second. The leecher has the seeder's offer.
fn world(seeder: &[Router], leecher: &[Router], seed: u64) -> World {
    let mut world = three(seed);
    world.peers[LOOKS].plan.knows.push(HIDDEN);
    world.behind(HIDDEN, seeder);
    world.behind(LOOKS, leecher);
    world
}

/// Both in one network behind one router that does not turn packets round.
fn at_home(router: Router, seed: u64) -> World {
    let mut world = three(seed);
    let home = world.router(router, OUTSIDE.into(), None);
    world.inside(HIDDEN, home);
    world.inside(LOOKS, home);
    world
}

/// Both customers of one carrier, each behind a router at home.
fn customers(carrier: Router, seed: u64) -> World {
    let mut world = three(seed);
    let carrier = world.router(carrier, OUTSIDE.into(), None);
    for no in [HIDDEN, LOOKS] {
        let home = Router::of(Mapping::Same, Filter::Port);
        let home = world.router(home, [100, 64, 0, no as u8].into(), Some(carrier));
        world.inside(no, home);
    }
    world
}

/// The leecher is handed an offer of the seeder that names the router's address alone.
fn has_the_outer_address(world: &mut World) {
    let offer = Offer {
        peer: id_of(HIDDEN),
        swarm_id: world.terms.swarm_id,
        addresses: vec![(OUTSIDE, 4433).into()],
        expires_unix: UNIX_AT_START + 500_000,
    };
    let offer = SignedOffer::sign(offer, &key(HIDDEN)).unwrap();
    world.tell_at(secs(2) + ms(1), LOOKS, Input::Source(offer));
}

fn met(world: &mut World) -> Met {
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
                    Router::can_meet(seeder, leecher),
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
            if !Router::can_meet(seeder, leecher) || [seeder, leecher].concat().iter().any(|it| it.collides) {
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

/// Fails if the leecher does not hear within five seconds that it could not meet the hidden seeder.
fn is_told_in_time(world: &mut World, what: &str) {
    if !world.run(secs(20), |world| !world.met(LOOKS).is_empty()) {
        world.fail(&format!("{what}: nothing is told"));
    }
    let end = world.met(LOOKS)[0];
    let is_nothing = matches!(end.why_not, Some(NotMet::NothingCame(_)));
    assert!(end.peer == id_of(HIDDEN) && is_nothing, "{what}: {end:?}");
    let after = end.at.since_start() - secs(2);
    assert!(after < secs(5), "{what}: {after:?} after it joined");
}

#[test]
fn each_pair_that_cannot_meet_is_told_so_within_five_seconds() {
    for (name, seeder) in Router::KINDS {
        for (other, leecher) in Router::KINDS {
            for seed in (0..20).filter(|_| !Router::can_meet(seeder, leecher)) {
                is_told_in_time(&mut world(seeder, leecher, seed), &format!("{name} and {other}, {seed}"));
            }
        }
    }
}

#[test]
fn the_asker_is_connected_two_round_trips_after_its_question() {
    let port = Router::named("same, port").unwrap();
    let mut world = world(port, port, 1);
    assert_eq!(met(&mut world), Met::First);
    let connected = world.met(LOOKS)[0].at.since(world.peers[LOOKS].tally.dials[1].1);
    // Half a second in which the dial was silent, the question and its answer, and a handshake.
    let round_trip = ms(100);
    assert!(connected <= ms(500) + 3 * round_trip + ms(50), "{connected:?}");
}

#[test]
fn two_at_home_who_know_the_address_there_need_no_introduction() {
    for (name, routers) in Router::KINDS.into_iter().filter(|(_, routers)| routers.len() == 1) {
        for seed in 0..20 {
            let mut world = at_home(routers[0], seed);
            world.peers[LOOKS].plan.knows.push(HIDDEN);
            assert_eq!(met(&mut world), Met::Dialed, "{name}, {seed}");
        }
    }
}

#[test]
fn two_at_home_who_know_the_outer_address_are_told_in_time() {
    for (name, routers) in Router::KINDS.into_iter().filter(|(_, routers)| routers.len() == 1) {
        for seed in 0..20 {
            let mut world = at_home(routers[0], seed);
            has_the_outer_address(&mut world);
            is_told_in_time(&mut world, &format!("{name}, {seed}"));
            assert_eq!(met(&mut world), Met::Never, "{name}, {seed}");
        }
    }
}

/// When two at home are connected, if the leecher, which knows the outer address, finds the seeder there at a time.
fn connected_after_found(at: Duration, seed: u64) -> Duration {
    let mut world = at_home(Router::named("same, port").unwrap()[0], seed);
    has_the_outer_address(&mut world);
    let offer = offer_of(HIDDEN, world.terms.swarm_id);
    let address = offer.offer().addresses.first().copied();
    world.tell_at(at, LOOKS, Input::Found(FoundPeer { offer, at: address, way: Way::Lan }));
    let joined = |world: &World| {
        let joined = world.peers[LOOKS].tally.joined.iter().find(|&&(peer, _)| peer == id_of(HIDDEN));
        joined.map(|&(_, at)| at.since_start())
    };
    world.must_run(secs(200), |world| joined(world).is_some());
    joined(&world).unwrap()
}

#[test]
fn two_at_home_who_cannot_meet_connect_once_found_there() {
    for seed in 0..20 {
        // While the dial to the outer address is silent, and after both sides were told that they cannot meet.
        for at in [secs(3), secs(20)] {
            let connected = connected_after_found(at, seed);
            // A dial that is under way ends first.
            assert!(connected < at + secs(5), "{seed}, found at {at:?}: {connected:?}");
        }
    }
}

#[test]
fn customers_of_one_carrier_meet_only_if_it_turns_packets_round() {
    for mapping in [Mapping::Same, Mapping::Random, Mapping::Sequential] {
        for filter in [Filter::Any, Filter::Address, Filter::Port] {
            for hairpins in [false, true] {
                let carrier = Router { hairpins, ..Router::of(mapping, filter) };
                let both = [Router::of(Mapping::Same, Filter::Port), carrier];
                for seed in 0..20 {
                    let mut world = customers(carrier, seed);
                    world.peers[LOOKS].plan.knows.push(HIDDEN);
                    let what = format!("{carrier:?}, {seed}");
                    if hairpins && Router::can_meet(&both, &both) {
                        assert_eq!(met(&mut world), Met::First, "{what}");
                    } else {
                        is_told_in_time(&mut world, &what);
                    }
                }
            }
        }
    }
}
