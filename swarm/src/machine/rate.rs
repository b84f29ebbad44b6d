//! Rate measurement and rate limits: a meter and a token bucket. Both get the time as an argument.

use std::time::Duration;

use super::time::Time;

/// The rate of bytes while they are waited for, smoothed over about two seconds.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    total: u64,
    /// Bytes of the window being measured, and how long the window ran before it was last resumed.
    pending: u64,
    ran: Duration,
    running_since: Option<Time>,
    bytes_per_second: f64,
    last_window: f64,
    /// Complete windows so far.
    windows: u32,
}

/// A window shorter than this says more about bursts than about the path.
const WINDOW: Duration = Duration::from_millis(250);
/// Windows before a measured rate is trusted as an upper bound: as long as a new path may need to fill up.
const YOUNG: u32 = 4;

impl Meter {
    /// Counts bytes that came at `now`.
    pub fn add(&mut self, now: Time, bytes: u64) {
        self.total += bytes;
        self.resume(now);
        self.pending += bytes;
        self.roll(now);
    }

    /// Bytes per second at `now`; 0 until a window is complete.
    pub fn rate(&mut self, now: Time) -> u64 {
        self.roll(now);
        self.bytes_per_second as u64
    }

    /// The larger of the smoothed rate and that of the last window: what a path that is filling up can do.
    pub(super) fn peak(&mut self, now: Time) -> f64 {
        self.roll(now);
        self.bytes_per_second.max(self.last_window)
    }

    /// The smaller of the smoothed rate and that of the last window: a path that falls is judged by what it does now.
    pub(super) fn least(&mut self, now: Time) -> f64 {
        self.roll(now);
        self.bytes_per_second.min(self.last_window)
    }

    /// Bytes per second shown so far; before the first window is complete, the bytes so far over the time waited. `None`
    /// before the first byte.
    pub(super) fn shown(&mut self, now: Time) -> Option<f64> {
        self.roll(now);
        if self.windows > 0 {
            return Some(self.bytes_per_second);
        }
        let waited = self.ran + self.running_since.map_or(Duration::ZERO, |since| now.since(since));
        (self.pending > 0).then(|| self.pending as f64 / waited.as_secs_f64().max(0.001))
    }

    /// Returns true while the path may still be filling up.
    pub(super) fn is_young(&self) -> bool {
        self.windows < YOUNG
    }

    /// All bytes counted so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Notes that bytes are waited for from now on.
    pub fn resume(&mut self, now: Time) {
        self.running_since.get_or_insert(now);
    }

    /// Notes that no bytes are waited for from now on: the rate stays until that changes, since idle time is not slow time.
    pub fn pause(&mut self, now: Time) {
        self.roll(now);
        if let Some(since) = self.running_since.take() {
            self.ran += now.since(since);
        }
    }

    fn roll(&mut self, now: Time) {
        let Some(since) = self.running_since else { return };
        let elapsed = self.ran + now.since(since);
        // Before the first byte there is only latency to measure.
        if elapsed < WINDOW || (self.windows == 0 && self.pending == 0) {
            return;
        }
        let seconds = elapsed.as_secs_f64();
        let measured = self.pending as f64 / seconds;
        // One window of 250 ms weighs a quarter, a gap of two seconds nearly three quarters.
        let weight = if self.windows > 0 { (seconds / (seconds + 0.75)).clamp(0.0, 1.0) } else { 1.0 };
        self.bytes_per_second += (measured - self.bytes_per_second) * weight;
        self.last_window = measured;
        self.windows = self.windows.saturating_add(1);
        self.running_since = Some(now);
        self.ran = Duration::ZERO;
        self.pending = 0;
    }
}

/// The total upload rate, smoothed over some seconds, and its maximum, which fades.
#[derive(Debug, Clone, Default)]
pub(super) struct Outflow {
    pending: u64,
    looked: Time,
    rate: f64,
    most: f64,
}

impl Outflow {
    /// Seconds over which the rate is smoothed: the bytes of an answer count all at once when it ends.
    const SMOOTH: f64 = 4.0;
    /// The maximum fades to half in this many seconds.
    const HALF: f64 = 60.0;

    pub(super) fn add(&mut self, bytes: u64) {
        self.pending += bytes;
    }

    pub(super) fn look(&mut self, now: Time) {
        let seconds = now.since(self.looked).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let measured = std::mem::take(&mut self.pending) as f64 / seconds;
        self.looked = now;
        self.rate += (measured - self.rate) * (seconds / (seconds + Self::SMOOTH));
        self.most = (self.most * (-seconds / Self::HALF).exp2()).max(self.rate);
    }

    /// Returns true if the rate is clearly below what the uplink can carry.
    pub(super) fn is_low(&self) -> bool {
        self.rate < self.most * 0.6
    }

    /// Returns true if the rate is about what the uplink can carry.
    pub(super) fn is_full(&self) -> bool {
        self.rate > self.most * 0.85
    }
}

/// A token bucket: `rate` tokens a second, at most `burst` saved up.
#[derive(Debug, Clone)]
pub struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: Time,
}

impl Bucket {
    /// A full bucket.
    pub fn new(now: Time, rate_per_second: u64, burst: u64) -> Self {
        Self { rate: rate_per_second as f64, burst: burst as f64, tokens: burst as f64, at: now }
    }

    /// Takes `n` tokens if there are as many; returns whether it did.
    pub fn try_take(&mut self, now: Time, n: u64) -> bool {
        self.fill(now);
        if self.tokens < n as f64 {
            return false;
        }
        self.tokens -= n as f64;
        true
    }

    /// Takes `n` tokens on credit; returns how long to wait until the debt is paid.
    pub fn take(&mut self, now: Time, n: u64) -> Duration {
        self.fill(now);
        self.tokens -= n as f64;
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64((-self.tokens / self.rate.max(1.0)).min(3600.0))
    }

    /// Returns true if less than half of the burst is left.
    pub(super) fn is_half_empty(&mut self, now: Time) -> bool {
        self.fill(now);
        self.tokens < self.burst / 2.0
    }

    fn fill(&mut self, now: Time) {
        let earned = now.since(self.at).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + earned).min(self.burst);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::after_start(Duration::from_millis(ms))
    }

    #[test]
    fn a_steady_stream_is_measured_within_two_percent() {
        let mut meter = Meter::default();
        for step in 0..400 {
            meter.add(at(step * 10), 10_000);
        }
        let rate = meter.rate(at(4000));
        assert!((980_000..=1_020_000).contains(&rate), "{rate}");
        assert_eq!(meter.total(), 4_000_000);
    }

    #[test]
    fn a_stream_that_stops_falls_toward_zero() {
        let mut meter = Meter::default();
        for step in 0..100 {
            meter.add(at(step * 10), 10_000);
        }
        assert!(meter.rate(at(11_000)) < 100_000);
    }

    #[test]
    fn a_pause_leaves_the_rate_as_it_was() {
        let mut meter = Meter::default();
        for step in 0..100 {
            meter.add(at(step * 10), 10_000);
        }
        let before = meter.rate(at(1000));
        meter.pause(at(1000));
        assert_eq!(meter.rate(at(600_000)), before);
    }

    #[test]
    fn rate_of_chunks_with_pauses_between_leaves_the_pauses_out() {
        let mut meter = Meter::default();
        for step in 0..20 {
            // Requested, whole after 100 ms, then idle for a second.
            meter.resume(at(step * 1100));
            meter.add(at(step * 1100 + 100), 100_000);
            meter.pause(at(step * 1100 + 100));
        }
        let rate = meter.rate(at(100_000));
        assert!((990_000..=1_010_000).contains(&rate), "{rate}");
    }

    #[test]
    fn a_bucket_lets_the_burst_through_and_then_the_rate() {
        let mut bucket = Bucket::new(Time::ZERO, 1000, 500);
        assert!(bucket.try_take(at(0), 500));
        assert!(!bucket.try_take(at(0), 1));
        assert!(bucket.try_take(at(100), 100));
        assert!(!bucket.try_take(at(100), 1));
        assert_eq!(bucket.take(at(100), 1000), Duration::from_secs(1));
        assert_eq!(bucket.take(at(1100), 0), Duration::ZERO);
    }

    #[test]
    fn falling_outflow_is_low_and_after_minutes_becomes_the_norm() {
        let mut outflow = Outflow::default();
        let mut second = 0;
        let mut flow = |outflow: &mut Outflow, bytes: u64, seconds: u64| {
            for _ in 0..seconds {
                second += 1;
                outflow.add(bytes);
                outflow.look(Time::after_start(Duration::from_secs(second)));
            }
        };
        flow(&mut outflow, 100, 30);
        assert!(outflow.is_full() && !outflow.is_low());
        flow(&mut outflow, 20, 15);
        assert!(outflow.is_low() && !outflow.is_full());
        flow(&mut outflow, 20, 300);
        assert!(outflow.is_full() && !outflow.is_low());
    }
}
