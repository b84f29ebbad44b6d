//! Turns: how long a peer keeps its upload slot, and how long its answers keep our memory.
//!
//! Reading an answer very slowly is no breach: the peer's link may be that slow. But it must not keep others from being
//! served, so the peer's turn ends when others got much meanwhile, or after a minute; and where memory is short, the
//! oldest answer is taken back.

use std::time::Duration;

use super::time::Time;

/// A seeder's slot passes on after so many chunks, and not before this time, if others wait: chunks spread faster if many
/// peers have a few than if a few peers have many.
const TURN: (u32, Duration) = (2, Duration::from_millis(250));
/// A peer without a whole chunk overstays its turn when so many chunks for each slot were sent meanwhile.
const OVERTAKEN: u64 = 4;
/// It also overstays after this time, however little others got: perhaps all served peers are that slow.
const LONGEST: Duration = Duration::from_secs(60);
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

    /// Counts a chunk that the peer got; returns true if the turn of a seeder's slot is over.
    pub(super) fn count(&mut self, now: Time) -> bool {
        self.chunks += 1;
        self.chunks >= TURN.0 && now.since(self.began) >= TURN.1
    }

    /// Returns true if the peer got no whole chunk in its turn, and others got much meanwhile, or a long time has passed.
    /// `served`: chunks that all peers together have got.
    pub(super) fn is_overdue(self, now: Time, served: u64, slots: usize) -> bool {
        let others = served.saturating_sub(self.before);
        self.chunks == 0 && (others >= OVERTAKEN * slots as u64 || now.since(self.began) >= LONGEST)
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

    // Rows: B18
    #[test]
    fn peer_reading_byte_by_byte_keeps_no_slot_while_others_wait() {
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

    // Rows: B18
    #[test]
    fn slots_all_held_by_slow_readers_pass_on_after_a_minute() {
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

    // Rows: B17
    #[test]
    fn memory_held_by_slow_readers_is_reclaimed_after_minutes() {
        let mut harness = Harness::with(SEED, Bitfield::full(20), |config| {
            config.terms.chunk_size = 16 << 20;
            config.terms.byte_count = 20 * (16 << 20);
        });
        // Four chunks fill the memory, and one of their four peers has lost its slot to a fifth.
        for n in 1..=5 {
            want(&mut harness, n);
            harness.ask(n.into(), n.into(), 0);
        }
        assert_eq!(harness.machine.choker.slots.now(), 4);
        harness.frame(1, Frame::NotInterested);
        harness.deal(|choker, swarm| choker.unchoke(swarm, super::super::events::Conn(5)));
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
