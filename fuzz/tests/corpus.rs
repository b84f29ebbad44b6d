//! Every target over its corpus, and over mutations of it; on stable Rust, in seconds.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use minimodel_fuzz::{TARGETS, Target};

/// Executions of each target beyond its corpus; `MINIMODEL_FUZZ_RUNS` is another number.
const RUNS: u64 = 3_000;
/// The longest input, as for libFuzzer.
const MAX_LEN: usize = 6_000;

fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// Names and bytes, in order.
fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = folder(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    paths.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

fn run(target: &Target, bytes: &[u8], from: &str) {
    let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    assert!(ran.is_ok(), "target {} fails on {from}: {}", target.name, bytes.escape_ascii());
}

#[test]
fn a_f_every_target_holds_over_its_corpus() {
    for target in &TARGETS {
        let corpus = corpus(target);
        for (path, bytes) in &corpus {
            run(target, bytes, &path.display().to_string());
        }
        let bytes: usize = corpus.iter().map(|(_, bytes)| bytes.len()).sum();
        println!("{}: {} files, {bytes} bytes", target.name, corpus.len());
        assert!(corpus.len() <= 200, "a corpus for people to read and for every change to run");
        assert!(bytes <= 300_000);
    }
}

#[test]
fn every_folder_of_the_corpus_and_every_fuzzer_is_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str| {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let targets = TARGETS.map(|target| target.name.to_owned());
    assert_eq!(names("corpus"), targets);
    assert_eq!(names("libfuzzer/fuzz_targets"), targets);
}

/// One or a few changes of the kind that libFuzzer makes.
fn mutated(rng: &mut fastrand::Rng, corpus: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = corpus[rng.usize(..corpus.len())].1.clone();
    for _ in 0..1 + rng.u32(..6) {
        let at = rng.usize(..=bytes.len());
        match rng.u32(..7) {
            0 | 1 if at < bytes.len() => bytes[at] ^= 1 << rng.u32(..8),
            2 if at < bytes.len() => bytes[at] = rng.u8(..),
            3 => bytes.truncate(at),
            4 => bytes.insert(at, [0, 1, 0x7f, 0x80, 0xff, rng.u8(..)][rng.usize(..6)]),
            5 if at < bytes.len() => drop(bytes.drain(at..bytes.len().min(at + 1 + rng.usize(..8)))),
            _ => {
                let other = &corpus[rng.usize(..corpus.len())].1;
                let from = rng.usize(..=other.len());
                let piece = &other[from..other.len().min(from + rng.usize(..64))];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes.truncate(MAX_LEN);
    bytes
}

#[test]
fn g1_every_target_holds_over_mutations_of_its_corpus() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let (runs, seed) =
        (number("MINIMODEL_FUZZ_RUNS").unwrap_or(RUNS), number("MINIMODEL_FUZZ_SEED").unwrap_or(4));
    let only = std::env::var("MINIMODEL_FUZZ_TARGET").ok();
    for target in TARGETS.iter().filter(|target| only.as_ref().is_none_or(|only| only == target.name)) {
        let corpus = corpus(target);
        let mut rng = fastrand::Rng::with_seed(seed);
        let started = std::time::Instant::now();
        for number in 0..runs {
            let bytes = mutated(&mut rng, &corpus);
            run(target, &bytes, &format!("mutation {number} of seed {seed}"));
        }
        println!("{}: {runs} mutations in {:?}", target.name, started.elapsed());
    }
}

/// I6: whatever files and frames say of their sizes, memory follows the bytes that are there.
#[cfg(target_os = "linux")]
#[test]
fn d13_i6_no_input_of_the_corpus_makes_memory_grow() {
    let peak = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    for target in &TARGETS {
        for (path, bytes) in corpus(target) {
            let before = peak();
            run(target, &bytes, &path.display().to_string());
            let grown = peak() - before;
            assert!(grown < 64 << 10, "{} made memory grow by {grown} KiB", path.display());
        }
    }
}
