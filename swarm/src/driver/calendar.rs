//! The calendar goes on while the machine sleeps; the clock that deadlines are kept by need not.

use std::time::{Duration, SystemTime};

/// The calendar is told this often, and at once when it has jumped.
const EVERY: Duration = Duration::from_secs(60);
/// A difference of the two clocks that is a jump.
const JUMP: Duration = Duration::from_secs(2);

/// What the calendar says, as far as it was told.
#[derive(Debug)]
pub(super) struct Calendar {
    /// What the run was told at its beginning, and what the system said then: only what passed since is taken from it.
    unix_at_start: u64,
    system_at_start: SystemTime,
    /// What was told last, and when by the other clock.
    told: (u64, Duration),
}

impl Calendar {
    pub(super) fn new(unix_at_start: u64) -> Self {
        Self { unix_at_start, system_at_start: SystemTime::now(), told: (unix_at_start, Duration::ZERO) }
    }

    /// Seconds since 1970, if they are to be told; `elapsed` is how long the run goes on by the clock of deadlines.
    pub(super) fn look(&mut self, elapsed: Duration) -> Option<u64> {
        self.tell(elapsed, self.unix())
    }

    /// Seconds since 1970, now: what records are dated by.
    pub(super) fn unix(&self) -> u64 {
        match SystemTime::now().duration_since(self.system_at_start) {
            Ok(passed) => self.unix_at_start.saturating_add(passed.as_secs()),
            // It was set back.
            Err(before) => self.unix_at_start.saturating_sub(before.duration().as_secs()),
        }
    }

    /// The machine sleeps for so long.
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

    #[test]
    fn h6_the_calendar_is_told_every_minute_and_at_once_after_a_sleep_or_a_jump() {
        let mut calendar = Calendar::new(1_000);
        assert_eq!(calendar.tell(secs(30), 1_030), None);
        assert_eq!(calendar.tell(secs(60), 1_060), Some(1_060));
        assert_eq!(calendar.tell(secs(61), 1_061), None);
        // The machine slept for a day, of which the other clock knows nothing.
        assert_eq!(calendar.tell(secs(62), 87_462), Some(87_462));
        assert_eq!(calendar.tell(secs(63), 87_463), None);
        // Set back by its user.
        assert_eq!(calendar.tell(secs(64), 500), Some(500));
    }

    #[test]
    fn what_the_run_was_told_at_its_beginning_is_where_the_calendar_begins() {
        let mut calendar = Calendar::new(7_000_000);
        assert_eq!(calendar.look(Duration::ZERO), None);
        assert!(calendar.look(secs(3_600)).is_some_and(|unix| unix.abs_diff(7_000_000) < 60));
    }
}
