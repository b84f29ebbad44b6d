//! Options of the command line.

use std::path::PathBuf;

use clap::Parser;

use crate::setting::{self, Setting};

/// Connects real `minimodel` processes behind routers through a member that both reach, and prints a line a pair.
///
/// Needs root, /dev/net/tun, util-linux and a release build of `minimodel` (`cargo build --release -p minimodel-cli`).
#[derive(Debug, Parser)]
#[command(name = "reach", max_term_width = 100)]
pub(crate) struct Options {
    /// The program to measure [default: `minimodel` beside this one]
    #[arg(long, value_name = "PATH")]
    pub(crate) minimodel: Option<PathBuf>,
    /// A pair, the seeder's routers first, as in `random / same, port`; `at home: KIND` puts both behind one router (repeat for more)
    /// [default: seven that differ most]
    #[arg(long, value_name = "PAIR", value_parser = setting::parse, conflicts_with = "all")]
    pub(crate) pair: Vec<Setting>,
    /// All ordered pairs of kinds of routers, and both behind one router of each kind: five minutes for each loss
    #[arg(long)]
    pub(crate) all: bool,
    /// Round trip between any two, in ms
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(..=2_000))]
    pub(crate) rtt: u64,
    /// Random loss in each direction, in per cent
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "0,2", value_parser = clap::value_parser!(u8).range(..=50))]
    pub(crate) loss: Vec<u8>,
    /// Runs of each pair
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) runs: u64,
    /// Seed of losses and ports; each run takes the next
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
}

impl Options {
    /// The pairs to run.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        match (self.all, self.pair.is_empty()) {
            (true, _) => setting::all(),
            (false, true) => setting::default(),
            (false, false) => self.pair.clone(),
        }
    }
}
