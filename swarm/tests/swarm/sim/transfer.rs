//! Honest peers on good paths: everything arrives, once, in time.

use minimodel_sim::{Behaviour, KIB, MBIT, MIB, Plan, Scripted, World, id_of, ideal, ms, secs};
use minimodel_swarm::machine::{Breach, Order, Time};
use minimodel_wire::CloseCode;

#[test]
fn one_seeder_and_one_leecher_finish_near_the_rate_of_the_path() {
    let mut world = World::new(16 * MIB + 5, 64 * KIB, 1);
    let seeder = world.add(Plan::seeder().rates(100 * MBIT, 100 * MBIT));
    let leecher = world.add(Plan::taker().knows(&[seeder]));
    world.must_run(secs(30), |world| world.is_complete(leecher));
    let over = world.seconds(leecher) / ideal(16 * MIB, 100 * MBIT);
    eprintln!("1 to 1: {over:.3} of the ideal time");
    assert!(over < 1.25, "{over}");
    assert_eq!(world.peers[leecher].tally.received_bytes, 16 * MIB + 5);
}

#[test]
fn three_seeders_all_supply_and_hardly_a_byte_comes_twice() {
    let mut world = World::new(64 * MIB, 256 * KIB, 2);
    world.settings.check_every = 8;
    let seeders: Vec<_> = (0..3).map(|_| world.add(Plan::seeder().rates(5 * MIB, 5 * MIB))).collect();
    let leecher = world.add(Plan::leecher().knows(&seeders));
    world.must_run(secs(60), |world| world.is_complete(leecher));
    let tally = &world.peers[leecher].tally;
    for &seeder in &seeders {
        assert!(tally.chunks_from[&world.peers[seeder].id] > 60, "{:?}", tally.chunks_from);
    }
    let twice = tally.received_bytes as f64 / (64 * MIB) as f64;
    let over = world.seconds(leecher) / ideal(64 * MIB, 15 * MIB);
    eprintln!("3 to 1: {twice:.4} of the bytes, {over:.3} of the ideal time");
    assert!(twice < 1.02, "{twice}");
    assert!(over < 1.15, "{over}");
}

#[test]
fn what_is_here_already_is_never_asked_for_again() {
    let mut world = World::new(8 * MIB, 64 * KIB, 4);
    let seeder = world.add(Plan::seeder());
    let have: Vec<u32> = (0..128).filter(|index| index % 3 != 0).collect();
    let leecher = world.add(Plan::leecher().knows(&[seeder]).has(have.clone()));
    world.must_run(secs(30), |world| world.is_complete(leecher));
    let asked = &world.peers[leecher].tally.order;
    assert!(asked.iter().all(|index| !have.contains(index)));
    assert_eq!(asked.len(), 128 - have.len());
}

#[test]
fn a_sequential_fetch_asks_for_rising_indexes() {
    let mut world = World::new(8 * MIB, 64 * KIB, 4);
    let seeder = world.add(Plan::seeder());
    let plan = Plan { order: Order::Sequential, ..Plan::leecher().knows(&[seeder]) };
    let leecher = world.add(plan);
    world.must_run(secs(30), |world| world.is_complete(leecher));
    assert_eq!(world.peers[leecher].tally.order, (0..128).collect::<Vec<_>>());
}

// Rows: B10
#[test]
fn slow_honest_seeder_alone_is_never_struck_left_or_banned() {
    for (rate, chunk) in [(20 * KIB, 256 * KIB), (6 * KIB, 64 * KIB), (3 * KIB, MIB), (2 * KIB, 256 * KIB)] {
        let mut world = World::new(4 * chunk, chunk, 4);
        let seeder = world.add(Plan::seeder().rates(rate, rate).delay_ms(150));
        let leecher = world.add(Plan::leecher().knows(&[seeder]));
        world.must_run(secs(3_600), |world| world.is_complete(leecher));
        let tally = &world.peers[leecher].tally;
        assert_eq!((&tally.struck[..], &tally.banned[..]), (&[][..], &[][..]), "{rate} bytes a second");
        assert_eq!(tally.joined.len(), 1, "the connection was kept");
        let over = world.seconds(leecher) / ideal(4 * chunk, rate);
        eprintln!("{rate} bytes a second: {over:.3} of the ideal time");
        assert!(over < 1.1, "{over}");
    }
}

/// The slow seeder's chunks are requested from fast seeders as well, and its own requests are cancelled: none of that
/// is its fault.
// Rows: B10
#[test]
fn slow_seeder_beside_fast_ones_and_trickler_is_never_struck() {
    for rate in [2 * KIB, 6 * KIB, 12 * KIB, 40 * KIB] {
        for (chunk, seed) in [(16 * KIB, 1), (64 * KIB, 2), (256 * KIB, 3)] {
            let mut world = World::new(48 * MIB, chunk, seed);
            world.settings.check_every = 64;
            let slow = world.add(Plan::seeder().rates(rate, rate).delay_ms(150));
            let trickler = world.add(Plan::hostile(Behaviour::Trickler(1)));
            let fast: Vec<_> = (0..2).map(|_| world.add(Plan::seeder().rates(MIB / 2, MIB / 2))).collect();
            let leecher = world.add(Plan::leecher().knows(&[slow, trickler, fast[0], fast[1]]));
            world.must_run(secs(600), |world| world.is_complete(leecher));
            let tally = &world.peers[leecher].tally;
            let others = tally.struck.iter().filter(|(id, ..)| *id != id_of(trickler));
            assert_eq!((others.count(), tally.banned.len()), (0, 0), "{rate}, {chunk}: {:?}", tally.struck);
            let came = tally.joined.iter().filter(|(id, _)| *id == id_of(slow)).count();
            let lost = |(id, code, _): &(_, _, _)| *id == id_of(slow) && *code != Some(CloseCode::Done);
            assert_eq!((came, tally.left.iter().any(lost)), (1, false), "{rate}, {chunk}: {:?}", tally.left);
            assert!(tally.struck.iter().any(|(id, ..)| *id == id_of(trickler)), "{rate}, {chunk}");
        }
    }
}

// Rows: G4
#[test]
fn leecher_returns_soon_to_a_restarted_seeder_without_blame() {
    let mut world = World::new(16 * MIB, 64 * KIB, 4);
    let seeder = world.add(Plan::seeder().rates(2 * MIB, 2 * MIB));
    let leecher = world.add(Plan::leecher().knows(&[seeder]));
    world.script(secs(2), Scripted::Stop(seeder));
    world.script(secs(32), Scripted::Restart(seeder));
    world.must_run(secs(120), |world| world.is_complete(leecher));
    let tally = &world.peers[leecher].tally;
    let away: Vec<_> = tally.dials.iter().filter(|(_, at)| at.since_start() < secs(32)).collect();
    assert!((4..=8).contains(&away.len()), "{away:?}");
    assert!(world.seconds(leecher) < 75.0, "{}", world.seconds(leecher));
    assert_eq!((&tally.struck[..], &tally.banned[..]), (&[][..], &[][..]));
}

// Rows: G5
#[test]
fn suspended_seeder_and_leecher_resume_without_a_ban() {
    let mut world = World::new(32 * MIB, 64 * KIB, 4);
    world.settings.check_every = 8;
    // Without a pause the fetch takes 256 s, so that it is under way at each of the four.
    let seeder = world.add(Plan::seeder().rates(128 * KIB, 128 * KIB));
    let leecher = world.add(Plan::leecher().knows(&[seeder]));
    for (at, who) in [(2, seeder), (150, leecher), (300, seeder), (520, leecher)] {
        world.script(secs(at), Scripted::Suspend(who, Time::after_start(secs(at + 60))));
    }
    world.must_run(secs(900), |world| world.is_complete(leecher));
    let (of_seeder, of_leecher) = (&world.peers[leecher].tally, &world.peers[seeder].tally);
    assert_eq!((&of_seeder.banned[..], &of_leecher.banned[..]), (&[][..], &[][..]));
    assert_eq!(of_leecher.struck, [], "a leecher that is silent owes nothing");
    // The seeder is struck for its silence while it lasts, and never after it. Three strikes shut it out for a minute from
    // the last, the next three for two; then the leecher is back and takes the rest.
    let is_silent =
        |at: Time| [2, 300].iter().any(|&from| (secs(from)..secs(from + 60)).contains(&at.since_start()));
    for &(_, breach, at) in &of_seeder.struck {
        assert!(
            matches!(breach, Breach::Overdue | Breach::NoHello) && is_silent(at),
            "{:?}",
            of_seeder.struck
        );
    }
    assert!(of_seeder.struck.len() <= 6, "{:?}", of_seeder.struck);
    let came: Vec<_> = of_seeder.joined.iter().map(|(_, at)| at.since_start()).collect();
    assert!(came.iter().any(|at| (secs(62)..secs(62 + 60)).contains(at)), "{came:?}");
    assert!(came.iter().any(|at| (secs(360)..secs(360 + 2 * 60)).contains(at)), "{came:?}");
    assert!(world.seconds(leecher) < f64::from(256 + 4 * 60 + 60 + 2 * 60), "{}", world.seconds(leecher));
}

#[test]
fn memory_budget_of_one_chunk_holds_and_the_fetch_finishes() {
    let mut world = World::new(16 * MIB, MIB, 4);
    let seeders: Vec<_> = (0..3).map(|_| world.add(Plan::seeder())).collect();
    let mut plan = Plan::leecher().knows(&seeders);
    plan.limits.memory_budget_bytes = MIB;
    let leecher = world.add(plan);
    world.must_run(secs(30), |world| {
        assert!(world.peers[leecher].machine.progress().requests <= 1);
        world.is_complete(leecher)
    });
}

// Rows: E14
#[test]
fn chunks_a_seeder_lost_do_not_stop_the_fetch_or_strike_a_peer() {
    let mut world = World::new(8 * MIB, 64 * KIB, 4);
    let loser = world.add(Plan::seeder().rates(2 * MIB, 2 * MIB));
    let keeper = world.add(Plan::seeder().rates(MIB, MIB));
    let leecher = world.add(Plan::leecher().knows(&[loser, keeper]));
    for index in 0..40 {
        world.script(ms(500 + u64::from(index)), Scripted::Lose(loser, 3 * index));
    }
    world.must_run(secs(60), |world| world.is_complete(leecher));
    let tally = &world.peers[leecher].tally;
    assert_eq!((&tally.struck[..], &tally.banned[..]), (&[][..], &[][..]));
    let mut taken = 0;
    for index in 0..40 {
        let (lost_at, chunk) = (Time::after_start(ms(500 + u64::from(index))), 3 * index);
        // The loser's DontHave takes ten milliseconds.
        let told_at = lost_at + ms(10);
        let asked = tally.asked.iter().filter(|(at, _, of)| *of == chunk && *at > told_at);
        assert!(asked.map(|&(_, of, _)| of).all(|of| of == id_of(keeper)), "chunk {chunk}");
        let &(at, from, _) = tally.kept.iter().find(|(.., of)| *of == chunk).expect("it is complete");
        if at > told_at {
            assert_eq!(from, id_of(keeper), "chunk {chunk}");
            taken += 1;
        }
    }
    assert!(taken >= 30, "{taken} of 40 were lost before the leecher had them");
}

// Rows: E16
#[test]
fn a_leecher_that_slept_blames_nobody_for_its_own_pause() {
    for pause in [6, 25, 100] {
        let mut world = World::new(32 * MIB, 64 * KIB, 4);
        world.settings.check_every = 8;
        let seeders: Vec<_> = (0..3).map(|_| world.add(Plan::seeder().rates(MIB, MIB))).collect();
        let leecher = world.add(Plan::leecher().knows(&seeders));
        world.script(secs(3), Scripted::Suspend(leecher, Time::after_start(secs(3 + pause))));
        world.must_run(secs(200), |world| world.is_complete(leecher));
        let tally = &world.peers[leecher].tally;
        assert_eq!((&tally.struck[..], &tally.banned[..]), (&[][..], &[][..]), "{pause} s");
    }
}
