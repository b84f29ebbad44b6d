//! The operating system, as far as only this crate asks it: what the machine has, and what this user may do with a path. The
//! rest of the crate names no system and calls `minimodel_swarm::os` or this.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use self::linux as system;
#[cfg(target_os = "macos")]
use self::macos as system;

/// Whose the client's end of a connection within this machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux tells the account"))]
pub(crate) enum Client {
    /// This account's.
    Account(u32),
    /// The system tells accounts, and tells none for it.
    Hidden,
    /// The system does not tell.
    Untold,
}

#[cfg(unix)]
pub(crate) use self::system::{account_of_client, card_bytes, memory_bytes, socket_buffers};
#[cfg(unix)]
pub(crate) use self::unix::{SHORTEST_DATABASE, hand_over_lock, may_use};
#[cfg(windows)]
pub(crate) use self::windows::{
    SHORTEST_DATABASE, account_of_client, card_bytes, hand_over_lock, may_use, memory_bytes, socket_buffers,
};
