//! Whom to dial now, and what became of it.

use std::time::Duration;

use minimodel_wire::{CloseCode, PeerId, SignedOffer};

use super::core::Machine;
use super::events::{Event, Output};
use super::fault::is_final;
use super::time::Time;

/// All sources must be at their end for this long, so that two that are named one after the other both count.
pub(super) const EXHAUSTED_AFTER: Duration = Duration::from_millis(500);

impl Machine {
    fn free_dials(&self) -> usize {
        if !self.wants_chunks() {
            return 0;
        }
        let limits = &self.config.limits;
        let places = limits.max_connections.saturating_sub(self.peers.len());
        limits.max_dials.saturating_sub(self.sources.dialing.len()).min(places)
    }

    /// Whether there are so many peers that passed-on offers may wait; the other places are for those who come.
    fn has_enough_peers(&self) -> bool {
        self.peers.len() + self.sources.dialing.len() >= self.config.limits.enough_peers
    }

    /// When somebody is to be dialed.
    pub(super) fn next_dial(&self) -> Option<Time> {
        let soonest =
            if self.has_enough_peers() { self.sources.soonest_by_user } else { self.sources.soonest };
        (soonest < Time::MAX && self.free_dials() > 0).then_some(soonest)
    }

    pub(super) fn unix(&self, now: Time) -> u64 {
        let (unix, told) = self.calendar;
        unix.saturating_add(now.since(told).as_secs())
    }

    /// The calendar may have jumped: the machine slept, or somebody set its clock. Deadlines do not follow it.
    pub(super) fn set_calendar(&mut self, now: Time, unix: u64) {
        self.calendar = (unix, now);
        self.drop_expired_offers(unix);
    }

    /// An offer of our own key is one of our user's other process: seed and fetch on one machine.
    pub(super) fn add_source(&mut self, now: Time, offer: &SignedOffer) {
        let offer = offer.offer();
        self.sources.add(offer.peer, &offer.addresses, offer.expires_unix, true, now);
        if self.sources.is_banned(offer.peer, now) {
            self.event(Event::Refused { peer: offer.peer, code: CloseCode::Banned, by_peer: false });
        }
    }

    pub(super) fn dial(&mut self, now: Time) {
        while self.next_dial().is_some_and(|at| at <= now) {
            let by_user = self.has_enough_peers();
            let unix = self.unix(now);
            let only = self.config.controls.sources.as_ref();
            let Some((peer, addresses)) = self.sources.due(now, unix, by_user, only) else {
                let next = self.sources.next_dial(by_user, only);
                *self.sources.soonest(by_user) = next;
                continue;
            };
            if self.by_id.contains_key(&peer) {
                // It came to us in the meantime.
                self.sources.connected(peer);
                continue;
            }
            self.push(Output::Dial { peer, addresses });
        }
    }

    /// A peer said that trying again is no use.
    pub(super) fn refused_by(&mut self, peer: PeerId, code: CloseCode) {
        if code == CloseCode::BudgetUsed {
            self.sources.out_of_budget(peer);
        } else {
            self.sources.refused(peer);
        }
        self.event(Event::Refused { peer, code, by_peer: true });
    }

    pub(super) fn dial_failed(
        &mut self,
        now: Time,
        peer: PeerId,
        wrong_key: Option<PeerId>,
        code: Option<CloseCode>,
    ) {
        if self.by_id.contains_key(&peer) {
            self.sources.connected(peer);
            return;
        }
        if let Some(found) = wrong_key {
            self.sources.refused(peer);
            self.event(Event::WrongKey { expected: peer, found });
        } else if let Some(code) = code.filter(|&code| is_final(code)) {
            self.refused_by(peer, code);
        } else {
            self.sources.disconnected(now, peer, &self.config.limits, &mut self.rng);
            self.event(Event::Unreachable { peer, tries: self.sources.tries(peer) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::desk::{Desk, SEED, TAKE, all, having, id, offer};
    use super::super::events::Input;
    use super::*;
    use bytes::Bytes;
    use minimodel_wire::{Bitfield, Frame};

    const LATE: u64 = 1_000_000;

    #[test]
    fn a_passed_on_peer_is_tried_five_times_and_a_user_s_for_ever() {
        let mut desk = Desk::new(all(), having([0]));
        desk.tell(Input::Source(offer(8, [1; 32], LATE)));
        desk.join(1, all(), having([1]));
        desk.frame(1, Frame::Peers { offers: vec![Bytes::from(offer(9, [1; 32], LATE).to_bytes())] });
        let mut tries = BTreeMap::new();
        for _ in 0..600 {
            for peer in desk.dialed() {
                *tries.entry(peer).or_insert(0) += 1;
                desk.tell(Input::DialFailed { peer, wrong_key: None, code: None });
            }
            desk.wait(Duration::from_secs(1));
        }
        assert_eq!(tries[&id(9)], 5);
        assert!((10..=20).contains(&tries[&id(8)]), "{tries:?}");
    }

    #[test]
    fn b19_a_passed_on_peer_that_brought_a_chunk_is_tried_on_although_it_has_no_place_for_us() {
        let mut desk = Desk::new(all(), having([0]));
        desk.join(1, all(), having([1]));
        desk.frame(1, Frame::Peers { offers: vec![Bytes::from(offer(9, [1; 32], LATE).to_bytes())] });
        desk.wait(Duration::from_secs(2));
        assert_eq!(desk.dialed(), [id(9)]);
        // It came, gave a chunk, and went since others wanted its place.
        desk.machine.sources.brought_a_chunk(id(9));
        let code = Some(CloseCode::Busy);
        desk.tell(Input::DialFailed { peer: id(9), wrong_key: None, code });
        let mut tries = 0;
        for _ in 0..600 {
            for peer in desk.dialed() {
                tries += 1;
                desk.tell(Input::DialFailed { peer, wrong_key: None, code });
            }
            desk.wait(Duration::from_secs(1));
        }
        assert!((10..=20).contains(&tries), "{tries}");
    }

    #[test]
    fn a_banned_source_named_first_does_not_end_a_fetch_that_has_a_second() {
        let mut desk = Desk::new(TAKE, having([]));
        desk.machine.sources.ban(id(1), Time::ZERO);
        desk.tell(Input::Source(offer(1, [1; 32], LATE)));
        desk.tell(Input::Source(offer(2, [1; 32], LATE)));
        desk.wait(Duration::from_secs(2));
        assert!(!desk.events().contains(&Event::Exhausted));
        desk.tell(Input::DialFailed { peer: id(2), wrong_key: Some(id(3)), code: None });
        desk.wait(Duration::from_secs(2));
        assert_eq!(desk.events().iter().filter(|&event| *event == Event::Exhausted).count(), 1);
    }

    #[test]
    fn a_connected_peer_that_does_not_serve_is_no_hope() {
        let mut desk = Desk::new(all(), having([0]));
        desk.join(1, TAKE, having([1]));
        desk.wait(Duration::from_secs(2));
        assert!(desk.events().contains(&Event::Exhausted));
        desk.join(2, SEED, Bitfield::full(20));
        desk.wait(Duration::from_secs(2));
        assert!(!desk.events().contains(&Event::Exhausted));
    }

    #[test]
    fn passed_on_offers_wait_while_there_are_enough_peers_and_a_user_s_do_not() {
        let mut desk = Desk::with(all(), having([0]), |config| config.limits.enough_peers = 3);
        desk.join(1, all(), having([1]));
        desk.join(2, all(), having([1]));
        let offers = (5..9).map(|n| Bytes::from(offer(n, [1; 32], LATE).to_bytes())).collect();
        desk.frame(1, Frame::Peers { offers });
        desk.wait(Duration::from_secs(2));
        let dialed = desk.dialed();
        assert_eq!(dialed.len(), 1, "two are here and one is enough");
        desk.tell(Input::Source(offer(9, [1; 32], LATE)));
        assert_eq!(desk.dialed(), [id(9)]);
        for peer in [dialed[0], id(9)] {
            desk.tell(Input::DialFailed { peer, wrong_key: None, code: None });
        }
        desk.wait(Duration::from_millis(1));
        assert_eq!(desk.dialed().len(), 1, "somebody else's turn");
    }
}
