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

#[cfg(unix)]
pub(crate) use self::system::{account_of_client, card_bytes, memory_bytes, socket_buffers};
#[cfg(unix)]
pub(crate) use self::unix::{SHORTEST_DATABASE, hand_over_lock, may_use};
#[cfg(windows)]
pub(crate) use self::windows::{
    SHORTEST_DATABASE, account_of_client, card_bytes, hand_over_lock, may_use, memory_bytes, socket_buffers,
};
