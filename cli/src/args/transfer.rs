//! Arguments of the verbs that move bytes between peers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};
use minimodel_swarm::driver::{LEAST_DATAGRAM, MAX_DATAGRAM};
use minimodel_wire::PeerId;

use super::companion::HandingOptions;
use super::consent_flag::{Action, ConsentFlag};
use super::publisher::PublisherOptions;
use super::value::{DhtNode, OfferArg};
use crate::size::{Rate, parse_duration, parse_positive_size, parse_rate};

/// Options of the verbs that may upload: `seed`, `fetch`, `mirror`, `import-peer-request`.
#[derive(Debug, Default, Args)]
pub(crate) struct ShareOptions {
    /// Listen on this address; port 0 picks a free port
    #[arg(long, value_name = "ADDR:PORT", env = "MINIMODEL_LISTEN", hide_env_values = true)]
    pub(crate) listen: Option<SocketAddr>,
    /// Name this address in the offer, if peers cannot dial the local one
    #[arg(long, value_name = "ADDR:PORT", env = "MINIMODEL_ADVERTISE", hide_env_values = true)]
    #[arg(value_delimiter = ',')]
    pub(crate) advertise: Vec<SocketAddr>,
    /// Upload to this peer only (repeatable) [default: anyone with the offer]
    #[arg(long, value_name = "PEER")]
    pub(crate) allow: Vec<PeerId>,
    /// Also write the offer to this file; it must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) offer_out: Option<PathBuf>,
    /// Upload at most this many bytes per second, as in 8MiB
    #[arg(long, value_name = "RATE", value_parser = parse_rate, env = "MINIMODEL_UP", hide_env_values = true)]
    pub(crate) up: Option<Rate>,
    /// Stop uploading after this many bytes in total, as in 100GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_positive_size)]
    pub(crate) quota: Option<u64>,
    /// Stop cleanly when stdin ends, for a program that starts this one with a pipe
    #[arg(long)]
    pub(crate) end_with_stdin: bool,
    /// Query this DHT node first, instead of the public ones (repeatable; needs the dht permission)
    #[arg(long, value_name = "HOST:PORT", env = "MINIMODEL_DHT_NODES", hide_env_values = true)]
    #[arg(value_delimiter = ',')]
    pub(crate) dht_node: Vec<DhtNode>,
    /// Send and accept only datagrams of at most this many bytes of UDP payload, as in 1452, for paths that
    /// lose longer ones
    #[arg(long, value_name = "BYTES", hide = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(i64::from(LEAST_DATAGRAM)..=i64::from(MAX_DATAGRAM)))]
    pub(crate) max_datagram: Option<u16>,
    /// Choose the congestion controller for uploads, for comparisons
    #[arg(long, value_enum, default_value_t = CongestionChoice::Own, hide = true)]
    pub(crate) congestion: CongestionChoice,
}

/// `--congestion`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CongestionChoice {
    /// minimodel's own
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
    /// Path of the manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// Path of the model file
    #[arg(value_name = "FILE.slm")]
    pub(crate) artifact: PathBuf,
    #[command(flatten)]
    pub(crate) share: ShareOptions,
    /// Stay in touch with this public peer, which introduces peers that cannot reach this machine: an offer,
    /// a link, a file with offers, or `-` for stdin (repeatable; needs the publish permission)
    #[arg(long, value_name = "OFFER")]
    pub(crate) peer: Vec<OfferArg>,
    /// Let in this peer, to which you gave your offer, even if a router or firewall here lets in only
    /// replies: the peer's own offer, or `-` to read offers from stdin during the run (repeatable)
    #[arg(long, value_name = "OFFER")]
    pub(crate) expect: Vec<OfferArg>,
    /// Upload to at most this many peers at a time
    #[arg(long, value_name = "NUMBER", env = "MINIMODEL_SLOTS", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) slots: Option<u16>,
    /// Read the whole file again, even if it has not changed since its last full check
    #[arg(long)]
    pub(crate) recheck: bool,
    #[command(flatten)]
    pub(crate) publisher: PublisherOptions,
    #[command(flatten)]
    pub(crate) handing: HandingOptions,
    /// Give permission to upload, as in `--consent serve`, instead of answering on a terminal
    #[arg(long, value_name = "ACTIONS")]
    pub(crate) consent: Option<ConsentFlag>,
}

/// `minimodel fetch`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("subject").required(true).args(["manifest", "offer"]))]
pub(crate) struct FetchArgs {
    /// Path of the manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
    /// Download the model of this offer (mm1...), link (minimodel:?s=...) or list; the first peer sends the
    /// manifest, which minimodel verifies
    #[arg(long, value_name = "OFFER")]
    pub(crate) offer: Option<OfferArg>,
    /// Download from this peer: an offer as text (mm1...), a link, a file with offers, or `-` for stdin
    /// (repeatable)
    #[arg(long, value_name = "OFFER")]
    pub(crate) peer: Vec<OfferArg>,
    /// Save the file, its manifest and its receipt in this folder [default: the library of a running daemon,
    /// else, on a terminal, the current folder]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) share: ShareOptions,
    #[command(flatten)]
    pub(crate) transfer: TransferOptions,
    #[command(flatten)]
    pub(crate) handing: HandingOptions,
    /// Give these permissions, as in `--consent fetch,import` or `--consent fetch,import,serve,publish`
    #[arg(long, value_name = "ACTIONS")]
    pub(crate) consent: Option<ConsentFlag>,
    /// Write the receipt to this file instead of beside the model file; it must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) receipt: Option<PathBuf>,
    /// Accept a file that can run code when a program loads it, as `executable` in --consent
    #[arg(long, requires = "consent")]
    pub(crate) accept_executable: bool,
}

impl FetchArgs {
    /// With `--accept-executable` as one of the permissions.
    pub(crate) fn with_accepted(mut self) -> Self {
        if let Some(consent) = self.consent.as_mut().filter(|_| self.accept_executable) {
            consent.actions.insert(Action::Executable);
        }
        self
    }

    /// The verb, for messages and the consent log.
    pub(crate) fn verb(&self) -> &'static str {
        if self.transfer.mirrors { "mirror" } else { "fetch" }
    }
}

/// Options of downloads: `fetch`, `mirror` and `import-peer-request`.
#[derive(Debug, Default, Args)]
pub(crate) struct TransferOptions {
    /// Download at most this many bytes per second, as in 60MiB
    #[arg(long, value_name = "RATE", value_parser = parse_rate, env = "MINIMODEL_DOWN", hide_env_values = true)]
    pub(crate) down: Option<Rate>,
    /// Choose which chunks to download first
    #[arg(long, value_enum, default_value_t = OrderChoice::Rarest)]
    pub(crate) order: OrderChoice,
    /// Stop if no byte was verified for this long, as in 2m; the same command resumes
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    #[arg(env = "MINIMODEL_STALL_TIMEOUT", hide_env_values = true)]
    pub(crate) stall_timeout: Option<Duration>,
    /// Keep uploading after the download, until Ctrl-C; needs the serve permission
    #[arg(long)]
    pub(crate) keep_seeding: bool,
    /// Also recompute the .slm rolling checksum at the end
    #[arg(long)]
    pub(crate) full_check: bool,
    #[command(flatten)]
    pub(crate) publisher: PublisherOptions,
    /// True for `mirror`, which relays its download and lets other peers find it.
    #[arg(skip)]
    pub(crate) mirrors: bool,
}

/// `--order`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderChoice {
    /// Chunks that the fewest peers have
    #[default]
    Rarest,
    /// From the start of the file
    Sequential,
}

/// `minimodel verify-artifact --repair`.
#[derive(Debug, Args)]
pub(crate) struct RepairOptions {
    /// Download the wrong chunks of the file again and overwrite them
    #[arg(long, requires = "peer")]
    pub(crate) repair: bool,
    /// Also repair a file that is mostly wrong; if it is another file, the repair overwrites all of it
    #[arg(long, requires = "repair")]
    pub(crate) repair_most: bool,
    /// Download from this peer: an offer as text (mm1...), a link, a file with offers, or `-` for stdin
    /// (repeatable)
    #[arg(long, value_name = "OFFER", requires = "repair")]
    pub(crate) peer: Vec<OfferArg>,
    /// Give these permissions, as in `--consent fetch,import`
    #[arg(long, value_name = "ACTIONS", requires = "repair")]
    pub(crate) consent: Option<ConsentFlag>,
    /// Write the receipt of the repair to this file; it must not exist [default: beside the model file]
    #[arg(long, value_name = "FILE", requires = "repair")]
    pub(crate) receipt: Option<PathBuf>,
    /// Download at most this many bytes per second, as in 60MiB
    #[arg(long, value_name = "RATE", value_parser = parse_rate, requires = "repair")]
    pub(crate) down: Option<Rate>,
    /// Stop if no byte was verified for this long, as in 2m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "repair")]
    pub(crate) stall_timeout: Option<Duration>,
    /// Connect from this address; port 0 picks a free port
    #[arg(long, value_name = "ADDR:PORT", env = "MINIMODEL_LISTEN", hide_env_values = true)]
    pub(crate) listen: Option<SocketAddr>,
}

/// `minimodel import-peer-request`.
#[derive(Debug, Args)]
pub(crate) struct ImportPeerRequestArgs {
    /// Path of the request
    #[arg(value_name = "REQUEST.json")]
    pub(crate) request: PathBuf,
    /// Path of the manifest
    #[arg(value_name = "MANIFEST")]
    pub(crate) manifest: PathBuf,
    /// Folder for the file, its manifest and its receipt
    #[arg(value_name = "OUTPUT-DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) share: ShareOptions,
    #[command(flatten)]
    pub(crate) transfer: TransferOptions,
    /// Repeat the permissions that the request asks for, instead of answering on a terminal
    #[arg(long, value_name = "ACTIONS")]
    pub(crate) consent: Option<ConsentFlag>,
}

/// `minimodel demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Watch and control a transfer between the pages of two users in the browser, until Ctrl-C
    #[arg(long)]
    pub(crate) page: bool,
    /// Print the addresses of the pages and the codes to type, instead of starting the browser
    #[arg(long, requires = "page")]
    pub(crate) print: bool,
    /// Keep the folder of the demo
    #[arg(long)]
    pub(crate) keep: bool,
}
