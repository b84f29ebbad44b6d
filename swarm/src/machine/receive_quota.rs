//! Receive quotas in payload bytes: what we may still request from one source, and from all together.

use std::collections::BTreeMap;

use minimodel_wire::PeerId;

use super::peer::Peer;
use super::requests::Requests;
use super::swarm::Swarm;
use super::user_controls::Controls;

/// Most keys without an allowance of their own whose received bytes are remembered, in case the user gives them one.
const MAX_RECEIVED: usize = 4_096;

/// Bytes received, and bytes that were requested and may still come.
#[derive(Debug, Default)]
pub(super) struct ReceiveQuota {
    /// Bytes received or requested.
    promised: u64,
    /// Bytes received, by key.
    received: BTreeMap<PeerId, u64>,
}

impl ReceiveQuota {
    /// Counts bytes that were requested.
    pub(super) fn requested(&mut self, bytes: u64) {
        self.promised += bytes;
    }

    /// Takes back requested bytes that will not be received.
    pub(super) fn withdrawn(&mut self, bytes: u64) {
        self.promised -= bytes;
    }

    /// Counts payload bytes that were received from the key.
    pub(super) fn received(&mut self, peer: PeerId, bytes: u64, controls: &Controls) {
        let is_named = controls.fetch_allowances.contains_key(&peer);
        let has_room = is_named || self.received.len() < MAX_RECEIVED;
        if bytes > 0 && (has_room || self.received.contains_key(&peer)) {
            *self.received.entry(peer).or_default() += bytes;
        }
    }

    /// Bytes that may still be requested from the key.
    pub(super) fn left_of(&self, swarm: &Swarm, requests: &Requests, peer: PeerId) -> u64 {
        let promised_by = |peer: PeerId| {
            let connected = swarm.peers.primary(peer).and_then(|conn| swarm.peers.get(&conn));
            let owed = connected.map_or(0, |peer| requests.owed(&peer.down));
            self.received.get(&peer).map_or(owed, |received| received.saturating_add(owed))
        };
        let Controls { fetch_allowance, fetch_allowances, .. } = &swarm.config.controls;
        if let Some(&most) = fetch_allowances.get(&peer) {
            return most.saturating_sub(promised_by(peer));
        }
        let Some(most) = *fetch_allowance else { return u64::MAX };
        let apart: u64 = fetch_allowances.keys().map(|&peer| promised_by(peer)).sum();
        most.saturating_sub(self.promised.saturating_sub(apart))
    }

    /// Returns true if the peer has chunks that we want and none of them fits the quota.
    pub(super) fn is_used_up_with(&self, swarm: &Swarm, requests: &Requests, peer: &Peer) -> bool {
        let terms = &swarm.config.terms;
        let last = terms.chunk_count.saturating_sub(1);
        let is_last_wanted = peer.announced.have.get(last) && !swarm.chunks.have().get(last);
        let is_useful = swarm.is_wanted_source(peer) && peer.announced.useful > 0;
        if peer.down.waits_for_quota {
            return is_useful;
        }
        let left = self.left_of(swarm, requests, peer.id);
        is_useful && Controls::is_used_up(left, terms.byte_count, terms.chunk_size, is_last_wanted)
    }

    /// Returns true if the quota keeps us from requesting: every useful peer is at its quota, or one of those that do not
    /// choke us is. A choking peer counts in the first case only: it may choke us because we request nothing.
    pub(super) fn is_used_up(&self, swarm: &Swarm, requests: &Requests) -> bool {
        let is_useful = |peer: &&Peer| swarm.is_wanted_source(peer) && peer.announced.useful > 0;
        let state = |peer: &Peer| (self.is_used_up_with(swarm, requests, peer), peer.may_be_asked());
        let useful: Vec<(bool, bool)> = swarm.peers.values().filter(is_useful).map(state).collect();
        let is_all = !useful.is_empty() && useful.iter().all(|&(is_full, _)| is_full);
        is_all || useful.contains(&(true, true))
    }

    /// Checks the invariants; the error names the one that does not hold.
    pub(super) fn check(&self, requests: &Requests) -> Result<(), String> {
        let promised = self.received.values().sum::<u64>() + requests.open_bytes();
        // Bytes may have come from keys for which there was no room.
        if promised != self.promised && self.received.len() < MAX_RECEIVED {
            return Err(format!("{promised} bytes are promised, counted {}", self.promised));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_the_user_did_not_name_are_counted_up_to_a_limit() {
        let mut quota = ReceiveQuota::default();
        let key = |n: u32| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&n.to_le_bytes());
            PeerId(id)
        };
        let named = Controls { fetch_allowances: [(key(9_999), 5)].into(), ..Controls::default() };
        for n in 0..5_000 {
            quota.received(key(n), 1, &named);
        }
        assert_eq!(quota.received.len(), MAX_RECEIVED);
        quota.received(key(9_999), 1, &named);
        assert_eq!(quota.received.len(), MAX_RECEIVED + 1);
    }
}
