//! `minimodel seed` and `minimodel fetch`, as a user starts them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::{Facts, Program, Run, folder};
use crate::process::{self, Process};
use crate::stage::{Shape, Stage};
use crate::window::Window;

/// Exit code of a command line that was not understood.
const USAGE: i32 = 2;

/// `minimodel`, with or without extra arguments.
#[derive(Debug)]
pub(crate) struct Minimodel {
    facts: Facts,
    program: PathBuf,
    extra: Vec<String>,
}

impl Minimodel {
    pub(crate) fn new(key: &'static str, label: &str, program: &Path, extra: &[String]) -> Self {
        let facts = Facts {
            key,
            label: label.to_owned(),
            wire: "QUIC, TLS 1.3; both sides known by key",
            checked: "each chunk (SHA-256, Merkle proof) before it is written; the whole file from disk; manifest; receipt",
            timed: "1 receiver: start of `fetch` until it has ended, receipt written; several (`--keep-seeding`): until the path is on stdout",
            install: "cargo build --release -p minimodel-cli",
        };
        Self { facts, program: program.to_owned(), extra: extra.to_vec() }
    }

    fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.env("MINIMODEL_HOME", home).arg("-q");
        command
    }

    fn manifest(stage: &Stage) -> PathBuf {
        stage.folder.join("model.minimodel")
    }

    fn seeders(
        &self,
        stage: &Stage,
        count: usize,
        round: &Path,
    ) -> Result<(Vec<Process>, Vec<String>), String> {
        let mut seeders = Vec::new();
        for number in 0..count {
            // The same home in every round, as a user keeps one identity.
            let mut command = self.command(&stage.folder.join(format!("seeder{number}")));
            // As if the file had just been checked: otherwise each chunk is hashed once more when it is first sent.
            command.arg("seed").arg("--recheck").arg(Self::manifest(stage)).arg(&stage.file);
            command.args(["--listen", "127.0.0.1:0", "--consent", "serve,publish"]).args(&self.extra);
            seeders.push(Process::start(&mut command, &round.join(format!("seeder{number}.log")))?);
        }
        let offers =
            seeders.iter().map(|seeder| Ok(seeder.line(stage.limit)?.1)).collect::<Result<_, String>>()?;
        Ok((seeders, offers))
    }

    fn fetch(
        &self,
        stage: &Stage,
        offers: &[String],
        round: &Path,
        number: usize,
    ) -> Result<Command, String> {
        let mut command = self.command(&stage.folder.join(format!("fetcher{number}")));
        command.arg("fetch").arg(Self::manifest(stage));
        for offer in offers {
            command.arg("--peer").arg(offer);
        }
        command.arg("--out").arg(folder(round, &format!("out{number}"))?).args(&self.extra);
        Ok(command)
    }

    fn alone(&self, stage: &Stage, senders: usize, round: &Path) -> Result<Run, String> {
        let (seeders, offers) = self.seeders(stage, senders, round)?;
        let mut command = self.fetch(stage, &offers, round, 0)?;
        command.args(["--consent", "fetch,import"]);
        let window = Window::open(&seeders);
        let mut fetcher = Process::start(&mut command, &round.join("fetcher.log"))?;
        window.receiver(&fetcher);
        let ended = fetcher.end(stage.limit)?;
        let finished = vec![window.seconds(ended.at)];
        let run = Run::new(finished, ended.cpu, window.close(&seeders));
        let (_, path) = fetcher.line(stage.limit)?;
        stage.check(Path::new(&path))?;
        Ok(run)
    }

    fn together(&self, stage: &Stage, shape: Shape, round: &Path) -> Result<Run, String> {
        let (seeders, offers) = self.seeders(stage, shape.senders, round)?;
        let commands = (0..shape.receivers).map(|number| self.fetch(stage, &offers, round, number));
        let commands = commands.collect::<Result<Vec<_>, _>>()?;
        let window = Window::open(&seeders);
        let mut fetchers = Vec::new();
        for (number, mut command) in commands.into_iter().enumerate() {
            command.args([
                "--consent",
                "fetch,import,serve,publish",
                "--keep-seeding",
                "--listen",
                "127.0.0.1:0",
            ]);
            let fetcher = Process::start(&mut command, &round.join(format!("fetcher{number}.log")))?;
            window.receiver(&fetcher);
            fetchers.push(fetcher);
        }
        let told = fetchers.iter().map(|fetcher| place(fetcher, stage)).collect::<Result<Vec<_>, _>>()?;
        let receiver_cpu = fetchers.iter().map(Process::cpu).sum();
        let finished = told.iter().map(|(at, _)| window.seconds(*at)).collect();
        let run = Run::new(finished, receiver_cpu, window.close(&seeders));
        drop(fetchers);
        for (_, path) in &told {
            stage.check(Path::new(path))?;
        }
        Ok(run)
    }
}

/// The path that a fetch prints; its offer, when it serves, is a line of its own.
fn place(fetcher: &Process, stage: &Stage) -> Result<(Instant, String), String> {
    loop {
        let (at, line) = fetcher.line(stage.limit)?;
        if !line.starts_with("mm1") {
            return Ok((at, line));
        }
    }
}

impl Program for Minimodel {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn takes(&self, _shape: Shape) -> bool {
        true
    }

    fn prepare(&mut self, stage: &mut Stage) -> Result<String, String> {
        let home = stage.folder.join("home");
        let nowhere = stage.folder.join("nowhere");
        let mut probe = self.command(&home);
        let probe = probe.arg("seed").args([&nowhere, &nowhere]).args(&self.extra).output();
        if probe.map_err(|error| error.to_string())?.status.code() == Some(USAGE) {
            return Err(format!("this build does not know `{}`", self.extra.join(" ")));
        }
        let manifest = Self::manifest(stage);
        if !manifest.exists() {
            let mut create = self.command(&home);
            create.args(["manifest", "create"]).arg(&stage.file).arg("-o").arg(&manifest);
            create.args(["--model-id", "compare", "--model-version", "1", "--publisher-id", "bench"]);
            process::output(create.args(["--license-route", "/license", "--model-card-route", "/card"]))?;
        }
        process::output(Command::new(&self.program).arg("--version"))
    }

    fn run(&self, stage: &Stage, shape: Shape, round: &Path) -> Result<Run, String> {
        if shape.receivers == 1 {
            self.alone(stage, shape.senders, round)
        } else {
            self.together(stage, shape, round)
        }
    }
}
