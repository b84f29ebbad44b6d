//! A fetch from the open partial file to the receipt.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use minimodel_swarm::driver::{
    FetchSettings, Fetched, Fetching, FoundPeersSender, SessionLimits, SessionSettings, found_peers,
};
use minimodel_swarm::machine::EarlierPeer;
use minimodel_swarm::store::{Opener, Part, RealDisk, RepairIf, Resumed, StoreError};
use minimodel_wire::{Consent, PeerId, SignedOffer};
use tokio::sync::oneshot;

use super::earlier::{EarlierPeers, Helpers, earlier_peers};
use super::end::{End, FetchedFile};
use super::error::TransferError;
use super::import::{self, ImportError, Imported};
use super::network::Network;
use super::plan::{FetchError, FetchPlan};
use super::reports::{Reports, Told};
use super::runtime::{SOFTWARE, StartError, random_seed};
use super::share::SharePlan;
use super::target::{Target, TargetError};
use super::ways::{Member, Membership};
use super::{Control, Run, Served, endpoint, share};
use crate::check::CheckError;
use crate::clock::now_unix;
use crate::consent::Action;
use crate::event::Event;
use crate::identity::Identity;
use crate::private::Exposed;

/// Everything that a fetch needs before it dials a peer.
pub(super) struct Prepared {
    /// The key of this peer.
    identity: Identity,
    /// The partial file.
    part: Arc<Part<RealDisk>>,
    /// State of the partial file when it was opened.
    resumed: Resumed,
}

/// Runs a fetch on this thread until the file is in its place or the control cancels it.
///
/// # Errors
///
/// The failure that ended it.
pub fn run(run: &Run, plan: &FetchPlan) -> Result<End<FetchedFile>, FetchError> {
    let was_stopped = |end: &Result<End<FetchedFile>, FetchError>| {
        use FetchError::Target;
        matches!(end, Ok(End::Cancelled) | Err(Target(TargetError::Check(CheckError::Stopped))))
    };
    run.unless_paused(|| once(run, plan), was_stopped)
}

fn once(run: &Run, plan: &FetchPlan) -> Result<End<FetchedFile>, FetchError> {
    match prepare(run, plan)? {
        Found::Whole(imported) => {
            let serve = |share| {
                run.tell(Event::KeepsSeeding);
                share::run(run, &share).map_err(|error| FetchError::Share(Box::new(error)))
            };
            let served = share_on(run, plan).map(serve).transpose()?;
            Ok(End::Done(FetchedFile { served, ..FetchedFile::new(*imported) }))
        }
        Found::Part(prepared) => {
            let Prepared { identity, part, resumed } = *prepared;
            Transfer { run, plan, identity: &identity, part: &part, is_repair: false }.run(&resumed)
        }
    }
}

/// The share that a fetch goes on with when the file is there, if it keeps seeding.
fn share_on(run: &Run, plan: &FetchPlan) -> Option<SharePlan> {
    let consents = plan.consents.to_serve().filter(|_| plan.options.keep_seeding)?;
    Some(SharePlan {
        activity: plan.activity,
        manifest: plan.manifest.clone(),
        path: plan.target.artifact.clone(),
        consents,
        endpoint: plan.options.endpoint.clone(),
        members: plan.sources.clone(),
        earlier: earlier_of(run, plan),
        rechecks: false,
    })
}

/// What is there before a fetch dials a peer.
enum Found {
    /// The whole file, which has its receipt now.
    Whole(Box<Imported>),
    /// A partial file, new or old.
    Part(Box<Prepared>),
}

/// Makes every check that needs no peer, and opens the partial file.
fn prepare(run: &Run, plan: &FetchPlan) -> Result<Found, FetchError> {
    plan.consents.cover(plan.manifest.format())?;
    let target = &plan.target;
    if !target.is_receipt_beside {
        target.check_receipt_name()?;
    }
    if let Some(existing) = target.existing(run, &plan.manifest)? {
        return Ok(Found::Whole(Box::new(import::already_there(run, plan, &existing)?)));
    }
    let finds = plan.consents.ways().finds();
    let may_be_found = plan.options.endpoint.listen.is_some() || plan.options.awaits_peers || finds;
    if plan.sources.is_empty() && !may_be_found && earlier_of(run, plan).is_empty() {
        return Err(FetchError::NoPeers);
    }
    if !target.is_receipt_beside {
        target.check_receipt_place()?;
    }
    target.check_copies()?;
    let identity = Identity::load_or_create(&run.home, &*run.watcher).map_err(TransferError::from)?;
    let (part, resumed) = open_part(target, &run.control)?;
    if let Some(how) = Exposed::of_users_folder(&target.folder) {
        run.tell(Event::SharedFolder { folder: target.folder.clone(), how });
    }
    part.check_space()?;
    tell_resumed(run, plan, &resumed);
    Ok(Found::Part(Box::new(Prepared { identity, part, resumed })))
}

fn tell_resumed(run: &Run, plan: &FetchPlan, resumed: &Resumed) {
    if let Some(path) = &resumed.put_aside {
        run.tell(Event::PutAside { path: path.clone() });
    }
    if resumed.damaged {
        run.tell(Event::RecordDamaged);
    }
    run.tell(Event::Resumed {
        have: resumed.have.len(),
        chunks: plan.manifest.chunk_count(),
        lost: resumed.lost,
    });
}

/// Peers of earlier runs that may be dialed with the consents of this one.
fn earlier_of(run: &Run, plan: &FetchPlan) -> Vec<EarlierPeer> {
    let mut earlier = earlier_peers(&run.home, &plan.manifest, &plan.sources);
    earlier.retain(|it| it.was_named || plan.consents.permits(Action::Publish));
    earlier
}

/// Longest wait for an ended transfer of this process whose disk work still holds the partial file.
const OWN_PATIENCE: Duration = Duration::from_secs(20);
/// Interval at which opening the partial file is tried again meanwhile.
const OWN_PAUSE: Duration = Duration::from_millis(50);

fn open_part(target: &Target, control: &Control) -> Result<(Arc<Part<RealDisk>>, Resumed), TargetError> {
    let (own, begun) = (std::process::id(), Instant::now());
    loop {
        let opener = Opener { pid: own, now_unix: now_unix() };
        match Part::open(target.disk_for_part()?, &target.name, target.spec, opener) {
            Err(StoreError::Busy { pid: Some(pid), .. }) if pid == own && begun.elapsed() < OWN_PATIENCE => {
                if control.is_stopping() {
                    return Err(CheckError::Stopped.into());
                }
                std::thread::sleep(OWN_PAUSE);
            }
            Err(error) => return Err(target.opening(error).into()),
            Ok((part, resumed)) => return Ok((Arc::new(part), resumed)),
        }
    }
}

/// [`open_part`] for a repair: the partial file is the user's own file.
pub(super) fn open_part_in_place(
    target: &Target,
    condition: RepairIf,
) -> Result<(Arc<Part<RealDisk>>, Resumed), TargetError> {
    let opener = Opener { pid: std::process::id(), now_unix: now_unix() };
    let opened = Part::open_in_place(target.disk_for_part()?, &target.name, target.spec, opener, condition);
    let (part, resumed) = opened.map_err(|error| target.opening(error))?;
    Ok((Arc::new(part), resumed))
}

/// The part of a fetch that talks to peers.
#[derive(Clone, Copy)]
pub(super) struct Transfer<'a> {
    pub(super) run: &'a Run,
    pub(super) plan: &'a FetchPlan,
    /// The key of this peer.
    pub(super) identity: &'a Identity,
    /// The partial file.
    pub(super) part: &'a Arc<Part<RealDisk>>,
    /// True for a repair: the file is the user's own, and only its wrong chunks are fetched.
    pub(super) is_repair: bool,
}

impl Transfer<'_> {
    /// Fetches the file, checks it and finishes the import. `resumed`: the partial file when it was opened.
    pub(super) fn run(self, resumed: &Resumed) -> Result<End<FetchedFile>, FetchError> {
        self.run.tell(Event::Started);
        let manifest = &self.plan.manifest;
        let serves = self.plan.consents.permits(Action::Serve).then_some(*manifest.swarm_id());
        self.run.with_network(&self.plan.options.endpoint, self.identity, serves, |network| {
            let named: Vec<PeerId> = self.plan.sources.iter().map(|source| source.offer().peer).collect();
            let earlier = earlier_of(self.run, self.plan);
            if !earlier.is_empty() {
                self.run.tell(Event::EarlierPeers { peers: earlier.len() });
            }
            let now_named = self.plan.sources.iter().cloned();
            let known = now_named.map(|offer| EarlierPeer { offer, was_named: true });
            let helpers = Helpers::new(self.run.watcher.clone(), known.chain(earlier.iter().cloned()));
            let activity = self.plan.activity;
            let told_to = Run { watcher: helpers.clone(), ..self.run.clone() };
            let (told, mut reports) =
                Reports::start(&told_to, network.is_shared(), activity, manifest, &named)?;
            let (tells, found) = found_peers();
            let _until_the_end = self.use_ways(network, named, tells)?;
            // A fetch does not wait for the router: its offer is renewed once that has answered.
            let offer = serves.map(|swarm| endpoint::offer(network.node(), swarm)).transpose();
            let offer = offer.map_err(TransferError::from)?;
            let settings = self.settings(offer.clone(), told)?;
            let session = SessionSettings { found, ..settings.session };
            let settings = FetchSettings { earlier, session, ..settings };
            let fetching = {
                let _within = network.enter();
                let fetching = network.node().fetch(settings, self.part.clone(), resumed);
                fetching.map_err(TransferError::from)?
            };
            if let Some(offer) = offer {
                // From here on peers may come: a shared endpoint turns those of unknown swarms away.
                self.run.tell(network.offered(offer));
            }
            let end = self.conclude(network, &mut reports, fetching);
            reports.end();
            if let Some(book) = EarlierPeers::of(&self.run.home, manifest.swarm_id()) {
                helpers.remember(&book, self.part.suppliers(), now_unix());
            }
            end
        })
    }

    /// Begins to look for peers, and to be found, as far as the user agreed.
    fn use_ways(
        &self,
        network: &Network,
        named: Vec<PeerId>,
        found: FoundPeersSender,
    ) -> Result<Option<Membership>, TransferError> {
        let (swarm, consents) = (*self.plan.manifest.swarm_id(), &self.plan.consents);
        let (ways, publishes) = (consents.ways(), consents.permits(Action::Publish));
        let watcher = self.run.watcher.clone();
        let member = Member { swarm, ways, publishes, fetches: true, named, found, watcher };
        ways.is_any().then(|| network.use_ways(member)).transpose()
    }

    fn conclude(
        &self,
        network: &Network,
        reports: &mut Reports,
        mut fetching: Fetching<RealDisk>,
    ) -> Result<End<FetchedFile>, FetchError> {
        use minimodel_swarm::driver::FetchEnd;
        let mut stop = self.run.control.stop();
        let (end, mut fetching) =
            network.run(reports, async move { (fetching.run(&mut stop).await, fetching) });
        match end.map_err(TransferError::from)? {
            FetchEnd::Checked(fetched) if !fetched.checks.ok() => {
                // Not the artifact: it is served to nobody while it is set aside.
                let _ = network.run(reports, async move { fetching.close().await });
                self.run.tell(Event::Complete);
                Ok(End::Done(FetchedFile::new(import::finish(self, fetched)?)))
            }
            FetchEnd::Checked(fetched) => {
                let (imported, mut fetching) = self.import(network, reports, fetching, fetched)?;
                if let Ok(imported) = &imported {
                    self.run.tell(Event::Imported(Box::new(imported.clone())));
                    if share_on(self.run, self.plan).is_some() {
                        let served = Some(self.keep_seeding(network, reports, fetching)?);
                        return Ok(End::Done(FetchedFile { served, ..FetchedFile::new(imported.clone()) }));
                    }
                }
                // The file is in place or set aside: an error of closing is not reported any more.
                let _ = network.run(reports, async move { fetching.close().await });
                Ok(End::Done(FetchedFile::new(imported?)))
            }
            FetchEnd::Stopped => Ok(End::Cancelled),
            FetchEnd::Stalled { met_a_peer, reasons } => {
                let timeout = self.plan.options.stall_timeout;
                Err(FetchError::Stalled { met_a_peer, reasons, timeout })
            }
            FetchEnd::NothingGood => Err(FetchError::NothingGood { path: self.plan.target.artifact.clone() }),
            FetchEnd::Exhausted { reasons } => Err(FetchError::Exhausted { reasons }),
        }
    }

    /// Finishes the import on a thread of its own, while this one drives the session: peers are served on, however long the
    /// disk takes.
    fn import(
        &self,
        network: &Network,
        reports: &mut Reports,
        mut fetching: Fetching<RealDisk>,
        fetched: Fetched,
    ) -> Result<(Result<Imported, ImportError>, Fetching<RealDisk>), FetchError> {
        let (ends, end) = oneshot::channel::<()>();
        std::thread::scope(|scope| {
            let work = move || {
                let _ends = ends;
                self.run.tell(Event::Complete);
                import::finish(self, fetched)
            };
            let importing = std::thread::Builder::new().name("import".to_owned()).spawn_scoped(scope, work);
            let importing = importing.map_err(|error| TransferError::from(StartError::from(error)))?;
            let fetching = network.run(reports, async move {
                // An error is what the drop of the sender gives.
                let _ = fetching.serve_while(end).await;
                fetching
            });
            let imported = importing.join().unwrap_or_else(|panic| resume_unwind(panic));
            Ok((imported, fetching))
        })
    }

    fn keep_seeding(
        &self,
        network: &Network,
        reports: &mut Reports,
        mut fetching: Fetching<RealDisk>,
    ) -> Result<Served, FetchError> {
        self.run.tell(Event::KeepsSeeding);
        let mut stop = self.run.control.stop();
        let served = network.run(reports, async move { fetching.keep_seeding(&mut stop).await });
        let served = served.map_err(TransferError::from)?;
        if let (true, Ok(stat)) = (served.is_changed, self.part.stat()) {
            // A file that changed while its times did not must not be served by its record again.
            self.run.records().forget(&self.plan.manifest, &stat);
        }
        Ok(served)
    }

    fn settings(&self, offer: Option<SignedOffer>, told: Told) -> Result<FetchSettings, FetchError> {
        let (plan, options, control) = (self.plan, &self.plan.options, &self.run.control);
        let mut consent = Consent::FETCH;
        let (serves, publishes) =
            (plan.consents.permits(Action::Serve), plan.consents.permits(Action::Publish));
        if serves {
            consent = consent | Consent::SERVE;
        }
        if publishes {
            consent = consent | Consent::PUBLISH;
        }
        let session = SessionSettings {
            controls: control.settings(),
            bans: told.bans,
            offer,
            reports: told.reports,
            chunk_maps: control.chunk_maps(),
            limits: SessionLimits { down: control.down(), up: control.up(), gate: control.gate() },
            knocks: plan.consents.ways().knocks(publishes),
            ..SessionSettings::new(SOFTWARE, random_seed().map_err(TransferError::from)?, now_unix())
        };
        Ok(FetchSettings {
            consent,
            order: options.order,
            stall_timeout: options.stall_timeout,
            listening: plan.consents.ways().finds()
                || (serves && (publishes || options.awaits_peers || options.endpoint.listen.is_some())),
            repairs: self.is_repair,
            full_check: options.full_check,
            ..FetchSettings::new(plan.manifest.clone(), plan.sources.clone(), session)
        })
    }
}

#[cfg(test)]
mod tests;
