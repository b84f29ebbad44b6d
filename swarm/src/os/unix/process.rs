//! This process and others.

use rustix::process::{Pid, Resource, Signal, getpid, getrlimit, kill_process, test_kill_process};

/// How many files this process may have open; `None`: as many as it likes.
pub fn open_file_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// True if a process with this id exists, of whichever account.
pub fn is_process(id: u32) -> bool {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    id.is_some_and(|id| test_kill_process(id) != Err(rustix::io::Errno::SRCH))
}

/// Ends this process in good order, as a system that shuts down asks it to (SIGTERM).
pub fn end_this_process() {
    // A process may always signal itself.
    let _ = kill_process(getpid(), Signal::TERM);
}

/// Ends this process as `kill -9` would.
#[cfg(debug_assertions)]
pub fn kill_this_process() {
    // A process may always signal itself, and this signal comes before the call returns.
    let _ = kill_process(getpid(), Signal::KILL);
}
