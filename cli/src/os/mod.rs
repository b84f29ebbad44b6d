//! The operating system, as far as only the command line asks it: signals, the size of a terminal, writes that do not wait, and
//! which system this is.
//! The rest of the crate names no system and calls `minimodel_swarm::os` or this.

#[cfg(windows)]
mod console_events;
#[cfg(unix)]
mod signals;
mod types;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use minimodel_swarm::os::end_this_process;

#[cfg(windows)]
pub(crate) use self::console_events::{Signals, end_this_process};
#[cfg(unix)]
pub(crate) use self::signals::Signals;
pub(crate) use self::types::{SignalKind, System};
#[cfg(unix)]
pub(crate) use self::unix::{
    DATA_FOLDER, HOME_VARIABLE, Handle, NonBlockingStream, PIECE, STATE_FOLDER, browser, detach, has_room,
    is_through, outlive_terminal, terminal_size, user_id, write_some,
};
#[cfg(windows)]
pub(crate) use self::windows::{
    DATA_FOLDER, HOME_VARIABLE, Handle, NonBlockingStream, PIECE, STATE_FOLDER, browser, detach, has_room,
    is_through, outlive_terminal, terminal_size, user_id, write_some,
};

/// Whether the browsers of this system lead names below `localhost` to loopback. Safari does not.
pub(crate) const BROWSERS_KNOW_NAMES: bool = !cfg!(target_os = "macos");

/// The system for which this program was compiled.
pub(crate) const SYSTEM: System = if cfg!(target_os = "macos") {
    System::MacOs
} else if cfg!(windows) {
    System::Windows
} else {
    System::Linux
};
