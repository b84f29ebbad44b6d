//! Transfers: a share of a file that is here, a fetch of one that is not, and a repair of one that is damaged.
//!
//! Each runs on the thread that calls it, tells a [`Watcher`] what happens, and is cancelled and adjusted through a
//! [`Control`] by other threads. Nothing here asks the user: the consents are an argument.

mod addresses;
mod consents;
mod control;
mod earlier;
mod end;
mod endpoint;
mod error;
mod fetch;
mod import;
mod lower;
mod manifest_of_offer;
mod network;
mod offer;
pub mod output_file;
mod plan;
mod receipt;
mod repair;
mod reports;
pub mod runtime;
mod serve_quota;
mod share;
mod shared_endpoint;
mod target;
mod ways;

use std::path::Path;
use std::sync::Arc;

use minimodel_swarm::store::SourceFile;
use minimodel_verifier::Manifest;
use minimodel_verifier::verify::Verified;

pub use consents::{Consents, MissingConsent, ShareConsents};
pub use control::{Control, Limits};
pub use earlier::earlier_peers;
pub use end::{End, FetchedFile, RepairedFile};
pub use endpoint::Endpoint;
pub use error::TransferError;
pub use fetch::run as fetch;
pub use import::{ImportError, Imported, Summary};
#[cfg(feature = "dht")]
pub use lower::DhtError;
#[cfg(feature = "lan")]
pub use lower::LanError;
pub use lower::{
    Account, ChunkMap, Congestion, Controls, Direction, DriverError, EarlierPeer, KnockError, KnockFailed,
    Mapping, MappingProtocol, MappingState, NoMapping, Order, PeerShare, QuotaGate, QuotaRefusal, RateLimit,
    ReceiptError, RepairIf, Served, Similarity, StoreError, Supplied, Way,
};
pub use manifest_of_offer::fetch_manifest;
pub use offer::{UnusableOffer, check_offer, read_offer};
pub use plan::{FetchError, FetchOptions, FetchPlan, STALL_TIMEOUT};
pub use receipt::TOOL_VERSION;
pub use repair::{RepairError, is_under_way, run as repair, target as repair_target};
pub use runtime::StartError;
pub use serve_quota::ServeQuota;
pub use share::{ShareError, SharePlan, run as share};
pub use shared_endpoint::SharedEndpoint;
pub use target::{Difference, OtherManifest, Target, TargetError, layout};
pub use ways::{LocalWays, WayEvent, WayFault, Ways, WaysSettings};

use self::network::Network;
use crate::check::{CheckError, FullCheck};
use crate::checks::CheckRecords;
use crate::event::{Event, Watcher};
use crate::home::Home;
use crate::identity::Identity;

/// What every transfer is given: the folders of its user, its watcher, and its control.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let file = folder.path().join("model.slm");
/// # std::fs::write(&file, minimodel_fixtures::manifest_artifact())?;
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let agreed = minimodel::RunConsent::given([minimodel::Action::Serve], "dialog");
/// # let plan = minimodel::transfer::SharePlan {
/// #     activity: "seed", manifest: manifest.into(), path: file, members: Vec::new(), earlier: Vec::new(), rechecks: false,
/// #     consents: minimodel::transfer::Consents::to_share(agreed.for_receipt())?,
/// #     endpoint: minimodel::transfer::Endpoint { listen: Some("127.0.0.1:0".parse()?), ..Default::default() },
/// # };
/// use std::sync::Arc;
///
/// use minimodel::Event;
/// use minimodel::transfer::{self, Control, Run};
///
/// // A share that ends as soon as it has an offer, on the thread that calls it.
/// let control = Control::default();
/// let cancels = control.clone();
/// let watcher = Arc::new(move |event: Event| {
///     if let Event::Offer { .. } = event {
///         cancels.cancel();
///     }
/// });
/// assert!(!transfer::share(&Run { home, watcher, control, shared: None }, &plan)?.is_changed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Run {
    /// The folders of the user.
    pub home: Home,
    /// Is told the events.
    pub watcher: Arc<dyn Watcher>,
    /// Cancels and adjusts it.
    pub control: Control,
    /// The endpoint that it shares with other transfers if it names no address; `None`: it has one of its own.
    pub shared: Option<SharedEndpoint>,
}

impl Run {
    /// Does `work` with the network of the transfer: after a pause at its port of before. `serves`: the swarm whose peers may
    /// connect.
    fn with_network<T, E: From<TransferError>>(
        &self,
        endpoint: &Endpoint,
        identity: &Identity,
        serves: Option<[u8; 32]>,
        work: impl FnOnce(&Network) -> Result<T, E>,
    ) -> Result<T, E> {
        let last_port = self.control.port().or(endpoint.last_port);
        let endpoint = Endpoint { last_port, ..endpoint.clone() };
        Network::with(self, &endpoint, identity, serves, |network| {
            if serves.is_some() {
                self.control.keep_port(network.node().local_address().port());
            }
            work(network)
        })
    }

    /// Runs `work`, and runs it again each time that the transfer was paused meanwhile and goes on. `was_stopped`: whether work
    /// ended because it was to stop.
    fn unless_paused<T>(&self, mut work: impl FnMut() -> T, was_stopped: impl Fn(&T) -> bool) -> T {
        loop {
            let end = work();
            if !was_stopped(&end) {
                return end;
            }
            if self.control.is_paused() {
                self.tell(Event::Paused);
            }
            if !self.control.wait_while_paused() {
                return end;
            }
        }
    }

    /// Runs every check of a file, unless the transfer is to stop.
    fn check(&self, manifest: &Manifest, path: &Path, source: &SourceFile) -> Result<Verified, CheckError> {
        let is_stopped = || self.control.is_stopping();
        let check = FullCheck { home: &self.home, watcher: &*self.watcher, is_stopped: &is_stopped };
        check.run(manifest, path, source)
    }

    /// The records of full checks.
    fn records(&self) -> CheckRecords<'_> {
        CheckRecords::of(&self.home, &*self.watcher)
    }

    fn tell(&self, event: Event) {
        self.watcher.tell(event);
    }
}
