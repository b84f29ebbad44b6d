//! The programs that print figures.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::figures::Figures;

/// One program, run from the root of the workspace by cargo.
#[derive(Debug)]
pub(crate) struct Suite {
    /// The suite's name in this program.
    pub(crate) name: &'static str,
    /// Arguments of cargo, one command a line; no argument has a space in it.
    lines: &'static [&'static str],
}

/// The result of a suite.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) passed: bool,
    pub(crate) took: Duration,
}

const fn suite(name: &'static str, lines: &'static [&'static str]) -> Suite {
    Suite { name, lines }
}

/// All suites, the cheap ones first.
pub(crate) const SUITES: &[Suite] = &[
    suite("rows", &["test -p minimodel-cli --test cli -- --nocapture catalogue floors"]),
    suite("mutations", &["test -p minimodel-fuzz -- --nocapture"]),
    suite("store", &["test -p minimodel-swarm --test swarm -- --nocapture store::"]),
    suite("sim", &["test -p minimodel-swarm --test swarm -- --nocapture sim::"]),
    suite(
        "kills",
        &[
            "test -p minimodel-cli --test cli -- --nocapture swarm:: refusals::moments refusals::naming refusals::outputs",
        ],
    ),
    suite("siege", &["build --release -p minimodel-cli", "run --release -q -p minimodel-hostile -- siege"]),
];

impl Suite {
    /// The commands as a person types them.
    pub(crate) fn line(&self) -> String {
        self.lines.iter().map(|line| format!("cargo {line}")).collect::<Vec<_>>().join(" && ")
    }

    /// Runs the suite to its end and takes its figures.
    pub(crate) fn run(&self, verbose: bool, figures: &mut Figures) -> anyhow::Result<Ran> {
        let started = Instant::now();
        let mut passed = true;
        for line in self.lines {
            passed = passed && cargo(line, verbose, figures)?;
        }
        Ok(Ran { passed, took: started.elapsed() })
    }
}

fn cargo(line: &str, verbose: bool, figures: &mut Figures) -> anyhow::Result<bool> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut running = Command::new(cargo)
        .args(line.split(' '))
        .env("MINIMODEL_SOAK", "1")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(if verbose { Stdio::inherit() } else { Stdio::null() })
        .spawn()
        .context("cargo cannot be started")?;
    let output = running.stdout.take().context("no output of cargo")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        figures.take(&line);
        if verbose {
            println!("{line}");
        }
    }
    Ok(running.wait()?.success())
}
