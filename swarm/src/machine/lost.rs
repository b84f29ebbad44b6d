//! Lost chunks: chunks that could not be read back from our disk, and when each is read again.
//!
//! One failed read may be a loose cable or a busy network disk. So the chunk is given up at once, since peers must not
//! wait for it, and read again after growing pauses: if it is read whole and its hash is right, it is announced again. A
//! bad sector stays given up and is read once an hour.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::time::Time;

/// The first pause; each failure in a row makes the next four times as long.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Lost chunks, at most all of them. One is read at a time: a failing disk takes seconds for a read.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// The time of the next read of each lost chunk.
    next: BTreeMap<u32, Time>,
    order: BTreeSet<(Time, u32)>,
    /// How often each chunk was lost or read in vain since it was last fetched. A chunk that is lost again soon is read
    /// again later.
    failures: BTreeMap<u32, u32>,
    looking: Option<u32>,
}

impl Lost {
    pub(super) fn contains(&self, index: u32) -> bool {
        self.next.contains_key(&index)
    }

    pub(super) fn insert(&mut self, now: Time, index: u32) {
        let failures = self.failures.entry(index).or_default();
        let pause = FIRST.saturating_mul(1 << (2 * (*failures).min(10))).min(LONGEST);
        *failures = failures.saturating_add(1);
        self.take_out(index);
        self.next.insert(index, now + pause);
        self.order.insert((now + pause, index));
    }

    /// Forgets a chunk that was fetched again: its bytes on disk are new.
    pub(super) fn forget(&mut self, index: u32) {
        self.take_out(index);
        self.failures.remove(&index);
    }

    fn take_out(&mut self, index: u32) {
        if let Some(at) = self.next.remove(&index) {
            self.order.remove(&(at, index));
        }
    }

    /// The time of the next read; `None` while one is under way.
    pub(super) fn next_look(&self) -> Option<Time> {
        if self.looking.is_some() { None } else { self.order.first().map(|&(at, _)| at) }
    }

    /// The lost chunk whose next read is due; `None` while one is under way.
    pub(super) fn due(&self, now: Time) -> Option<u32> {
        self.order.first().filter(|&&(at, _)| at <= now && self.looking.is_none()).map(|&(_, index)| index)
    }

    /// Notes that the chunk is being read.
    pub(super) fn looks_at(&mut self, index: u32) {
        self.looking = Some(index);
    }

    /// Ends a read of the chunk; returns true if it is still lost.
    pub(super) fn looked_at(&mut self, index: u32) -> bool {
        self.looking.take_if(|looking| *looking == index);
        self.contains(index)
    }

    /// How often the chunk was lost or read in vain.
    pub(super) fn failures(&self, index: u32) -> Option<u32> {
        self.failures.get(&index).copied()
    }

    /// Restores the failures of a chunk that was found again on the same disk, which was not mended: if the chunk fails
    /// again, its failures still count.
    pub(super) fn keep_failures(&mut self, index: u32, failures: Option<u32>) {
        self.failures.extend(failures.map(|count| (index, count)));
    }
}

#[cfg(test)]
mod tests {
    use minimodel_wire::{Bitfield, Frame};

    use super::super::events::{Input, Output};
    use super::super::harness::{Harness, SEED, TAKE, having};
    use super::*;

    fn looks(harness: &mut Harness) -> Vec<u32> {
        let look = |output| if let Output::Reread { index } = output { Some(index) } else { None };
        harness.said().into_iter().filter_map(look).collect()
    }

    // Rows: E14
    #[test]
    fn lost_chunk_is_reread_after_a_second_and_announced_again() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.said();
        harness.tell(Input::ChunkLost { index: 3 });
        assert_eq!(harness.frames(1), [Frame::DontHave { index: 3 }]);
        harness.wait(Duration::from_millis(900));
        assert!(looks(&mut harness).is_empty());
        harness.wait(Duration::from_millis(200));
        assert_eq!(looks(&mut harness), [3]);
        harness.wait(Duration::from_secs(60));
        assert!(looks(&mut harness).is_empty(), "one look at a time, however long it takes");
        harness.tell(Input::Reread { index: 3, is_good: true });
        harness.wait(Duration::from_millis(100));
        assert_eq!(harness.frames(1), [Frame::Have { indexes: vec![3] }]);
        assert!(harness.machine.have().is_full());
    }

    // Rows: E14
    #[test]
    fn a_bad_sector_is_looked_at_ever_more_rarely() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.tell(Input::ChunkLost { index: 3 });
        let mut total = 0;
        for _ in 0..24 * 60 {
            harness.wait(Duration::from_secs(60));
            for index in looks(&mut harness) {
                total += 1;
                harness.tell(Input::Reread { index, is_good: false });
            }
        }
        assert!((24..40).contains(&total), "{total} looks in a day");
        assert!(!harness.machine.have().get(3));
    }

    // Rows: E14
    #[test]
    fn a_place_that_fails_again_and_again_is_believed_ever_less() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        let mut total = 0;
        harness.tell(Input::ChunkLost { index: 3 });
        for _ in 0..3_600 {
            harness.wait(Duration::from_secs(1));
            for index in looks(&mut harness) {
                total += 1;
                harness.tell(Input::Reread { index, is_good: true });
                harness.tell(Input::ChunkLost { index });
            }
        }
        assert!((4..8).contains(&total), "{total} looks in an hour");
    }
}
