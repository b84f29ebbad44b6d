//! `minimodel seed`: checks a file, asks for consent to serve it, and serves it until Ctrl-C.

use std::sync::Arc;

use minimodel::Identity;
use minimodel::consent::RunConsent;
use minimodel::publishers::SignerVerdict;
use minimodel_swarm::driver::{Controls, Node, RateLimit, steady};
use minimodel_swarm::machine::Limits;
use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;
use serde_json::json;
use tokio::sync::mpsc;

use crate::args::SeedArgs;
use crate::companion;
use crate::consent::{self, Action, Question};
use crate::failure::Failure;
use crate::input;
use crate::interrupt::Interrupt;
use crate::printer::Printer;
use crate::publisher::{self, SignerObject};
use crate::settings::Context;
use crate::show;
use crate::transfer::control::TransferControl;
use crate::transfer::seeding::{self, Ready, SharedFile};
use crate::transfer::{WAITING_REPORTS, block_on, closing, endpoint, watch};

/// Runs the verb.
pub(crate) fn run(args: &SeedArgs, context: &Context) -> Result<(), Failure> {
    let manifest = Arc::new(input::manifest(&args.manifest)?);
    let verdict = publisher::signer_verdict(context, &manifest)?;
    if let Some(service) = companion::taking(context, &args.share, &args.handing, args.recheck)? {
        publisher::require_key(&verdict, &args.publisher)?;
        return companion::hand_over::seed(&service, args, context, &manifest);
    }
    publisher::confirm_key(context, &verdict, &args.publisher, consent::NOTHING_DONE)?;
    let granted = ask(args, context, &manifest, &verdict)?;
    let shared = SharedFile {
        manifest,
        manifest_path: Some(&args.manifest),
        path: &args.artifact,
        recheck: args.recheck,
    };
    let ready = seeding::check(context, &shared)?;
    let identity = Identity::load_or_create(&context.home, &*context.printer)?;
    block_on(serve(args, context, &shared, (&granted, &verdict), ready, &identity))
}

fn ask(
    args: &SeedArgs,
    context: &Context,
    manifest: &Manifest,
    verdict: &SignerVerdict,
) -> Result<RunConsent, Failure> {
    let mut subject = show::subject(manifest, Some(verdict));
    let who = match args.share.allow.len() {
        0 => "anyone who holds this offer".to_owned(),
        _ => args.share.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    subject.push(("who may come".to_owned(), who));
    let budget = Limits::default().upload_budget_files;
    subject.push(("budget".to_owned(), format!("each peer may take the whole file {budget} times a day")));
    if args.consent.is_some() {
        context.printer.note(show::table(&subject));
    }
    let question = Question {
        verb: "seed",
        swarm_id: Some(manifest.swarm_id()),
        subject: &subject,
        required: &[Action::Serve],
        optional: &[Action::Publish],
        done: consent::NOTHING_DONE,
    };
    consent::obtain(context, &question, args.consent.as_ref())
}

async fn serve(
    args: &SeedArgs,
    context: &Context,
    shared: &SharedFile<'_>,
    (granted, verdict): (&RunConsent, &SignerVerdict),
    ready: Ready,
    identity: &Identity,
) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    let (reports, waiting) = mpsc::channel(WAITING_REPORTS);
    let report_printer = watch::seed(context.printer.clone(), waiting)?;
    let (printer, verdict) = (context.printer.clone(), verdict.clone());
    let control = TransferControl {
        stop: interrupt.asked(),
        controls: steady(Controls {
            allow: (!args.share.allow.is_empty()).then(|| args.share.allow.iter().copied().collect()),
            slots: args.slots.map(usize::from),
            ..Controls::default()
        }),
        up: vec![RateLimit::new(args.share.up.map(|rate| rate.bytes_per_second))],
        down: Vec::new(),
        gate: None,
        reports,
        progress: None,
        last_port: None,
        on_offer: Box::new(move |node, offer| tell_offer(&printer, node, offer, &verdict)),
    };
    let node = endpoint::bind(&args.share, identity, true, None)?;
    let options = (&args.share, granted.permits(Action::Publish));
    let end = seeding::serve(context, shared, ready, node, options, control).await;
    report_printer.end();
    let (end, stat) = end?;
    closing::tell_served(context, &shared.manifest, &args.artifact, end, Some(&stat))
}

/// Prints the offer on stdout, and for people the whole line that a friend can paste.
fn tell_offer(
    printer: &Printer,
    node: &Node,
    offer: &SignedOffer,
    verdict: &SignerVerdict,
) -> Result<(), Failure> {
    let addresses: Vec<String> = offer.offer().addresses.iter().map(ToString::to_string).collect();
    printer.note(format!("serving as peer {} at {}", node.id(), addresses.join(", ")));
    if offer.offer().addresses.iter().all(|address| address.ip().is_loopback()) {
        printer.note("this offer works on this machine alone: for others, name an address with --advertise");
    }
    printer.note("send this line to whoever may fetch the file; Ctrl-C stops serving:");
    printer.note(format!("\n    minimodel fetch --offer {offer} --out .\n"));
    if printer.is_json() {
        let fields = json!({
            "offer": offer.to_string(), "peer": node.id().to_string(), "addresses": addresses,
            "expires_unix": offer.offer().expires_unix, "publisher": SignerObject::from(verdict),
        });
        return printer.event("offer", fields);
    }
    printer.note("the offer alone, for --peer or a file:");
    printer.answer(offer.to_string())
}
