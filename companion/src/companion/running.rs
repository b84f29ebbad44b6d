//! A running transfer: its control and its last snapshot.

use std::collections::BTreeMap;

use minimodel::transfer::Control;
use minimodel_swarm::driver::{Direction, Idle, Snapshot};
use minimodel_wire::SignedOffer;

use super::desired::Desired;
use super::moved_bytes::MovedBytes;
use super::row::TransferRow;
use crate::model::{Cause, Peer};

/// Control and last snapshot of a running transfer.
#[derive(Debug)]
pub(super) struct RunningTransfer {
    /// Number of this run: reports of an earlier run are ignored.
    pub(super) run: u64,
    /// The row that it was started for; another request may have replaced it since.
    pub(super) row: TransferRow,
    /// Desired state that it was started for; another one ends the run.
    pub(super) desired: Desired,
    pub(super) control: Control,
    pub(super) offer: Option<SignedOffer>,
    pub(super) snapshot: Option<Box<Snapshot>>,
}

impl RunningTransfer {
    /// Asks the run to stop in good order; the entry stays until its thread has ended.
    pub(super) fn end(&self) {
        self.control.cancel();
    }

    /// Returns true if the run was asked to stop.
    pub(super) fn is_ending(&self) -> bool {
        self.control.is_cancelled()
    }

    /// Takes a snapshot; returns true if bytes moved since the last one.
    pub(super) fn keep_snapshot(&mut self, snapshot: Box<Snapshot>) -> bool {
        let bytes = |snapshot: &Snapshot| snapshot.received_bytes + snapshot.sent_bytes;
        let before = self.snapshot.as_deref().map_or(0, bytes);
        let has_moved = bytes(&snapshot) != before;
        self.snapshot = Some(snapshot);
        has_moved
    }

    /// Returns true while bytes that a quota admitted are still in flight: received bytes that are not all checked and in place,
    /// or sent bytes that a peer has not read to their end. `moved` is what this run has moved by now, which an older snapshot
    /// does not include.
    pub(super) fn has_last_bytes(&self, direction: Direction, moved: MovedBytes) -> bool {
        // Unknown before the first snapshot.
        let Some(snapshot) = &self.snapshot else { return true };
        match direction {
            Direction::Sent => snapshot.sent_bytes < moved.sent || snapshot.unread > 0,
            Direction::Received => {
                let waits = matches!(snapshot.idle, Some(Idle::Quota | Idle::NoSource | Idle::Choked));
                snapshot.received_bytes < moved.received || !waits
            }
        }
    }

    /// Returns why no byte moves; `None` if bytes move.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.snapshot.as_ref().and_then(|snapshot| snapshot.idle).map(Cause::from)
    }

    /// Returns the connected peers.
    pub(super) fn peers(&self) -> Vec<Peer> {
        let Some(snapshot) = &self.snapshot else { return Vec::new() };
        let view = |view: &minimodel_swarm::driver::PeerView| Peer {
            peer: view.peer.to_string(),
            received_bytes: view.received_bytes,
            sent_bytes: view.sent_bytes,
            down_rate: view.down_rate,
            up_rate: view.up_rate,
            rtt_ms: view.rtt.as_secs_f64() * 1e3,
            have: view.have,
            choking_us: view.choking_us,
            cause: view.idle.map(Cause::from),
        };
        snapshot.peers.iter().map(view).collect()
    }
}

/// Returns the seconds in which no byte moved, by cause.
pub(super) fn idle_seconds(snapshot: &Snapshot) -> BTreeMap<Cause, f64> {
    snapshot.idle_time.iter().map(|(&idle, time)| (Cause::from(idle), time.as_secs_f64())).collect()
}
