//! Calendar time, which goes on while the computer sleeps; the monotonic clock of the deadlines need not.

use std::time::{Duration, SystemTime};

/// Interval at which the session reports the calendar time to the machine; a jump is reported at once.
const EVERY: Duration = Duration::from_secs(60);
/// Difference between the two clocks that counts as a jump.
const JUMP: Duration = Duration::from_secs(2);

/// Seconds since 1970 by the system's calendar.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The calendar time of a run, and what of it was reported last.
#[derive(Debug)]
pub(super) struct Calendar {
    /// Calendar time that the caller gave at the start, and the system's time then: the system only supplies the time
    /// passed since.
    unix_at_start: u64,
    system_at_start: SystemTime,
    /// Calendar time reported last, and the monotonic time of that report.
    told: (u64, Duration),
}

impl Calendar {
    pub(super) fn new(unix_at_start: u64) -> Self {
        Self { unix_at_start, system_at_start: SystemTime::now(), told: (unix_at_start, Duration::ZERO) }
    }

    /// Seconds since 1970, if a report is due. `elapsed`: how long the run has lasted by the monotonic clock.
    pub(super) fn look(&mut self, elapsed: Duration) -> Option<u64> {
        self.tell(elapsed, self.unix())
    }

    /// Seconds since 1970 now, the date for records.
    pub(super) fn unix(&self) -> u64 {
        match SystemTime::now().duration_since(self.system_at_start) {
            Ok(passed) => self.unix_at_start.saturating_add(passed.as_secs()),
            // The calendar was set back.
            Err(before) => self.unix_at_start.saturating_sub(before.duration().as_secs()),
        }
    }

    /// Simulates that the computer slept for so long.
    #[cfg(test)]
    pub(super) fn sleep(&mut self, passed: Duration) {
        self.system_at_start -= passed;
    }

    fn tell(&mut self, elapsed: Duration, unix: u64) -> Option<u64> {
        let (told, at) = self.told;
        let since = elapsed.saturating_sub(at);
        let expected = told.saturating_add(since.as_secs());
        if since < EVERY && unix.abs_diff(expected) <= JUMP.as_secs() {
            return None;
        }
        self.told = (unix, elapsed);
        Some(unix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    // Rows: H6
    #[test]
    fn calendar_is_reported_each_minute_and_at_once_after_a_jump() {
        let mut calendar = Calendar::new(1_000);
        assert_eq!(calendar.tell(secs(30), 1_030), None);
        assert_eq!(calendar.tell(secs(60), 1_060), Some(1_060));
        assert_eq!(calendar.tell(secs(61), 1_061), None);
        // The computer slept for a day, of which the monotonic clock knows nothing.
        assert_eq!(calendar.tell(secs(62), 87_462), Some(87_462));
        assert_eq!(calendar.tell(secs(63), 87_463), None);
        // The user set the calendar back.
        assert_eq!(calendar.tell(secs(64), 500), Some(500));
    }

    #[test]
    fn calendar_starts_at_the_time_given_at_the_start_of_the_run() {
        let mut calendar = Calendar::new(7_000_000);
        assert_eq!(calendar.look(Duration::ZERO), None);
        assert!(calendar.look(secs(3_600)).is_some_and(|unix| unix.abs_diff(7_000_000) < 60));
    }
}
