//! How a swarm grows: the real scheduler for every peer, on modelled paths, in virtual time.
//!
//! Every peer runs the [`minimodel_swarm::machine::Machine`] that the programs run, unchanged, with the programs' own
//! limits: hellos, signed offers and their checks, rarest first, slots, tit for tat, hedges and the endgame are the
//! real ones. What is modelled is the path:
//! - each peer has an uplink and a downlink of fixed rates; all connections of an uplink take turns, piece by piece (at
//!   most an eighth of a chunk); a downlink takes pieces in the order in which they come;
//! - a connection has no more on its path than the path holds and two pieces, as good congestion control would;
//! - each path has a fixed delay, 5 to 75 ms one way; a handshake takes one round trip;
//! - a lost packet (0.1 % of them) takes its share of the rate and makes its piece late by a round trip;
//! - control frames travel at once; their bytes, with the heads of a packet each, count on uplink and downlink;
//! - proving and writing a chunk takes 3 ms.
//!
//! The peers, links and the clock are those of `minimodel-sim`, with these paths; the tests of swarms run the same world
//! with others. Not modelled: slow start and the faults of congestion controllers, queues inside the network, the CPU's time, QUIC's
//! flow control windows and its limit of handshakes at once, NAT, hostile peers (the tests have those). All peers are honest, and none leaves without closing its connections.
//!
//! Each run is a process of its own, so that its peak memory is its own.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod bound;
mod report;
mod run;
mod settings;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;
use minimodel_sim::{Network, Turns};
use minimodel_swarm::machine::Limits;

use self::run::{Outcome, Run};
use self::settings::{Setting, network};

/// How long until the last of N leechers has the file, over the fluid lower bound.
#[derive(Debug, Parser)]
struct Args {
    /// Numbers of leechers.
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000")]
    leechers: Vec<u32>,
    /// Chunks of 1 MiB.
    #[arg(long, default_value_t = 256)]
    chunks: u32,
    #[arg(long, value_delimiter = ',', value_enum, default_value = "homogeneous,heterogeneous,flash,churn")]
    settings: Vec<Setting>,
    /// Seed of every random choice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for scale.csv, scale.json and scale.svg.
    #[arg(long)]
    out: Option<PathBuf>,
    /// 10 and 100 leechers, 64 chunks.
    #[arg(long)]
    quick: bool,
    /// Share of packets that are lost.
    #[arg(long, default_value_t = 0.001)]
    loss: f64,
    /// The oldest stream of a connection goes first, instead of all in turn as the programs have it.
    #[arg(long)]
    oldest_first: bool,
    /// Upload slots, where they are not to be the programs' own.
    #[arg(long)]
    slots: Option<usize>,
    /// Connections at once, where they are not to be the programs' own.
    #[arg(long)]
    connections: Option<usize>,
    /// One run in this process, its outcome as JSON.
    #[arg(long, hide = true)]
    single: bool,
}

impl Args {
    fn runs(&self) -> Vec<Run> {
        let mut limits = Limits::default();
        limits.upload_slots = self.slots.unwrap_or(limits.upload_slots);
        limits.max_connections = self.connections.unwrap_or(limits.max_connections);
        let turns = if self.oldest_first { Turns::OldestStream } else { Turns::Streams };
        let network = Network { turns, ..network(self.loss) };
        let (leechers, chunks) =
            if self.quick { (vec![10, 100], 64) } else { (self.leechers.clone(), self.chunks.max(1)) };
        let mut runs = Vec::new();
        for &setting in &self.settings {
            for &leechers in &leechers {
                let (seed, limits) = (self.seed, limits.clone());
                runs.push(Run { setting, leechers: leechers.max(2), chunks, seed, network, limits });
            }
        }
        runs
    }

    /// The command of the child process for one run.
    fn child(&self, run: &Run) -> Result<Command, String> {
        let program = std::env::current_exe().map_err(|fault| format!("this program's path: {fault}"))?;
        let mut command = Command::new(program);
        command.arg("--single");
        let mut option = |name: &str, value: String| {
            command.args([name, &value]);
        };
        option("--settings", run.setting.name().to_owned());
        option("--leechers", run.leechers.to_string());
        option("--chunks", run.chunks.to_string());
        option("--seed", run.seed.to_string());
        option("--loss", run.network.packet_loss.to_string());
        option("--slots", run.limits.upload_slots.to_string());
        option("--connections", run.limits.max_connections.to_string());
        if self.oldest_first {
            command.arg("--oldest-first");
        }
        Ok(command)
    }
}

fn main() -> ExitCode {
    match work(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("scale: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn work(args: &Args) -> Result<(), String> {
    let runs = args.runs();
    if args.single {
        let outcome = runs.first().ok_or("no run")?.go()?;
        println!("{}", serde_json::to_string(&outcome).map_err(|fault| fault.to_string())?);
        return Ok(());
    }
    report::head(&runs);
    let mut outcomes = Vec::new();
    for run in &runs {
        let outcome =
            in_its_own_process(&mut args.child(run)?).map_err(|fault| format!("{}: {fault}", run.name()))?;
        report::row(&outcome);
        outcomes.push(outcome);
    }
    match &args.out {
        Some(folder) => report::write(folder, &outcomes),
        None => Ok(()),
    }
}

fn in_its_own_process(command: &mut Command) -> Result<Outcome, String> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|fault| fault.to_string())?;
    if !output.status.success() {
        return Err("did not end".to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|fault| fault.to_string())
}
