//! Threads of the companion, and the errors for one that fails.

use std::sync::Arc;

use super::Core;
use crate::problem::{Problem, code};

/// Starts the thread that writes quota leases before bytes move.
pub(super) fn start_lease_writer(core: &Arc<Core>) -> Result<std::thread::JoinHandle<()>, Problem> {
    let (accounts, db) = (core.accounts.clone(), core.db.clone());
    accounts.require_leases();
    let started =
        std::thread::Builder::new().name("accounts".into()).spawn(move || accounts.write_leases(&db));
    started.map_err(|error| no_thread(&error))
}

/// Starts the reconciler's thread.
pub(super) fn start_reconciler(core: &Arc<Core>) -> Result<std::thread::JoinHandle<()>, Problem> {
    let ours = core.clone();
    let started = std::thread::Builder::new().name("companion".into()).spawn(move || ours.run_reconciler());
    started.map_err(|error| no_thread(&error))
}

/// Error of a transfer whose thread panicked.
pub(super) fn panicked() -> Problem {
    Problem::new(
        code::UNEXPECTED,
        "a transfer ended by a fault of this program",
        "please report it; other transfers go on",
    )
}

/// Error when the system cannot start a thread.
pub(super) fn no_thread(error: &std::io::Error) -> Problem {
    Problem::new(
        code::IO,
        "cannot start a thread",
        "end other programs or raise the limit on processes (`ulimit -u`)",
    )
    .because(error)
}
