//! The memory of a bitfield, measured in a process of its own so that nothing else moves the peak.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;

use minimodel_wire::limits::MAX_CHUNK_COUNT;
use minimodel_wire::{Bitfield, Decoder, Frame};

/// Allowed growth in KiB, for the allocator's slack; one bitfield of 2^24 chunks as bits is 2 MiB.
const MOST_KIB: u64 = 1 << 10;

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A `Bitfield` body of five bytes, which says that all or none of 2^24 chunks are there, does not cost 2 MiB: neither when
/// the frame is read, nor when the bitfield is kept and looked at.
// Rows: H6
#[test]
fn a_bitfield_frame_of_five_bytes_costs_no_two_mebibytes() {
    let before = peak_kib();
    let mut kept = Vec::new();
    for n in 0..256 {
        let field = if n % 2 == 0 { Bitfield::full(MAX_CHUNK_COUNT) } else { Bitfield::new(MAX_CHUNK_COUNT) };
        let mut decoder = Decoder::new(Some(MAX_CHUNK_COUNT));
        decoder.push(&Frame::Bitfield(field).encode());
        let Ok(Some(Frame::Bitfield(field))) = decoder.next() else { panic!("a good frame") };
        assert_eq!((field.get(7), field.iter_ones().next().is_some()), (n % 2 == 0, n % 2 == 0));
        kept.push(field);
    }
    let grown = peak_kib() - before;
    assert!(grown < MOST_KIB, "256 frames of 11 bytes made memory grow by {grown} KiB");
}
