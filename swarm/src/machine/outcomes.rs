//! Outcomes of the machine's outputs; each comes back with an [`Input`](super::Input).

use minimodel_wire::{ResetCode, SignedOffer};

/// Why a request ended without a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFault {
    /// The peer reset the stream with this code.
    Reset(ResetCode),
    /// The head or the length is not what this chunk must have, or bytes follow its end.
    Malformed,
    /// The stream ended before the announced end of the answer, or before its head was whole.
    Short,
    /// The connection ended.
    Lost,
    /// The request was not made: a quota does not allow the chunk now.
    HeldBack(QuotaRefusal),
}

/// Why a quota does not allow a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaRefusal {
    /// Bytes that were transferred leave no room.
    UsedUp,
    /// Reserved bytes in flight take the room; some of it may be free again when their transfers end.
    InFlight,
}

/// The verdict on a chunk that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepOutcome {
    /// Proven, written and recorded.
    Kept,
    /// Its proof does not lead to the root; nothing was written.
    BadProof {
        /// SHA-256 of the bytes that came.
        got: [u8; 32],
    },
    /// Our own disk failed, and no peer is to blame. The driver stops the fetch.
    DiskFailed,
}

/// The verdict on a range of leaf hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeavesOutcome {
    /// Proven against the root and kept by the driver.
    Proven,
    /// The hashes do not lead to the root, or no answer to this request can look like that.
    BadProof,
    /// The stream ended before the announced end of the answer.
    Short,
    /// The peer has no more leaf hashes for our key today.
    BudgetUsed,
    /// No answer came.
    Failed,
}

/// The verdict on the signature of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferVerdict {
    /// The peer that the offer names signed it.
    Good(SignedOffer),
    /// The peer that the offer names did not sign it.
    Forged,
    /// The check itself failed, which says nothing about the offer.
    Unknown,
}

/// How serving a chunk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServeOutcome {
    /// The chunk was handed to QUIC whole.
    Done {
        /// Payload bytes.
        bytes: u64,
    },
    /// The peer cancelled the request or is gone.
    Cancelled {
        /// Payload bytes sent before.
        bytes: u64,
    },
    /// The peer withdrew the request, or is gone, before the chunk was read from disk.
    Withdrawn,
    /// The peer did not take the bytes in time.
    TooSlow,
    /// Nothing was sent: a quota does not allow the chunk now.
    HeldBack {
        /// Which chunk.
        index: u32,
        /// Why.
        refusal: QuotaRefusal,
    },
}
