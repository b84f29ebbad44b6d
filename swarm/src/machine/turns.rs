//! Turns: how long a peer keeps its upload slot, and how long its answers keep our memory.
//!
//! Reading an answer very slowly is no breach: the peer's link may be that slow. But it must not keep others from being
//! served, so the peer's turn ends when others got much meanwhile, or after a minute; and where memory is short, the
//! oldest answer is taken back.

use std::time::Duration;

use minimodel_wire::{PeerId, ResetCode};

use super::core::Machine;
use super::events::{Ask, Conn};
use super::peer::Peer;
use super::time::Time;

/// A seeder's slot passes on after so many chunks, and not before this time, if others wait: chunks spread faster if many
/// peers have a few than if a few peers have many.
const TURN: (u32, Duration) = (2, Duration::from_millis(250));
/// A peer without a whole chunk overstays its turn when so many chunks for each slot were sent meanwhile.
const OVERTAKEN: u64 = 4;
/// It also overstays after this time, however little others got: perhaps all served peers are that slow.
const LONGEST: Duration = Duration::from_secs(60);
/// Where memory is short, an answer that has been under way for this long is taken back.
const TAKEN_BACK_AFTER: Duration = Duration::from_secs(300);

/// The turn of one peer with a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// When the peer first requested a chunk in it.
    pub(super) began: Time,
    /// Chunks that the peer got since then.
    chunks: u32,
    /// Chunks that all peers together had got before.
    before: u64,
}

impl Turn {
    pub(super) fn new(began: Time, before: u64) -> Self {
        Self { began, chunks: 0, before }
    }
}

impl Machine {
    /// Counts a chunk that was sent whole. After its turn, the holder of a seeder's slot passes it on to a waiting peer
    /// of lower rank.
    pub(super) fn count_turn(&mut self, now: Time, conn: Conn) {
        self.chunks_served += 1;
        let (seeding, before) = (self.swarm.chunks.is_complete(), self.chunks_served);
        let Some(peer) = self.swarm.peers.get_mut(&conn).filter(|peer| peer.up.unchoked) else { return };
        let turn = peer.up.turn.get_or_insert(Turn::new(now, before));
        turn.chunks += 1;
        if seeding && turn.chunks >= TURN.0 && now.since(turn.began) >= TURN.1 {
            let rank = Self::rank(peer, seeding);
            if !self.keeps_share_from_next(conn) {
                self.pass_slot_on(conn, rank);
            }
        }
    }

    /// Returns true if the peer has held its slot for long with an answer under way and got no whole chunk.
    pub(super) fn overstays(&self, now: Time, peer: &Peer) -> bool {
        let is_served = peer.up.unchoked && !peer.up.active.is_empty();
        let Some(turn) = peer.up.turn.filter(|turn| is_served && turn.chunks == 0) else { return false };
        let others = self.chunks_served.saturating_sub(turn.before);
        others >= OVERTAKEN * self.slots as u64 || now.since(turn.began) >= LONGEST
    }

    /// Takes back the oldest answer, if it has been under way for minutes; returns true if there was one. Doing so sooner
    /// would cost honest peers what they have of theirs when our own uplink is slow.
    pub(super) fn take_back_answer(&mut self, now: Time) -> bool {
        let active = self.swarm.peers.values().flat_map(|peer| &peer.up.active);
        let oldest = active.min_by_key(|&(ask, since)| (*since, *ask)).map(|(&ask, &since)| (ask, since));
        let Some((ask, _)) = oldest.filter(|&(_, since)| now.since(since) >= TAKEN_BACK_AFTER) else {
            return false;
        };
        self.end_answer(now, ask, ResetCode::Busy);
        true
    }

    /// Ends an answer that is under way.
    pub(super) fn end_answer(&mut self, now: Time, ask: Ask, code: ResetCode) {
        let chunk = u64::from(self.swarm.config.terms.chunk_size);
        if let Some(peer) = self.swarm.asks.get(&ask).and_then(|conn| self.swarm.peers.get_mut(conn)) {
            peer.up.active.remove(&ask);
            // Whether it was read or not, it was the peer's turn.
            peer.up.bytes += chunk;
            let peer = peer.id;
            self.charge_answers(now, peer, 1);
        }
        self.swarm.refuse(ask, code);
    }

    /// Charges a peer for answers that end before they are whole, and returns their bytes. Each counts as a whole chunk:
    /// the driver no longer reports how much of it was sent, and a peer that breaks off must not get it for nothing.
    pub(super) fn charge_answers(&mut self, now: Time, peer: PeerId, answers: u32) -> u64 {
        let bytes = u64::from(answers) * u64::from(self.swarm.config.terms.chunk_size);
        self.standings.of(peer, now).took(now, answers.into());
        self.gave(now, peer, bytes);
        bytes
    }

    /// Bytes of all answers under way.
    pub(super) fn answering_bytes(&self) -> u64 {
        let active: u64 = self.swarm.peers.values().map(|peer| peer.up.active.len() as u64).sum();
        active * u64::from(self.swarm.config.terms.chunk_size)
    }
}

#[cfg(test)]
mod tests {
    use super::super::events::{Ask, Input, Output, ServeOutcome};
    use super::super::harness::{Harness, SEED, TAKE, having};
    use super::*;
    use minimodel_wire::{Bitfield, Frame};

    /// All of one site, so that no slots are shared with other sites.
    fn want(harness: &mut Harness, n: u8) {
        harness.join_from(n, [10, 0, 0, 1], TAKE, having([]));
        harness.frame(n.into(), Frame::Interested);
    }

    fn is_served(harness: &Harness, n: u64) -> bool {
        harness.peer(n).up.unchoked
    }

    #[test]
    fn b18_one_that_takes_its_chunk_byte_by_byte_keeps_no_slot_while_others_wait() {
        let mut harness = Harness::with(SEED, Bitfield::full(20), |config| config.limits.upload_slots = 2);
        (1..=4).for_each(|n| want(&mut harness, n));
        harness.ask(1, 1_000, 0);
        assert!(is_served(&harness, 1));
        let mut ask = 0;
        for _ in 0..40 {
            for n in 2..=4 {
                if is_served(&harness, n) {
                    harness.ask(n, ask, (ask % 20) as u32);
                    harness.tell(Input::Served { ask: Ask(ask), outcome: ServeOutcome::Done { bytes: 100 } });
                    ask += 1;
                }
            }
            harness.wait(Duration::from_millis(300));
        }
        assert!(!is_served(&harness, 1));
        // The answer of the first peer goes on, and once it is read whole the peer is served again.
        harness.said();
        harness.tell(Input::Served { ask: Ask(1_000), outcome: ServeOutcome::Done { bytes: 100 } });
        harness.wait(Duration::from_secs(30));
        assert!(!harness.said().iter().any(|output| matches!(output, Output::Close { .. })));
    }

    #[test]
    fn b18_slots_that_slow_takers_hold_altogether_pass_on_after_a_minute() {
        let mut harness = Harness::with(SEED, Bitfield::full(20), |config| config.limits.upload_slots = 1);
        (1..=4).for_each(|n| want(&mut harness, n));
        // As many slots as there may be, all held by peers that read nothing.
        let mut met = std::collections::BTreeSet::new();
        for second in 0..90 {
            for n in 1..=4 {
                if is_served(&harness, n) && met.insert(n) {
                    harness.ask(n, 100 * n + second, 0);
                }
            }
            harness.wait(Duration::from_secs(1));
        }
        want(&mut harness, 5);
        let is_its_turn = |harness: &mut Harness| {
            harness.wait(Duration::from_secs(1));
            is_served(harness, 5)
        };
        assert!((0..62).any(|_| is_its_turn(&mut harness)));
    }

    #[test]
    fn b17_memory_that_slow_takers_hold_is_taken_back_when_others_want_it_and_not_before_minutes_are_over() {
        let mut harness = Harness::with(SEED, Bitfield::full(20), |config| {
            config.terms.chunk_size = 16 << 20;
            config.terms.byte_count = 20 * (16 << 20);
        });
        // Four chunks fill the memory, and one of their four peers has lost its slot to a fifth.
        for n in 1..=5 {
            want(&mut harness, n);
            harness.ask(n.into(), n.into(), 0);
        }
        assert_eq!(harness.machine.slots, 4);
        harness.frame(1, Frame::NotInterested);
        harness.machine.unchoke(Conn(5));
        harness.ask(5, 50, 1);
        harness.said();
        let counts = |harness: &mut Harness| {
            let said = harness.said();
            let count = |is: fn(&Output) -> bool| said.iter().filter(|output| is(output)).count();
            (count(|o| matches!(o, Output::Serve { .. })), count(|o| matches!(o, Output::Refuse { .. })))
        };
        harness.wait(Duration::from_secs(290));
        assert_eq!(counts(&mut harness), (0, 0));
        harness.wait(Duration::from_secs(30));
        assert_eq!(counts(&mut harness), (1, 1), "the oldest made room");
    }
}
