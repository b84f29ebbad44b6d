//! The operating system, as far as only the terminal asks it: signals, the size of a terminal, and writes that do not wait.
//! The rest of the crate names no system and calls `minimodel_swarm::os` or this.

#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(crate) use self::signals::{SignalKind, Signals};
#[cfg(unix)]
pub(crate) use self::unix::{
    Handle, NonBlockingStream, PIECE, has_room, outlive_terminal, terminal_size, write_some,
};
