//! Upload scheduling: slots that rotate, fair shares, budgets.

use minimodel_sim::{KIB, MIB, Plan, Scripted, World, id_of, secs};

// Rows: B18
#[test]
fn more_leechers_than_slots_take_turns_and_none_starves() {
    for slots in [1, 2, 3] {
        let mut world = World::new(24 * MIB, 64 * KIB, 31);
        world.settings.check_every = 8;
        let mut plan = Plan::seeder().rates(MIB, MIB);
        plan.limits.upload_slots = slots;
        let seeder = world.add(plan);
        let takers: Vec<_> = (0..6).map(|_| world.add(Plan::taker().knows(&[seeder]))).collect();
        world.must_run(secs(600), |world| takers.iter().all(|&taker| world.is_complete(taker)));
        let times: Vec<f64> = takers.iter().map(|&taker| world.seconds(taker)).collect();
        let (first, last) =
            (times.iter().copied().fold(f64::MAX, f64::min), times.iter().copied().fold(0.0, f64::max));
        eprintln!("{slots} slots: first {first:.0} s, last {last:.0} s");
        // Six files at one file in 24 seconds: 144 s if nothing is lost.
        assert!(last < 165.0, "{times:?}");
        assert!(first > 0.5 * last, "somebody was favoured: {times:?}");
        for &taker in &takers {
            assert!(world.peers[seeder].tally.unchoked[&id_of(taker)] >= 2);
            assert_eq!(
                (world.peers[taker].tally.struck.len(), world.peers[seeder].tally.struck.len()),
                (0, 0)
            );
        }
    }
}

#[test]
fn a_leecher_favours_who_gives_to_it() {
    // Optimistic unchokes decide much in one run, and little in the sum of all.
    let (mut given, mut taken) = (0, 0);
    for seed in 32..38 {
        let mut world = World::new(64 * MIB, 64 * KIB, seed);
        world.settings.check_every = 16;
        let mut plan = Plan::leecher().rates(MIB, 8 * MIB).has(0..512);
        plan.limits.upload_slots = 2;
        let one = world.add(plan);
        // The giver has what `one` lacks, beside four takers that have nothing to give.
        let giver =
            world.add(Plan::leecher().rates(MIB / 2, 8 * MIB).has(512..1024).knows(&[one]).joins_at(secs(1)));
        let takers: Vec<_> = (0..4).map(|_| world.add(Plan::taker().knows(&[one]))).collect();
        world.must_run(secs(120), |world| world.is_complete(one));
        let got = |no: usize| world.peers[no].tally.chunks_from.get(&id_of(one)).copied().unwrap_or(0);
        let most = takers.iter().map(|&taker| got(taker)).max().unwrap_or(0);
        eprintln!("the giver got {} chunks, the luckiest taker {most}", got(giver));
        (given, taken) = (given + got(giver), taken + most);
    }
    assert!(given > taken * 5 / 4);
}

// Rows: B22
#[test]
fn endless_uploads_to_one_key_end_at_its_budget_over_reconnects() {
    let mut world = World::new(MIB, 64 * KIB, 33);
    let mut plan = Plan::seeder();
    plan.limits.upload_budget_files = 2;
    let seeder = world.add(plan);
    let taker = world.add(Plan::taker().knows(&[seeder]));
    for round in 1..40 {
        // The taker restarts with an empty disk, again and again.
        world.script(secs(round), Scripted::Forget(taker));
    }
    world.run(secs(60), |_| false);
    let sent = world.peers[seeder].tally.sent_bytes;
    assert!(sent <= 2 * MIB + 64 * 64 * KIB + MIB, "{} files", sent / MIB);
    assert!(sent >= 2 * MIB);
}
