//! Estimates of the rate and of the time left, given only when they are known.

use std::collections::VecDeque;
use std::time::Duration;

use minimodel_swarm::driver::time_left;

/// The rate is that of the last ten seconds: long enough to be steady, short enough to notice a stall.
const WINDOW: Duration = Duration::from_secs(10);

/// Before this much time an estimate would be a guess.
const FIRST_ESTIMATE: Duration = Duration::from_secs(2);

/// Samples of (time, bytes) within the window.
#[derive(Debug)]
pub(super) struct Estimate {
    total_bytes: u64,
    samples: VecDeque<(Duration, u64)>,
}

impl Estimate {
    pub(super) fn new(total_bytes: u64) -> Self {
        Self { total_bytes, samples: VecDeque::new() }
    }

    /// Records the bytes proven at `now`, a time since the beginning that does not go back.
    pub(super) fn sample(&mut self, now: Duration, bytes: u64) {
        // Bytes that were there before the first sample (a resumed file) do not count as speed.
        self.samples.push_back((now, bytes));
        while self.samples.get(1).is_some_and(|(time, _)| now.saturating_sub(*time) >= WINDOW) {
            self.samples.pop_front();
        }
    }

    /// The rate of the window; `None` while the samples span less than `FIRST_ESTIMATE`.
    pub(super) fn bytes_per_second(&self) -> Option<u64> {
        let ((from, before), (to, after)) = (self.samples.front()?, self.samples.back()?);
        let milliseconds = to.saturating_sub(*from).as_millis();
        if milliseconds < FIRST_ESTIMATE.as_millis() {
            return None;
        }
        let gained = u128::from(after.saturating_sub(*before));
        u64::try_from(gained.saturating_mul(1000) / milliseconds).ok()
    }

    /// The time left at that rate; `None` while the rate is not known or zero, or where `unheld` chunks are with no connected peer.
    pub(super) fn left(&self, unheld: u32) -> Option<Duration> {
        let (_, bytes) = self.samples.back()?;
        time_left(self.total_bytes.saturating_sub(*bytes), self.bytes_per_second()?, unheld)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn nothing_is_promised_in_the_first_two_seconds() {
        let mut estimate = Estimate::new(1000);
        estimate.sample(at(0), 0);
        estimate.sample(at(1), 500);
        assert_eq!((estimate.bytes_per_second(), estimate.left(0)), (None, None));
        estimate.sample(at(2), 600);
        assert_eq!((estimate.bytes_per_second(), estimate.left(0)), (Some(300), Some(at(2))));
        assert_eq!(estimate.left(1), None, "a chunk that no peer has comes at no rate");
    }

    #[test]
    fn a_resumed_file_is_no_speed() {
        let mut estimate = Estimate::new(10_000);
        for second in 0..=4 {
            estimate.sample(at(second), 9_000 + second * 10);
        }
        assert_eq!((estimate.bytes_per_second(), estimate.left(0)), (Some(10), Some(at(96))));
    }

    #[test]
    fn a_stall_shows_as_no_rate_and_no_promise() {
        let mut estimate = Estimate::new(10_000);
        for second in 0..30 {
            estimate.sample(at(second), (second * 100).min(1_000));
        }
        assert_eq!((estimate.bytes_per_second(), estimate.left(0)), (Some(0), None));
    }

    #[test]
    fn the_window_forgets_what_is_older() {
        let mut estimate = Estimate::new(u64::MAX);
        for second in 0..1_000 {
            estimate.sample(at(second), second * second);
        }
        assert!(estimate.samples.len() <= 12);
        assert!(estimate.bytes_per_second().is_some_and(|rate| (1_950..=2_000).contains(&rate)));
    }
}
