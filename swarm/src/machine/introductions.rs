//! What the boundary of the machine says of introductions.

use std::fmt;
use std::net::SocketAddr;

use minimodel_wire::{Frame, Meeting, PeerId};

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
}

impl Side {
    /// What this side is told of the other, which is seen at `address`.
    pub fn told_of(&self, other: &Self, address: SocketAddr) -> Frame {
        let Self { peer, answers, .. } = *other;
        // A router that translates to another port for each peer may have one that its user had mapped.
        let is_other = |at: &&SocketAddr| at.ip() == address.ip() && at.port() != address.port();
        let offered_port = other.offered.iter().find(is_other).map_or(0, SocketAddr::port);
        Frame::Meet(Meeting { peer, address, offered_port, answers, delay: self.delay })
    }
}

/// Why a peer could not be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotMet {
    /// No member that could introduce us is connected to it.
    NobodyKnowsIt,
    /// It did not agree to be found.
    NotWilling,
    /// Both sides sent, and neither heard the other: routers in between translate to another port for each peer, or block.
    NothingCame,
}

impl fmt::Display for NotMet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NobodyKnowsIt => "no member that was asked is connected to it",
            Self::NotWilling => "its user did not agree to be found",
            Self::NothingCame => {
                "both sides sent, and neither heard the other: a router in between blocks them, or translates to another \
                 port for each peer"
            }
        })
    }
}

/// By which way a connected peer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Found {
    /// It dialed us.
    #[default]
    Came,
    /// The user named it by an offer.
    Named,
    /// It gave chunks of this artifact in an earlier run.
    Earlier,
    /// A member passed its offer on.
    PassedOn,
    /// This member introduced it: neither side could have dialed the other without.
    Introduced(PeerId),
}
