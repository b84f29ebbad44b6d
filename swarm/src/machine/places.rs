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
        self.peers.len() - self.guests() >= places && !self.by_id.contains_key(&id)
    }

    fn guests(&self) -> usize {
        self.peers.values().filter(|peer| peer.is_guest).count()
    }

    /// Whether a peer that came and found no place may stay for a word.
    pub(super) fn may_be_guest(&self, now: Time, id: PeerId) -> bool {
        !self.stopping
            && !self.standings.is_shut_out(id, now)
            && self.guests() < self.config.limits.max_guests
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
    use bytes::Bytes;
    use minimodel_wire::{Bitfield, Frame};

    use super::super::desk::{Desk, SEED, TAKE, all, having, offer};
    use super::*;

    #[test]
    fn b18_idle_peers_do_not_keep_a_newcomer_out_for_ever() {
        let mut desk = Desk::with(SEED, Bitfield::full(20), |config| {
            config.limits.max_connections = 3;
            config.limits.max_guests = 0;
        });
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

    #[test]
    fn a_newcomer_that_finds_no_place_is_told_of_the_others_and_so_finds_one() {
        let mut desk = Desk::with(SEED, Bitfield::full(20), |config| {
            config.limits.max_connections = 2;
            config.limits.max_guests = 1;
        });
        for n in 1..=2 {
            desk.join(n, all(), having([]));
            let offer = Bytes::from(offer(n, [1; 32], 1_000_000).to_bytes());
            desk.frame(n.into(), Frame::Peers { offers: vec![offer] });
        }
        desk.said();
        for (n, consent, told) in [(3, all(), 2), (4, TAKE, 0)] {
            desk.connect(n, n as u8, false);
            desk.connect(n + 10, n as u8 + 10, false);
            assert_eq!(desk.closes(), [(n + 10, CloseCode::Busy)], "one guest at a time");
            let hello = desk.hello(consent);
            desk.frame(n, Frame::Hello(hello));
            let frames = desk.frames(n);
            let offers: usize = frames
                .iter()
                .map(|frame| if let Frame::Peers { offers } = frame { offers.len() } else { 0 })
                .sum();
            assert_eq!(offers, told, "only to those who take part in the exchange");
            assert_eq!(frames.last(), Some(&Frame::Bye { code: CloseCode::Busy }));
            assert_eq!(desk.machine.peers.len(), 2);
        }
    }
}
