//! What the user may change while a session runs: which peers are served, which are asked, and how many bytes pass.

use std::collections::{BTreeMap, BTreeSet};

use minimodel_wire::{CloseCode, Frame, PeerId, ResetCode};

use super::core::Machine;
use super::events::{Ask, Conn};
use super::peer::Peer;
use super::slots::slots_in_memory;
use super::time::Time;

/// What the user wants now. Every field may change at any time; a session follows at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Controls {
    /// Peers that we serve; `None`: every peer that holds an offer. A peer that dialed us and is not on the list is closed
    /// with [`CloseCode::NotAllowed`]. A peer that we dialed stays connected, since we may fetch from it, but gets nothing: no
    /// slot, no answer, no leaf hashes. Answers under way to a peer that is taken off the list end with [`ResetCode::Choked`].
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

impl Machine {
    /// The number of upload slots before it is adapted to the uplink.
    pub(super) fn usual_slots(&self) -> usize {
        let limits = &self.swarm.config.limits;
        let wanted = self.swarm.config.controls.slots.unwrap_or(limits.upload_slots);
        wanted.min(slots_in_memory(self.swarm.config.terms.chunk_size))
    }

    /// Applies new controls of the user.
    pub(super) fn apply_controls(&mut self, now: Time, controls: Controls) {
        let slots_before = self.usual_slots();
        self.swarm.config.controls = controls;
        if self.swarm.stopping {
            return;
        }
        self.close_who_may_not_come(now);
        self.follow_allow(now);
        self.follow_sources();
        if self.usual_slots() != slots_before {
            self.slots = self.usual_slots();
            self.rechoke();
        }
        self.reevaluate_quotas(now);
        let conns: Vec<Conn> = self.unchoked.iter().copied().collect();
        for conn in conns {
            self.refuse_if_over_quota(now, conn);
        }
        self.downloads.mark_all_ready();
        self.answer_next(now);
    }

    fn close_who_may_not_come(&mut self, now: Time) {
        let controls = &self.swarm.config.controls;
        let is_out = |peer: &Peer| !peer.dialed && !controls.lets_in(peer.id);
        let out: Vec<Conn> =
            self.swarm.peers.iter().filter(|(_, peer)| is_out(peer)).map(|(&conn, _)| conn).collect();
        for conn in out {
            self.swarm.send(conn, Frame::Bye { code: CloseCode::NotAllowed });
            self.drop_peer(now, conn, CloseCode::NotAllowed);
        }
    }

    /// Chokes peers that the user no longer lets us serve and ends answers under way to them; lets others be served again.
    fn follow_allow(&mut self, now: Time) {
        let mut is_changed = false;
        let conns: Vec<Conn> = self.swarm.peers.keys().copied().collect();
        for conn in conns {
            let Some(peer) = self.swarm.peers.get_mut(&conn) else { continue };
            let is_disallowed = !self.swarm.config.controls.lets_in(peer.id);
            if std::mem::replace(&mut peer.up.disallowed, is_disallowed) == is_disallowed {
                continue;
            }
            is_changed = true;
            if is_disallowed {
                let active: Vec<Ask> = peer.up.active.keys().copied().collect();
                self.choke(conn);
                for ask in active {
                    self.end_answer(now, ask, ResetCode::Choked);
                }
            }
        }
        if is_changed {
            self.rechoke();
        }
    }

    fn follow_sources(&mut self) {
        let conns: Vec<Conn> = self.swarm.peers.keys().copied().collect();
        for conn in conns {
            let Some(peer) = self.swarm.peers.get_mut(&conn) else { continue };
            let is_disallowed = !self.swarm.config.controls.may_fetch_from(peer.id);
            if std::mem::replace(&mut peer.down.disallowed, is_disallowed) == is_disallowed {
                continue;
            }
            if is_disallowed {
                self.downloads.take_back(&mut self.swarm, conn, |_, _| true);
                self.withdraw_leaves(conn);
            }
            self.swarm.update_interest(conn);
            self.downloads.mark_ready(&mut self.swarm, conn);
        }
        self.sources.look_again();
    }
}

#[cfg(test)]
mod tests;
