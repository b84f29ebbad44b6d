//! `minimodel seed`: check a file, agree to serve it, and serve it until Ctrl-C.

use std::sync::Arc;

use minimodel_swarm::driver::{Controls, Node, SeedSettings, Throttle, steady};
use minimodel_swarm::machine::Limits;
use minimodel_swarm::store::{FileSource, FileStat, SourceFile};
use minimodel_verifier::Manifest;
use minimodel_verifier::chunk::Tree;
use minimodel_wire::SignedOffer;
use serde_json::json;
use tokio::sync::mpsc;

use crate::args::SeedArgs;
use crate::blame::Keeping;
use crate::check::{self, Telling};
use crate::checked::{self, How, Miss, Recalled};
use crate::clock::{now_unix, now_utc, utc};
use crate::consent::{self, Action, Granted, Question};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::identity::{self, Identity};
use crate::input;
use crate::interrupt::Interrupt;
use crate::report;
use crate::settings::Context;
use crate::show;
use crate::transfer::{
    SOFTWARE, WAITING_REPORTS, block_on, closing, ending, endpoint, random_seed, target, watch,
};

/// Runs the verb.
pub(crate) fn run(args: &SeedArgs, context: &Context) -> Result<(), Failure> {
    let manifest = Arc::new(input::manifest(&args.manifest)?);
    let granted = ask(args, context, &manifest)?;
    let checked = check(args, context, &manifest)?;
    let identity = identity::load_or_create(&context.folders, &context.printer)?;
    block_on(serve(args, context, manifest, &granted, checked, &identity))
}

fn ask(args: &SeedArgs, context: &Context, manifest: &Manifest) -> Result<Granted, Failure> {
    let mut subject = show::subject(manifest);
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
    consent::obtain(context, &question, args.consent.as_ref().map(|flag| (flag, consent::How::Flag)))
}

/// The file, ready to be served.
struct Ready {
    source: FileSource,
    /// What it was when it was opened.
    stat: FileStat,
}

/// Every check, on the very file that will be served; or the record that it passed them and has not changed since.
fn check(args: &SeedArgs, context: &Context, manifest: &Manifest) -> Result<Ready, Failure> {
    let path = &args.artifact;
    let layout = target::layout(manifest)?;
    let source = check::open("model file", path)?;
    let stat = *source.opened();
    let recalled =
        if args.recheck { Err(Miss::Asked) } else { checked::recall(context, manifest, &layout, &source) };
    let source = match recalled {
        Ok(Recalled { tree, checked_unix, how }) => {
            let at = utc(checked_unix);
            context.printer.note(format!(
                "unchanged since its {how} on {at}: not read again (--recheck reads it); each chunk is hashed \
                 before it is sent for the first time"
            ));
            let fields = json!({"read": false, "checked_utc": at, "by": how.to_string(), "because": null});
            context.printer.event("checked", fields)?;
            FileSource::unread(source, layout, Arc::new(tree))
        }
        Err(miss) => {
            context.printer.detail(format!("the file is read: {}", escape::shown(&miss.to_string())));
            let tree = read(args, context, manifest, &source)?;
            let (at, by) = (now_utc(), How::Read.to_string());
            let fields = json!({"read": true, "checked_utc": at, "by": by, "because": miss.to_string()});
            context.printer.event("checked", fields)?;
            FileSource::new(source, layout, Arc::new(tree))
        }
    };
    source.map(|source| Ready { source, stat }).map_err(|error| ending::source_changed(path).because(error))
}

fn read(
    args: &SeedArgs,
    context: &Context,
    manifest: &Manifest,
    source: &SourceFile,
) -> Result<Tree, Failure> {
    let path = &args.artifact;
    let telling = Telling { what: "model file", label: "check", has_events: true };
    let verified = check::full(context, manifest, path, source, &telling)?;
    let (Some(tree), true) = (verified.tree, verified.report.ok()) else {
        let subject = format!("`{}`", escape::path(path));
        let see = format!(
            "it is not served; see every check: `minimodel verify-artifact {} {}`",
            escape::shell_word(args.manifest.as_os_str()),
            escape::shell_word(path.as_os_str())
        );
        return Err(report::failure(Exit::Verification, &subject, &verified.report, &see));
    };
    context.printer.note(format!("all {} checks passed", verified.report.checks().len()));
    Ok(tree)
}

async fn serve(
    args: &SeedArgs,
    context: &Context,
    manifest: Arc<Manifest>,
    granted: &Granted,
    ready: Ready,
    identity: &Identity,
) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    let node = endpoint::bind(&args.share, identity, true)?;
    let offer = endpoint::offer(context, &node, &args.share, *manifest.swarm_id())?;
    tell_offer(context, &node, &offer)?;
    let (reports, waiting) = mpsc::channel(WAITING_REPORTS);
    let watching = watch::seed(context.printer.clone(), waiting)?;
    let (keeping, bans) = Keeping::start(context, "seed", &manifest, &[])?;
    let settings = SeedSettings {
        manifest: manifest.clone(),
        controls: steady(Controls {
            allow: (!args.share.allow.is_empty()).then(|| args.share.allow.iter().copied().collect()),
            slots: args.slots.map(usize::from),
            ..Controls::default()
        }),
        up: vec![Throttle::new(args.share.up.map(|rate| rate.bytes_per_second))],
        bans,
        offer: Some(offer),
        publish: granted.permits(Action::Publish),
        software: SOFTWARE.to_owned(),
        seed: random_seed()?,
        unix_now: now_unix(),
        reports,
    };
    let end = node.seed(settings, Arc::new(ready.source), &mut interrupt.asked()).await;
    watching.end();
    keeping.end();
    let end = end.map_err(|error| ending::driver(&error))?;
    closing::tell_served(context, &manifest, &args.artifact, end, Some(&ready.stat))
}

/// The offer on stdout, and for people the whole line that a friend can paste.
fn tell_offer(context: &Context, node: &Node, offer: &SignedOffer) -> Result<(), Failure> {
    let printer = &context.printer;
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
            "expires_unix": offer.offer().expires_unix,
        });
        return printer.event("offer", fields);
    }
    printer.note("the offer alone, for --peer or a file:");
    printer.answer(offer.to_string())
}
