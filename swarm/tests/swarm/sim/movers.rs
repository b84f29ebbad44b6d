//! Peers that hold upload slots and connection places without being idle: they request little, read slowly, or
//! reconnect.

use minimodel_sim::{Behaviour, KIB, MIB, PeerNo, Plan, Scripted, World, id_of, ideal, ms, secs};
use minimodel_skipped::walk;
use minimodel_swarm::machine::Limits;

/// Adds takers that hold what they were given as long as they can: some read slowly, some request one chunk at a
/// time, some read nothing, some take back their announcements.
fn movers(world: &mut World, seeder: PeerNo, count: usize) -> Vec<PeerNo> {
    let kinds = [
        (Behaviour::Hog, KIB, 64 * MIB),
        (Behaviour::Hog, 8 * KIB, 64 * KIB),
        (Behaviour::FreeRider, 2 * KIB, 64 * KIB),
        (Behaviour::Fickle, 4 * KIB, 64 * KIB),
        (Behaviour::NotReader, KIB, 64 * MIB),
    ];
    let mover = |n: usize| {
        let (behaviour, down, memory) = kinds[n % kinds.len()];
        let mut plan = Plan { behaviour, ..Plan::leecher().knows(&[seeder]).rates(KIB, down) };
        plan.limits.memory_budget_bytes = memory;
        plan.joins_at(ms(40 * n as u64))
    };
    (0..count).map(|n| world.add(mover(n))).collect()
}

/// The leecher joins when the movers hold every slot that they can get.
// Rows: B18
#[test]
fn slow_or_silent_readers_leave_a_newcomer_its_share_of_rate() {
    for &count in walk(&[8, 40][..], &[8]) {
        let mut world = World::new(16 * MIB, 64 * KIB, 7);
        world.settings.check_every = 64;
        let seeder = world.add(Plan::seeder().rates(2 * MIB, 2 * MIB));
        movers(&mut world, seeder, count);
        let leecher = world.add(Plan::taker().knows(&[seeder]).joins_at(secs(60)));
        let has_one = |world: &World| world.peers[leecher].machine.have().ones() > 0;
        world.must_run(secs(180), has_one);
        let first = world.now.since_start().as_secs_f64() - 60.0;
        world.must_run(secs(1_200), |world| world.is_complete(leecher));
        let took = world.seconds(leecher) - 60.0;
        eprintln!("{count} movers: the first chunk after {first:.1} s, all after {took:.1} s");
        let tally = &world.peers[seeder].tally;
        assert!(tally.struck.iter().chain(&tally.banned).all(|(id, ..)| *id != id_of(leecher)));
        // The movers together can read a few KiB a second; the rest of the rate is for peers that read.
        assert!(took < 5.0 * ideal(16 * MIB, 2 * MIB), "{took}");
    }
}

/// The movers hold every place, and more of them wait. A newcomer waits for a place and is disconnected now and then,
/// but its fetch completes.
// Rows: B18, I8
#[test]
fn newcomer_is_served_though_slow_readers_hold_every_place() {
    let mut world = World::new(4 * MIB, 64 * KIB, 7);
    world.settings.check_every = 4_096;
    let places = walk(Limits::default().max_connections, 16);
    let mut plan = Plan::seeder().rates(2 * MIB, 2 * MIB);
    plan.limits.max_connections = places;
    let seeder = world.add(plan);
    movers(&mut world, seeder, places * 5 / 4);
    let leecher = world.add(Plan::taker().knows(&[seeder]).joins_at(secs(10)));
    world.run(secs(10), |_| false);
    let held = world.peers[seeder].machine.progress().peers as usize;
    assert_eq!(held, places);
    world.must_run(secs(40), |world| world.peers[leecher].machine.have().ones() > 0);
    world.must_run(secs(130), |world| world.is_complete(leecher));
    println!("figure: all_places_moved_seconds={:.1}", world.seconds(leecher) - 10.0);
    let tally = &world.peers[seeder].tally;
    assert!(tally.struck.iter().chain(&tally.banned).all(|(id, ..)| *id != id_of(leecher)));
}

/// Each hostile peer wants one small chunk and reconnects whenever it may; not every breach ends its connection.
// Rows: B16
#[test]
fn transfer_keeps_80_percent_of_rate_while_100_peers_reconnect() {
    const CHUNKS: u32 = 2_048;
    let fetch = |hostile: usize| {
        let mut world = World::new(32 * MIB, 16 * KIB, 9);
        world.settings.check_every = 64;
        let seeder = world.add(Plan::seeder().rates(MIB, MIB));
        let leecher = world.add(Plan::taker().knows(&[seeder]));
        let kinds = [
            Behaviour::SecondHello,
            Behaviour::HaveBeforeHello,
            Behaviour::BadAsk,
            Behaviour::OtherVersion,
            Behaviour::AskFlooder,
            Behaviour::ControlFlooder,
            Behaviour::NotReader,
        ];
        for n in 0..hostile {
            let comes_at = secs(2) + ms(20 * n as u64);
            let plan = Plan { behaviour: kinds[n % kinds.len()], ..Plan::taker() };
            let no = world.add(plan.has(1..CHUNKS).knows(&[seeder]).joins_at(comes_at));
            for round in 1..30 {
                world.script(comes_at + secs(round), Scripted::Cut(no));
            }
        }
        world.must_run(secs(600), |world| world.is_complete(leecher));
        let tally = &world.peers[seeder].tally;
        assert!(tally.struck.iter().chain(&tally.banned).all(|(id, ..)| *id != id_of(leecher)));
        assert!(hostile == 0 || tally.joined.len() > hostile, "{} came", tally.joined.len());
        world.seconds(leecher)
    };
    let (alone, besieged) = (fetch(0), fetch(100));
    println!("figure: siege100_rate_kept={:.3}", alone / besieged);
    assert!(alone / besieged >= 0.8, "{alone:.1} s became {besieged:.1} s");
}
