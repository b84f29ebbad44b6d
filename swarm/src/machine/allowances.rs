//! How many bytes may pass: what a key, and all together, may take from us, and what we may receive.

use minimodel_wire::{CloseCode, PeerId, ResetCode};

use super::chunks::ChunkState;
use super::controls::Controls;
use super::core::Machine;
use super::events::{Ask, Conn};
use super::peer::{HeldBack, Peer};
use super::time::Time;

/// Keys remembered for having used their allowance; they only explain why nobody asks.
const MAX_SPENT: usize = 64;
/// Keys without an allowance of their own whose received bytes are remembered, in case they are given one.
const MAX_RECEIVED: usize = 4_096;

impl Controls {
    /// Whether an allowance that has `left` payload bytes left lets no more chunk of a file of `byte_count` bytes in chunks
    /// of `chunk_size` pass: only whole chunks move, so that a rest shorter than every chunk that may be next is used up.
    /// `is_last_wanted`: the last chunk, the one that may be shorter, is among those. A session that nothing else keeps
    /// from moving is idle for a quota.
    pub fn is_used_up(left: u64, byte_count: u64, chunk_size: u32, is_last_wanted: bool) -> bool {
        let size = u64::from(chunk_size.max(1));
        let last = byte_count.saturating_sub(1) % size + 1;
        left < if is_last_wanted { last } else { size }
    }

    pub(super) fn limits_fetching(&self) -> bool {
        self.fetch_allowance.is_some() || !self.fetch_allowances.is_empty()
    }
}

impl Machine {
    /// Payload bytes went out to the key.
    pub(super) fn gave(&mut self, now: Time, peer: PeerId, bytes: u64) {
        self.standings.of(peer, now).gave(bytes);
        self.given = self.given.saturating_add(bytes);
    }

    /// Whether its own allowance lets the key have one more chunk beside those that are on their way to it.
    fn fits_own(&self, peer: PeerId, under_way: usize, len: u32) -> bool {
        let Some(most) = self.config.controls.allowance_of(peer) else { return true };
        let promised = (under_way as u64).saturating_mul(self.config.terms.chunk_size.into());
        let wanted = promised.saturating_add(len.into());
        self.standings.given(peer).saturating_add(wanted) <= most
    }

    /// The same for what all may take together, beside `under_way` bytes.
    fn fits_common(&self, under_way: u64, len: u32) -> bool {
        let Some(most) = self.config.controls.serve_allowance else { return true };
        self.given.saturating_add(under_way).saturating_add(len.into()) <= most
    }

    /// Whether what the peer asked for next may be sent to it, while `under_way` bytes are being sent to all.
    pub(super) fn may_have_next(&self, peer: &Peer, under_way: u64) -> bool {
        let Some(&(_, index)) = peer.up.waiting.front() else { return false };
        let len = self.config.terms.chunk_len(index);
        let fits = self.fits_own(peer.id, peer.up.active.len(), len) && self.fits_common(under_way, len);
        fits && peer.up.held_back.is_none()
    }

    /// Whether the key may have a chunk of this length now that nothing is on its way to anybody.
    fn may_have(&self, now: Time, peer: PeerId, len: u32) -> bool {
        let is_within_day = self.standings.taken(peer, now) < self.config.day_budget();
        is_within_day && self.fits_own(peer, 0, len) && self.fits_common(0, len)
    }

    /// Parts with a peer that asks for more than it may have, once what it was promised is on its way. Where what others
    /// are being sent, here or in other sessions, may be all there is, it waits for how that ends.
    pub(super) fn part_if_spent(&mut self, now: Time, conn: Conn) {
        let Some(peer) = self.peers.get(&conn).filter(|peer| peer.up.active.is_empty()) else { return };
        let Some(&(_, index)) = peer.up.waiting.front() else { return };
        let len = self.config.terms.chunk_len(index);
        let is_used_up = peer.up.held_back == Some(HeldBack::UsedUp);
        if is_used_up || !self.fits_own(peer.id, 0, len) || !self.fits_common(0, len) {
            self.part_for_budget(now, conn, len);
        }
    }

    /// What one peer took may have been the last that all together might.
    pub(super) fn part_with_all_spent(&mut self, now: Time) {
        if self.config.controls.serve_allowance.is_some() {
            let conns: Vec<Conn> = self.unchoked.iter().copied().collect();
            for conn in conns {
                self.part_if_spent(now, conn);
            }
        }
    }

    /// Whether chunks are wanted of the peer, now or as soon as it has any.
    pub(super) fn is_wanted_source(&self, peer: &Peer) -> bool {
        self.wants_chunks() && peer.is_source()
    }

    /// Nothing more comes from us: said with a code that ends the peer's tries, or, where it is of use to us, with the
    /// end of its slot. `len`: bytes of the chunk that was too much.
    pub(super) fn part_for_budget(&mut self, now: Time, conn: Conn, len: u32) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let id = peer.id;
        peer.up.spent = Some(len);
        let asks: Vec<Ask> = peer.up.waiting.drain(..).map(|(ask, _)| ask).collect();
        for ask in asks {
            self.refuse(ask, ResetCode::BudgetUsed);
        }
        if self.spent.len() < MAX_SPENT {
            self.spent.insert(id, len);
        }
        if self.peers.get(&conn).is_some_and(|peer| self.is_wanted_source(peer)) {
            self.choke(conn);
            self.fill_slots();
            return;
        }
        // Without a Bye, which would overtake the chunks that the driver lets arrive before it closes.
        self.drop_peer(now, conn, CloseCode::BudgetUsed);
    }

    /// Whoever used its allowance and may have more by now is served again; whoever was kept as a source and is none any
    /// more is closed.
    pub(super) fn look_at_spent(&mut self, now: Time) {
        // Only asking again tells whether a quota of several sessions lets more pass by now.
        self.peers.values_mut().for_each(|peer| peer.up.held_back = None);
        let spent = std::mem::take(&mut self.spent);
        self.spent = spent.into_iter().filter(|&(peer, len)| !self.may_have(now, peer, len)).collect();
        let is_spent = |(&conn, peer): (&Conn, &Peer)| Some((conn, peer.id, peer.up.spent?));
        let conns: Vec<_> = self.peers.iter().filter_map(is_spent).collect();
        let mut is_changed = false;
        for (conn, id, len) in conns {
            let may_have = self.may_have(now, id, len);
            let Some(peer) = self.peers.get(&conn) else { continue };
            if may_have {
                is_changed = true;
                if let Some(peer) = self.peers.get_mut(&conn) {
                    peer.up.spent = None;
                }
            } else if !self.is_wanted_source(peer) {
                self.drop_peer(now, conn, CloseCode::BudgetUsed);
            }
        }
        if is_changed {
            self.fill_slots();
        }
    }

    /// Payload bytes came from the key.
    pub(super) fn count_received(&mut self, peer: PeerId, bytes: u64) {
        let is_named = self.config.controls.fetch_allowances.contains_key(&peer);
        let has_room = is_named || self.received_of.len() < MAX_RECEIVED;
        if bytes > 0 && (has_room || self.received_of.contains_key(&peer)) {
            *self.received_of.entry(peer).or_default() += bytes;
        }
    }

    /// Whether bytes may have come from keys that are not remembered.
    pub(super) fn has_unnamed_sources(&self) -> bool {
        self.received_of.len() >= MAX_RECEIVED
    }

    /// Bytes that came from the key or are asked of it.
    fn promised_by(&self, peer: PeerId) -> u64 {
        let owed = self.by_id.get(&peer).map_or(0, |&conn| self.owed(conn));
        self.received_of.get(&peer).map_or(owed, |received| received.saturating_add(owed))
    }

    /// Bytes that may still be asked of the peer.
    fn left_of(&self, peer: PeerId) -> u64 {
        let Controls { fetch_allowance, fetch_allowances, .. } = &self.config.controls;
        if let Some(&most) = fetch_allowances.get(&peer) {
            return most.saturating_sub(self.promised_by(peer));
        }
        let Some(most) = *fetch_allowance else { return u64::MAX };
        let apart: u64 = fetch_allowances.keys().map(|&peer| self.promised_by(peer)).sum();
        most.saturating_sub(self.promised.saturating_sub(apart))
    }

    /// The chunk to ask of the peer instead of this one, where no more than the last, a shorter one, fits what we may
    /// receive; `None` where nothing does.
    pub(super) fn affordable(&self, conn: Conn, index: u32) -> Option<u32> {
        let (peer, terms) = (self.peers.get(&conn)?, &self.config.terms);
        let fits = |index| u64::from(terms.chunk_len(index)) <= self.left_of(peer.id);
        if fits(index) {
            return Some(index);
        }
        let last = terms.chunk_count.saturating_sub(1);
        let is_free = self.chunks.state(last) == ChunkState::Missing && peer.have.get(last);
        (is_free && fits(last)).then_some(last)
    }

    /// Whether the peer has chunks that we want, and none of them fits what we may receive.
    pub(super) fn is_at_quota_with(&self, peer: &Peer) -> bool {
        let last = self.config.terms.chunk_count.saturating_sub(1);
        let is_last_wanted = peer.have.get(last) && !self.chunks.have().get(last);
        let is_useful = self.is_wanted_source(peer) && peer.useful > 0;
        if peer.down.held_back {
            return is_useful;
        }
        let (byte_count, chunk_size) = (self.config.terms.byte_count, self.config.terms.chunk_size);
        is_useful && Controls::is_used_up(self.left_of(peer.id), byte_count, chunk_size, is_last_wanted)
    }

    /// Whether nothing but what we may receive keeps us from asking. Who chokes us counts only where nobody could be
    /// asked that does not: it may well do so since we ask for nothing.
    pub(super) fn is_at_quota(&self) -> bool {
        let is_useful = |peer: &&Peer| self.is_wanted_source(peer) && peer.useful > 0;
        let state = |peer: &Peer| (self.is_at_quota_with(peer), peer.may_be_asked());
        let useful: Vec<(bool, bool)> = self.peers.values().filter(is_useful).map(state).collect();
        let is_all = !useful.is_empty() && useful.iter().all(|&(is_full, _)| is_full);
        is_all || useful.contains(&(true, true))
    }
}

#[cfg(test)]
mod tests;
