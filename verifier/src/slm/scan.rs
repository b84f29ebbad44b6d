//! The pass over the file: regions in their order, each byte read once.

use std::collections::VecDeque;

use super::board::Board;
use super::directory::{self, Directory, Quantization};
use super::error::SlmError;
use super::floats::Floats;
use super::header::{HEADER_BYTES, Header};
use super::names::RangeName;
use super::rule::Rule;
use super::tokenizer;
use crate::digest::{Digest, sha256, tagged};
use crate::report::Report;
use crate::scan::{self, Scanned, first_not_zero};

/// The properties of a file whose header, tokenizer and directory are valid.
#[derive(Debug, Clone, PartialEq)]
pub struct SlmFacts {
    /// The header's numbers.
    pub header: Header,
    /// SHA-256 of the tokenizer section.
    pub tokenizer_sha256: Digest,
    /// SHA-256 of the directory.
    pub layout_sha256: Digest,
    /// Elements of all tensors in the directory.
    pub parameter_count: u64,
    /// How the tensors are stored.
    pub quantization: Quantization,
    /// The header's rolling checksum, as stored.
    pub stored_checksum: u64,
}

impl SlmFacts {
    /// What the file says of itself, as labels and values for people.
    pub fn summary(&self) -> Vec<(&'static str, String)> {
        let header = &self.header;
        let output = if header.is_output_tied() { "tied" } else { "of its own" };
        let shape = format!(
            "{} layers, hidden {}, FFN {}, {} heads, {} KV heads, output {output}",
            header.layer_count, header.hidden_size, header.ffn_size, header.head_count, header.kv_head_count
        );
        vec![
            ("parameters", format!("{}, stored as {}", self.parameter_count, self.quantization)),
            ("shape", shape),
            ("vocabulary", format!("{}, context {}", header.vocab_size, header.max_context)),
            ("tensors", header.tensor_count.to_string()),
            ("tokenizer", tagged(&self.tokenizer_sha256)),
            ("tensor layout", tagged(&self.layout_sha256)),
            ("checksum", format!("{:016x}, as the header says", self.stored_checksum)),
        ]
    }
}

/// The result of a [`Scan`].
#[derive(Debug, Clone, PartialEq)]
pub struct SlmOutcome {
    /// Present when header, tokenizer and directory are valid; the payload may still have failed.
    pub facts: Option<SlmFacts>,
    /// The rules that could be decided, in their order. A rule that an earlier failure left undecided is absent.
    pub report: Report,
    /// The rules that failed, in the same order.
    pub errors: Vec<SlmError>,
}

/// Checks a `.slm` file that is pushed in order, in slices of any size.
///
/// Memory is the tokenizer section and the directory, both limited, and less than a KiB a tensor.
#[derive(Debug)]
pub struct Scan {
    byte_count: u64,
    position: u64,
    board: Board,
    regions: VecDeque<Region>,
    /// Bytes of the current region, if it is checked as a whole.
    held: Vec<u8>,
    floats: Floats,
    f32_values: u64,
    scales: u64,
    header: Option<Header>,
    tokenizer_sha256: Option<Digest>,
    directory: Option<(Directory, Digest)>,
}

/// A stretch of the file up to `end`, and what to do with its bytes.
#[derive(Debug, Clone, Copy)]
struct Region {
    end: u64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Header,
    Tokenizer,
    Directory,
    Padding,
    Floats(RangeName),
    /// A region in which any byte is valid.
    Any,
}

impl Scan {
    /// A scan of a file of `byte_count` bytes, as the caller says; the scan compares this number with the file.
    pub fn new(byte_count: u64) -> Self {
        let mut board = Board::new();
        let mut regions = VecDeque::new();
        if byte_count < HEADER_BYTES as u64 {
            board.fail(SlmError::HeaderLength { found: None, file: byte_count });
        } else {
            regions.push_back(Region { end: HEADER_BYTES as u64, kind: Kind::Header });
        }
        Self {
            byte_count,
            position: 0,
            board,
            regions,
            held: Vec::new(),
            floats: Floats::default(),
            f32_values: 0,
            scales: 0,
            header: None,
            tokenizer_sha256: None,
            directory: None,
        }
    }

    /// Checks the next bytes of the file.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while let Some(&region) = self.regions.front() {
            let left = usize::try_from(region.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(left.min(bytes.len()));
            self.look_at(region.kind, now);
            self.position = self.position.saturating_add(now.len() as u64);
            bytes = later;
            if now.len() < left {
                return;
            }
            self.regions.pop_front();
            self.complete(region.kind);
        }
        self.position = self.position.saturating_add(bytes.len() as u64);
    }

    /// The verdicts, once the file has ended.
    pub fn finish(mut self) -> SlmOutcome {
        let (found, expected) = (self.position, self.byte_count);
        let error = SlmError::FileLength { found, expected };
        self.board.decide(Rule::FileLength, found, (found != expected).then_some(error));
        if self.board.has_passed(Rule::FileLength) && self.directory.is_some() {
            self.board.pass(Rule::PayloadFinite, format!("{} values", self.f32_values));
            self.board.pass(Rule::ScalesFinite, format!("{} scales", self.scales));
            self.board.pass(Rule::Padding, "");
        }
        let facts = self.facts();
        SlmOutcome { facts, errors: self.board.errors().copied().collect(), report: self.board.report() }
    }

    fn facts(&mut self) -> Option<SlmFacts> {
        let (header, tokenizer_sha256) = (self.header?, self.tokenizer_sha256?);
        let (directory, layout_sha256) = self.directory.take()?;
        Some(SlmFacts {
            header,
            tokenizer_sha256,
            layout_sha256,
            parameter_count: directory.parameter_count,
            quantization: directory.quantization,
            stored_checksum: header.checksum,
        })
    }

    fn look_at(&mut self, kind: Kind, bytes: &[u8]) {
        match kind {
            Kind::Header | Kind::Tokenizer | Kind::Directory => self.held.extend_from_slice(bytes),
            Kind::Padding => {
                if let Some((at, found)) = first_not_zero(bytes) {
                    let offset = self.position.saturating_add(at as u64);
                    self.board.fail(SlmError::Padding { offset, found });
                }
            }
            Kind::Floats(RangeName { tensor, is_scales }) => {
                if let Some((at, value)) = self.floats.push(bytes) {
                    let (offset, bits) = (self.position.saturating_add_signed(at), value.to_bits());
                    self.board.fail(if is_scales {
                        SlmError::ScalesFinite { tensor, offset, bits }
                    } else {
                        SlmError::PayloadFinite { tensor, offset, bits }
                    });
                }
            }
            Kind::Any => (),
        }
    }

    /// Handles the end of a region.
    fn complete(&mut self, kind: Kind) {
        let held = std::mem::take(&mut self.held);
        match kind {
            Kind::Header => self.complete_header(&held),
            Kind::Tokenizer => self.complete_tokenizer(&held),
            Kind::Directory => self.complete_directory(&held),
            Kind::Floats(_) => self.floats = Floats::default(),
            Kind::Padding | Kind::Any => (),
        }
    }

    fn complete_header(&mut self, held: &[u8]) {
        let Some(header) = held.first_chunk().map(Header::read) else { return };
        if !header.check(self.byte_count, &mut self.board) {
            return;
        }
        self.header = Some(header);
        self.regions.extend([
            Region { end: u64::from(header.header_length), kind: Kind::Any },
            Region { end: header.tokenizer_offset, kind: Kind::Padding },
            Region { end: header.tokenizer_end(), kind: Kind::Tokenizer },
            Region { end: header.tensor_directory_offset, kind: Kind::Padding },
            Region { end: header.directory_end(), kind: Kind::Directory },
        ]);
    }

    fn complete_tokenizer(&mut self, held: &[u8]) {
        let Some(header) = self.header else { return };
        tokenizer::check(held, header.tokenizer_offset, header.vocab_size, &mut self.board);
        let of_section = Rule::TokenizerMagic..=Rule::MergeOutput;
        if !Rule::ALL.iter().any(|rule| of_section.contains(rule) && self.board.has_failed(*rule)) {
            self.tokenizer_sha256 = Some(sha256(held));
        }
    }

    fn complete_directory(&mut self, held: &[u8]) {
        let Some(header) = self.header else { return };
        let Some(directory) = directory::check(held, &header, self.byte_count, &mut self.board) else {
            return;
        };
        for range in &directory.ranges {
            self.regions.push_back(Region { end: range.offset, kind: Kind::Padding });
            let words = (range.end - range.offset) / 4;
            let kind = if range.holds_f32 { Kind::Floats(range.name) } else { Kind::Any };
            if range.name.is_scales {
                self.scales = self.scales.saturating_add(words);
            } else if range.holds_f32 {
                self.f32_values = self.f32_values.saturating_add(words);
            }
            self.regions.push_back(Region { end: range.end, kind });
        }
        // A file that goes on beyond its proper end has failed already; those bytes are not checked as padding.
        let last = directory.ranges.last().map_or(0, |range| range.end);
        let end = last.next_multiple_of(super::ALIGNMENT).min(self.byte_count);
        self.regions.push_back(Region { end, kind: Kind::Padding });
        self.directory = Some((directory, sha256(held)));
    }
}

impl scan::Scan for Scan {
    fn push(&mut self, bytes: &[u8]) {
        self.push(bytes);
    }

    fn header(&self) -> Option<scan::Header> {
        None
    }

    fn finish(self: Box<Self>) -> Scanned {
        let outcome = (*self).finish();
        let summary = outcome.facts.as_ref().map(SlmFacts::summary).unwrap_or_default();
        Scanned { report: outcome.report, header: scan::Header { summary, ..Default::default() } }
    }
}
