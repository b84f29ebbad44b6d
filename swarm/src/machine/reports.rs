//! What the machine reports for users and for the record of the transfer.

use minimodel_wire::{CloseCode, PeerId, SignedOffer};

use super::fault::Breach;
use super::introductions::NotMet;

/// A report for users and for the record of the transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A peer of this swarm is connected, and its Hello agrees with ours.
    Joined {
        /// The peer.
        peer: PeerId,
        /// Its software name, text from outside.
        software: String,
        /// Whether it has every chunk.
        seed: bool,
    },
    /// The connection to a peer has ended.
    Left {
        /// The peer.
        peer: PeerId,
        /// The close code, the peer's or ours.
        code: Option<CloseCode>,
    },
    /// A connection or a dial was refused, and trying again will not change that.
    Refused {
        /// The peer.
        peer: PeerId,
        /// Why.
        code: CloseCode,
        /// Whether the peer refused us; otherwise we refused it.
        by_peer: bool,
    },
    /// Another key answered where this peer was expected.
    WrongKey {
        /// The peer that was expected.
        expected: PeerId,
        /// The peer that answered.
        found: PeerId,
    },
    /// A peer could not be reached; it is dialed again unless this try was the last.
    Unreachable {
        /// The peer.
        peer: PeerId,
        /// Failed tries in a row.
        tries: u32,
    },
    /// A peer that could not be dialed is connected, since a member introduced it.
    Met {
        /// The peer.
        peer: PeerId,
        /// The member.
        by: PeerId,
    },
    /// A peer that could not be dialed could not be met either.
    NotMet {
        /// The peer.
        peer: PeerId,
        /// Why.
        why: NotMet,
    },
    /// A connected peer gave its own offer, which is new to us. Both sides consented to publish.
    Offered(SignedOffer),
    /// A chunk is proven and on disk.
    Chunk {
        /// Which.
        index: u32,
        /// The peer that supplied it.
        peer: PeerId,
        /// Its bytes.
        bytes: u32,
    },
    /// A peer's key is banned for this content.
    Banned {
        /// The peer.
        peer: PeerId,
        /// The rule it broke.
        breach: Breach,
        /// The chunk that the peer is blamed for, if it is for one.
        index: Option<u32>,
        /// SHA-256 of the bytes that came, if any came.
        got: Option<[u8; 32]>,
    },
    /// A peer was struck for a breach that is not yet a ban.
    Struck {
        /// The peer.
        peer: PeerId,
        /// The rule it broke.
        breach: Breach,
    },
    /// A chunk was sent to a peer whole.
    Uploaded {
        /// The peer.
        peer: PeerId,
        /// Payload bytes.
        bytes: u64,
    },
    /// The file to be repaired has no good chunk of this artifact; no chunk was requested.
    NothingGood,
    /// Every chunk is on disk.
    Complete,
    /// No known peer can help any more: each has refused, is banned, or was a wrong key.
    Exhausted,
}
