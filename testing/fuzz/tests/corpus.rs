//! Every target over its corpus, and over mutations of it; on stable Rust, in seconds.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures of a run")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use minimodel_fuzz::{TARGETS, Target};

/// Executions of each target beyond its corpus; `MINIMODEL_FUZZ_RUNS` sets another number.
const RUNS: u64 = 5_000;
/// The longest input, as for libFuzzer.
const MAX_LEN: usize = 6_000;

fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// The corpus of a target: paths and bytes, in order.
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

/// Runs a target over the committed files, and then over mutations of them.
fn holds(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let corpus = corpus(target);
    for (path, bytes) in &corpus {
        run(target, bytes, &path.display().to_string());
    }
    let bytes: usize = corpus.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(
        corpus.len() <= 160 && bytes <= 300_000,
        "a corpus for people to read and for every change to run"
    );
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let (runs, seed) =
        (number("MINIMODEL_FUZZ_RUNS").unwrap_or(RUNS), number("MINIMODEL_FUZZ_SEED").unwrap_or(4));
    let (mut rng, started) = (fastrand::Rng::with_seed(seed), std::time::Instant::now());
    for number in 0..runs {
        let bytes = mutated(&mut rng, &corpus);
        run(target, &bytes, &format!("mutation {number} of seed {seed}"));
    }
    println!("{name}: {} files, {bytes} bytes; {runs} mutations in {:?}", corpus.len(), started.elapsed());
    println!("figure: fuzz_targets=1 fuzz_files={} fuzz_runs={runs}", corpus.len());
}

// One test a target, named after the rows of the catalogue of faults that it looks for.

// Rows: A1, A2, A3, A6, A7, B7
#[test]
fn frame_holds() {
    holds("frame");
}

// Rows: A3, A5, A6, A7, A8, B8
#[test]
fn handshake_holds() {
    holds("handshake");
}

// Rows: A5, A8, A11, B6, B8, B9, B11, B12, B14, B16
#[test]
fn machine_holds() {
    holds("machine");
}

// Rows: D1, D2, D3, D4, D5, D6, D7, D8, D9
#[test]
fn manifest_holds() {
    holds("manifest");
}

// Rows: C4, C5
#[test]
fn offer_holds() {
    holds("offer");
}

// Rows: B2, B3, B4, B5
#[test]
fn proof_holds() {
    holds("proof");
}

// Rows: D8
#[test]
fn receipt_holds() {
    holds("receipt");
}

// Rows: C4, D1, D8
#[test]
fn request_holds() {
    holds("request");
}

// Rows: D13
#[test]
fn slm_holds() {
    holds("slm");
}

// Rows: E3, E13, G6
#[test]
fn state_holds() {
    holds("state");
}

#[test]
fn every_target_has_a_corpus_and_a_fuzzer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str| {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        let name = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap().path())).collect();
        names.sort();
        names
    };
    let targets = TARGETS.map(|target| target.name.to_owned());
    assert_eq!(names("corpus"), targets);
    assert_eq!(names("libfuzzer/fuzz_targets"), targets);
    let here = include_str!("corpus.rs");
    assert!(
        targets.iter().all(|target| here.contains(&format!("holds(\"{target}\");"))),
        "a target has no test"
    );
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
