//! What Windows tells of the machine, and locks.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use minimodel_swarm::os::Folder;

use super::Client;
pub(crate) use minimodel_swarm::os::memory_bytes;

/// Bytes of a database that the engine may be given: its header has a page, and beyond the end of a file it reads for ever here.
pub(crate) const SHORTEST_DATABASE: u64 = 4096;

/// The account that holds the client's end of a TCP connection within this machine: not known, since no call that is free of
/// unsafe code tells it.
pub(crate) fn account_of_client(_: SocketAddr, _: SocketAddr) -> Client {
    Client::Untold
}

/// The memory of graphics cards: not known, since only the graphics library of the system tells it.
pub(crate) fn card_bytes() -> Option<u64> {
    None
}

/// The largest receive and send buffers of a socket: the system sets no bound.
pub(crate) fn socket_buffers() -> Option<(u64, u64)> {
    None
}

/// Whether this user may create names in a folder, or read and write a file.
pub(crate) fn may_use(path: &Path, is_folder: bool) -> bool {
    if is_folder {
        return Folder::open(path).and_then(|folder| folder.check_writable()).is_ok();
    }
    OpenOptions::new().read(true).write(true).open(path).is_ok()
}

/// Gives up the lock of an open file for one that is about to take it with the same open file: here one opening has a lock once. If
/// it cannot be given up, it cannot be taken either, which is an error there.
///
/// # Errors
///
/// None on this system.
pub(crate) fn hand_over_lock(file: &File) -> io::Result<()> {
    // Std unlocks twice and knows what Windows says of the second, but not what wine 8 does.
    let _ = file.unlock();
    Ok(())
}
