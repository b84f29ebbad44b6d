//! A fetch as a handle.

use std::fmt;
use std::path::PathBuf;

use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use super::running::Running;
use super::{Node, Subject};
use crate::check::CheckError;
use crate::clock::now_unix;
use crate::consent::{Action, RunConsent};
use crate::error::Error;
use crate::event::Event;
use crate::home::Home;
use crate::publishers::{Publishers, Signer, SignerVerdict};
use crate::transfer::{
    self, Consents, Control, End, Endpoint, FetchError, FetchOptions, FetchPlan, Imported, Limits,
    MissingConsent, Run, Target, TargetError, check_offer,
};

/// Name of the work in the ledger of bans and in the consent log.
const ACTIVITY: &str = "fetch";

/// A fetch that has not started. Made by [`Node::fetch`](crate::Node::fetch).
///
/// ```no_run
/// # async fn example(node: minimodel::Node, offer: minimodel::SignedOffer) -> Result<(), minimodel::Error> {
/// use minimodel::{Action, RunConsent};
///
/// let agreed = RunConsent::given([Action::Fetch, Action::Import], "dialog");
/// let mut fetch = node.fetch(offer).into_folder("models").start(&agreed)?;
/// while let Some(event) = fetch.next().await {
///     println!("{event:?}");
/// }
/// println!("{}", fetch.finish().await?.path.display());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before it is started"]
pub struct FetchBuilder {
    node: Node,
    subject: Subject,
    sources: Vec<SignedOffer>,
    folder: PathBuf,
    receipt: Option<PathBuf>,
    accepted: Option<Signer>,
    endpoint: Option<Endpoint>,
    options: FetchOptions,
    limits: Limits,
}

impl FetchBuilder {
    pub(super) fn new(node: Node, subject: Subject) -> Self {
        Self {
            node,
            subject,
            sources: Vec::new(),
            folder: PathBuf::from("."),
            receipt: None,
            accepted: None,
            endpoint: None,
            options: FetchOptions::default(),
            limits: Limits::default(),
        }
    }

    /// Puts the file, its manifest and its receipt into `folder`, which is created; without this, into the current folder.
    pub fn into_folder(self, folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), ..self }
    }

    /// Writes the receipt to `path` instead, where nothing may be.
    pub fn receipt_at(self, path: impl Into<PathBuf>) -> Self {
        Self { receipt: Some(path.into()), ..self }
    }

    /// Fetches from the peer of `offer` too. May be called for several.
    pub fn from(mut self, offer: SignedOffer) -> Self {
        self.sources.push(offer);
        self
    }

    /// Accepts this signer of the manifest, although another is known of its publisher. The user must have agreed to exactly that.
    pub fn accept_signer(self, signer: Signer) -> Self {
        Self { accepted: Some(signer), ..self }
    }

    /// Sets where it listens, if it serves, and dials from, whatever its options say.
    pub fn endpoint(self, endpoint: Endpoint) -> Self {
        Self { endpoint: Some(endpoint), ..self }
    }

    /// Sets the options.
    pub fn options(self, options: FetchOptions) -> Self {
        Self { options, ..self }
    }

    /// Sets the limits with which it starts.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Starts the fetch on a thread of its own. It serves what it has if the user agreed to that too.
    ///
    /// # Errors
    ///
    /// The user did not agree to fetch and to import, or not to serve although it keeps seeding; or there is no thread. What
    /// else fails is the error of [`Fetch::finish`].
    pub fn start(mut self, agreed: &RunConsent) -> Result<Fetch, Error> {
        let consents = Consents::to_fetch(agreed.for_receipt())?;
        if self.options.keep_seeding && !consents.permits(Action::Serve) {
            return Err(MissingConsent { action: Action::Serve }.into());
        }
        if let Some(endpoint) = self.endpoint.take() {
            self.options.endpoint = endpoint;
        }
        let control = Control::new(self.limits.clone());
        let (node, agreed) = (self.node.clone(), agreed.clone());
        let work = move |run: &Run| self.run(run, &agreed, consents);
        Ok(Fetch(Running::start("fetch", &node, control, work)?))
    }

    fn run(self, run: &Run, agreed: &RunConsent, consents: Consents) -> Result<Imported, Error> {
        let begun_unix = now_unix();
        let mut sources = self.sources;
        if let Subject::Offer(offer) = &self.subject {
            sources.insert(0, (**offer).clone());
        }
        sources.iter().try_for_each(|offer| check_offer(offer, None, begun_unix))?;
        agreed.record(&run.home, ACTIVITY, Some(self.subject.swarm_id()))?;
        let manifest = match self.subject {
            Subject::Manifest(manifest) => manifest,
            Subject::Offer(offer) => {
                let manifest = transfer::fetch_manifest(run, &offer, &self.options.endpoint)?;
                let manifest = manifest.done().ok_or(Error::Cancelled)?;
                run.watcher.tell(Event::Manifest(manifest.clone()));
                manifest
            }
        };
        sources.iter().try_for_each(|offer| check_offer(offer, Some(&manifest), begun_unix))?;
        if run.control.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let publisher = accept(&run.home, &manifest, self.accepted.as_ref())?;
        let target = Target::new(&self.folder, &manifest, self.receipt.as_deref())?;
        let options = self.options;
        let plan = FetchPlan {
            activity: ACTIVITY,
            manifest,
            sources,
            target,
            publisher,
            consents,
            begun_unix,
            options,
        };
        match transfer::fetch(run, &plan) {
            Ok(End::Done(fetched)) => Ok(*fetched.imported),
            Ok(End::Cancelled) | Err(FetchError::Target(TargetError::Check(CheckError::Stopped))) => {
                Err(Error::Cancelled)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Accepts the signer of a manifest, and keeps it if it is new.
fn accept(home: &Home, manifest: &Manifest, accepted: Option<&Signer>) -> Result<SignerVerdict, Error> {
    let publishers = Publishers::of(home.state()?);
    let verdict = publishers.accept(manifest, accepted)?;
    publishers.keep(manifest, accepted, now_unix())?;
    Ok(verdict)
}

/// A running fetch. Dropping it cancels the fetch in good order; what is proven stays, and a later fetch resumes with it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use minimodel::{Action, Event, Home, Manifest, Node, RunConsent};
/// # let folder = tempfile::tempdir()?;
/// # std::fs::write(folder.path().join("sample-model-1.0.0.slm"), minimodel_fixtures::manifest_artifact())?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let builder = Node::open(Home::at(folder.path().join("home")))?.fetch(manifest).into_folder(folder.path());
/// # let agreed = RunConsent::given([Action::Fetch, Action::Import], "dialog");
/// let mut fetch: minimodel::Fetch = builder.start(&agreed)?;
/// while let Some(event) = fetch.next().await {
///     if let Event::Whole { path } = event {
///         println!("`{}` is here already", path.display());
///     }
/// }
/// assert!(fetch.finish().await?.receipt_path.is_file());
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it cancels the fetch"]
pub struct Fetch(Running<Imported>);

impl Fetch {
    /// The next event; `None` once the fetch has ended. Reports of the swarm are dropped if they are not taken in time.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.next().await
    }

    /// Cancels, pauses and resumes it, and changes its limits.
    pub fn control(&self) -> &Control {
        self.0.control()
    }

    /// Waits for the end of the fetch: the file is in its place, whole, checked, with its receipt.
    ///
    /// # Errors
    ///
    /// The failure that ended it, or that it was cancelled.
    pub async fn finish(self) -> Result<Imported, Error> {
        self.0.finish().await
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fetch").field(self.control()).finish()
    }
}
