//! Answers to upload requests: which request is answered next, and what the daily budget of a key and memory allow.
//!
//! What quotas of the user allow is decided by the driver's gate, which holds an answer back; see [`QuotaWait`].

use std::collections::BTreeMap;
use std::time::Duration;

use minimodel_wire::{PeerId, ResetCode};

use super::choker::Choker;
use super::config::UPLOAD_BYTES;
use super::events::{Ask, Conn, Output};
use super::peer::Peer;
use super::peer_upload::{QuotaWait, UsedQuota};
use super::shares;
use super::standing::Standings;
use super::swarm::Swarm;

/// Most keys remembered as refused for a used-up quota; they only explain why a share is idle (cause `quota`).
const MAX_OVER_QUOTA: usize = 64;
/// Bytes of answers under way, with those of peers that have read an answer and have none under way.
const MOST_UPLOAD_BYTES: u64 = UPLOAD_BYTES / 2 * 3;
/// Where memory is short, an answer that has been under way for this long is taken back.
const TAKEN_BACK_AFTER: Duration = Duration::from_secs(300);

/// Answers to all peers.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Keys refused for a used-up quota.
    pub(super) over_quota: BTreeMap<PeerId, UsedQuota>,
}

impl Answers {
    /// Counts payload bytes that were sent to the key.
    pub(super) fn gave(&mut self, swarm: &Swarm, standings: &mut Standings, peer: PeerId, bytes: u64) {
        standings.of(peer, swarm.now).gave(bytes);
        if bytes > 0 {
            self.over_quota.remove(&peer);
        }
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
            let waits = holders
                .filter(|(_, peer)| peer.up.active.len() < per_peer && may_have_next(swarm, standings, peer));
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

    /// Returns the quota that is used up for a peer that requests chunks, once no answer to it is under way. If only bytes in
    /// flight take the room, the peer keeps waiting: those answers may still end short.
    pub(super) fn exceeded(swarm: &Swarm, standings: &Standings, conn: Conn) -> Option<UsedQuota> {
        let waits = |peer: &&Peer| peer.up.active.is_empty() && !peer.up.waiting.is_empty();
        let peer = swarm.peers.get(&conn).filter(waits)?;
        if !fits_day(swarm, standings, peer.id, 0) {
            return Some(UsedQuota::Day);
        }
        let version = UsedQuota::Version(swarm.config.controls.quota_version);
        (peer.up.quota_wait == Some(QuotaWait::UsedUp)).then_some(version)
    }

    /// Stops serving a peer whose quota is used up.
    pub(super) fn stop(&mut self, swarm: &mut Swarm, conn: Conn, quota: UsedQuota) {
        let Some(peer) = swarm.peers.get_mut(&conn) else { return };
        let id = peer.id;
        peer.up.over_quota = Some(quota);
        let asks: Vec<Ask> = peer.up.waiting.drain(..).map(|(ask, _)| ask).collect();
        for ask in asks {
            swarm.refuse(ask, ResetCode::BudgetUsed);
        }
        if self.over_quota.len() < MAX_OVER_QUOTA {
            self.over_quota.insert(id, quota);
        }
    }

    /// Forgets keys whose quota is used up no more.
    pub(super) fn reevaluate(&mut self, swarm: &Swarm, standings: &Standings) {
        self.over_quota.retain(|&peer, quota| quota.is_used_up(swarm, standings, peer));
    }
}

impl UsedQuota {
    /// Returns true if the peer cannot have a chunk yet. Of a quota of the user that is known as long as its version stays.
    pub(super) fn is_used_up(self, swarm: &Swarm, standings: &Standings, peer: PeerId) -> bool {
        match self {
            Self::Day => !fits_day(swarm, standings, peer, 0),
            Self::Version(version) => version == swarm.config.controls.quota_version,
        }
    }
}

/// Returns true if the key's budget of the day covers one more chunk beside the `under_way` chunks that are being sent to
/// it.
fn fits_day(swarm: &Swarm, standings: &Standings, peer: PeerId, under_way: usize) -> bool {
    standings.taken(peer, swarm.now).saturating_add(under_way as u64) < swarm.config.day_budget()
}

/// Returns true if quotas let the peer's next waiting request be answered, as far as is known.
fn may_have_next(swarm: &Swarm, standings: &Standings, peer: &Peer) -> bool {
    let fits = || fits_day(swarm, standings, peer.id, peer.up.active.len());
    !peer.up.waiting.is_empty() && peer.up.quota_wait.is_none() && fits()
}

/// Bytes of all answers under way.
fn answering_bytes(swarm: &Swarm) -> u64 {
    let active: u64 = swarm.peers.values().map(|peer| peer.up.active.len() as u64).sum();
    active * u64::from(swarm.config.terms.chunk_size)
}

#[cfg(test)]
mod tests;
