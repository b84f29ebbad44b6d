//! Arguments of the verbs that move bytes between peers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use minimodel_swarm::driver::{LEAST_DATAGRAM, MAX_DATAGRAM};
use minimodel_wire::PeerId;

use super::companion::HandingOptions;
use super::consent_flag::ConsentFlag;
use super::publisher::PublisherOptions;
use super::value::OfferArg;
use crate::size::{Rate, parse_duration, parse_positive_size, parse_rate};

/// Options of everything that may serve: `seed`, `fetch`, `import-peer-request`.
#[derive(Debug, Default, Args)]
pub(crate) struct ShareOptions {
    /// Listen here; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", env = "MINIMODEL_LISTEN", hide_env_values = true)]
    pub(crate) listen: Option<SocketAddr>,
    /// Name this address in the offer, where peers reach this machine by another one
    #[arg(long, value_name = "ADDR:PORT", env = "MINIMODEL_ADVERTISE", hide_env_values = true)]
    #[arg(value_delimiter = ',')]
    pub(crate) advertise: Vec<SocketAddr>,
    /// Serve this peer alone (repeat for more) [default: anyone who holds the offer]
    #[arg(long, value_name = "PEER")]
    pub(crate) allow: Vec<PeerId>,
    /// Write the offer to a file as well; it must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) offer_out: Option<PathBuf>,
    /// Send at most this many bytes a second, as in 8MiB
    #[arg(long, value_name = "RATE", value_parser = parse_rate, env = "MINIMODEL_UP", hide_env_values = true)]
    pub(crate) up: Option<Rate>,
    /// Serve at most this many bytes in all, as in 100GiB, and then nobody
    #[arg(long, value_name = "SIZE", value_parser = parse_positive_size)]
    pub(crate) quota: Option<u64>,
    /// End in good order when stdin ends, for a program that starts this one with a pipe
    #[arg(long)]
    pub(crate) end_with_stdin: bool,
    /// Send and take no datagram of more than this many bytes of UDP payload, as 1452, where a path loses longer ones
    #[arg(long, value_name = "BYTES", hide = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(i64::from(LEAST_DATAGRAM)..=i64::from(MAX_DATAGRAM)))]
    pub(crate) max_datagram: Option<u16>,
    /// Which congestion controller keeps our sending within the path, for comparisons
    #[arg(long, value_enum, default_value_t = CongestionChoice::Own, hide = true)]
    pub(crate) congestion: CongestionChoice,
}

/// `--congestion`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CongestionChoice {
    /// Ours
    #[default]
    Own,
    /// quinn's CUBIC
    Cubic,
    /// quinn's BBR
    Bbr,
}

/// `minimodel seed`.
#[derive(Debug, Args)]
pub(crate) struct SeedArgs {
    /// The manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// The model file
    #[arg(value_name = "FILE.slm")]
    pub(crate) artifact: PathBuf,
    #[command(flatten)]
    pub(crate) share: ShareOptions,
    /// Another member to keep in touch with, which introduces those who cannot reach this machine: an offer, a link, a file with offers, or - (repeat for more; needs consent to publish)
    #[arg(long, value_name = "OFFER")]
    pub(crate) peer: Vec<OfferArg>,
    /// Let in this peer, which was given this share's offer, though a router or firewall here may let in answers alone: its own offer, or - to read offers from stdin while it runs (repeat for more)
    #[arg(long, value_name = "OFFER")]
    pub(crate) expect: Vec<OfferArg>,
    /// Serve at most this many peers at a time
    #[arg(long, value_name = "NUMBER", env = "MINIMODEL_SLOTS", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) slots: Option<u16>,
    /// Read the whole file even when it has not changed since its last full check
    #[arg(long)]
    pub(crate) recheck: bool,
    #[command(flatten)]
    pub(crate) publisher: PublisherOptions,
    #[command(flatten)]
    pub(crate) handing: HandingOptions,
    /// The consent to serve, as in `--consent serve`; on a terminal it is asked for instead
    #[arg(long, value_name = "ACTIONS")]
    pub(crate) consent: Option<ConsentFlag>,
}

/// `minimodel fetch`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("subject").required(true).args(["manifest", "offer"]))]
pub(crate) struct FetchArgs {
    /// The manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    /// Fetch what this offer (mm1...), link (minimodel:?s=...) or list offers; the manifest comes from the first peer and is checked
    #[arg(long, value_name = "OFFER")]
    pub(crate) offer: Option<OfferArg>,
    /// A peer to fetch from: an offer as text (mm1...), a link, a file with offers, or - for stdin (repeat for more)
    #[arg(long, value_name = "OFFER")]
    pub(crate) peer: Vec<OfferArg>,
    /// The folder for the file, its manifest and its receipt [default: a running companion's library, else, on a terminal, the current folder]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) share: ShareOptions,
    #[command(flatten)]
    pub(crate) transfer: TransferOptions,
    #[command(flatten)]
    pub(crate) handing: HandingOptions,
    /// The consents, as in `--consent fetch,import` or `--consent fetch,import,serve,publish`
    #[arg(long, value_name = "ACTIONS")]
    pub(crate) consent: Option<ConsentFlag>,
    /// Write the receipt here instead of beside the file; it must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
}

impl FetchArgs {
    /// The verb, for messages and the consent log.
    pub(crate) fn verb(&self) -> &'static str {
        if self.transfer.mirrors { "mirror" } else { "fetch" }
    }
}

/// How bytes are fetched: `fetch` and `import-peer-request`.
#[derive(Debug, Default, Args)]
pub(crate) struct TransferOptions {
    /// Fetch at most this many bytes a second, as in 60MiB
    #[arg(long, value_name = "RATE", value_parser = parse_rate, env = "MINIMODEL_DOWN", hide_env_values = true)]
    pub(crate) down: Option<Rate>,
    /// Which chunks come first
    #[arg(long, value_enum, default_value_t = OrderChoice::Rarest)]
    pub(crate) order: OrderChoice,
    /// Give up, resumably, when no byte was proven for this long, as in 2m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    #[arg(env = "MINIMODEL_STALL_TIMEOUT", hide_env_values = true)]
    pub(crate) stall_timeout: Option<Duration>,
    /// Go on serving after the file is there, until Ctrl-C; needs the serve consent
    #[arg(long)]
    pub(crate) keep_seeding: bool,
    /// Recompute the .slm rolling checksum at the end as well
    #[arg(long)]
    pub(crate) full_check: bool,
    #[command(flatten)]
    pub(crate) publisher: PublisherOptions,
    /// True for `mirror`: what it fetches it serves on, and it lets itself be found.
    #[arg(skip)]
    pub(crate) mirrors: bool,
}

/// `--order`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderChoice {
    /// The chunks that the fewest peers have
    #[default]
    Rarest,
    /// From the beginning of the file
    Sequential,
}

/// `minimodel verify-artifact --repair`.
#[derive(Debug, Args)]
pub(crate) struct RepairOptions {
    /// Fetch the chunks that are wrong in the file again, and write them over
    #[arg(long, requires = "peer")]
    pub(crate) repair: bool,
    /// Repair also a file most of which is wrong, though it may be another file: all of it is written over
    #[arg(long, requires = "repair")]
    pub(crate) repair_most: bool,
    /// A peer to fetch them from: an offer as text (mm1...), a link, a file with offers, or - for stdin (repeat for more)
    #[arg(long, value_name = "OFFER", requires = "repair")]
    pub(crate) peer: Vec<OfferArg>,
    /// The consents, as in `--consent fetch,import`
    #[arg(long, value_name = "ACTIONS", requires = "repair")]
    pub(crate) consent: Option<ConsentFlag>,
    /// Write the receipt of the repair here; it must not exist [default: beside the file]
    #[arg(long, value_name = "FILE", requires = "repair")]
    pub(crate) receipt: Option<PathBuf>,
    /// Fetch at most this many bytes a second, as in 60MiB
    #[arg(long, value_name = "RATE", value_parser = parse_rate, requires = "repair")]
    pub(crate) down: Option<Rate>,
    /// Give up when no byte was proven for this long, as in 2m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "repair")]
    pub(crate) stall_timeout: Option<Duration>,
    /// Dial from here; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", env = "MINIMODEL_LISTEN", hide_env_values = true)]
    pub(crate) listen: Option<SocketAddr>,
}

/// `minimodel import-peer-request`.
#[derive(Debug, Args)]
pub(crate) struct ImportPeerRequestArgs {
    /// The request
    #[arg(value_name = "REQUEST.json")]
    pub(crate) request: PathBuf,
    /// The manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// The folder for the file, its manifest and its receipt
    #[arg(value_name = "OUTPUT-DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) share: ShareOptions,
    #[command(flatten)]
    pub(crate) transfer: TransferOptions,
    /// The consents, which repeat what the request asks for; on a terminal they are asked for instead
    #[arg(long, value_name = "ACTIONS")]
    pub(crate) consent: Option<ConsentFlag>,
}

/// `minimodel demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Watch and steer a transfer between two users' pages in the browser, until Ctrl-C
    #[arg(long)]
    pub(crate) page: bool,
    /// Print the pages' addresses and codes to type instead of starting the browser
    #[arg(long, requires = "page")]
    pub(crate) print: bool,
    /// Leave the demo's folder behind
    #[arg(long)]
    pub(crate) keep: bool,
}
