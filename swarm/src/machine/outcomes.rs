//! How what the machine wanted done came out; each comes back with an [`Input`](super::Input).

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
    /// The connection went away under it.
    Lost,
    /// It was not made: a quota that we share with other sessions does not let the chunk pass now.
    HeldBack,
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
    /// Our own disk failed; no peer is to blame. The driver stops the fetch.
    DiskFailed,
}

/// The verdict on a range of leaf hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeavesOutcome {
    /// Proven against the root and kept by the driver.
    Proven,
    /// They do not lead to the root, or no answer to this request can look like that.
    BadProof,
    /// The stream ended before the announced end of the answer.
    Short,
    /// They did not come.
    Failed,
}

/// The verdict on the signature of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferVerdict {
    /// Its peer signed it.
    Good(SignedOffer),
    /// Its peer did not.
    Forged,
    /// The check itself did not end, which says nothing of the offer.
    Unknown,
}

/// How serving a chunk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServeOutcome {
    /// Handed to QUIC whole.
    Done {
        /// Payload bytes.
        bytes: u64,
    },
    /// The peer cancelled it or is gone.
    Cancelled {
        /// Payload bytes sent before.
        bytes: u64,
    },
    /// The peer withdrew it, or is gone, before it was read from the disk.
    Withdrawn,
    /// The peer did not take the bytes in time.
    TooSlow,
    /// Nothing was sent: a quota that we share with other sessions does not let the chunk pass.
    HeldBack {
        /// Which.
        index: u32,
        /// Whether the quota is used up. Otherwise chunks of other sessions that are on their way take the room, and
        /// some of it may be there again when they end.
        is_used_up: bool,
    },
}
