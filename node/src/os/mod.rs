//! The operating system, as far as only this crate asks it: files that may still be opened, file systems whose times can
//! be believed, and addresses that last. The rest of the crate names no system and calls `minimodel_swarm::os` or this.

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
pub(crate) use self::system::{keeps_change_times, temporary_addresses};
#[cfg(unix)]
pub(crate) use self::unix::check_spare_files;
#[cfg(windows)]
pub(crate) use self::windows::{check_spare_files, keeps_change_times, temporary_addresses};
