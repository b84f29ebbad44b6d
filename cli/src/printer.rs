//! The only place that writes to stdout and stderr.
//!
//! stdout carries the answer and nothing else; messages for people go to stderr. Everything printed passes
//! [`escape::harmless`] (or leaves as ASCII JSON), colours are added after that, and neither a colour nor a progress bar
//! carries meaning. A reader that closes stdout (`| head`) is not an error: further output is dropped. If stdout is open
//! but not read, an answer waits until it is read or a signal comes. A message on stderr waits a moment and is then
//! dropped, so that a full pipe stops no work.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::ProgressBar;
use minimodel::json;
use serde::Serialize;

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;
use crate::json::Event;
use crate::os::NonBlockingStream;
use crate::stream;

/// Longest answer to a question, in bytes: `yes` and some room.
const MAX_REPLY_BYTES: u64 = 256;

/// Most warnings that wait for the next event; more are on stderr alone.
const MAX_WAITING: usize = 100;

/// Longest wait of a line on stderr for room; a line after one that timed out does not wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// Longest wait of the failure that ends a run, even if the line before it timed out.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// Held by the thread that prints an answer, so that answers do not mix.
static TURN: Mutex<()> = Mutex::new(());

/// How a piece of a line looks, where colours are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it is.
    Plain,
    /// Headings and names.
    Strong,
    /// A good result.
    Good,
    /// A warning.
    Warning,
    /// A failure.
    Bad,
}

impl Tone {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Good => Some("32"),
            Self::Warning => Some("33"),
            Self::Bad => Some("1;31"),
        }
    }
}

/// One or more lines in pieces. Made from a plain text, or piece by piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pieces: Vec<(Tone, String)>,
}

impl Line {
    /// Adds a piece.
    pub(crate) fn with(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.pieces.push((tone, text.into()));
        self
    }

    /// Adds all pieces of another line.
    pub(crate) fn followed_by(self, other: Self) -> Self {
        Self { pieces: [self.pieces, other.pieces].concat() }
    }

    /// The text with its line end, coloured or not.
    pub(crate) fn render(&self, is_coloured: bool) -> String {
        let mut out = String::new();
        for (tone, text) in &self.pieces {
            let text = escape::harmless(text);
            // Writing to a String cannot fail.
            let _ = match tone.code().filter(|_| is_coloured) {
                Some(code) => write!(out, "\u{1b}[{code}m{text}\u{1b}[0m"),
                None => write!(out, "{text}"),
            };
        }
        out.push('\n');
        out
    }
}

impl<T: Into<String>> From<T> for Line {
    fn from(text: T) -> Self {
        Self::default().with(Tone::Plain, text)
    }
}

/// How the printer behaves; from [`crate::settings::Settings`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputMode {
    /// Answers and failures are JSON objects.
    pub(crate) is_json: bool,
    /// Nothing but failures and questions on stderr.
    pub(crate) is_quiet: bool,
    /// Details on stderr.
    pub(crate) is_verbose: bool,
    /// Colours on stdout.
    pub(crate) colours_stdout: bool,
    /// Colours on stderr.
    pub(crate) colours_stderr: bool,
}

/// Writer of all output on the process's stdout and stderr.
#[derive(Debug)]
pub(crate) struct Printer {
    output_mode: OutputMode,
    /// True if answers are discarded.
    is_mute: bool,
    has_lost_stdout: AtomicBool,
    /// True if stdout was given up because it was not read, so that an answer is missing.
    was_unread: AtomicBool,
    /// True if the last line on stderr timed out.
    is_clogged: AtomicBool,
    bar: Mutex<Option<ProgressBar>>,
    /// Warnings whose events are not on stdout yet: they go before the next event, so that no thread that warns waits for the
    /// reader of stdout.
    waiting: Mutex<Vec<String>>,
    stdout: NonBlockingStream<io::Stdout>,
    stderr: NonBlockingStream<io::Stderr>,
}

impl Printer {
    /// A printer on the process's own streams.
    pub(crate) fn new(output_mode: OutputMode) -> Self {
        Self {
            output_mode,
            is_mute: false,
            has_lost_stdout: AtomicBool::new(false),
            was_unread: AtomicBool::new(false),
            is_clogged: AtomicBool::new(false),
            bar: Mutex::new(None),
            waiting: Mutex::new(Vec::new()),
            stdout: NonBlockingStream::new(io::stdout()),
            stderr: NonBlockingStream::new(io::stderr()),
        }
    }

    /// A printer for work in the background: answers are discarded, and only warnings go to stderr.
    pub(crate) fn mute() -> Self {
        let output_mode = OutputMode {
            is_json: false,
            is_quiet: true,
            is_verbose: false,
            colours_stdout: false,
            colours_stderr: false,
        };
        Self { is_mute: true, ..Self::new(output_mode) }
    }

    /// Whether answers are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.output_mode.is_json
    }

    /// A line of the answer, on stdout.
    pub(crate) fn answer(&self, line: impl Into<Line>) -> Result<(), Failure> {
        self.answer_bytes(line.into().render(self.output_mode.colours_stdout).as_bytes())
    }

    /// Prints lines of the answer over the last `above` lines of the terminal.
    pub(crate) fn answer_anew(&self, above: usize, lines: &[Line]) -> Result<(), Failure> {
        // Up to the first of these lines (ECMA-48 CUU, then the first column), and erase all below (ED).
        let mut text = if above == 0 { String::new() } else { format!("\u{1b}[{above}A\r\u{1b}[J") };
        lines.iter().for_each(|line| text += &line.render(self.output_mode.colours_stdout));
        self.answer_bytes(text.as_bytes())
    }

    /// True if stdout is not read any more, so that a verb that runs without an end can stop.
    pub(crate) fn has_lost_stdout(&self) -> bool {
        self.has_lost_stdout.load(Ordering::Relaxed)
    }

    /// A path as the answer, alone on its line. A pipe gets it byte for byte, a terminal escaped.
    pub(crate) fn answer_path(&self, path: &Path) -> Result<(), Failure> {
        if io::stdout().is_terminal() {
            return self.answer(escape::path(path).to_string());
        }
        let mut bytes = path.as_os_str().as_encoded_bytes().to_vec();
        bytes.push(b'\n');
        self.answer_bytes(&bytes)
    }

    /// An object as the answer, on one line of stdout.
    pub(crate) fn object<T: Serialize + ?Sized>(&self, object: &T) -> Result<(), Failure> {
        let line = json::line(object).map_err(|error| {
            Failure::unexpected("cannot put the answer into JSON", &anyhow::Error::new(error))
        })?;
        self.answer_bytes(format!("{line}\n").as_bytes())
    }

    /// An event object on stdout, under `--json` only; the warnings before it go first.
    pub(crate) fn event<T: Serialize>(&self, name: &str, fields: T) -> Result<(), Failure> {
        self.flush_warnings()?;
        if self.output_mode.is_json { self.object(&Event::new(name, fields)) } else { Ok(()) }
    }

    /// Puts the events of the warnings so far on stdout, under `--json` only.
    pub(crate) fn flush_warnings(&self) -> Result<(), Failure> {
        let waiting = std::mem::take(&mut *locked(&self.waiting));
        waiting
            .iter()
            .try_for_each(|text| self.object(&Event::new("warning", WarningFields { warning: text })))
    }

    /// An event object on stderr, for events that must not mix with answers (`--progress json`); also with `-q`.
    pub(crate) fn event_beside<T: Serialize>(&self, name: &str, fields: T) {
        if let Ok(line) = json::line(&Event::new(name, fields)) {
            self.tell(&format!("{line}\n"));
        }
    }

    /// Bytes that this program made, as the answer, without escapes (completions, a canonical form).
    pub(crate) fn answer_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        if self.is_mute {
            return Ok(());
        }
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        if self.has_lost_stdout.load(Ordering::Relaxed) {
            return if self.was_unread.load(Ordering::Relaxed) { Err(unread()) } else { Ok(()) };
        }
        let waits = |_| interrupt::came().is_none();
        match self.beside_bar(|| stream::write(&self.stdout, bytes, waits)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.has_lost_stdout.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                self.was_unread.store(true, Ordering::Relaxed);
                self.has_lost_stdout.store(true, Ordering::Relaxed);
                Err(unread())
            }
            Err(error) => Err(Failure::writing("answer", Path::new("/dev/stdout"), &error)),
        }
    }

    /// A message for people, on stderr; not with `-q`.
    pub(crate) fn note(&self, line: impl Into<Line>) {
        if !self.output_mode.is_quiet {
            self.tell(&line.into().render(self.output_mode.colours_stderr));
        }
    }

    /// A detail, on stderr with `-v`.
    pub(crate) fn detail(&self, line: impl Into<Line>) {
        if self.output_mode.is_verbose {
            self.note(line);
        }
    }

    /// A warning, on stderr, also with `-q`; under `--json` it is an event too.
    pub(crate) fn warning(&self, text: &str) {
        self.warning_beside_event(text);
        let mut waiting = locked(&self.waiting);
        if self.output_mode.is_json && waiting.len() < MAX_WAITING {
            waiting.push(text.to_owned());
        }
    }

    /// A warning on stderr alone, of what an event of its own says on stdout.
    pub(crate) fn warning_beside_event(&self, text: &str) {
        let line = Line::default().with(Tone::Warning, "warning:").with(Tone::Plain, format!(" {text}"));
        self.tell(&line.render(self.output_mode.colours_stderr));
    }

    /// A failure: its blocks on stderr, and under `--json` its object on stdout unless the answer reports it already.
    pub(crate) fn failure(&self, failure: &Failure) {
        let mut line = Line::default();
        let blocks = [
            (Tone::Bad, "error:", Some(&failure.error)),
            (Tone::Strong, "cause:", failure.cause.as_ref()),
            (Tone::Strong, "hint:", Some(&failure.hint)),
        ];
        for (index, (tone, name, text)) in blocks.into_iter().enumerate() {
            let Some(text) = text else { continue };
            let gap = if index == 0 { "" } else { "\n" };
            let text = text.trim_end().replace('\n', "\n       ");
            line = line.with(Tone::Plain, gap).with(tone, name).with(Tone::Plain, format!(" {text}"));
        }
        self.tell_within(&line.render(self.output_mode.colours_stderr), LAST_PATIENCE);
        if self.output_mode.is_json && !failure.is_answered {
            let object = FailureObject {
                code: failure.class.code(),
                error: &failure.error,
                cause: failure.cause.as_deref(),
                hint: &failure.hint,
            };
            // An error of stdout cannot be reported on stdout; the block on stderr is there.
            let _ = self.event("error", object);
        }
    }

    /// Asks on stderr and reads one line from stdin, without its line end. `None`: stdin ended.
    pub(crate) fn ask(&self, question: impl Into<Line>) -> io::Result<Option<String>> {
        let prompt = question.into().render(self.output_mode.colours_stderr);
        // Waits without limit, because the user must not agree to a question that was not shown.
        self.tell_within(prompt.trim_end_matches('\n'), Duration::MAX);
        let mut reply = Vec::new();
        interrupt::while_asking(|| io::stdin().lock().take(MAX_REPLY_BYTES).read_until(b'\n', &mut reply))?;
        if reply.is_empty() {
            self.tell("\n");
            return Ok(None);
        }
        Ok(Some(String::from_utf8_lossy(&reply).trim_end_matches(['\n', '\r']).to_owned()))
    }

    /// Writes what a progress bar draws to stderr. A drawing for which there is no room is dropped: the next one
    /// replaces it. It needs no lock, because lines are printed while the bar is suspended.
    pub(crate) fn draw(&self, drawing: &[u8]) {
        let _ = stream::write(&self.stderr, drawing, |_| false);
    }

    /// Sets the bar above which lines are printed from now on; `None` when there is none any more.
    pub(crate) fn set_bar(&self, bar: Option<ProgressBar>) {
        *locked(&self.bar) = bar;
    }

    fn tell(&self, text: &str) {
        let is_clogged = self.is_clogged.load(Ordering::Relaxed);
        self.tell_within(text, if is_clogged { Duration::ZERO } else { PATIENCE });
    }

    /// Writes to stderr. An error is ignored, because there is no other stream on which to report it.
    fn tell_within(&self, text: &str, patience: Duration) {
        let _turn = io::stderr().lock();
        let written =
            self.beside_bar(|| stream::write(&self.stderr, text.as_bytes(), |waited| waited < patience));
        let is_clogged = written.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut);
        self.is_clogged.store(is_clogged, Ordering::Relaxed);
    }

    fn beside_bar<T>(&self, write: impl FnOnce() -> T) -> T {
        let bar = locked(&self.bar).clone();
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The failure for a signal that came while an answer waited to be read.
fn unread() -> Failure {
    let class = interrupt::came().unwrap_or(Exit::Interrupted);
    let hint = "read what it writes, then run the same command again";
    Failure::new(class, "stopped while nobody read the answer on stdout", hint)
}

/// The event object of a failure: `{"event":"error","version":0,"code":..,"error":..,"cause":..,"hint":..}`.
#[derive(Serialize)]
struct FailureObject<'a> {
    code: u8,
    error: &'a str,
    cause: Option<&'a str>,
    hint: &'a str,
}

/// The fields of the event `warning`.
#[derive(Serialize)]
struct WarningFields<'a> {
    warning: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_ours_alone() {
        let line = Line::default().with(Tone::Good, "pass").with(Tone::Plain, " a\u{1b}[31mb");
        assert_eq!(line.render(false), "pass a\\u{1b}[31mb\n");
        assert_eq!(line.render(true), "\u{1b}[32mpass\u{1b}[0m a\\u{1b}[31mb\n");
    }
}
