//! A fetch from consent to receipt; `fetch` and `import-peer-request` differ only in what leads to it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use minimodel::Identity;
use minimodel::bans::BanRecorder;
use minimodel::clock::{self, now_unix};
use minimodel::private::Exposed;
use minimodel::publishers::SignerVerdict;
use minimodel_swarm::driver::{Bans, Controls, FetchEnd, FetchSettings, Fetching, Node, RateLimit, steady};
use minimodel_swarm::machine::Order;
use minimodel_swarm::store::{Opener, Part, RealDisk, RepairIf, Resumed, StoreError};
use minimodel_verifier::Manifest;
use minimodel_verifier::receipt;
use minimodel_wire::{Consent, PeerId, SignedOffer};
use serde_json::json;
use tokio::sync::mpsc;

use super::asking::ask;
use super::closing::{already_there, finish, tell_done, tell_served};
use super::control::TransferControl;
use super::target::Target;
use super::{SOFTWARE, WAITING_REPORTS, block_on, ending, endpoint, random_seed, watch};
use crate::args::{OrderChoice, ShareOptions, TransferOptions};
use crate::consent::{Action, ConsentFlag};
use crate::escape;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::publisher::SignerObject;
use crate::settings::Context;
use crate::text;

/// Stall timeout without `--stall-timeout`.
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Optional actions that `fetch` and a repair ask for.
pub(crate) const ASKED_BESIDES: &[Action] = &[Action::Serve, Action::Publish];

/// Settings of a fetch: the manifest, the sources, and the options.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The verb, for messages and the consent log.
    pub(crate) verb: &'static str,
    /// The manifest of the file.
    pub(crate) manifest: Arc<Manifest>,
    /// Offers of the first peers; checked against the manifest.
    pub(crate) sources: Vec<SignedOffer>,
    /// The folder for the file.
    pub(crate) out: PathBuf,
    /// Where the receipt goes, if not beside the file.
    pub(crate) receipt: Option<PathBuf>,
    /// Options of all verbs that may serve.
    pub(crate) share: &'a ShareOptions,
    /// Options of all verbs that fetch.
    pub(crate) transfer: &'a TransferOptions,
    /// `--consent`, if it was given.
    pub(crate) consent: Option<&'a ConsentFlag>,
    /// Optional actions to ask for: [`ASKED_BESIDES`], or fewer.
    pub(crate) asked_besides: &'a [Action],
    /// What has happened before the user is asked for consent: [`crate::consent::Question::done`].
    pub(crate) done: &'static str,
    /// True for a repair: the file is the user's own, under its name, and only its wrong chunks are fetched.
    pub(crate) is_repair: bool,
}

/// Runs a fetch: asks for consent, fetches, checks, writes the receipt and reports.
pub(crate) fn run(context: &Context, plan: &Plan<'_>) -> Result<(), Failure> {
    let started_utc = clock::now_utc();
    let target = Target::new(&plan.out, &plan.manifest, plan.receipt.as_deref())?;
    let (granted, publisher) = ask(context, plan, &target)?;
    let consents = granted.for_receipt();
    let importing = Importing { target, publisher, consents, started_utc };
    let Some(Prepared { identity, part, resumed }) = prepare(context, plan, &importing)? else {
        return Ok(());
    };
    block_on(transfer_here(context, plan, &importing, &identity, part, &resumed))
}

/// Everything that a fetch needs before it dials a peer.
pub(crate) struct Prepared {
    /// The key of this peer.
    pub(crate) identity: Identity,
    /// The partial file.
    pub(crate) part: Arc<Part<RealDisk>>,
    /// State of the partial file when it was opened.
    pub(crate) resumed: Resumed,
}

/// Makes every check that needs no peer, and opens the partial file. `None`: the file is already in its place, and now
/// its receipt is too.
pub(crate) fn prepare(
    context: &Context,
    plan: &Plan<'_>,
    importing: &Importing,
) -> Result<Option<Prepared>, Failure> {
    if plan.receipt.is_some() {
        importing.target.check_receipt_name()?;
    }
    if let Some(existing) = importing.target.existing(context, &plan.manifest)? {
        return already_there(context, plan, importing, &existing).map(|()| None);
    }
    if plan.sources.is_empty() && plan.share.listen.is_none() {
        return Err(ending::exhausted(&[]));
    }
    if plan.receipt.is_some() {
        importing.target.check_receipt_place()?;
    }
    importing.target.check_copies(plan.receipt.is_none())?;
    let identity = Identity::load_or_create(&context.home, &*context.printer)?;
    let (part, resumed) = open_part(&importing.target)?;
    if let Some(exposed) = Exposed::of_users_folder(&importing.target.folder) {
        let folder = escape::path(&importing.target.folder).to_string();
        context.printer.warning(&format!(
            "other accounts can put another file in the place of what is checked and kept in `{folder}`: {}",
            text::shared_folder(exposed)
        ));
    }
    part.check_space().map_err(|error| ending::store(&error))?;
    tell_resumed(context, plan, importing, &resumed)?;
    Ok(Some(Prepared { identity, part, resumed }))
}

/// Facts that the end of the import needs.
#[derive(Debug)]
pub(crate) struct Importing {
    /// The paths of the file, its receipt and its manifest copy.
    pub(crate) target: Target,
    /// The verdict on the manifest's key when the user consented to the import.
    pub(crate) publisher: SignerVerdict,
    /// The consents of the user.
    pub(crate) consents: Vec<receipt::Consent>,
    /// When the import began.
    pub(crate) started_utc: String,
}

impl Importing {
    fn permits(&self, action: Action) -> bool {
        self.consents.iter().any(|consent| consent.action == action)
    }
}

/// Actions to which the user must consent before anything is fetched.
pub(crate) fn needed(options: &TransferOptions) -> &'static [Action] {
    const WITH_SERVE: &[Action] = &[Action::Fetch, Action::Import, Action::Serve];
    if options.keep_seeding { WITH_SERVE } else { &[Action::Fetch, Action::Import] }
}

/// Longest wait for an ended transfer of this process whose disk work still holds the partial file.
const OWN_PATIENCE: Duration = Duration::from_secs(20);
/// Interval at which opening the partial file is tried again meanwhile.
const OWN_PAUSE: Duration = Duration::from_millis(50);

pub(super) fn open_part(target: &Target) -> Result<(Arc<Part<RealDisk>>, Resumed), Failure> {
    let (own, begun) = (std::process::id(), Instant::now());
    loop {
        let opener = Opener { pid: own, now_unix: now_unix() };
        match Part::open(target.disk_for_part()?, &target.stem, target.spec, opener) {
            Err(StoreError::Busy { pid: Some(pid), .. }) if pid == own && begun.elapsed() < OWN_PATIENCE => {
                std::thread::sleep(OWN_PAUSE);
            }
            Err(error) => return Err(target.opening(error)),
            Ok((part, resumed)) => return Ok((Arc::new(part), resumed)),
        }
    }
}

/// [`open_part`] for a repair: the partial file is the user's own file.
pub(super) fn open_part_in_place(
    target: &Target,
    condition: RepairIf,
) -> Result<(Arc<Part<RealDisk>>, Resumed), Failure> {
    let opener = Opener { pid: std::process::id(), now_unix: now_unix() };
    let opened = Part::open_in_place(target.disk_for_part()?, &target.stem, target.spec, opener, condition);
    let (part, resumed) = opened.map_err(|error| target.opening(error))?;
    Ok((Arc::new(part), resumed))
}

fn tell_resumed(
    context: &Context,
    plan: &Plan<'_>,
    importing: &Importing,
    resumed: &Resumed,
) -> Result<(), Failure> {
    let printer = &context.printer;
    let total = plan.manifest.chunk_count();
    if let Some(path) = &resumed.put_aside {
        printer.warning(&format!(
            "the partial file that was there is not known to be ours; it was left as it is and is now called `{}`",
            escape::path(path)
        ));
    }
    if resumed.damaged {
        printer.warning("the record of this download was damaged: looking for what is good on the disk");
    }
    if resumed.lost > 0 {
        printer.warning(&format!(
            "{} recorded chunks are not good on the disk and will be fetched again",
            resumed.lost
        ));
    }
    if !resumed.have.is_empty() {
        printer.note(format!("resuming: {} of {total} chunks are here and proven", resumed.have.len()));
    }
    let publisher = SignerObject::from(&importing.publisher);
    let fields = json!({
        "have": resumed.have.len(), "chunks": total, "lost": resumed.lost, "publisher": publisher,
    });
    printer.event("resumed", fields)
}

/// End of a transfer that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The file is in its place.
    Done,
    /// The transfer was stopped.
    Stopped,
}

/// [`transfer`] in the verb's own process: Ctrl-C stops it, flags set its limits, and the terminal shows its progress.
pub(super) async fn transfer_here(
    context: &Context,
    plan: &Plan<'_>,
    importing: &Importing,
    identity: &Identity,
    part: Arc<Part<RealDisk>>,
    resumed: &Resumed,
) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    let (reports, waiting) = mpsc::channel(WAITING_REPORTS);
    let progress = Progress::start(context, "fetch", plan.manifest.byte_count(), true);
    let report_printer = watch::fetch(context.printer.clone(), waiting, progress.counter())?;
    let rate = |rate: Option<crate::size::Rate>| RateLimit::new(rate.map(|rate| rate.bytes_per_second));
    let allow = (!plan.share.allow.is_empty()).then(|| plan.share.allow.iter().copied().collect());
    let printer = context.printer.clone();
    let control = TransferControl {
        stop: interrupt.asked(),
        controls: steady(Controls { allow, ..Controls::default() }),
        up: vec![rate(plan.share.up)],
        down: vec![rate(plan.transfer.down)],
        gate: None,
        reports,
        progress: Some(progress),
        last_port: None,
        on_offer: Box::new(move |node, offer| {
            printer.detail(format!("this machine serves what it has: {offer}"));
            printer.event("offer", json!({"offer": offer.to_string(), "peer": node.id().to_string()}))
        }),
    };
    let end = transfer(context, plan, importing, identity, (part, resumed), control).await;
    report_printer.end();
    match end? {
        Ended::Done => Ok(()),
        Ended::Stopped => Err(ending::stopped(interrupt.exit())),
    }
}

/// Fetches the file, checks it and finishes the import.
pub(crate) async fn transfer(
    context: &Context,
    plan: &Plan<'_>,
    importing: &Importing,
    identity: &Identity,
    (part, resumed): (Arc<Part<RealDisk>>, &Resumed),
    control: TransferControl,
) -> Result<Ended, Failure> {
    let node = endpoint::bind(plan.share, identity, importing.permits(Action::Serve), control.last_port)?;
    let named: Vec<PeerId> = plan.sources.iter().map(|source| source.offer().peer).collect();
    let (keeping, bans) =
        BanRecorder::start(&context.home, context.printer.clone(), plan.verb, &plan.manifest, &named)?;
    let settings = settings(context, plan, importing, &node, bans, &control)?;
    let fetching = node.fetch(settings, part.clone(), resumed).map_err(|error| ending::driver(&error))?;
    // The other senders of reports belong to the node and the fetch: the watching thread ends when these are dropped.
    let TransferControl { mut stop, progress, reports, .. } = control;
    drop(reports);
    let end = conclude(context, plan, importing, &part, fetching, (&mut stop, progress)).await;
    keeping.end();
    end
}

async fn conclude(
    context: &Context,
    plan: &Plan<'_>,
    importing: &Importing,
    part: &Part<RealDisk>,
    mut fetching: Fetching<'_, RealDisk>,
    (stop, progress): (&mut tokio::sync::watch::Receiver<bool>, Option<Progress>),
) -> Result<Ended, Failure> {
    let end = fetching.run(stop).await;
    match end.map_err(|error| ending::driver(&error))? {
        FetchEnd::Checked(fetched) => {
            drop(progress);
            let checked = Instant::now();
            let finished = finish(context, plan, importing, part, &fetched);
            let tail = fetched.check_tail + checked.elapsed();
            let told = finished.and_then(|()| tell_done(context, plan, importing, &fetched, tail));
            after(context, plan, (importing, part), fetching, stop, told).await.map(|()| Ended::Done)
        }
        FetchEnd::Stopped => Ok(Ended::Stopped),
        FetchEnd::Stalled { met_a_peer, reasons } => {
            Err(ending::stalled(met_a_peer, &reasons, plan.transfer.stall_timeout.unwrap_or(STALL_TIMEOUT)))
        }
        FetchEnd::NothingGood => Err(ending::nothing_good(&importing.target.artifact)),
        FetchEnd::Exhausted { reasons } => Err(ending::exhausted(&reasons)),
    }
}

fn settings(
    context: &Context,
    plan: &Plan<'_>,
    importing: &Importing,
    node: &Node,
    bans: Bans,
    control: &TransferControl,
) -> Result<FetchSettings, Failure> {
    let mut consent = Consent::FETCH;
    let (serves, publishes) = (importing.permits(Action::Serve), importing.permits(Action::Publish));
    if serves {
        consent = consent | Consent::SERVE;
    }
    if publishes {
        consent = consent | Consent::PUBLISH;
    }
    let offer = if serves {
        let offer = endpoint::offer(context, node, plan.share, *plan.manifest.swarm_id())?;
        (control.on_offer)(node, &offer)?;
        Some(offer)
    } else {
        None
    };
    Ok(FetchSettings {
        manifest: plan.manifest.clone(),
        consent,
        sources: plan.sources.clone(),
        controls: control.controls.clone(),
        down: control.down.clone(),
        up: control.up.clone(),
        gate: control.gate.clone(),
        bans,
        order: match plan.transfer.order {
            OrderChoice::Rarest => Order::Rarest,
            OrderChoice::Sequential => Order::Sequential,
        },
        stall_timeout: plan.transfer.stall_timeout.unwrap_or(STALL_TIMEOUT),
        listening: serves && (publishes || plan.share.offer_out.is_some() || plan.share.listen.is_some()),
        repairs: plan.is_repair,
        full_check: plan.transfer.full_check,
        offer,
        software: SOFTWARE.to_owned(),
        seed: random_seed()?,
        unix_now: now_unix(),
        reports: control.reports.clone(),
    })
}

/// Keeps seeding until stopped, if the user asked for that; else closes the connections.
async fn after(
    context: &Context,
    plan: &Plan<'_>,
    (importing, part): (&Importing, &Part<RealDisk>),
    mut fetching: Fetching<'_, RealDisk>,
    stop: &mut tokio::sync::watch::Receiver<bool>,
    told: Result<(), Failure>,
) -> Result<(), Failure> {
    if told.is_ok() && plan.transfer.keep_seeding {
        context.printer.note("serving on until Ctrl-C");
        let end = fetching.keep_seeding(stop).await;
        let end = end.map_err(|error| ending::driver(&error))?;
        let stat = part.stat().ok();
        return tell_served(context, &plan.manifest, &importing.target.artifact, end, stat.as_ref());
    }
    // The file is in place or set aside: an error of closing is not reported any more.
    let _ = fetching.close().await;
    told
}

#[cfg(test)]
mod tests {
    use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};

    use super::*;

    #[test]
    fn e12_a_file_that_an_ended_transfer_of_this_process_still_holds_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let artifact = slm_vec(&Shape::about(45_000, Quantization::Q4_0).unwrap(), 8);
        let text = ManifestText::of(&artifact, &ManifestOptions::default()).render();
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        let target = Target::new(folder.path(), &manifest, None).unwrap();
        let (held, _) = open_part(&target).unwrap();
        let letting_go = std::thread::spawn(move || {
            std::thread::sleep(OWN_PAUSE * 4);
            drop(held);
        });
        assert!(open_part(&target).is_ok());
        letting_go.join().unwrap();
    }
}
