//! What the user may change while a session runs: which peers are served, which are asked, and how many bytes pass.

use std::collections::{BTreeMap, BTreeSet};

use minimodel_wire::PeerId;

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
    /// withdrawn; its connection stays, since the peer may still request from us.
    pub sources: Option<BTreeSet<PeerId>>,
    /// Upload slots; 0: no peer is served. `None`: the program's own number. Answers under way to a peer that loses its
    /// slot are finished.
    pub slots: Option<usize>,
    /// Payload bytes that each key may take from us in this session; `None`: only the daily budget limits it. Only whole
    /// chunks are sent: a key whose next chunk would exceed the allowance gets the answers under way and is closed with
    /// [`CloseCode::BudgetUsed`]. A peer from which we want chunks is instead refused with [`ResetCode::BudgetUsed`] and
    /// choked until it has allowance again. An answer that a broken connection left half-sent counts whole.
    ///
    /// [`CloseCode::BudgetUsed`]: minimodel_wire::CloseCode::BudgetUsed
    /// [`ResetCode::BudgetUsed`]: minimodel_wire::ResetCode::BudgetUsed
    pub allowance: Option<u64>,
    /// Allowances of single keys, in place of `allowance`.
    pub allowances: BTreeMap<PeerId, u64>,
    /// Payload bytes that all peers together may take from us in this session; `None`: no limit. A peer over it is
    /// treated as one over its own allowance.
    pub serve_allowance: Option<u64>,
    /// Payload bytes that we may receive in this session from all sources without an entry in `fetch_allowances`; `None`:
    /// no limit. No chunk is requested that would exceed it.
    pub fetch_allowance: Option<u64>,
    /// Payload bytes that we may receive in this session from single sources. Bytes from other sources do not count.
    pub fetch_allowances: BTreeMap<PeerId, u64>,
}

impl Controls {
    /// Returns true if `left`, the payload bytes that remain of an allowance, cannot cover the next chunk of a file of
    /// `byte_count` bytes in chunks of `chunk_size`: only whole chunks move. `is_last_wanted`: the last chunk, which may
    /// be shorter, may be the next one. A session that nothing else keeps from moving is then idle for the cause quota.
    pub fn is_used_up(left: u64, byte_count: u64, chunk_size: u32, is_last_wanted: bool) -> bool {
        let size = u64::from(chunk_size.max(1));
        let last = byte_count.saturating_sub(1) % size + 1;
        left < if is_last_wanted { last } else { size }
    }

    pub(super) fn limits_fetching(&self) -> bool {
        self.fetch_allowance.is_some() || !self.fetch_allowances.is_empty()
    }

    pub(super) fn lets_in(&self, peer: PeerId) -> bool {
        self.allow.as_ref().is_none_or(|allow| allow.contains(&peer))
    }

    pub(super) fn may_fetch_from(&self, peer: PeerId) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.contains(&peer))
    }

    pub(super) fn allowance_of(&self, peer: PeerId) -> Option<u64> {
        self.allowances.get(&peer).copied().or(self.allowance)
    }
}

#[cfg(test)]
mod tests;
