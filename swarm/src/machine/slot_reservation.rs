//! Slot reservation: keys are free, and a peer with a new key may not read what it requests. So half of a seeder's upload
//! slots are for peers that have read an answer, and the other half for new peers.

use std::collections::BTreeSet;

use super::events::Conn;
use super::peer::Peer;
use super::swarm::Swarm;

/// The slots as they are held now.
pub(super) struct Reservation<'m> {
    pub(super) swarm: &'m Swarm,
    pub(super) holders: &'m BTreeSet<Conn>,
    pub(super) slots: usize,
}

impl Reservation<'_> {
    /// Returns true if the peer has read an answer, and requested something when it last had a slot.
    pub(super) fn is_proven_reader(peer: &Peer) -> bool {
        peer.up.bytes > 0 && peer.up.idle.rounds == 0
    }

    fn is_seeding(&self) -> bool {
        self.swarm.chunks.is_complete()
    }

    fn has_read(&self, conn: Conn) -> bool {
        self.swarm.peers.get(&conn).is_some_and(Self::is_proven_reader)
    }

    fn proven_holders(&self) -> usize {
        self.holders.iter().filter(|&&conn| self.has_read(conn)).count()
    }

    /// Returns true if new peers hold their half of the slots.
    pub(super) fn is_new_half_taken(&self) -> bool {
        self.is_seeding() && self.holders.len() - self.proven_holders() >= (self.slots / 2).max(1)
    }

    /// Returns true if the holder of a slot need not pass it on to the next peer in turn.
    pub(super) fn keeps_slot_from(&self, holder: Conn, next: Conn) -> bool {
        self.is_seeding()
            && self.has_read(holder)
            && !self.has_read(next)
            && 2 * self.proven_holders() <= self.slots
    }

    /// Orders the peers for a seeder's slots: half of the slots, or more if new peers are few, go to peers that have
    /// read, and the next to new peers.
    pub(super) fn in_order(&self, wanting: Vec<Conn>) -> Vec<Conn> {
        if !self.is_seeding() {
            return wanting;
        }
        let (mut dealt, others): (Vec<Conn>, Vec<Conn>) =
            wanting.into_iter().partition(|&conn| self.has_read(conn));
        let is_new = |conn: &Conn| self.swarm.peers.get(conn).is_some_and(|peer| peer.up.idle.rounds == 0);
        let (new, late): (Vec<Conn>, Vec<Conn>) = others.into_iter().partition(is_new);
        let half = dealt.len().min(self.slots.div_ceil(2));
        let at = half.max(self.slots.saturating_sub(new.len())).min(dealt.len());
        dealt.splice(at..at, new);
        // Last are peers that had a slot and did not use it.
        dealt.extend(late);
        dealt
    }

    /// Returns the new peer that gives its slot to `next`, a waiting peer that has read, while new peers hold more than half.
    pub(super) fn gives_way_to(&self, next: Conn) -> Option<Conn> {
        let mut new = self.holders.iter().copied().filter(|&conn| !self.has_read(conn));
        let (first, more) = (new.next()?, new.count());
        let is_due = self.is_seeding() && self.has_read(next) && 2 * (more + 1) > self.slots;
        is_due.then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use minimodel_wire::{Bitfield, Frame};

    use super::super::events::{Ask, Input, ServeOutcome};
    use super::super::harness::{Harness, SEED, TAKE, having};

    // Rows: F1, B18
    #[test]
    fn new_keys_that_read_nothing_hold_half_of_the_slots_at_most() {
        let mut harness = Harness::with(SEED, Bitfield::full(20), |config| config.limits.upload_slots = 4);
        want(&mut harness, 1..=1);
        read(&mut harness, 1, 0);
        // These peers send requests and read nothing of the answers.
        want(&mut harness, 2..=12);
        for n in 2..=12 {
            harness.ask(n, 100 + n, 0);
        }
        for round in 0..40 {
            read(&mut harness, 1_000 + round, round as u32 % 20);
            harness.wait(Duration::from_millis(500));
            assert!(holders(&harness).contains(&1), "round {round}: {:?}", holders(&harness));
        }
        // A newcomer is served in time nevertheless: the other half is dealt in turns.
        let mut waits = 0;
        want(&mut harness, 13..=13);
        while !holders(&harness).contains(&13) && waits < 60 {
            harness.wait(Duration::from_secs(1));
            waits += 1;
        }
        assert!(waits < 60, "a newcomer is never served: {:?}", holders(&harness));
    }

    fn holders(harness: &Harness) -> Vec<u64> {
        harness.machine.choker.unchoked.iter().map(|conn| conn.0).collect()
    }

    fn want(harness: &mut Harness, peers: std::ops::RangeInclusive<u8>) {
        for n in peers {
            harness.join(n, TAKE, having([]));
            harness.frame(n.into(), Frame::Interested);
        }
    }

    /// The first peer asks for a chunk and reads it.
    fn read(harness: &mut Harness, ask: u64, index: u32) {
        harness.ask(1, ask, index);
        harness.tell(Input::Served { ask: Ask(ask), outcome: ServeOutcome::Done { bytes: 100 } });
    }
}
