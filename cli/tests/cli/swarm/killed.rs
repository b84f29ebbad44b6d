//! `kill -9`, lost records and rotten bits: what was recorded is never fetched twice.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use super::model::{Fetcher, Model};
use super::seeder::Seeder;
use crate::process::{event, events};

/// Requests in flight to one peer; `docs/protocol.md`.
const MAX_REQUESTS: u64 = 30;

/// Random numbers that a printed seed replays (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    /// Seeded by `MINIMODEL_TEST_SEED`, or anew.
    pub(super) fn new() -> Self {
        let given = std::env::var("MINIMODEL_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
        Self(given.unwrap_or_else(|| RandomState::new().hash_one(0)))
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Fetches so many chunks, then SIGKILL; gives the record.
#[track_caller]
fn fetch_and_kill(fetcher: &Fetcher<'_>, seeder: &Seeder, chunks: usize) -> BTreeSet<u32> {
    let running = fetcher.start(&[seeder.offer()], &[]);
    fetcher.wait_for_chunks(chunks);
    running.kill();
    let recorded = fetcher.recorded();
    assert!(recorded.len() >= chunks && fetcher.part().exists());
    recorded
}

#[test]
fn e1_a_fetch_killed_at_ten_random_moments_finishes_and_asks_for_no_recorded_chunk_again() {
    let model = Model::of("32MiB");
    let seeder = Seeder::honest(&model, 8 << 20);
    let fetcher = Fetcher::of(&model);
    let mut random = Random::new();
    println!("MINIMODEL_TEST_SEED={}", random.0);
    // For each kill: how much had been served by then, and what was recorded.
    let mut kills: Vec<(usize, BTreeSet<u32>)> = Vec::new();
    for kill in 0..10 {
        let before = fetcher.recorded().len();
        let running = fetcher.start(&[seeder.offer()], &["--json"]);
        if kill % 3 > 0 {
            // Somewhere in the middle of the transfer; every third anywhere, in the start and the check as well.
            fetcher.wait_for_chunks(before + random.below(32) as usize);
        }
        std::thread::sleep(Duration::from_micros(random.below(200_000)));
        let said = running.kill();
        for resumed in events(&said, "resumed") {
            assert_eq!((resumed["have"].as_u64(), resumed["lost"].as_u64()), (Some(before as u64), Some(0)));
        }
        assert_eq!(events(&said, "done").count(), 0, "it was faster than its seeder");
        kills.push((seeder.served().len(), fetcher.recorded()));
    }
    let recorded = fetcher.recorded();
    assert!(!recorded.is_empty());
    let ran = fetcher.run(&[seeder.offer()], &["--json"]).exits(0);
    assert_eq!(event(&ran.stdout, "resumed")["have"], recorded.len());
    fetcher.has_it_all();

    for (served, recorded) in &kills {
        let again = seeder.served_after(*served);
        assert!(recorded.is_disjoint(&again), "{:?}", recorded.intersection(&again));
    }
    let (served, count) = (seeder.served().len() as u64, model.manifest.chunk_count());
    // Only what was under way at a kill is sent twice.
    assert!(served <= count + 10 * MAX_REQUESTS, "{} chunks were sent twice", served - count);
    let per_kill: Vec<usize> = kills.iter().map(|(_, recorded)| recorded.len()).collect();
    println!("recorded at each kill: {per_kill:?}; {} chunks of {count} sent twice", served - count);
}

#[test]
fn e4_a_lost_record_is_rebuilt_from_the_partial_file_and_what_is_good_is_not_fetched_again() {
    let model = Model::of("16MiB");
    let seeder = Seeder::honest(&model, 16 << 20);
    let fetcher = Fetcher::of(&model);
    let recorded = fetch_and_kill(&fetcher, &seeder, 100);
    let served = seeder.served().len();
    fs::remove_file(fetcher.state()).unwrap();

    fetcher.run(&[seeder.offer()], &[]).exits(0);
    let again = seeder.served_after(served);
    assert!(recorded.is_disjoint(&again), "{:?}", recorded.intersection(&again));
    fetcher.has_it();
    // Nobody knows any more who supplied what was found here.
    let receipt = fetcher.receipt();
    let supplied: u64 = receipt.import().peers.iter().map(|peer| peer.chunks).sum();
    assert_eq!(supplied, again.len() as u64);
}

#[test]
fn e13_a_rotten_bit_costs_its_chunk_alone_and_nobody_is_blamed() {
    let model = Model::of("16MiB");
    let seeder = Seeder::honest(&model, 16 << 20);
    let fetcher = Fetcher::of(&model);
    let recorded = fetch_and_kill(&fetcher, &seeder, 100);
    let served = seeder.served().len();
    let rotten = *recorded.iter().nth(40).unwrap();
    flip_a_byte(&fetcher, u64::from(rotten) * model.manifest.chunk_size() + 777);

    let ran = fetcher.run(&[seeder.offer()], &[]).exits(0);
    assert!(ran.stderr.contains("1 recorded chunks are not good on the disk"), "{}", ran.stderr);
    let again: BTreeSet<u32> = recorded.intersection(&seeder.served_after(served)).copied().collect();
    assert_eq!(again, BTreeSet::from([rotten]));
    fetcher.has_it_all();
    assert!(!ran.stderr.contains("banned"), "{}", ran.stderr);
    assert!(fetcher.receipt().import().peers.iter().all(|peer| peer.rejected.is_none()));
}

fn flip_a_byte(fetcher: &Fetcher<'_>, at: u64) {
    let mut part = fs::File::options().read(true).write(true).open(fetcher.part()).unwrap();
    let mut byte = [0];
    part.seek(SeekFrom::Start(at)).unwrap();
    part.read_exact(&mut byte).unwrap();
    part.seek(SeekFrom::Start(at)).unwrap();
    part.write_all(&[byte[0] ^ 0x10]).unwrap();
}
