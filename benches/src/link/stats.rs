//! Measurements of a run over the link: the bytes of each flow over time, and how late the emulator itself was.

use std::time::Duration;

use serde::Serialize;

/// Width of a bucket of the timeline.
pub const BUCKET: Duration = Duration::from_millis(10);
/// A packet of at least this many bytes carries data rather than acknowledgements or a close.
const LARGE: u32 = 1000;
/// Lateness is counted by the microsecond up to here; the rest counts as this.
const MOST_MICROS: usize = 20_000;

/// How late packets were handed over, compared with the moment at which they were due.
#[derive(Clone, Debug)]
pub struct Lateness {
    micros: Vec<u64>,
    worst: Duration,
}

impl Default for Lateness {
    fn default() -> Self {
        Self { micros: vec![0; MOST_MICROS + 1], worst: Duration::ZERO }
    }
}

impl Lateness {
    /// Records one packet.
    pub fn record(&mut self, late: Duration) {
        let micros = usize::try_from(late.as_micros()).unwrap_or(MOST_MICROS);
        self.micros[micros.min(MOST_MICROS)] += 1;
        self.worst = self.worst.max(late);
    }

    /// The lateness that `share` (0 to 1) of the packets did not exceed; up to 20 ms.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        let all: u64 = self.micros.iter().sum();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (micros, count) in (0..).zip(&self.micros) {
            seen += count;
            if seen >= wanted.max(1) {
                return Duration::from_micros(micros);
            }
        }
        Duration::ZERO
    }

    /// The worst of all.
    #[must_use]
    pub fn worst(&self) -> Duration {
        self.worst
    }
}

/// Bytes of one flow that arrived, over time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Timeline {
    /// Bytes of IP that arrived, by [`BUCKET`] since the start.
    pub buckets: Vec<u64>,
    /// When the first large packet arrived.
    pub first: Option<Duration>,
    /// When the last large packet arrived.
    pub last: Option<Duration>,
}

impl Timeline {
    /// A packet of `bytes` bytes arrived at `now`.
    pub fn record(&mut self, now: Duration, bytes: u32) {
        let bucket = usize::try_from(now.as_nanos() / BUCKET.as_nanos()).unwrap_or(usize::MAX);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += u64::from(bytes);
        if bytes >= LARGE {
            self.first.get_or_insert(now);
            self.last = Some(now);
        }
    }

    /// All bytes that arrived.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Bytes that arrived in the buckets that lie within `from` to `to`.
    #[must_use]
    pub fn between(&self, from: Duration, to: Duration) -> u64 {
        let first = usize::try_from(from.as_nanos().div_ceil(BUCKET.as_nanos())).unwrap_or(usize::MAX);
        let end = usize::try_from(to.as_nanos() / BUCKET.as_nanos()).unwrap_or(usize::MAX);
        self.buckets.iter().take(end).skip(first).sum()
    }

    /// When `share` (0 to 1) of all bytes had arrived, interpolated within a bucket.
    #[must_use]
    pub fn reached(&self, share: f64) -> Duration {
        let wanted = self.total() as f64 * share;
        let mut seen = 0.0;
        for (number, bytes) in (0..).zip(&self.buckets) {
            let bytes = *bytes as f64;
            if bytes > 0.0 && seen + bytes >= wanted {
                return BUCKET * number + BUCKET.mul_f64(((wanted - seen) / bytes).clamp(0.0, 1.0));
            }
            seen += bytes;
        }
        BUCKET * u32::try_from(self.buckets.len()).unwrap_or(u32::MAX)
    }

    /// Adds several flows up to one.
    #[must_use]
    pub fn merged<'a>(flows: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        for flow in flows {
            if all.buckets.len() < flow.buckets.len() {
                all.buckets.resize(flow.buckets.len(), 0);
            }
            for (sum, bytes) in all.buckets.iter_mut().zip(&flow.buckets) {
                *sum += bytes;
            }
            all.first = [all.first, flow.first].into_iter().flatten().min();
            all.last = all.last.max(flow.last);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn percentiles_are_those_of_the_packets() {
        let mut late = Lateness::default();
        assert_eq!(late.percentile(0.5), Duration::ZERO);
        (1..=100).for_each(|micros| late.record(Duration::from_micros(micros)));
        late.record(Duration::from_secs(1));
        assert_eq!(late.percentile(0.5), Duration::from_micros(51));
        assert_eq!(late.percentile(0.99), Duration::from_micros(100));
        assert_eq!(late.percentile(1.0), Duration::from_millis(20));
        assert_eq!(late.worst(), Duration::from_secs(1));
    }

    /// 1,000 bytes every millisecond from 100 ms on, for a second.
    fn steady() -> Timeline {
        let mut line = Timeline::default();
        (100..1100).for_each(|at| line.record(at * MS, 1000));
        line
    }

    #[test]
    fn shares_are_reached_when_their_bytes_have_arrived() {
        let line = steady();
        assert_eq!(line.total(), 1_000_000);
        assert_eq!(line.reached(0.2), 300 * MS);
        assert_eq!(line.reached(1.0), 1100 * MS);
        assert_eq!((line.first, line.last), (Some(100 * MS), Some(1099 * MS)));
        assert_eq!(line.between(Duration::ZERO, 50 * MS), 0);
        assert_eq!(line.between(200 * MS, 700 * MS), 500_000);
        // Buckets that lie only partly in the interval do not count.
        assert_eq!(line.between(201 * MS, 700 * MS), 490_000);
    }

    #[test]
    fn a_small_packet_is_not_the_last_of_the_data() {
        let mut line = steady();
        line.record(2000 * MS, 60);
        assert_eq!(line.last, Some(1099 * MS));
    }

    #[test]
    fn flows_add_up() {
        let mut late = Timeline::default();
        (600..1600).for_each(|at| late.record(at * MS, 1000));
        let both = Timeline::merged([&steady(), &late]);
        assert_eq!((both.first, both.last), (Some(100 * MS), Some(1599 * MS)));
        assert_eq!(both.total(), 2_000_000);
        assert_eq!(both.between(600 * MS, 1100 * MS), 1_000_000);
    }
}
