//! Running transfers: their controls and last snapshots, and what their ends leave.

use std::collections::BTreeMap;

use minimodel::transfer::Control;
use minimodel_swarm::driver::{Direction, Found, Idle, Snapshot};
use minimodel_wire::SignedOffer;

use super::desired::Desired;
use super::moved_bytes::MovedBytes;
use super::row::TransferRow;
use crate::history::Point;
use crate::model::{Cause, FoundBy, GoesOver, Peer, PeerWay, Reach};

/// The UDP ports of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listening {
    /// The port on which it listens.
    pub(super) port: u16,
    /// The port that it was to have, if another program had it.
    pub(super) taken_port: Option<u16>,
}

impl Listening {
    /// The port that the next run tries first.
    pub(super) fn preferred_port(self) -> u16 {
        self.taken_port.unwrap_or(self.port)
    }
}

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
    /// `None`: it listens on none so far.
    pub(super) listening: Option<Listening>,
    pub(super) snapshot: Option<Box<Snapshot>>,
    /// What is known of the ways that its user agreed to; what members have shown stands in the snapshot.
    pub(super) ways: Reach,
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

    /// Returns the offer that peers may pass on.
    pub(super) fn published(&self) -> Option<&SignedOffer> {
        self.offer.as_ref().filter(|_| self.publishes())
    }

    /// Returns true if it was started to let peers pass its offer on.
    pub(super) fn publishes(&self) -> bool {
        matches!(self.desired, Desired::Run { publishes: true, .. })
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
        let share = |have: u32| f64::from(have) / f64::from(snapshot.progress.total.max(1));
        let view = |view: &minimodel_swarm::driver::PeerView| Peer {
            peer: view.peer.to_string(),
            received_bytes: view.received_bytes,
            sent_bytes: view.sent_bytes,
            down_rate: view.down_rate,
            up_rate: view.up_rate,
            rtt_ms: view.path.rtt.as_secs_f64() * 1e3,
            have: view.have,
            choking_us: view.choking_us,
            address: view.path.address.to_string(),
            share: share(view.have),
            choked_by_us: view.we_choke,
            blamed: view.blamed,
            cause: view.idle.map(Cause::from),
            way: PeerWay {
                found: FoundBy::from(view.path.found),
                introduced_by: match view.path.found {
                    Found::Introduced(by) => Some(by.to_string()),
                    _ => None,
                },
                over: GoesOver::from(view.path.over),
            },
        };
        snapshot.peers.iter().map(view).collect()
    }
}

/// Runs of all transfers.
#[derive(Debug, Default)]
pub(super) struct Runs {
    running: BTreeMap<u64, RunningTransfer>,
    /// Runs of removed transfers by run number, kept until their threads have ended: they still hold files and ports.
    draining: BTreeMap<u64, RunningTransfer>,
    /// Last snapshots of ended runs, by transfer.
    last_snapshots: BTreeMap<u64, Box<Snapshot>>,
    /// Number of the newest run.
    newest: u64,
}

impl Runs {
    /// Returns the number of a new run.
    pub(super) fn next_number(&mut self) -> u64 {
        self.newest += 1;
        self.newest
    }

    pub(super) fn begin(&mut self, running: RunningTransfer) {
        self.running.insert(running.row.id, running);
    }

    /// Returns the run of a transfer.
    pub(super) fn of(&self, id: u64) -> Option<&RunningTransfer> {
        self.running.get(&id)
    }

    /// Returns this run of a transfer, unless it has ended or its transfer was removed.
    pub(super) fn of_run(&mut self, id: u64, run: u64) -> Option<&mut RunningTransfer> {
        self.running.get_mut(&id).filter(|running| running.run == run)
    }

    /// Returns true if a run said already that its port was taken when this endpoint was opened: all runs of the shared endpoint
    /// say so.
    pub(super) fn have_told(&self, listening: Listening) -> bool {
        self.running.values().any(|running| running.listening == Some(listening))
    }

    /// As [`Self::of_run`], also of a removed transfer: its bytes count all the same.
    pub(super) fn of_run_or_draining(&mut self, id: u64, run: u64) -> Option<&mut RunningTransfer> {
        let running = self.running.get_mut(&id).filter(|running| running.run == run);
        running.or_else(|| self.draining.get_mut(&run))
    }

    /// Removes a run that has ended; `None` if its transfer was removed before.
    pub(super) fn take_ended(&mut self, id: u64, run: u64) -> Option<RunningTransfer> {
        self.draining.remove(&run);
        self.of_run(id, run)?;
        let mut running = self.running.remove(&id)?;
        self.last_snapshots.extend(running.snapshot.take().map(|snapshot| (id, snapshot)));
        Some(running)
    }

    /// Returns the rates of the running transfers.
    pub(super) fn rates(&self) -> impl Iterator<Item = (u64, Point)> {
        let rates = |snapshot: &Snapshot| Point { down: snapshot.down_rate, up: snapshot.up_rate };
        self.running.iter().filter_map(move |(&id, running)| Some((id, rates(running.snapshot.as_deref()?))))
    }

    /// Asks the run of a removed transfer to stop, and forgets its snapshots; returns the number of the run.
    pub(super) fn drain(&mut self, id: u64) -> Option<u64> {
        self.last_snapshots.remove(&id);
        let running = self.running.remove(&id)?;
        let run = running.run;
        running.end();
        self.draining.insert(run, running);
        Some(run)
    }

    /// Returns the rows of removed transfers whose runs have not ended yet.
    pub(super) fn draining(&self) -> impl Iterator<Item = &TransferRow> {
        self.draining.values().map(|running| &running.row)
    }

    /// Returns the last snapshot of a transfer's ended run, until the next run begins.
    pub(super) fn last_snapshot(&self, id: u64) -> Option<&Snapshot> {
        self.last_snapshots.get(&id).filter(|_| !self.running.contains_key(&id)).map(|snapshot| &**snapshot)
    }

    /// Returns the chunks and bytes that a transfer held at the newest snapshot of its run, or of its last run.
    pub(super) fn progress(&self, id: u64) -> Option<(u32, u64)> {
        let newest = self.of(id).and_then(|running| running.snapshot.as_deref());
        let snapshot = newest.or_else(|| self.last_snapshot(id))?;
        Some((snapshot.progress.have, snapshot.have_bytes))
    }

    /// Asks all runs to stop.
    pub(super) fn end_all(&self) {
        self.running.values().for_each(RunningTransfer::end);
    }

    /// Returns true if no run is left, draining ones included.
    pub(super) fn are_over(&self) -> bool {
        self.running.is_empty() && self.draining.is_empty()
    }
}

/// Returns the seconds in which no byte moved, by cause.
pub(super) fn idle_seconds(snapshot: &Snapshot) -> BTreeMap<Cause, f64> {
    snapshot.idle_time.iter().map(|(&idle, time)| (Cause::from(idle), time.as_secs_f64())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NewFetch;

    fn running(run: u64) -> RunningTransfer {
        let row = TransferRow { id: 3, ..TransferRow::fetch(NewFetch::default(), "ab".repeat(32), 7) };
        let control = Control::default();
        let desired = Desired::FetchManifest;
        RunningTransfer {
            run,
            row,
            desired,
            control,
            offer: None,
            listening: None,
            snapshot: None,
            ways: Reach::default(),
        }
    }

    #[test]
    fn taken_port_of_the_shared_endpoint_is_told_by_one_run() {
        let mut runs = Runs::default();
        let taken = Listening { port: 4_000, taken_port: Some(3_000) };
        assert!(!runs.have_told(taken));
        runs.begin(RunningTransfer { listening: Some(taken), ..running(1) });
        assert!(runs.have_told(taken));
        assert!(!runs.have_told(Listening { port: 4_001, ..taken }), "the endpoint was opened again");
        runs.take_ended(3, 1);
        assert!(!runs.have_told(taken));
    }

    #[test]
    fn run_of_a_removed_transfer_drains_until_its_thread_has_ended() {
        let mut runs = Runs::default();
        let first = runs.next_number();
        runs.begin(running(first));
        assert_eq!(runs.drain(3), Some(first));
        assert!(runs.of(3).is_none() && runs.of_run_or_draining(3, first).is_some());
        // Its end is not that of the run that another transfer of this number began.
        let second = runs.next_number();
        runs.begin(running(second));
        assert!(runs.take_ended(3, first).is_none() && runs.draining().next().is_none());
        assert_eq!(runs.take_ended(3, second).map(|running| running.run), Some(second));
        assert!(runs.are_over());
    }
}
