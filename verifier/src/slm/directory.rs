//! The tensor directory, once it is whole in memory.

use std::fmt;

use super::ENTRY_BYTES;
use super::board::Board;
use super::entry::{Dtype, Entry};
use super::error::SlmError;
use super::header::Header;
use super::placement::{self, FileRange};
use super::rule::Rule;
use super::tensor::Required;

/// How the tensors of a file are stored, over all entries of its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantization {
    /// All f32.
    F32,
    /// All q8_0.
    Q8_0,
    /// All q4_0.
    Q4_0,
    /// More than one type.
    Mixed,
}

impl Quantization {
    /// The spelling of `slm.quantization` in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Mixed => "mixed",
        }
    }
}

impl fmt::Display for Quantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the directory says once all of its rules hold.
#[derive(Debug)]
pub(super) struct Directory {
    /// Payloads and scales, in the order of the file, without overlaps.
    pub(super) ranges: Vec<FileRange>,
    pub(super) parameter_count: u64,
    pub(super) quantization: Quantization,
}

/// Decides every rule of the directory. The header has passed, so `bytes` are `tensor_count` entries.
pub(super) fn check(bytes: &[u8], header: &Header, file: u64, board: &mut Board) -> Option<Directory> {
    let required = Required::of(header);
    let entries: Vec<Entry> = (0..)
        .zip(bytes.chunks_exact(ENTRY_BYTES as usize))
        .map(|(entry, bytes)| Entry::read(bytes, entry, header.tensor_directory_offset, &required))
        .collect();
    check_names(&entries, &required, board);
    let mut ranges = Vec::with_capacity(entries.len().saturating_mul(2));
    for entry in &entries {
        entry.check(header, file, board, &mut ranges);
    }
    let count = format!("{} tensors", entries.len());
    for &rule in OF_ENTRIES {
        board.pass(rule, &count);
    }
    if !board.have_passed(OF_ENTRIES) || board.has_failed(Rule::Overlap) {
        return None;
    }
    placement::check(&mut ranges, file, board);
    if !board.has_passed(Rule::Overlap) {
        return None;
    }
    Some(Directory {
        ranges,
        parameter_count: entries.iter().map(Entry::elements).fold(0, u64::saturating_add),
        quantization: quantization(&entries),
    })
}

const OF_ENTRIES: &[Rule] = &[
    Rule::TensorMissing,
    Rule::TensorUnknown,
    Rule::TensorDuplicate,
    Rule::Dtype,
    Rule::Rank,
    Rule::UnusedDims,
    Rule::TensorShape,
    Rule::BlockSize,
    Rule::PayloadAlignment,
    Rule::PayloadLength,
    Rule::PayloadRange,
    Rule::ScalesOffset,
    Rule::ScalesAlignment,
    Rule::ScalesRange,
];

/// Checks that every name hash is a required one and that none occurs twice. There are at least as many entries as required
/// tensors, so then none is missing.
fn check_names(entries: &[Entry], required: &Required, board: &mut Board) {
    let mut by_hash: Vec<_> = entries.iter().map(|entry| (entry.name.hash, entry.name)).collect();
    by_hash.sort_unstable_by_key(|(hash, name)| (*hash, name.entry));
    for pair in by_hash.windows(2) {
        if let [(hash, earlier), (same, entry)] = pair
            && hash == same
        {
            board.fail(SlmError::TensorDuplicate { entry: *entry, earlier: earlier.entry });
        }
    }
    if let Some(unknown) = entries.iter().find(|entry| entry.name.tensor.is_none()) {
        let hashes: Vec<u64> = by_hash.iter().map(|(hash, _)| *hash).collect();
        let missing = required.first_missing(&hashes);
        board.fail(SlmError::TensorUnknown { entry: unknown.name, missing });
    }
    if board.has_failed(Rule::TensorDuplicate) || board.has_failed(Rule::TensorUnknown) {
        board.skip(&[Rule::TensorMissing]);
    }
}

fn quantization(entries: &[Entry]) -> Quantization {
    let first = entries.first().and_then(Entry::dtype);
    if entries.iter().any(|entry| entry.dtype() != first) {
        return Quantization::Mixed;
    }
    match first {
        Some(Dtype::F32) => Quantization::F32,
        Some(Dtype::Q8_0) => Quantization::Q8_0,
        Some(Dtype::Q4_0) => Quantization::Q4_0,
        None => Quantization::Mixed,
    }
}
