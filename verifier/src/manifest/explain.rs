//! What a [`ManifestError`] says: what was found, what is accepted, and which check it fails.

use std::borrow::Cow;
use std::fmt;

use super::check as names;
use super::error::ManifestError;
use super::limits::{MAX_FIELDS, MAX_KEY_BYTES, MAX_MANIFEST_BYTES, MAX_VALUE_BYTES};
use super::schema::Schema;
use crate::shown::ascii;

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, accepted: {}", self.found(), self.accepted())
    }
}

impl ManifestError {
    /// What was found and where, escaped and cut: `line 7: ...`.
    pub fn found(&self) -> String {
        match self {
            Self::TooLarge { bytes } => format!("the manifest has {bytes} bytes"),
            Self::ByteOrderMark => "line 1: a byte order mark".to_owned(),
            Self::LoneCarriageReturn { line, column } => {
                format!("line {line} col {column}: byte 0x0d without a line feed after it")
            }
            Self::ForbiddenByte { line, column, byte } => {
                format!("line {line} col {column}: byte 0x{byte:02x}")
            }
            Self::NoEquals { line, text } => format!("line {line}: no `=` in `{}`", ascii(text)),
            Self::KeyTooLong { line, key } => {
                format!("line {line}: the key `{}` has {} bytes", ascii(key), key.len())
            }
            Self::KeySpelling { line, key } => format!("line {line}: the key is spelled `{}`", ascii(key)),
            Self::ValueTooLong { line, key, bytes } => {
                format!("line {line}: the value of `{}` has {bytes} bytes", ascii(key))
            }
            Self::TooManyFields { line } => format!("line {line}: field number {}", MAX_FIELDS + 1),
            Self::DuplicateKey { line, key, first_line } => {
                format!("line {line}: duplicate key `{}`, first on line {first_line}", ascii(key))
            }
            Self::CommentInSigned { line } => format!("line {line}: a comment in a signed manifest"),
            Self::ForbiddenWord { line, key, word } => {
                format!("line {line}: the key `{}` has the forbidden word `{word}`", ascii(key))
            }
            Self::UnknownKey { line, key } => format!("line {line}: unknown key `{}`", ascii(key)),
            Self::MissingKey { key } => format!("the key `{key}` is missing"),
            Self::ChunkListHalf { line, key, missing } | Self::SignatureHalf { line, key, missing } => {
                format!("line {line}: `{key}` stands without `{missing}`")
            }
            Self::EvidenceMissing => "neither evidence nor `evidence.status`".to_owned(),
            Self::EvidenceContradiction { line } => {
                format!("line {line}: `evidence.status` beside a piece of evidence")
            }
            Self::ModelCardContradiction { line } => {
                format!("line {line}: `model_card.route` beside `model_card.status`")
            }
            Self::EvidenceGap { line, key, missing } => {
                format!("line {line}: `{}` though there is no evidence number {missing}", ascii(key))
            }
            Self::EvidenceIncomplete { line, number, missing } => {
                format!("line {line}: evidence number {number} has no `evidence.{number}.{missing}`")
            }
            Self::SignatureMismatch { at, key_id } => {
                format!("line {}: `{}` by key {} does not verify", at.line, at.key, ascii(key_id))
            }
            Self::RequiresArch { at, word } => format!("{at}, with the word `{}`", ascii(word)),
            _ => self.field().map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// What the rule accepts.
    pub fn accepted(&self) -> Cow<'static, str> {
        match self {
            Self::TooLarge { .. } => format!("at most {MAX_MANIFEST_BYTES} bytes").into(),
            Self::ByteOrderMark => "a text that begins with its first line".into(),
            Self::LoneCarriageReturn { .. } => "LF or CRLF line ends".into(),
            Self::ForbiddenByte { .. } => "printable ASCII, 0x20 to 0x7e, and line ends".into(),
            Self::NoEquals { .. } => "`key=value`".into(),
            Self::KeyTooLong { .. } => format!("at most {MAX_KEY_BYTES} bytes").into(),
            Self::KeySpelling { .. } => {
                "words of a-z, 0-9 and _ joined by dots, none beginning with _".into()
            }
            Self::ValueTooLong { .. } => format!("at most {MAX_VALUE_BYTES} bytes").into(),
            Self::TooManyFields { .. } => format!("at most {MAX_FIELDS} fields").into(),
            Self::DuplicateKey { .. } => "each key once".into(),
            Self::CommentInSigned { .. } => "comments in unsigned manifests only".into(),
            Self::ForbiddenWord { .. } => "keys that make no machine run or fetch anything".into(),
            Self::UnknownKey { .. } => "the keys of its version and format, and any under `x.`".into(),
            Self::MissingKey { .. } => "a manifest with every required key".into(),
            Self::ChunkListHalf { .. } | Self::SignatureHalf { .. } => "both or neither".into(),
            Self::EvidenceMissing => "`evidence.0.kind`, `.route` and `.sha256`, or `not-claimed`".into(),
            Self::EvidenceContradiction { .. } | Self::ModelCardContradiction { .. } => {
                "one of the two".into()
            }
            Self::EvidenceGap { .. } => "numbers 0, 1, 2 ... without a gap".into(),
            Self::EvidenceIncomplete { .. } => "kind, route and sha256 for each".into(),
            _ => self.accepted_value(),
        }
    }

    /// [`accepted`](Self::accepted), for the rules about one value.
    fn accepted_value(&self) -> Cow<'static, str> {
        const ROUTE_SAFE: &str = "a-z, 0-9, `.`, `_` and `-`, at most 128, the first a letter or digit";
        const DIGEST: &str = "`sha256:` and 64 uppercase hex digits";
        match self {
            Self::UnknownVersion(_) => "`0` or `1`".into(),
            Self::UnknownKind(_) => "`minimodel.manifest`".into(),
            Self::SchemaId(_) => of_each_version(Schema::id),
            Self::SchemaChecksum(_) => of_each_version(Schema::checksum),
            Self::Time(_) => "a UTC time spelled like `2026-06-01T12:00:00Z`".into(),
            Self::DigestSpelling(_) => DIGEST.into(),
            Self::EvidenceDigest(_) => format!("{DIGEST}, or `none`").into(),
            Self::NumberSpelling(at) if at.key.starts_with("requires.") => {
                "decimal digits without a leading 0".into()
            }
            Self::NumberSpelling(_) => "decimal digits, the first not 0".into(),
            Self::NumberTooLarge(_) => "a number below 2^64".into(),
            Self::NotRouteSafe(_) => ROUTE_SAFE.into(),
            Self::ParentInWord(_) => "no `..`".into(),
            Self::ModelVersion(_) => {
                "letters, digits, `.`, `_`, `+` and `-`, at most 64, the first a letter or digit".into()
            }
            Self::KeyIdSpelling(_) => "`ed25519:` and 64 lowercase hex digits, or `none`".into(),
            Self::Route { fault, .. } => fault.accepted().into(),
            Self::Spdx { fault, .. } => fault.accepted().into(),
            Self::ArtifactKind(_) => "`slm` in version 0, `gguf` or `safetensors` in version 1".into(),
            Self::ModelCardStatus(_) => "`not-provided`".into(),
            Self::ClaimSpelling { accepted, .. } => (*accepted).into(),
            Self::Acquisition(_) => {
                "`user-local-file`, `user-external-download` or `consent-peer-transfer`".into()
            }
            Self::ProjectServerUrl(_) => "`none`: no project server carries model bytes".into(),
            Self::SlmFormatVersion(_) => "`1`".into(),
            Self::SlmChecksumSpelling(_) => "16 lowercase hex digits".into(),
            Self::Quantization(_) => "`f32`, `q8_0`, `q4_0` or `mixed`".into(),
            Self::ChunkScheme(_) => "`fixed-size-merkle-v0`".into(),
            Self::ChunkSizeNotPowerOfTwo(_) => "a power of two".into(),
            Self::ChunkSizeOutOfRange(_) => "16384 (16 KiB) to 16777216 (16 MiB)".into(),
            Self::ChunkCount { expected, .. } => format!("`{expected}`, the byte count in chunks").into(),
            Self::EvidenceStatus(_) => "`not-claimed`".into(),
            Self::SourceEmpty(_) => "a value, or no such key".into(),
            Self::RequiresArch { .. } => format!("words joined by commas, each {ROUTE_SAFE}").into(),
            Self::KeyWithoutSignature(_) => "`none` in an unsigned manifest".into(),
            Self::SignatureWithoutKey(_) => "the key that made the signature".into(),
            Self::SignatureAlgorithm(_) => "`ed25519`".into(),
            Self::SignatureSpelling(_) => "128 lowercase hex digits".into(),
            Self::InvalidKey(_) => "an Ed25519 public key".into(),
            Self::WeakKey(_) => "a key that is not of small order".into(),
            Self::SignatureMismatch { .. } => "that key's signature over the canonical form".into(),
            _ => Cow::default(),
        }
    }

    /// The one check of [`check`](super::check()) that this error fails.
    pub fn check_name(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => names::SIZE,
            Self::ByteOrderMark
            | Self::LoneCarriageReturn { .. }
            | Self::ForbiddenByte { .. }
            | Self::NoEquals { .. }
            | Self::KeyTooLong { .. }
            | Self::KeySpelling { .. }
            | Self::ValueTooLong { .. }
            | Self::TooManyFields { .. }
            | Self::DuplicateKey { .. }
            | Self::CommentInSigned { .. } => names::TEXT,
            Self::MissingKey { key } if matches!(*key, "manifest.version" | "manifest.kind") => {
                names::VERSION
            }
            Self::ForbiddenWord { .. } | Self::UnknownKey { .. } | Self::MissingKey { .. } => names::KEYS,
            Self::ChunkListHalf { .. } => names::CHUNKS,
            Self::EvidenceMissing
            | Self::EvidenceContradiction { .. }
            | Self::EvidenceGap { .. }
            | Self::EvidenceIncomplete { .. } => names::EVIDENCE,
            Self::SignatureHalf { .. }
            | Self::KeyWithoutSignature(_)
            | Self::SignatureWithoutKey(_)
            | Self::InvalidKey(_)
            | Self::WeakKey(_) => names::SIGNATURE,
            _ => names::of_key(self.key().unwrap_or_default()),
        }
    }
}

/// What is accepted in each version.
fn of_each_version(value: fn(Schema) -> &'static str) -> Cow<'static, str> {
    let each = Schema::ALL.map(|schema| format!("`{}` in version {}", value(schema), schema.version()));
    each.join(", ").into()
}
