//! The operating system, as far as only this crate asks it: what the machine has, and what this user may do with a path. The
//! rest of the crate names no system and calls `minimodel_swarm::os` or this.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(unix)]
mod unix;

#[cfg(target_os = "linux")]
use self::linux as system;
#[cfg(target_os = "macos")]
use self::macos as system;

pub(crate) use self::system::{card_bytes, memory_bytes, socket_buffers};
pub(crate) use self::unix::may_use;
