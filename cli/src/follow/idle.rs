//! Reports why no bytes move, once a cause has lasted.

use std::time::Duration;

use minimodel_companion::model::Cause;

/// A cause must last this long before it is reported.
const LASTS: Duration = Duration::from_secs(1);

/// The cause that was reported last, and the current one.
#[derive(Debug, Default)]
pub(super) struct IdleDebounce {
    told: Option<Cause>,
    now: Option<Cause>,
    /// When the current cause began, counted from the beginning of the transfer.
    since: Duration,
    sampled: Duration,
}

impl IdleDebounce {
    /// Takes a sample at `elapsed`, counted from the beginning of the transfer. `Some`: another cause, or none, has
    /// lasted and is to be reported.
    pub(super) fn sample(&mut self, elapsed: Duration, idle: Option<Cause>) -> Option<Option<Cause>> {
        let before = std::mem::replace(&mut self.sampled, elapsed);
        if idle != self.now {
            // A sample describes the time since the one before it.
            (self.now, self.since) = (idle, before);
        }
        let has_lasted = elapsed.saturating_sub(self.since) >= LASTS;
        if self.now == self.told || !has_lasted {
            return None;
        }
        self.told = self.now;
        Some(self.told)
    }

    /// The cause that was reported last, unless its end was reported too.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_cause_and_its_end_are_each_told_once_after_one_second() {
        let (slow, choked) = (Some(Cause::PeerSlow), Some(Cause::Choked));
        let samples = [
            (0, slow, None),
            (1_000, slow, Some(slow)),
            (2_000, slow, None),
            // Bytes move for a moment, then another cause does not last.
            (2_200, None, None),
            (2_400, choked, None),
            (3_400, slow, None),
            (4_400, slow, None),
            (5_400, choked, Some(choked)),
            (5_600, None, None),
            (6_400, None, Some(None)),
            (6_600, None, None),
        ];
        let mut idle_debounce = IdleDebounce::default();
        for (millis, idle, told) in samples {
            assert_eq!(idle_debounce.sample(Duration::from_millis(millis), idle), told, "{millis} ms");
        }
        assert_eq!(idle_debounce.cause(), None);
    }
}
