//! What macOS has of its own: a sync that reaches the disk, reads that pass the cache, and sizes of 64 bits.

use std::fs::File;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;

use rustix::fs::{OFlags, StatFs, fcntl_fullfsync, fcntl_nocache, fstatfs, fsync, statfs};
use rustix::io::{Errno, retry_on_intr};

/// Way through a folder, which has to be readable here.
pub(super) const WAY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// What a file system answers that does not know `F_FULLFSYNC`, such as a network share.
const NO_FULL_SYNC: [Errno; 5] = [Errno::NOTSUP, Errno::OPNOTSUPP, Errno::INVAL, Errno::NOTTY, Errno::NOSYS];

/// Makes all completed writes and the length durable: `F_FULLFSYNC`, which empties the cache of the disk as well, where the
/// file system knows it; `fsync`, which only hands them to the disk, where it does not.
///
/// # Errors
///
/// The system's error.
pub fn sync_data(file: &File) -> io::Result<()> {
    Ok(retry_on_intr(|| sync_handle(file.as_fd()))?)
}

/// As [`sync_data`], which leaves no metadata out on this system.
///
/// # Errors
///
/// The system's error.
pub fn sync_all(file: &File) -> io::Result<()> {
    sync_data(file)
}

pub(super) fn sync_handle(handle: BorrowedFd<'_>) -> Result<(), Errno> {
    match fcntl_fullfsync(handle) {
        Err(error) if NO_FULL_SYNC.contains(&error) => fsync(handle),
        answer => answer,
    }
}

/// Asks that reads of this open file pass the cache from now on. The system has no call that drops what is cached
/// (`posix_fadvise`), so that bytes which stay there are still read from there. Best effort.
pub fn forget_cache(file: &File) {
    let _ = fcntl_nocache(file, true);
}

/// Bytes that this user may still write to the file system of a path. `statfs`, because `statvfs` counts blocks in 32 bits
/// on this system.
///
/// # Errors
///
/// The system's error.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    Ok(free(&statfs(path)?))
}

pub(super) fn free_bytes_of(handle: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(free(&fstatfs(handle)?))
}

fn free(answer: &StatFs) -> u64 {
    answer.f_bavail.saturating_mul(u64::from(answer.f_bsize))
}

/// The MTU of the route of a connected socket: this system does not say it. QUIC finds it by trying, which takes a few
/// round trips longer.
pub fn route_mtu(_: &UdpSocket, _: bool) -> Option<u32> {
    None
}
