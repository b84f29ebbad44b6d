//! The operating system: everything that differs by system, as one small interface in the words of this program.
//!
//! No other module of this crate names a system, a file descriptor, a mode or an error number, and the crates above use
//! these functions where they need the same thing; `testing/structure` holds both. Each file below answers for one system or
//! family; `docs/platforms.md` has the promises and the call that keeps each.
//!
//! - [`Folder`], [`Base`]: an open folder, and names relative to one.
//! - [`Stat`]: owner, rights, identity and times of a file.
//! - [`OpenWith`], [`create_private_folder`], [`make_private`], [`create_link`]: files for this user alone, and links.
//! - [`sync_data`], [`sync_all`]: until the disk has it.
//! - [`is_loop`], [`is_out_of_files`], [`is_unsupported`]: what an error means.
//! - [`try_lock`], [`link_target`]: one process at a time, and where a link leads.
//! - [`route_mtu`], [`open_file_limit`], [`is_process`]: facts of the machine.
//! - [`rights_command`], [`close_command`]: commands of the system's shell that hints name.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
mod types;
#[cfg(unix)]
mod unix;
// Three of its files call nothing and are tested on every system.
#[cfg(any(windows, test))]
mod windows;

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
compile_error!("this system is not supported: docs/platforms.md says which are, and what each must promise");

#[cfg(target_os = "linux")]
use self::linux as system;
#[cfg(target_os = "macos")]
use self::macos as system;

#[cfg(unix)]
pub use self::system::{forget_cache, free_bytes, route_mtu, sync_all, sync_data};
pub use self::types::{FileId, FileKind, Open, OpenWith, Owner, Privacy, Stat};
#[cfg(unix)]
pub use self::unix::errors::{device_error, is_loop, is_out_of_files, is_unsupported};
#[cfg(unix)]
pub use self::unix::files::{
    create_link, create_private_folder, link_target, make_private, try_lock, write_at,
};
#[cfg(unix)]
pub use self::unix::folder::{Base, Folder};
#[cfg(unix)]
pub use self::unix::hints::{
    close_command, close_to_writers_command, open_to_user_command, process_command, processes_command,
    rights_command,
};
#[cfg(all(unix, debug_assertions))]
pub use self::unix::process::kill_this_process;
#[cfg(unix)]
pub use self::unix::process::{end_this_process, is_process, open_file_limit};
#[cfg(unix)]
pub use self::unix::stat::{Rights, stat, stat_file, stat_target, user_account};
#[cfg(unix)]
pub use self::unix::text::{PATH_BACKSLASH, SHELL_PLAIN, SHELL_QUOTE, text_of_bytes};
#[cfg(windows)]
pub use self::windows::errors::{device_error, is_loop, is_out_of_files, is_unsupported};
#[cfg(windows)]
pub use self::windows::files::{
    create_link, create_private_folder, forget_cache, free_bytes, link_target, make_private, route_mtu,
    sync_all, sync_data, try_lock, write_at,
};
#[cfg(windows)]
pub use self::windows::folder::{Base, Folder};
#[cfg(windows)]
pub use self::windows::hints::{
    close_command, close_to_writers_command, open_to_user_command, process_command, processes_command,
    rights_command,
};
#[cfg(all(windows, debug_assertions))]
pub use self::windows::machine::kill_this_process;
#[cfg(windows)]
pub use self::windows::machine::{is_process, keep_streams_from_children, memory_bytes, open_file_limit};
#[cfg(windows)]
pub use self::windows::stat::{Rights, stat, stat_file, stat_target, user_account};
#[cfg(windows)]
pub use self::windows::text::{PATH_BACKSLASH, SHELL_PLAIN, SHELL_QUOTE, text_of_bytes};
