//! Notices that a router lost its mappings, by the seconds that it counts since it began to keep them.

use std::time::{Duration, Instant};

/// Error of either clock that is no restart: RFC 6887 section 8.5 and RFC 6886 section 3.6 have 2 s.
const SLACK: i64 = 2;

/// The last epoch that the router told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epoch {
    told: u32,
    at: Instant,
}

impl Epoch {
    pub(super) fn new(now: Instant, told: u32) -> Self {
        Self { told, at: now }
    }

    /// Takes the next epoch. True if the router lost its mappings in between: it counts from a new beginning, or its clock and
    /// ours differ by more than 2 s and a sixteenth of the time (RFC 6887 section 8.5, which serves both protocols: a restart that
    /// RFC 6886 section 3.6 notices is noticed by it, too).
    pub(super) fn is_restart(&mut self, now: Instant, told: u32) -> bool {
        let ours = seconds(now.saturating_duration_since(self.at));
        let theirs = i64::from(told) - i64::from(self.told);
        *self = Self::new(now, told);
        theirs < -1 || ours + SLACK < theirs - theirs / 16 || theirs + SLACK < ours - ours / 16
    }
}

fn seconds(time: Duration) -> i64 {
    // Of u32's range, so that sums with the router's seconds stay far from the ends.
    i64::from(u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn restarts(before: u32, after: u32, elapsed: u64) -> bool {
        let now = Instant::now();
        Epoch::new(now, before).is_restart(now + Duration::from_secs(elapsed), after)
    }

    #[test]
    fn clocks_that_go_alike_are_no_restart() {
        for (before, after, elapsed) in
            [(100, 400, 300), (100, 390, 300), (100, 415, 300), (7, 7, 0), (7, 6, 0)]
        {
            assert!(!restarts(before, after, elapsed), "{before} {after} {elapsed}");
        }
    }

    #[test]
    fn an_epoch_of_less_or_another_pace_is_a_restart() {
        for (before, after, elapsed) in
            [(100, 3, 300), (0, 100, 300), (100, 100, 300), (100, 900, 300), (9, 7, 0)]
        {
            assert!(restarts(before, after, elapsed), "{before} {after} {elapsed}");
        }
    }

    proptest! {
        #[test]
        fn no_epoch_overflows(before: u32, after: u32, elapsed in 0..u64::from(u32::MAX)) {
            restarts(before, after, elapsed);
        }
    }
}
