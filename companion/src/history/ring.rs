//! The last rates at one step of time.

use std::cmp::Ordering;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Points that a ring keeps.
pub const POINTS: u64 = 600;

/// Payload bytes a second, in and out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Coming in.
    pub down: u64,
    /// Going out.
    pub up: u64,
}

impl Point {
    /// The rates of both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { down: self.down.saturating_add(other.down), up: self.up.saturating_add(other.up) }
    }
}

/// The means of the newest slots, at most [`POINTS`]. A slot is a time divided by the step; one in which nothing ran has no mean.
/// It is stored as `Stored`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Ring {
    /// The newest slot; its mean is that of the samples so far.
    slot: u64,
    sum: Point,
    samples: u64,
    /// The slots before it, oldest first.
    before: VecDeque<Option<Point>>,
}

impl Ring {
    /// Adds a sample of this slot. Where the clock was set back, the slots after it are dropped: they are times to come.
    pub fn add(&mut self, slot: u64, sample: Point) {
        match slot.cmp(&self.slot) {
            Ordering::Equal => {}
            Ordering::Greater => {
                let mean = self.mean();
                self.push(mean, 1);
                self.push(None, slot - self.slot - 1);
                self.begin(slot);
            }
            Ordering::Less => {
                let kept =
                    self.before.len().saturating_sub(usize::try_from(self.slot - slot).unwrap_or(usize::MAX));
                self.before.truncate(kept);
                self.begin(slot);
            }
        }
        self.sum = self.sum.plus(sample);
        self.samples += 1;
    }

    /// Returns the means of the [`POINTS`] slots that end with this one, oldest first; `None`: nothing ran.
    pub fn until(&self, last: u64) -> Vec<Option<Point>> {
        let first = (last + 1).saturating_sub(POINTS);
        (first..=last).map(|slot| self.at(slot)).collect()
    }

    /// The newest slot that has samples; 0 if none has.
    pub fn newest(&self) -> u64 {
        self.slot
    }

    fn at(&self, slot: u64) -> Option<Point> {
        let back = self.slot.checked_sub(slot)?;
        if back == 0 {
            return self.mean();
        }
        let at = self.before.len().checked_sub(usize::try_from(back).ok()?)?;
        self.before.get(at).copied().flatten()
    }

    fn mean(&self) -> Option<Point> {
        let down = self.sum.down.checked_div(self.samples)?;
        Some(Point { down, up: self.sum.up.checked_div(self.samples)? })
    }

    fn begin(&mut self, slot: u64) {
        (self.slot, self.sum, self.samples) = (slot, Point::default(), 0);
    }

    fn push(&mut self, mean: Option<Point>, times: u64) {
        for _ in 0..times.min(POINTS) {
            if self.before.len() as u64 >= POINTS - 1 {
                self.before.pop_front();
            }
            self.before.push_back(mean);
        }
    }
}

/// A ring as it is stored: equal means in a row are one entry, so that an idle share takes a few bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    slot: u64,
    sum: Point,
    samples: u64,
    /// Means, and how many slots in a row have each.
    before: Vec<(u32, Option<(u64, u64)>)>,
}

impl From<Ring> for Stored {
    fn from(ring: Ring) -> Self {
        let mut before: Vec<(u32, Option<(u64, u64)>)> = Vec::new();
        for mean in ring.before.into_iter().map(|mean| mean.map(|mean| (mean.down, mean.up))) {
            match before.last_mut() {
                Some((times, last)) if *last == mean => *times += 1,
                _ => before.push((1, mean)),
            }
        }
        Self { slot: ring.slot, sum: ring.sum, samples: ring.samples, before }
    }
}

impl From<Stored> for Ring {
    fn from(stored: Stored) -> Self {
        let Stored { slot, sum, samples, before } = stored;
        let mut ring = Self { slot, sum, samples, before: VecDeque::new() };
        for (times, mean) in before {
            ring.push(mean.map(|(down, up)| Point { down, up }), times.into());
        }
        ring
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both(rate: u64) -> Point {
        Point { down: rate, up: rate / 2 }
    }

    #[test]
    fn ring_holds_means_of_slots_and_nothing_where_nothing_ran() {
        let mut ring = Ring::default();
        for (slot, rate) in [(1_000, 10), (1_000, 30), (1_001, 8), (1_004, 6)] {
            ring.add(slot, both(rate));
        }
        let until = ring.until(1_005);
        assert_eq!(until.len() as u64, POINTS);
        let last = &until[until.len() - 7..];
        assert_eq!(last, [None, Some(both(20)), Some(both(8)), None, None, Some(both(6)), None]);
        assert!(ring.until(1_000_000).iter().all(Option::is_none));
    }

    #[test]
    fn ring_after_the_clock_went_back_has_no_times_to_come() {
        let mut ring = Ring::default();
        (500..520).for_each(|slot| ring.add(slot, both(slot)));
        ring.add(510, both(2));
        assert_eq!(ring.newest(), 510);
        let until = ring.until(519);
        assert!(until[until.len() - 9..].iter().all(Option::is_none));
        assert_eq!(until[until.len() - 11..until.len() - 9], [Some(both(509)), Some(both(2))]);
        ring.add(3, both(1));
        assert_eq!(ring.until(3).into_iter().flatten().collect::<Vec<_>>(), [both(1)]);
    }

    #[test]
    fn stored_ring_of_an_idle_share_is_short() {
        let mut ring = Ring::default();
        (0..10_000).for_each(|slot| ring.add(slot, Point::default()));
        let text = serde_json::to_string(&ring).unwrap();
        assert!(text.len() < 100, "{text}");
        assert_eq!(serde_json::from_str::<Ring>(&text).unwrap(), ring);
        // A row that was written wrong fills no memory.
        let long = r#"{"slot":9,"sum":{"down":0,"up":0},"samples":0,"before":[[4294967295,null]]}"#;
        assert!((serde_json::from_str::<Ring>(long).unwrap().before.len() as u64) < POINTS);
    }

    proptest! {
        #[test]
        fn ring_equals_a_list_of_all_samples(
            samples in prop::collection::vec((0u64..2_000, 0u64..50), 1..200), last in 0u64..2_700,
        ) {
            let mut samples = samples;
            samples.sort_by_key(|&(slot, _)| slot);
            let mut ring = Ring::default();
            samples.iter().for_each(|&(slot, rate)| ring.add(slot, both(rate)));
            prop_assert!((ring.before.len() as u64) < POINTS);
            let newest = samples.last().map_or(0, |&(slot, _)| slot);
            let stored: Ring = serde_json::from_str(&serde_json::to_string(&ring).unwrap()).unwrap();
            prop_assert_eq!(&stored, &ring);
            let first = (last + 1).saturating_sub(POINTS);
            for (slot, told) in (first..=last).zip(ring.until(last)) {
                let of: Vec<Point> =
                    samples.iter().filter(|&&(at, _)| at == slot).map(|&(_, rate)| both(rate)).collect();
                let mean = |part: fn(&Point) -> u64| of.iter().map(part).sum::<u64>() / of.len() as u64;
                let is_kept = !of.is_empty() && slot + POINTS > newest;
                let expected = is_kept.then(|| Point { down: mean(|p| p.down), up: mean(|p| p.up) });
                prop_assert_eq!(told, expected, "slot {}", slot);
            }
        }
    }
}
