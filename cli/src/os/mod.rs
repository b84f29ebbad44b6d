//! The operating system, as far as only the command line asks it: signals, the size of a terminal, writes that do not wait, and
//! which system this is.
//! The rest of the crate names no system and calls `minimodel_swarm::os` or this.

#[cfg(windows)]
mod console_events;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use minimodel_swarm::os::end_this_process;

#[cfg(windows)]
pub(crate) use self::console_events::{SignalKind, Signals, end_this_process};
#[cfg(unix)]
pub(crate) use self::signals::{SignalKind, Signals};
#[cfg(unix)]
pub(crate) use self::unix::{
    DATA_FOLDER, HOME_VARIABLE, Handle, NonBlockingStream, PIECE, STATE_FOLDER, detach, has_room, is_through,
    outlive_terminal, terminal_size, user_id, write_some,
};
#[cfg(windows)]
pub(crate) use self::windows::{
    DATA_FOLDER, HOME_VARIABLE, Handle, NonBlockingStream, PIECE, STATE_FOLDER, detach, has_room, is_through,
    outlive_terminal, terminal_size, user_id, write_some,
};

/// An operating system, for texts that name its own programs and folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// Linux.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

/// The system for which this program was compiled.
pub(crate) const SYSTEM: System = if cfg!(target_os = "macos") {
    System::MacOs
} else if cfg!(windows) {
    System::Windows
} else {
    System::Linux
};
