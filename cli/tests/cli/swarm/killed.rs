//! `kill -9`, lost records and rotten bits: recorded chunks are never fetched twice.

use std::collections::BTreeSet;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use super::model::{Fetcher, Model};
use super::seeder::Seeder;
use crate::process::{event, events};

/// Most requests in flight to one peer; see `docs/protocol.md`.
const MAX_REQUESTS: u64 = 30;

/// Random numbers that can be replayed from a printed seed (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    /// Seeded by `MINIMODEL_TEST_SEED`, or at random.
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

/// Fetches so many chunks, then sends SIGKILL; returns the recorded chunks.
#[track_caller]
fn fetch_and_kill(fetcher: &Fetcher<'_>, seeder: &Seeder, chunks: usize) -> BTreeSet<u32> {
    seeder.gives(chunks);
    let running = fetcher.start(&[seeder.offer()], &[]);
    fetcher.wait_for_chunks(chunks);
    running.kill();
    seeder.gives_all();
    let recorded = fetcher.recorded();
    assert!(recorded.len() == chunks && fetcher.part().exists());
    recorded
}

// Rows: E1
#[test]
fn fetch_killed_ten_times_never_refetches_a_recorded_chunk() {
    let model = Model::of("32MiB");
    let fetcher = Fetcher::of(&model);
    let mut random = Random::new();
    println!("MINIMODEL_TEST_SEED={}", random.0);
    // For each kill: the seeder until then, and the recorded chunks.
    let mut kills: Vec<(Seeder, BTreeSet<u32>)> = Vec::new();
    for kill in 0..10 {
        let before = fetcher.recorded().len();
        // A seeder of its own, without requests of killed fetchers. Ten times its chunks are less than the file.
        let seeder = Seeder::honest(&model, 8 << 20);
        seeder.gives(48);
        let running = fetcher.start(&[seeder.offer()], &["--json"]);
        if kill % 3 > 0 {
            // In the middle of the transfer; every third kill at any time, the start included.
            fetcher.wait_for_chunks(before + random.below(32) as usize);
        }
        std::thread::sleep(Duration::from_micros(random.below(200_000)));
        let said = running.kill();
        for resumed in events(&said, "resumed") {
            assert_eq!((resumed["have"].as_u64(), resumed["lost"].as_u64()), (Some(before as u64), Some(0)));
        }
        kills.push((seeder, fetcher.recorded()));
    }
    let recorded = fetcher.recorded();
    assert!(!recorded.is_empty());
    let last = Seeder::honest(&model, 64 << 20);
    let ran = fetcher.run(&[last.offer()], &["--json"]).exits(0);
    assert_eq!(event(&ran.stdout, "resumed")["have"], recorded.len());
    assert!(fetcher.has_it_but_found() <= 10);

    for (kill, (_, recorded)) in kills.iter().enumerate() {
        let later = kills[kill + 1..].iter().map(|(seeder, _)| seeder).chain([&last]);
        let again: BTreeSet<u32> = later.flat_map(Seeder::served).collect();
        assert!(recorded.is_disjoint(&again), "{:?}", recorded.intersection(&again));
    }
    let all = kills.iter().map(|(seeder, _)| seeder).chain([&last]);
    let (served, count) =
        (all.map(|seeder| seeder.served().len() as u64).sum::<u64>(), model.manifest.chunk_count());
    // Only chunks in flight at a kill are sent twice.
    assert!(served <= count + 10 * MAX_REQUESTS, "{} chunks were sent twice", served - count);
    let per_kill: Vec<usize> = kills.iter().map(|(_, recorded)| recorded.len()).collect();
    println!("recorded at each kill: {per_kill:?}; {} chunks of {count} sent twice", served - count);
}

// Rows: E4
#[test]
fn lost_record_is_rebuilt_from_part_file_without_refetching() {
    let model = Model::of("16MiB");
    let seeder = Seeder::honest(&model, 16 << 20);
    let fetcher = Fetcher::of(&model);
    let recorded = fetch_and_kill(&fetcher, &seeder, 100);
    let served = seeder.served().len();
    fs::remove_file(fetcher.state()).unwrap();

    fetcher.run(&[seeder.offer()], &[]).exits(0);
    let again = seeder.served_after(served);
    assert!(recorded.is_disjoint(&again), "{:?}", recorded.intersection(&again));
    // The suppliers of chunks found on disk are unknown, and the receipt says so.
    assert_eq!(fetcher.has_it_but_found() + again.len() as u64, model.manifest.chunk_count());
}

/// Leaves a partial file of full length without a record, of which the first `good` chunks are right.
fn leave_a_part(fetcher: &Fetcher<'_>, model: &Model, good: u64) {
    let mut bytes = fs::read(model.artifact()).unwrap();
    let end = bytes.len().min((good * model.manifest.chunk_size()) as usize);
    bytes[end..].fill(0);
    fs::create_dir(fetcher.path("out")).unwrap();
    fs::write(fetcher.part(), bytes).unwrap();
}

// Rows: E1, E4
#[test]
fn chunks_found_on_disk_stay_in_the_receipt_after_more_kills() {
    let model = Model::in_chunks("1MiB", "16KiB");
    let fetcher = Fetcher::of(&model);
    leave_a_part(&fetcher, &model, 3);
    let mut again = BTreeSet::new();
    for chunks in [10, 20] {
        let seeder = Seeder::honest(&model, 1 << 20);
        seeder.gives(chunks - fetcher.recorded().len().max(3));
        let running = fetcher.start(&[seeder.offer()], &["--down", "256KiB"]);
        fetcher.wait_for_chunks(chunks);
        running.kill();
        assert!(fetcher.part().exists());
        again.extend(seeder.served());
    }
    let seeder = Seeder::honest(&model, 1 << 20);
    let ran = fetcher.run(&[seeder.offer()], &["--json"]).exits(0);
    assert_eq!(fetcher.has_it_but_found(), 3);
    assert_eq!(event(&ran.stdout, "done")["found_bytes"], 3 * model.manifest.chunk_size());
    again.extend(seeder.served());
    assert!(again.is_disjoint(&BTreeSet::from([0, 1, 2])));
}

// Rows: E4
#[test]
fn file_found_whole_on_disk_names_no_supplier_in_its_receipt() {
    let model = Model::in_chunks("256KiB", "16KiB");
    let seeder = Seeder::honest(&model, 1 << 20);
    let fetcher = Fetcher::of(&model);
    let count = model.manifest.chunk_count();
    leave_a_part(&fetcher, &model, count);
    fetcher.run(&[seeder.offer()], &[]).exits(0);
    assert_eq!((fetcher.has_it_but_found(), seeder.served()), (count, vec![]));
}

// Rows: E3, E4
#[test]
fn chunk_with_torn_record_entry_is_found_on_disk_and_in_receipt() {
    let model = Model::in_chunks("1MiB", "16KiB");
    let seeder = Seeder::honest(&model, 1 << 20);
    let fetcher = Fetcher::of(&model);
    let recorded = fetch_and_kill(&fetcher, &seeder, 10);
    let state = fs::File::options().write(true).open(fetcher.state()).unwrap();
    state.set_len(state.metadata().unwrap().len() - 5).unwrap();
    assert_eq!(fetcher.recorded().len(), recorded.len() - 1);
    let served = seeder.served().len();
    fetcher.run(&[seeder.offer()], &[]).exits(0);
    assert_eq!(fetcher.has_it_but_found(), 1);
    assert!(recorded.is_disjoint(&seeder.served_after(served)));
}

// Rows: E13
#[test]
fn a_rotten_bit_costs_its_chunk_alone_and_nobody_is_blamed() {
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
