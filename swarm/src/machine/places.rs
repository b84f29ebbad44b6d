//! Who may hold one of the connections that there are.

use std::time::Duration;

use minimodel_wire::{CloseCode, PeerId};

use super::core::Machine;
use super::peer::Peer;
use super::time::Time;

/// A peer may hold a place and do nothing for this long when others want it.
const IDLE_PLACE: Duration = Duration::from_secs(30);

impl Machine {
    /// Whether there is no place for this key.
    pub(super) fn is_full_for(&self, id: PeerId, dialed: bool) -> bool {
        // Who comes to us never takes the places that our own dials need.
        let limits = &self.config.limits;
        let kept = if dialed || !self.wants_chunks() { 0 } else { limits.max_dials };
        let places = limits.max_connections.saturating_sub(kept).max(1);
        self.peers.len() >= places && !self.by_id.contains_key(&id)
    }

    /// Parts with a peer that came to us and does nothing here: places are for those who use them. Among several the
    /// one that moved the fewest bytes goes, the oldest first.
    pub(super) fn make_room(&mut self, now: Time) {
        let is_idle = |peer: &Peer| {
            !peer.dialed
                && now.since(peer.connected_at) >= IDLE_PLACE
                && peer.up.active.is_empty()
                && peer.up.waiting.is_empty()
                && peer.down.requests.is_empty()
        };
        let idle = self.peers.iter().filter(|(_, peer)| is_idle(peer));
        let least = idle.min_by_key(|(_, peer)| {
            // Whoever waits for a slot has a reason to be idle.
            let waits = peer.up.interested && !peer.up.unchoked;
            (waits, peer.up.bytes + peer.down.meter.total(), peer.connected_at)
        });
        if let Some(conn) = least.map(|(&conn, _)| conn) {
            self.drop_peer(now, conn, CloseCode::Busy);
        }
    }
}

#[cfg(test)]
mod tests {
    use minimodel_wire::{Bitfield, Frame};

    use super::super::desk::{Desk, SEED, TAKE, having};
    use super::*;

    #[test]
    fn f1_idle_peers_do_not_keep_a_newcomer_out_for_ever() {
        let mut desk = Desk::with(SEED, Bitfield::full(20), |config| config.limits.max_connections = 3);
        for n in 1..=3 {
            desk.join(n, TAKE, having([]));
            desk.frame(n.into(), Frame::Interested);
        }
        desk.ask(2, 0, 5);
        desk.said();
        desk.connect(4, 4, false);
        assert_eq!(desk.closes(), [(4, CloseCode::Busy)], "nobody was idle for long yet");
        desk.wait(Duration::from_secs(31));
        desk.said();
        desk.connect(5, 5, false);
        assert_eq!(desk.closes(), [(1, CloseCode::Busy)], "the second is being served");
        assert_eq!(desk.machine.peers.len(), 3);
    }
}
