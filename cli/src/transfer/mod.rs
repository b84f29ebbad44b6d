//! Shared by `seed`, `fetch` and `import-peer-request`: the node, offers, reports, and the failures that end a transfer.

mod asking;
pub(crate) mod closing;
pub(crate) mod control;
pub(crate) mod ending;
pub(crate) mod endpoint;
pub(crate) mod fetching;
pub(crate) mod idle;
pub(crate) mod offer_checks;
pub(crate) mod receipt;
pub(crate) mod repair;
pub(crate) mod seeding;
pub(crate) mod target;
pub(crate) mod watch;

/// Name of this software in a Hello.
pub(crate) const SOFTWARE: &str = concat!("minimodel/", env!("CARGO_PKG_VERSION"));

/// Capacity of the channel of reports.
pub(crate) const WAITING_REPORTS: usize = 1_024;

/// A seed for the scheduler's random choices.
pub(crate) fn random_seed() -> Result<u64, crate::failure::Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| {
        crate::failure::Failure::unexpected(
            "cannot start a transfer",
            &anyhow::anyhow!("the system gave no randomness: {error}"),
        )
    })?;
    Ok(u64::from_le_bytes(bytes))
}

/// Threads for hashing and disk: enough to keep a disk and two cores busy, few enough to bound what they hold.
const BLOCKING_THREADS: usize = 8;
/// Longest wait at the end for disk work that still runs; nothing recorded is lost.
const LAST_WORK: std::time::Duration = std::time::Duration::from_millis(300);

/// Runs a transfer on a runtime of one thread: QUIC does best alone there, and hashing and disk run on others.
pub(crate) fn block_on<T>(
    transfer: impl Future<Output = Result<T, crate::failure::Failure>>,
) -> Result<T, crate::failure::Failure> {
    let build = || {
        crate::interrupt::check_spare_files()?;
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()
    };
    let runtime = build().map_err(|error| {
        crate::failure::Failure::unexpected("cannot start a transfer", &anyhow::Error::new(error))
    })?;
    let end = runtime.block_on(transfer);
    runtime.shutdown_timeout(LAST_WORK);
    end
}
