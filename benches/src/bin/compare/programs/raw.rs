//! Raw quinn, memory to nowhere: no program for users, but the floor under every QUIC transfer.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Facts, Program, Run};
use crate::process::Process;
use crate::stage::{Shape, Stage};
use crate::window::Window;

/// Raw quinn at one MTU.
#[derive(Debug)]
pub(crate) struct Raw {
    facts: Facts,
    program: PathBuf,
    mtu: u16,
}

impl Raw {
    pub(crate) fn new(key: &'static str, program: &Path, mtu: u16) -> Self {
        let facts = Facts {
            key,
            label: format!("raw quinn, MTU {mtu} (limit)"),
            wire: "QUIC, TLS 1.3; nobody known",
            checked: "nothing; nothing is read or written either",
            timed: "start of the receiver until the last byte came",
            install: "cargo build --release -p minimodel-benches --bin rawquinn",
        };
        Self { facts, program: program.to_owned(), mtu }
    }

    fn command(&self, side: &str, stage: &Stage) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(side).args(["--bytes", &stage.size.to_string(), "--mtu", &self.mtu.to_string()]);
        command
    }
}

impl Program for Raw {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn takes(&self, shape: Shape) -> bool {
        shape == Shape { senders: 1, receivers: 1 }
    }

    fn prepare(&mut self, _stage: &mut Stage) -> Result<String, String> {
        if !self.program.is_file() {
            return Err(format!("{} is not built", self.program.display()));
        }
        let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"));
        Ok(format!("quinn {}", super::driver::locked(lock, "quinn").unwrap_or("of unknown version")))
    }

    fn run(&self, stage: &Stage, _shape: Shape, round: &Path) -> Result<Run, String> {
        let sender = Process::start(&mut self.command("send", stage), &round.join("sender.log"))?;
        let (_, ready) = sender.line(stage.limit)?;
        let address =
            ready.strip_prefix("ready ").ok_or_else(|| format!("rawquinn said `{ready}`"))?.to_owned();
        let senders = [sender];
        let window = Window::open(&senders);
        let mut receiver = Process::start(
            self.command("recv", stage).args(["--from", &address]),
            &round.join("receiver.log"),
        )?;
        window.receiver(&receiver);
        let (at, _) = receiver.line(stage.limit)?;
        let receiver_cpu = receiver.cpu();
        let run = Run::new(vec![window.seconds(at)], receiver_cpu, window.close(&senders));
        receiver.end(stage.limit)?;
        Ok(run)
    }
}
