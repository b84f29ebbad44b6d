//! How a file is fetched, and what came of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use minimodel_verifier::{Manifest, Report as CheckReport};
use minimodel_wire::{Consent, PeerId, SignedOffer};
use tokio::sync::{mpsc, watch};

use super::bans::Bans;
use super::gate::Gate;
use super::report::Report;
use super::throttle::Throttle;
use crate::machine::{Controls, Event, Order};
use crate::store::Supplied;

/// How a file is fetched.
#[derive(Debug)]
pub struct FetchSettings {
    /// What the file is.
    pub manifest: Arc<Manifest>,
    /// What our user agreed to; FETCH is always part of it.
    pub consent: Consent,
    /// Peers to begin with.
    pub sources: Vec<SignedOffer>,
    /// Who may come, whom we may ask and how much; see [`super::steady`] for what stays.
    pub controls: watch::Receiver<Controls>,
    /// Payload bytes a second from all peers together; they pass when all of these let them.
    pub down: Vec<Throttle>,
    /// The same to all peers together.
    pub up: Vec<Throttle>,
    /// Counts what moves here together with other sessions, and lets no more pass than may; `None`: nothing is shared.
    pub gate: Option<Arc<dyn Gate>>,
    /// Whom to refuse from the start, and where new bans are told.
    pub bans: Bans,
    /// Order of requests.
    pub order: Order,
    /// Without a byte for this long the fetch ends, resumable.
    pub stall_timeout: Duration,
    /// Whether peers are told of us by other means than the exchange, so that waiting for them makes sense.
    pub listening: bool,
    /// What is on disk is a file to be repaired: nothing is written to it before some of it was found good.
    pub repairs: bool,
    /// Recompute the rolling checksum and the chunk tree at the end as well.
    pub full_check: bool,
    /// Our own offer, passed on to members if our user agreed to publish.
    pub offer: Option<SignedOffer>,
    /// Software name for the Hello.
    pub software: String,
    /// Seed of random choices.
    pub seed: u64,
    /// Calendar time now, in seconds since 1970.
    pub unix_now: u64,
    /// Where events and pictures go.
    pub reports: mpsc::Sender<Report>,
}

/// What one peer supplied, over all sessions of this partial file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerShare {
    /// Chunks of the file that came from it.
    pub chunks: u32,
    /// Their bytes.
    pub bytes: u64,
    /// Why its key was banned, if it was.
    pub rejected: Option<String>,
}

/// A file that is whole, and the verdict of the check that read it back from disk.
#[derive(Debug)]
pub struct Fetched {
    /// The named checks.
    pub checks: CheckReport,
    /// Who supplied what of the file as it is now.
    pub peers: BTreeMap<PeerId, PeerShare>,
    /// The rest of the file: chunks that were found on disk without a record of who supplied them.
    pub found_on_disk: Supplied,
    /// Payload bytes received in this session, good or not.
    pub received_bytes: u64,
    /// How long this session took.
    pub elapsed: Duration,
    /// How long of that the last chunk was here already: what was left of the whole-file check.
    pub check_tail: Duration,
}

/// How a fetch ended.
#[derive(Debug)]
pub enum FetchEnd {
    /// Every chunk is here and the whole file was checked; see [`Fetched::checks`] for the verdict.
    Checked(Fetched),
    /// The user stopped it; resumable.
    Stopped,
    /// No byte came for the stall timeout; resumable.
    Stalled {
        /// Whether any peer was ever connected and introduced.
        met_a_peer: bool,
        /// What stood in the way: refusals, bans, wrong keys.
        reasons: Vec<Event>,
    },
    /// No chunk of the file to be repaired is of this artifact; nothing was written.
    NothingGood,
    /// No known peer can ever help.
    Exhausted {
        /// Why each was lost.
        reasons: Vec<Event>,
    },
}
