//! `minimodel seed`: checks a file, asks for consent to serve it, and serves it until Ctrl-C.

use std::sync::Arc;

use minimodel::clock::now_unix;
use minimodel::consent::RunConsent;
use minimodel::publishers::SignerVerdict;
use minimodel::transfer::check_offer;
use minimodel_swarm::machine::Limits;
use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use crate::args::{OfferArg, SeedArgs};
use crate::companion;
use crate::consent::{self, Action, Question};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::{self, Share};
use crate::input;
use crate::interrupt::Interrupt;
use crate::offer_argument;
use crate::publisher;
use crate::settings::Context;
use crate::show;

/// Runs the verb.
pub(crate) fn run(args: &SeedArgs, context: &Context) -> Result<(), Failure> {
    let (by_hand, expected): (Vec<OfferArg>, Vec<OfferArg>) =
        args.expect.iter().cloned().partition(OfferArg::is_stdin);
    let reads_stdin = args.share.end_with_stdin || args.peer.iter().any(OfferArg::is_stdin);
    if !by_hand.is_empty() && reads_stdin {
        return Err(Failure::new(
            Exit::Usage,
            "`--expect -` reads stdin while the share runs, and another option reads it too",
            "name the other offers as text or in a file, and end the share by Ctrl-C or SIGTERM",
        ));
    }
    if args.share.end_with_stdin {
        Interrupt::listen()?.end_with_stdin()?;
    }
    let manifest = Arc::new(input::manifest(&args.manifest)?);
    let verdict = publisher::signer_verdict(context, &manifest)?;
    let members = offers(&args.peer, context, &manifest)?;
    let expected = offers(&expected, context, &manifest)?;
    if let Some(service) = companion::taking(context, &args.share, &args.handing, is_special(args))? {
        publisher::require_key(&verdict, &args.publisher)?;
        return companion::hand_over::seed(&service, args, context, &manifest, &members);
    }
    publisher::confirm_key(context, &verdict, &args.publisher, consent::NOTHING_DONE)?;
    let granted = ask(args, context, &manifest, &verdict)?;
    if !members.is_empty() && !granted.permits(Action::Publish) {
        context.printer.warning(
            "--peer has no effect: without consent to publish no member introduces anyone to this share",
        );
    }
    let listens = !by_hand.is_empty();
    let share = Share { args, manifest, publisher: &verdict, members, expected, listens, granted: &granted };
    follow::share(context, &share)
}

/// True for what only a process of its own does.
fn is_special(args: &SeedArgs) -> bool {
    args.recheck || !args.expect.is_empty()
}

/// The offers of an option, which must be for this manifest.
fn offers(
    arguments: &[OfferArg],
    context: &Context,
    manifest: &Manifest,
) -> Result<Vec<SignedOffer>, Failure> {
    let mut offers = Vec::new();
    for argument in arguments {
        offers.extend(offer_argument::fresh(argument, &context.printer)?);
    }
    for offer in &offers {
        check_offer(offer, Some(manifest), now_unix())?;
    }
    Ok(offers)
}

fn ask(
    args: &SeedArgs,
    context: &Context,
    manifest: &Manifest,
    verdict: &SignerVerdict,
) -> Result<RunConsent, Failure> {
    let mut subject = show::subject(manifest, Some(verdict));
    let model =
        show::model_line(manifest.model_id(), manifest.model_version(), manifest.byte_count(), Some(verdict));
    let who = match args.share.allow.len() {
        0 => "anyone who holds this offer".to_owned(),
        _ => args.share.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    subject.push(("who may come".to_owned(), who));
    let budget = Limits::default().upload_budget_files;
    subject.push(("budget".to_owned(), format!("each peer may take the whole file {budget} times a day")));
    if args.consent.is_some() {
        context.printer.note(show::summary(&subject));
    }
    let to =
        if args.share.allow.is_empty() { "anyone who holds the offer" } else { "the peers that you allow" };
    let headline = format!("Serve {model}, to {to}?");
    let question = Question {
        verb: "seed",
        swarm_id: Some(manifest.swarm_id()),
        headline: &headline,
        notice: None,
        subject: &subject,
        required: &[Action::Serve],
        optional: &[Action::Publish, Action::Lan, Action::Dht, Action::Map],
        done: consent::NOTHING_DONE,
    };
    consent::obtain(context, &question, args.consent.as_ref())
}
