//! Terminals, pipes and processes of Windows.

use std::fmt;
use std::io::{self, IsTerminal as _, PipeWriter, Write};
use std::os::windows::io::AsHandle;
use std::os::windows::process::CommandExt as _;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use minimodel_swarm::os::keep_streams_from_children;

/// Bytes that are written at once.
pub(crate) const PIECE: usize = 4096;

/// The variable that names the folder of a user's own files, and the folders of this program in it.
pub(crate) const HOME_VARIABLE: &str = "LOCALAPPDATA";
pub(crate) const DATA_FOLDER: &str = r"minimodel\data";
pub(crate) const STATE_FOLDER: &str = r"minimodel\state";

/// `CreateProcess`: without a console, so that the end of none ends it.
const DETACHED_PROCESS: u32 = 0x0000_0008;
/// `CreateProcess`: Ctrl-C of the console in which it was started is none of its business.
const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;

/// Lets this process live on when its terminal is closed: [`detach`] started it without one.
pub(crate) fn outlive_terminal() {}

/// The program that opens an address in the user's browser, and its arguments before the address.
pub(crate) fn browser() -> Option<(&'static str, &'static [&'static str])> {
    Some(("rundll32", &["url.dll,FileProtocolHandler"]))
}

/// Prepares the start of a process that outlives this one and its terminal.
pub(crate) fn detach(command: &mut Command) {
    keep_streams_from_children();
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}

/// Columns and lines of a terminal; `None`: the stream is none.
pub(crate) fn terminal_size(stream: impl Handle) -> Option<(u16, u16)> {
    stream.size()
}

/// A stream that can be written to by another thread.
pub(crate) trait Handle {
    /// The stream once more.
    fn again(&self) -> io::Result<Box<dyn Write + Send>>;
    /// Columns and lines, if it is a terminal.
    fn size(&self) -> Option<(u16, u16)>;
}

fn size_of(stream: impl AsHandle) -> Option<(u16, u16)> {
    terminal_size::terminal_size_of(stream).map(|(columns, lines)| (columns.0, lines.0))
}

impl Handle for io::Stdout {
    fn again(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(io::stdout()))
    }

    fn size(&self) -> Option<(u16, u16)> {
        size_of(self)
    }
}

impl Handle for io::Stderr {
    fn again(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(io::stderr()))
    }

    fn size(&self) -> Option<(u16, u16)> {
        size_of(self)
    }
}

impl Handle for PipeWriter {
    fn again(&self) -> io::Result<Box<dyn Write + Send>> {
        Ok(Box::new(self.try_clone()?))
    }

    fn size(&self) -> Option<(u16, u16)> {
        None
    }
}

impl<S: Handle> Handle for &S {
    fn again(&self) -> io::Result<Box<dyn Write + Send>> {
        (**self).again()
    }

    fn size(&self) -> Option<(u16, u16)> {
        (**self).size()
    }
}

/// A standard stream on which no write waits longer than its caller allows. No call of this system tells whether a pipe or a
/// console has room: a thread of its own writes, one piece at a time, and alone waits for a reader. std turns UTF-8 into what a
/// console takes.
pub(crate) struct NonBlockingStream<S> {
    stream: S,
    /// Started with the first write.
    writer: OnceLock<Arc<Writer>>,
}

impl<S: Handle> NonBlockingStream<S> {
    /// Wraps a stream. A console is told to understand colours.
    pub(crate) fn new(stream: S) -> Self {
        if io::stdout().is_terminal() || io::stderr().is_terminal() {
            let _ = anstyle_query::windows::enable_ansi_colors();
        }
        Self { stream, writer: OnceLock::new() }
    }

    fn writer(&self) -> io::Result<&Arc<Writer>> {
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let writer = Writer::start(self.stream.again()?)?;
        Ok(self.writer.get_or_init(|| writer))
    }
}

impl<S> Drop for NonBlockingStream<S> {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.get() {
            writer.work().is_over = true;
            writer.changed.notify_all();
        }
    }
}

impl<S> fmt::Debug for NonBlockingStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NonBlockingStream").finish_non_exhaustive()
    }
}

/// What the thread of a stream and its callers share.
#[derive(Debug, Default)]
struct Writer {
    work: Mutex<Work>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    /// The piece that is to be written, or is being written.
    piece: Vec<u8>,
    failure: Option<io::ErrorKind>,
    is_over: bool,
}

impl Writer {
    fn start(mut stream: Box<dyn Write + Send>) -> io::Result<Arc<Self>> {
        let writer = Arc::new(Self::default());
        let ours = writer.clone();
        let write = move || {
            while let Some(piece) = ours.next_piece() {
                let written = stream.write_all(&piece).and_then(|()| stream.flush());
                let mut work = ours.work();
                work.failure = written.err().map(|error| error.kind());
                work.piece.clear();
                ours.changed.notify_all();
            }
        };
        std::thread::Builder::new().name("output".into()).spawn(write)?;
        Ok(writer)
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a piece; `None` when there will be none.
    fn next_piece(&self) -> Option<Vec<u8>> {
        let is_idle = |work: &mut Work| work.piece.is_empty() && !work.is_over;
        let work = self.changed.wait_while(self.work(), is_idle).unwrap_or_else(PoisonError::into_inner);
        (!work.piece.is_empty()).then(|| work.piece.clone())
    }

    /// Waits at most this long until all is written.
    fn wait(&self, wait: Duration) -> MutexGuard<'_, Work> {
        let is_busy = |work: &mut Work| !work.piece.is_empty();
        let waited = self.changed.wait_timeout_while(self.work(), wait, is_busy);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Waits at most this long for a stream to have room; false if it has none then. A closed pipe counts as room: the write then
/// fails.
///
/// # Errors
///
/// The system's error.
pub(crate) fn has_room<S: Handle>(stream: &NonBlockingStream<S>, wait: Duration) -> io::Result<bool> {
    Ok(stream.writer()?.wait(wait).piece.is_empty())
}

/// Writes what there is room for.
///
/// # Errors
///
/// [`io::ErrorKind::WouldBlock`] when there is none, [`io::ErrorKind::BrokenPipe`] when the reader is gone, or the system's
/// error.
pub(crate) fn write_some<S: Handle>(stream: &NonBlockingStream<S>, bytes: &[u8]) -> io::Result<usize> {
    let writer = stream.writer()?;
    let mut work = writer.work();
    if let Some(failure) = work.failure.take() {
        return Err(failure.into());
    }
    if !work.piece.is_empty() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    work.piece.extend_from_slice(bytes);
    writer.changed.notify_all();
    Ok(bytes.len())
}

/// Waits at most this long until the system has all that was written; false if it has not. The process must not end before.
///
/// # Errors
///
/// As [`write_some`], of a write before.
pub(crate) fn is_through<S: Handle>(stream: &NonBlockingStream<S>, wait: Duration) -> io::Result<bool> {
    let mut work = stream.writer()?.wait(wait);
    match work.failure.take() {
        Some(failure) => Err(failure.into()),
        None => Ok(work.piece.is_empty()),
    }
}

/// Users have no number here, and no service manager asks for one.
pub(crate) fn user_id() -> String {
    String::new()
}
