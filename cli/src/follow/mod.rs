//! Transfers in this process, from the user's consent to the last line. What a transfer tells is printed in one place
//! ([`teller`]), which also tells of the transfers that a companion runs.

mod asking;
mod expect;
mod fetch;
mod idle;
mod imported;
mod repair;
mod share;
mod swarm;
pub(crate) mod teller;
mod ways;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use minimodel::publishers::SignerVerdict;
use minimodel::transfer::{Control, Run, Served, output_file};
use minimodel::{Event, Watcher};
use minimodel_companion::model::Kind;
use serde_json::json;

pub(crate) use self::fetch::{ASKED_BESIDES, Fetch, endpoint, fetch_manifest, needed, run as fetch, ways};
pub(crate) use self::repair::{is_under_way, run as repair};
pub(crate) use self::share::{Share, run as share};
use self::teller::{Moment, Moments, Place, Teller};
use crate::args::ShareOptions;
use crate::escape;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::publisher::SignerObject;
use crate::settings::Context;
use crate::text;

/// Watcher of one transfer, which prints what the transfer tells.
pub(crate) struct Follower {
    context: Context,
    kind: Kind,
    /// Bytes of the file.
    byte_count: u64,
    publisher: SignerVerdict,
    /// Where the offer goes, besides stdout.
    offer_out: Option<PathBuf>,
    /// The user will hand the offer on.
    hands_on: bool,
    control: Control,
    progress: Mutex<Option<Progress>>,
    /// Progress of a full check, while one goes on.
    check: Mutex<Option<Progress>>,
    teller: Teller,
    moments: Mutex<Moments>,
    /// True once stdout has failed: that ends the reports, not the transfer.
    is_silent: AtomicBool,
    /// The first failure of printing or of the signal listener; it cancels the transfer.
    failure: Mutex<Option<Failure>>,
}

impl Follower {
    /// The watcher of a transfer of `kind`, and what the transfer is given.
    pub(crate) fn new(
        context: &Context,
        kind: Kind,
        byte_count: u64,
        publisher: &SignerVerdict,
        control: Control,
    ) -> Self {
        let teller = Teller::new(context.printer.clone(), kind, Place::Here);
        Self {
            context: context.clone(),
            kind,
            byte_count,
            publisher: publisher.clone(),
            offer_out: None,
            hands_on: kind == Kind::Share,
            control,
            progress: Mutex::new(None),
            check: Mutex::new(None),
            moments: Mutex::new(Moments::new(teller.clone())),
            teller,
            is_silent: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// Runs a transfer under this watcher. A failure of printing is the failure of the transfer.
    pub(crate) fn follow<T, E: Into<Failure>>(
        self,
        transfer: impl FnOnce(&Run) -> Result<T, E>,
    ) -> Result<T, Failure> {
        let follower = Arc::new(self);
        let run = Run {
            home: follower.context.home.clone(),
            watcher: follower.clone(),
            control: follower.control.clone(),
            shared: None,
        };
        let end = transfer(&run);
        drop(locked(&follower.check).take());
        drop(locked(&follower.progress).take());
        match locked(&follower.failure).take() {
            Some(failure) => Err(failure),
            None => end.map_err(Into::into),
        }
    }

    fn print(&self, event: Event) -> Result<(), Failure> {
        let printer = &self.context.printer;
        if let Event::CheckProgress { read_bytes, total_bytes } = event {
            return self.show_check(read_bytes, total_bytes);
        }
        // Whatever comes next, the check is over or done with the file; its bar goes first.
        drop(locked(&self.check).take());
        match event {
            Event::Started => self.start()?,
            Event::Complete => drop(locked(&self.progress).take()),
            Event::Resumed { have, chunks, lost } => {
                printer.tell(Event::Resumed { have, chunks, lost });
                let publisher = SignerObject::from(&self.publisher);
                let fields = json!({"have": have, "chunks": chunks, "lost": lost, "publisher": publisher});
                printer.event("resumed", fields)?;
            }
            Event::Way(event) => ways::tell(printer, &event)?,
            Event::EarlierPeers { peers } => {
                printer.tell(Event::EarlierPeers { peers });
                printer.event("earlier-peers", json!({"peers": peers}))?;
            }
            Event::Offer { offer, .. } => {
                if let Some(path) = &self.offer_out {
                    let written = output_file::write(path, format!("{offer}\n").as_bytes());
                    written.map_err(|error| text::output("offer", &error))?;
                    printer.detail(format!("the offer is in {}", escape::path(path)));
                }
                match self.kind {
                    Kind::Share => self.teller.offer(&offer, Some(&self.publisher), true)?,
                    Kind::Fetch => {
                        let says = format!("this machine serves what it has: {offer}");
                        if self.hands_on {
                            printer.note(says);
                        } else {
                            printer.detail(says);
                        }
                        let peer = offer.offer().peer.to_string();
                        printer.event("offer", json!({"offer": offer.to_string(), "peer": peer}))?;
                    }
                }
            }
            Event::ShareChecked(check) => share::tell_checked(printer, &check, self.kind)?,
            Event::Imported(imported) => imported::tell(printer, &self.teller, &imported, &self.publisher)?,
            other => printer.tell(other),
        }
        Ok(())
    }

    /// Ctrl-C cancels the transfer from now on, and a fetch shows its progress.
    fn start(&self) -> Result<(), Failure> {
        Interrupt::listen()?.cancels(&self.control);
        if self.kind == Kind::Fetch {
            *locked(&self.progress) = Some(Progress::start(&self.context, "fetch", self.byte_count, true));
        }
        Ok(())
    }

    /// Shows how far the check of a file has come; Ctrl-C ends it from now on.
    fn show_check(&self, read_bytes: u64, total_bytes: u64) -> Result<(), Failure> {
        let mut check = locked(&self.check);
        if check.is_none() {
            Interrupt::listen()?.cancels(&self.control);
            let label = if self.kind == Kind::Share { "check" } else { "check what is there" };
            *check = Some(Progress::start(&self.context, label, total_bytes, true));
        }
        if let Some(check) = &*check {
            check.counter().set(read_bytes);
        }
        Ok(())
    }

    fn report(&self, event: &Event) {
        if self.is_silent.load(Ordering::Relaxed) {
            return;
        }
        let printer = &self.context.printer;
        let counter = locked(&self.progress).as_ref().map(Progress::counter);
        let told = printer.flush_warnings().and_then(|()| match event {
            Event::Swarm(event) => swarm::tell(printer, event),
            Event::Snapshot(snapshot) => {
                locked(&self.moments).tell(&Moment::from(&**snapshot), counter.as_ref())
            }
            Event::OfferRenewed(offer) => swarm::tell_renewed(printer, offer),
            _ => Ok(()),
        });
        if told.is_err() {
            self.is_silent.store(true, Ordering::Relaxed);
        }
    }
}

impl Watcher for Follower {
    fn may_block(&self) -> bool {
        true
    }

    fn tell(&self, event: Event) {
        if matches!(event, Event::Swarm(_) | Event::Snapshot(_) | Event::OfferRenewed(_)) {
            return self.report(&event);
        }
        if locked(&self.failure).is_some() {
            return;
        }
        if let Err(failure) = self.print(event) {
            *locked(&self.failure) = Some(failure);
            self.control.cancel();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reports how serving ended; fails if the file changed meanwhile.
fn tell_served(context: &Context, path: &std::path::Path, served: Served) -> Result<(), Failure> {
    let Served { sent_bytes, is_changed, .. } = served;
    let teller = Teller::new(context.printer.clone(), Kind::Share, Place::Here);
    teller.stopped(sent_bytes, is_changed, "")?;
    if !is_changed {
        return Ok(());
    }
    let cause = "the file is no longer the artifact that its manifest names";
    Err(text::source_changed(path).because(cause))
}

/// The peers that `--allow` names; `None`: all.
fn allowed(share: &ShareOptions) -> Option<std::collections::BTreeSet<minimodel_wire::PeerId>> {
    (!share.allow.is_empty()).then(|| share.allow.iter().copied().collect())
}
