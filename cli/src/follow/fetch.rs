//! A fetch in this process: `fetch` and `import-peer-request` differ only in what leads to it.

use std::sync::Arc;
use std::time::Duration;

use minimodel::clock;
use minimodel::transfer::{
    self, Consents, Control, End, Endpoint, FetchOptions, FetchPlan, FetchedFile, Limits, Order, QuotaGate,
    Run, STALL_TIMEOUT, ServeQuota, Target, WaysSettings,
};
use minimodel_companion::model::Kind;
use minimodel_swarm::driver::{Congestion, Controls};
use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use super::asking::ask;
pub(crate) use super::asking::{Fetch, needed};
use super::{Follower, allowed, tell_served};
use crate::args::{CongestionChoice, DhtNode, OrderChoice, ShareOptions, TransferOptions};
use crate::consent::Action;
use crate::failure::Failure;
use crate::settings::Context;
use crate::text;

/// Longer than any process runs.
const ALWAYS: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Optional actions that `fetch` and a repair ask for.
pub(crate) const ASKED_BESIDES: &[Action] =
    &[Action::Serve, Action::Publish, Action::Lan, Action::Dht, Action::Map];

/// Runs a fetch: asks for consent, fetches, checks, writes the receipt and reports.
pub(crate) fn run(context: &Context, fetch: &Fetch<'_>) -> Result<(), Failure> {
    let begun_unix = clock::now_unix();
    let target = Target::new(&fetch.out, &fetch.manifest, fetch.receipt.as_deref())?;
    let plan = plan(context, fetch, target, begun_unix)?;
    let end = follower(context, fetch, &plan).follow(|run| transfer::fetch(run, &plan))?;
    match end {
        End::Done(FetchedFile { served: Some(served), .. }) => {
            tell_served(context, &plan.target.artifact, served)
        }
        End::Done(_) => Ok(()),
        End::Cancelled => Err(text::stopped_by_signal()),
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
        gate: gate(fetch.share),
        ..Limits::default()
    });
    let byte_count = plan.manifest.byte_count();
    let follower = Follower::new(context, Kind::Fetch, byte_count, &plan.publisher, control);
    let hands_on = fetch.transfer.mirrors;
    Follower { offer_out: fetch.share.offer_out.clone(), hands_on, ..follower }
}

/// The bound on what a transfer of the command line serves.
pub(super) fn gate(options: &ShareOptions) -> Option<Arc<dyn QuotaGate>> {
    options.quota.map(|bytes| Arc::new(ServeQuota::new(bytes)) as Arc<dyn QuotaGate>)
}

/// Where a transfer of the command line listens.
pub(crate) fn endpoint(options: &ShareOptions) -> Endpoint {
    Endpoint {
        listen: options.listen,
        advertise: options.advertise.clone(),
        last_port: None,
        max_datagram: options.max_datagram,
        ways: ways(&options.dht_node),
        congestion: match options.congestion {
            CongestionChoice::Own => Congestion::Own,
            CongestionChoice::Cubic => Congestion::Cubic,
            CongestionChoice::Bbr => Congestion::Bbr,
        },
    }
}

/// How the ways beyond offers are used.
pub(crate) fn ways(dht_nodes: &[DhtNode]) -> WaysSettings {
    WaysSettings { dht_nodes: dht_nodes.iter().map(ToString::to_string).collect(), ..WaysSettings::default() }
}

fn options(share: &ShareOptions, transfer: &TransferOptions) -> FetchOptions {
    let mut options = FetchOptions::default();
    options.endpoint = endpoint(share);
    options.awaits_peers = share.offer_out.is_some() || transfer.mirrors;
    options.order = match transfer.order {
        OrderChoice::Rarest => Order::Rarest,
        OrderChoice::Sequential => Order::Sequential,
    };
    // A mirror waits for those who come.
    let patience = if transfer.mirrors { ALWAYS } else { STALL_TIMEOUT };
    options.stall_timeout = transfer.stall_timeout.unwrap_or(patience);
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
    let run = Run {
        home: context.home.clone(),
        watcher: context.printer.clone(),
        control: Control::default(),
        shared: None,
    };
    // Nothing cancels it: Ctrl-C ends the process.
    transfer::fetch_manifest(&run, offer, &endpoint(share))?.done().ok_or_else(text::stopped_by_signal)
}
