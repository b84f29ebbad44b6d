//! A count within a span of time that begins with its first event, and such counts by key.

use std::collections::BTreeMap;
use std::time::Duration;

use super::time::Time;

/// The events of one span.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    since: Time,
    count: u32,
}

impl Window {
    /// Counts an event; returns false, and counts none, if there were `most` within `span`.
    pub(super) fn take(&mut self, now: Time, span: Duration, most: u32) -> bool {
        let may = self.may(now, span, most);
        if may {
            self.add(now, span);
        }
        may
    }

    /// Returns true if another event may be counted.
    pub(super) fn may(&self, now: Time, span: Duration, most: u32) -> bool {
        self.is_over(now, span) || self.count < most
    }

    /// Counts an event.
    pub(super) fn add(&mut self, now: Time, span: Duration) {
        if self.is_over(now, span) {
            *self = Self { since: now, count: 0 };
        }
        self.count += 1;
    }

    /// When its first event was.
    pub(super) fn since(&self) -> Time {
        self.since
    }

    /// Returns true if no event counts any more.
    pub(super) fn is_over(&self, now: Time, span: Duration) -> bool {
        self.count == 0 || now.since(self.since) >= span
    }
}

/// Counts of one span by key.
#[derive(Debug)]
pub(super) struct Windows<K> {
    by_key: BTreeMap<K, Window>,
    span: Duration,
    most: u32,
    keys: usize,
}

impl<K: Ord + Copy> Windows<K> {
    /// `most` events of a key within `span`, of so many `keys`: beyond them no other one may come.
    pub(super) fn new(span: Duration, most: u32, keys: usize) -> Self {
        Self { by_key: BTreeMap::new(), span, most, keys }
    }

    /// Returns true if another event of the key may be counted.
    pub(super) fn may(&mut self, now: Time, key: K) -> bool {
        if self.by_key.len() >= self.keys {
            self.by_key.retain(|_, window| !window.is_over(now, self.span));
        }
        match self.by_key.get(&key) {
            Some(window) => window.may(now, self.span, self.most),
            None => self.by_key.len() < self.keys,
        }
    }

    /// Counts an event of the key.
    pub(super) fn add(&mut self, now: Time, key: K) {
        self.by_key.entry(key).or_default().add(now, self.span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows: I6
    #[test]
    fn events_and_keys_are_bounded_until_the_span_is_over() {
        let at = |second| Time::after_start(Duration::from_secs(second));
        let mut windows = Windows::new(Duration::from_secs(60), 2, 3);
        let mut take = |second, key| {
            let may = windows.may(at(second), key);
            if may {
                windows.add(at(second), key);
            }
            may
        };
        assert_eq!([1, 1, 1, 2, 3, 4].map(|key| take(5, key)), [true, true, false, true, true, false]);
        assert!(!take(64, 1) && take(65, 4) && take(65, 1));
    }
}
