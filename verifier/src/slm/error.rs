//! Errors of the format: one variant for each rule, named like the rule.

use super::names::{EntryName, RangeName, Shape, TensorName};
use super::rule::Rule;

/// A broken rule. The message is what was found (floats are held as their bits); [`Rule::expected`] is what should have been there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "variants are documented by the rule of the same name, fields are named in full"
)]
pub enum SlmError {
    #[error("{found} bytes of {expected}")]
    FileLength { found: u64, expected: u64 },
    #[error("{} at offset 0", magic.escape_ascii())]
    HeaderMagic { magic: [u8; 4] },
    #[error("{found} at offset 4")]
    HeaderVersion { found: u32 },
    /// `found` is `None` in a file of fewer than 108 bytes.
    #[error("{}a file of {file} bytes", found.map(|found| format!("{found} at offset 8, in ")).unwrap_or_default())]
    HeaderLength { found: Option<u32>, file: u64 },
    #[error("{found} at offset 12")]
    ModelType { found: u32 },
    #[error("{found:#x} at offset 16")]
    Flags { found: u32 },
    #[error("{found} at offset 20")]
    VocabSize { found: u32 },
    #[error("{found} at offset 24")]
    SpecialTokenCount { found: u32 },
    #[error("0 at offset 28")]
    HiddenSize,
    #[error("0 at offset 32")]
    LayerCount,
    #[error("0 at offset 36")]
    HeadCount,
    #[error("{found} at offset 40, with {head_count} heads")]
    KvHeadCount { found: u32, head_count: u32 },
    #[error("{found} at offset 44, with {head_count} heads and a hidden size of {hidden_size}")]
    HeadDim { found: u32, head_count: u32, hidden_size: u32 },
    #[error("0 at offset 48")]
    FfnSize,
    #[error("0 at offset 52")]
    MaxContext,
    #[error("{} at offset 56", f32::from_bits(*bits))]
    RopeTheta { bits: u32 },
    #[error("{} at offset 60", f32::from_bits(*bits))]
    RmsNormEpsilon { bits: u32 },
    #[error("{length} bytes from {offset} on (header offset 64), in a file of {file} bytes")]
    TokenizerRange { offset: u64, length: u64, file: u64 },
    #[error("{found} at offset 80")]
    DirectoryOffset { found: u64 },
    #[error("{tensor_count} x 64 bytes from {offset} on (header offset 80), in a file of {file} bytes")]
    DirectoryRange { offset: u64, tensor_count: u32, file: u64 },
    #[error("{found} at offset 92, in a file of {file} bytes")]
    DataOffset { found: u64, file: u64 },
    #[error("the {section} begins at {begin}, before {end_before}")]
    SectionOrder { section: &'static str, begin: u64, end_before: u64 },
    #[error("0 at offset 100")]
    Checksum,

    #[error("{found} bytes")]
    TokenizerLimit { found: u64 },
    /// `records` is `None` when the section ends inside its head.
    #[error("a section of {found} bytes at offset {offset}{}", records_of(*records))]
    TokenizerLength { offset: u64, found: usize, records: Option<[u32; 2]> },
    #[error("{} at offset {offset}", magic.escape_ascii())]
    TokenizerMagic { offset: u64, magic: [u8; 4] },
    #[error("{found} at offset {offset}")]
    TokenizerVersion { offset: u64, found: u32 },
    #[error("{found} at offset {offset}, with {header} in the header")]
    TokenizerVocab { offset: u64, found: u32, header: u32 },
    #[error("BOS {}, EOS {}, PAD {}, UNK {} at offset {offset}", ids[0], ids[1], ids[2], ids[3])]
    SpecialIds { offset: u64, ids: [u32; 4] },
    #[error("{place} {id} at offset {offset}")]
    IdRange { place: &'static str, id: u32, offset: u64 },
    #[error("a second record of id {id}")]
    DuplicateId { id: u32 },
    #[error("no bytes in token record {record} (id {id}) at offset {offset}")]
    EmptyToken { offset: u64, record: u32, id: u32 },
    #[error("output {id} of merge record {record} at offset {offset}")]
    MergeOutput { offset: u64, record: u32, id: u32 },
    #[error("{found} bytes at offset {offset}")]
    TokenizerTrailing { offset: u64, found: usize },

    #[error("{found} tensors at offset 88, where the header's other numbers give {required}")]
    TensorMissing { found: u32, required: u64 },
    #[error("{found} tensors")]
    TensorLimit { found: u32 },
    /// `missing` is a required tensor that is not there, if there is one.
    #[error("{entry}{}", missing.map(|missing| format!(", while {missing} is missing")).unwrap_or_default())]
    TensorUnknown { entry: EntryName, missing: Option<TensorName> },
    #[error("{entry} with the hash of entry {earlier}")]
    TensorDuplicate { entry: EntryName, earlier: u32 },
    #[error("{found} in {entry}")]
    Dtype { entry: EntryName, found: u32 },
    #[error("{found} in {entry}")]
    Rank { entry: EntryName, found: u32 },
    #[error("{found} in {entry}")]
    UnusedDims { entry: EntryName, found: u32 },
    #[error("{:?} in {entry}, where the header gives {expected:?}", dims.get(..*rank as usize).unwrap_or_default())]
    TensorShape { entry: EntryName, rank: u32, dims: [u32; 4], expected: Shape },
    #[error("{found} in {entry} with rows of {row}")]
    BlockSize { entry: EntryName, found: u32, row: u32 },
    #[error("{found} bytes in {entry}, which needs {expected}")]
    PayloadLength { entry: EntryName, found: u64, expected: u64 },
    #[error("{found} in {entry}")]
    PayloadAlignment { entry: EntryName, found: u64 },
    #[error("{length} bytes from {offset} on in {entry}")]
    PayloadRange { entry: EntryName, offset: u64, length: u64 },
    #[error("{found} in {entry}")]
    ScalesOffset { entry: EntryName, found: u64 },
    #[error("{found} in {entry}")]
    ScalesAlignment { entry: EntryName, found: u64 },
    #[error("{length} bytes from {offset} on in {entry}")]
    ScalesRange { entry: EntryName, offset: u64, length: u64 },
    /// `earlier` is `None` for the sections before the data section.
    #[error("{range} at offset {offset}, inside {}, up to {end}", earlier_of(*earlier))]
    Overlap { range: RangeName, offset: u64, earlier: Option<RangeName>, end: u64 },
    #[error("a file of {found} bytes whose last range asks for {expected}")]
    FileEnd { found: u64, expected: u64 },

    #[error("{} at offset {offset} in {tensor}", f32::from_bits(*bits))]
    PayloadFinite { tensor: TensorName, offset: u64, bits: u32 },
    #[error("{} at offset {offset} in the scales of {tensor}", f32::from_bits(*bits))]
    ScalesFinite { tensor: TensorName, offset: u64, bits: u32 },
    #[error("{found:#04x} at offset {offset}")]
    Padding { offset: u64, found: u8 },
}

impl SlmError {
    /// The rule that is broken.
    pub fn rule(&self) -> Rule {
        macro_rules! same_name {
            ($($name:ident)*) => {
                match self {
                    $(Self::$name { .. } => Rule::$name,)*
                }
            };
        }
        same_name! {
            FileLength HeaderLength HeaderMagic HeaderVersion ModelType Flags VocabSize SpecialTokenCount
            HiddenSize LayerCount HeadCount KvHeadCount HeadDim FfnSize MaxContext RopeTheta RmsNormEpsilon
            TokenizerRange TokenizerLimit DirectoryOffset DirectoryRange DataOffset SectionOrder TokenizerMagic
            TokenizerVersion TokenizerLength TokenizerTrailing TokenizerVocab SpecialIds IdRange DuplicateId
            EmptyToken MergeOutput TensorMissing TensorLimit TensorUnknown TensorDuplicate Dtype Rank UnusedDims
            TensorShape BlockSize PayloadAlignment PayloadLength PayloadRange ScalesOffset ScalesAlignment
            ScalesRange Overlap FileEnd PayloadFinite ScalesFinite Padding Checksum
        }
    }
}

fn records_of(records: Option<[u32; 2]>) -> String {
    records.map(|[tokens, merges]| format!(" for {tokens} tokens and {merges} merges")).unwrap_or_default()
}

fn earlier_of(earlier: Option<RangeName>) -> String {
    earlier.map_or_else(|| "the sections before the data section".to_owned(), |range| range.to_string())
}
