//! What a fetch is given, and how it ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use minimodel_swarm::driver::DriverError;
pub use minimodel_swarm::driver::STALL_TIMEOUT;
use minimodel_swarm::machine::{self, Order};
use minimodel_swarm::store::StoreError;
use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use super::Served;
use super::consents::Consents;
use super::endpoint::Endpoint;
use super::import::{ImportError, Imported};
use super::runtime::StartError;
use super::target::{Target, TargetError};
use crate::bans::BansError;
use crate::identity::IdentityError;
use crate::publishers::SignerVerdict;

/// Options of a fetch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FetchOptions {
    /// Where it listens, if it serves, and dials from.
    pub endpoint: Endpoint,
    /// True if peers learn of this fetch by other means than other peers, for example because its offer is handed out: then
    /// waiting for them makes sense.
    pub awaits_peers: bool,
    /// Which chunks come first.
    pub order: Order,
    /// The fetch ends, resumable, when no byte came for this long.
    pub stall_timeout: Duration,
    /// Goes on to serve the whole file until it is stopped; needs the consent to serve.
    pub keep_seeding: bool,
    /// Recomputes the rolling checksum of the file at the end as well.
    pub full_check: bool,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::default(),
            awaits_peers: false,
            order: Order::Rarest,
            stall_timeout: STALL_TIMEOUT,
            keep_seeding: false,
            full_check: false,
        }
    }
}

/// A fetch that the user agreed to: what it fetches, from where and to where.
#[derive(Clone, Debug)]
pub struct FetchPlan {
    /// Name of the work in the ledger of bans: `fetch`.
    pub activity: &'static str,
    /// The manifest of the file.
    pub manifest: Arc<Manifest>,
    /// Offers of the first peers, for this manifest.
    pub sources: Vec<SignedOffer>,
    /// The paths of the file.
    pub target: Target,
    /// The verdict on the manifest's key when the user consented.
    pub publisher: SignerVerdict,
    /// The consents of the user.
    pub consents: Consents,
    /// When the import began, in seconds since 1970.
    pub begun_unix: u64,
    /// The options.
    pub options: FetchOptions,
}

/// How a fetch ended that did not fail.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchEnd {
    /// The file is in its place, with its receipt.
    Done {
        /// The file, its receipt and what came from whom.
        imported: Box<Imported>,
        /// What was served after that, if the fetch went on to seed.
        served: Option<Served>,
    },
    /// It was cancelled; everything proven so far is kept.
    Stopped,
}

/// Why a fetch failed. The partial file stays, and a later fetch resumes with it, unless the error says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The file cannot be put where it was to go.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// There is no identity to use.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The folder of the ledger of bans cannot be used.
    #[error(transparent)]
    Bans(#[from] BansError),
    /// The machine has no room for another transfer.
    #[error("cannot start a transfer: {0}")]
    Start(#[from] StartError),
    /// No peer was named, and none can find this fetch.
    #[error("no peer to fetch from")]
    NoPeers,
    /// No known peer can ever supply the file.
    #[error("no usable peer is left")]
    Exhausted {
        /// Why each of them was lost: refusals, bans, wrong keys.
        reasons: Vec<machine::Event>,
    },
    /// Nothing came from any peer for the stall timeout.
    #[error("nothing came from any peer for {} s", timeout.as_secs())]
    Stalled {
        /// Whether any peer was ever connected and introduced.
        met_a_peer: bool,
        /// What stood in the way: refusals, bans, wrong keys.
        reasons: Vec<machine::Event>,
        /// The stall timeout.
        timeout: Duration,
    },
    /// No chunk of a file to be repaired is of this artifact; nothing was written.
    #[error("no chunk of `{}` is of this artifact", path.display())]
    NothingGood {
        /// The file.
        path: PathBuf,
    },
    /// The whole file could not be given its name and its receipt.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The disk, or the files on it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The network, or a worker.
    #[error(transparent)]
    Driver(#[from] DriverError),
}
