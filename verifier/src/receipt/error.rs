//! One error for each rule of the receipt.

use super::MAX_RECEIPT_BYTES;
use crate::shown::ascii;

/// The rule that a receipt breaks. Lines and columns count from 1; what comes from outside is stored raw and
/// escaped when shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Longer than [`MAX_RECEIPT_BYTES`].
    #[error("the receipt has {bytes} bytes, accepted: at most {MAX_RECEIPT_BYTES}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// A byte in the text that is neither printable ASCII nor LF.
    #[error("line {line} col {column}: byte 0x{byte:02x}, accepted: printable ASCII and LF")]
    ForbiddenByte {
        /// Line of the byte.
        line: usize,
        /// Column of the byte.
        column: usize,
        /// The byte.
        byte: u8,
    },
    /// The last line is not `receipt.sha256=...` with its line end.
    #[error(
        "the last line is `{}`, accepted: `receipt.sha256=` and the sum, with its line end",
        ascii(found)
    )]
    NoSum {
        /// The last line.
        found: String,
    },
    /// `receipt.sha256` is not `sha256:` and 64 uppercase hex digits.
    #[error("`receipt.sha256` is `{}`, accepted: `sha256:` and 64 uppercase hex digits", ascii(found))]
    SumSpelling {
        /// The value.
        found: String,
    },
    /// `receipt.sha256` is not the sum of the lines before it: the receipt was changed.
    #[error("`receipt.sha256` is {stated}, accepted: {computed}, the sum of the lines before it")]
    SumMismatch {
        /// The value in the text.
        stated: String,
        /// The value of the text.
        computed: String,
    },
    /// A line whose key is not the expected one.
    #[error("line {line}: `{}`, accepted: `{expected}=`", ascii(found))]
    UnexpectedLine {
        /// The line.
        line: usize,
        /// The expected key.
        expected: String,
        /// The text of the line.
        found: String,
    },
    /// The lines end before the receipt is complete.
    #[error("the receipt ends where `{expected}=` comes next")]
    EndsEarly {
        /// The expected key.
        expected: String,
    },
    /// A line after the last one that a receipt has.
    #[error("line {line}: `{}`, accepted: `receipt.sha256=`", ascii(found))]
    TrailingLine {
        /// The line.
        line: usize,
        /// The text of the line.
        found: String,
    },
    /// `receipt.version` is not `0`.
    #[error("line {line}: `receipt.version` is `{}`, accepted: `0`", ascii(found))]
    UnknownVersion {
        /// The line.
        line: usize,
        /// The value.
        found: String,
    },
    /// A value that its key does not allow.
    #[error("line {line}: `{key}` is `{}`, accepted: {accepted}", ascii(found))]
    Value {
        /// The line.
        line: usize,
        /// The key.
        key: String,
        /// The value.
        found: String,
        /// What is accepted.
        accepted: &'static str,
    },
    /// `manifest.sha256` and `swarm.id` differ, though they are one value by definition.
    #[error(
        "line {line}: `swarm.id` is not the value of `manifest.sha256`, accepted: the same 32 bytes in both"
    )]
    SwarmIdDiffers {
        /// The line of `swarm.id`.
        line: usize,
    },
    /// A text with a byte that a line cannot hold; the caller must escape it first.
    #[error("`{key}` holds byte 0x{byte:02x}, accepted: printable ASCII")]
    ForbiddenText {
        /// The key it was meant for.
        key: String,
        /// The first such byte.
        byte: u8,
    },
    /// A text that may not be empty.
    #[error("`{key}` is empty")]
    EmptyText {
        /// The key.
        key: String,
    },
    /// Not an RFC 3339 UTC time with a `Z`.
    #[error("`{key}` is `{}`, accepted: a UTC time spelled like `2026-06-01T12:00:00Z`", ascii(found))]
    Time {
        /// The key.
        key: String,
        /// The value.
        found: String,
    },
    /// A peer id that is not a route-safe word.
    #[error("`{key}` is `{}`, accepted: a-z, 0-9, `.`, `_` and `-`, at most 128", ascii(found))]
    PeerId {
        /// The key.
        key: String,
        /// The value.
        found: String,
    },
    /// One peer twice.
    #[error("`{key}` is `{}`, which stands in the receipt already", ascii(found))]
    DuplicatePeer {
        /// The key of the second entry.
        key: String,
        /// The peer's id.
        found: String,
    },
    /// A rejection with the reason `none`, which would read as no rejection.
    #[error("`{key}` has the reason `none`, accepted: a reason, or no rejection")]
    ReasonNone {
        /// The key.
        key: String,
    },
    /// Peers in an import that was no peer transfer.
    #[error("peers in an import by `{lane}`, accepted: `consent-peer-transfer`")]
    PeersWithoutTransfer {
        /// The lane.
        lane: &'static str,
    },
    /// No check: nothing was proven.
    #[error("no check, accepted: the checks that were made")]
    NoChecks,
    /// A failed check: only an import that passed gets a receipt.
    #[error("the check `{}` failed, accepted: receipts of imports that passed", ascii(name))]
    FailedCheck {
        /// Its name.
        name: String,
    },
    /// No consent: nothing may be imported without one.
    #[error("no consent, accepted: each action that was consented to")]
    NoConsent,
}
