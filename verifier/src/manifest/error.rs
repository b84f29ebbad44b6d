//! One error for each rule of manifest v0.

use std::fmt;

use super::route::RouteFault;
use super::spdx::SpdxFault;
use crate::shown::ascii;

/// A field of a manifest. Key and value are stored as received; `Display` escapes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldAt {
    /// 1-based.
    pub line: usize,
    /// The key as written in the text.
    pub key: String,
    /// The value, trimmed.
    pub value: String,
}

impl fmt::Display for FieldAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: `{}` is `{}`", self.line, ascii(&self.key), ascii(&self.value))
    }
}

/// The rule of manifest v0 that a text breaks. Lines and columns count from 1.
///
/// `Display` says what was found, where, and what is accepted, with everything from outside escaped and cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The text is longer than [`MAX_MANIFEST_BYTES`](super::MAX_MANIFEST_BYTES).
    TooLarge {
        /// Its length, a missing last line end included.
        bytes: usize,
    },
    /// The text begins with a byte order mark.
    ByteOrderMark,
    /// A carriage return that no line feed follows.
    LoneCarriageReturn {
        /// Line of the byte.
        line: usize,
        /// Column of the byte.
        column: usize,
    },
    /// A byte other than 0x20 to 0x7E and the line ends.
    ForbiddenByte {
        /// Line of the byte.
        line: usize,
        /// Column of the byte, in bytes.
        column: usize,
        /// The byte.
        byte: u8,
    },
    /// A line that is neither empty nor a comment and holds no `=`.
    NoEquals {
        /// The line.
        line: usize,
        /// The text of the line.
        text: String,
    },
    /// A key longer than [`MAX_KEY_BYTES`](super::MAX_KEY_BYTES).
    KeyTooLong {
        /// The line.
        line: usize,
        /// The key.
        key: String,
    },
    /// A key that is not lowercase words joined by dots.
    KeySpelling {
        /// The line.
        line: usize,
        /// The text before the `=`.
        key: String,
    },
    /// A value longer than [`MAX_VALUE_BYTES`](super::MAX_VALUE_BYTES).
    ValueTooLong {
        /// The line.
        line: usize,
        /// Its key.
        key: String,
        /// Length of the trimmed value.
        bytes: usize,
    },
    /// More fields than [`MAX_FIELDS`](super::MAX_FIELDS).
    TooManyFields {
        /// The line of the first field too many.
        line: usize,
    },
    /// A key that occurs twice.
    DuplicateKey {
        /// The second line.
        line: usize,
        /// The key.
        key: String,
        /// The first line.
        first_line: usize,
    },
    /// A comment in a signed manifest: the signature does not cover it.
    CommentInSigned {
        /// The first comment's line.
        line: usize,
    },

    /// `manifest.version` is neither `0` nor `1`.
    UnknownVersion(FieldAt),
    /// `manifest.kind` is not `minimodel.manifest`.
    UnknownKind(FieldAt),

    /// A key with a word that would make a machine run or fetch something, also under `x.`.
    ForbiddenWord {
        /// The line.
        line: usize,
        /// The key.
        key: String,
        /// The word.
        word: &'static str,
    },
    /// A key that manifests of this version and format do not have, outside `x.`.
    UnknownKey {
        /// The line.
        line: usize,
        /// The key.
        key: String,
    },
    /// A required key that is not there.
    MissingKey {
        /// The key.
        key: &'static str,
    },

    /// `manifest.schema_id` is not that of the version.
    SchemaId(FieldAt),
    /// `manifest.schema_checksum` is not the SHA-256 of the published key list.
    SchemaChecksum(FieldAt),
    /// Not an RFC 3339 UTC time with a `Z`.
    Time(FieldAt),

    /// A SHA-256 value in another spelling than `sha256:` and 64 uppercase hex digits.
    DigestSpelling(FieldAt),
    /// A number that is not `[1-9][0-9]*` (`requires.*` may be `0`).
    NumberSpelling(FieldAt),
    /// A number of 2^64 or more.
    NumberTooLarge(FieldAt),
    /// A value that is not `[a-z0-9][a-z0-9._-]{0,127}`.
    NotRouteSafe(FieldAt),
    /// A route-safe value with `..` in it.
    ParentInWord(FieldAt),
    /// `model.version` is not `[A-Za-z0-9][A-Za-z0-9._+-]{0,63}`.
    ModelVersion(FieldAt),
    /// `publisher.key_id` is neither `none` nor `ed25519:` and 64 lowercase hex digits.
    KeyIdSpelling(FieldAt),
    /// A route breaks one of the route rules.
    Route {
        /// The field.
        at: FieldAt,
        /// The rule.
        fault: RouteFault,
    },
    /// `license.spdx` is not an SPDX expression.
    Spdx {
        /// The field.
        at: FieldAt,
        /// The rule.
        fault: SpdxFault,
    },

    /// `artifact.kind` is no format that the version names.
    ArtifactKind(FieldAt),
    /// `model_card.status` is not `not-provided`.
    ModelCardStatus(FieldAt),
    /// `model_card.route` beside `model_card.status`.
    ModelCardContradiction {
        /// The line of the route.
        line: usize,
    },
    /// A claim about the inside of the file in another spelling than its own.
    ClaimSpelling {
        /// The field.
        at: FieldAt,
        /// The spelling.
        accepted: &'static str,
    },
    /// `artifact.acquisition` is none of the three lanes.
    Acquisition(FieldAt),
    /// `artifact.project_server_url` is not `none`: no project server carries model bytes.
    ProjectServerUrl(FieldAt),

    /// `slm.format_version` is not `1`.
    SlmFormatVersion(FieldAt),
    /// `slm.checksum` is not 16 lowercase hex digits.
    SlmChecksumSpelling(FieldAt),
    /// `slm.quantization` is not `f32`, `q8_0`, `q4_0` or `mixed`.
    Quantization(FieldAt),

    /// `chunk.scheme` is not `fixed-size-merkle-v0`.
    ChunkScheme(FieldAt),
    /// `chunk.size` is no power of two.
    ChunkSizeNotPowerOfTwo(FieldAt),
    /// `chunk.size` is a power of two outside 16 KiB to 16 MiB.
    ChunkSizeOutOfRange(FieldAt),
    /// `chunk.count` is not the byte count divided by the chunk size, rounded up.
    ChunkCount {
        /// The field.
        at: FieldAt,
        /// The exact count.
        expected: u64,
    },
    /// One of `chunk.list_route` and `chunk.list_sha256` without the other.
    ChunkListHalf {
        /// The line of the key that is present.
        line: usize,
        /// The key that is present.
        key: &'static str,
        /// The key that is missing.
        missing: &'static str,
    },

    /// `evidence.status` is not `not-claimed`.
    EvidenceStatus(FieldAt),
    /// Neither evidence nor `evidence.status=not-claimed`.
    EvidenceMissing,
    /// Evidence and `evidence.status=not-claimed` in one manifest.
    EvidenceContradiction {
        /// The line of `evidence.status`.
        line: usize,
    },
    /// A gap in the evidence numbers.
    EvidenceGap {
        /// The line of the field after the gap.
        line: usize,
        /// Its key.
        key: String,
        /// The first number that is missing.
        missing: u32,
    },
    /// A piece of evidence without its kind, route or sha256.
    EvidenceIncomplete {
        /// The line of a field of that piece.
        line: usize,
        /// The number of the piece.
        number: u32,
        /// The part that is missing: `kind`, `route` or `sha256`.
        missing: &'static str,
    },
    /// `evidence.N.sha256` is neither `none` nor a SHA-256 value in its one spelling.
    EvidenceDigest(FieldAt),

    /// A `source.*` value that is empty.
    SourceEmpty(FieldAt),
    /// A word of `requires.arch` that is not route-safe.
    RequiresArch {
        /// The field.
        at: FieldAt,
        /// The word.
        word: String,
    },

    /// One of `signature.algorithm` and `signature.value` without the other.
    SignatureHalf {
        /// The line of the key that is present.
        line: usize,
        /// The key that is present.
        key: &'static str,
        /// The key that is missing.
        missing: &'static str,
    },
    /// `publisher.key_id` names a key, but there is no signature.
    KeyWithoutSignature(FieldAt),
    /// There is a signature, but `publisher.key_id` is `none`.
    SignatureWithoutKey(FieldAt),
    /// `signature.algorithm` is not `ed25519`.
    SignatureAlgorithm(FieldAt),
    /// `signature.value` is not 128 lowercase hex digits.
    SignatureSpelling(FieldAt),
    /// `publisher.key_id` is no point of the curve, or not the one spelling of it.
    InvalidKey(FieldAt),
    /// `publisher.key_id` is a key of small order: anyone can sign under it without a secret.
    WeakKey(FieldAt),
    /// The signature does not verify under the key over the canonical form.
    SignatureMismatch {
        /// `signature.value`.
        at: FieldAt,
        /// The key that the signature was checked with.
        key_id: String,
    },
}

impl ManifestError {
    /// The line, where one line is at fault.
    pub fn line(&self) -> Option<usize> {
        if let Some(at) = self.field() {
            return Some(at.line);
        }
        match self {
            Self::LoneCarriageReturn { line, .. }
            | Self::ForbiddenByte { line, .. }
            | Self::NoEquals { line, .. }
            | Self::KeyTooLong { line, .. }
            | Self::KeySpelling { line, .. }
            | Self::ValueTooLong { line, .. }
            | Self::TooManyFields { line }
            | Self::DuplicateKey { line, .. }
            | Self::CommentInSigned { line }
            | Self::ForbiddenWord { line, .. }
            | Self::UnknownKey { line, .. }
            | Self::ChunkListHalf { line, .. }
            | Self::EvidenceContradiction { line }
            | Self::ModelCardContradiction { line }
            | Self::EvidenceGap { line, .. }
            | Self::EvidenceIncomplete { line, .. }
            | Self::SignatureHalf { line, .. } => Some(*line),
            Self::ByteOrderMark => Some(1),
            _ => None,
        }
    }

    /// The key at fault, as written in the text (untrusted: escape it before printing).
    pub fn key(&self) -> Option<&str> {
        if let Some(at) = self.field() {
            return Some(&at.key);
        }
        match self {
            Self::KeyTooLong { key, .. }
            | Self::KeySpelling { key, .. }
            | Self::ValueTooLong { key, .. }
            | Self::DuplicateKey { key, .. }
            | Self::ForbiddenWord { key, .. }
            | Self::UnknownKey { key, .. }
            | Self::EvidenceGap { key, .. } => Some(key),
            Self::MissingKey { key } | Self::ChunkListHalf { key, .. } | Self::SignatureHalf { key, .. } => {
                Some(key)
            }
            Self::EvidenceContradiction { .. } | Self::EvidenceMissing => Some("evidence.status"),
            Self::ModelCardContradiction { .. } => Some("model_card.route"),
            _ => None,
        }
    }

    /// The field whose value breaks a rule.
    pub(super) fn field(&self) -> Option<&FieldAt> {
        match self {
            Self::UnknownVersion(at)
            | Self::UnknownKind(at)
            | Self::SchemaId(at)
            | Self::SchemaChecksum(at)
            | Self::Time(at)
            | Self::DigestSpelling(at)
            | Self::NumberSpelling(at)
            | Self::NumberTooLarge(at)
            | Self::NotRouteSafe(at)
            | Self::ParentInWord(at)
            | Self::ModelVersion(at)
            | Self::KeyIdSpelling(at)
            | Self::Route { at, .. }
            | Self::Spdx { at, .. }
            | Self::ArtifactKind(at)
            | Self::ModelCardStatus(at)
            | Self::ClaimSpelling { at, .. }
            | Self::Acquisition(at)
            | Self::ProjectServerUrl(at)
            | Self::SlmFormatVersion(at)
            | Self::SlmChecksumSpelling(at)
            | Self::Quantization(at)
            | Self::ChunkScheme(at)
            | Self::ChunkSizeNotPowerOfTwo(at)
            | Self::ChunkSizeOutOfRange(at)
            | Self::ChunkCount { at, .. }
            | Self::EvidenceStatus(at)
            | Self::EvidenceDigest(at)
            | Self::SourceEmpty(at)
            | Self::RequiresArch { at, .. }
            | Self::KeyWithoutSignature(at)
            | Self::SignatureWithoutKey(at)
            | Self::SignatureAlgorithm(at)
            | Self::SignatureSpelling(at)
            | Self::InvalidKey(at)
            | Self::WeakKey(at)
            | Self::SignatureMismatch { at, .. } => Some(at),
            _ => None,
        }
    }
}
