//! Bob: `minimodel fetch` in a process of its own, watched through its JSON events.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use minimodel_verifier::Manifest;
use serde_json::Value;

use super::story::Story;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::program;

/// Time limit of each fetch; the demo promises to end within a minute.
const PATIENCE: Duration = Duration::from_secs(50);
/// Interval at which the growing file and the events are polled.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The fetching command, and the paths of its files.
pub(super) struct Fetcher {
    folder: PathBuf,
    manifest: Arc<Manifest>,
    manifest_path: PathBuf,
    offers: [String; 3],
    program: PathBuf,
}

/// A child that does not outlive the demo.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if the child has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Fetcher {
    pub(super) fn new(folder: &Path, manifest: &Arc<Manifest>, offers: [String; 3]) -> Result<Self, Failure> {
        let program = program::path()?;
        Ok(Self {
            folder: folder.to_owned(),
            manifest: manifest.clone(),
            manifest_path: folder.join("alice.minimodel"),
            offers,
            program,
        })
    }

    /// Where the fetched file ends up.
    pub(super) fn artifact(&self) -> PathBuf {
        self.out().join(self.manifest.artifact_name().file())
    }

    /// Where its receipt ends up.
    pub(super) fn receipt(&self) -> PathBuf {
        self.out().join(self.manifest.artifact_name().receipt())
    }

    fn out(&self) -> PathBuf {
        self.folder.join("bob")
    }

    /// Runs the fetch until its partial file has a third of the length, and kills it; returns the length, in bytes.
    pub(super) fn run_and_kill(
        &self,
        story: &Story<'_>,
        names: &[(&str, String)],
        interrupt: &Interrupt,
    ) -> Result<u64, Failure> {
        let part = self.out().join(self.manifest.artifact_name().part());
        let third = self.manifest.byte_count() / 3;
        let (mut child, events) = self.start()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Ok(event) = events.try_recv() {
                retell(story, names, &event)?;
            }
            interrupt.check()?;
            let so_far = part.metadata().map_or(0, |metadata| metadata.len());
            if so_far >= third {
                // SIGKILL: no handler runs, nothing is flushed.
                child.0.kill().map_err(|error| Failure::unexpected("cannot end the fetch", &error.into()))?;
                return Ok(so_far);
            }
            let ended = child.0.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() > deadline {
                return Err(failed("the demo's fetch did not get far enough to be killed"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Fetches the rest.
    pub(super) fn run_to_the_end(
        &self,
        story: &Story<'_>,
        names: &[(&str, String)],
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        let (mut child, events) = self.start()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match events.recv_timeout(LOOK_EVERY) {
                Ok(event) => retell(story, names, &event)?,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            interrupt.check()?;
            if Instant::now() > deadline {
                return Err(failed("the demo's fetch took too long"));
            }
        }
        let ended =
            child.0.wait().map_err(|error| Failure::unexpected("cannot await the fetch", &error.into()))?;
        if ended.success() { Ok(()) } else { Err(failed("the demo's fetch failed").because(ended)) }
    }

    fn start(&self) -> Result<(Running, mpsc::Receiver<Value>), Failure> {
        let mut command = Command::new(&self.program);
        command.arg("fetch").arg(&self.manifest_path).arg("--out").arg(self.out());
        for offer in &self.offers {
            command.args(["--peer", offer]);
        }
        command
            .args([
                "--listen",
                "127.0.0.1:0",
                "--consent",
                "fetch,import",
                "--json",
                "--progress",
                "none",
                "--quiet",
            ])
            .env("MINIMODEL_HOME", self.folder.join("bob-home"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child =
            command.spawn().map_err(|error| Failure::unexpected("cannot start the fetch", &error.into()))?;
        let stdout = child.stdout.take();
        let (tell, events) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = stdout.map(|stdout| BufReader::new(stdout).lines());
            for line in lines.into_iter().flatten().map_while(Result::ok) {
                let sent = serde_json::from_str(&line).map(|event| tell.send(event));
                if !matches!(sent, Ok(Ok(()))) {
                    return;
                }
            }
        });
        Ok((Running(child), events))
    }
}

fn failed(what: &str) -> Failure {
    Failure::new(Exit::Unexpected, what, "run `minimodel demo` again; if it stays, please report it")
}

/// Prints an event of the fetch in the words of the story.
fn retell(story: &Story<'_>, names: &[(&str, String)], event: &Value) -> Result<(), Failure> {
    let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |key: &str| event.get(key).and_then(Value::as_u64);
    let name = names.iter().find(|(_, id)| *id == text("peer")).map_or("somebody", |(name, _)| name);
    let line = match text("event").as_str() {
        "resumed" if number("have").is_some_and(|have| have > 0) => {
            let (have, chunks) = (number("have").unwrap_or(0), number("chunks").unwrap_or(0));
            format!("resumed with {have} of {chunks} chunks, each proven again")
        }
        "peer-joined" => format!("connected to {name}"),
        "peer-banned" => {
            let chunk =
                number("chunk").map_or_else(String::new, |chunk| format!(": chunk {chunk} failed its proof"));
            format!("{name} is banned{chunk}; nothing of it was written")
        }
        "peer-left" if text("reason") != "done" && text("reason") != "bad chunk" => {
            format!("{name} left ({}); the others go on", text("reason"))
        }
        "peer-refused" => format!("{name} is not asked again ({})", text("reason")),
        "done" => "every chunk is here and the whole file was read back and checked".to_owned(),
        _ => return Ok(()),
    };
    story.say(&line)
}
