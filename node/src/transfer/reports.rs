//! What a session tells while it runs: reports for the watcher, and bans for the ledger.

use std::io;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use minimodel_swarm::driver::{Ban, Bans, Report};
use minimodel_verifier::Manifest;
use minimodel_wire::PeerId;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::Run;
use super::error::TransferError;
use super::runtime::{StartError, WAITING_REPORTS};
use crate::bans::{BanRecorder, BanThread};
use crate::event::{Event, Watcher};

/// Longest wait at the end until the last reports are taken, by a watcher that may block and by any other: the end of a run is
/// booked with its last report, which a busy machine may deliver late.
const LAST_REPORTS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// Passes on what a session tells, because a watcher and a disk may block: on threads of its own, or, if another thread drives
/// the network and the watcher does not wait for a user, reports on the thread of the transfer. A disk that hangs holds up
/// neither: bans are always recorded on a thread of their own, which then starts with the first ban.
pub(super) enum Reports {
    /// The work tells nothing.
    None,
    /// Two threads, which end when all senders are gone.
    Threads { reports: ReportThread, bans: BanThread },
    /// The thread of the transfer, in [`Self::tell_until`].
    Here { watcher: Arc<dyn Watcher>, reports: mpsc::Receiver<Report>, bans: RareBans },
}

/// Bans of a run that may well have none.
pub(super) enum RareBans {
    /// None came so far.
    Awaited(BanRecorder),
    /// They are being recorded; `None`: there was no thread for it.
    Recorded(Option<BanThread>),
}

/// The senders' side of [`Reports`], for a session.
pub(super) struct Told {
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) bans: Bans,
}

impl Reports {
    /// Loads the bans for the content, and begins to pass on reports and new bans. `is_shared`: another thread drives the
    /// network. `activity`: name of the work in the ledger. `named`: the peers that the user named.
    pub(super) fn start(
        run: &Run,
        is_shared: bool,
        activity: &'static str,
        manifest: &Arc<Manifest>,
        named: &[PeerId],
    ) -> Result<(Told, Self), TransferError> {
        let (sender, reports) = mpsc::channel::<Report>(WAITING_REPORTS);
        let watcher = run.watcher.clone();
        let (recorder, bans) = BanRecorder::open(&run.home, watcher.clone(), activity, manifest, named)?;
        let told = Told { reports: sender, bans };
        if is_shared && !watcher.may_block() {
            return Ok((told, Self::Here { watcher, reports, bans: RareBans::Awaited(recorder) }));
        }
        let reports = ReportThread::tell(watcher, reports).map_err(StartError::Resources)?;
        Ok((told, Self::Threads { reports, bans: recorder.on_a_thread(None)? }))
    }

    /// Waits for the end of `work` on another thread, and tells what comes meanwhile.
    pub(super) async fn tell_until<T>(&mut self, mut work: JoinHandle<T>) -> Result<T, JoinError> {
        loop {
            let Self::Here { watcher, reports, bans } = self else { return work.await };
            tokio::select! {
                biased;
                Some(ban) = bans.first() => bans.record(ban, watcher),
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
                bans.record_waiting(&watcher);
                while let Ok(report) = reports.try_recv() {
                    watcher.tell(report.into());
                }
                bans.end();
            }
        }
    }
}

impl RareBans {
    /// The first ban; `None` if it came before, or the run has ended without any.
    async fn first(&mut self) -> Option<Ban> {
        match self {
            Self::Awaited(recorder) => recorder.next().await,
            Self::Recorded(_) => None,
        }
    }

    /// Begins to record bans, beginning with `first`.
    fn record(&mut self, first: Ban, watcher: &Arc<dyn Watcher>) {
        let Self::Awaited(recorder) = std::mem::replace(self, Self::Recorded(None)) else { return };
        let peer = first.peer;
        match recorder.on_a_thread(Some(first)) {
            Ok(thread) => *self = Self::Recorded(Some(thread)),
            Err(error) => watcher.tell(Event::BanNotRecorded { peer, error }),
        }
    }

    /// Begins to record bans if the first of them came when the run had ended.
    fn record_waiting(&mut self, watcher: &Arc<dyn Watcher>) {
        if let Self::Awaited(recorder) = self
            && let Some(first) = recorder.waiting()
        {
            self.record(first, watcher);
        }
    }

    /// Waits until the bans of a run that has ended are on disk, as long as the disk of a sound machine takes.
    fn end(self) {
        if let Self::Recorded(Some(thread)) = self {
            thread.end();
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

    use minimodel_swarm::machine::Breach;

    use super::super::Control;
    use super::*;
    use crate::bans::BanLedger;
    use crate::clock::now_unix;
    use crate::home::Home;

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
            sender.try_send(Report::Snapshot(Box::default())).unwrap();
            drop(sender);
            reports.end();
            if !may_block {
                assert_eq!(taken.load(Ordering::Relaxed), 1);
            }
        }
    }
    // Rows: F4
    #[test]
    fn ban_on_a_disk_that_hangs_does_not_hold_up_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        // The lock of the ledger stands for a disk that does not answer.
        std::fs::create_dir_all(home.state().unwrap()).unwrap();
        let hung = std::fs::File::create(home.state().unwrap().join("blame.lock")).unwrap();
        hung.lock().unwrap();
        let run =
            Run { home: home.clone(), watcher: Arc::new(()), control: Control::default(), shared: None };
        let text = &minimodel_fixtures::valid_manifests()[0].text;
        let manifest = Arc::new(Manifest::parse(text.as_bytes()).unwrap());
        let (told, mut reports) = Reports::start(&run, true, "seed", &manifest, &[]).unwrap();
        let (peer, bans) = (PeerId([7; 32]), told.bans.tell.unwrap());
        let ban = Ban { peer, breach: Breach::BadChunk, index: None, expected: None, got: None };
        let (ended, end) = std_mpsc::channel();
        let transfer = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let session = runtime.spawn(async move { bans.send(ban) });
            let done = runtime.block_on(reports.tell_until(session));
            reports.end();
            ended.send(done.is_ok()).unwrap();
        });
        assert_eq!(end.recv_timeout(Duration::from_secs(60)), Ok(true), "the transfer ends");
        hung.unlock().unwrap();
        transfer.join().unwrap();
        let ledger = BanLedger::of(&home).unwrap();
        while ledger.read(now_unix()).unwrap().entries.is_empty() {
            std::thread::yield_now();
        }
    }
}
