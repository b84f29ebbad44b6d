//! Terminals, pipes and sessions of Unix.

use std::fmt;
use std::io;
pub(crate) use std::os::fd::AsFd as Handle;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::termios::{isatty, tcgetwinsize, ttyname};

/// Bytes that a pipe with any room takes at once: PIPE_BUF, which is at least 512 by POSIX.
pub(crate) const PIECE: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// The variable that names a user's home, and the folders of this program in it, where the XDG variables name no others.
pub(crate) const HOME_VARIABLE: &str = "HOME";
pub(crate) const DATA_FOLDER: &str = ".local/share/minimodel";
pub(crate) const STATE_FOLDER: &str = ".local/state/minimodel";

/// The program that opens an address in the user's browser, and its arguments before the address; `None` where there is no screen.
pub(crate) fn browser() -> Option<(&'static str, &'static [&'static str])> {
    if cfg!(target_os = "macos") {
        return Some(("open", &[]));
    }
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    has_screen.then_some(("xdg-open", &[]))
}

/// Prepares the start of a process that outlives this one and its terminal: [`outlive_terminal`] does it there.
pub(crate) fn detach(_: &mut Command) {}

/// Lets this process live on when its terminal is closed.
pub(crate) fn outlive_terminal() {
    // An error means that the process already leads a session of its own: then it outlives the terminal all the same.
    let _ = rustix::process::setsid();
}

/// Columns and lines of a terminal, 0 where it does not say; `None`: the stream is none.
pub(crate) fn terminal_size(stream: impl Handle) -> Option<(u16, u16)> {
    tcgetwinsize(stream).ok().map(|size| (size.ws_col, size.ws_row))
}

/// A standard stream on which no write waits longer than its caller allows. A terminal with little room blocks a longer
/// write until there is more room, or for ever if the user stopped it. A terminal is therefore opened once more, and
/// only that opening is non-blocking: other processes on the same terminal are not affected.
pub(crate) struct NonBlockingStream<S> {
    stream: S,
    terminal: Option<OwnedFd>,
}

impl<S: Handle> NonBlockingStream<S> {
    /// Wraps a stream. A pipe, a file and a terminal that cannot be opened again are written to as they are.
    pub(crate) fn new(stream: S) -> Self {
        let open_anew = || {
            let name = isatty(&stream).then(|| ttyname(&stream, Vec::new()).ok()).flatten()?;
            open(name, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
                .ok()
        };
        let terminal = open_anew();
        Self { stream, terminal }
    }
}

impl<S: Handle> Handle for NonBlockingStream<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.terminal.as_ref().map_or_else(|| self.stream.as_fd(), Handle::as_fd)
    }
}

impl<S> fmt::Debug for NonBlockingStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NonBlockingStream").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

/// Waits at most this long, less than a second, for a stream to have room; false if it has none then. A closed pipe counts as
/// room: the write then fails.
///
/// # Errors
///
/// [`io::ErrorKind::Interrupted`] when a signal came first, or the system's error.
pub(crate) fn has_room(stream: &impl Handle, wait: Duration) -> io::Result<bool> {
    let slice = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
    Ok(poll(&mut [PollFd::new(stream, PollFlags::OUT)], Some(&slice))? > 0)
}

/// Writes what there is room for.
///
/// # Errors
///
/// [`io::ErrorKind::WouldBlock`] when there is none, [`io::ErrorKind::BrokenPipe`] when the reader is gone, or the system's
/// error.
pub(crate) fn write_some(stream: &impl Handle, bytes: &[u8]) -> io::Result<usize> {
    rustix::io::write(stream, bytes).map_err(Errno::into)
}

/// The number of the account under which this process was started, as service managers name a user.
pub(crate) fn user_id() -> String {
    rustix::process::getuid().to_string()
}

/// Waits until the system has all that was written: here it has what [`write_some`] wrote.
///
/// # Errors
///
/// None on this system.
pub(crate) fn is_through(_: &impl Handle, _: Duration) -> io::Result<bool> {
    Ok(true)
}
