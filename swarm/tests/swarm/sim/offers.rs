//! Offers passed on in Peers frames: what they cost the receiver, and what happens when they expire.

use bytes::Bytes;
use minimodel_sim::{Behaviour, KIB, MIB, PeerNo, Plan, Scripted, World, id_of, ms, renewed_offer_of, secs};
use minimodel_wire::Frame;

const DAY: i64 = 24 * 3_600;

fn has_dialed(world: &World, from: PeerNo, to: PeerNo) -> bool {
    world.peers[from].tally.dials.iter().any(|&(peer, _)| peer == id_of(to))
}

// Rows: H6
#[test]
fn offers_expired_during_sleep_are_neither_passed_on_nor_dialed() {
    for is_asleep in [false, true] {
        let mut world = World::new(16 * MIB, 64 * KIB, 61);
        let seeder = world.add(Plan::seeder().rates(MIB, MIB));
        let first = world.add(Plan::leecher().knows(&[seeder]));
        let second = world.add(Plan::leecher().knows(&[seeder]).joins_at(secs(4)));
        if is_asleep {
            // No time passes on the seeder's own clock; its calendar advances by twenty days.
            world.script(secs(3), Scripted::SetClock(seeder, 20 * DAY));
        }
        world.must_run(secs(120), |world| world.is_complete(first) && world.is_complete(second));
        let met = has_dialed(&world, first, second) || has_dialed(&world, second, first);
        assert_eq!(met, !is_asleep);
    }
    // Here the dialing peer sleeps: it gets the other peer's offer before, and the offer has expired when it wakes.
    for is_asleep in [false, true] {
        let mut world = World::new(16 * MIB, 64 * KIB, 62);
        let seeder = world.add(Plan::seeder().rates(MIB, MIB));
        let mut plan = Plan::leecher().knows(&[seeder]);
        plan.limits.enough_peers = if is_asleep { 1 } else { 32 };
        let [one, two] = [world.add(plan.clone()), world.add(plan)];
        if is_asleep {
            for who in [one, two] {
                world.script(secs(3), Scripted::SetClock(who, 20 * DAY));
                // From here on the peer looks for other sources.
                world.script(secs(4), Scripted::Cut(who));
            }
        }
        world.must_run(secs(120), |world| world.is_complete(one) && world.is_complete(two));
        let met = has_dialed(&world, one, two) || has_dialed(&world, two, one);
        assert_eq!(met, !is_asleep);
    }
}

// Rows: H3
#[test]
fn sixteen_reconnecting_keys_cost_one_offer_check_each() {
    const KEYS: usize = 16;
    let mut world = World::new(32 * MIB, 64 * KIB, 63);
    let seeder = world.add(Plan::seeder().rates(MIB, MIB));
    let idle = Plan { behaviour: Behaviour::FreeRider, ..Plan::leecher() };
    let crowd: Vec<PeerNo> = (0..KEYS).map(|_| world.add(idle.clone().knows(&[seeder]))).collect();
    let mut told = 0;
    for second in 0..20 {
        world.run(secs(second) + ms(900), |_| false);
        for &no in &crowd {
            for n in 0..8 {
                // Each is valid, and no two are equal.
                let offer = renewed_offer_of(no, world.terms.swarm_id, 8 * second + n);
                told += world.send_past(no, &Frame::Peers { offers: vec![Bytes::from(offer.to_bytes())] });
            }
        }
        world.run(secs(second) + ms(950), |_| false);
        for &no in &crowd {
            world.scripted(Scripted::Cut(no));
        }
    }
    let checks = world.peers[seeder].tally.offer_checks.len();
    assert!(told > 20 * KEYS, "{told} offers: nobody came");
    // One check for each key; a renewal within a minute waits.
    assert_eq!(checks, KEYS, "of {told} offers");
    assert_eq!(world.peers[seeder].tally.banned, [], "nobody did what no honest program does");
}
