//! By which way a peer was found, and what is told of a peer that no member and no user named.

use std::net::SocketAddr;

use minimodel_wire::{PeerId, SignedOffer};

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
    /// It was found beyond members and users.
    By(Way),
    /// A member passed its offer on.
    PassedOn,
    /// This member introduced it: neither side could have dialed the other without.
    Introduced(PeerId),
}

/// A way by which peers are found that no member and no user named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// The network at hand, by mDNS.
    Lan,
    /// The public DHT.
    Dht,
}

/// A peer that was found by such a way. Its offer's signature was checked, and is all that is known to be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPeer {
    /// The peer's own offer for this swarm.
    pub offer: SignedOffer,
    /// An address at which the peer's key answered a moment ago; `None`: the offer was found, and nobody was asked.
    pub at: Option<SocketAddr>,
    /// The way.
    pub way: Way,
}
