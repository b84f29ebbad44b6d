//! The runtime of a transfer, and what it needs of the system.

use std::io;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::os;

/// Name of this software in a Hello.
pub const SOFTWARE: &str = concat!("minimodel/", env!("CARGO_PKG_VERSION"));
/// Capacity of the channel of reports.
pub const WAITING_REPORTS: usize = 1_024;
/// Limit on threads for hashing and disk, which no number of transfers comes near: the driver gives each session one, and few
/// more to all of them together.
const MOST_BLOCKING_THREADS: usize = 4_096;
/// Longest wait at the end for disk work that still runs; nothing recorded is lost.
pub(super) const LAST_WORK: Duration = Duration::from_millis(300);

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
    Randomness(io::Error),
    /// The operating system gave no thread, no descriptor or no runtime.
    #[error(transparent)]
    Resources(#[from] io::Error),
}

/// A seed for the scheduler's random choices.
pub fn random_seed() -> Result<u64, StartError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| StartError::Randomness(io::Error::other(error)))?;
    Ok(u64::from_le_bytes(bytes))
}

/// Builds a runtime of one thread: QUIC does best alone there, and hashing and disk run on others.
pub(super) fn build() -> Result<Runtime, StartError> {
    check_spare_files()?;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().max_blocking_threads(MOST_BLOCKING_THREADS).build()?)
}

/// Runs a transfer on a runtime of its own.
pub fn block_on<T, E: From<StartError>>(transfer: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = build()?;
    let end = runtime.block_on(transfer);
    runtime.shutdown_timeout(LAST_WORK);
    end
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
    os::check_spare_files(SPARE_FILES)
}
