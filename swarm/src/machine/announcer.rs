//! The announcer: which peers have control frames to be sent, and when the first of these is due.
//!
//! The frames themselves follow from each peer's [`Outbox`](super::outbox::Outbox) when it is that peer's turn.

use std::collections::BTreeSet;

use super::events::Conn;
use super::time::Time;

/// Peers with control frames to send.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    unsaid: BTreeSet<Conn>,
    next: Option<Time>,
}

impl Announcer {
    /// Notes that the peer's outbox changed: it is looked at in this step.
    pub(super) fn has_word(&mut self, conn: Conn) {
        self.unsaid.insert(conn);
        self.next = Some(Time::ZERO);
    }

    /// When the first frame is due; `None` if no peer has one.
    pub(super) fn next_at(&self) -> Option<Time> {
        self.next
    }

    /// Takes all peers with frames to send, if one of the frames may be due.
    pub(super) fn take_due(&mut self, now: Time) -> BTreeSet<Conn> {
        if self.next.is_none_or(|at| now < at) {
            return BTreeSet::new();
        }
        self.next = None;
        std::mem::take(&mut self.unsaid)
    }

    /// Notes that the peer's next frame is due `at` a later time.
    pub(super) fn wait(&mut self, conn: Conn, at: Time) {
        self.unsaid.insert(conn);
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    #[cfg(test)]
    pub(super) fn has(&self, conn: Conn) -> bool {
        self.unsaid.contains(&conn)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.unsaid.is_empty() && self.next.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Time {
        Time::after_start(Duration::from_millis(millis))
    }

    #[test]
    fn a_changed_outbox_is_due_at_once_and_a_frame_at_its_time() {
        let mut announcer = Announcer::default();
        announcer.wait(Conn(1), at(50));
        announcer.wait(Conn(2), at(20));
        assert_eq!(announcer.next_at(), Some(at(20)));
        assert!(announcer.take_due(at(19)).is_empty());
        announcer.has_word(Conn(3));
        assert_eq!(announcer.take_due(at(19)), [1, 2, 3].map(Conn).into());
        assert!(announcer.is_empty());
    }
}
