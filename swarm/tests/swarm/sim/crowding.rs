//! What the keys of one host do keeps nobody else from being found: not their dead offers, not what they passed on first, not the
//! little that they give, and not the introductions that they ask for.

use std::net::SocketAddr;

use bytes::Bytes;
use minimodel_sim::{
    Behaviour, Have, KIB, MIB, PeerNo, Plan, Router, Scripted, UNIX_AT_START, World, id_of, key, ms, secs,
};
use minimodel_swarm::machine::Input;
use minimodel_wire::{Consent, Frame, Offer, SignedOffer};

/// The one to be found, its address, and a host that gets in the way.
const SEEDER: PeerNo = 2;
const SEEDER_AT: [u8; 4] = [10, 8, 8, 7];
const ATTACKER: [u8; 4] = [10, 9, 9, 9];

fn publishes() -> Plan {
    Plan { consent: Consent::SERVE | Consent::PUBLISH, ..Plan::seeder() }
}

fn offer(world: &World, no: PeerNo, addresses: &[([u8; 4], u16)]) -> SignedOffer {
    let offer = Offer {
        peer: id_of(no),
        swarm_id: world.terms.swarm_id,
        addresses: addresses.iter().map(|&at| SocketAddr::from(at)).collect(),
        expires_unix: UNIX_AT_START + 500_000,
    };
    SignedOffer::sign(offer, &key(no)).unwrap()
}

fn own_offer(world: &World) -> SignedOffer {
    offer(world, SEEDER, &[(SEEDER_AT, 10_002)])
}

fn tell(world: &mut World, from: PeerNo, offers: &[SignedOffer]) {
    let offers = offers.iter().map(|offer| Bytes::from(offer.to_bytes())).collect();
    assert!(world.send_past(from, &Frame::Peers { offers }) > 0, "nobody hears it");
}

/// Tells offers of these keys, each for two networks where nobody is, five each half second from this second on.
fn tell_dead(world: &mut World, from: PeerNo, second: u64, keys: impl Iterator<Item = PeerNo>) {
    let dead = |no: PeerNo| {
        let [.., b, c] = no.to_be_bytes();
        offer(world, no, &[([10, 100 + b, c, 1], 9), ([10, 200 + b, c, 1], 9)])
    };
    let dead: Vec<_> = keys.map(dead).collect();
    for (turn, some) in (0..).zip(dead.chunks(5)) {
        world.run(secs(second) + ms(500 * turn + 500), |_| false);
        tell(world, from, some);
    }
}

/// A peer that takes and gives nothing.
fn idler(host: [u8; 4], knows: &[PeerNo]) -> Plan {
    let mut plan = Plan { behaviour: Behaviour::Idler, ..Plan::leecher().knows(knows).at_host(host) };
    plan.limits.enough_peers = 1;
    plan
}

/// A slow member 0, a fetcher 1 that knows it, the seeder, which joins it at this second, and an attacker's key 3, which knows the
/// fetcher.
fn world(rate: u64, joins: u64) -> World {
    let mut world = World::new(16 * MIB, 64 * KIB, 5);
    world.add(publishes().rates(rate, MIB));
    world.add(Plan::leecher().knows(&[0]));
    world.add(publishes().knows(&[0]).at_host(SEEDER_AT).joins_at(secs(joins)));
    let own = own_offer(&world);
    world.tell_at(secs(joins) + ms(1), SEEDER, Input::OwnOffer(own));
    world.add(idler(ATTACKER, &[1]));
    world
}

/// When the peer had a connection with this one first, in seconds.
fn joined(world: &mut World, no: PeerNo, other: PeerNo, until: u64) -> Option<f64> {
    let at = |world: &World| {
        let joined = &world.peers[no].tally.joined;
        joined.iter().find(|(peer, _)| *peer == id_of(other)).map(|(_, at)| at.since_start().as_secs_f64())
    };
    world.run(secs(until), |world| at(world).is_some());
    at(world)
}

fn soon_after(second: u64, joined: Option<f64>) {
    let second = second as f64;
    assert!(joined.is_some_and(|at| (second..second + 5.0).contains(&at)), "{joined:?}, not {second}");
}

// Rows: B19, H4
#[test]
fn dead_offers_in_its_network_do_not_hide_a_seeder() {
    let mut world = world(KIB, 60);
    world.run(secs(2), |_| false);
    let dead: Vec<_> = (0..6)
        .map(|n| offer(&world, 5_000 + n, &[([10, 8, 8, 200], 9 + n as u16), ([10, 8, 8, 201], 9)]))
        .collect();
    tell(&mut world, 3, &dead);
    soon_after(60, joined(&mut world, 1, SEEDER, 3_000));
}

// Rows: B19, H4
#[test]
fn who_brought_an_offer_first_does_not_decide_for_ever() {
    let mut world = world(KIB, 400);
    world.run(secs(2), |_| false);
    tell_dead(&mut world, 3, 2, (5_000..9_000).filter(|&no| id_of(no) < id_of(SEEDER)).take(75));
    // While the seeder is away: its offer is public.
    world.run(secs(12), |_| false);
    let own = own_offer(&world);
    tell(&mut world, 3, &[own]);
    soon_after(400, joined(&mut world, 1, SEEDER, 3_500));
}

// Rows: B19
#[test]
fn slow_givers_of_one_host_do_not_end_the_search() {
    let mut world = world(4 * KIB, 240);
    for _ in 0..36 {
        let plan = Plan { have: Have::All, ..idler(ATTACKER, &[1]) };
        world.add(Plan { behaviour: Behaviour::Honest, ..plan }.rates(KIB, MIB));
    }
    soon_after(240, joined(&mut world, 1, SEEDER, 1_200));
}

// Rows: B19, H4, H14
#[test]
fn dead_offers_of_a_member_s_guests_do_not_hide_a_seeder() {
    let mut world = world(KIB, 1_500);
    for n in 0..40 {
        let no = world.add(idler(ATTACKER, &[0]).joins_at(secs(1)));
        let near = offer(&world, no, &[([10, 8, 8, 100 + n], 9)]);
        world.tell_at(secs(1) + ms(1), no, Input::OwnOffer(near));
    }
    world.behind(1, Router::named("same, port").unwrap());
    soon_after(1_500, joined(&mut world, 1, SEEDER, 3_500));
}

// Rows: H14
#[test]
fn keys_that_moved_chunks_leave_introductions_to_newcomers() {
    let mut world = World::new(16 * MIB, 64 * KIB, 6);
    world.add(publishes().rates(2 * MIB, MIB));
    world.add(Plan::leecher().knows(&[0]));
    world.add(publishes().knows(&[0]).joins_at(secs(1)).rates(KIB, MIB));
    for n in 0..16 {
        let host = if n % 2 == 0 { ATTACKER } else { SEEDER_AT };
        let plan = Plan { behaviour: Behaviour::FreeRider, listening: false, ..idler(host, &[0]) };
        world.add(plan);
    }
    let newcomer = world.add(Plan::leecher().knows(&[0, SEEDER]).joins_at(secs(60)));
    world.behind(SEEDER, Router::named("same, port").unwrap());
    world.behind(newcomer, Router::named("same, port").unwrap());
    world.script(secs(45), Scripted::Rate(0, KIB));
    let mut met = None;
    for second in (50..100).step_by(5) {
        met = met.or(joined(&mut world, newcomer, SEEDER, second));
        for no in (3..19).filter(|_| met.is_none()) {
            world.send_past(no, &Frame::Introduce { peer: id_of(SEEDER) });
        }
    }
    soon_after(60, met);
}

/// A guest of the member 0 that is at `at` by its offer.
fn guest(world: &mut World, at: u64, addresses: impl Fn(PeerNo) -> Vec<([u8; 4], u16)>) {
    let mut plan = idler(ATTACKER, &[0]).joins_at(secs(at));
    // It learns of no peer, and so names none.
    plan.limits.max_known = 0;
    let no = world.add(plan);
    let own = offer(world, no, &addresses(no));
    world.tell_at(secs(at) + ms(1), no, Input::OwnOffer(own));
}

// Rows: B19, H4, H14
#[test]
fn dead_offers_and_guests_together_do_not_hide_a_seeder() {
    let mut world = world(KIB, 400);
    world.behind(1, Router::named("same, port").unwrap());
    // The fetcher dials it.
    let bringer = world.add(idler(ATTACKER, &[0]));
    let own = offer(&world, bringer, &[(ATTACKER, 10_000 + bringer as u16)]);
    world.tell_at(ms(1), bringer, Input::OwnOffer(own));
    for n in 0..12 {
        guest(&mut world, 200, |_| vec![([10, 60, n, 1], 9), ([10, 61, n, 1], 9)]);
    }
    world.run(secs(12), |_| false);
    tell_dead(&mut world, bringer, 12, 5_000..5_075);
    soon_after(400, joined(&mut world, 1, SEEDER, 3_500));
}

// Rows: B19
#[test]
fn guests_of_one_host_leave_room_in_the_offers_for_a_newcomer() {
    let mut world = world(KIB, 1);
    for _ in 0..60 {
        guest(&mut world, 2, |no| vec![(ATTACKER, 10_000 + no as u16)]);
    }
    let newcomer = world.add(Plan::leecher().knows(&[0]).joins_at(secs(60)));
    soon_after(60, joined(&mut world, newcomer, SEEDER, 1_200));
}

// Rows: B19
#[test]
fn crowd_and_guests_of_one_host_delay_a_seeder_by_a_dial() {
    let mut world = world(KIB, 120);
    for _ in 0..36 {
        world.add(idler(ATTACKER, &[1]).joins_at(secs(1)));
    }
    for _ in 0..50 {
        guest(&mut world, 115, |no| vec![(ATTACKER, 10_000 + no as u16)]);
    }
    soon_after(120, joined(&mut world, 1, SEEDER, 1_200));
}
