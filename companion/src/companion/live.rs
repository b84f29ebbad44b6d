//! A transfer that runs: its thread, its reins, and the last picture of it.

use std::collections::BTreeMap;

use minimodel_swarm::driver::{Controls, Idle, Snapshot, Throttle};
use minimodel_wire::{PeerId, SignedOffer};
use tokio::sync::watch;

use super::bounds::Moved;
use super::wish::Wish;
use crate::api::types::{Cause, Peer};
use crate::limits::ledger;

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
    /// Payload bytes with each peer in this run, and with those that are not told of one by one.
    pub(super) moved: BTreeMap<PeerId, Moved>,
    pub(super) moved_others: Moved,
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

    /// Takes a picture; gives what moved since the last one, by peer and in the end with the others.
    pub(super) fn picture(&mut self, snapshot: Box<Snapshot>) -> Vec<(String, Moved)> {
        let mut news = Vec::new();
        for (&peer, &now) in &snapshot.moved {
            let more = self.moved.entry(peer).or_default().grow(now);
            news.extend(more.map(|more| (peer.to_string(), more)));
        }
        let more = self.moved_others.grow(snapshot.moved_others);
        news.extend(more.map(|more| (ledger::OTHERS.to_owned(), more)));
        self.snapshot = Some(snapshot);
        news
    }

    /// Whether a fetch whose quota is used up may have all that it needs: its last chunk is on its way, or its file is being
    /// checked. Then it is left to go on until a picture shows that it waits for somebody; no byte beyond its quota passes
    /// the gate. `received`: payload bytes of this run by now, which an older picture does not have.
    pub(super) fn may_end_within_its_quota(&self, received: u64) -> bool {
        let waits = |snapshot: &Snapshot| {
            let is_waiting = matches!(snapshot.idle, Some(Idle::Quota | Idle::NoSource | Idle::Choked));
            is_waiting && snapshot.received_bytes >= received
        };
        !self.snapshot.as_deref().is_some_and(waits)
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
