//! What all Unix systems have alike.

use std::io;

use rustix::io::fcntl_dupfd_cloexec;

/// Checks that `count` more files can be opened.
///
/// # Errors
///
/// The operating system's error.
pub(crate) fn check_spare_files(count: usize) -> io::Result<()> {
    let stderr = io::stderr();
    let spare: Result<Vec<_>, _> = (0..count).map(|_| fcntl_dupfd_cloexec(&stderr, 0)).collect();
    Ok(spare.map(drop)?)
}
