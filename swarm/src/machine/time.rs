//! Virtual time: the machine reads no clock.

use std::ops::Add;
use std::time::Duration;

/// A moment, in microseconds since the run began. Monotonic; unrelated to the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Time(u64);

impl Time {
    /// The beginning of the run.
    pub const ZERO: Self = Self(0);

    /// Later than any moment of a run.
    pub(super) const MAX: Self = Self(u64::MAX);

    /// The moment `elapsed` after the beginning of the run.
    pub fn after_start(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
    }

    /// How long after the beginning of the run this is.
    pub fn since_start(self) -> Duration {
        Duration::from_micros(self.0)
    }

    /// How long `self` is after `earlier`; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}
