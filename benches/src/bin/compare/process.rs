//! Child processes: their lines with the time they came, their CPU seconds to the nanosecond, and their end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::procfs;

/// Process IDs of live children, so that an interrupted comparison leaves none behind.
static ALIVE: Mutex<Vec<i32>> = Mutex::new(Vec::new());
/// Time that a process gets to end by itself.
const GRACE: Duration = Duration::from_secs(10);

fn alive() -> MutexGuard<'static, Vec<i32>> {
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills every process that was started here and still runs. No further process starts while the returned guard is held.
pub(crate) fn end_all() -> MutexGuard<'static, Vec<i32>> {
    let alive = alive();
    for pid in alive.iter() {
        for member in procfs::family(*pid) {
            let _ = kill(Pid::from_raw(member), Signal::SIGKILL);
        }
    }
    alive
}

/// User and system seconds of a process and its living children; also of an ended process, until it is waited for.
pub(crate) fn cpu_seconds(pid: i32) -> f64 {
    let of = |pid: i32| -> Option<f64> {
        let clock = clock_getcpuclockid(Pid::from_raw(pid)).ok()?;
        Some(Duration::from(clock_gettime(clock).ok()?).as_secs_f64())
    };
    procfs::family(pid).into_iter().filter_map(of).sum()
}

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) at: Instant,
    pub(crate) cpu: f64,
    pub(crate) success: bool,
}

/// A child process.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<(Instant, String)>,
    ending: Receiver<Ended>,
    ended: Option<Ended>,
    log: PathBuf,
}

impl Process {
    /// Starts a command. Its stderr goes to `log`, of which failures show the end.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self, String> {
        let name =
            Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stderr =
            File::create(log).map_err(|error| format!("cannot create {}: {error}", log.display()))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut alive = alive();
        let mut child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
        let pid = child.id().cast_signed();
        alive.push(pid);
        drop(alive);
        let (tell_line, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || read_lines(BufReader::new(stdout), &tell_line));
        }
        let (tell_end, ending) = channel();
        std::thread::spawn(move || watch(pid, &tell_end));
        let stdin = child.stdin.take();
        Ok(Self { name, child, stdin, lines, ending, ended: None, log: log.to_owned() })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// CPU seconds until now, or until its end.
    pub(crate) fn cpu(&self) -> f64 {
        self.ended.map_or_else(|| cpu_seconds(self.pid()), |ended| ended.cpu)
    }

    /// The next line of its stdout and the time at which it came.
    pub(crate) fn line(&self, limit: Duration) -> Result<(Instant, String), String> {
        self.lines.recv_timeout(limit).map_err(|error| self.failure(&format!("said nothing ({error})")))
    }

    /// Writes a line to its stdin, which the drivers of other programs take as "go" and as "end".
    pub(crate) fn go(&mut self) -> Result<(), String> {
        let written = self.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(b"\n"));
        written.map_err(|error| self.failure(&format!("takes no input ({error})")))
    }

    /// Waits until it ends by itself, with success.
    pub(crate) fn end(&mut self, limit: Duration) -> Result<Ended, String> {
        let ended = match self.ended {
            Some(ended) => ended,
            None => self
                .ending
                .recv_timeout(limit)
                .map_err(|_| self.failure("did not end in time; see --limit"))?,
        };
        self.reap(ended);
        if ended.success { Ok(ended) } else { Err(self.failure("failed")) }
    }

    /// Ends it: by a line, then by its input's end, then by signals.
    pub(crate) fn stop(&mut self) {
        let _ = self.go();
        self.stdin = None;
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            if self.ended.is_some() {
                return;
            }
            let _ = kill(Pid::from_raw(self.pid()), signal);
            if let Ok(ended) = self.ending.recv_timeout(GRACE) {
                self.reap(ended);
            }
        }
    }

    /// Lets a driver end by itself on a line, so that what it still writes is written.
    pub(crate) fn dismiss(&mut self) {
        let _ = self.go();
        if let Ok(ended) = self.ending.recv_timeout(GRACE) {
            self.reap(ended);
        }
        self.stop();
    }

    fn reap(&mut self, ended: Ended) {
        if self.ended.is_none() {
            let pid = self.pid();
            alive().retain(|other| *other != pid);
            let _ = self.child.wait();
            self.ended = Some(ended);
        }
    }

    fn failure(&self, what: &str) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(4).collect();
        format!("{} {what}: {}", self.name, last.into_iter().rev().collect::<Vec<_>>().join(" / "))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

fn read_lines(reader: impl BufRead, tell: &Sender<(Instant, String)>) {
    for line in reader.lines().map_while(Result::ok) {
        if tell.send((Instant::now(), line)).is_err() {
            return;
        }
    }
}

/// Waits for the end without reaping the process, so that its clock can still be read.
fn watch(pid: i32, tell: &Sender<Ended>) {
    let id = Pid::from_raw(pid);
    if let Ok(status) = waitid(Id::Pid(id), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
        let at = Instant::now();
        let cpu = cpu_seconds(pid);
        let _ = tell.send(Ended { at, cpu, success: matches!(status, WaitStatus::Exited(_, 0)) });
    }
}

/// What a command prints, stdout and stderr together; for versions and for work outside the measurement.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("cannot start {name}: {error}"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    if output.status.success() { Ok(text) } else { Err(format!("{name} failed: {text}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (tempfile::TempDir, Process) {
        let folder = tempfile::tempdir().unwrap();
        let process =
            Process::start(Command::new("sh").args(["-c", script]), &folder.path().join("log")).unwrap();
        (folder, process)
    }

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn a_child_speaks_hears_and_ends_with_its_cpu_time_known() {
        let script = "echo ready; read x; i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; echo done";
        let (_folder, mut process) = shell(script);
        let (ready, line) = process.line(LIMIT).unwrap();
        assert_eq!(line, "ready");
        let before = process.cpu();
        process.go().unwrap();
        let (done, line) = process.line(LIMIT).unwrap();
        assert_eq!(line, "done");
        let ended = process.end(LIMIT).unwrap();
        // A line is dated when it is read, which on a busy machine may be after the end.
        assert!(ready < done && ready < ended.at);
        assert!(ended.cpu > before && ended.cpu < 20.0, "{} {}", ended.cpu, before);
        assert_eq!(process.cpu(), ended.cpu);
    }

    #[test]
    fn a_failure_shows_the_end_of_stderr() {
        let (_folder, mut process) = shell("echo one >&2; echo the reason >&2; exit 3");
        let told = process.end(LIMIT).unwrap_err();
        assert!(told.contains("failed") && told.contains("the reason"), "{told}");
    }

    #[test]
    fn a_child_that_does_not_listen_is_ended() {
        let (_folder, mut process) = shell("exec sleep 1000");
        let pid = process.pid();
        process.stop();
        assert!(process.ended.is_some_and(|ended| !ended.success));
        assert!(!alive().contains(&pid));
    }
}
