//! The ready queue: peers that may have room for one more request, and whose turn it is.

use std::collections::{BTreeSet, VecDeque};

use super::events::Conn;

/// Ready queue: peers that may have room for one more request. Each is in one of the lists at most.
#[derive(Debug, Default)]
pub(super) struct ReadyQueue {
    /// Peers that are not queued yet, oldest first.
    pub(super) new: VecDeque<Conn>,
    /// All peers are to be queued anew.
    pub(super) everyone: bool,
    /// Lowest number first: the fastest peer, since scarce memory should go to peers that soon free it. Peers without a
    /// proven chunk come before all others, and get little.
    pub(super) queue: BTreeSet<(u64, Conn)>,
    /// Doubtful peers (never delivered, or stalled) that wait until such peers free some memory.
    pub(super) doubtful: VecDeque<Conn>,
}

impl ReadyQueue {
    pub(super) fn is_empty(&self) -> bool {
        !self.everyone && self.new.is_empty() && self.queue.is_empty() && self.doubtful.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
