//! What the boundary of the machine says of introductions.

use std::fmt;
use std::net::SocketAddr;

use minimodel_wire::{Frame, Meeting, Nat, PeerId, WireAddress};

use super::names::Conn;

/// One side of an introduction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// Its connection to this member.
    pub conn: Conn,
    /// Its key.
    pub peer: PeerId,
    /// The addresses of its own offer.
    pub offered: Vec<SocketAddr>,
    /// It answers connections.
    pub answers: bool,
    /// Milliseconds that it is to wait before its first packet.
    pub delay: u16,
    /// How routers translate its address, by its own word.
    pub nat: Nat,
}

impl Side {
    /// What this side is told of the other, which is seen at `address`.
    pub fn told_of(&self, other: &Self, address: WireAddress) -> Frame {
        let Self { peer, answers, nat, .. } = *other;
        // A router that translates to another port for each peer may have one that its user had mapped.
        let seen = address.get();
        let is_other = |at: &&SocketAddr| at.ip() == seen.ip() && at.port() != seen.port();
        let offered_port = other.offered.iter().find(is_other).map_or(0, SocketAddr::port);
        Frame::Meet(Meeting { peer, address, offered_port, answers, delay: self.delay, nat })
    }
}

/// Why a peer could not be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotMet {
    /// No member that could introduce us is connected to it, or it did not agree to be found.
    NobodyKnowsIt,
    /// Both sides sent, and neither heard the other: routers in between translate to another port for each peer, or block.
    NothingCame(Attempt),
}

/// What was sent in a meeting that led to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The member that introduced the two.
    pub by: PeerId,
    /// What this side did.
    pub ours: Sent,
    /// How routers translate the other side's address, by its own word.
    pub theirs: Nat,
}

/// What one side of a meeting sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// How routers translate this side's address, as far as members have shown.
    pub nat: Nat,
    /// Milliseconds from the member's word to the first packet; the other side heard the word at about the same time.
    pub after_ms: u32,
    /// Packets that only open a router.
    pub punches: u32,
    /// Handshakes that were begun, at one address each.
    pub dials: u32,
    /// Milliseconds from the first packet to the end.
    pub lasted_ms: u32,
}

impl fmt::Display for NotMet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NobodyKnowsIt => "no member that was asked is connected to it",
            Self::NothingCame(attempt) => return attempt.fmt(f),
        })
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, ours: Sent { nat, after_ms, punches, dials, lasted_ms }, theirs } = self;
        write!(
            f,
            "both sides sent, and neither heard the other. Peer {} introduced them; this side ({nat}) sent {punches} packets and began \
             {dials} handshakes from {after_ms} ms after its word on, the other ({theirs}) was told at the same time; in {lasted_ms} ms \
             nothing came",
            by.short()
        )
    }
}
