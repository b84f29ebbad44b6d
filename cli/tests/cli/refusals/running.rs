//! Processes that run for a while beside the test: what they say is collected, and none outlives its scenario.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use minimodel_wire::SignedOffer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::home::{Home, Ran};

/// Far longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a stream has said so far.
#[derive(Clone, Default)]
struct Said(Arc<(Mutex<String>, Condvar)>);

impl Said {
    fn collect(&self, stream: impl Read + Send + 'static) {
        let said = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let mut text = said.text();
                text.push_str(&String::from_utf8(line.unwrap()).unwrap());
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

    /// Waits until `find` finds something in it.
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

    /// All of it, once the stream has ended.
    fn whole(&self) -> String {
        self.wait_for("end", |text| text.strip_suffix('\0').map(str::to_owned))
    }
}

/// A process that runs; it is killed when this goes.
pub(super) struct Running {
    child: Child,
    stdout: Said,
    stderr: Said,
}

impl Running {
    /// Starts a command with both streams collected.
    pub(super) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (Said::default(), Said::default());
        stdout.collect(child.stdout.take().unwrap());
        stderr.collect(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// A seeder that serves on loopback: `seed MANIFEST FILE` and more.
    pub(super) fn seed<S: AsRef<OsStr>>(home: &Home, arguments: impl IntoIterator<Item = S>) -> Self {
        let mut command = home.command(["seed", "--listen", "127.0.0.1:0", "--consent", "serve"]);
        let running = Self::start(command.args(arguments));
        running.offer();
        running
    }

    /// The offer of a seeder.
    #[track_caller]
    pub(super) fn offer(&self) -> String {
        self.stdout.wait_for("offer", |text| Some(text.split_once('\n')?.0.to_owned()))
    }

    /// Where a seeder listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.offer().parse::<SignedOffer>().unwrap().offer().addresses[0]
    }

    /// The id of a seeder.
    pub(super) fn peer(&self) -> String {
        self.offer().parse::<SignedOffer>().unwrap().offer().peer.to_string()
    }

    /// The process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a stream for people has said `words`.
    #[track_caller]
    pub(super) fn wait_until_said(&self, words: &str) {
        self.stderr.wait_for(words, |text| text.contains(words).then_some(()));
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its own end.
    #[track_caller]
    pub(super) fn end(mut self) -> Ran {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "still running: {}", *self.stderr.text());
            std::thread::sleep(Duration::from_millis(5));
        };
        let (stdout, stderr) = (self.stdout.whole(), self.stderr.whole());
        let code = status.code().unwrap_or_else(|| panic!("{status}: {stderr}"));
        Ran { code, stdout, stderr }
    }

    /// Asks it to stop, as Ctrl-C does, and waits.
    #[track_caller]
    pub(super) fn stop(self) -> Ran {
        self.signal(Signal::INT);
        self.end()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The events of a name in an NDJSON stream, whole lines only.
pub(super) fn events<'a>(stream: &'a str, name: &'a str) -> impl Iterator<Item = Value> + 'a {
    let whole = stream.rfind('\n').map_or("", |end| &stream[..end]);
    let objects = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    objects.filter(move |object| object["event"] == name)
}

/// The one event of a name.
#[track_caller]
pub(super) fn event(stream: &str, name: &str) -> Value {
    let mut all = events(stream, name);
    let first = all.next().unwrap_or_else(|| panic!("no {name} in: {stream}"));
    assert!(all.next().is_none(), "more than one {name} in: {stream}");
    first
}
