//! What all Unix systems have alike.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Access, access};

/// Bytes of a database that the engine may be given: it finds itself what is too short.
pub(crate) const SHORTEST_DATABASE: u64 = 1;

/// Whether this user may create names in a folder, or read and write a file.
pub(crate) fn may_use(path: &Path, is_folder: bool) -> bool {
    let wanted =
        if is_folder { Access::WRITE_OK | Access::EXEC_OK } else { Access::READ_OK | Access::WRITE_OK };
    access(path, wanted).is_ok()
}

/// Gives up the lock of an open file for one that is about to take it with the same open file: here that is the same lock, and it
/// stays.
///
/// # Errors
///
/// None on this system.
pub(crate) fn hand_over_lock(_: &File) -> io::Result<()> {
    Ok(())
}
