//! The receiving end, as in quinn: it acknowledges every second packet, a gap at once, and anything else within 25
//! ms.

use std::time::Duration;

const MOST_DELAY: Duration = Duration::from_millis(25);

#[derive(Debug, Default)]
pub(crate) struct Receiver {
    next: u64,
    /// Packets that arrived and are in no acknowledgement that reached the sender.
    pending: Vec<u64>,
    unacked: u32,
    pub(crate) ack_by: Option<Duration>,
}

impl Receiver {
    /// Records a packet; true if an acknowledgement is due now.
    pub(crate) fn arrived(&mut self, now: Duration, number: u64) -> bool {
        let is_gap = number != self.next;
        self.next = self.next.max(number + 1);
        self.pending.push(number);
        self.unacked += 1;
        self.ack_by.get_or_insert(now + MOST_DELAY);
        is_gap || self.unacked >= 2
    }

    /// Packets that an acknowledgement names; with `is_lost` they stay pending for the next acknowledgement.
    pub(crate) fn acknowledge(&mut self, is_lost: bool) -> Vec<u64> {
        self.unacked = 0;
        self.ack_by = None;
        if is_lost { Vec::new() } else { std::mem::take(&mut self.pending) }
    }
}
