//! What Windows has of its own.

use std::io;
use std::net::Ipv6Addr;
use std::path::Path;

/// Checks that `count` more files can be opened: this system has no limit that a process comes near.
///
/// # Errors
///
/// None on this system.
pub(crate) fn check_spare_files(_count: usize) -> io::Result<()> {
    Ok(())
}

/// Whether a path lies on a file system of this machine that keeps a change time which no program can set: none, since
/// `SetFileInformationByHandle` sets that of NTFS. It costs a full check at each share.
pub(crate) fn keeps_change_times(_: &Path) -> bool {
    false
}

/// The IPv6 addresses that do not last: none are told from others here.
pub(crate) fn temporary_addresses() -> Vec<Ipv6Addr> {
    Vec::new()
}
