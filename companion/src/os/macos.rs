//! What macOS tells of the machine, by its program `sysctl`: the call of that name takes unsafe code, and libraries that make it
//! link frameworks which only Xcode brings.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::Client;

/// Path of the program, which no variable of the environment changes.
const SYSCTL: &str = "/usr/sbin/sysctl";

/// The memory of the machine, bytes (`hw.memsize`); `None`: it is not known.
pub(crate) fn memory_bytes() -> Option<u64> {
    sysctl("hw.memsize")
}

/// The largest receive and send buffers that a socket may ask for, bytes (`kern.ipc.maxsockbuf`, for both); `None`: not known.
pub(crate) fn socket_buffers() -> Option<(u64, u64)> {
    sysctl("kern.ipc.maxsockbuf").map(|most| (most, most))
}

/// The number that the kernel keeps under this name.
fn sysctl(name: &str) -> Option<u64> {
    let mut asked = Command::new(SYSCTL);
    let told = asked.args(["-n", name]).env_clear().stdin(Stdio::null()).output().ok()?;
    String::from_utf8(told.stdout).ok()?.trim().parse().ok().filter(|&number| number > 0)
}

/// The memory of graphics cards: not known, since no call that is free of unsafe code tells it here. Apple silicon has none of
/// its own.
pub(crate) fn card_bytes() -> Option<u64> {
    None
}

/// The account that holds the client's end of a TCP connection within this machine: not known, since no call that is free of
/// unsafe code tells it.
pub(crate) fn account_of_client(_: SocketAddr, _: SocketAddr) -> Client {
    Client::Untold
}
