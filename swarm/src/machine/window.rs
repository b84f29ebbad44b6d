//! A count within a span of time that begins with its first event.

use std::time::Duration;

use super::time::Time;

/// The events of one span.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    since: Time,
    count: u32,
}

impl Window {
    /// Counts an event; returns false, and counts none, if there were `most` within `span`.
    pub(super) fn take(&mut self, now: Time, span: Duration, most: u32) -> bool {
        if self.is_over(now, span) {
            *self = Self { since: now, count: 0 };
        }
        let may = self.count < most;
        self.count += u32::from(may);
        may
    }

    /// When its first event was.
    pub(super) fn since(&self) -> Time {
        self.since
    }

    /// Returns true if no event counts any more.
    pub(super) fn is_over(&self, now: Time, span: Duration) -> bool {
        self.count == 0 || now.since(self.since) >= span
    }
}
