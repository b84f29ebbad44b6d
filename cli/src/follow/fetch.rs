//! A fetch in this process: `fetch` and `import-peer-request` differ only in what leads to it.

use std::path::PathBuf;
use std::sync::Arc;

use minimodel::clock;
use minimodel::transfer::{
    self, Consents, Control, Endpoint, FetchEnd, FetchOptions, FetchPlan, Limits, Order, Run, STALL_TIMEOUT,
    Target,
};
use minimodel_companion::model::Kind;
use minimodel_swarm::driver::{Congestion, Controls};
use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use super::asking::ask;
use super::{Follower, allowed, stopped, tell_served};
use crate::args::{CongestionChoice, OrderChoice, ShareOptions, TransferOptions};
use crate::consent::{Action, ConsentFlag};
use crate::failure::Failure;
use crate::settings::Context;

/// Optional actions that `fetch` and a repair ask for.
pub(crate) const ASKED_BESIDES: &[Action] = &[Action::Serve, Action::Publish];

/// A fetch as the user typed it: the manifest, the sources, and the options.
#[derive(Debug)]
pub(crate) struct Fetch<'a> {
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
pub(crate) fn run(context: &Context, fetch: &Fetch<'_>) -> Result<(), Failure> {
    let begun_unix = clock::now_unix();
    let target = Target::new(&fetch.out, &fetch.manifest, fetch.receipt.as_deref())?;
    let plan = plan(context, fetch, target, begun_unix)?;
    let end = follower(context, fetch, &plan).follow(|run| transfer::fetch(run, &plan))?;
    match end {
        FetchEnd::Done { served: Some(served), .. } => tell_served(context, &plan.target.artifact, served),
        FetchEnd::Stopped => Err(stopped()),
        _ => Ok(()),
    }
}

/// Asks for consent, and makes the plan of what the user agreed to.
pub(super) fn plan(
    context: &Context,
    fetch: &Fetch<'_>,
    target: Target,
    begun_unix: u64,
) -> Result<FetchPlan, Failure> {
    let (granted, publisher) = ask(context, fetch, &target)?;
    Ok(FetchPlan {
        activity: fetch.verb,
        manifest: fetch.manifest.clone(),
        sources: fetch.sources.clone(),
        target,
        publisher,
        consents: Consents::to_fetch(granted.for_receipt())?,
        begun_unix,
        options: options(fetch.share, fetch.transfer),
    })
}

/// The watcher of a fetch, with the limits of the command line.
pub(super) fn follower(context: &Context, fetch: &Fetch<'_>, plan: &FetchPlan) -> Follower {
    let rate = |rate: Option<crate::size::Rate>| rate.map(|rate| rate.bytes_per_second);
    let control = Control::new(Limits {
        controls: Controls { allow: allowed(fetch.share), ..Controls::default() },
        up: rate(fetch.share.up),
        down: rate(fetch.transfer.down),
        ..Limits::default()
    });
    let byte_count = plan.manifest.byte_count();
    let follower = Follower::new(context, Kind::Fetch, byte_count, &plan.publisher, control);
    Follower { offer_out: fetch.share.offer_out.clone(), ..follower }
}

/// Actions to which the user must consent before anything is fetched.
pub(crate) fn needed(options: &TransferOptions) -> &'static [Action] {
    const WITH_SERVE: &[Action] = &[Action::Fetch, Action::Import, Action::Serve];
    if options.keep_seeding { WITH_SERVE } else { &[Action::Fetch, Action::Import] }
}

/// Where a transfer of the command line listens.
pub(crate) fn endpoint(options: &ShareOptions) -> Endpoint {
    Endpoint {
        listen: options.listen,
        advertise: options.advertise.clone(),
        last_port: None,
        max_datagram: options.max_datagram,
        congestion: match options.congestion {
            CongestionChoice::Own => Congestion::Own,
            CongestionChoice::Cubic => Congestion::Cubic,
            CongestionChoice::Bbr => Congestion::Bbr,
        },
    }
}

fn options(share: &ShareOptions, transfer: &TransferOptions) -> FetchOptions {
    let mut options = FetchOptions::default();
    options.endpoint = endpoint(share);
    options.awaits_peers = share.offer_out.is_some();
    options.order = match transfer.order {
        OrderChoice::Rarest => Order::Rarest,
        OrderChoice::Sequential => Order::Sequential,
    };
    options.stall_timeout = transfer.stall_timeout.unwrap_or(STALL_TIMEOUT);
    options.keep_seeding = transfer.keep_seeding;
    options.full_check = transfer.full_check;
    options
}

/// Asks the peer of an offer for the manifest.
pub(crate) fn fetch_manifest(
    context: &Context,
    share: &ShareOptions,
    offer: &SignedOffer,
) -> Result<Arc<Manifest>, Failure> {
    let run =
        Run { home: context.home.clone(), watcher: context.printer.clone(), control: Control::default() };
    // Nothing cancels it: Ctrl-C ends the process.
    transfer::fetch_manifest(&run, offer, &endpoint(share))?.ok_or_else(stopped)
}
