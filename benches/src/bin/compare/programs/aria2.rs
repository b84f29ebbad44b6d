//! aria2 as a BitTorrent client, fetching from libtorrent.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tracker::Tracker;
use super::{Facts, Program, Run, find, folder};
use crate::process::{self, Process};
use crate::stage::{Shape, Stage, Torrent, free_ports};
use crate::window::Window;

/// aria2c.
#[derive(Debug)]
pub(crate) struct Aria2 {
    facts: Facts,
    program: PathBuf,
}

impl Aria2 {
    pub(crate) fn new() -> Self {
        let facts = Facts {
            key: "aria2",
            label: "aria2, from libtorrent, TCP".to_owned(),
            wire: "TCP, plaintext; nobody known",
            checked: "each piece (SHA-1, BitTorrent v1) as it comes",
            timed: "start of `aria2c` until it has ended",
            install: "apt-get install aria2 python3-libtorrent",
        };
        Self { facts, program: PathBuf::new() }
    }

    fn command(&self, tracker: &Tracker, port: u16, out: &Path, torrent: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args([
            "-q",
            "--no-conf=true",
            "--enable-dht=false",
            "--enable-dht6=false",
            "--bt-enable-lpd=false",
        ]);
        command.args([
            "--seed-time=0",
            "--file-allocation=none",
            "--allow-overwrite=true",
            "--interface=127.0.0.1",
        ]);
        command.arg(format!("--bt-tracker={}", tracker.url())).arg(format!("--listen-port={port}"));
        command.arg("-d").arg(out).arg(torrent);
        command
    }
}

impl Program for Aria2 {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn takes(&self, shape: Shape) -> bool {
        // aria2's receivers would leave when they are done; those of other programs keep seeding.
        shape.receivers == 1
    }

    fn prepare(&mut self, stage: &mut Stage) -> Result<String, String> {
        self.program = find("aria2c")?;
        stage.torrent(Torrent::V1)?;
        let version = process::output(Command::new(&self.program).arg("--version"))?;
        Ok(version.lines().next().unwrap_or_default().replace(" version", ""))
    }

    fn run(&self, stage: &Stage, shape: Shape, round: &Path) -> Result<Run, String> {
        let torrent = stage.torrent(Torrent::V1)?;
        let ports = free_ports(shape.senders + 1)?;
        let (seeding, listening) = ports.split_at(shape.senders);
        let mut seeders = Vec::new();
        for (number, port) in seeding.iter().enumerate() {
            let mut command = stage.libtorrent()?;
            command.arg("seed").arg(&torrent).arg(stage.source()).arg(port.to_string()).arg("tcp");
            let seeder = Process::start(&mut command, &round.join(format!("seeder{number}.log")))?;
            seeder.line(stage.limit)?;
            seeders.push(seeder);
        }
        let tracker = Tracker::start(seeding)?;
        let out = folder(round, "out")?;
        let window = Window::open(&seeders);
        let mut command = self.command(&tracker, listening[0], &out, &torrent);
        let mut client = Process::start(&mut command, &round.join("aria2.log"))?;
        window.receiver(&client);
        let ended = client.end(stage.limit)?;
        let run = Run::new(vec![window.seconds(ended.at)], ended.cpu, window.close(&seeders));
        stage.check(&out.join("model.slm"))?;
        Ok(run)
    }
}
