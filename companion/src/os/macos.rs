//! What macOS tells of the machine.

use std::net::SocketAddr;

use sysinfo::{MemoryRefreshKind, System};

/// The memory of the machine, bytes (`hw.memsize`); `None`: it is not known.
pub(crate) fn memory_bytes() -> Option<u64> {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    Some(system.total_memory()).filter(|&bytes| bytes > 0)
}

/// The account that holds the client's end of a TCP connection within this machine: not known, since no call that is free of
/// unsafe code tells it.
pub(crate) fn account_of_client(_: SocketAddr, _: SocketAddr) -> Option<u32> {
    None
}

/// The memory of graphics cards: not known, since no call that is free of unsafe code tells it here. Apple silicon has none of
/// its own.
pub(crate) fn card_bytes() -> Option<u64> {
    None
}

/// The largest receive and send buffers of a socket: not known, since only `sysctl` tells them here (`kern.ipc.maxsockbuf`).
pub(crate) fn socket_buffers() -> Option<(u64, u64)> {
    None
}
