//! The table of connected peers: several connections of one key, and which of them is primary.
//!
//! The primary connection carries everything. Before a peer that dialed us has sent its Hello or ManifestOnly, it is
//! unknown whether it wants more than the manifest, so its second connection waits *beside* the first: a request for the
//! manifest never ends a running transfer. At most one connection waits beside, so that a key holds no more than two.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::time::Duration;

use minimodel_wire::{Bitfield, PeerId};

use super::events::Conn;
use super::peer::{Peer, Phase};
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

/// A connection of ours to a key: whether we dialed it, and when it was made.
#[derive(Debug, Clone, Copy)]
struct Origin {
    dialed: bool,
    at: Time,
}

/// What follows for the connections of a key when a Hello on one of them was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settlement {
    /// The connection stays; it is the primary one now.
    pub(super) stays: bool,
    /// The connection to close as a duplicate.
    pub(super) closes: Option<Conn>,
}

/// All connected peers, by connection and by key.
#[derive(Debug, Default)]
pub(super) struct PeerTable {
    by_conn: BTreeMap<Conn, Peer>,
    /// The primary connection of each key, and a second one that is not introduced.
    first: BTreeMap<PeerId, Conn>,
    beside: BTreeMap<PeerId, Conn>,
    /// Peers that are introduced and announced some chunks, but not all at once.
    pub(super) partial: u32,
    /// Connections whose peer is not introduced: Hello or Bitfield is missing, or it asks for the manifest only.
    pub(super) handshaking: u32,
}

impl PeerTable {
    pub(super) fn get(&self, conn: &Conn) -> Option<&Peer> {
        self.by_conn.get(conn)
    }

    pub(super) fn get_mut(&mut self, conn: &Conn) -> Option<&mut Peer> {
        self.by_conn.get_mut(conn)
    }

    /// Peers that announced every chunk at once, and took none of them back.
    pub(super) fn seeds(&self) -> u32 {
        let is_seed = |peer: &&Peer| peer.phase == Phase::Ready && peer.announced.is_seed;
        self.by_conn.values().filter(is_seed).count() as u32
    }

    pub(super) fn contains_key(&self, conn: &Conn) -> bool {
        self.by_conn.contains_key(conn)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_conn.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_conn.is_empty()
    }

    pub(super) fn keys(&self) -> btree_map::Keys<'_, Conn, Peer> {
        self.by_conn.keys()
    }

    pub(super) fn values(&self) -> btree_map::Values<'_, Conn, Peer> {
        self.by_conn.values()
    }

    pub(super) fn values_mut(&mut self) -> btree_map::ValuesMut<'_, Conn, Peer> {
        self.by_conn.values_mut()
    }

    pub(super) fn iter(&self) -> btree_map::Iter<'_, Conn, Peer> {
        self.by_conn.iter()
    }

    pub(super) fn iter_mut(&mut self) -> btree_map::IterMut<'_, Conn, Peer> {
        self.by_conn.iter_mut()
    }

    /// Places that are taken; guests take none.
    pub(super) fn places_taken(&self) -> usize {
        self.values().filter(|peer| peer.has_place()).count()
    }

    /// Peers without a place, which are only sent the offers of others.
    pub(super) fn guests(&self) -> usize {
        self.values().filter(|peer| peer.is_guest()).count()
    }

    /// The primary connection of a key.
    pub(super) fn primary(&self, id: PeerId) -> Option<Conn> {
        self.first.get(&id).copied()
    }

    /// Returns true if the key has a connection.
    pub(super) fn is_connected(&self, id: PeerId) -> bool {
        self.first.contains_key(&id)
    }

    /// All connections of a key, the primary one first.
    pub(super) fn connections_of(&self, id: PeerId) -> Vec<Conn> {
        [self.first.get(&id), self.beside.get(&id)].into_iter().flatten().copied().collect()
    }

    /// Returns true if the peer's Hello was accepted on this connection.
    fn is_settled(&self, conn: Conn) -> bool {
        self.get(&conn).is_some_and(|peer| matches!(peer.phase, Phase::Bitfield | Phase::Ready))
    }

    /// Chooses the role of a new connection that `me`, our own key, dialed or accepted, and the connection of the same key
    /// to close as a duplicate first. A primary connection that gives way without being closed moves beside the new one.
    pub(super) fn find_place(
        &self,
        now: Time,
        id: PeerId,
        dialed: bool,
        me: PeerId,
    ) -> (Place, Option<Conn>) {
        let Some(first) = self.primary(id) else { return (Place::First, None) };
        let older = self.beside.get(&id).copied();
        if !dialed {
            // It is not known yet what the peer wants on it.
            return (Place::Beside, older);
        }
        if !self.is_settled(first) && self.get(&first).is_some_and(|peer| !peer.dialed) {
            return (Place::First, older);
        }
        if !self.goes_before(first, Origin { dialed, at: now }, me) {
            return (Place::Nowhere, None);
        }
        (Place::First, Some(first))
    }

    /// Adds a connection whose peer is not introduced yet.
    pub(super) fn insert(&mut self, conn: Conn, peer: Peer, place: Place) {
        let id = peer.id;
        self.handshaking += u32::from(peer.phase != Phase::Ready);
        self.by_conn.insert(conn, peer);
        if place == Place::First {
            let other = self.first.insert(id, conn);
            self.beside.extend(other.map(|other| (id, other)));
        } else {
            self.beside.insert(id, conn);
        }
    }

    /// Notes the peer's Bitfield, with which it is introduced. `ours`: the chunks that are here.
    pub(super) fn introduce(&mut self, conn: Conn, have: Bitfield, ours: &Bitfield) {
        let Some(peer) = self.by_conn.get_mut(&conn) else { return };
        peer.phase = Phase::Ready;
        self.handshaking -= 1;
        peer.announced.is_seed = have.is_full();
        let common = if peer.announced.is_seed { ours.ones() } else { have.count_common(ours) };
        peer.announced.useful = have.ones() - common;
        peer.announced.have = have;
        self.partial += u32::from(!peer.announced.is_seed);
    }

    /// Counts a seed chunk by chunk from now on, like any partial peer. Returns true if it was one.
    pub(super) fn count_as_partial(&mut self, conn: Conn) -> bool {
        let Some(peer) = self.by_conn.get_mut(&conn) else { return false };
        let was_seed = std::mem::replace(&mut peer.announced.is_seed, false);
        self.partial += u32::from(was_seed);
        was_seed
    }

    /// Returns true if another connection of the same key wins over `old`. Of two that both sides dialed at once, the one
    /// dialed by the smaller key wins. Otherwise (one dialer, or further apart) the newer wins: its dialer has no other
    /// connection, so the older is a leftover.
    fn goes_before(&self, old: Conn, Origin { dialed, at }: Origin, me: PeerId) -> bool {
        let Some(peer) = self.get(&old) else { return true };
        let apart = at.since(peer.connected_at).max(peer.connected_at.since(at));
        if peer.dialed == dialed || apart >= AT_ONCE {
            return at >= peer.connected_at;
        }
        dialed == (me < peer.id)
    }

    /// Chooses between the connections of a key when a Hello on one of them was accepted.
    pub(super) fn settle(&mut self, conn: Conn, me: PeerId) -> Settlement {
        let Some(peer) = self.get(&conn) else { return Settlement { stays: false, closes: None } };
        let (id, ours) = (peer.id, Origin { dialed: peer.dialed, at: peer.connected_at });
        let Some(first) = self.primary(id).filter(|_| self.beside.get(&id) == Some(&conn)) else {
            return Settlement { stays: true, closes: None };
        };
        let is_question = self.get(&first).is_some_and(|peer| peer.phase == Phase::ManifestOnly);
        if !is_question && !self.goes_before(first, ours, me) {
            return Settlement { stays: false, closes: Some(conn) };
        }
        self.first.insert(id, conn);
        self.beside.insert(id, first);
        Settlement { stays: true, closes: (!is_question).then_some(first) }
    }

    /// Removes a connection that has ended; a connection beside it becomes primary.
    pub(super) fn remove(&mut self, conn: Conn) -> Option<Peer> {
        let peer = self.by_conn.remove(&conn)?;
        let id = peer.id;
        if self.beside.get(&id) == Some(&conn) {
            self.beside.remove(&id);
        } else if self.first.get(&id) == Some(&conn) {
            match self.beside.remove(&id) {
                Some(next) => self.first.insert(id, next),
                None => self.first.remove(&id),
            };
        }
        self.handshaking -= u32::from(peer.phase != Phase::Ready);
        self.partial -= u32::from(peer.phase == Phase::Ready && !peer.announced.is_seed);
        Some(peer)
    }

    /// Checks the invariants; the error names the one that does not hold.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut first = BTreeMap::new();
        let (mut partial, mut handshaking) = (0, 0);
        for (&conn, peer) in &self.by_conn {
            let is_beside = self.beside.get(&peer.id) == Some(&conn);
            if is_beside && self.is_settled(conn) {
                return Err(format!("{} is introduced on a connection that does not count", peer.id));
            }
            if !is_beside && first.insert(peer.id, conn).is_some() {
                return Err(format!("two connections to {}", peer.id));
            }
            partial += u32::from(peer.phase == Phase::Ready && !peer.announced.is_seed);
            handshaking += u32::from(peer.phase != Phase::Ready);
        }
        let is_alone =
            |(id, conn): (&_, &_)| !self.first.contains_key(id) || !self.by_conn.contains_key(conn);
        if self.beside.iter().any(is_alone) {
            return Err("a connection is beside none".to_owned());
        }
        if first != self.first || (partial, handshaking) != (self.partial, self.handshaking) {
            return Err(format!(
                "{} peers by key, {partial} partial and {handshaking} not introduced, counted {} and {}",
                first.len(),
                self.partial,
                self.handshaking
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use minimodel_wire::{Frame, ManifestOnly};

    use super::super::events::Ask;
    use super::super::events::Input;
    use super::super::harness::{Harness, SEED, TAKE, both, having, id, key};
    use std::time::Duration;

    use minimodel_wire::CloseCode;

    use super::*;

    fn question() -> Frame {
        Frame::ManifestOnly(ManifestOnly { version: 1, swarm_id: [1; 32], software: "peer/1".to_owned() })
    }

    fn greet(harness: &mut Harness, conn: u64) {
        let hello = harness.hello(both());
        harness.frame(conn, Frame::Hello(hello));
    }

    #[test]
    fn of_two_simultaneous_connections_the_smaller_keys_stays() {
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
    fn transfer_starting_during_a_manifest_request_leaves_it_open() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.connect(20, 1, false);
        harness.frame(20, question());
        harness.join(1, TAKE, having([]));
        assert_eq!(harness.closes(), []);
        assert_eq!(harness.machine.progress().peers, 1);
        harness.tell(Input::Closed { conn: Conn(1), code: None });
        assert_eq!(harness.machine.swarm.peers.connections_of(id(1)), [Conn(20)]);
    }

    #[test]
    fn second_connection_replaces_the_first_only_after_its_hello() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.said();
        harness.connect(2, 1, false);
        assert_eq!(harness.closes(), []);
        greet(&mut harness, 2);
        assert_eq!(harness.closes(), [(1, CloseCode::Duplicate)]);
        assert_eq!(harness.machine.swarm.peers.connections_of(id(1)), [Conn(2)]);
    }

    #[test]
    fn second_connection_of_a_key_is_closed_after_breach_or_ban() {
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
