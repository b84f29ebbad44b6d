//! Seeders of very different rates: how far the end of a fetch is behind what the rates allow, and how many bytes
//! come twice.
//!
//! The bound is what the rates allow in whole chunks: the least time by which all seeders together can have sent as many
//! chunks as the file has, each only what it sends whole by then. A chunk is never assembled from two peers, so part of a
//! chunk counts for nothing. Round trips, the search for the rates and the store are not in the bound; they, and every
//! wrong guess, must fit in 5 % of it or in one second.

use std::time::Duration;

use minimodel_sim::{KIB, MIB, PeerNo, Plan, Scripted, World, id_of, ms, offer_of, secs};
use minimodel_swarm::machine::Input;

/// Rate schedule of one seeder: bytes a second from each time on. The seeder joins at the first time.
type Rates = Vec<(Duration, u64)>;

fn always(rate: u64) -> Rates {
    vec![(Duration::ZERO, rate)]
}

fn from(at: Duration, rate: u64) -> Rates {
    vec![(at, rate)]
}

struct Mix {
    name: &'static str,
    bytes: u64,
    chunk: u64,
    seeders: Vec<Rates>,
}

impl Mix {
    fn new(name: &'static str, bytes: u64, chunk: u64, seeders: Vec<Rates>) -> Self {
        Self { name, bytes, chunk, seeders }
    }

    /// Whole chunks that a seeder can have sent after so many seconds.
    fn chunks_by(&self, rates: &Rates, seconds: f64) -> u64 {
        let mut sent = 0.0;
        for (at, &(from, rate)) in rates.iter().enumerate() {
            let until = rates.get(at + 1).map_or(f64::INFINITY, |&(next, _)| next.as_secs_f64());
            sent += (until.min(seconds) - from.as_secs_f64()).max(0.0) * rate as f64;
        }
        (sent / self.chunk.min(self.bytes) as f64 + 1e-9) as u64
    }

    /// The bound, in seconds.
    fn bound(&self) -> f64 {
        let count = self.bytes.div_ceil(self.chunk);
        let is_enough =
            |seconds| self.seeders.iter().map(|rates| self.chunks_by(rates, seconds)).sum::<u64>() >= count;
        let (mut least, mut most) = (0.0, 1.0);
        while !is_enough(most) {
            most *= 2.0;
        }
        for _ in 0..40 {
            let middle = (least + most) / 2.0;
            if is_enough(middle) { most = middle } else { least = middle }
        }
        most
    }

    /// Runs the fetch. Returns its seconds, and the bytes received beyond the file as a fraction of the file.
    fn run(&self, seed: u64) -> (f64, f64) {
        let mut world = World::new(self.bytes, self.chunk, seed);
        world.settings.check_every = 64;
        let leecher = world.add(Plan::taker().rates(64 * MIB, 64 * MIB));
        let seeders: Vec<PeerNo> =
            self.seeders.iter().map(|rates| join(&mut world, leecher, rates)).collect();
        world.must_run(secs(36_000), |world| world.is_complete(leecher));
        let tally = &world.peers[leecher].tally;
        assert_eq!((&tally.struck, &tally.banned), (&vec![], &vec![]), "{}: all are honest", self.name);
        assert!(tally.chunks_from.keys().all(|id| seeders.iter().any(|&no| id_of(no) == *id)));
        (world.seconds(leecher), tally.received_bytes as f64 / self.bytes as f64 - 1.0)
    }

    /// Runs the mix with several seeds and compares the worst results with the bound.
    fn holds(&self) -> Result<(), String> {
        let bound = self.bound();
        let (mut slowest, mut twice) = (0.0f64, 0.0f64);
        for seed in 0..6 {
            let (seconds, more) = self.run(seed);
            (slowest, twice) = (slowest.max(seconds), twice.max(more));
        }
        let line = format!(
            "{}, {} MiB in chunks of {} KiB: {slowest:.2} s, bound {bound:.2} s, {:.2} % twice",
            self.name,
            self.bytes as f64 / MIB as f64,
            self.chunk / KIB,
            twice * 100.0
        );
        let is_late = slowest > (bound * 1.05).max(bound + 1.0);
        // Where a chunk is a large part of the file, so is a chunk that comes twice.
        let is_twice = twice > 0.05f64.max(self.chunk as f64 / self.bytes as f64);
        if is_late || is_twice { Err(line) } else { Ok(()) }
    }
}

/// Adds a seeder with these rates; the leecher gets its offer when the seeder joins.
fn join(world: &mut World, leecher: PeerNo, rates: &Rates) -> PeerNo {
    let (begin, rate) = rates[0];
    let no = world.add(Plan::seeder().rates(rate, rate).joins_at(begin));
    let offer = Input::Source(offer_of(no, world.terms.swarm_id));
    world.tell_at(begin + ms(1), leecher, offer);
    for &(at, rate) in &rates[1..] {
        world.script(at, Scripted::Rate(no, rate));
    }
    no
}

fn all_hold(mixes: &[Mix]) {
    let late: Vec<String> = mixes.iter().filter_map(|mix| mix.holds().err()).collect();
    assert!(late.is_empty(), "{late:#?}");
}

fn fast_and_slow(fast: u64, slow: u64, slow_ones: usize) -> Vec<Rates> {
    let mut seeders = vec![always(slow); slow_ones];
    seeders.push(always(fast));
    seeders
}

// Rows: H12
#[test]
fn thousand_times_slower_seeders_do_not_delay_a_fast_one() {
    let mut mixes = Vec::new();
    for (bytes, chunk) in [(8 * MIB, 64 * KIB), (8 * MIB, MIB), (64 * MIB, MIB), (160 * MIB, 16 * MIB)] {
        for slow_ones in [1, 2, 3] {
            mixes.push(Mix::new("1 : 1,000", bytes, chunk, fast_and_slow(4 * MIB, 4 * KIB, slow_ones)));
        }
    }
    all_hold(&mixes);
}
// Rows: H12
#[test]
fn many_slow_seeders_beside_a_fast_one_do_not_delay_the_fetch() {
    let mut mixes = Vec::new();
    for (bytes, chunk) in [(8 * MIB, 64 * KIB), (64 * MIB, MIB), (160 * MIB, 16 * MIB)] {
        for (slow, slow_ones) in [(KIB, 20), (16 * KIB, 40), (128 * KIB, 20)] {
            // The memory budget holds four chunks of 16 MiB, two of them from peers that never delivered: such peers
            // are tried in turn.
            let slow_ones = if chunk == 16 * MIB { slow_ones / 10 } else { slow_ones };
            mixes.push(Mix::new("many slow", bytes, chunk, fast_and_slow(4 * MIB, slow, slow_ones)));
        }
    }
    all_hold(&mixes);
}

// Rows: H12
#[test]
fn late_fast_seeder_takes_the_end_from_two_slow_ones() {
    let mut mixes = Vec::new();
    for (bytes, chunk) in [
        (64 * KIB, 64 * KIB),
        (128 * KIB, 64 * KIB),
        (8 * MIB, 64 * KIB),
        (8 * MIB, MIB),
        (64 * MIB, 16 * MIB),
    ] {
        for late in [ms(700), secs(5), secs(31)] {
            let seeders = vec![always(KIB), always(KIB), from(late, 4 * MIB)];
            mixes.push(Mix::new("two slow and one late", bytes, chunk, seeders));
        }
    }
    all_hold(&mixes);
}

// Rows: H12
#[test]
fn rates_that_change_in_the_middle_are_followed() {
    let mut mixes = Vec::new();
    for (bytes, chunk) in [(16 * MIB, 64 * KIB), (32 * MIB, MIB), (160 * MIB, 16 * MIB)] {
        // In the middle of a chunk, since the bound ignores round trips.
        let half = Duration::from_secs_f64(1.1 * bytes as f64 / (8 * MIB) as f64);
        let turn = |before, after| vec![(Duration::ZERO, before), (half, after)];
        let swap = vec![turn(4 * MIB, 4 * KIB), turn(4 * KIB, 4 * MIB)];
        mixes.push(Mix::new("two that change places", bytes, chunk, swap));
        let mut fall = vec![turn(4 * MIB, 4 * KIB), always(MIB)];
        if chunk < 16 * MIB {
            fall.push(always(256 * KIB));
        }
        mixes.push(Mix::new("the fastest falls", bytes, chunk, fall));
    }
    all_hold(&mixes);
}

// Rows: H12
#[test]
fn peers_of_like_rates_end_together_with_few_duplicate_chunks() {
    let mut mixes = Vec::new();
    for (bytes, chunk) in [
        (64 * KIB, 64 * KIB),
        (192 * KIB, 64 * KIB),
        (3 * MIB, MIB),
        (8 * MIB, 64 * KIB),
        (64 * MIB, MIB),
        (256 * MIB, 16 * MIB),
    ] {
        // The memory budget holds two chunks of 16 MiB from peers that never delivered.
        let alike = if chunk == 16 * MIB { 2 } else { 4 };
        mixes.push(Mix::new("alike", bytes, chunk, vec![always(MIB); alike]));
        mixes.push(Mix::new(
            "16 : 4 : 1",
            bytes,
            chunk,
            vec![always(16 * MIB), always(4 * MIB), always(MIB)],
        ));
        mixes.push(Mix::new("3 : 2", bytes, chunk, vec![always(3 * MIB), always(2 * MIB)]));
        mixes.push(Mix::new(
            "all slow",
            bytes.min(8 * MIB),
            chunk.min(bytes.min(8 * MIB)),
            vec![always(20 * KIB), always(10 * KIB), always(KIB)],
        ));
    }
    all_hold(&mixes);
}
