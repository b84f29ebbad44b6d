//! Backoff of transfers that will be tried again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::model::Cause;
use crate::problem::Problem;

/// First backoff of a fetch without sources or of a share whose file or address is missing; it doubles with each try, up to
/// [`RETRY_MOST`].
const RETRY_FIRST: Duration = Duration::from_secs(15);
/// Longest backoff.
const RETRY_MOST: Duration = Duration::from_secs(600);

/// Backoffs by transfer.
#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<u64, Retry>);

#[derive(Debug)]
struct Retry {
    until: Instant,
    tries: u32,
    cause: Cause,
    /// The error of the last try.
    problem: Problem,
}

impl Retries {
    /// Schedules another try after an exponential backoff.
    pub(super) fn schedule(&mut self, id: u64, problem: Problem, cause: Cause) {
        let tries = self.tries(id);
        let until = Instant::now() + pause_after(tries);
        self.0.insert(id, Retry { until, tries: tries.saturating_add(1), cause, problem });
    }

    /// Starts the backoff of a transfer over.
    pub(super) fn clear(&mut self, id: u64) {
        self.0.remove(&id);
    }

    /// Returns how many tries in a row have failed.
    pub(super) fn tries(&self, id: u64) -> u32 {
        self.0.get(&id).map_or(0, |retry| retry.tries)
    }

    /// Returns why a transfer waits for its next try, while it does.
    pub(super) fn waits_for(&self, id: u64) -> Option<Cause> {
        self.0.get(&id).filter(|retry| retry.until > Instant::now()).map(|retry| retry.cause)
    }

    /// Returns the error of the last try if it has this cause.
    pub(super) fn problem(&self, id: u64, cause: Option<Cause>) -> Option<Problem> {
        self.0.get(&id).filter(|retry| Some(retry.cause) == cause).map(|retry| retry.problem.clone())
    }
}

/// Returns the backoff after so many failed tries.
fn pause_after(tries: u32) -> Duration {
    RETRY_FIRST.saturating_mul(1 << tries.min(10)).min(RETRY_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_pause_doubles_up_to_ten_minutes() {
        let pauses = [0, 1, 2, 5, 6, 100, u32::MAX].map(|tries| pause_after(tries).as_secs());
        assert_eq!(pauses, [15, 30, 60, 480, 600, 600, 600]);
    }
}
