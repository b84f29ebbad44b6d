//! What a session tells while it runs: reports for the watcher, and bans for the ledger.

use std::io;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use minimodel_swarm::driver::{Bans, Report};
use minimodel_verifier::Manifest;
use minimodel_wire::PeerId;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::Run;
use super::runtime::{StartError, WAITING_REPORTS};
use crate::bans::{BanRecorder, BanThread, BansError};
use crate::event::Watcher;

/// Longest wait at the end until the last reports are taken, by a watcher that may block and by any other: the end of a run is
/// booked with its last report, which a busy machine may deliver late.
const LAST_REPORTS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// Passes on what a session tells, because a watcher and a disk may block: on threads of its own, or, if another thread drives
/// the network and the watcher does not wait for a user, on the thread of the transfer.
pub(super) enum Reports {
    /// The work tells nothing.
    None,
    /// Two threads, which end when all senders are gone.
    Threads { reports: ReportThread, bans: BanThread },
    /// The thread of the transfer, in [`Self::tell_until`].
    Here { watcher: Arc<dyn Watcher>, reports: mpsc::Receiver<Report>, bans: BanRecorder },
}

/// The senders' side of [`Reports`], for a session.
pub(super) struct Told {
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) bans: Bans,
}

impl Reports {
    /// Loads the bans for the content, and begins to pass on reports and new bans. `is_shared`: another thread drives the
    /// network. `activity`: name of the work in the ledger. `named`: the peers that the user named.
    pub(super) fn start<E: From<StartError> + From<BansError>>(
        run: &Run,
        is_shared: bool,
        activity: &'static str,
        manifest: &Arc<Manifest>,
        named: &[PeerId],
    ) -> Result<(Told, Self), E> {
        let (sender, reports) = mpsc::channel::<Report>(WAITING_REPORTS);
        let watcher = run.watcher.clone();
        let (recorder, bans) = BanRecorder::open(&run.home, watcher.clone(), activity, manifest, named)?;
        let told = Told { reports: sender, bans };
        if is_shared && !watcher.may_block() {
            return Ok((told, Self::Here { watcher, reports, bans: recorder }));
        }
        let reports = ReportThread::tell(watcher, reports).map_err(StartError::Resources)?;
        Ok((told, Self::Threads { reports, bans: recorder.on_a_thread()? }))
    }

    /// Waits for the end of `work` on another thread, and tells what comes meanwhile.
    pub(super) async fn tell_until<T>(&mut self, mut work: JoinHandle<T>) -> Result<T, JoinError> {
        loop {
            let Self::Here { watcher, reports, bans } = self else { return work.await };
            tokio::select! {
                biased;
                Some(ban) = bans.next() => bans.record(&ban),
                Some(report) = reports.recv() => watcher.tell(report.into()),
                ended = &mut work => return ended,
            }
        }
    }

    /// Waits until the last reports and bans are taken, after all senders are gone.
    pub(super) fn end(self) {
        match self {
            Self::None => {}
            Self::Threads { reports, bans } => {
                bans.end();
                reports.end();
            }
            Self::Here { watcher, mut reports, mut bans } => {
                bans.record_waiting();
                while let Ok(report) = reports.try_recv() {
                    watcher.tell(report.into());
                }
            }
        }
    }
}

/// The thread that tells a watcher what the driver reports.
pub(super) struct ReportThread {
    ended: std_mpsc::Receiver<()>,
    patience: Duration,
}

impl ReportThread {
    fn tell(watcher: Arc<dyn Watcher>, mut reports: mpsc::Receiver<Report>) -> io::Result<Self> {
        let (done, ended) = std_mpsc::channel();
        let patience = if watcher.may_block() { LAST_REPORTS.0 } else { LAST_REPORTS.1 };
        std::thread::Builder::new().name("reports".to_owned()).spawn(move || {
            while let Some(report) = reports.blocking_recv() {
                watcher.tell(report.into());
            }
            let _ = done.send(());
        })?;
        Ok(Self { ended, patience })
    }

    fn end(self) {
        let _ = self.ended.recv_timeout(self.patience);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use minimodel_swarm::driver::Snapshot;

    use super::*;
    use crate::event::Event;

    /// Takes each report after a delay that is longer than a watcher that may block is waited for.
    struct Late {
        taken: Arc<AtomicU32>,
        may_block: bool,
    }

    impl Watcher for Late {
        fn tell(&self, _: Event) {
            std::thread::sleep(LAST_REPORTS.0 * 2);
            self.taken.fetch_add(1, Ordering::Relaxed);
        }

        fn may_block(&self) -> bool {
            self.may_block
        }
    }

    #[test]
    fn last_report_is_taken_unless_its_watcher_may_block() {
        for may_block in [false, true] {
            let taken = Arc::new(AtomicU32::new(0));
            let (sender, waiting) = mpsc::channel(1);
            let late = Arc::new(Late { taken: taken.clone(), may_block });
            let reports = ReportThread::tell(late, waiting).unwrap();
            sender.try_send(Report::Snapshot(Snapshot::default())).unwrap();
            drop(sender);
            reports.end();
            if !may_block {
                assert_eq!(taken.load(Ordering::Relaxed), 1);
            }
        }
    }
}
