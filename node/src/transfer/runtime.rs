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
/// Longest wait at the end for a watcher that takes the last reports slowly.
const LAST_REPORTS: Duration = Duration::from_millis(500);

/// Why a transfer cannot start on this machine.
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
}

impl Reports {
    /// Starts the thread, which ends when all senders are gone.
    pub(super) fn tell(watcher: Arc<dyn Watcher>) -> Result<(mpsc::Sender<Report>, Self), StartError> {
        let (sender, mut reports) = mpsc::channel::<Report>(WAITING_REPORTS);
        let (done, ended) = std_mpsc::channel();
        std::thread::Builder::new().name("reports".to_owned()).spawn(move || {
            while let Some(report) = reports.blocking_recv() {
                watcher.tell(report.into());
            }
            let _ = done.send(());
        })?;
        Ok((sender, Self { ended }))
    }

    /// Waits a moment for the last reports, after all senders are gone.
    pub(super) fn end(self) {
        let _ = self.ended.recv_timeout(LAST_REPORTS);
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
