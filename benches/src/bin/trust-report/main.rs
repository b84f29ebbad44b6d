//! One table of the figures that the suites measure for the goals of `docs/faults.md`.
//!
//! Each suite is an ordinary test or program of this project that prints lines `figure: NAME=VALUE ...`; this program runs
//! them one after the other, collects the figures and compares them with the goals. It measures nothing itself. Its exit
//! code is 1 when a suite fails, a figure is missing or a goal is missed; rates of real transfers are shown and never
//! decide, since machines are shared.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod figures;
mod goals;
mod suites;

use std::process::ExitCode;

use clap::Parser;

use self::figures::Figures;
use self::goals::{GOALS, Verdict};
use self::suites::{SUITES, Suite};

/// Runs the suites behind the goals of docs/faults.md and prints their figures.
///
/// The numbers of worlds, mutations, kills and the like are those of a change; MINIMODEL_SIM_WORLDS, MINIMODEL_MUTATIONS,
/// MINIMODEL_KILLS and MINIMODEL_FUZZ_RUNS ask for more, as docs/faults.md says.
#[derive(Debug, Parser)]
struct Args {
    /// Run these suites alone
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Name the suites and what each runs
    #[arg(long)]
    list: bool,
    /// Show what the suites print
    #[arg(short, long)]
    verbose: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if args.list {
        for suite in SUITES {
            println!("{:<10} {}", suite.name, suite.line());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let is_meant = |suite: &&Suite| args.only.is_empty() || args.only.iter().any(|name| name == suite.name);
    if let Some(unknown) = args.only.iter().find(|name| SUITES.iter().all(|suite| suite.name != **name)) {
        anyhow::bail!("no suite is called {unknown:?}; see --list");
    }
    let mut figures = Figures::default();
    let mut failed = Vec::new();
    for suite in SUITES.iter().filter(is_meant) {
        eprintln!("{}: {}", suite.name, suite.line());
        let ran = suite.run(args.verbose, &mut figures)?;
        eprintln!("  {:.0} s{}", ran.took.as_secs_f64(), if ran.passed { "" } else { ", FAILED" });
        if !ran.passed {
            failed.push(suite.name);
        }
    }
    println!("| goal | figure | measured | demanded | |\n| --- | --- | --- | --- | --- |");
    let mut is_good = failed.is_empty();
    for goal in
        GOALS.iter().filter(|goal| args.only.is_empty() || args.only.iter().any(|name| name == goal.suite))
    {
        let (shown, verdict) = goal.judge(&figures);
        is_good &= !matches!(verdict, Verdict::Missed | Verdict::Missing);
        println!("| {} | {} | {shown} | {} | {verdict} |", goal.id, goal.what, goal.demand);
    }
    for name in &failed {
        println!("\nsuite {name} failed: run it by itself to see why (--list shows the command)");
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
