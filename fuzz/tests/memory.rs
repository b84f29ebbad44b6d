//! Memory over the whole corpus, in a process of its own: nothing else may move the peak.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use minimodel_fuzz::TARGETS;

/// Inputs are a few KiB; what one of them makes grow is tables, buffers of a hash, and the allocator's slack.
const MOST_KIB: u64 = 16 << 10;

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// I6: whatever files and frames say of their sizes, memory follows the bytes that are there.
#[test]
fn a2_d3_d11_d13_i6_no_input_of_the_corpus_makes_memory_grow() {
    // The kernel adds up what each thread counted only now and then, so that a later reading of the peak may be lower
    // than an earlier one: the highest that was read is kept.
    let mut highest = peak_kib();
    for target in &TARGETS {
        // What is made once for all runs is made here.
        (target.run)(&[2, 0, 0, 0, 0, 0, 0, 0]);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let before = highest.max(peak_kib());
            (target.run)(&bytes);
            highest = before.max(peak_kib());
            let grown = highest - before;
            assert!(grown < MOST_KIB, "{} made memory grow by {grown} KiB", path.display());
        }
    }
}
