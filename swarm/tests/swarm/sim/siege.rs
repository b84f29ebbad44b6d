//! A seeder under siege: many keys from few addresses hold its places, and a newcomer from another address joins.

use std::time::Duration;

use minimodel_sim::{Behaviour, KIB, MIB, PeerNo, Plan, Scripted, World, id_of, ms, secs};

/// Attackers at once; then how long each stays, and when the newcomer joins.
const TASKS: u64 = 90;
const STAY: Duration = Duration::from_secs(18);
const COMES_AT: Duration = Duration::from_secs(40);

/// Behaviour of attackers in the places that they hold.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Never interested.
    Idle,
    /// Interested, but requests no chunk.
    Mute,
    /// Requests chunks, and reads nothing.
    Unread,
    /// Reads chunks slowly, so that its place looks used.
    Trickle,
    /// Takes chunks without end, as fast as they come.
    Hog,
}

/// A world with a seeder, whose number is returned, and attackers, each under a new key. With `leaves` each attacker
/// leaves after `STAY` and another one follows.
fn besieged(way: Way, hosts: &[[u8; 4]], leaves: bool, chunk: u64) -> (World, PeerNo) {
    let mut world = World::new(64 * chunk, chunk, 41);
    world.settings.check_every = 256;
    let seeder = world.add(Plan::seeder().rates(8 * MIB, 8 * MIB));
    let rounds = if leaves { 4 } else { 1 };
    for round in 0..rounds {
        for task in 0..TASKS {
            let taker = Plan::taker().knows(&[seeder]).at_host(hosts[(task as usize) % hosts.len()]);
            let taker = match way {
                Way::Idle => Plan { behaviour: Behaviour::Idler, ..taker },
                Way::Mute => Plan { behaviour: Behaviour::MuteAsker, ..taker },
                Way::Unread => Plan { behaviour: Behaviour::NotReader, ..taker },
                Way::Trickle => taker.rates(MIB, 2 * KIB),
                Way::Hog => Plan { behaviour: Behaviour::Hog, ..taker },
            };
            let joins = STAY * round + ms(20 * task);
            let no = world.add(taker.joins_at(joins));
            if leaves {
                world.script(joins + STAY, Scripted::Stop(no));
            }
        }
    }
    (world, seeder)
}

/// How long the newcomer waits for its first chunk, in seconds.
fn first_chunk(world: &mut World, newcomer: Plan) -> f64 {
    let newcomer = world.add(newcomer.joins_at(COMES_AT));
    world.must_run(COMES_AT + secs(60), |world| world.peers[newcomer].machine.have().ones() > 0);
    (world.now.since_start() - COMES_AT).as_secs_f64()
}

const ONE: [[u8; 4]; 1] = [[203, 0, 113, 9]];
const FOUR: [[u8; 4]; 4] = [[203, 0, 113, 9], [198, 51, 100, 7], [192, 0, 2, 1], [100, 200, 3, 4]];

// Rows: H2, B18
#[test]
fn newcomer_gets_chunk_in_10_s_under_siege_from_few_addresses() {
    for way in [Way::Idle, Way::Mute, Way::Unread, Way::Trickle, Way::Hog] {
        for (hosts, leaves) in [(&ONE[..], true), (&ONE[..], false), (&FOUR[..], true)] {
            let (mut world, seeder) = besieged(way, hosts, leaves, 64 * KIB);
            let newcomer = Plan::taker().knows(&[seeder]).rates(MIB, MIB).at_host([8, 8, 4, 4]);
            let took = first_chunk(&mut world, newcomer);
            eprintln!("{way:?} from {} addresses, leaving {leaves}: {took:.1} s", hosts.len());
            assert!(took < 10.0, "{way:?} from {} addresses, leaving {leaves}: {took:.1} s", hosts.len());
        }
    }
}

// Rows: H2, B18
#[test]
fn newcomer_gets_chunk_in_10_s_under_siege_from_a_network() {
    let network: Vec<[u8; 4]> = (1..=90).map(|n| [203, 0, 113, n]).collect();
    for (way, chunk) in [(Way::Idle, 64 * KIB), (Way::Trickle, 64 * KIB), (Way::Trickle, 4 * MIB)] {
        let (mut world, seeder) = besieged(way, &network, true, chunk);
        let newcomer = Plan::taker().knows(&[seeder]).rates(8 * MIB, 8 * MIB).at_host([8, 8, 4, 4]);
        let took = first_chunk(&mut world, newcomer);
        eprintln!("{way:?} from a network, chunks of {} KiB: {took:.1} s", chunk / KIB);
        assert!(took < 10.0, "{way:?}, chunks of {} KiB: {took:.1} s", chunk / KIB);
    }
}

// Rows: H2
#[test]
fn honest_swarm_at_one_address_gets_all_places_and_keeps_them() {
    let mut world = World::new(4 * MIB, 64 * KIB, 42);
    world.settings.check_every = 64;
    let seeder = world.add(Plan::seeder().rates(8 * MIB, 8 * MIB));
    let plan = Plan::taker().knows(&[seeder]).rates(MIB, MIB).at_host(ONE[0]);
    let takers: Vec<PeerNo> = (0..64).map(|n| world.add(plan.clone().joins_at(ms(10 * n)))).collect();
    world.run(secs(5), |_| false);
    assert_eq!(world.peers[seeder].machine.progress().peers, 64);
    world.must_run(secs(200), |world| takers.iter().all(|&taker| world.is_complete(taker)));
    let left = &world.peers[seeder].tally.left;
    assert!(left.iter().all(|(_, code, _)| *code != Some(minimodel_wire::CloseCode::Busy)), "{left:?}");
    assert!(takers.iter().all(|&taker| world.peers[seeder].tally.unchoked[&id_of(taker)] > 0));
}
