//! What our user may change while a session runs: who may come, whom we ask, and how much passes.

use std::collections::{BTreeMap, BTreeSet};

use minimodel_wire::{CloseCode, Frame, PeerId, ResetCode};

use super::core::Machine;
use super::events::{Ask, Conn};
use super::peer::Peer;
use super::slots::slots_in_memory;
use super::time::Time;

/// What our user wants now. All of it may change at any time; a session follows at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Controls {
    /// Whom we serve; `None`: anyone who holds an offer. A peer that came to us and is not on the list is closed with
    /// [`CloseCode::NotAllowed`]. One that we dialed stays, since we may fetch from it, and gets nothing: no slot, no
    /// answer, no leaf hashes; what is under way to it when it is taken off the list is ended with
    /// [`ResetCode::Choked`].
    pub allow: Option<BTreeSet<PeerId>>,
    /// Whom we may dial and fetch from; `None`: anyone. What was asked of a peer that is taken off the list is
    /// withdrawn; its connection stays, since it may still ask us.
    pub sources: Option<BTreeSet<PeerId>>,
    /// Peers served at once; 0: nobody. `None`: the program's own number. What is under way to a peer that loses its
    /// slot is finished.
    pub slots: Option<usize>,
    /// Payload bytes that each key may take from us in this session; `None`: no more limit than a day's budget. Only
    /// whole chunks are given: a key whose next chunk would exceed it gets what is under way to it and is closed with
    /// [`CloseCode::BudgetUsed`]; one from which we want chunks is refused with [`ResetCode::BudgetUsed`] and choked
    /// instead, until it may have more. What a broken connection left half-sent counts whole.
    pub allowance: Option<u64>,
    /// The same for single keys; it goes before `allowance`.
    pub allowances: BTreeMap<PeerId, u64>,
    /// Payload bytes that all peers together may take from us in this session; `None`: no limit. Each is held to it as
    /// to its own allowance.
    pub serve_allowance: Option<u64>,
    /// Payload bytes that we may receive in this session from all sources that have no entry in `fetch_allowances`;
    /// `None`: no limit. No chunk is asked for that would exceed it.
    pub fetch_allowance: Option<u64>,
    /// Payload bytes that we may receive from single sources in this session. What others send does not count.
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
    /// Slots while the way up is as usual.
    pub(super) fn usual_slots(&self) -> usize {
        let limits = &self.config.limits;
        let wanted = self.config.controls.slots.unwrap_or(limits.upload_slots);
        wanted.min(slots_in_memory(self.config.terms.chunk_size))
    }

    /// Our user wants something else from now on.
    pub(super) fn control(&mut self, now: Time, controls: Controls) {
        let slots_before = self.usual_slots();
        self.config.controls = controls;
        if self.stopping {
            return;
        }
        self.close_who_may_not_come(now);
        self.follow_allow(now);
        self.follow_sources(now);
        if self.usual_slots() != slots_before {
            self.slots = self.usual_slots();
            self.rechoke();
        }
        self.look_at_spent(now);
        let conns: Vec<Conn> = self.unchoked.iter().copied().collect();
        for conn in conns {
            self.part_if_spent(now, conn);
        }
        self.mark_all_hungry();
        self.answer_next(now);
    }

    fn close_who_may_not_come(&mut self, now: Time) {
        let controls = &self.config.controls;
        let is_out = |peer: &Peer| !peer.dialed && !controls.lets_in(peer.id);
        let out: Vec<Conn> =
            self.peers.iter().filter(|(_, peer)| is_out(peer)).map(|(&conn, _)| conn).collect();
        for conn in out {
            self.send(conn, Frame::Bye { code: CloseCode::NotAllowed });
            self.drop_peer(now, conn, CloseCode::NotAllowed);
        }
    }

    /// Whoever is not to be served any more loses its slot and what is under way to it.
    fn follow_allow(&mut self, now: Time) {
        let mut is_changed = false;
        let conns: Vec<Conn> = self.peers.keys().copied().collect();
        for conn in conns {
            let Some(peer) = self.peers.get_mut(&conn) else { continue };
            let is_barred = !self.config.controls.lets_in(peer.id);
            if std::mem::replace(&mut peer.up.barred, is_barred) == is_barred {
                continue;
            }
            is_changed = true;
            if is_barred {
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

    fn follow_sources(&mut self, now: Time) {
        let conns: Vec<Conn> = self.peers.keys().copied().collect();
        for conn in conns {
            let Some(peer) = self.peers.get_mut(&conn) else { continue };
            let is_barred = !self.config.controls.may_fetch_from(peer.id);
            if std::mem::replace(&mut peer.down.barred, is_barred) == is_barred {
                continue;
            }
            if is_barred {
                self.take_back(now, conn, |_, _| true);
                self.withdraw_leaves(conn);
            }
            self.update_interest(conn);
            self.mark_hungry(conn);
        }
        self.sources.look_again();
    }
}

#[cfg(test)]
mod tests;
