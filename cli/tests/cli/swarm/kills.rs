//! `kill -9` at random moments, many times: G-4 of the fault catalogue.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use minimodel_skipped::walk;
use rustix::process::Signal;

use super::killed::Random;
use super::killing::{SIDE_BY_SIDE, Toll, Victim};
use super::model::Model;
use super::seeder::Seeder;

/// Number of kills in a soak, and in any other run; `MINIMODEL_KILLS` sets another.
const KILLS: (u64, u64) = (160, 32);
/// Most kills of one import: a seeder sends each chunk to one key a few times only.
const KILLS_AN_IMPORT: u64 = 6;
/// Upload rate in bytes a second, low enough that a transfer can be killed in the middle.
const RATE: u64 = 3 << 20;

// Rows: E1, E12, E18, G2
#[test]
fn randomly_killed_fetch_keeps_recorded_chunks_and_no_bad_ones() {
    let kills =
        std::env::var("MINIMODEL_KILLS").map_or(walk(KILLS.0, KILLS.1), |kills| kills.parse().unwrap());
    let seed = Random::new().0;
    println!("MINIMODEL_TEST_SEED={seed}");
    let model = Model::in_chunks("512KiB", "16KiB");
    let mut all = Toll::default();
    std::thread::scope(|scope| {
        let work = |worker| {
            let (model, random) = (&model, Random(seed.wrapping_add(worker)));
            scope.spawn(move || kill_often(model, random, kills.div_ceil(SIDE_BY_SIDE)))
        };
        let workers: Vec<_> = (0..SIDE_BY_SIDE).map(work).collect();
        for worker in workers {
            all.add(&worker.join().unwrap());
        }
    });
    all.settle("random");
    assert!(all.kills >= kills);
}

fn kill_often(model: &Model, mut random: Random, kills: u64) -> Toll {
    let mut toll = Toll::default();
    let start = Instant::now();
    Victim::new(model, Seeder::honest(model, RATE).offer()).finish(&mut toll);
    let pace = start.elapsed();
    while toll.kills < kills {
        import(model, &mut random, pace, &mut toll);
    }
    toll
}

/// One import with some kills, each at a random time within the duration of a whole import.
fn import(model: &Model, random: &mut Random, pace: Duration, toll: &mut Toll) {
    // A seeder of its own, whose slots no killed fetcher of another import holds.
    let seeder = Seeder::honest(model, RATE);
    let mut victim = Victim::new(model, seeder.offer());
    let mut after: Vec<(usize, BTreeSet<u32>)> = Vec::new();
    for _ in 0..=random.below(KILLS_AN_IMPORT) {
        let running = victim.start();
        std::thread::sleep(Duration::from_micros(random.below(pace.as_micros() as u64)));
        running.signal(Signal::KILL);
        let fate = running.fate();
        if !fate.is_killed() {
            assert_eq!(fate.status.code(), Some(0), "{fate:?}");
            break;
        }
        victim.look(&fate, toll);
        after.push((seeder.served().len(), victim.recorded.clone()));
    }
    victim.finish(toll);
    for (served, recorded) in &after {
        toll.recorded_again += recorded.intersection(&seeder.served_after(*served)).count();
    }
    let twice = seeder.served().len() as u64 - model.manifest.chunk_count();
    let per_kill = twice.div_ceil(after.len().max(1) as u64);
    toll.refetched_chunks_max = toll.refetched_chunks_max.max(per_kill);
    // A kill costs the chunks in flight: MAX_REQUESTS of `docs/protocol.md` and what the pipes hold.
    assert!(twice <= 64 * after.len() as u64, "{twice} chunks sent twice after {} kills", after.len());
}
