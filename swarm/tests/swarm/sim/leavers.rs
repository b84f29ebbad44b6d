//! A seeder that shuts down: its leechers ask other seeders at once, and redial it with growing backoff.

use std::time::Duration;

use minimodel_sim::{KIB, MIB, PeerNo, Plan, Scripted, World, id_of, secs};
use minimodel_swarm::machine::Time;
use minimodel_wire::CloseCode;

/// Time at which a leecher learned that the seeder shuts down.
fn left_at(world: &World, leecher: PeerNo, goes: PeerNo) -> Time {
    let left = &world.peers[leecher].tally.left;
    let (_, code, at) = left.iter().find(|(id, ..)| *id == id_of(goes)).expect("it left");
    assert_eq!(*code, Some(CloseCode::ShuttingDown));
    *at
}

/// Chunks requested from the leaving seeder and again from another peer after it left: for each, the delay of the
/// second request.
fn asked_again(world: &World, leecher: PeerNo, goes: PeerNo) -> Vec<Duration> {
    let (tally, at) = (&world.peers[leecher].tally, left_at(world, leecher, goes));
    let of_it = tally.asked.iter().filter(|(when, id, _)| *when <= at && *id == id_of(goes));
    let again = |index| tally.asked.iter().find(|(when, _, other)| *when >= at && *other == index);
    of_it.filter_map(|&(.., index)| again(index)).map(|(when, ..)| when.since(at)).collect()
}

// Rows: G4
#[test]
fn ten_leechers_of_a_seeder_that_shuts_down_ask_another_at_once() {
    for seed in 0..2 {
        let mut world = World::new(16 * MIB, 64 * KIB, seed);
        world.settings.check_every = 16;
        let goes = world.add(Plan::seeder().rates(4 * MIB, 4 * MIB));
        // An upload slot for each leecher, so that no delay is a wait for a slot.
        let mut plan = Plan::seeder().rates(8 * MIB, 8 * MIB);
        plan.limits.upload_slots = 10;
        let stays = world.add(plan);
        let leechers: Vec<_> = (0..10).map(|_| world.add(Plan::taker().knows(&[goes, stays]))).collect();
        world.script(secs(3), Scripted::Stop(goes));
        world.must_run(secs(300), |world| leechers.iter().all(|&leecher| world.is_complete(leecher)));
        let mut slowest = Duration::ZERO;
        let mut lost = 0;
        for &no in &leechers {
            let tally = &world.peers[no].tally;
            assert_eq!((&tally.struck[..], &tally.banned[..]), (&[][..], &[][..]), "{no} blames somebody");
            let (at, again) = (left_at(&world, no, goes), asked_again(&world, no, goes));
            let next = tally.asked.iter().find(|(when, id, _)| *when >= at && *id == id_of(stays));
            let next = next.expect("it went on").0.since(at);
            // The pipeline to the other seeder may be full: its next answer makes room.
            assert!(next < Duration::from_millis(500), "{no} asked nothing for {next:?}");
            lost += again.len();
            slowest = slowest.max(again.into_iter().max().unwrap_or_default());
        }
        eprintln!("{lost} chunks were under way, the last was asked for again after {slowest:?}");
        assert!(lost > 0, "nothing was under way");
        assert!(slowest < secs(1), "{slowest:?}");
    }
}

// Rows: G4
#[test]
fn departed_seeder_is_redialed_with_growing_pauses_and_found() {
    for seed in 0..2 {
        let mut world = World::new(64 * MIB, 64 * KIB, seed);
        world.settings.check_every = 16;
        let goes = world.add(Plan::seeder().rates(MIB, MIB));
        let stays = world.add(Plan::seeder().rates(32 * KIB, 32 * KIB));
        let leecher = world.add(Plan::taker().knows(&[goes, stays]));
        world.script(secs(3), Scripted::Stop(goes));
        world.script(secs(900), Scripted::Restart(goes));
        world.run(secs(900), |_| false);
        let at = left_at(&world, leecher, goes);
        let dials = |world: &World| -> Vec<Time> {
            let all = &world.peers[leecher].tally.dials;
            all.iter().filter(|(id, when)| *id == id_of(goes) && *when > at).map(|&(_, when)| when).collect()
        };
        let away = dials(&world);
        let times: Vec<Time> = std::iter::once(at).chain(away.iter().copied()).collect();
        let pauses: Vec<Duration> = times.windows(2).map(|pair| pair[1].since(pair[0])).collect();
        assert!(pauses[0] < secs(1), "the first try comes soon: {pauses:?}");
        for pair in pauses.windows(2) {
            // Backoff of up to a minute, plus or minus a quarter, and the time that a failed dial takes.
            assert!(pair[1] > pair[0] || pair[0] > secs(45), "{pauses:?}");
            assert!(pair[1] < secs(80), "{pauses:?}");
        }
        assert!((12..30).contains(&away.len()), "{pauses:?}");
        world.must_run(secs(1_200), |world| world.is_complete(leecher));
        let back = world.peers[leecher].tally.joined.iter().rfind(|(id, _)| *id == id_of(goes));
        let back = back.expect("it came first").1.since_start();
        assert!(back > secs(900) && back < secs(980), "{back:?}");
        assert_eq!(world.peers[leecher].tally.banned, []);
    }
}
