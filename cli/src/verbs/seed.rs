//! `minimodel seed`: check a file, agree to serve it, and serve it until Ctrl-C.

use std::path::Path;
use std::sync::Arc;

use minimodel_swarm::driver::{Node, SeedEnd, SeedSettings};
use minimodel_swarm::machine::Limits;
use minimodel_swarm::store::{FileSource, SourceFile};
use minimodel_verifier::Manifest;
use minimodel_verifier::verify::{Depth, verify_artifact};
use minimodel_wire::SignedOffer;
use serde_json::json;
use tokio::sync::mpsc;

use crate::args::SeedArgs;
use crate::clock::now_unix;
use crate::consent::{self, Action, Granted, How, Question};
use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::identity::{self, Identity};
use crate::input;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::report;
use crate::settings::Context;
use crate::show;
use crate::size::show_size;
use crate::transfer::{SOFTWARE, WAITING_REPORTS, block_on, ending, endpoint, random_seed, target, watch};

/// Runs the verb.
pub(crate) fn run(args: &SeedArgs, context: &Context) -> Result<(), Failure> {
    let manifest = Arc::new(input::manifest(&args.manifest)?);
    let granted = ask(args, context, &manifest)?;
    let source = check(context, &manifest, &args.artifact, &args.manifest)?;
    let identity = identity::load_or_create(&context.folders, &context.printer)?;
    block_on(serve(args, context, manifest, &granted, source, &identity))
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
    consent::obtain(context, &question, args.consent.as_ref().map(|flag| (flag, How::Flag)))
}

/// Every check, on the very file that will be served.
fn check(
    context: &Context,
    manifest: &Manifest,
    path: &Path,
    manifest_path: &Path,
) -> Result<FileSource, Failure> {
    let interrupt = Interrupt::listen()?;
    let layout = target::layout(manifest)?;
    // Looked at first for its kinder words about folders, pipes and devices.
    drop(input::open("model file", path)?);
    // A link to a model file is an input like any other; what it leads to now is what is checked and served.
    let real = path.canonicalize().map_err(|error| Failure::reading("model file", path, &error))?;
    let source = SourceFile::open(&real).map_err(|error| ending::store(&error))?;
    let progress = Progress::start(context, "check", source.byte_count(), true);
    let mut reader = interrupt.guard(progress.counter().count(source.reader()));
    let verified = verify_artifact(manifest, &mut reader, Depth::Entering);
    drop(reader);
    drop(progress);
    interrupt.check()?;
    let verified = verified.map_err(|error| Failure::reading("model file", path, &error))?;
    let (Some(tree), true) = (verified.tree, verified.report.ok()) else {
        let subject = format!("`{}`", escape::path(path));
        let see = format!(
            "it is not served; see every check: `minimodel verify-artifact {} {}`",
            escape::shell_word(manifest_path.as_os_str()),
            escape::shell_word(path.as_os_str())
        );
        return Err(report::failure(Exit::Verification, &subject, &verified.report, &see));
    };
    context.printer.note(format!("all {} checks passed", verified.report.checks().len()));
    FileSource::new(source, layout, Arc::new(tree)).map_err(|error| changed(path).because(error))
}

fn changed(path: &Path) -> Failure {
    Failure::new(
        Exit::Verification,
        format!("source changed, stopped sharing: `{}`", escape::path(path)),
        "no changed byte was sent as proven; put the artifact back, or make a manifest for the new file",
    )
}

async fn serve(
    args: &SeedArgs,
    context: &Context,
    manifest: Arc<Manifest>,
    granted: &Granted,
    source: FileSource,
    identity: &Identity,
) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    let node = endpoint::bind(&args.share, identity, true)?;
    let offer = endpoint::offer(context, &node, &args.share, *manifest.swarm_id())?;
    tell_offer(context, &node, &offer)?;
    let (reports, waiting) = mpsc::channel(WAITING_REPORTS);
    let watching = watch::seed(context.printer.clone(), waiting)?;
    let settings = SeedSettings {
        manifest,
        allow: (!args.share.allow.is_empty()).then(|| args.share.allow.iter().copied().collect()),
        up_rate: args.share.up.map(|rate| rate.bytes_per_second),
        slots: args.slots.map(usize::from),
        offer: Some(offer),
        publish: granted.permits(Action::Publish),
        software: SOFTWARE.to_owned(),
        seed: random_seed()?,
        unix_now: now_unix(),
        reports,
    };
    let end = node.seed(settings, Arc::new(source), &mut interrupt.asked()).await;
    watching.end();
    let (sent_bytes, is_changed) = match end.map_err(|error| ending::driver(&error))? {
        SeedEnd::Stopped { sent_bytes } => (sent_bytes, false),
        SeedEnd::SourceChanged { sent_bytes } => (sent_bytes, true),
    };
    context.printer.note(format!("{} sent in all", show_size(sent_bytes)));
    context.printer.event("stopped", json!({"sent_bytes": sent_bytes, "source_changed": is_changed}))?;
    if is_changed {
        return Err(
            changed(&args.artifact).because("the file is no longer the artifact that its manifest names")
        );
    }
    Ok(())
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
