//! The operating system, as far as only the command line asks it: signals, the size of a terminal, writes that do not wait, and
//! which system this is.
//! The rest of the crate names no system and calls `minimodel_swarm::os` or this.

#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(crate) use self::signals::{SignalKind, Signals};
#[cfg(unix)]
pub(crate) use self::unix::{
    Handle, NonBlockingStream, PIECE, has_room, outlive_terminal, terminal_size, user_id, write_some,
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
