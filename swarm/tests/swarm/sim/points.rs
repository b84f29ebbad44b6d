//! A fault at every point of a small whole fetch, one point a run, until a run ends before its fault.

use std::io::ErrorKind;

use minimodel_sim::{KIB, Network, PeerNo, Plan, Scripted, World, id_of, ms, secs};
use minimodel_wire::ResetCode;

/// A seeder and a leecher with real stores, and a file of three chunks.
fn two(seed: u64) -> (World, PeerNo) {
    let mut world = World::whole(0, seed);
    world.settings.says_lost = seed.is_multiple_of(2);
    let seeder = world.add(Plan::seeder().rates(128 * KIB, 128 * KIB));
    let leecher = world.add(Plan::leecher().knows(&[seeder]));
    (world, leecher)
}

/// Runs to completion; fails on a ban, on more than `most_strikes` strikes, or on a request that is left open.
fn ends_well(world: &mut World, leecher: PeerNo, most_strikes: usize) {
    world.must_run(secs(300), |world| world.is_complete(leecher));
    world.check_ends();
    let tally = &world.peers[leecher].tally;
    if !tally.banned.is_empty() || tally.struck.len() > most_strikes {
        world.fail(&format!("banned {:?}, struck {:?}", tally.banned, tally.struck));
    }
    if world.peers[leecher].machine.progress().requests > 0 {
        world.fail("a request is left over");
    }
}

// Rows: A11, B11
#[test]
fn connection_broken_at_any_message_costs_no_peer_anything() {
    let (mut number, mut chunks_again) = (1, 0);
    loop {
        let (mut world, leecher) = two(number);
        world.faults.cut_at = vec![number];
        ends_well(&mut world, leecher, 0);
        let asked = world.peers[leecher].tally.asked.len();
        assert!(asked <= 6, "message {number}: a chunk is asked for once, and once more: {asked}");
        chunks_again += asked - 3;
        // The run ended before the break: every message has had its turn.
        if world.faults.messages < number {
            break;
        }
        number += 1;
    }
    println!("figure: breaks_at_each_message={number} chunks_asked_again={chunks_again}");
    assert!(number > 30, "{number}");
}

// Rows: A11
#[test]
fn reset_of_any_request_or_answer_requeues_the_request_once() {
    let codes = [
        ResetCode::NotHave,
        ResetCode::Choked,
        ResetCode::Busy,
        ResetCode::Cancelled,
        ResetCode::SourceChanged,
        ResetCode::Malformed,
    ];
    let mut resets = 0;
    for code in codes {
        let mut number = 1;
        loop {
            let (mut world, leecher) = two(number);
            world.faults.reset_at = Some((number, code));
            // Another seeder must be able to help where the reset says that the first one cannot.
            let other = world.add(Plan::seeder().rates(64 * KIB, 64 * KIB));
            world.peers[leecher].plan.knows.push(other);
            ends_well(&mut world, leecher, 1);
            let asked = world.peers[leecher].tally.asked.len();
            assert!(asked <= 8, "{code:?} at message {number}: asked {asked} times for 3 chunks");
            if world.faults.messages < number {
                break;
            }
            number += 1;
        }
        resets += number;
    }
    println!("figure: resets_at_each_message={resets}");
}

// Rows: E1, E2
#[test]
fn a_kill_or_power_loss_at_any_moment_of_a_fetch_is_survived() {
    let mut deaths = 0;
    for moment in 0..90 {
        for way in 0..4 {
            let (mut world, leecher) = two(moment);
            let at = ms(7 * moment);
            world.script(
                at,
                match way {
                    0 => Scripted::Kill(leecher),
                    1 => Scripted::PowerLoss(leecher, None),
                    seed => Scripted::PowerLoss(leecher, Some(seed * 1_000 + moment)),
                },
            );
            world.script(at + ms(100), Scripted::Restart(leecher));
            ends_well(&mut world, leecher, 0);
            deaths += world.counts.kills + world.counts.power_losses;
        }
    }
    println!("figure: deaths_at_each_moment={deaths}");
    assert!(deaths > 200, "{deaths}");
}

// Rows: E5, E6, E15
#[test]
fn each_leecher_disk_call_failing_once_still_ends_the_fetch() {
    let (mut runs, mut failures) = (0, 0);
    for kind in [ErrorKind::Other, ErrorKind::StorageFull, ErrorKind::Interrupted] {
        for number in 0.. {
            let (mut world, leecher) = two(number);
            let store = world.peers[leecher].storage.disk().expect("a whole world");
            store.limit_calls((number % 2 == 1).then_some(3_000));
            store.fail_call(number, kind);
            ends_well(&mut world, leecher, 0);
            failures += world.peers[leecher].tally.disk_failures;
            runs += 1;
            if world.peers[leecher].storage.disk().is_some_and(|store| store.has_survived()) {
                break;
            }
        }
    }
    println!("figure: failing_calls_of_a_fetch={runs} processes_ended={failures}");
    assert!(runs > 60 && failures > 30, "{runs} runs, {failures} processes ended");
}

// Rows: E14
#[test]
fn each_seeder_disk_read_failing_once_ends_without_blame() {
    let mut runs = 0;
    for number in 0.. {
        let (mut world, leecher) = two(number);
        let other = world.add(Plan::seeder().rates(64 * KIB, 64 * KIB));
        world.peers[leecher].plan.knows.push(other);
        world.peers[0].storage.disk().expect("a whole world").fail_call(number, ErrorKind::Other);
        ends_well(&mut world, leecher, 0);
        assert_eq!(world.peers[leecher].tally.lies.get(&id_of(0)), None, "what was not read was not sent");
        runs += 1;
        if world.peers[0].storage.disk().is_some_and(|store| store.has_survived()) {
            break;
        }
    }
    println!("figure: failing_reads_of_a_seeder={runs}");
    assert!(runs > 8, "{runs}");
}

// Rows: B6, E14, I8
#[test]
fn one_failed_read_does_not_end_a_fetch_from_a_single_seeder() {
    let mut runs = 0;
    for number in 0.. {
        let (mut world, leecher) = two(number);
        // Streams overtake each other, so that a refusal may arrive before the frame that explains it.
        world.network =
            Network { jitter: ms(30), lost_of_1000: 100, lost_twice_of_1000: 20, ..Network::default() };
        world.peers[0].storage.disk().expect("a whole world").fail_call(number, ErrorKind::Other);
        ends_well(&mut world, leecher, 0);
        assert!(world.seconds(leecher) < 20.0, "{}", world.seconds(leecher));
        runs += 1;
        if world.peers[0].storage.disk().is_some_and(|store| store.has_survived()) {
            break;
        }
    }
    assert!(runs > 8, "{runs}");
}
