//! Placement of payloads and scales in the file: they do not overlap, and the file ends after the last.

use super::ALIGNMENT;
use super::board::Board;
use super::error::SlmError;
use super::names::RangeName;
use super::rule::Rule;

/// A payload or scale block inside the data section.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileRange {
    pub(super) offset: u64,
    /// Offset after its last byte.
    pub(super) end: u64,
    pub(super) name: RangeName,
    /// True when its bytes are f32 words that must be finite.
    pub(super) holds_f32: bool,
}

/// Sorts the ranges, and decides overlaps and the end of the file.
pub(super) fn check(ranges: &mut [FileRange], file: u64, board: &mut Board) {
    ranges.sort_unstable_by_key(|range| (range.offset, range.end));
    for pair in ranges.windows(2) {
        if let [earlier, range] = pair
            && range.offset < earlier.end
        {
            board.fail(SlmError::Overlap {
                range: range.name,
                offset: range.offset,
                earlier: Some(earlier.name),
                end: earlier.end,
            });
        }
    }
    board.pass(Rule::Overlap, format!("{} ranges", ranges.len()));
    if board.has_failed(Rule::Overlap) {
        return;
    }
    let last = ranges.iter().map(|range| range.end).max().unwrap_or_default();
    let expected = last.checked_next_multiple_of(ALIGNMENT).unwrap_or(u64::MAX);
    let error = SlmError::FileEnd { found: file, expected };
    board.decide(Rule::FileEnd, file, (file != expected).then_some(error));
}
