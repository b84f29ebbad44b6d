//! Answers to upload requests: which request is answered next, and what quotas and memory allow.
//!
//! Quotas are in payload bytes: what one key and all keys together may take from us. Only whole chunks are sent.

use std::collections::BTreeMap;
use std::time::Duration;

use minimodel_wire::{PeerId, ResetCode};

use super::choker::Choker;
use super::config::UPLOAD_BYTES;
use super::events::{Ask, Conn, Output};
use super::peer::Peer;
use super::peer_upload::QuotaWait;
use super::shares;
use super::standing::Standings;
use super::swarm::Swarm;

/// Most keys remembered as refused for a used-up allowance; they only explain why a share is idle (cause `quota`).
const MAX_OVER_QUOTA: usize = 64;
/// Bytes of answers under way, with those of peers that have read an answer and have none under way.
const MOST_UPLOAD_BYTES: u64 = UPLOAD_BYTES / 2 * 3;
/// Where memory is short, an answer that has been under way for this long is taken back.
const TAKEN_BACK_AFTER: Duration = Duration::from_secs(300);

/// What all peers together have taken from us.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Payload bytes sent to all peers.
    pub(super) given: u64,
    /// Keys refused for a used-up quota, and the length of the chunk that did not fit.
    pub(super) over_quota: BTreeMap<PeerId, u32>,
}

impl Answers {
    /// Counts payload bytes that were sent to the key.
    pub(super) fn gave(&mut self, swarm: &Swarm, standings: &mut Standings, peer: PeerId, bytes: u64) {
        standings.of(peer, swarm.now).gave(bytes);
        self.given = self.given.saturating_add(bytes);
    }

    /// Charges a peer for answers that end before they are whole, and returns their bytes. Each counts as a whole chunk:
    /// the driver no longer reports how much of it was sent, and a peer that breaks off must not get it for nothing.
    pub(super) fn charge(
        &mut self,
        swarm: &Swarm,
        standings: &mut Standings,
        peer: PeerId,
        answers: u32,
    ) -> u64 {
        let bytes = u64::from(answers) * u64::from(swarm.config.terms.chunk_size);
        standings.of(peer, swarm.now).took(swarm.now, answers.into());
        self.gave(swarm, standings, peer, bytes);
        bytes
    }

    /// Ends an answer that is under way, and charges its peer.
    pub(super) fn end(&mut self, swarm: &mut Swarm, standings: &mut Standings, ask: Ask, code: ResetCode) {
        let chunk = u64::from(swarm.config.terms.chunk_size);
        if let Some(peer) = swarm.asks.get(&ask).and_then(|conn| swarm.peers.get_mut(conn)) {
            peer.up.active.remove(&ask);
            // Whether it was read or not, it was the peer's turn.
            peer.up.bytes += chunk;
            let peer = peer.id;
            self.charge(swarm, standings, peer, 1);
        }
        swarm.refuse(ask, code);
    }

    /// Starts answers, first for peers that got least, so that shares are fair by key. The more peers are served, the
    /// fewer answers run for each: more would make every chunk late and none sooner, and no peer can pass on half a chunk.
    pub(super) fn begin(&mut self, swarm: &mut Swarm, choker: &Choker, standings: &mut Standings) {
        // Answers to peers that were choked meanwhile, and answers above today's number per peer, take no room from others.
        let ups = || choker.unchoked.iter().filter_map(|conn| Some(&swarm.peers.get(conn)?.up));
        let served = ups().filter(|up| !up.waiting.is_empty() || !up.active.is_empty()).count();
        let per_peer = swarm.config.limits.active_asks(swarm.config.terms.chunk_size, served);
        let mut active: usize = ups().map(|up| up.active.len().min(per_peer)).sum();
        let most = choker.slots.now() * per_peer;
        let chunk_count = swarm.config.terms.chunk_count;
        // Slowly read answers from earlier turns are still in memory and count here.
        let chunk = u64::from(swarm.config.terms.chunk_size);
        let mut held = answering_bytes(swarm);
        while active < most {
            let is_full = |most: u64| held > 0 && held + chunk > most;
            // Memory beyond UPLOAD_BYTES is for peers that have read before, since peers that read nothing must not hold
            // all of it. Its last chunk is for a peer whose site and network have no answer under way.
            let under_way = is_full(UPLOAD_BYTES).then(|| shares::answers_held(swarm));
            let may = |peer: &Peer| {
                let Some(under_way) = &under_way else { return true };
                let reads = peer.up.bytes > 0 && peer.up.active.is_empty();
                let is_first = under_way.by(peer.site) == (0, 0);
                (reads && !is_full(MOST_UPLOAD_BYTES - chunk)) || (is_first && !is_full(MOST_UPLOAD_BYTES))
            };
            let holders = choker.unchoked.iter().filter_map(|conn| Some((*conn, swarm.peers.get(conn)?)));
            let waits = holders.filter(|(_, peer)| {
                peer.up.active.len() < per_peer && self.may_have_next(swarm, standings, peer, held)
            });
            let next = waits.clone().filter(|(_, peer)| may(peer));
            let next = next.min_by_key(|(_, peer)| (peer.up.active.len(), peer.up.bytes));
            let Some(conn) = next.map(|(conn, _)| conn) else {
                let has_nothing = waits.clone().any(|(_, peer)| peer.up.active.is_empty());
                if has_nothing && self.take_back(swarm, standings) {
                    held -= chunk;
                    continue;
                }
                return;
            };
            let Some(peer) = swarm.peers.get_mut(&conn) else { return };
            let Some((ask, index)) = peer.up.waiting.pop_front() else { return };
            peer.up.active.insert(ask, swarm.now);
            peer.up.copies.count(index, chunk_count);
            active += 1;
            held += chunk;
            swarm.push(Output::Serve { ask, index });
        }
    }

    /// Takes back the oldest answer, if it has been under way for minutes; returns true if there was one. Doing so sooner
    /// would cost honest peers what they have of theirs when our own uplink is slow.
    fn take_back(&mut self, swarm: &mut Swarm, standings: &mut Standings) -> bool {
        let now = swarm.now;
        let active = swarm.peers.values().flat_map(|peer| &peer.up.active);
        let oldest = active.min_by_key(|&(ask, since)| (*since, *ask)).map(|(&ask, &since)| (ask, since));
        let Some((ask, _)) = oldest.filter(|&(_, since)| now.since(since) >= TAKEN_BACK_AFTER) else {
            return false;
        };
        self.end(swarm, standings, ask, ResetCode::Busy);
        true
    }

    /// Returns true if the key's budget of the day and its own allowance cover one more chunk beside the `under_way` chunks
    /// that are being sent to it.
    fn fits_own(
        &self,
        swarm: &Swarm,
        standings: &Standings,
        peer: PeerId,
        under_way: usize,
        len: u32,
    ) -> bool {
        let under_way = under_way as u64;
        let taken = standings.taken(peer, swarm.now);
        if taken.saturating_add(under_way) >= swarm.config.day_budget() {
            return false;
        }
        let Some(most) = swarm.config.controls.allowance_of(peer) else { return true };
        let promised = under_way.saturating_mul(swarm.config.terms.chunk_size.into());
        let wanted = promised.saturating_add(len.into());
        standings.given(peer).saturating_add(wanted) <= most
    }

    /// Returns true if the allowance of all peers together covers one more chunk beside `under_way` bytes.
    fn fits_common(&self, swarm: &Swarm, under_way: u64, len: u32) -> bool {
        let Some(most) = swarm.config.controls.serve_allowance else { return true };
        self.given.saturating_add(under_way).saturating_add(len.into()) <= most
    }

    /// Returns true if quotas let the peer's next waiting request be answered, while `under_way` bytes are being sent to
    /// all peers.
    fn may_have_next(&self, swarm: &Swarm, standings: &Standings, peer: &Peer, under_way: u64) -> bool {
        let Some(&(_, index)) = peer.up.waiting.front() else { return false };
        let len = swarm.config.terms.chunk_len(index);
        let fits = self.fits_own(swarm, standings, peer.id, peer.up.active.len(), len)
            && self.fits_common(swarm, under_way, len);
        fits && peer.up.quota_wait.is_none()
    }

    /// Returns true if quotas would cover a chunk of this length for the key if nothing were being sent to any peer.
    pub(super) fn may_have(&self, swarm: &Swarm, standings: &Standings, peer: PeerId, len: u32) -> bool {
        self.fits_own(swarm, standings, peer, 0, len) && self.fits_common(swarm, 0, len)
    }

    /// Returns the length of the chunk that the peer requests next if it exceeds a quota and no answer to the peer is under
    /// way. If only bytes that are being sent to other peers, here or in other sessions, take the room, the peer keeps
    /// waiting: those answers may still end short.
    pub(super) fn exceeded(&self, swarm: &Swarm, standings: &Standings, conn: Conn) -> Option<u32> {
        let peer = swarm.peers.get(&conn).filter(|peer| peer.up.active.is_empty())?;
        let &(_, index) = peer.up.waiting.front()?;
        let len = swarm.config.terms.chunk_len(index);
        let is_used_up = peer.up.quota_wait == Some(QuotaWait::UsedUp);
        (is_used_up || !self.may_have(swarm, standings, peer.id, len)).then_some(len)
    }

    /// Stops serving a peer whose next chunk, of `len` bytes, exceeds a quota.
    pub(super) fn stop(&mut self, swarm: &mut Swarm, conn: Conn, len: u32) {
        let Some(peer) = swarm.peers.get_mut(&conn) else { return };
        let id = peer.id;
        peer.up.over_quota = Some(len);
        let asks: Vec<Ask> = peer.up.waiting.drain(..).map(|(ask, _)| ask).collect();
        for ask in asks {
            swarm.refuse(ask, ResetCode::BudgetUsed);
        }
        if self.over_quota.len() < MAX_OVER_QUOTA {
            self.over_quota.insert(id, len);
        }
    }

    /// Forgets keys that quotas let have their chunk again.
    pub(super) fn reevaluate(&mut self, swarm: &Swarm, standings: &Standings) {
        let over_quota = std::mem::take(&mut self.over_quota);
        let is_over = |&(peer, len): &(PeerId, u32)| !self.may_have(swarm, standings, peer, len);
        self.over_quota = over_quota.into_iter().filter(is_over).collect();
    }
}

/// Bytes of all answers under way.
fn answering_bytes(swarm: &Swarm) -> u64 {
    let active: u64 = swarm.peers.values().map(|peer| peer.up.active.len() as u64).sum();
    active * u64::from(swarm.config.terms.chunk_size)
}

#[cfg(test)]
mod tests;
