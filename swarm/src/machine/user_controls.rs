//! What the user may change while a session runs: which peers are served, and which are asked.

use std::collections::BTreeSet;

use minimodel_wire::{PeerId, SignedOffer};

/// What the user wants now. Every field may change at any time; a session follows at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Controls {
    /// Peers that we serve; `None`: every peer that holds an offer. A peer that dialed us and is not on the list is closed
    /// with [`CloseCode::NotAllowed`]. A peer that we dialed stays connected, since we may fetch from it, but gets nothing: no
    /// slot, no answer, no leaf hashes. Answers under way to a peer that is taken off the list end with [`ResetCode::Choked`].
    ///
    /// [`CloseCode::NotAllowed`]: minimodel_wire::CloseCode::NotAllowed
    /// [`ResetCode::Choked`]: minimodel_wire::ResetCode::Choked
    pub allow: Option<BTreeSet<PeerId>>,
    /// Peers that we may dial and fetch from; `None`: every peer. Requests to a peer that is taken off the list are
    /// withdrawn; its connection stays, since the peer may still request from us. A session without the consent to fetch may dial those
    /// that it serves.
    pub sources: Option<BTreeSet<PeerId>>,
    /// Upload slots; 0: no peer is served. `None`: the program's own number. Answers under way to a peer that loses its
    /// slot are finished.
    pub slots: Option<usize>,
    /// Version of the quotas that the driver asks before each chunk. Another version than before says that a quota may
    /// have grown: peers for which it was used up are served and asked again.
    pub quota_version: u64,
    /// Offers of peers that were given ours and dial us now, while a router or firewall here may let in answers alone: until one of
    /// them is connected, packets go to its addresses every ten seconds, for half an hour. At most 16 count.
    pub expected: Vec<SignedOffer>,
    /// How often the user has named a peer of `expected`, the latest first: by how much it grows, so many of the first ones are expected
    /// anew, if they were given up.
    pub expected_named: u64,
}

impl Controls {
    pub(super) fn lets_in(&self, peer: PeerId) -> bool {
        self.allow.as_ref().is_none_or(|allow| allow.contains(&peer))
    }

    pub(super) fn may_fetch_from(&self, peer: PeerId) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.contains(&peer))
    }
}

#[cfg(test)]
mod tests;
