//! The command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

use crate::programs::Program;
use crate::programs::aria2::Aria2;
use crate::programs::driver::Driver;
use crate::programs::https::{Hash, Https};
use crate::programs::minimodel::Minimodel;
use crate::programs::raw::Raw;
use crate::stage::{Shape, parse_size};

/// An internet path's largest datagram that QUIC stacks find by default.
const INTERNET_MTU: u16 = 1452;

/// The same transfer by `minimodel` and by what people use today, real processes in turn, on loopback.
/// Programs that are not installed are skipped, with the line that installs them.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Senders and receivers, joined by commas
    #[arg(long, default_value = "1to1", value_delimiter = ',', value_parser = Shape::parse)]
    pub(crate) shape: Vec<Shape>,
    /// Size of the file
    #[arg(long, default_value = "1GiB", value_parser = parse_size)]
    pub(crate) size: u64,
    /// Counted runs of each program; one more that is not counted comes first
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// The folder of all files, in memory by choice [default: /dev/shm, or the system's temporary folder]
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Compare these alone, joined by commas: minimodel, minimodel-1452, raw, raw-1452, lt-tcp, lt-rc4, lt-utp, rqbit,
    /// iroh, aria2, curl-sha256sum, curl-openssl
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Write table.md, bars-SHAPE.svg and runs.json into this folder
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// The program under test [default: built by cargo, else the one beside this program]
    #[arg(long)]
    pub(crate) minimodel: Option<PathBuf>,
    /// Arguments added to its `seed` and `fetch`, separated by blanks
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    pub(crate) minimodel_args: String,
    /// Arguments added for the row with an internet path's MTU
    #[arg(long, default_value = "--max-datagram 1452", allow_hyphen_values = true)]
    pub(crate) minimodel_1452_args: String,
    /// The MTU of raw quinn beside `minimodel` with default settings: the longest datagram of loopback
    #[arg(long, default_value_t = 65_507, value_parser = clap::value_parser!(u16).range(1200..=65_507))]
    pub(crate) large_mtu: u16,
    /// A Python that has libtorrent [default: /usr/bin/python3, then python3]
    #[arg(long)]
    pub(crate) python: Option<PathBuf>,
    /// The driver of iroh-blobs [default: where its build line puts it]
    #[arg(long)]
    pub(crate) iroh: Option<PathBuf>,
    /// The driver of librqbit [default: where its build line puts it]
    #[arg(long)]
    pub(crate) rqbit: Option<PathBuf>,
    /// The longest that one step of one run may take, in seconds
    #[arg(long, default_value = "300", value_parser = seconds)]
    pub(crate) limit: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| format!("`{text}` is no number of seconds"))
}

/// The path of a driver: as given, beside this program (a shared target folder), or in its own target folder.
fn driver(told: Option<&Path>, beside: &Path, name: &str) -> PathBuf {
    let file = format!("compare-{name}");
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/compare/peers");
    let own = Path::new(own).join(name).join("target/release").join(&file);
    let shared = beside.join(file);
    told.map_or_else(|| if shared.is_file() { shared } else { own }, Path::to_owned)
}

impl Args {
    /// All programs that were asked for, in the order of the table.
    pub(crate) fn programs(&self, beside: &Path, minimodel: &Path) -> Result<Vec<Box<dyn Program>>, String> {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let raw = beside.join("rawquinn");
        let mut capped = words(&self.minimodel_args);
        capped.extend(words(&self.minimodel_1452_args));
        let mut all: Vec<Box<dyn Program>> = vec![
            Box::new(Raw::new("raw", &raw, self.large_mtu)),
            Box::new(Raw::new("raw-1452", &raw, INTERNET_MTU)),
            Box::new(Minimodel::new("minimodel", "minimodel", minimodel, &words(&self.minimodel_args))),
            Box::new(Minimodel::new("minimodel-1452", "minimodel, MTU 1452", minimodel, &capped)),
            Box::new(Driver::libtorrent("lt-tcp", "tcp")),
            Box::new(Driver::libtorrent("lt-rc4", "rc4")),
            Box::new(Driver::libtorrent("lt-utp", "utp")),
            Box::new(Driver::rqbit(&driver(self.rqbit.as_deref(), beside, "rqbit"))),
            Box::new(Driver::iroh(&driver(self.iroh.as_deref(), beside, "iroh"))),
            Box::new(Aria2::new()),
            Box::new(Https::new(Hash::Sha256sum)),
            Box::new(Https::new(Hash::Openssl)),
        ];
        let keys: Vec<&str> = all.iter().map(|program| program.facts().key).collect();
        if let Some(unknown) = self.only.iter().find(|key| !keys.contains(&key.as_str())) {
            return Err(format!("`{unknown}` is none of {}", keys.join(", ")));
        }
        all.retain(|program| self.only.is_empty() || self.only.iter().any(|key| key == program.facts().key));
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(line: &[&str]) -> Result<Vec<&'static str>, String> {
        let args = Args::parse_from([&["compare"], line].concat());
        let programs = args.programs(Path::new("/nowhere"), Path::new("minimodel"))?;
        Ok(programs.iter().map(|program| program.facts().key).collect())
    }

    #[test]
    fn programs_have_names_of_their_own_and_can_be_chosen() {
        let all = keys(&[]).unwrap();
        let mut distinct = all.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(keys(&["--only", "iroh,lt-tcp"]).unwrap(), ["lt-tcp", "iroh"]);
        assert!(keys(&["--only", "lt-tcp,ftp"]).unwrap_err().contains("`ftp`"));
    }

    #[test]
    fn a_told_driver_wins() {
        assert_eq!(driver(Some(Path::new("/x")), Path::new("/nowhere"), "iroh"), Path::new("/x"));
        assert!(
            driver(None, Path::new("/nowhere"), "iroh").ends_with("peers/iroh/target/release/compare-iroh")
        );
    }
}
