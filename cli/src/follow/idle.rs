//! Reports why no bytes move, once a cause has lasted.

use std::time::Duration;

use minimodel_companion::doctor;
use minimodel_companion::model::Kind;
use minimodel_swarm::driver::Idle;

/// A cause must last this long before it is reported.
const LASTS: Duration = Duration::from_secs(1);

/// The cause that was reported last, and the current one.
#[derive(Debug)]
pub(crate) struct IdleDebounce<C> {
    told: Option<C>,
    now: Option<C>,
    /// When the current cause began, counted from the beginning of the transfer.
    since: Duration,
    sampled: Duration,
}

impl<C> Default for IdleDebounce<C> {
    fn default() -> Self {
        Self { told: None, now: None, since: Duration::ZERO, sampled: Duration::ZERO }
    }
}

impl<C: Copy + PartialEq> IdleDebounce<C> {
    /// Takes a sample at `elapsed`, counted from the beginning of the transfer. `Some`: another cause, or none, has
    /// lasted and is to be reported.
    pub(crate) fn sample(&mut self, elapsed: Duration, idle: Option<C>) -> Option<Option<C>> {
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
    pub(crate) fn cause(&self) -> Option<C> {
        self.told
    }
}

/// The cause in plain words, with its name for programs.
pub(super) fn explain(kind: Kind, cause: Idle) -> String {
    format!("{} ({cause})", doctor::words_of(kind, cause.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_cause_and_its_end_are_each_told_once_after_one_second() {
        let (slow, choked) = (Some(Idle::PeerSlow), Some(Idle::Choked));
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

    #[test]
    fn each_cause_is_explained_with_its_word() {
        for cause in Idle::ALL {
            let word = format!("({cause})");
            for kind in [Kind::Share, Kind::Fetch] {
                assert!(explain(kind, cause).ends_with(&word));
            }
        }
    }
}
