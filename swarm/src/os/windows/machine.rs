//! This process, others, and the machine.

use std::io;
use std::os::windows::io::AsHandle as _;

use super::calls;

/// How many files this process may have open: as many as there is memory for.
pub fn open_file_limit() -> Option<u64> {
    None
}

/// True if a process with this id exists, of whichever account.
pub fn is_process(id: u32) -> bool {
    calls::is_process(id)
}

/// Memory of the machine, bytes; `None`: the system does not say.
pub fn memory_bytes() -> Option<u64> {
    calls::memory_bytes().ok()
}

/// Keeps the standard streams of this process from processes that it starts: a program that reads one of them would else wait for the
/// end of those as well. Best effort.
pub fn keep_streams_from_children() {
    let _ = calls::keep_from_children(io::stdin().as_handle());
    let _ = calls::keep_from_children(io::stdout().as_handle());
    let _ = calls::keep_from_children(io::stderr().as_handle());
}

/// Ends this process as `kill -9` would.
#[cfg(debug_assertions)]
pub fn kill_this_process() {
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs_and_one_without_an_id_does_not() {
        assert!(is_process(std::process::id()));
        // Ids are multiples of four.
        assert!(!is_process(3));
        assert!(memory_bytes().unwrap() > 1 << 20);
    }
}
