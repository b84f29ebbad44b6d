//! What a fetch is given, and how it ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use minimodel_swarm::driver::STALL_TIMEOUT;
use minimodel_swarm::machine::{self, Order};
use minimodel_swarm::store::StoreError;
use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use super::consents::{Consents, MissingConsent};
use super::endpoint::Endpoint;
use super::error::TransferError;
use super::import::ImportError;
use super::share::ShareError;
use super::target::{Target, TargetError};
use crate::publishers::SignerVerdict;

/// Options of a fetch.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let node = minimodel::Node::open(minimodel::Home::at(folder.path()))?;
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::transfer::{FetchOptions, Order};
/// use minimodel::{Action, Error, RunConsent};
///
/// let mut options = FetchOptions::default();
/// options.order = Order::Sequential;
/// options.keep_seeding = true;
/// // What the options do beyond the fetch needs its consent too.
/// let agreed = RunConsent::given([Action::Fetch, Action::Import], "dialog");
/// let started = node.fetch(manifest).options(options).start(&agreed);
/// assert!(matches!(started, Err(Error::MissingConsent(missing)) if missing.action == Action::Serve));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let models = folder.path().join("models");
/// # std::fs::create_dir(&models)?;
/// # std::fs::write(models.join("sample-model-1.0.0.slm"), minimodel_fixtures::manifest_artifact())?;
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let agreed = minimodel::RunConsent::given(minimodel::Action::ALL, "dialog");
/// # let sources = Vec::new();
/// use minimodel::publishers::Publishers;
/// use minimodel::transfer::{self, Consents, Control, FetchOptions, FetchPlan, Run, Target};
///
/// let plan = FetchPlan {
///     activity: "fetch",
///     target: Target::new(&models, &manifest, None)?,
///     publisher: Publishers::verdict_in(&home, &manifest)?,
///     consents: Consents::to_fetch(agreed.for_receipt())?,
///     manifest: manifest.into(),
///     sources,
///     begun_unix: minimodel::clock::now_unix(),
///     options: FetchOptions::default(),
/// };
/// let run = Run { home, watcher: std::sync::Arc::new(()), control: Control::default(), shared: None };
/// transfer::fetch(&run, &plan)?;
/// assert!(plan.target.receipt.is_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

/// Why a fetch failed. The partial file stays, and a later fetch resumes with it, unless the error says otherwise.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use minimodel::{Action, Error, Home, Manifest, Node, RunConsent};
/// # let folder = tempfile::tempdir()?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let fetch = Node::open(Home::at(folder.path()))?.fetch(manifest).into_folder(folder.path().join("models"));
/// # let fetch = fetch.start(&RunConsent::given([Action::Fetch, Action::Import], "dialog"))?;
/// # let Err(Error::Fetch(error)) = fetch.finish().await else { panic!() };
/// use minimodel::transfer::FetchError;
///
/// let (advice, again) = match error {
///     FetchError::NoPeers | FetchError::Exhausted { .. } => ("ask for another offer", false),
///     FetchError::Stalled { met_a_peer, .. } => ("wait for the peers", met_a_peer),
///     FetchError::Store(_) => ("look at the disk", true),
///     _ => ("look at the error", false),
/// };
/// assert_eq!((advice, again), ("ask for another offer", false));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The file cannot be put where it was to go.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// What any transfer needs.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The user did not agree to take such a file.
    #[error(transparent)]
    Consent(#[from] MissingConsent),
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
    /// The file is there already, and could not be served, as a fetch that keeps seeding does.
    #[error(transparent)]
    Share(Box<ShareError>),
    /// The disk, or the files on it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
