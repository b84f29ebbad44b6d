//! `seed` and `fetch` when a companion runs: the same questions and the same answers, but the companion does the work.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use minimodel_companion::Service;
use minimodel_companion::api::types::{
    Action as Asked, Consent, Endpoint, NewFetch, NewShare, Question as Open, Transfer, TransferLimits,
};
use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use super::{failure, follow};
use crate::args::{FetchArgs, OrderChoice, SeedArgs, ShareOptions};
use crate::consent::{self, Action, ConsentFlag, How, NOTHING_DONE, Question};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Context;
use crate::show;
use crate::size::Rate;
use crate::transfer::fetching::STALL_TIMEOUT;

/// Hands a share over and follows it until Ctrl-C ends it, or leaves it alone with `--detach`.
pub(crate) fn seed(
    service: &dyn Service,
    args: &SeedArgs,
    context: &Context,
    manifest: &Manifest,
) -> Result<(), Failure> {
    let new = NewShare {
        manifest: Some(manifest.text()),
        path: Some(absolute(&args.artifact)?),
        endpoint: endpoint(&args.share),
        limits: TransferLimits { slots: args.slots, ..limits(&args.share, None) },
        allow: names(&args.share),
        ..NewShare::default()
    };
    let added = service.share(new).map_err(failure)?;
    let transfer = agree_or_drop(service, context, "seed", added, args.consent.as_ref())?;
    follow::seed(service, context, &transfer, args.handing.detach)
}

/// Hands a fetch over and follows it to its end, or leaves it alone with `--detach`.
pub(crate) fn fetch(
    service: &dyn Service,
    args: &FetchArgs,
    context: &Context,
    manifest: &Arc<Manifest>,
    sources: &[SignedOffer],
) -> Result<(), Failure> {
    let transfer = &args.transfer;
    let new = NewFetch {
        manifest: Some(manifest.text()),
        offers: sources.iter().map(ToString::to_string).collect(),
        out: args.out.as_deref().map(absolute).transpose()?,
        receipt: args.receipt.as_deref().map(absolute).transpose()?,
        endpoint: endpoint(&args.share),
        limits: limits(&args.share, transfer.down),
        allow: names(&args.share),
        sequential: matches!(transfer.order, OrderChoice::Sequential),
        full_check: transfer.full_check,
        keep_seeding: transfer.keep_seeding,
        // Whoever waits for its end is told of a standstill; one that is left alone waits for peers.
        stall_seconds: match transfer.stall_timeout {
            Some(patience) => Some(patience.as_secs().max(1)),
            None if args.handing.detach => None,
            None => Some(STALL_TIMEOUT.as_secs()),
        },
        ..NewFetch::default()
    };
    let added = service.fetch(new).map_err(failure)?;
    let transfer = agree_or_drop(service, context, "fetch", added, args.consent.as_ref())?;
    follow::fetch(service, context, &transfer, args.handing.detach)
}

/// A transfer to which nobody agrees is taken back, unless it was there before.
fn agree_or_drop(
    service: &dyn Service,
    context: &Context,
    verb: &str,
    transfer: Transfer,
    flag: Option<&ConsentFlag>,
) -> Result<Transfer, Failure> {
    let (id, is_new) = (transfer.id, transfer.is_new);
    agree(service, context, verb, transfer, flag).inspect_err(|_| {
        if is_new {
            // The refusal is what its user must see.
            let _ = service.forget(id);
        }
    })
}

/// Asks what the companion asks, unless a flag says it or earlier grants do.
pub(crate) fn agree(
    service: &dyn Service,
    context: &Context,
    verb: &str,
    transfer: Transfer,
    flag: Option<&ConsentFlag>,
) -> Result<Transfer, Failure> {
    let consent = match (&transfer.question, flag) {
        (Some(open), _) => ask(context, verb, &transfer, open, flag)?,
        // Granted already; what the flag adds, such as to publish, is agreed to now.
        (None, Some(flag)) => consent_of(flag.actions(), How::Flag),
        (None, None) => return Ok(transfer),
    };
    service.answer(transfer.id, consent).map_err(failure)
}

fn ask(
    context: &Context,
    verb: &str,
    transfer: &Transfer,
    open: &Open,
    flag: Option<&ConsentFlag>,
) -> Result<Consent, Failure> {
    let known = |actions: &[Asked]| actions.iter().copied().map(Action::from).collect::<Vec<_>>();
    let (required, optional) = (known(&open.needs), known(&open.may));
    if flag.is_some() {
        context.printer.note(show::table(&open.subject));
    }
    let swarm_id = data_encoding::HEXLOWER.decode(transfer.swarm_id.as_bytes()).ok();
    let swarm_id: Option<[u8; 32]> = swarm_id.and_then(|id| id.try_into().ok());
    let question = Question {
        verb,
        swarm_id: swarm_id.as_ref(),
        subject: &open.subject,
        required: &required,
        optional: &optional,
        done: NOTHING_DONE,
    };
    let (actions, how) = consent::answer(context, &question, flag.map(|flag| (flag, How::Flag)))?;
    Ok(consent_of(actions, how))
}

fn consent_of(actions: impl IntoIterator<Item = Action>, how: How) -> Consent {
    let actions = actions.into_iter().map(Into::into).collect();
    Consent { actions, by: how.as_str().to_owned(), expires_unix: None, quota_bytes: None }
}

/// The interface names files by text.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let absolute = std::path::absolute(path).map_err(|error| Failure::reading("path", path, &error))?;
    if absolute.to_str().is_none() {
        let error = format!("the companion takes no name that is not UTF-8: `{}`", escape::path(path));
        return Err(Failure::new(
            Exit::Usage,
            error,
            "do it in this process with --here, or use another name",
        ));
    }
    Ok(absolute)
}

fn endpoint(options: &ShareOptions) -> Endpoint {
    Endpoint { listen: options.listen, advertise: options.advertise.clone() }
}

fn limits(options: &ShareOptions, down: Option<Rate>) -> TransferLimits {
    let rate = |rate: Option<Rate>| rate.map(|rate| rate.bytes_per_second);
    TransferLimits { up: rate(options.up), down: rate(down), slots: None }
}

fn names(options: &ShareOptions) -> Vec<String> {
    options.allow.iter().map(ToString::to_string).collect()
}
