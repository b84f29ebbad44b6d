//! A transfer that runs: its thread, its reins, and the last picture of it.

use std::collections::BTreeMap;

use minimodel_swarm::driver::{Controls, Idle, Snapshot, Throttle, Way};
use minimodel_wire::SignedOffer;
use tokio::sync::watch;

use super::bounds::Moved;
use super::wish::Wish;
use crate::api::types::{Cause, Peer};

/// See the module.
#[derive(Debug)]
pub(super) struct Live {
    /// Which run of the transfer this is: news of an earlier one are not taken for this one's.
    pub(super) run: u64,
    /// What it was started for; another wish ends it.
    pub(super) wish: Wish,
    pub(super) stop: watch::Sender<bool>,
    pub(super) controls: watch::Sender<Controls>,
    pub(super) up: Throttle,
    pub(super) down: Throttle,
    pub(super) offer: Option<SignedOffer>,
    pub(super) snapshot: Option<Box<Snapshot>>,
}

impl Live {
    /// Tells it to end in good order; it is gone when its thread says so.
    pub(super) fn end(&self) {
        self.stop.send_replace(true);
    }

    /// Whether it was told to end.
    pub(super) fn is_ending(&self) -> bool {
        *self.stop.borrow()
    }

    /// Takes a picture; whether a byte moved since the last one.
    pub(super) fn picture(&mut self, snapshot: Box<Snapshot>) -> bool {
        let bytes = |snapshot: &Snapshot| snapshot.received_bytes + snapshot.sent_bytes;
        let before = self.snapshot.as_deref().map_or(0, bytes);
        let has_moved = bytes(&snapshot) != before;
        self.snapshot = Some(snapshot);
        has_moved
    }

    /// Whether bytes are on their way that a quota let pass: those that come are not all here, checked and in their place,
    /// or a peer has not read those that go. `moved`: in this run by now, which an older picture does not have.
    pub(super) fn has_last_bytes(&self, way: Way, moved: Moved) -> bool {
        // Before the first picture nobody knows.
        let Some(snapshot) = &self.snapshot else { return true };
        match way {
            Way::Sent => snapshot.sent_bytes < moved.sent || snapshot.unread > 0,
            Way::Received => {
                let waits = matches!(snapshot.idle, Some(Idle::Quota | Idle::NoSource | Idle::Choked));
                snapshot.received_bytes < moved.received || !waits
            }
        }
    }

    /// Why no byte moves, if none does.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.snapshot.as_ref().and_then(|snapshot| snapshot.idle).map(Cause::from)
    }

    /// Connected peers.
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

/// Seconds in which no byte moved.
pub(super) fn idle_seconds(snapshot: &Snapshot) -> BTreeMap<Cause, f64> {
    snapshot.idle_time.iter().map(|(&idle, time)| (Cause::from(idle), time.as_secs_f64())).collect()
}
