//! When one request is sent, and when it is given up.

use std::time::{Duration, Instant};

use super::super::limits;

/// A request under way, sent at the times of `limits::SENDS`.
#[derive(Debug, Clone)]
pub(super) struct Retry {
    began: Instant,
    sent: usize,
    limit: Duration,
}

impl Retry {
    pub(super) fn new(now: Instant, limit: Duration) -> Self {
        Self { began: now, sent: 0, limit }
    }

    /// True if the request is to be sent now. Sends that were missed are made up by one.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.began);
        let due = limits::SENDS.iter().filter(|&&at| at <= age).count();
        let is_due = due > self.sent;
        self.sent = due;
        is_due
    }

    pub(super) fn is_unsent(&self) -> bool {
        self.sent == 0
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= self.limit
    }

    /// The next send, or the end.
    pub(super) fn wakeup(&self) -> Instant {
        let next = limits::SENDS.get(self.sent).copied().unwrap_or(self.limit);
        self.began + next.min(self.limit)
    }
}
