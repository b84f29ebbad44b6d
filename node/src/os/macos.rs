//! What macOS has of its own.

use std::net::Ipv6Addr;
use std::path::Path;

/// Whether a path lies on a file system of this machine that keeps a change time which no program can set. None is known
/// here: by `setattrlist(2)` that of APFS and HFS+ cannot be set, but it was not tried whether each way to write to a file
/// changes it at once, a memory map among them. It costs a full check at each share.
pub(crate) fn keeps_change_times(_: &Path) -> bool {
    false
}

/// The IPv6 addresses that do not last: none are told from others here.
pub(crate) fn temporary_addresses() -> Vec<Ipv6Addr> {
    Vec::new()
}
