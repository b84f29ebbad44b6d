//! Measures `minimodel` over slow and lossy paths: real processes, an emulated link between them, a Markdown table.
//!
//! `cargo build --release -p minimodel-cli && cargo run --release -p minimodel-benches --bin paths -- --help`

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a table on stdout and progress on stderr are the point"
)]

mod args;
mod cell;
mod check;
mod fairness;
mod machine;
mod programs;
mod report;
mod site;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::Options;
use crate::cell::{LinkSpec, Run};
use crate::fairness::Pair;
use crate::programs::{Program, Sample, Seeder};
use crate::site::Site;

/// How much later the second transfer of a fairness run starts.
const OFFSETS: [Duration; 2] = [Duration::ZERO, Duration::from_secs(3)];
/// Time after which the last packets of an ended fetch have left the link.
const SETTLE: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    match run(&Options::parse().with_defaults()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // However this block ends, its drops end the processes and the link; then the folder is removed.
    runtime.block_on(async {
        let (mut interrupted, mut ended) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            done = measure(options, folder.path()) => done,
            _ = interrupted.recv() => bail!("interrupted"),
            _ = ended.recv() => bail!("ended from outside"),
        }
    })
}

async fn measure(options: &Options, work: &Path) -> Result<()> {
    let controllers = options.controllers();
    let most = options.shapes.iter().copied().max().unwrap_or(1);
    let wanted = if options.fairness { 2 } else { most };
    let site = Site::new(options.link, wanted * controllers.len())?;
    let head = format!("Link: {}. Machine: {}.\n\n", site.name(), machine::describe());
    let (table, raw) = if options.check {
        check::run(options, site)?
    } else {
        let program = Program { path: program(options)?, work: work.to_owned() };
        let mut bench = Bench { options, site, program, controllers, wanted, fetches: 0 };
        if options.fairness { bench.fairness().await? } else { bench.cells().await? }
    };
    let text = format!("{head}{table}");
    println!("{text}");
    if let Some(out) = &options.out {
        std::fs::create_dir_all(out)?;
        std::fs::write(out.join("table.md"), text)?;
        std::fs::write(out.join("runs.json"), raw)?;
    }
    Ok(())
}

/// The program to measure.
fn program(options: &Options) -> Result<PathBuf> {
    let path = match &options.minimodel {
        Some(path) => path.canonicalize().with_context(|| path.display().to_string())?,
        None => std::env::current_exe()?.with_file_name("minimodel"),
    };
    if !path.is_file() {
        let what = "cargo build --release -p minimodel-cli, or name it with --minimodel";
        bail!("`{}` is not there: {what}", path.display());
    }
    Ok(path)
}

struct Bench<'a> {
    options: &'a Options,
    site: Site,
    program: Program,
    controllers: Vec<Option<String>>,
    /// Seeders of each controller.
    wanted: usize,
    /// Fetches so far.
    fetches: u64,
}

impl Bench<'_> {
    /// Runs every cell, run by run; the controllers take turns, so that a change of the machine's load affects all of them.
    async fn cells(&mut self) -> Result<(String, String)> {
        let mut runs: Vec<Run> = Vec::new();
        for &rate in &self.options.rates {
            let (sample, seeders) = self.stage(rate).await?;
            for link in self.links(rate) {
                for &shape in &self.options.shapes {
                    for round in 0..self.options.runs {
                        for (congestion, seeders) in self.controllers.iter().zip(seeders.chunks(self.wanted))
                        {
                            let plan = cell::Plan {
                                program: &self.program,
                                sample: &sample,
                                seeders: seeders.iter().take(shape).collect(),
                                link,
                                congestion: congestion.as_deref(),
                                seed: self.options.seed + round,
                                number: self.fetches,
                                limit: Duration::from_secs(self.options.limit),
                            };
                            let run = cell::run(&mut self.site, &plan).await?;
                            self.fetches += 1;
                            eprintln!(
                                "{}: {:.1} % from 20 % on, {:.1} % whole ({:.1} s), packets {:.3}, emulator {:.0} % of a core",
                                report::name(&run),
                                run.steady_share * 100.0,
                                run.whole_share * 100.0,
                                run.whole_s,
                                run.packet_ratio,
                                run.health.emulator_cpu * 100.0
                            );
                            runs.push(run);
                            tokio::time::sleep(SETTLE).await;
                        }
                    }
                }
            }
        }
        let doubts: Vec<_> = runs.iter().map(|run| (report::name(run), run.health.doubts())).collect();
        let busiest = runs.iter().map(|run| run.health.emulator_cpu).fold(0.0, f64::max);
        Ok((report::cells(&runs) + &closing(busiest, &doubts), json(&runs)?))
    }

    /// Runs every pair of controllers, started together and with the second late.
    async fn fairness(&mut self) -> Result<(String, String)> {
        let mut pairs: Vec<Pair> = Vec::new();
        for &rate in &self.options.rates {
            let (sample, seeders) = self.stage(rate).await?;
            for link in self.links(rate) {
                for round in 0..self.options.runs {
                    for (first, second, offset) in combinations(self.controllers.len()) {
                        let plan = fairness::Plan {
                            program: &self.program,
                            sample: &sample,
                            seeders: [&seeders[first * 2], &seeders[second * 2 + 1]],
                            congestion: [first, second].map(|which| self.controllers[which].as_deref()),
                            link,
                            seed: self.options.seed + round,
                            number: self.fetches,
                            offset,
                            limit: Duration::from_secs(self.options.limit),
                        };
                        let pair = fairness::run(&mut self.site, &plan).await?;
                        self.fetches += 2;
                        eprintln!(
                            "second {} s later: the first had {:.0} % of {:.1} s",
                            pair.offset_s,
                            pair.first_share * 100.0,
                            pair.overlap_s
                        );
                        pairs.push(pair);
                        tokio::time::sleep(SETTLE).await;
                    }
                }
            }
        }
        let doubts: Vec<_> = pairs
            .iter()
            .map(|pair| (format!("second {} s later", pair.offset_s), pair.health.doubts()))
            .collect();
        let busiest = pairs.iter().map(|pair| pair.health.emulator_cpu).fold(0.0, f64::max);
        Ok((report::pairs(&pairs) + &closing(busiest, &doubts), json(&pairs)?))
    }

    /// Makes the file for a rate and starts its seeders, those of each controller together.
    async fn stage(&self, rate: u64) -> Result<(Sample, Vec<Seeder>)> {
        let sample = self.program.sample(self.options.size_at(rate)).await?;
        let mut seeders = Vec::new();
        for congestion in &self.controllers {
            for _ in 0..self.wanted {
                let flow = seeders.len();
                seeders.push(self.program.seed(&self.site, flow, &sample, congestion.as_deref()).await?);
            }
        }
        Ok((sample, seeders))
    }

    fn links(&self, rate_mbit: u64) -> Vec<LinkSpec> {
        let queue_bytes = self.options.queue << 10;
        let of = |&rtt_ms: &f64| {
            let of = move |&loss_percent: &f64| LinkSpec { rate_mbit, rtt_ms, loss_percent, queue_bytes };
            self.options.loss.iter().map(of).collect::<Vec<_>>()
        };
        self.options.rtts.iter().flat_map(of).collect()
    }
}

/// Numbers of the first and second controller, and the offset.
fn combinations(controllers: usize) -> Vec<(usize, usize, Duration)> {
    let pairs = (0..controllers).flat_map(|first| (first..controllers).map(move |second| (first, second)));
    pairs.flat_map(|(first, second)| OFFSETS.map(|offset| (first, second, offset))).collect()
}

fn closing(busiest: f64, doubts: &[(String, Vec<String>)]) -> String {
    let told = report::doubts(doubts.iter().map(|(name, doubts)| (name.clone(), &doubts[..])));
    format!("The emulator used at most {:.0} % of a core.\n{told}", busiest * 100.0)
}

/// Every run as JSON, for other evaluations.
fn json<T: Serialize>(runs: &[T]) -> Result<String> {
    Ok(serde_json::to_string_pretty(runs)?)
}
