//! Thousands of worlds, each from one number: honest and hostile peers, good and bad paths and disks. With one honest
//! seeder all of them end with the right file, and no honest peer is ever banned.
//!
//! One digest of all outputs of all machines in these worlds, to prove that a change to the machine is a refactor: the
//! digest before the change and after it are the same.
//!
//! ```text
//! MINIMODEL_SIM_DIGEST=2000 cargo test -p minimodel-swarm --test swarm sim::random::digest -- --exact --nocapture
//! ```
//!
//! A million worlds, in pieces that can be resumed, each world run twice and compared:
//!
//! ```text
//! MINIMODEL_SIM_FROM=0 MINIMODEL_SIM_WORLDS=1000000 \
//!   cargo test --release -p minimodel-swarm --test swarm sim::random::random_worlds -- --nocapture
//! ```

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use minimodel_sim::Summary;
use minimodel_skipped::walk;
use minimodel_verifier::sha256;

use super::scenario::{LARGE_FROM, run, scenario};

/// Number of worlds in a soak, and in any other run.
const WORLDS: (u64, u64) = (2_000, 150);
/// Number of these worlds that are run twice.
const TWICE: (u64, u64) = (100, 20);
/// Number of worlds whose digest is taken in a default run, which shows only that there is one.
const DIGESTED: u64 = 20;
/// One of so many digested worlds is a large one.
const LARGE_OF: u64 = 20;
/// Number of worlds after which a long run reports its progress.
const TELL_EVERY: u64 = 10_000;

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

/// Runs the worlds of all `seeds` on all cores, and returns the sums of what happened.
#[expect(clippy::print_stdout, reason = "whoever runs a million worlds wants to know how far they are")]
fn run_all(seeds: Range<u64>, is_twice: bool) -> Summary {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 16);
    let next = Arc::new(AtomicU64::new(seeds.start));
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let (next, seeds) = (next.clone(), seeds.clone());
            std::thread::spawn(move || {
                let mut summary = Summary::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return summary;
                    }
                    let hash = one(seed, &mut summary);
                    if is_twice && hash != one(seed, &mut Summary::default()) {
                        panic!("seed {seed} is not the same twice");
                    }
                    let done = seed + 1 - seeds.start;
                    if done.is_multiple_of(TELL_EVERY) {
                        println!(
                            "sim: {done} begun; go on after a stop with MINIMODEL_SIM_FROM={}",
                            seed - 100
                        );
                    }
                }
            })
        })
        .collect();
    let mut all = Summary::default();
    for worker in workers {
        all.add(&worker.join().expect("see the message above"));
    }
    all
}

/// Runs one world; returns the hash of its log.
fn one(seed: u64, summary: &mut Summary) -> u64 {
    let mut scenario = scenario(seed);
    run(&mut scenario);
    summary.add_world(&scenario.world, seed);
    scenario.world.record.hash()
}

#[test]
fn random_worlds_finish_without_an_honest_ban() {
    let from = asked("MINIMODEL_SIM_FROM").unwrap_or(0);
    let worlds = asked("MINIMODEL_SIM_WORLDS");
    let seeds = from..from + worlds.unwrap_or(walk(WORLDS.0, WORLDS.1));
    let summary = run_all(seeds, worlds.is_some());
    println!("sim: {summary}");
    println!("figure: worlds={} false_bans={}", summary.worlds, summary.bans_honest);
    assert_eq!(summary.bans_honest, 0);
    if worlds.is_none() {
        // A fault that never happens tests nothing.
        let counts = &summary.counts;
        let least = [
            counts.kills,
            counts.power_losses,
            counts.disk_faults,
            counts.stalls,
            counts.rotten,
            counts.cuts,
            counts.partitions,
            counts.rebinds,
            counts.suspends,
            counts.clock_jumps,
            summary.disk_failures,
            summary.bans_hostile,
        ];
        assert!(least.iter().all(|&happened| happened > summary.worlds / 20), "{summary}");
    }
}

#[test]
fn larger_random_worlds_with_churn_finish_without_an_honest_ban() {
    let worlds = asked("MINIMODEL_SIM_LARGE").unwrap_or(20);
    let summary = run_all(LARGE_FROM..LARGE_FROM + worlds, false);
    println!("sim-large: {summary}");
    assert_eq!(summary.bans_honest, 0);
    assert!(summary.longest.0 > Duration::ZERO);
}

#[test]
fn the_same_seed_gives_the_same_log() {
    run_all(0..walk(TWICE.0, TWICE.1), true);
    let hash = |seed| one(seed, &mut Summary::default());
    assert_ne!(hash(1), hash(2));
}

/// The hash of the outputs of each world, on all cores, in the order of the seeds.
fn outputs(seeds: &[u64]) -> Vec<u64> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, 16);
    let outputs = |seed: &u64| {
        let mut scenario = scenario(*seed);
        run(&mut scenario);
        scenario.world.record.outputs()
    };
    // Every thread takes its share of the large worlds, which stand last.
    let parts = (0..threads).map(|first| {
        let seeds: Vec<u64> = seeds.iter().copied().skip(first).step_by(threads).collect();
        std::thread::spawn(move || seeds.iter().map(outputs).collect::<Vec<_>>())
    });
    let parts: Vec<_> = parts.collect();
    let parts: Vec<Vec<u64>> = parts.into_iter().map(|part| part.join().expect("a failed world")).collect();
    (0..seeds.len()).map(|at| parts[at % threads][at / threads]).collect()
}

/// Prints one digest of the outputs of all machines in `MINIMODEL_SIM_DIGEST` worlds.
#[test]
fn digest() {
    let worlds = asked("MINIMODEL_SIM_DIGEST").unwrap_or(DIGESTED);
    let seeds: Vec<u64> = (0..worlds).chain(LARGE_FROM..LARGE_FROM + worlds / LARGE_OF).collect();
    let outputs = outputs(&seeds);
    let bytes: Vec<u8> = outputs.iter().flat_map(|hash| hash.to_le_bytes()).collect();
    let digest: String = sha256(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    println!("digest: worlds={} {digest}", seeds.len());
    let different: std::collections::BTreeSet<_> = outputs.iter().collect();
    assert_eq!(different.len(), seeds.len(), "no two worlds are the same");
}

/// Replays the seed in `MINIMODEL_SIM_SEED` and prints its log.
#[test]
fn replay() {
    let seed = asked("MINIMODEL_SIM_SEED");
    let mut scenario = scenario(seed.unwrap_or(7));
    scenario.world.record.is_printed = seed.is_some();
    run(&mut scenario);
}
