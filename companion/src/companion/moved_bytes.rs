//! Payload bytes of a run, by direction.

use minimodel_swarm::driver::Direction;

/// Payload bytes exchanged with one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MovedBytes {
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl MovedBytes {
    pub(super) fn of(direction: Direction, bytes: u64) -> Self {
        match direction {
            Direction::Sent => Self { sent: bytes, received: 0 },
            Direction::Received => Self { sent: 0, received: bytes },
        }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.sent = self.sent.saturating_add(more.sent);
        self.received = self.received.saturating_add(more.received);
    }
}
