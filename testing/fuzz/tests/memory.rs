//! The memory of all targets over the whole corpus, measured in a process of its own so that nothing else moves the peak.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use minimodel_fuzz::TARGETS;

/// Allowed growth in KiB: inputs are a few KiB, so that only tables, hash buffers and the allocator's slack grow.
const MOST_KIB: u64 = 16 << 10;

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// I6: memory follows the bytes that are present, whatever sizes files and frames announce.
// Rows: A2, D3, D11, D13, I6
#[test]
fn no_input_of_the_corpus_makes_memory_grow() {
    // The kernel sums the counters of the threads only now and then, so that a later reading of the peak may be lower than
    // an earlier one: the highest reading is kept.
    let mut highest = peak_kib();
    for target in &TARGETS {
        // Makes what all runs share.
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
