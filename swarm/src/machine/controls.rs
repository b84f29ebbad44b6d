//! What our user may change while a session runs: who may come, whom we ask, and how much passes.

use std::collections::{BTreeMap, BTreeSet};

use minimodel_wire::{CloseCode, Frame, PeerId, ResetCode};

use super::core::Machine;
use super::events::{Ask, Conn, Output};
use super::peer::Peer;
use super::slots::slots_in_memory;
use super::time::Time;

/// Keys remembered for having used their allowance; they only explain why nobody asks.
const MAX_SPENT: usize = 64;

/// What our user wants now. All of it may change at any time; a session follows at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Controls {
    /// Who may connect to us; `None`: anyone who holds an offer. A peer that came to us and is taken off the list is
    /// closed with [`CloseCode::NotAllowed`]. Whom we dialed is a matter of `sources`.
    pub allow: Option<BTreeSet<PeerId>>,
    /// Whom we may dial and fetch from; `None`: anyone. What was asked of a peer that is taken off the list is
    /// withdrawn; its connection stays, since it may still ask us.
    pub sources: Option<BTreeSet<PeerId>>,
    /// Peers served at once; 0: nobody. `None`: the program's own number. What is under way to a peer that loses its
    /// slot is finished.
    pub slots: Option<usize>,
    /// Payload bytes that each key may take from us in this session; `None`: no more limit than a day's budget. Only
    /// whole chunks are given: a key whose next chunk would exceed it gets what is under way to it and is closed with
    /// [`CloseCode::BudgetUsed`]. What a broken connection left half-sent counts whole.
    pub allowance: Option<u64>,
    /// The same for single keys; it goes before `allowance`.
    pub allowances: BTreeMap<PeerId, u64>,
    /// Payload bytes that all keys together may take from us in this session; whoever asks for more is closed as above.
    pub serve_allowance: Option<u64>,
    /// Payload bytes that we may receive in this session; `None`: no limit. No chunk is asked for that would exceed it.
    pub fetch_allowance: Option<u64>,
}

impl Controls {
    pub(super) fn lets_in(&self, peer: PeerId) -> bool {
        self.allow.as_ref().is_none_or(|allow| allow.contains(&peer))
    }

    pub(super) fn may_fetch_from(&self, peer: PeerId) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.contains(&peer))
    }

    fn allowance_of(&self, peer: PeerId) -> Option<u64> {
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
        self.follow_sources(now);
        if self.usual_slots() != slots_before {
            self.slots = self.usual_slots();
            self.rechoke();
        }
        let conns: Vec<Conn> = self.peers.keys().copied().collect();
        for conn in conns {
            self.part_if_spent(now, conn);
        }
        let spent = std::mem::take(&mut self.spent);
        self.spent = spent.into_iter().filter(|&peer| !self.fits_allowance(peer, 0, 0)).collect();
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

    /// Whether the key may have one more chunk beside those that are on their way to it.
    fn fits_allowance(&self, peer: PeerId, under_way: usize, index: u32) -> bool {
        let (controls, terms) = (&self.config.controls, &self.config.terms);
        let fits = |given: u64, under_way: usize, most: u64| {
            let promised = (under_way as u64).saturating_mul(terms.chunk_size.into());
            let wanted = promised.saturating_add(terms.chunk_len(index).into());
            given.saturating_add(wanted) <= most
        };
        let under_way_in_all = || self.peers.values().map(|peer| peer.up.active.len()).sum();
        controls.allowance_of(peer).is_none_or(|most| fits(self.standings.given(peer), under_way, most))
            && controls
                .serve_allowance
                .is_none_or(|most| fits(self.standings.given_in_all, under_way_in_all(), most))
    }

    /// Whether what the peer asked for next may be sent to it.
    pub(super) fn may_have_next(&self, peer: &Peer) -> bool {
        let next = peer.up.waiting.front();
        next.is_some_and(|&(_, index)| self.fits_allowance(peer.id, peer.up.active.len(), index))
    }

    /// Parts with a peer that asks for more than its allowance, once what it was promised is on its way.
    pub(super) fn part_if_spent(&mut self, now: Time, conn: Conn) {
        let Some(peer) = self.peers.get(&conn) else { return };
        if peer.up.waiting.is_empty() || !peer.up.active.is_empty() || self.may_have_next(peer) {
            return;
        }
        self.part_for_budget(now, conn);
    }

    /// Nothing more comes from us: said with a code that ends the peer's tries.
    pub(super) fn part_for_budget(&mut self, now: Time, conn: Conn) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let id = peer.id;
        let asks: Vec<Ask> = peer.up.waiting.drain(..).map(|(ask, _)| ask).collect();
        for ask in asks {
            self.refuse(ask, ResetCode::BudgetUsed);
        }
        if self.spent.len() < MAX_SPENT {
            self.spent.insert(id);
        }
        self.push(Output::Send { conn, frame: Frame::Bye { code: CloseCode::BudgetUsed } });
        self.drop_peer(now, conn, CloseCode::BudgetUsed);
    }

    /// Whether one more chunk may be asked of anybody.
    pub(super) fn fits_fetch_allowance(&self, index: u32) -> bool {
        let most = self.config.controls.fetch_allowance.unwrap_or(u64::MAX);
        self.promised.saturating_add(self.config.terms.chunk_len(index).into()) <= most
    }
}

#[cfg(test)]
mod tests;
