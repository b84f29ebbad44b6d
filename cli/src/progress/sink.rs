//! The three ways to show progress: a bar, plain lines, JSON objects.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use serde::Serialize;

use crate::os;
use crate::printer::Printer;
use crate::size::{show_duration, show_rate, show_size};

/// Interval at which the count is sampled; a sink draws at its own pace, not more often.
pub(super) const SAMPLE_EVERY: Duration = Duration::from_millis(250);

/// The state of the work at one moment.
#[derive(Debug)]
pub(super) struct Snapshot<'a> {
    pub(super) label: &'a str,
    pub(super) aside: String,
    pub(super) proven_bytes: u64,
    pub(super) total_bytes: u64,
    pub(super) bytes_per_second: Option<u64>,
    pub(super) left: Option<Duration>,
    pub(super) idle: Option<&'static str>,
}

impl Snapshot<'_> {
    /// `12.0 MiB of 256.0 MiB, 35.2 MiB/s, 7 s left, 3 peers`.
    fn text(&self) -> String {
        let mut text = format!("{} of {}", show_size(self.proven_bytes), show_size(self.total_bytes));
        match (self.bytes_per_second, self.left) {
            (Some(rate), Some(left)) => {
                text += &format!(", {}, {} left", show_rate(rate), show_duration(left));
            }
            (Some(0), _) if self.proven_bytes < self.total_bytes => text += ", nothing moves",
            _ => {}
        }
        if !self.aside.is_empty() {
            text += ", ";
            text += &self.aside;
        }
        text
    }
}

/// Draws snapshots.
pub(super) trait Sink: Send {
    /// The least time between two drawings.
    fn pace(&self) -> Duration;
    /// Draws.
    fn tick(&mut self, snapshot: &Snapshot<'_>);
    /// Ends the drawing when the work is over, done or not; the caller reports the result.
    fn end(&mut self) {}
}

/// A bar on stderr that goes away at the end.
pub(super) struct Bar {
    printer: Arc<Printer>,
    bar: ProgressBar,
}

impl Bar {
    pub(super) fn new(printer: Arc<Printer>, total_bytes: u64) -> Self {
        let bar = ProgressBar::with_draw_target(
            Some(total_bytes),
            ProgressDrawTarget::term_like(Box::new(Canvas::new(&printer))),
        );
        // The template is a constant; should it ever be wrong, indicatif's own bar is shown.
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:24}] {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        printer.set_bar(Some(bar.clone()));
        Self { printer, bar }
    }
}

/// Terminal of a bar, which collects a whole drawing and writes it without waiting. The terminal of indicatif waits
/// until a write is done, which is for ever if the user has stopped the terminal.
#[derive(Debug)]
struct Canvas {
    printer: Arc<Printer>,
    drawing: Mutex<String>,
}

impl Canvas {
    fn new(printer: &Arc<Printer>) -> Self {
        Self { printer: Arc::clone(printer), drawing: Mutex::default() }
    }

    fn add(&self, text: &str) -> io::Result<()> {
        *self.drawing.lock().unwrap_or_else(PoisonError::into_inner) += text;
        Ok(())
    }

    /// A cursor movement of ECMA-48: `count` times in the direction of `letter`.
    fn go(&self, count: usize, letter: char) -> io::Result<()> {
        if count == 0 { Ok(()) } else { self.add(&format!("\u{1b}[{count}{letter}")) }
    }
}

/// Size assumed of a terminal that does not report its own.
const USUAL_SIZE: (u16, u16) = (80, 24);

fn size() -> (u16, u16) {
    let said = os::terminal_size(io::stderr());
    said.filter(|&(columns, rows)| columns > 0 && rows > 0).unwrap_or(USUAL_SIZE)
}

impl TermLike for Canvas {
    fn width(&self) -> u16 {
        size().0
    }

    fn height(&self) -> u16 {
        size().1
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.go(count, 'A')
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.go(count, 'B')
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.go(count, 'C')
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.go(count, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(text)?;
        self.add("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let drawing = std::mem::take(&mut *self.drawing.lock().unwrap_or_else(PoisonError::into_inner));
        self.printer.draw(drawing.as_bytes());
        Ok(())
    }
}

impl Sink for Bar {
    fn pace(&self) -> Duration {
        SAMPLE_EVERY
    }

    fn tick(&mut self, snapshot: &Snapshot<'_>) {
        self.bar.set_prefix(snapshot.label.to_owned());
        self.bar.set_message(snapshot.text());
        self.bar.set_position(snapshot.proven_bytes);
    }

    fn end(&mut self) {
        self.printer.set_bar(None);
        self.bar.finish_and_clear();
    }
}

/// A line on stderr every ten seconds.
pub(super) struct Plain {
    printer: Arc<Printer>,
}

impl Plain {
    pub(super) fn new(printer: Arc<Printer>) -> Self {
        Self { printer }
    }
}

impl Sink for Plain {
    fn pace(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn tick(&mut self, snapshot: &Snapshot<'_>) {
        self.printer.note(format!("{}: {}", snapshot.label, snapshot.text()));
    }
}

/// A `progress` object every second.
pub(super) struct Json {
    printer: Arc<Printer>,
    goes_to_stdout: bool,
}

impl Json {
    pub(super) fn new(printer: Arc<Printer>, goes_to_stdout: bool) -> Self {
        let goes_to_stdout = goes_to_stdout && printer.is_json();
        Self { printer, goes_to_stdout }
    }
}

/// The fields of a `progress` event.
#[derive(Serialize)]
struct ProgressFields<'a> {
    label: &'a str,
    proven_bytes: u64,
    total_bytes: u64,
    bytes_per_second: Option<u64>,
    seconds_left: Option<u64>,
    idle: Option<&'static str>,
}

impl Sink for Json {
    fn pace(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn tick(&mut self, snapshot: &Snapshot<'_>) {
        let fields = ProgressFields {
            label: snapshot.label,
            proven_bytes: snapshot.proven_bytes,
            total_bytes: snapshot.total_bytes,
            bytes_per_second: snapshot.bytes_per_second,
            seconds_left: snapshot.left.map(|left| left.as_secs()),
            idle: snapshot.idle,
        };
        // A broken stdout ends the verb at its answer; progress alone does not.
        if self.goes_to_stdout {
            let _ = self.printer.event("progress", fields);
        } else {
            self.printer.event_beside("progress", fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_a_sentence() {
        let mut snapshot = Snapshot {
            label: "fetch",
            aside: String::new(),
            proven_bytes: 12 << 20,
            total_bytes: 256 << 20,
            bytes_per_second: None,
            left: None,
            idle: None,
        };
        assert_eq!(snapshot.text(), "12.0 MiB of 256.0 MiB");
        snapshot.bytes_per_second = Some(0);
        snapshot.aside = "3 peers".into();
        assert_eq!(snapshot.text(), "12.0 MiB of 256.0 MiB, nothing moves, 3 peers");
        snapshot.bytes_per_second = Some(35 << 20);
        snapshot.left = Some(Duration::from_secs(7));
        assert_eq!(snapshot.text(), "12.0 MiB of 256.0 MiB, 35.0 MiB/s, 7 s left, 3 peers");
    }
}
