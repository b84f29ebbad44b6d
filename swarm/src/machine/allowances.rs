//! Send quotas in payload bytes: what one key and all keys together may take from us.

use minimodel_wire::{CloseCode, PeerId, ResetCode};

use super::core::Machine;
use super::events::{Ask, Conn};
use super::peer::{Peer, QuotaWait};
use super::time::Time;
use super::user_controls::Controls;

/// Most keys remembered as refused for a used-up allowance; they only explain why a share is idle (cause `quota`).
const MAX_OVER_QUOTA: usize = 64;
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
}

impl Machine {
    /// Counts payload bytes that were sent to the key.
    pub(super) fn gave(&mut self, now: Time, peer: PeerId, bytes: u64) {
        self.standings.of(peer, now).gave(bytes);
        self.given = self.given.saturating_add(bytes);
    }

    /// Returns true if the key's budget of the day and its own allowance cover one more chunk beside the `under_way` chunks
    /// that are being sent to it.
    fn fits_own(&self, now: Time, peer: PeerId, under_way: usize, len: u32) -> bool {
        let under_way = under_way as u64;
        if self.standings.taken(peer, now).saturating_add(under_way) >= self.swarm.config.day_budget() {
            return false;
        }
        let Some(most) = self.swarm.config.controls.allowance_of(peer) else { return true };
        let promised = under_way.saturating_mul(self.swarm.config.terms.chunk_size.into());
        let wanted = promised.saturating_add(len.into());
        self.standings.given(peer).saturating_add(wanted) <= most
    }

    /// Returns true if the allowance of all peers together covers one more chunk beside `under_way` bytes.
    fn fits_common(&self, under_way: u64, len: u32) -> bool {
        let Some(most) = self.swarm.config.controls.serve_allowance else { return true };
        self.given.saturating_add(under_way).saturating_add(len.into()) <= most
    }

    /// Returns true if quotas let the peer's next waiting request be answered, while `under_way` bytes are being sent to
    /// all peers.
    pub(super) fn may_have_next(&self, now: Time, peer: &Peer, under_way: u64) -> bool {
        let Some(&(_, index)) = peer.up.waiting.front() else { return false };
        let len = self.swarm.config.terms.chunk_len(index);
        let fits = self.fits_own(now, peer.id, peer.up.active.len(), len) && self.fits_common(under_way, len);
        fits && peer.up.quota_wait.is_none()
    }

    /// Returns true if quotas would cover a chunk of this length for the key if nothing were being sent to any peer.
    fn may_have(&self, now: Time, peer: PeerId, len: u32) -> bool {
        self.fits_own(now, peer, 0, len) && self.fits_common(0, len)
    }

    /// Refuses a peer whose next request exceeds a quota, once no answer to it is under way. If only bytes that are being sent
    /// to other peers, here or in other sessions, take the room, the peer keeps waiting: those answers may still end short.
    pub(super) fn refuse_if_over_quota(&mut self, now: Time, conn: Conn) {
        let Some(peer) = self.swarm.peers.get(&conn).filter(|peer| peer.up.active.is_empty()) else { return };
        let Some(&(_, index)) = peer.up.waiting.front() else { return };
        let len = self.swarm.config.terms.chunk_len(index);
        let is_used_up = peer.up.quota_wait == Some(QuotaWait::UsedUp);
        if is_used_up || !self.fits_own(now, peer.id, 0, len) || !self.fits_common(0, len) {
            self.refuse_over_quota(now, conn, len);
        }
    }

    /// Refuses peers whose next request no longer fits the allowance of all peers together, since another peer took the rest.
    pub(super) fn refuse_all_over_quota(&mut self, now: Time) {
        if self.swarm.config.controls.serve_allowance.is_some() {
            let conns: Vec<Conn> = self.unchoked.iter().copied().collect();
            for conn in conns {
                self.refuse_if_over_quota(now, conn);
            }
        }
    }

    /// Stops serving a peer whose quota is used up: with a close code that ends its retries or, if it is a source that we
    /// want, with a choke. `len`: bytes of the chunk that did not fit.
    pub(super) fn refuse_over_quota(&mut self, now: Time, conn: Conn, len: u32) {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        let id = peer.id;
        peer.up.over_quota = Some(len);
        let asks: Vec<Ask> = peer.up.waiting.drain(..).map(|(ask, _)| ask).collect();
        for ask in asks {
            self.swarm.refuse(ask, ResetCode::BudgetUsed);
        }
        if self.over_quota.len() < MAX_OVER_QUOTA {
            self.over_quota.insert(id, len);
        }
        if self.swarm.peers.get(&conn).is_some_and(|peer| self.swarm.is_wanted_source(peer)) {
            self.choke(conn);
            self.fill_slots();
            return;
        }
        // Sends no Bye, which would overtake the chunks that the driver still delivers before it closes.
        self.drop_peer(now, conn, CloseCode::BudgetUsed);
    }

    /// Re-evaluates peers over quota: those with allowance again may be unchoked; those kept only as sources are closed
    /// once they are sources no more.
    pub(super) fn reevaluate_quotas(&mut self, now: Time) {
        // Only a new attempt tells whether a quota shared with other sessions has room again.
        self.swarm.peers.values_mut().for_each(|peer| peer.up.quota_wait = None);
        let over_quota = std::mem::take(&mut self.over_quota);
        self.over_quota =
            over_quota.into_iter().filter(|&(peer, len)| !self.may_have(now, peer, len)).collect();
        let is_over_quota = |(&conn, peer): (&Conn, &Peer)| Some((conn, peer.id, peer.up.over_quota?));
        let conns: Vec<_> = self.swarm.peers.iter().filter_map(is_over_quota).collect();
        let mut is_changed = false;
        for (conn, id, len) in conns {
            let may_have = self.may_have(now, id, len);
            let Some(peer) = self.swarm.peers.get(&conn) else { continue };
            if may_have {
                is_changed = true;
                if let Some(peer) = self.swarm.peers.get_mut(&conn) {
                    peer.up.over_quota = None;
                }
            } else if !self.swarm.is_wanted_source(peer) {
                self.drop_peer(now, conn, CloseCode::BudgetUsed);
            }
        }
        if is_changed {
            self.fill_slots();
        }
    }
}

#[cfg(test)]
mod tests;
