//! Budgets: how often something may happen within spans of time, counted by key: a peer, a site, a network, `()` for all together.

use std::collections::BTreeMap;
use std::time::Duration;

use super::time::Time;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The events of one span, which begins with the first of them.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    since: Time,
    count: u32,
}

impl Window {
    fn is_over(self, now: Time, span: Duration) -> bool {
        self.count == 0 || now.since(self.since) >= span
    }
}

/// Counts by key, each within `N` spans.
#[derive(Debug)]
pub(super) struct Budget<K, const N: usize = 1> {
    by_key: BTreeMap<K, [Window; N]>,
    spans: [Duration; N],
    keys: usize,
}

impl<K: Ord + Copy, const N: usize> Budget<K, N> {
    /// Counts of at most so many keys. Beyond them the one that began first is forgotten: where keys cost nothing, those of an
    /// attacker keep no other one out.
    pub(super) fn new(spans: [Duration; N], keys: usize) -> Self {
        Self { by_key: BTreeMap::new(), spans, keys }
    }

    /// Returns true if the key has less than `most` in each span.
    pub(super) fn may(&self, now: Time, key: K, most: [u32; N]) -> bool {
        let Some(windows) = self.by_key.get(&key) else { return most.iter().all(|&most| most > 0) };
        let limits = self.spans.iter().zip(most);
        windows
            .iter()
            .zip(limits)
            .all(|(window, (&span, most))| window.is_over(now, span) || window.count < most)
    }

    /// Counts one more.
    pub(super) fn add(&mut self, now: Time, key: K) {
        if self.by_key.len() >= self.keys && !self.by_key.contains_key(&key) {
            self.make_room(now);
        }
        let windows = self.by_key.entry(key).or_insert([Window::default(); N]);
        for (window, &span) in windows.iter_mut().zip(&self.spans) {
            if window.is_over(now, span) {
                *window = Window { since: now, count: 0 };
            }
            window.count += 1;
        }
    }

    /// Counts one more, unless the key has `most` in a span.
    pub(super) fn take(&mut self, now: Time, key: K, most: [u32; N]) -> bool {
        let may = self.may(now, key, most);
        if may {
            self.add(now, key);
        }
        may
    }

    /// Takes back one that was counted; returns false if the key is not known.
    pub(super) fn give_back(&mut self, key: K) -> bool {
        let windows = self.by_key.get_mut(&key);
        let take_back = |window: &mut Window| window.count = window.count.saturating_sub(1);
        windows.map(|windows| windows.iter_mut().for_each(take_back)).is_some()
    }

    fn make_room(&mut self, now: Time) {
        let spans = self.spans;
        self.by_key
            .retain(|_, windows| windows.iter().zip(spans).any(|(window, span)| !window.is_over(now, span)));
        if self.by_key.len() >= self.keys {
            let first = self.by_key.iter().min_by_key(|(_, windows)| windows.map(|window| window.since));
            let first = first.map(|(&key, _)| key);
            first.and_then(|key| self.by_key.remove(&key));
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.by_key.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Time {
        Time::after_start(Duration::from_secs(second))
    }

    // Rows: I6
    #[test]
    fn events_are_bounded_until_each_span_is_over() {
        let mut budget = Budget::new([MINUTE, HOUR], 9);
        let mut take = |second, key| budget.take(at(second), key, [2, 3]);
        assert_eq!([1, 1, 1, 2].map(|key| take(5, key)), [true, true, false, true]);
        assert_eq!([64, 65, 125, 3_604].map(|second| take(second, 1)), [false, true, false, false]);
        assert!(take(3_605, 1));
    }

    // Rows: I6
    #[test]
    fn beyond_most_keys_the_first_is_forgotten() {
        let mut budget = Budget::new([MINUTE], 3);
        for key in [1, 2, 3, 1, 4] {
            budget.add(at(key), key);
        }
        assert_eq!(budget.count(), 3);
        assert_eq!([1, 2, 3, 4].map(|key| budget.may(at(5), key, [1])), [true, false, false, false]);
        budget.add(at(63), 5);
        assert_eq!(budget.count(), 2, "what is over goes first");
    }

    #[test]
    fn what_is_given_back_may_be_taken_again() {
        let mut budget = Budget::new([MINUTE, HOUR], 3);
        assert!(budget.take(at(5), 1, [1, 1]));
        assert!(budget.give_back(1) && !budget.give_back(2));
        assert!(budget.take(at(5), 1, [1, 1]) && !budget.take(at(5), 1, [1, 1]));
        assert!(!budget.may(at(5), 2, [0, 1]));
    }
}
