//! Writes to a stream that may be a pipe without a reader, or a stopped terminal.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::termios::{isatty, ttyname};

/// Bytes that a pipe with any room takes at once: PIPE_BUF, which is at least 512 by POSIX.
const PIECE: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// Interval at which a waiting writer asks whether to wait any longer.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A standard stream on which no write waits longer than its caller allows. A terminal with little room blocks a longer
/// write until there is more room, or for ever if the user stopped it. A terminal is therefore opened once more, and
/// only that opening is non-blocking: other processes on the same terminal are not affected.
pub(crate) struct NonBlockingStream<S> {
    stream: S,
    terminal: Option<OwnedFd>,
}

impl<S: AsFd> NonBlockingStream<S> {
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

impl<S: AsFd> AsFd for NonBlockingStream<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.terminal.as_ref().map_or_else(|| self.stream.as_fd(), AsFd::as_fd)
    }
}

impl<S> fmt::Debug for NonBlockingStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NonBlockingStream").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

/// Writes all of `bytes`, waiting for room as long as `waits` is true of the time already waited.
///
/// # Errors
///
/// [`io::ErrorKind::TimedOut`] when it waits no longer, [`io::ErrorKind::BrokenPipe`] when the reader is gone; the bytes
/// for which there was room are written.
pub(crate) fn write(stream: impl AsFd, bytes: &[u8], waits: impl Fn(Duration) -> bool) -> io::Result<()> {
    let (mut rest, start) = (bytes, Instant::now());
    while !rest.is_empty() {
        wait_for_room(&stream, &waits)?;
        let piece = rest.get(..PIECE).unwrap_or(rest);
        match rustix::io::write(&stream, piece) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Another process on the stream may have made it non-blocking, or filled it just now.
            Err(Errno::AGAIN) if waits(start.elapsed()) => std::thread::sleep(LOOK_EVERY),
            Err(Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn wait_for_room(stream: &impl AsFd, waits: &impl Fn(Duration) -> bool) -> io::Result<()> {
    let start = Instant::now();
    // The first poll does not wait, so that a caller without patience gets its error at once.
    let mut slice = Timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        // A closed pipe counts as room: the write then fails.
        match poll(&mut [PollFd::new(stream, PollFlags::OUT)], Some(&slice)) {
            Ok(0) | Err(Errno::INTR) if waits(start.elapsed()) => {
                slice.tv_nsec = LOOK_EVERY.subsec_nanos().into();
            }
            Ok(0) | Err(Errno::INTR) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, pipe};

    use super::*;

    // Rows: G3
    #[test]
    fn what_does_not_fit_is_waited_for_only_as_long_as_said() {
        let (mut reader, writer) = pipe().unwrap();
        let text = vec![b'x'; 1 << 20];
        let start = Instant::now();
        let error = write(&writer, &text, |waited| waited < Duration::from_millis(120)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() >= Duration::from_millis(120));
        // With a reader everything arrives.
        let all = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all.len())
        });
        write(&writer, &text, |_| true).unwrap();
        drop(writer);
        let fitted = all.join().unwrap().unwrap() - text.len();
        assert!((1..text.len()).contains(&fitted), "{fitted}");
    }

    // Rows: G3
    #[test]
    fn a_reader_that_is_gone_is_told_at_once() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        assert_eq!(write(&writer, b"x", |_| true).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
