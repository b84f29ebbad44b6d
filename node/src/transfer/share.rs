//! A share from the check of its file to its end.

use std::path::PathBuf;
use std::sync::Arc;

use minimodel_swarm::driver::{DriverError, SeedSettings, SessionLimits, SessionSettings, found_peers};
use minimodel_swarm::machine::EarlierPeer;
use minimodel_swarm::store::{FileSource, FileStat, SourceError, SourceFile};
use minimodel_verifier::chunk::{LayoutError, Tree};
use minimodel_verifier::{Manifest, Report};
use minimodel_wire::SignedOffer;

use super::consents::ShareConsents;
use super::endpoint::{self, Endpoint};
use super::error::TransferError;
use super::network::Network;
use super::reports::Reports;
use super::runtime::{SOFTWARE, random_seed};
use super::ways::Member;
use super::{Run, Served, target};
use crate::check::{self, CheckError};
use crate::checks::{How, Miss, Recalled};
use crate::clock::now_unix;
use crate::consent::Action;
use crate::event::{Event, ShareCheck};
use crate::identity::Identity;

/// A file to be shared.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let agreed = minimodel::RunConsent::given([minimodel::Action::Serve], "dialog");
/// use minimodel::transfer::{self, Consents, Control, Endpoint, Run, SharePlan};
///
/// let plan = SharePlan {
///     activity: "seed",
///     manifest: manifest.into(),
///     path: "no/such/model.slm".into(),
///     consents: Consents::to_share(agreed.for_receipt())?,
///     endpoint: Endpoint::default(),
///     members: Vec::new(),
///     earlier: Vec::new(),
///     rechecks: false,
/// };
/// let run = Run { home, watcher: std::sync::Arc::new(()), control: Control::default(), shared: None };
/// // The disk of the file may come back: the program tries again later.
/// assert!(transfer::share(&run, &plan).is_err_and(|error| error.is_of_file()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SharePlan {
    /// Name of the work in the ledger of bans: `seed`.
    pub activity: &'static str,
    /// The manifest of the file.
    pub manifest: Arc<Manifest>,
    /// The path of the file.
    pub path: PathBuf,
    /// The consents of the user.
    pub consents: ShareConsents,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Other members, to be kept in touch with if the user agreed to publish: they introduce those who cannot reach this machine.
    pub members: Vec<SignedOffer>,
    /// Peers of earlier runs, for the same, but dialed as a member's word allows where the user had not named them.
    pub earlier: Vec<EarlierPeer>,
    /// True to read the file even if it has not changed since its last full check.
    pub rechecks: bool,
}

/// Why a share did not start, or failed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use minimodel::{Action, Error, Home, Manifest, Node, RunConsent};
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("model.slm");
/// # std::fs::write(&file, "something else")?;
/// # let manifest = Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let share = Node::open(Home::at(folder.path()))?.share(manifest, &file);
/// # let share = share.start(&RunConsent::given([Action::Serve], "dialog"))?;
/// use minimodel::transfer::ShareError;
///
/// let Err(Error::Share(ShareError::NotTheArtifact { report, .. })) = share.finish().await else { panic!() };
/// for check in report.failures() {
///     println!("{}: {}", check.name, check.detail());
/// }
/// assert!(!report.ok());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The manifest cuts the file into chunks that no transfer can use.
    #[error("the manifest's chunks cannot be used: {0}")]
    Layout(#[from] LayoutError),
    /// The file could not be opened or read.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The file is not what its manifest describes.
    #[error("`{}` is not the artifact that its manifest describes", path.display())]
    NotTheArtifact {
        /// The file.
        path: PathBuf,
        /// Every check of it.
        report: Box<Report>,
    },
    /// The file changed while it was checked.
    #[error("`{}` changed: {source}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What was found.
        source: SourceError,
    },
    /// What any transfer needs.
    #[error(transparent)]
    Transfer(#[from] TransferError),
}

impl ShareError {
    /// Returns true if the file could not be opened or read: it may come back by itself.
    pub fn is_of_file(&self) -> bool {
        matches!(self, Self::Check(error) if !matches!(error, CheckError::Stopped))
    }

    /// Returns true if the address could not be bound: it may come back by itself.
    pub fn is_of_address(&self) -> bool {
        matches!(self, Self::Transfer(TransferError::Driver(DriverError::Bind { .. })))
    }
}

/// Checks a file and serves it on this thread until the control cancels it or the file changes.
///
/// # Errors
///
/// The failure that ended it, or that kept it from starting.
pub fn run(run: &Run, plan: &SharePlan) -> Result<Served, ShareError> {
    let was_stopped = |end: &Result<Served, ShareError>| {
        matches!(end, Ok(Served { is_changed: false, .. }) | Err(ShareError::Check(CheckError::Stopped)))
    };
    let mut sent_before = 0;
    let work = || {
        let mut served = once(run, plan)?;
        served.sent_bytes += sent_before;
        sent_before = served.sent_bytes;
        Ok(served)
    };
    run.unless_paused(work, was_stopped)
}

fn once(run: &Run, plan: &SharePlan) -> Result<Served, ShareError> {
    let Checked { source, stat } = check(run, plan)?;
    let identity = Identity::load_or_create(&run.home, &*run.watcher).map_err(TransferError::from)?;
    run.tell(Event::Started);
    let serves = Some(*plan.manifest.swarm_id());
    let served: Result<Served, ShareError> =
        run.with_network(&plan.endpoint, &identity, serves, |network| serve(run, plan, source, network));
    let served = served?;
    if served.is_changed {
        // The record is removed: a file that changed while its times did not must not be served by it again.
        run.records().forget(&plan.manifest, &stat);
    }
    Ok(served)
}

/// Serves a checked file until its end.
fn serve(run: &Run, plan: &SharePlan, source: FileSource, network: &Network) -> Result<Served, ShareError> {
    let (node, swarm) = (network.node(), *plan.manifest.swarm_id());
    let (told, mut reports) = Reports::start(run, network.is_shared(), plan.activity, &plan.manifest, &[])?;
    let (ways, publishes) = (plan.consents.ways(), plan.consents.permits(Action::Publish));
    let (tells, found) = found_peers();
    let uses = || {
        let named = plan.members.iter().map(|offer| offer.offer().peer).collect();
        let watcher = run.watcher.clone();
        network.use_ways(Member { swarm, ways, publishes, fetches: false, named, found: tells, watcher })
    };
    let _until_the_end = ways.is_any().then(uses).transpose()?;
    if ways.map {
        network.settle_mapping(&mut reports);
    }
    let offer = endpoint::offer(node, swarm).map_err(TransferError::from)?;
    let settings = SeedSettings {
        manifest: plan.manifest.clone(),
        publish: publishes,
        members: plan.members.clone(),
        earlier: plan.earlier.clone(),
        session: SessionSettings {
            controls: run.control.settings(),
            bans: told.bans,
            offer: Some(offer.clone()),
            reports: told.reports,
            chunk_maps: run.control.chunk_maps(),
            limits: SessionLimits {
                up: run.control.up(),
                gate: run.control.gate(),
                ..SessionLimits::default()
            },
            found,
            knocks: ways.knocks(publishes),
            ..SessionSettings::new(SOFTWARE, random_seed().map_err(TransferError::from)?, now_unix())
        },
    };
    let seeding = {
        let _within = network.enter();
        node.start_seeding(settings, Arc::new(source)).map_err(TransferError::from)?
    };
    // From here on peers may come: a shared endpoint turns those of unknown swarms away.
    run.tell(network.offered(offer));
    let mut stop = run.control.stop();
    let served = network.run(&mut reports, async move { seeding.run(&mut stop).await });
    reports.end();
    Ok(served)
}

/// The file, ready to be served.
struct Checked {
    source: FileSource,
    /// Metadata of the file when it was opened.
    stat: FileStat,
}

/// Runs every check on the very file that will be served, unless a record shows that it passed them and has not changed since.
fn check(run: &Run, plan: &SharePlan) -> Result<Checked, ShareError> {
    let manifest = &*plan.manifest;
    let layout = target::layout(manifest)?;
    let source = check::open(&plan.path)?;
    let stat = *source.opened();
    let recalled =
        if plan.rechecks { Err(Miss::Asked) } else { run.records().recall(manifest, &layout, &source) };
    let source = match recalled {
        Ok(Recalled { tree, checked_unix, how }) => {
            run.tell(Event::ShareChecked(ShareCheck::Unchanged { checked_unix, how }));
            FileSource::unread(source, layout, Arc::new(tree))
        }
        Err(because) => {
            let because = Arc::new(because);
            run.tell(Event::ShareChecked(ShareCheck::Reads { because: because.clone() }));
            let (tree, checks) = read(run, plan, &source)?;
            run.tell(Event::ShareChecked(ShareCheck::Read { checks, how: How::Read, because }));
            FileSource::new(source, layout, Arc::new(tree))
        }
    };
    let changed = |source| ShareError::Changed { path: plan.path.clone(), source };
    source.map(|source| Checked { source, stat }).map_err(changed)
}

/// Reads the file in full. Returns its tree and the number of its checks.
fn read(run: &Run, plan: &SharePlan, source: &SourceFile) -> Result<(Tree, usize), ShareError> {
    let verified = run.check(&plan.manifest, &plan.path, source)?;
    match (verified.tree, verified.report.ok()) {
        (Some(tree), true) => Ok((tree, verified.report.checks().len())),
        _ => Err(ShareError::NotTheArtifact { path: plan.path.clone(), report: Box::new(verified.report) }),
    }
}
