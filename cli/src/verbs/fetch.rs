//! `minimodel fetch`: from a manifest or an offer to a checked file with its receipt.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use minimodel::clock::now_unix;
use minimodel::transfer::{FetchError, check_offer};
use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use crate::args::FetchArgs;
use crate::companion;
use crate::companion::asking::LIBRARY;
use crate::companion::hand_over::FetchHandOver;
use crate::consent::{self, Action, Advance, Question};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow;
use crate::input;
use crate::interrupt::Interrupt;
use crate::offer_argument;
use crate::settings::Context;
use crate::show;

/// Runs the verb.
pub(crate) fn run(args: FetchArgs, context: &Context) -> Result<(), Failure> {
    let args = &args.with_accepted();
    if args.share.end_with_stdin {
        Interrupt::listen()?.end_with_stdin()?;
    }
    let has_peers = args.offer.is_some() || !args.peer.is_empty();
    let companion = companion::taking(context, &args.share, &args.handing, !has_peers)?;
    let out = match (&args.out, &companion) {
        (Some(out), _) => Some(out.clone()),
        (None, Some(_)) => None,
        // The question says so; a script names its folder.
        (None, None) if args.consent.is_none() && context.settings.can_ask => Some(PathBuf::from(".")),
        (None, None) => return Err(nowhere()),
    };
    let mut sources = Vec::new();
    for argument in args.offer.iter().chain(&args.peer) {
        sources.extend(offer_argument::fresh(argument, &context.printer)?);
    }
    let first = args.offer.as_ref().and_then(|_| sources.first()).cloned();
    let (manifest, advance) = match (&args.manifest, &first) {
        (Some(path), _) => (Arc::new(input::manifest(path)?), None),
        (None, Some(offer)) => {
            if let Some(service) = &companion
                && FetchHandOver::new(service, args, context, &sources).by_offer()?.is_some()
            {
                return Ok(());
            }
            ask_for_manifest(args, context, offer, out.as_deref())?
        }
        // clap requires one of the two.
        (None, None) => return Err(FetchError::NoPeers.into()),
    };
    for offer in &sources {
        check_offer(offer, Some(&manifest), now_unix())?;
    }
    if let Some(service) = companion {
        return FetchHandOver::new(&service, args, context, &sources).with_manifest(&manifest, advance);
    }
    let fetch = follow::Fetch {
        verb: args.verb(),
        manifest,
        sources,
        out: out.ok_or_else(nowhere)?,
        receipt: args.receipt.clone(),
        share: &args.share,
        transfer: &args.transfer,
        consent: args.consent.as_ref(),
        asked_besides: follow::ASKED_BESIDES,
        advance,
        done: if args.manifest.is_some() { consent::NOTHING_DONE } else { consent::MANIFEST_ASKED },
        is_repair: false,
    };
    follow::fetch(context, &fetch)
}

fn nowhere() -> Failure {
    Failure::new(
        Exit::Usage,
        "no folder is named for the file with --out",
        "name one: `--out DIR`; or keep models in the library of a companion: `minimodel companion start`",
    )
}

/// Asks the peer for the manifest. On a terminal that is a question of its own, whose answer may consent to the whole fetch;
/// in a script the consent to fetch covers it. `out`: the folder; `None`: the library of a companion.
fn ask_for_manifest(
    args: &FetchArgs,
    context: &Context,
    offer: &SignedOffer,
    out: Option<&Path>,
) -> Result<(Arc<Manifest>, Option<Advance>), Failure> {
    let addresses: Vec<String> = offer.offer().addresses.iter().map(ToString::to_string).collect();
    let into = out.map_or_else(|| LIBRARY.to_owned(), show::folder);
    let mut subject = vec![
        ("into".to_owned(), into),
        ("address".to_owned(), addresses.join(", ")),
        ("peer".to_owned(), offer.offer().peer.to_string()),
    ];
    if let Some(name) = args.offer.as_ref().and_then(offer_argument::claimed_name) {
        subject.insert(0, ("the link says".to_owned(), name));
    }
    let at = addresses.first().map(|address| format!(" at {address}")).unwrap_or_default();
    let headline = format!("Ask the peer{at} which model this offer is for?");
    let cache = out.is_none().then_some(Action::Cache);
    let later: Vec<Action> = follow::needed(&args.transfer).iter().copied().chain(cache).collect();
    let question = Question {
        verb: args.verb(),
        swarm_id: Some(&offer.offer().swarm_id),
        headline: &headline,
        notice: None,
        subject: &subject,
        required: &[Action::Fetch],
        optional: &[
            Action::Import,
            Action::Serve,
            Action::Publish,
            Action::Lan,
            Action::Dht,
            Action::Map,
            Action::Executable,
        ],
        done: consent::NOTHING_DONE,
    };
    let advance =
        consent::obtain_by_offer(context, &question, args.consent.as_ref(), (&later, follow::ASKED_BESIDES))?;
    Ok((follow::fetch_manifest(context, &args.share, offer)?, advance))
}
