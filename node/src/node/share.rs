//! A share as a handle.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use super::Node;
use super::running::Running;
use crate::check::CheckError;
use crate::consent::RunConsent;
use crate::error::Error;
use crate::event::Event;
use crate::publishers::{Publishers, Signer};
use crate::transfer::{self, Consents, Control, Endpoint, Limits, Run, Served, ShareError, SharePlan};

/// Name of the work in the ledger of bans and in the consent log.
const ACTIVITY: &str = "seed";

/// A share that has not started. Made by [`Node::share`](crate::Node::share).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("model.slm");
/// # std::fs::write(&file, minimodel_fixtures::manifest_artifact())?;
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let node = minimodel::Node::open(minimodel::Home::at(folder.path()))?;
/// use minimodel::transfer::{Endpoint, Limits};
/// use minimodel::{Action, RunConsent};
///
/// let listen = Endpoint { listen: Some("127.0.0.1:0".parse()?), ..Endpoint::default() };
/// let share = node.share(manifest, &file).endpoint(listen);
/// let share = share.limits(Limits { up: Some(5_000_000), ..Limits::default() });
/// let mut share = share.start(&RunConsent::given([Action::Serve], "dialog"))?;
/// println!("hand this on: {}", share.offer().await.expect("the file is what its manifest says"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before it is started"]
pub struct ShareBuilder {
    node: Node,
    manifest: Arc<Manifest>,
    file: PathBuf,
    accepted: Option<Signer>,
    endpoint: Endpoint,
    members: Vec<SignedOffer>,
    rechecks: bool,
    limits: Limits,
}

impl ShareBuilder {
    pub(super) fn new(node: Node, manifest: Arc<Manifest>, file: PathBuf) -> Self {
        let (endpoint, limits) = (Endpoint::default(), Limits::default());
        Self { node, manifest, file, accepted: None, endpoint, members: Vec::new(), rechecks: false, limits }
    }

    /// Sets where it listens and what its offer names; without this, at the endpoint of the [`Node`].
    pub fn endpoint(self, endpoint: Endpoint) -> Self {
        Self { endpoint, ..self }
    }

    /// Accepts this signer of the manifest, although another is known of its publisher. The user must have agreed to exactly that.
    pub fn accept_signer(self, signer: Signer) -> Self {
        Self { accepted: Some(signer), ..self }
    }

    /// Keeps in touch with another member, if the user agreed to publish: it introduces those who cannot reach this machine.
    pub fn member(mut self, offer: SignedOffer) -> Self {
        self.members.push(offer);
        self
    }

    /// Reads the file even if it has not changed since its last full check.
    pub fn recheck(self) -> Self {
        Self { rechecks: true, ..self }
    }

    /// Sets the limits with which it starts.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Starts the share on a thread of its own: checks the file, then serves it until it is cancelled.
    ///
    /// # Errors
    ///
    /// The user did not agree to serve, or there is no thread. What else fails is the error of [`Share::finish`].
    pub fn start(self, agreed: &RunConsent) -> Result<Share, Error> {
        let consents = Consents::to_share(agreed.for_receipt())?;
        let control = Control::new(self.limits.clone());
        let (node, agreed) = (self.node.clone(), agreed.clone());
        let work = move |run: &Run| {
            Publishers::of(run.home.state()?).accept(&self.manifest, self.accepted.as_ref())?;
            agreed.record(&run.home, ACTIVITY, Some(self.manifest.swarm_id()))?;
            let plan = SharePlan {
                activity: ACTIVITY,
                manifest: self.manifest,
                path: self.file,
                consents,
                endpoint: self.endpoint,
                members: self.members,
                earlier: Vec::new(),
                rechecks: self.rechecks,
            };
            transfer::share(run, &plan).map_err(|error| match error {
                ShareError::Check(CheckError::Stopped) => Error::Cancelled,
                error => error.into(),
            })
        };
        Ok(Share(Running::start("share", &node, control, work)?))
    }
}

/// A running share. Dropping it cancels the share in good order.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use minimodel::{Action, Home, Manifest, Node, RunConsent, transfer::Endpoint};
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("model.slm");
/// # std::fs::write(&file, minimodel_fixtures::manifest_artifact())?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let listen = Endpoint { listen: Some("127.0.0.1:0".parse()?), ..Endpoint::default() };
/// # let builder = Node::open(Home::at(folder.path()))?.share(manifest, &file).endpoint(listen);
/// # let agreed = RunConsent::given([Action::Serve], "dialog");
/// let mut share: minimodel::Share = builder.start(&agreed)?;
/// let offer = share.offer().await.expect("the file is what its manifest says");
/// assert!(offer.to_string().starts_with("mm1"));
/// share.control().cancel();
/// assert!(!share.finish().await?.is_changed);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it cancels the share"]
pub struct Share(Running<Served>);

impl Share {
    /// The offer that leads to this share, once the file is checked; `None` if the share ended before.
    pub async fn offer(&mut self) -> Option<SignedOffer> {
        self.0.offer().await
    }

    /// The next event; `None` once the share has ended. Reports of the swarm are dropped if they are not taken in time.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.next().await
    }

    /// Cancels, pauses and resumes it, and changes its limits.
    pub fn control(&self) -> &Control {
        self.0.control()
    }

    /// Waits for the end of the share: it was cancelled, or the file changed.
    ///
    /// # Errors
    ///
    /// The failure that ended it.
    pub async fn finish(self) -> Result<Served, Error> {
        self.0.finish().await
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Share").field(self.control()).finish()
    }
}
