//! Libraries without a fitting program of their own, each behind a small driver that speaks one protocol:
//! `ready` when it is set up, a line to go, `done PATH` when the library reports the file as complete and checked.
//! So their clocks leave out the start of a process and the set-up of a session, which is in their favour.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Facts, Program, Run, folder};
use crate::process::{self, Process};
use crate::stage::{Shape, Stage, Torrent, free_ports};
use crate::window::Window;

/// From when to when a driver's clock runs.
const TIMED: &str = "adding the torrent in a running session until the library says complete (set-up of process and session left out)";

/// The tool behind a driver.
#[derive(Debug)]
enum Tool {
    /// libtorrent's, run by Python.
    Libtorrent,
    /// A program of `benches/compare/peers`, and the lock file that names its library's version.
    Built { program: PathBuf, library: &'static str, lock: &'static str },
}

/// A library behind its driver.
#[derive(Debug)]
pub(crate) struct Driver {
    facts: Facts,
    tool: Tool,
    /// The kind of torrent; iroh has none.
    torrent: Option<Torrent>,
    mode: &'static str,
}

impl Driver {
    pub(crate) fn libtorrent(key: &'static str, mode: &'static str) -> Self {
        let (label, wire) = match mode {
            "rc4" => ("libtorrent, TCP, encryption forced", "TCP, RC4 (obfuscation); nobody known"),
            "utp" => ("libtorrent, uTP", "uTP, plaintext; nobody known"),
            _ => ("libtorrent, TCP", "TCP, plaintext; nobody known"),
        };
        let facts = Facts {
            key,
            label: label.to_owned(),
            wire,
            checked: "each piece (SHA-256, BitTorrent v2) as it comes",
            timed: TIMED,
            install: "apt-get install python3-libtorrent",
        };
        Self { facts, tool: Tool::Libtorrent, torrent: Some(Torrent::V2), mode }
    }

    pub(crate) fn rqbit(program: &Path) -> Self {
        let facts = Facts {
            key: "rqbit",
            label: "librqbit, TCP".to_owned(),
            wire: "TCP, plaintext; nobody known",
            checked: "each piece (SHA-1, BitTorrent v1) as it comes",
            timed: TIMED,
            install: "cargo build --release --manifest-path benches/compare/peers/rqbit/Cargo.toml (and python3-libtorrent, which makes the torrent)",
        };
        let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/compare/peers/rqbit/Cargo.lock"));
        let tool = Tool::Built { program: program.to_owned(), library: "librqbit", lock };
        Self { facts, tool, torrent: Some(Torrent::V1), mode: "tcp" }
    }

    pub(crate) fn iroh(program: &Path) -> Self {
        let facts = Facts {
            key: "iroh",
            label: "iroh-blobs".to_owned(),
            wire: "QUIC, TLS 1.3; both sides known by key",
            checked: "each 16 KiB group (BLAKE3, tree proof) as it comes",
            timed: "connecting from a running endpoint until the file is in its place (set-up of process and store left out)",
            install: "cargo build --release --manifest-path benches/compare/peers/iroh/Cargo.toml",
        };
        let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/compare/peers/iroh/Cargo.lock"));
        let tool = Tool::Built { program: program.to_owned(), library: "iroh-blobs", lock };
        Self { facts, tool, torrent: None, mode: "-" }
    }

    fn command(&self, stage: &Stage) -> Result<Command, String> {
        match &self.tool {
            Tool::Libtorrent => stage.libtorrent(),
            Tool::Built { program, .. } => Ok(Command::new(program)),
        }
    }

    fn subject(&self, stage: &Stage) -> Result<PathBuf, String> {
        self.torrent.map_or_else(|| Ok(stage.file.clone()), |kind| stage.torrent(kind))
    }

    fn seeders(&self, stage: &Stage, ports: &[u16], round: &Path) -> Result<Vec<Process>, String> {
        let start = |(number, port): (usize, &u16)| {
            let place = match self.torrent {
                Some(_) => stage.source(),
                None => folder(round, &format!("seeder{number}"))?,
            };
            let mut command = self.command(stage)?;
            command.arg("seed").arg(self.subject(stage)?).arg(place).arg(port.to_string()).arg(self.mode);
            Process::start(&mut command, &round.join(format!("seeder{number}.log")))
        };
        ports.iter().enumerate().map(start).collect()
    }
}

impl Program for Driver {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn takes(&self, _shape: Shape) -> bool {
        true
    }

    fn prepare(&mut self, stage: &mut Stage) -> Result<String, String> {
        let version = match &self.tool {
            Tool::Libtorrent => {
                format!("libtorrent {}", process::output(stage.libtorrent()?.arg("version"))?)
            }
            Tool::Built { program, .. } if !program.is_file() => {
                return Err(format!("{} is not built", program.display()));
            }
            Tool::Built { library, lock, .. } => {
                format!("{library} {}", locked(lock, library).unwrap_or("of unknown version"))
            }
        };
        self.subject(stage).map(|_| version)
    }

    fn run(&self, stage: &Stage, shape: Shape, round: &Path) -> Result<Run, String> {
        let ports = free_ports(shape.senders + shape.receivers)?;
        let (seeding, leeching) = ports.split_at(shape.senders);
        let seeders = self.seeders(stage, seeding, round)?;
        let mut addresses = Vec::new();
        let mut subject = self.subject(stage)?.to_string_lossy().into_owned();
        for seeder in &seeders {
            let (_, ready) = seeder.line(stage.limit)?;
            let mut words = ready.split_whitespace().skip(1).map(str::to_owned);
            addresses.extend(words.next());
            subject = words.next().unwrap_or(subject);
        }
        let mut leechers = Vec::new();
        for (number, port) in leeching.iter().enumerate() {
            let others = leeching.iter().filter(|other| *other != port && self.torrent.is_some());
            let peers: Vec<String> =
                addresses.iter().cloned().chain(others.map(|other| format!("127.0.0.1:{other}"))).collect();
            let mut command = self.command(stage)?;
            command.arg("leech").arg(&subject).arg(folder(round, &format!("out{number}"))?);
            command.arg(port.to_string()).arg(self.mode).arg(peers.join(","));
            let leecher = Process::start(&mut command, &round.join(format!("leecher{number}.log")))?;
            leecher.line(stage.limit)?;
            leechers.push(leecher);
        }
        let before: f64 = leechers.iter().map(Process::cpu).sum();
        let window = Window::open(&seeders);
        for leecher in &mut leechers {
            window.receiver(leecher);
            leecher.go()?;
        }
        let told = leechers.iter().map(|leecher| leecher.line(stage.limit)).collect::<Result<Vec<_>, _>>()?;
        let receiver_cpu = leechers.iter().map(Process::cpu).sum::<f64>() - before;
        let finished = told.iter().map(|(at, _)| window.seconds(*at)).collect();
        let run = Run::new(finished, receiver_cpu, window.close(&seeders));
        leechers.iter_mut().for_each(Process::dismiss);
        for (_, line) in &told {
            let path = line.strip_prefix("done ").ok_or_else(|| format!("the driver said `{line}`"))?;
            stage.check(Path::new(path))?;
        }
        Ok(run)
    }
}

/// The version of a package in a lock file.
pub(crate) fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_version_is_that_of_the_very_package() {
        let lock = "[[package]]\nname = \"quinn-proto\"\nversion = \"0.9.0\"\n\n[[package]]\nname = \"quinn\"\nversion = \"0.11.12\"\n";
        assert_eq!(locked(lock, "quinn"), Some("0.11.12"));
        assert_eq!(locked(lock, "nothing"), None);
    }
}
