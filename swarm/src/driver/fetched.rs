//! Settings and outcome of a fetch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use minimodel_verifier::{Manifest, Report as CheckReport};
use minimodel_wire::{Consent, PeerId, SignedOffer};

use super::settings::SessionSettings;
use crate::machine::{EarlierPeer, Event, Order};
use crate::store::Supplied;

/// A fetch ends, resumable, when no byte came for this long, unless the caller says otherwise.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Settings of a fetch.
#[derive(Debug)]
pub struct FetchSettings {
    /// The manifest of the file.
    pub manifest: Arc<Manifest>,
    /// The user's consent; FETCH is always part of it.
    pub consent: Consent,
    /// Offers of the peers to begin with.
    pub sources: Vec<SignedOffer>,
    /// Peers that helped in earlier runs.
    pub earlier: Vec<EarlierPeer>,
    /// Order of requests.
    pub order: Order,
    /// The fetch ends, resumable, when no byte came for this long.
    pub stall_timeout: Duration,
    /// Whether peers learn of this node, or are found, by other means than the peer exchange, so that waiting for them makes sense.
    pub listening: bool,
    /// The file on disk is to be repaired: nothing is written to it before some of it was found good.
    pub repairs: bool,
    /// Recompute the rolling checksum and the chunk tree at the end as well.
    pub full_check: bool,
    /// What it has in common with a share.
    pub session: SessionSettings,
}

impl FetchSettings {
    /// Settings of a fetch that neither serves nor publishes, and that gives up after a minute without a byte.
    pub fn new(manifest: Arc<Manifest>, sources: Vec<SignedOffer>, session: SessionSettings) -> Self {
        Self {
            manifest,
            consent: Consent::FETCH,
            sources,
            earlier: Vec::new(),
            order: Order::default(),
            stall_timeout: STALL_TIMEOUT,
            listening: false,
            repairs: false,
            full_check: false,
            session,
        }
    }
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

/// A complete file, and the verdict of the check that read it back from disk.
#[derive(Debug)]
pub struct Fetched {
    /// The named checks.
    pub checks: CheckReport,
    /// What each peer supplied of the file as it is now, and the rejected peers.
    pub peers: BTreeMap<PeerId, PeerShare>,
    /// The rest of the file: chunks that were found on disk without a record of who supplied them.
    pub found_on_disk: Supplied,
    /// Payload bytes received in this session, good or not.
    pub received_bytes: u64,
    /// How long this session took.
    pub elapsed: Duration,
    /// The part of `elapsed` since the last chunk was kept: what was left of the whole-file check then.
    pub check_tail: Duration,
}

/// How the network's part of a fetch ended: a file that is whole still waits for its name and its receipt.
#[derive(Debug)]
pub enum FetchEnd {
    /// Every chunk is here and the whole file was checked; see [`Fetched::checks`] for the verdict.
    Checked(Fetched),
    /// The user stopped it; resumable.
    Stopped,
    /// No byte came for the stall timeout, or no proven chunk for many of them; resumable.
    Stalled {
        /// Whether any peer was ever connected and introduced.
        met_a_peer: bool,
        /// What stood in the way: refusals, bans, wrong keys.
        reasons: Vec<Event>,
    },
    /// No chunk of the file to be repaired belongs to this artifact; nothing was written.
    NothingGood,
    /// No known peer can ever help.
    Exhausted {
        /// Why each peer was lost.
        reasons: Vec<Event>,
    },
}
