//! The programs that print figures.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::figures::Figures;

/// One program, run from the root of the workspace by cargo.
#[derive(Debug)]
pub(crate) struct Suite {
    /// What it is called here.
    pub(crate) name: &'static str,
    /// What is built before, so that it is found beside it.
    before: &'static [&'static str],
    /// Arguments of cargo.
    arguments: &'static [&'static str],
}

/// How one ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) passed: bool,
    pub(crate) took: Duration,
}

/// All of them; the cheap ones first.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "rows",
        before: &[],
        arguments: &[
            "test",
            "-p",
            "minimodel-cli",
            "--test",
            "cli",
            "--",
            "--nocapture",
            "catalogue",
            "floors",
        ],
    },
    Suite {
        name: "mutations",
        before: &[],
        arguments: &["test", "-p", "minimodel-fuzz", "--", "--nocapture"],
    },
    Suite {
        name: "store",
        before: &[],
        arguments: &["test", "-p", "minimodel-swarm", "--test", "swarm", "--", "--nocapture", "store::"],
    },
    Suite {
        name: "sim",
        before: &[],
        arguments: &["test", "-p", "minimodel-swarm", "--test", "swarm", "--", "--nocapture", "sim::"],
    },
    Suite {
        name: "kills",
        before: &[],
        arguments: &[
            "test",
            "-p",
            "minimodel-cli",
            "--test",
            "cli",
            "--",
            "--nocapture",
            "e1_",
            "e10_",
            "g1_",
            "g2_",
            "d11_",
        ],
    },
    Suite {
        name: "siege",
        before: &["build", "--release", "-p", "minimodel-cli", "-p", "minimodel-hostile"],
        arguments: &["run", "--release", "-q", "-p", "minimodel-hostile", "--", "siege"],
    },
];

impl Suite {
    /// The command as a person types it.
    pub(crate) fn line(&self) -> String {
        let one = |arguments: &[&str]| format!("cargo {}", arguments.join(" "));
        match self.before {
            [] => one(self.arguments),
            before => format!("{} && {}", one(before), one(self.arguments)),
        }
    }

    /// Runs it to its end and takes its figures.
    pub(crate) fn run(&self, verbose: bool, figures: &mut Figures) -> anyhow::Result<Ran> {
        let started = Instant::now();
        let mut passed = true;
        for arguments in [self.before, self.arguments].into_iter().filter(|arguments| !arguments.is_empty()) {
            passed = passed && cargo(arguments, verbose, figures)?;
        }
        Ok(Ran { passed, took: started.elapsed() })
    }
}

fn cargo(arguments: &[&str], verbose: bool, figures: &mut Figures) -> anyhow::Result<bool> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut running = Command::new(cargo)
        .args(arguments)
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
