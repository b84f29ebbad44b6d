//! The programs that are compared: how each is started, timed and ended, and what it checks and encrypts.

pub(crate) mod aria2;
pub(crate) mod driver;
pub(crate) mod https;
pub(crate) mod minimodel;
pub(crate) mod raw;
mod tracker;

use std::path::{Path, PathBuf};

use crate::stage::{Shape, Stage};
use crate::window::{Peak, Seen};

/// What the table shows of a program besides figures. A program that checks less than another is not comparable, and the
/// reader must see that.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The name in `--only` and in the raw figures.
    pub(crate) key: &'static str,
    pub(crate) label: String,
    /// Encryption, and which sides it authenticates.
    pub(crate) wire: &'static str,
    /// What the receiver has checked when its clock stops.
    pub(crate) checked: &'static str,
    /// From when to when its clock runs.
    pub(crate) timed: &'static str,
    /// How to install it.
    pub(crate) install: &'static str,
}

/// One counted run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Seconds until each receiver was done.
    pub(crate) finished: Vec<f64>,
    pub(crate) sender_cpu: f64,
    pub(crate) receiver_cpu: f64,
    /// Peak memory of the sender, and of the receiver, that used the most.
    pub(crate) sender: Peak,
    pub(crate) receiver: Peak,
    /// CPU seconds that neither side used: on a busy machine the figures include other work.
    pub(crate) foreign_cpu: f64,
}

impl Run {
    fn new(finished: Vec<f64>, receiver_cpu: f64, seen: Seen) -> Self {
        let Seen { sender_cpu, sender, receiver, busy } = seen;
        let foreign_cpu = (busy - sender_cpu - receiver_cpu).max(0.0);
        Self { finished, sender_cpu, receiver_cpu, sender, receiver, foreign_cpu }
    }
}

/// A program that can be compared.
pub(crate) trait Program {
    fn facts(&self) -> &Facts;

    /// True if the program can do this shape.
    fn takes(&self, shape: Shape) -> bool;

    /// Finds the program and makes what all its runs need; returns its version, or why it cannot run here.
    fn prepare(&mut self, stage: &mut Stage) -> Result<String, String>;

    /// One run in a folder of its own, which is removed afterwards.
    fn run(&self, stage: &Stage, shape: Shape, round: &Path) -> Result<Run, String>;
}

/// A program by its name, on the path or where systems keep servers.
fn find(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    let mut candidates = folders.map(|folder| folder.join(name));
    candidates.find(|candidate| candidate.is_file()).ok_or_else(|| format!("`{name}` is not installed"))
}

/// A folder inside a round.
fn folder(round: &Path, name: &str) -> Result<PathBuf, String> {
    let path = round.join(name);
    std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}
