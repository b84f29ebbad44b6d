//! What Linux has of its own: the end of cached pages, the MTU of a route; and a sync that std does right.

use std::fs::File;
use std::io;
use std::net::UdpSocket;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{Advice, OFlags, StatVfs, fadvise, fstatvfs, fsync, statvfs};
use rustix::io::Errno;
use rustix::net::sockopt;

/// Way through a folder that may be passed, if not read.
pub(super) const WAY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);

/// Makes all completed writes and the length durable.
///
/// # Errors
///
/// The system's error.
pub fn sync_data(file: &File) -> io::Result<()> {
    file.sync_data()
}

/// As [`sync_data`], with all metadata.
///
/// # Errors
///
/// The system's error.
pub fn sync_all(file: &File) -> io::Result<()> {
    file.sync_all()
}

pub(super) fn sync_handle(handle: BorrowedFd<'_>) -> Result<(), Errno> {
    fsync(handle)
}

/// Drops cached bytes of a file, so that the next read shows what the disk has. Best effort: a file system that cannot drop
/// its pages changes nothing.
pub fn forget_cache(file: &File) {
    let _ = fadvise(file, 0, None, Advice::DontNeed);
}

/// Bytes that this user may still write to the file system of a path.
///
/// # Errors
///
/// The system's error.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    Ok(free(&statvfs(path)?))
}

pub(super) fn free_bytes_of(handle: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(free(&fstatvfs(handle)?))
}

fn free(answer: &StatVfs) -> u64 {
    answer.f_bavail.saturating_mul(answer.f_frsize)
}

/// The MTU of the route of a connected socket; `None` where the system does not know it.
pub fn route_mtu(socket: &UdpSocket, is_ipv4: bool) -> Option<u32> {
    let mtu = if is_ipv4 { sockopt::ip_mtu } else { sockopt::ipv6_mtu };
    mtu(socket).ok()
}
