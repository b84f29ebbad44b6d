//! Follows a transfer of the companion, and reports it as if it ran in this process.

use std::path::Path;
use std::time::{Duration, Instant};

use minimodel::private;
use minimodel_companion::model::{Cause, NewFetch, State, Transfer};
use minimodel_companion::{Problem, Service};
use minimodel_verifier::receipt::{MAX_RECEIPT_BYTES, Receipt};
use minimodel_wire::SignedOffer;
use serde_json::json;

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::teller::{Completion, Moment, Moments, Place, Teller};
use crate::interrupt::Interrupt;
use crate::printer::Printer;
use crate::progress::{Counter, Progress};
use crate::settings::Context;
use crate::size::show_size;
use crate::text::of_problem as failure;

/// Longest interval at which the state of the transfer is polled.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Shortest one. A transfer is polled after a quarter of the time that it has been followed, so that a small file's end is
/// noticed at once and a long transfer is asked for five times a second.
const LOOK_SOON: Duration = Duration::from_millis(10);

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

/// A transfer of the companion that is followed.
pub(super) struct Followed<'a> {
    service: &'a dyn Service,
    id: u64,
    begun: Instant,
    interrupt: Interrupt,
    teller: Teller,
    moments: Moments,
}

impl<'a> Followed<'a> {
    pub(super) fn new(
        service: &'a dyn Service,
        context: &Context,
        first: &Transfer,
    ) -> Result<Self, Failure> {
        let teller = Teller::new(context.printer.clone(), first.kind, Place::Companion(first.id));
        Ok(Self {
            service,
            id: first.id,
            begun: Instant::now(),
            interrupt: Interrupt::listen()?,
            moments: Moments::new(teller.clone()),
            teller,
        })
    }

    /// Reads the state of the transfer. If the companion was stopped meanwhile, the hint says that its transfers go on at
    /// its next start.
    fn read(&self) -> Result<Transfer, Failure> {
        self.service.transfer(self.id).map_err(|problem: Problem| {
            let hint = "start it again: `minimodel companion start`; what ran goes on";
            Failure { hint: hint.to_owned(), ..failure(problem) }
        })
    }

    /// As [`Self::read`], after a pause.
    pub(super) fn read_again(&self) -> Result<Transfer, Failure> {
        std::thread::sleep((self.begun.elapsed() / 4).clamp(LOOK_SOON, LOOK_EVERY));
        self.read()
    }

    /// Reads the state of the transfer and tells how it stands.
    fn tell(&mut self, counter: Option<&Counter>) -> Result<Transfer, Failure> {
        let transfer = self.read()?;
        self.moments.tell(&Moment::of(&transfer, self.begun.elapsed()), counter)?;
        Ok(transfer)
    }

    /// Reports why nothing moves, once that has lasted; returns what was reported.
    pub(super) fn tell_idle(&mut self, cause: Option<Cause>) -> Result<Option<Cause>, Failure> {
        Ok(self.moments.idle(self.begun.elapsed(), cause)?.flatten())
    }

    fn is_interrupted(&self) -> bool {
        *self.interrupt.asked().borrow()
    }

    /// After Ctrl-C on a fetch: pauses it, or hands it back with the settings `again`. `None`: no Ctrl-C came, or the fetch ended
    /// or was paused meanwhile, and the caller reports that instead.
    pub(super) fn let_go(&self, again: Option<&NewFetch>) -> Result<Option<Failure>, Failure> {
        let goes_on = |state| matches!(state, State::Preparing | State::Running | State::Waiting);
        if !self.is_interrupted() || !goes_on(self.read()?.state) {
            return Ok(None);
        }
        let id = self.id;
        let (error, hint) = match again {
            Some(again) => {
                self.service.fetch(again.clone()).map_err(failure)?;
                (
                    format!("no longer waited for; the companion goes on with transfer {id}, as before"),
                    format!(
                        "wait for it again with the same command; `minimodel transfer pause {id}` holds it"
                    ),
                )
            }
            None => {
                Undo::Pause.of(self.service, id)?;
                (
                    "stopped; everything proven so far is kept".to_owned(),
                    format!("run the same command again: it resumes; or `minimodel transfer start {id}`"),
                )
            }
        };
        Ok(Some(Failure::new(self.interrupt.exit(), error, hint)))
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
    let (printer, id) = (&context.printer, first.id);
    let mut followed = Followed::new(service, context, first)?;
    printer.note(format!("the companion shares it as transfer {id}"));
    let mut offer = None;
    loop {
        let transfer = followed.tell(None)?;
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
            if let Some(offer) = offer.as_deref().and_then(|offer| offer.parse::<SignedOffer>().ok()) {
                let ends = !detach && undo != Undo::Leave;
                followed.teller.offer(&offer, transfer.publisher.as_ref(), ends)?;
            }
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
        if followed.is_interrupted() {
            undo.of(service, id)?;
            let end = match undo {
                Undo::Leave => {
                    printer.note(format!(
                        "the companion shared it before and goes on; `minimodel transfer remove {id}` ends the share"
                    ));
                    return printer.event("handed-over", json!({"transfer": id}));
                }
                Undo::Forget => "; the share is over".to_owned(),
                Undo::Pause => {
                    format!("; the share rests as before; `minimodel transfer start {id}` lets it go on")
                }
            };
            return followed.teller.stopped(transfer.sent_bytes, false, &end);
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
    let (printer, id) = (&context.printer, first.id);
    let mut followed = Followed::new(service, context, first)?;
    printer.note(format!("the companion fetches it as transfer {id}"));
    if detach {
        printer.note(format!("it goes on by itself: `minimodel status` shows how it stands, `minimodel transfer pause {id}` holds it"));
        return printer.event("handed-over", json!({"transfer": id}));
    }
    let progress = Progress::start(context, "fetch", first.total_bytes, true);
    let counter = progress.counter();
    loop {
        let transfer = followed.tell(Some(&counter))?;
        match transfer.state {
            State::Done => {
                drop(progress);
                return done(&followed.teller, printer, &transfer, followed.begun.elapsed());
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
        if let Some(stopped) = followed.let_go(again)? {
            drop(progress);
            return Err(stopped);
        }
        std::thread::sleep(LOOK_EVERY);
    }
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

fn done(teller: &Teller, printer: &Printer, transfer: &Transfer, took: Duration) -> Result<(), Failure> {
    let seconds = took.as_secs_f64().max(1e-3);
    printer.note(format!("fetched {} in {seconds:.1} s", show_size(transfer.total_bytes)));
    let path = Path::new(&transfer.path);
    let receipt_path = Path::new(transfer.receipt.as_deref().unwrap_or_default());
    let text = private::read(receipt_path, MAX_RECEIPT_BYTES as u64).ok().flatten();
    let receipt = text.and_then(|text| Receipt::parse(&text).ok());
    teller.done(&Completion {
        path,
        receipt_path,
        receipt: receipt.as_ref(),
        swarm_id: &transfer.swarm_id,
        received_bytes: transfer.received_bytes,
        seconds,
        finish_ms: None,
        publisher: transfer.publisher.as_ref(),
    })?;
    teller.place(path, receipt_path)
}
