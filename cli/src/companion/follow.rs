//! Follows a transfer of the companion, and reports it as if it ran in this process.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use minimodel::private;
use minimodel_companion::model::{Cause, NewFetch, State, Transfer};
use minimodel_companion::{Problem, Service, doctor};
use minimodel_verifier::receipt::Receipt;
use minimodel_wire::SignedOffer;
use serde_json::json;

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::idle::IdleDebounce;
use crate::interrupt::Interrupt;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::publisher::SignerObject;
use crate::settings::Context;
use crate::size::{show_rate, show_size};
use crate::text::of_problem as failure;

/// Interval at which the state of the transfer is polled.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Interval of the status lines of a share, printed only if bytes were sent since the last.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Effect of Ctrl-C on the transfer that is followed: it undoes what this call started, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undo {
    /// Remove a share that this call added.
    Forget,
    /// Pause a transfer that did not run before, or a fetch that this call began.
    Pause,
    /// Leave a transfer running that ran before.
    Leave,
}

impl Undo {
    pub(super) fn of(self, service: &dyn Service, id: u64) -> Result<(), Failure> {
        match self {
            Self::Forget => service.forget(id),
            Self::Pause => service.pause(id).map(drop),
            Self::Leave => Ok(()),
        }
        .map_err(failure)
    }
}

/// Follows a share until Ctrl-C: prints its offer, then what is sent.
pub(crate) fn seed(
    service: &dyn Service,
    context: &Context,
    first: &Transfer,
    detach: bool,
    undo: Undo,
) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    let printer = &context.printer;
    let id = first.id;
    printer.note(format!("the companion shares it as transfer {id}"));
    let (mut offer, mut told_at, mut told_bytes) = (None, Instant::now(), 0);
    let (begun, mut idle_debounce) = (Instant::now(), IdleDebounce::default());
    loop {
        let transfer = read_transfer(service, id)?;
        if let Some(cause) = idle_debounce.sample(begun.elapsed(), transfer.cause) {
            tell_idle(printer, cause)?;
        }
        if transfer.state == State::Failed {
            return Err(failed(transfer));
        }
        let is_held =
            transfer.state == State::Waiting && matches!(transfer.cause, Some(Cause::Disk | Cause::Address));
        if let Some(problem) = transfer.problem.as_ref().filter(|_| is_held && !detach) {
            // A user who follows the share gets the failure now; with `--detach` the companion tries again by itself.
            undo.of(service, id)?;
            return Err(waits(problem, id, undo));
        }
        if transfer.offer.is_some() && transfer.offer != offer {
            offer.clone_from(&transfer.offer);
            tell_offer(context, &transfer, !detach && undo != Undo::Leave)?;
        }
        if detach && (offer.is_some() || transfer.state == State::Waiting) {
            if let Some(problem) = &transfer.problem {
                printer.warning(&format!(
                    "it waits, and tries again by itself: {}",
                    escape::harmless(&problem.error)
                ));
            }
            printer.note("the companion serves it until you stop it: `minimodel status` shows how it stands");
            return printer.event("handed-over", json!({"transfer": id}));
        }
        if told_at.elapsed() >= SAY_EVERY {
            if transfer.sent_bytes > told_bytes {
                say_serving(context, &transfer, idle_debounce.cause())?;
            }
            (told_at, told_bytes) = (Instant::now(), transfer.sent_bytes);
        }
        if is_asked(&interrupt) {
            undo.of(service, id)?;
            let sent = show_size(transfer.sent_bytes);
            let end = match undo {
                Undo::Leave => {
                    printer.note(format!(
                        "the companion shared it before and goes on; `minimodel transfer remove {id}` ends the share"
                    ));
                    return printer.event("handed-over", json!({"transfer": id}));
                }
                Undo::Forget => "the share is over".to_owned(),
                Undo::Pause => {
                    format!("the share rests as before; `minimodel transfer start {id}` lets it go on")
                }
            };
            printer.note(format!("{sent} sent in all; {end}"));
            let fields = json!({"sent_bytes": transfer.sent_bytes, "source_changed": false});
            return printer.event("stopped", fields);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Follows a fetch: shows its progress, then prints its path and receipt. Ctrl-C pauses the fetch, as it stops one that
/// runs in this process. A fetch that ran before this call is handed back instead, with the settings `again`.
pub(crate) fn fetch(
    service: &dyn Service,
    context: &Context,
    first: &Transfer,
    detach: bool,
    again: Option<&NewFetch>,
) -> Result<(), Failure> {
    let interrupt = Interrupt::listen()?;
    let printer = &context.printer;
    let id = first.id;
    printer.note(format!("the companion fetches it as transfer {id}"));
    if detach {
        printer.note(format!("it goes on by itself: `minimodel status` shows how it stands, `minimodel transfer pause {id}` holds it"));
        return printer.event("handed-over", json!({"transfer": id}));
    }
    let begun = Instant::now();
    let progress = Progress::start(context, "fetch", first.total_bytes, true);
    let counter = progress.counter();
    let mut idle_debounce = IdleDebounce::default();
    loop {
        let transfer = read_transfer(service, id)?;
        counter.set(transfer.have_bytes);
        counter.say(&aside(&transfer));
        if let Some(cause) = idle_debounce.sample(begun.elapsed(), transfer.cause) {
            counter.idle(cause.map(doctor::name));
            tell_idle(printer, cause)?;
        }
        match transfer.state {
            State::Done => {
                drop(progress);
                return done(context, &transfer, begun.elapsed());
            }
            State::Failed => {
                drop(progress);
                return Err(failed(transfer));
            }
            State::Paused => {
                drop(progress);
                let hint =
                    format!("let it go on: `minimodel transfer start {id}`, or type the same command again");
                return Err(Failure::new(Exit::Stopped, format!("transfer {id} was paused"), hint));
            }
            State::Waiting | State::Asking => {
                if let Some(failure) = held_up(&transfer) {
                    drop(progress);
                    return Err(failure);
                }
            }
            State::Preparing | State::Running => {}
        }
        if is_asked(&interrupt)
            && let Some(stopped) = let_go(service, id, interrupt.exit(), again)?
        {
            drop(progress);
            return Err(stopped);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Handles Ctrl-C on a followed fetch: pauses it, or hands it back with the settings `again`. `None`: the fetch ended or
/// was paused meanwhile, and the caller reports that instead.
pub(super) fn let_go(
    service: &dyn Service,
    id: u64,
    exit: Exit,
    again: Option<&NewFetch>,
) -> Result<Option<Failure>, Failure> {
    if !matches!(read_transfer(service, id)?.state, State::Preparing | State::Running | State::Waiting) {
        return Ok(None);
    }
    let (error, hint) = match again {
        Some(again) => {
            service.fetch(again.clone()).map_err(failure)?;
            (
                format!("no longer waited for; the companion goes on with transfer {id}, as before"),
                format!("wait for it again with the same command; `minimodel transfer pause {id}` holds it"),
            )
        }
        None => {
            Undo::Pause.of(service, id)?;
            (
                "stopped; everything proven so far is kept".to_owned(),
                format!("run the same command again: it resumes; or `minimodel transfer start {id}`"),
            )
        }
    };
    Ok(Some(Failure::new(exit, error, hint)))
}

pub(super) fn is_asked(interrupt: &Interrupt) -> bool {
    *interrupt.asked().borrow()
}

/// Reads the state of the transfer. If the companion was stopped meanwhile, the hint says that its transfers go on at
/// its next start.
pub(super) fn read_transfer(service: &dyn Service, id: u64) -> Result<Transfer, Failure> {
    service.transfer(id).map_err(|problem: Problem| {
        let hint = "start it again: `minimodel companion start`; what ran goes on";
        Failure { hint: hint.to_owned(), ..failure(problem) }
    })
}

/// The failure of a fetch that waits for what only the user can change: a consent or a quota. It goes on when the user
/// has changed that.
pub(super) fn held_up(transfer: &Transfer) -> Option<Failure> {
    let id = transfer.id;
    let (class, error, hint) = match transfer.cause? {
        Cause::ConsentMissing => (
            Exit::Consent,
            format!("transfer {id} waits: a consent that it needs is not there any more"),
            format!("agree again: `minimodel transfer start {id}`"),
        ),
        Cause::Quota => (
            Exit::Quota,
            format!("transfer {id} waits: a quota is used up"),
            format!("see which: `minimodel consent list`; `minimodel transfer start {id}` agrees anew"),
        ),
        _ => return None,
    };
    let failure = Failure::new(class, error, hint);
    Some(match &transfer.problem {
        Some(problem) => failure.because(&problem.error),
        None => failure,
    })
}

/// The problem that keeps a followed share from starting, as a failure.
fn waits(problem: &Problem, id: u64, undo: Undo) -> Failure {
    let failure = failure(problem.clone());
    if undo != Undo::Leave {
        return failure;
    }
    let hint = format!(
        "{}; the companion tries again by itself, and at once with `minimodel transfer start {id}`",
        failure.hint
    );
    Failure { hint, ..failure }
}

/// The problem of a transfer that failed, as a failure.
pub(super) fn failed(transfer: Transfer) -> Failure {
    let unknown = || {
        let error = format!("transfer {} failed", transfer.id);
        Failure::new(Exit::Unexpected, error, "see why: `minimodel status`")
    };
    transfer.problem.map_or_else(unknown, failure)
}

/// Prints the offer. `stops`: Ctrl-C ends the share, or pauses it.
fn tell_offer(context: &Context, transfer: &Transfer, stops: bool) -> Result<(), Failure> {
    let printer = &context.printer;
    let Some(offer) = &transfer.offer else { return Ok(()) };
    let ends = if stops { "; Ctrl-C stops serving" } else { "" };
    printer.note(format!("send this line to whoever may fetch the file{ends}:"));
    printer.note(format!("\n    minimodel fetch --offer {offer} --out .\n"));
    if printer.is_json() {
        let read = offer.parse::<SignedOffer>().ok();
        let addresses = read.as_ref().map(|offer| &offer.offer().addresses);
        let fields = json!({
            "offer": offer, "transfer": transfer.id,
            "peer": read.as_ref().map(|offer| offer.offer().peer.to_string()),
            "addresses": addresses.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>()),
            "expires_unix": read.as_ref().map(|offer| offer.offer().expires_unix),
            "publisher": publisher(transfer),
        });
        return printer.event("offer", fields);
    }
    printer.note("the offer alone, for --peer or a file:");
    printer.answer(offer.as_str())
}

/// Reports why no bytes move; `cause` is null when they move again.
pub(super) fn tell_idle(printer: &Printer, cause: Option<Cause>) -> Result<(), Failure> {
    printer.event("idle", json!({"cause": cause.map(doctor::name)}))
}

fn say_serving(context: &Context, transfer: &Transfer, cause: Option<Cause>) -> Result<(), Failure> {
    let (peers, sent) = (transfer.peers.len(), show_size(transfer.sent_bytes));
    context.printer.note(format!("serving {peers} peers, {}, {sent} sent", show_rate(transfer.up_rate)));
    let (up_rate, sent_bytes) = (transfer.up_rate, transfer.sent_bytes);
    let fields = json!({"peers": peers, "up_rate": up_rate, "sent_bytes": sent_bytes, "idle": cause.map(doctor::name)});
    context.printer.event("serving", fields)
}

fn aside(transfer: &Transfer) -> String {
    match (transfer.cause, transfer.peers.len()) {
        (Some(cause), _) => doctor::words(cause).to_owned(),
        (None, 0) => "looking for peers".to_owned(),
        (None, 1) => "1 peer".to_owned(),
        (None, peers) => format!("{peers} peers"),
    }
}

fn done(context: &Context, transfer: &Transfer, took: Duration) -> Result<(), Failure> {
    let printer = &context.printer;
    let seconds = took.as_secs_f64().max(1e-3);
    printer.note(format!("fetched {} in {seconds:.1} s", show_size(transfer.total_bytes)));
    let receipt = transfer.receipt.as_deref().unwrap_or_default();
    if printer.is_json() {
        let (peers, found_bytes) = suppliers(Path::new(receipt));
        let fields = json!({
            "path": transfer.path, "receipt": receipt, "swarm_id": transfer.swarm_id,
            "received_bytes": transfer.received_bytes, "found_bytes": found_bytes, "seconds": seconds,
            "finish_ms": null, "peers": peers, "publisher": publisher(transfer),
        });
        return printer.event("done", fields);
    }
    printer.note(format!("receipt      {}", escape::path(Path::new(receipt))));
    printer.note(
        "to use it: open TinyRustLM and choose this file in its own file picker; nothing opens it for you",
    );
    printer.answer_path(Path::new(&transfer.path))
}

/// The current verdict on the manifest's key, for JSON.
fn publisher(transfer: &Transfer) -> Option<serde_json::Value> {
    serde_json::to_value(SignerObject::from(transfer.publisher.as_ref()?)).ok()
}

/// The peers that supplied the bytes, and how many bytes were found on disk, both from the receipt.
fn suppliers(path: &Path) -> (BTreeMap<String, serde_json::Value>, u64) {
    let limit = minimodel_verifier::receipt::MAX_RECEIPT_BYTES as u64;
    let receipt = private::read(path, limit).ok().flatten().and_then(|text| Receipt::parse(&text).ok());
    let peers = receipt.iter().flat_map(|receipt| receipt.import().peers.iter());
    let row = |peer: &minimodel_verifier::receipt::PeerSupply| {
        let fields = json!({"chunks": peer.chunks, "bytes": peer.bytes, "rejected": peer.rejected});
        (peer.id.clone(), fields)
    };
    (peers.map(row).collect(), receipt.as_ref().map_or(0, Receipt::found_on_disk))
}
