//! Processes that run beside a test: their output is collected, and none outlives the test.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Read, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use minimodel_wire::SignedOffer;
use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;

use crate::home::{Home, Ran};

/// Far longer than any step takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// `--listen` for a seeder at a loopback address of its own: when that seeder has ended, no seeder of another test
/// gets its port and answers a fetcher that still dials it.
pub(crate) fn own_host() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    // Each test may be a process of its own: two numbers of the address are of the process, one counts within it.
    format!("127.{}.{}.{}:0", 64 + process / 256 % 128, process % 256, 1 + count % 250)
}

/// Output of a stream so far. NUL marks its end.
#[derive(Clone, Default)]
struct Said(Arc<(Mutex<String>, Condvar)>);

impl Said {
    fn collect(&self, stream: impl Read + Send + 'static) {
        let said = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let mut text = said.text();
                text.push_str(&String::from_utf8_lossy(&line));
                text.push('\n');
                said.0.1.notify_all();
            }
            said.text().push('\0');
            said.0.1.notify_all();
        });
    }

    fn text(&self) -> MutexGuard<'_, String> {
        self.0.0.lock().unwrap()
    }

    /// Waits until `find` returns a value for the text.
    #[track_caller]
    fn wait_for<T>(&self, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        let mut text = self.text();
        loop {
            if let Some(found) = find(&text) {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !text.ends_with('\0'), "no {what} in: {text}");
            text = self.0.1.wait_timeout(text, left).unwrap().0;
        }
    }

    /// The whole text, once the stream has ended.
    #[track_caller]
    fn whole(&self) -> String {
        self.wait_for("end", |text| text.strip_suffix('\0').map(str::to_owned))
    }
}

/// An address with a free port at which no process listens.
pub(crate) fn own_port() -> SocketAddr {
    let socket = UdpSocket::bind(own_host()).unwrap();
    let address = socket.local_addr().unwrap();
    release(socket);
    address
}

/// Closes a socket, and returns when its port is free.
pub(crate) fn release(socket: UdpSocket) {
    let address = socket.local_addr().unwrap();
    drop(socket);
    take(address);
}

/// Binds a port that was just released. A child of another thread holds a copy of the socket between its fork and its
/// exec, so the port may stay in use for a moment.
#[track_caller]
pub(crate) fn take(address: SocketAddr) -> UdpSocket {
    let until = Instant::now() + PATIENCE;
    loop {
        match UdpSocket::bind(address) {
            Ok(socket) => return socket,
            Err(error) => assert!(Instant::now() < until, "{address} is not free: {error}"),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A running process, killed on drop.
pub(crate) struct Running {
    child: Child,
    stdout: Said,
    stderr: Said,
}

impl Running {
    /// Starts a command with both streams collected.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_on(command, None, None)
    }

    /// Starts a command with the given streams in place of collected ones.
    pub(crate) fn start_on(command: &mut Command, stdout: Option<Stdio>, stderr: Option<Stdio>) -> Self {
        command.stdout(stdout.unwrap_or_else(Stdio::piped)).stderr(stderr.unwrap_or_else(Stdio::piped));
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (Said::default(), Said::default());
        match child.stdout.take() {
            Some(stream) => stdout.collect(stream),
            None => stdout.text().push('\0'),
        }
        match child.stderr.take() {
            Some(stream) => stderr.collect(stream),
            None => stderr.text().push('\0'),
        }
        Self { child, stdout, stderr }
    }

    /// A seeder at its [own host](own_host), unless `--listen` says otherwise: `seed MANIFEST FILE` and more
    /// arguments.
    #[track_caller]
    pub(crate) fn seed<S: AsRef<OsStr>>(home: &Home, arguments: impl IntoIterator<Item = S>) -> Self {
        let mut command = home.command(["seed", "--consent", "serve"]);
        command.env("MINIMODEL_LISTEN", own_host());
        let running = Self::start(command.args(arguments));
        running.offer();
        running
    }

    /// The offer that the seeder printed: the first line of stdout, or the event under `--json`.
    #[track_caller]
    pub(crate) fn offer(&self) -> String {
        self.stdout.wait_for("offer", |text| {
            if text.starts_with('{') {
                let event = events(text, "offer").next()?;
                return event["offer"].as_str().map(str::to_owned);
            }
            first_line(text)
        })
    }

    /// The first line of stdout: the answer of a verb that keeps running.
    #[track_caller]
    pub(crate) fn answer(&self) -> String {
        self.stdout.wait_for("answer", first_line)
    }

    /// The address at which the seeder listens.
    #[track_caller]
    pub(crate) fn address(&self) -> SocketAddr {
        self.offer().parse::<SignedOffer>().unwrap().offer().addresses[0]
    }

    /// The peer id in the seeder's offer.
    #[track_caller]
    pub(crate) fn peer(&self) -> String {
        self.offer().parse::<SignedOffer>().unwrap().offer().peer.to_string()
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until stderr contains `words`.
    #[track_caller]
    pub(crate) fn wait_until_said(&self, words: &str) {
        self.stderr.wait_for(words, |text| text.contains(words).then_some(()));
    }

    /// Waits until `find` returns a value for the text of stdout.
    #[track_caller]
    pub(crate) fn wait_for_stdout<T>(&self, what: &str, find: impl FnMut(&str) -> Option<T>) -> T {
        self.stdout.wait_for(what, find)
    }

    /// Waits for the first event of a name on stdout.
    #[track_caller]
    pub(crate) fn wait_for_event(&self, name: &str) -> Value {
        self.wait_for_stdout(name, |text| events(text, name).next())
    }

    /// Sends a signal to this child.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether stdout contains `words` by now.
    pub(crate) fn has_said(&self, words: &str) -> bool {
        self.stdout.text().contains(words)
    }

    /// Whether the process has ended by now.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end of the process, by an exit or a signal.
    #[track_caller]
    pub(crate) fn fate(mut self) -> Fate {
        let status = self.await_end(PATIENCE);
        Fate { status, stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }

    #[track_caller]
    fn await_end(&mut self, patience: Duration) -> ExitStatus {
        let until = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "still running after {patience:?}: {}", *self.stderr.text());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the process to exit.
    #[track_caller]
    pub(crate) fn end(self) -> Ran {
        self.end_within(PATIENCE)
    }

    /// Waits for the process to exit, which must happen within `patience`.
    #[track_caller]
    pub(crate) fn end_within(mut self, patience: Duration) -> Ran {
        let status = self.await_end(patience);
        let (stdout, stderr) = (self.stdout.whole(), self.stderr.whole());
        let code = status.code().unwrap_or_else(|| panic!("{status}: {stderr}"));
        Ran { code, stdout, stderr }
    }

    /// Sends SIGINT, as Ctrl-C does, and waits for the exit.
    #[track_caller]
    pub(crate) fn stop(self) -> Ran {
        self.signal(Signal::INT);
        self.end()
    }

    /// Sends SIGKILL: no handler runs, nothing is flushed. Returns stdout; the process is gone by then.
    #[track_caller]
    pub(crate) fn kill(mut self) -> String {
        // The process may have ended by itself.
        let _ = self.child.kill();
        self.await_end(PATIENCE);
        self.stdout.whole()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// End of a process, by an exit or a signal.
#[derive(Debug)]
pub(crate) struct Fate {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Fate {
    /// Whether SIGKILL ended it.
    pub(crate) fn is_killed(&self) -> bool {
        self.status.signal() == Some(Signal::KILL.as_raw())
    }
}

/// A pseudo terminal: the side of the user, and the side of a process.
pub(crate) fn terminal() -> (File, OwnedFd) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap();
    let process = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (File::from(person), process)
}

/// A pipe without a reading process, filled to its last byte.
pub(crate) fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    fill(&writer);
    (reader, writer)
}

/// Writes until no further byte fits.
pub(crate) fn fill(stream: impl AsFd) {
    fcntl_setfl(&stream, OFlags::NONBLOCK).unwrap();
    for piece in [&[b'.'; 4096][..], b"."] {
        while rustix::io::write(&stream, piece).is_ok() {}
    }
    fcntl_setfl(&stream, OFlags::empty()).unwrap();
}

/// What was written to such a pipe afterwards, once it has no writer any more.
pub(crate) fn drained(mut reader: PipeReader) -> String {
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    all.trim_start_matches('.').to_owned()
}

fn first_line(text: &str) -> Option<String> {
    Some(text.split_once('\n')?.0.to_owned())
}

/// The events of a name in an NDJSON stream, whole lines only.
pub(crate) fn events<'a>(stream: &'a str, name: &'a str) -> impl Iterator<Item = Value> + 'a {
    let whole = stream.rfind('\n').map_or("", |end| &stream[..end]);
    let objects = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    objects.filter(move |object| object["event"] == name)
}

/// The one event of a name.
#[track_caller]
pub(crate) fn event(stream: &str, name: &str) -> Value {
    let mut all = events(stream, name);
    let first = all.next().unwrap_or_else(|| panic!("no {name} in: {stream}"));
    assert!(all.next().is_none(), "more than one {name} in: {stream}");
    first
}

/// End of each question.
pub(crate) const PROMPT: &str = " to agree: ";

/// Runs a verb at a terminal and gives one answer a question. Returns all that was shown until the last answer, and
/// the process.
pub(crate) fn answer(home: &Home, line: &[&str], words: &[&str]) -> (String, Running) {
    answer_command(home.command(line), words)
}

/// Runs a command as `answer` does.
pub(crate) fn answer_command(mut command: Command, words: &[&str]) -> (String, Running) {
    let (mut person, process) = terminal();
    command.stdin(Stdio::from(process.try_clone().unwrap()));
    let running = Running::start_on(&mut command, None, Some(process.into()));
    drop(command);
    let (mut shown, mut piece) = (String::new(), [0; 4096]);
    for (asked, word) in words.iter().enumerate() {
        while shown.matches(PROMPT).count() <= asked {
            let count = person.read(&mut piece).unwrap_or_else(|error| panic!("{error} behind: {shown}"));
            shown += &String::from_utf8_lossy(&piece[..count]);
        }
        person.write_all(format!("{word}\n").as_bytes()).unwrap();
    }
    // Drains the terminal, so that later output does not fill it.
    std::thread::spawn(move || while person.read(&mut piece).is_ok_and(|count| count > 0) {});
    (without_colours(&shown), running)
}

/// What a terminal shows, without the codes for colours.
pub(crate) fn without_colours(shown: &str) -> String {
    let mut pieces = shown.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('m').map_or(piece, |(_, rest)| rest))
}

/// Runs a verb as `answer` does; returns the last line of each question, and the process.
pub(crate) fn ask(home: &Home, line: &[&str], words: &[&str]) -> (Vec<String>, Running) {
    let (shown, running) = answer(home, line, words);
    let asked = shown.match_indices(PROMPT).map(|(at, _)| shown[..at].lines().last().unwrap().to_owned());
    (asked.collect(), running)
}
