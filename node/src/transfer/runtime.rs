//! Threads of a transfer: its runtime, and the thread that passes reports on.

use std::io;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use minimodel_swarm::driver::Report;
use rustix::io::fcntl_dupfd_cloexec;
use tokio::sync::mpsc;

use crate::event::Watcher;

/// Name of this software in a Hello.
pub const SOFTWARE: &str = concat!("minimodel/", env!("CARGO_PKG_VERSION"));
/// Capacity of the channel of reports.
pub const WAITING_REPORTS: usize = 1_024;
/// Threads for hashing and disk: enough to keep a disk and two cores busy, few enough to bound what they hold.
const BLOCKING_THREADS: usize = 8;
/// Longest wait at the end for disk work that still runs; nothing recorded is lost.
const LAST_WORK: Duration = Duration::from_millis(300);
/// Longest wait at the end until the last reports are taken, by a watcher that may block and by any other: the end of a run is
/// booked with its last report, which a busy machine may deliver late.
const LAST_REPORTS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// Why a transfer cannot start on this machine.
///
/// ```
/// use minimodel::transfer::StartError;
/// use minimodel::transfer::runtime::block_on;
///
/// let advice = match block_on(async { Ok::<u8, StartError>(7) }) {
///     Ok(_) => "",
///     Err(StartError::Resources(_)) => "too many files or threads: end another transfer",
///     Err(StartError::Randomness(_)) => "start again later",
/// };
/// assert_eq!(advice, "");
/// ```
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operating system gave no randomness.
    #[error("the system gave no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The operating system gave no thread, no descriptor or no runtime.
    #[error(transparent)]
    Resources(#[from] io::Error),
}

/// A seed for the scheduler's random choices.
pub fn random_seed() -> Result<u64, StartError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(StartError::Randomness)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Runs a transfer on a runtime of one thread: QUIC does best alone there, and hashing and disk run on others.
pub fn block_on<T, E: From<StartError>>(transfer: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let build = || {
        check_spare_files()?;
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()
    };
    let runtime = build().map_err(StartError::Resources)?;
    let end = runtime.block_on(transfer);
    runtime.shutdown_timeout(LAST_WORK);
    end
}

/// The thread that tells a watcher what the driver reports, because a watcher may block.
#[derive(Debug)]
pub(super) struct Reports {
    ended: std_mpsc::Receiver<()>,
    patience: Duration,
}

impl Reports {
    /// Starts the thread, which ends when all senders are gone.
    pub(super) fn tell(watcher: Arc<dyn Watcher>) -> Result<(mpsc::Sender<Report>, Self), StartError> {
        let (sender, mut reports) = mpsc::channel::<Report>(WAITING_REPORTS);
        let (done, ended) = std_mpsc::channel();
        let patience = if watcher.may_block() { LAST_REPORTS.0 } else { LAST_REPORTS.1 };
        std::thread::Builder::new().name("reports".to_owned()).spawn(move || {
            while let Some(report) = reports.blocking_recv() {
                watcher.tell(report.into());
            }
            let _ = done.send(());
        })?;
        Ok((sender, Self { ended, patience }))
    }

    /// Waits until the last reports are taken, after all senders are gone.
    pub(super) fn end(self) {
        let _ = self.ended.recv_timeout(self.patience);
    }
}

/// Number of files that a transfer may still have to open.
const SPARE_FILES: usize = 16;

/// Checks that `SPARE_FILES` more files can be opened. Called before a runtime is made, because tokio panics if it runs out
/// of file descriptors while it takes the signals over.
///
/// # Errors
///
/// The operating system's error.
pub fn check_spare_files() -> io::Result<()> {
    let stderr = io::stderr();
    let spare: Result<Vec<_>, _> = (0..SPARE_FILES).map(|_| fcntl_dupfd_cloexec(&stderr, 0)).collect();
    Ok(spare.map(drop)?)
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
            let (sender, reports) =
                Reports::tell(Arc::new(Late { taken: taken.clone(), may_block })).unwrap();
            sender.try_send(Report::Snapshot(Snapshot::default())).unwrap();
            drop(sender);
            reports.end();
            if !may_block {
                assert_eq!(taken.load(Ordering::Relaxed), 1);
            }
        }
    }
}
