//! Options of the command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Measures real `minimodel` processes over an emulated link and prints a Markdown table.
///
/// Needs a release build of `minimodel` (`cargo build --release -p minimodel-cli`). Set TMPDIR to a folder in memory
/// (/dev/shm) to leave the disk out.
#[derive(Debug, Parser)]
#[command(name = "paths", max_term_width = 100)]
pub(crate) struct Options {
    /// The program to measure [default: `minimodel` beside this one]
    #[arg(long, value_name = "PATH")]
    pub(crate) minimodel: Option<PathBuf>,
    /// How the sides are joined
    #[arg(long, value_enum, default_value_t = LinkChoice::Auto)]
    pub(crate) link: LinkChoice,
    /// Rates of the link, in Mbit/s of IP packets [default: 200,1000; with --fairness 200]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) rates: Vec<u64>,
    /// Round trips, in ms [default: 1,50,150; with --fairness 50]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = milliseconds)]
    pub(crate) rtts: Vec<f64>,
    /// Random loss in each direction, in per cent [default: 0,0.5,2; with --fairness 0]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = per_cent)]
    pub(crate) loss: Vec<f64>,
    /// Seeders to fetchers
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1to1,3to1", value_parser = shape)]
    pub(crate) shapes: Vec<usize>,
    /// Size of the file, as in 64MiB [default: some 5 s at full rate; with --fairness some 10 s]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) size: Option<u64>,
    /// Runs of each cell; the table shows medians
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) runs: u64,
    /// Passed on as `--congestion` to seed and fetch, in turn [default: nothing is passed on]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) congestion: Vec<String>,
    /// Two transfers through one bottleneck instead, together and the second 3 s late
    #[arg(long)]
    pub(crate) fairness: bool,
    /// No transfers: only whether the emulator itself carries full packets at the rates
    #[arg(long, conflicts_with = "fairness")]
    pub(crate) check: bool,
    /// Queue of each direction, in KiB
    #[arg(long, value_name = "KIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(2..=1 << 20))]
    pub(crate) queue: u64,
    /// Seed of the losses; run number n of a cell takes the n-th after it
    #[arg(long, value_name = "NUMBER", default_value_t = 42)]
    pub(crate) seed: u64,
    /// Cut a transfer off after this many seconds and report what had arrived
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) limit: u64,
    /// Also write the table (table.md) and every run (runs.json) to this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// `--link`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LinkChoice {
    /// tun where namespaces can be made, relay elsewhere
    Auto,
    /// Two network namespaces joined through TUN devices; needs root
    Tun,
    /// A UDP relay on loopback
    Relay,
}

impl Options {
    /// Fills in the lists that were not given.
    pub(crate) fn with_defaults(mut self) -> Self {
        fn fill<T: Clone>(list: &mut Vec<T>, default: &[T]) {
            if list.is_empty() {
                list.extend_from_slice(default);
            }
        }
        let is_fairness = self.fairness;
        fill(&mut self.rates, if is_fairness { &[200] } else { &[200, 1000] });
        fill(&mut self.rtts, if is_fairness { &[50.0] } else { &[1.0, 50.0, 150.0] });
        fill(&mut self.loss, if is_fairness { &[0.0] } else { &[0.0, 0.5, 2.0] });
        self
    }

    /// The congestion controllers to measure; `None` is the program's own choice.
    pub(crate) fn controllers(&self) -> Vec<Option<String>> {
        match self.congestion.is_empty() {
            true => vec![None],
            false => self.congestion.iter().cloned().map(Some).collect(),
        }
    }

    /// Bytes of the file at a rate in Mbit/s: the power of two above half a MiB for each of them, 5 s at 200 Mbit/s. Two
    /// transfers that share the link get twice as much each.
    pub(crate) fn size_at(&self, rate: u64) -> u64 {
        let factor = if self.fairness { 2 } else { 1 };
        self.size.unwrap_or_else(|| ((rate / 2).max(1).next_power_of_two() << 20) * factor)
    }
}

fn number(text: &str, most: f64) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=most).contains(&number) { Ok(number) } else { Err(format!("not within 0 to {most}")) }
}

fn milliseconds(text: &str) -> Result<f64, String> {
    number(text, 10_000.0)
}

fn per_cent(text: &str) -> Result<f64, String> {
    number(text, 100.0)
}

fn shape(text: &str) -> Result<usize, String> {
    let seeders = text.strip_suffix("to1").and_then(|seeders| seeders.parse().ok());
    seeders
        .filter(|seeders| (1..=16).contains(seeders))
        .ok_or_else(|| "not like 1to1 or 3to1 (16 at most)".into())
}

fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = [("KiB", 10), ("MiB", 20), ("GiB", 30)]
        .iter()
        .find_map(|(suffix, shift)| Some((text.strip_suffix(suffix)?, *shift)))
        .unwrap_or((text, 0));
    let number: u64 = digits.parse().map_err(|_| "not like 64MiB".to_owned())?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(|| "too small or too large".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_the_defaults_of_what_is_measured() {
        let parse = |line: &[&str]| Options::try_parse_from(line).unwrap().with_defaults();
        let cells = parse(&["paths", "--loss", "0.5"]);
        assert_eq!((&cells.rates[..], &cells.rtts[..]), (&[200, 1000][..], &[1.0, 50.0, 150.0][..]));
        assert_eq!((&cells.loss[..], &cells.shapes[..]), (&[0.5][..], &[1, 3][..]));
        assert_eq!((cells.size_at(200), cells.size_at(1000)), (128 << 20, 512 << 20));
        assert_eq!(cells.controllers(), [None]);
        let fair = parse(&["paths", "--fairness", "--congestion", "own,cubic"]);
        assert_eq!((&fair.rates[..], &fair.rtts[..], &fair.loss[..]), (&[200][..], &[50.0][..], &[0.0][..]));
        assert_eq!(fair.size_at(200), 256 << 20);
        assert_eq!(fair.controllers(), [Some("own".to_owned()), Some("cubic".to_owned())]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [["--shapes", "1to2"], ["--shapes", "0to1"], ["--loss", "101"], ["--loss", "NaN"]] {
            assert!(Options::try_parse_from(["paths", line[0], line[1]]).is_err(), "{line:?}");
        }
        for (text, bytes) in [("64MiB", Ok(64 << 20)), ("7", Ok(7)), ("1GiB", Ok(1 << 30))] {
            assert_eq!(size(text), bytes);
        }
        assert!(size("0").is_err() && size("99999999999GiB").is_err() && size("5MB").is_err());
    }
}
