//! Reports of the swarm, for people and scripts, while a transfer runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use minimodel::clock::utc;
use minimodel_companion::model::Kind;
use minimodel_swarm::driver::{Idle, Snapshot};
use minimodel_swarm::machine::Event;
use minimodel_wire::SignedOffer;
use serde_json::json;

use super::idle::{self, IdleDebounce};
use crate::escape;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::Counter;
use crate::size::{show_rate, show_size};

/// Interval of the status lines of a seeder, printed only if bytes were sent since the last.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// Failed tries of one peer that are reported; more would only repeat it.
const TOLD_TRIES: u32 = 3;

/// Prints the reports of one transfer.
#[derive(Debug)]
pub(super) struct SwarmReports {
    printer: Arc<Printer>,
    kind: Kind,
    idle_debounce: IdleDebounce<Idle>,
    /// When the last status line of a share was due, and the bytes that were sent by then.
    told_at: Instant,
    told_bytes: u64,
}

impl SwarmReports {
    pub(super) fn new(printer: Arc<Printer>, kind: Kind) -> Self {
        let idle_debounce = IdleDebounce::default();
        Self { printer, kind, idle_debounce, told_at: Instant::now(), told_bytes: 0 }
    }

    /// Prints what happened in the swarm.
    pub(super) fn event(&self, event: &Event) -> Result<(), Failure> {
        tell(&self.printer, event)
    }

    /// Prints an offer that was renewed.
    pub(super) fn renewed(&self, offer: &SignedOffer) -> Result<(), Failure> {
        tell_renewed(&self.printer, offer)
    }

    /// Prints how the transfer stands; `counter`: the progress of a fetch, if it is shown.
    pub(super) fn snapshot(&mut self, snapshot: &Snapshot, counter: Option<&Counter>) -> Result<(), Failure> {
        match self.kind {
            Kind::Fetch => self.of_fetch(snapshot, counter),
            Kind::Share => self.of_share(snapshot),
        }
    }

    fn of_fetch(&mut self, snapshot: &Snapshot, counter: Option<&Counter>) -> Result<(), Failure> {
        if let Some(counter) = counter {
            counter.set(snapshot.have_bytes);
        }
        if let Some(cause) = self.idle_debounce.sample(snapshot.elapsed, snapshot.idle) {
            if let Some(counter) = counter {
                counter.idle(cause.map(Idle::as_str));
            }
            tell_idle(&self.printer, cause)?;
        }
        if let Some(counter) = counter {
            counter.say(&fetch_aside(snapshot, self.idle_debounce.cause()));
        }
        Ok(())
    }

    fn of_share(&mut self, snapshot: &Snapshot) -> Result<(), Failure> {
        if let Some(cause) = self.idle_debounce.sample(snapshot.elapsed, snapshot.idle) {
            let what = cause.map_or_else(|| "sending".to_owned(), |cause| idle::explain(Kind::Share, cause));
            self.printer.detail(what);
            tell_idle(&self.printer, cause)?;
        }
        if self.told_at.elapsed() >= SAY_EVERY {
            if snapshot.sent_bytes > self.told_bytes {
                say_serving(&self.printer, snapshot, self.idle_debounce.cause())?;
            }
            (self.told_at, self.told_bytes) = (Instant::now(), snapshot.sent_bytes);
        }
        Ok(())
    }
}

/// Prints an offer that was renewed. A file with the first offer stays as it is: it may belong to another program by now.
fn tell_renewed(printer: &Printer, offer: &SignedOffer) -> Result<(), Failure> {
    let expires_unix = offer.offer().expires_unix;
    printer.note(format!("the offer was signed anew and holds until {}: {offer}", utc(expires_unix)));
    printer.event("offer-renewed", json!({"offer": offer.to_string(), "expires_unix": expires_unix}))
}

/// Reports why no bytes move; `cause` is null when they move again.
fn tell_idle(printer: &Printer, cause: Option<Idle>) -> Result<(), Failure> {
    printer.event("idle", json!({"cause": cause.map(Idle::as_str)}))
}

fn fetch_aside(snapshot: &Snapshot, cause: Option<Idle>) -> String {
    let progress = &snapshot.progress;
    let mut aside = match (progress.peers, progress.serving) {
        (0, _) => "looking for peers".to_owned(),
        (1, 1) => "1 peer".to_owned(),
        (peers, serving) if peers == serving => format!("{peers} peers"),
        (peers, serving) => format!("{serving} of {peers} peers"),
    };
    if snapshot.up_rate > 0 {
        aside.push_str(&format!(", sending {}", show_rate(snapshot.up_rate)));
    }
    if let Some(cause) = cause {
        aside.push_str(&format!(", waiting: {}", idle::explain(Kind::Fetch, cause)));
    }
    aside
}

fn say_serving(printer: &Printer, snapshot: &Snapshot, cause: Option<Idle>) -> Result<(), Failure> {
    let peers = snapshot.peers.len();
    let sent = show_size(snapshot.sent_bytes);
    match peers {
        0 => printer.note(format!("{sent} sent so far, no peer is here now")),
        1 => printer.note(format!("serving 1 peer, {}, {sent} sent", show_rate(snapshot.up_rate))),
        _ => printer.note(format!("serving {peers} peers, {}, {sent} sent", show_rate(snapshot.up_rate))),
    }
    for peer in &snapshot.peers {
        printer.detail(format!(
            "  {}  {} sent, round trip {:.1} ms",
            peer.peer.short(),
            show_size(peer.sent_bytes),
            peer.rtt.as_secs_f64() * 1e3
        ));
    }
    let fields = json!({
        "peers": peers, "up_rate": snapshot.up_rate, "sent_bytes": snapshot.sent_bytes,
        "idle": cause.map(Idle::as_str),
    });
    printer.event("serving", fields)
}

fn tell(printer: &Printer, event: &Event) -> Result<(), Failure> {
    let (name, fields) = match event {
        Event::Joined { peer, software, seed } => {
            let has = if *seed { "has all of it" } else { "is fetching it" };
            printer.note(format!("peer {} joined, {has} ({})", peer.short(), escape::shown(software)));
            ("peer-joined", json!({"peer": peer.to_string(), "software": software, "seed": seed}))
        }
        Event::Left { peer, code } => {
            let why = code.map_or_else(|| "connection lost".to_owned(), |code| code.to_string());
            printer.note(format!("peer {} left: {why}", peer.short()));
            ("peer-left", json!({"peer": peer.to_string(), "code": code.map(u32::from), "reason": why}))
        }
        Event::Banned { peer, breach, index, .. } => {
            let chunk = index.map_or_else(String::new, |index| format!(" (chunk {index})"));
            printer.warning(&format!("banned peer {peer}: {breach}{chunk}"));
            ("peer-banned", json!({"peer": peer.to_string(), "reason": breach.to_string(), "chunk": index}))
        }
        Event::Struck { peer, breach } => {
            printer.detail(format!("peer {} {breach}", peer.short()));
            ("peer-struck", json!({"peer": peer.to_string(), "reason": breach.to_string()}))
        }
        Event::Refused { peer, code, by_peer } => {
            let who = if *by_peer { "refused us" } else { "was refused" };
            printer.note(format!("peer {} {who}: {code}", peer.short()));
            let fields = json!({"peer": peer.to_string(), "code": u32::from(*code), "reason": code.to_string(), "by_peer": by_peer});
            ("peer-refused", fields)
        }
        Event::WrongKey { expected, found } => {
            printer.note(format!("peer {expected} was expected, but {found} answered; not talking to it"));
            ("wrong-key", json!({"expected": expected.to_string(), "found": found.to_string()}))
        }
        Event::Unreachable { peer, tries } => {
            if *tries <= TOLD_TRIES {
                printer.note(format!("peer {} cannot be reached yet (try {tries})", peer.short()));
            }
            ("peer-unreachable", json!({"peer": peer.to_string(), "tries": tries}))
        }
        Event::Chunk { .. }
        | Event::Uploaded { .. }
        | Event::NothingGood
        | Event::Complete
        | Event::Exhausted => return Ok(()),
    };
    printer.event(name, fields)
}
