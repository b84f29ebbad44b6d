//! Writes to a stream that may be a pipe without a reader, or a stopped terminal.

use std::io;
use std::time::{Duration, Instant};

use crate::os::{self, Handle, NonBlockingStream, PIECE};

/// Interval at which a waiting writer asks whether to wait any longer.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Writes all of `bytes`, waiting for room as long as `waits` is true of the time already waited.
///
/// # Errors
///
/// [`io::ErrorKind::TimedOut`] when it waits no longer, [`io::ErrorKind::BrokenPipe`] when the reader is gone; the bytes
/// for which there was room are written.
pub(crate) fn write<S: Handle>(
    stream: &NonBlockingStream<S>,
    bytes: &[u8],
    waits: impl Fn(Duration) -> bool,
) -> io::Result<()> {
    let (mut rest, start) = (bytes, Instant::now());
    while !rest.is_empty() {
        wait(|slice| os::has_room(stream, slice), &waits)?;
        let piece = rest.get(..PIECE).unwrap_or(rest);
        match os::write_some(stream, piece) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                // Another process on the stream may have made it non-blocking, or filled it just now.
                io::ErrorKind::WouldBlock if waits(start.elapsed()) => std::thread::sleep(LOOK_EVERY),
                io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                _ => return Err(error),
            },
        }
    }
    wait(|slice| os::is_through(stream, slice), &waits)
}

/// Waits until the stream is ready, as long as `waits` is true. `is_ready` waits no longer than it is told.
fn wait(
    is_ready: impl Fn(Duration) -> io::Result<bool>,
    waits: &impl Fn(Duration) -> bool,
) -> io::Result<()> {
    let start = Instant::now();
    // The first look does not wait, so that a caller without patience gets its error at once.
    let mut slice = Duration::ZERO;
    loop {
        let is_there = match is_ready(slice) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => false,
            answer => answer?,
        };
        if is_there {
            return Ok(());
        }
        if !waits(start.elapsed()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        slice = LOOK_EVERY;
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
        let writer = NonBlockingStream::new(writer);
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
        let writer = NonBlockingStream::new(writer);
        drop(reader);
        assert_eq!(write(&writer, b"x", |_| true).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
