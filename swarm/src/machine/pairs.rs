//! Several connections of one key, and which of them is primary.
//!
//! The primary connection carries everything. Before a peer that dialed us has sent its Hello or ManifestOnly, it is
//! unknown whether it wants more than the manifest, so its second connection waits *beside* the first: a request for the
//! manifest never ends a running transfer. At most one connection waits beside, so that a key holds no more than two.

use std::time::Duration;

use minimodel_wire::{CloseCode, PeerId};

use super::core::Machine;
use super::events::Conn;
use super::peer::Phase;
use super::time::Time;

/// Two connections that were made further apart than this do not come from dials at the same time.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The role of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The primary connection of its key.
    First,
    /// A second connection, beside the primary one.
    Beside,
    /// One connection too many: it is closed.
    Nowhere,
}

impl Machine {
    /// All connections of a key, the primary one first.
    pub(super) fn connections_of(&self, id: PeerId) -> Vec<Conn> {
        [self.by_id.get(&id), self.beside.get(&id)].into_iter().flatten().copied().collect()
    }

    /// Returns true if the peer's Hello was accepted on this connection.
    fn is_settled(&self, conn: Conn) -> bool {
        self.peers.get(&conn).is_some_and(|peer| matches!(peer.phase, Phase::Bitfield | Phase::Ready))
    }

    /// Chooses the role of a new connection. A primary connection that gives way to it without being closed moves beside it.
    pub(super) fn find_place(&mut self, now: Time, id: PeerId, dialed: bool) -> Place {
        let Some(&first) = self.by_id.get(&id) else { return Place::First };
        if !dialed {
            // It is not known yet what the peer wants on it.
            if let Some(&older) = self.beside.get(&id) {
                self.drop_peer(now, older, CloseCode::Duplicate);
            }
            return Place::Beside;
        }
        if !self.is_settled(first) && self.peers.get(&first).is_some_and(|peer| !peer.dialed) {
            if let Some(&older) = self.beside.get(&id) {
                self.drop_peer(now, older, CloseCode::Duplicate);
            }
            return Place::First;
        }
        if !self.goes_before(first, (dialed, now)) {
            return Place::Nowhere;
        }
        self.drop_peer(now, first, CloseCode::Duplicate);
        Place::First
    }

    pub(super) fn take_place(&mut self, id: PeerId, conn: Conn, place: Place) {
        if place == Place::First {
            let other = self.by_id.insert(id, conn);
            self.beside.extend(other.map(|other| (id, other)));
        } else {
            self.beside.insert(id, conn);
        }
    }

    /// Returns true if another connection of the same key, dialed by us or not and made `at` this time, wins over `old`.
    /// Of two that both sides dialed at once, the one dialed by the smaller key wins. Otherwise (one dialer, or further
    /// apart) the newer wins: its dialer has no other connection, so the older is a leftover.
    fn goes_before(&self, old: Conn, (dialed, at): (bool, Time)) -> bool {
        let Some(peer) = self.peers.get(&old) else { return true };
        let apart = at.since(peer.connected_at).max(peer.connected_at.since(at));
        if peer.dialed == dialed || apart >= AT_ONCE {
            return at >= peer.connected_at;
        }
        dialed == (self.config.me < peer.id)
    }

    /// Chooses between the connections of a key when a Hello on one of them was accepted. Returns true if this connection
    /// stays; it is the primary one then.
    pub(super) fn settle(&mut self, now: Time, conn: Conn) -> bool {
        let Some(peer) = self.peers.get(&conn) else { return false };
        let (id, ours) = (peer.id, (peer.dialed, peer.connected_at));
        if self.standings.is_shut_out(id, now) {
            // The key was shut out for a breach on another connection meanwhile.
            self.drop_peer(now, conn, CloseCode::Busy);
            return false;
        }
        if self.beside.get(&id) != Some(&conn) {
            return true;
        }
        let Some(&first) = self.by_id.get(&id) else { return true };
        let is_question = self.peers.get(&first).is_some_and(|peer| peer.phase == Phase::ManifestOnly);
        if !is_question && !self.goes_before(first, ours) {
            self.drop_peer(now, conn, CloseCode::Duplicate);
            return false;
        }
        self.by_id.insert(id, conn);
        self.beside.insert(id, first);
        if !is_question {
            self.drop_peer(now, first, CloseCode::Duplicate);
        }
        true
    }

    /// Removes a connection that has ended; a connection beside it becomes primary.
    pub(super) fn leave_place(&mut self, id: PeerId, conn: Conn) {
        if self.beside.get(&id) == Some(&conn) {
            self.beside.remove(&id);
        } else if self.by_id.get(&id) == Some(&conn) {
            match self.beside.remove(&id) {
                Some(next) => self.by_id.insert(id, next),
                None => self.by_id.remove(&id),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use minimodel_wire::{Bitfield, Frame, ManifestOnly};

    use super::super::events::Ask;
    use super::super::events::Input;
    use super::super::harness::{Harness, SEED, TAKE, both, having, id, key};
    use super::*;

    fn question() -> Frame {
        Frame::ManifestOnly(ManifestOnly { version: 1, swarm_id: [1; 32], software: "peer/1".to_owned() })
    }

    fn greet(harness: &mut Harness, conn: u64) {
        let hello = harness.hello(both());
        harness.frame(conn, Frame::Hello(hello));
    }

    #[test]
    fn of_two_connections_made_at_once_the_one_of_the_smaller_key_stays() {
        let smaller = (1..60).find(|&n| id(n) < id(100)).unwrap();
        let larger = (1..60).find(|&n| id(n) > id(100)).unwrap();
        for (n, first_dialed, closed) in
            [(smaller, true, 1), (smaller, false, 2), (larger, true, 2), (larger, false, 1)]
        {
            assert_ne!(key(n).to_bytes(), [100; 32]);
            let mut harness = Harness::new(both(), having([0]));
            harness.connect(1, n, first_dialed);
            harness.connect(2, n, !first_dialed);
            assert_eq!(harness.closes(), [], "what the one that came wants is not known yet");
            greet(&mut harness, if first_dialed { 2 } else { 1 });
            assert_eq!(harness.closes(), [(closed, CloseCode::Duplicate)], "{n} {first_dialed}");
        }
    }

    #[test]
    fn a_connection_made_much_later_replaces_its_leftover() {
        for (n, dialed) in [(1, true), (1, false), (2, true), (2, false)] {
            let mut harness = Harness::new(both(), having([0]));
            harness.connect(1, n, dialed);
            greet(&mut harness, 1);
            harness.frame(1, Frame::Bitfield(having([1])));
            harness.wait(Duration::from_secs(6));
            harness.said();
            harness.connect(2, n, !dialed);
            greet(&mut harness, 2);
            assert_eq!(harness.closes(), [(1, CloseCode::Duplicate)], "{n} {dialed}");
        }
    }

    #[test]
    fn a_question_for_the_manifest_ends_no_transfer_of_the_same_key() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.frame(1, Frame::Interested);
        for conn in [20, 21] {
            harness.connect(conn, 1, false);
            harness.frame(conn, question());
            harness.tell(Input::AskedManifest { ask: Ask(conn), conn: Conn(conn) });
        }
        assert_eq!(harness.closes(), [(20, CloseCode::Duplicate)], "one question at a time");
        harness.ask(1, 1, 3);
        assert_eq!(harness.machine.progress().served, 1);
        harness.tell(Input::Closed { conn: Conn(21), code: Some(CloseCode::Done) });
        assert_eq!(harness.machine.progress().served, 1);
    }

    #[test]
    fn a_transfer_that_begins_while_its_key_asks_for_the_manifest_leaves_the_question_alone() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.connect(20, 1, false);
        harness.frame(20, question());
        harness.join(1, TAKE, having([]));
        assert_eq!(harness.closes(), []);
        assert_eq!(harness.machine.progress().peers, 1);
        harness.tell(Input::Closed { conn: Conn(1), code: None });
        assert_eq!(harness.machine.connections_of(id(1)), [Conn(20)]);
    }

    #[test]
    fn a_second_connection_of_the_same_dialer_replaces_the_first_only_when_it_says_hello() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.said();
        harness.connect(2, 1, false);
        assert_eq!(harness.closes(), []);
        greet(&mut harness, 2);
        assert_eq!(harness.closes(), [(1, CloseCode::Duplicate)]);
        assert_eq!(harness.machine.connections_of(id(1)), [Conn(2)]);
    }

    #[test]
    fn what_waits_beside_is_closed_with_a_ban_and_judged_again_after_a_breach() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.connect(2, 1, false);
        harness.said();
        harness.broke(1, super::super::fault::Breach::WrongState);
        harness.said();
        greet(&mut harness, 2);
        assert_eq!(harness.closes(), [(2, CloseCode::Busy)], "its key is kept away");
        harness.wait(Duration::from_secs(61));
        harness.join(1, TAKE, having([]));
        harness.connect(3, 1, false);
        harness.said();
        harness.broke(1, super::super::fault::Breach::WrongState);
        assert_eq!(harness.closes(), [(1, CloseCode::StateViolation), (3, CloseCode::StateViolation)]);
    }
}
