//! What people and scripts are told of a transfer, whether it runs in this process or in a companion: its offer, its progress,
//! why nothing moves, and how it ended.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use minimodel::publishers::SignerVerdict;
use minimodel_companion::doctor;
use minimodel_companion::model::{Cause, Kind, Peer, Reach, Transfer};
use minimodel_swarm::driver::{PeerView, Snapshot};
use minimodel_verifier::artifact::{ArtifactName, Format};
use minimodel_verifier::receipt::{PeerSupply, Receipt};
use minimodel_wire::SignedOffer;
use serde_json::{Map, Value, json};

use super::idle::IdleDebounce;
use crate::escape;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::Counter;
use crate::publisher::SignerObject;
use crate::size::{show_rate, show_size};
use crate::status::unheld;

/// Interval of the status lines of a share, printed only if bytes were sent since the last.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Where a transfer runs. A companion keeps details for its own `status`, and they are not told while one follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this process.
    Here,
    /// In a companion, under this number.
    Companion(u64),
}

/// A transfer at one moment.
#[derive(Debug)]
pub(crate) struct Moment {
    /// Since the transfer, or following it, began.
    elapsed: Duration,
    have_bytes: u64,
    sent_bytes: u64,
    up_rate: u64,
    /// Why no byte moves, if none does.
    cause: Option<Cause>,
    /// Connected peers, and how many of them send to this node.
    connected: usize,
    serving: usize,
    /// Missing chunks that no connected peer has.
    unheld: u32,
    peers: Vec<Peer>,
    /// What other members have shown of this machine's reach.
    reach: Reach,
}

impl From<&Snapshot> for Moment {
    fn from(snapshot: &Snapshot) -> Self {
        let peer = |view: &PeerView| Peer {
            peer: view.peer.short(),
            sent_bytes: view.sent_bytes,
            rtt_ms: view.path.rtt.as_secs_f64() * 1e3,
            ..Peer::default()
        };
        Self {
            elapsed: snapshot.elapsed,
            have_bytes: snapshot.have_bytes,
            sent_bytes: snapshot.sent_bytes,
            up_rate: snapshot.up_rate,
            cause: snapshot.idle.map(Cause::from),
            connected: snapshot.progress.peers as usize,
            serving: snapshot.progress.serving as usize,
            unheld: snapshot.progress.unheld,
            peers: snapshot.peers.iter().map(peer).collect(),
            reach: Reach::from(&snapshot.reach),
        }
    }
}

impl Moment {
    /// A companion's transfer that has been followed for `elapsed`.
    pub(crate) fn of(transfer: &Transfer, elapsed: Duration) -> Self {
        Self {
            elapsed,
            have_bytes: transfer.have_bytes,
            sent_bytes: transfer.sent_bytes,
            up_rate: transfer.up_rate,
            cause: transfer.cause,
            connected: transfer.peers.len(),
            serving: transfer.peers.len(),
            unheld: transfer.missing_unheld.map_or(0, |chunks| u32::try_from(chunks).unwrap_or(u32::MAX)),
            peers: transfer.peers.clone(),
            reach: transfer.reach.clone().unwrap_or_default(),
        }
    }
}

/// A fetch that is done.
#[derive(Debug)]
pub(crate) struct Completion<'a> {
    pub(crate) path: &'a Path,
    pub(crate) receipt_path: &'a Path,
    /// `None` if it cannot be read now.
    pub(crate) receipt: Option<&'a Receipt>,
    pub(crate) swarm_id: &'a str,
    pub(crate) received_bytes: u64,
    pub(crate) seconds: f64,
    /// From the last chunk to the receipt, if that was measured.
    pub(crate) finish_ms: Option<u64>,
    pub(crate) publisher: Option<&'a SignerVerdict>,
}

/// What is told of the moments of a transfer as it goes on.
#[derive(Debug)]
pub(crate) struct Moments {
    teller: Teller,
    idle_debounce: IdleDebounce,
    /// When the last status line of a share was due, and the bytes that were sent by then.
    told_at: Instant,
    told_bytes: u64,
    told_reach: Reach,
}

impl Moments {
    pub(crate) fn new(teller: Teller) -> Self {
        Self {
            teller,
            idle_debounce: IdleDebounce::default(),
            told_at: Instant::now(),
            told_bytes: 0,
            told_reach: Reach::default(),
        }
    }

    /// Tells how the transfer stands; `counter`: the progress of a fetch, if it is shown.
    pub(crate) fn tell(&mut self, moment: &Moment, counter: Option<&Counter>) -> Result<(), Failure> {
        if let Some(counter) = counter {
            counter.set(moment.have_bytes);
            counter.set_unheld(moment.unheld);
        }
        if let Some(cause) = self.idle(moment.elapsed, moment.cause)? {
            if let Some(counter) = counter {
                counter.idle(cause.map(doctor::name));
            }
            if (self.teller.kind, self.teller.place) == (Kind::Share, Place::Here) {
                let what = cause.map_or_else(|| "sending".to_owned(), |cause| self.teller.explain(cause));
                self.teller.printer.detail(what);
            }
        }
        if let Some(counter) = counter {
            counter.say(&self.aside(moment));
        }
        if self.teller.kind == Kind::Share && self.told_at.elapsed() >= SAY_EVERY {
            if moment.sent_bytes > self.told_bytes {
                self.serving(moment)?;
            }
            (self.told_at, self.told_bytes) = (Instant::now(), moment.sent_bytes);
        }
        self.reach(&moment.reach)
    }

    /// Reports what other members have shown of this machine's reach, when that is new.
    fn reach(&mut self, reach: &Reach) -> Result<(), Failure> {
        if self.teller.place != Place::Here || self.told_reach == *reach {
            return Ok(());
        }
        self.told_reach.clone_from(reach);
        let printer = &self.teller.printer;
        doctor::reach_lines(reach).into_iter().for_each(|line| printer.note(line));
        printer.event("reach", json!({"ipv4": reach.ipv4, "ipv6": reach.ipv6}))
    }

    /// Reports why no bytes move, once that has lasted: null when they move again. Returns what was reported.
    pub(crate) fn idle(
        &mut self,
        elapsed: Duration,
        cause: Option<Cause>,
    ) -> Result<Option<Option<Cause>>, Failure> {
        let told = self.idle_debounce.sample(elapsed, cause);
        if let Some(cause) = told {
            self.teller.printer.event("idle", json!({"cause": cause.map(doctor::name)}))?;
        }
        Ok(told)
    }

    /// The remark beside the progress of a fetch.
    fn aside(&self, moment: &Moment) -> String {
        if let (Place::Companion(_), Some(cause)) = (self.teller.place, moment.cause) {
            return doctor::words(cause).to_owned();
        }
        let mut aside = match (moment.connected, moment.serving) {
            (0, _) => "looking for peers".to_owned(),
            (1, 1) => "1 peer".to_owned(),
            (peers, serving) if peers == serving => format!("{peers} peers"),
            (peers, serving) => format!("{serving} of {peers} peers"),
        };
        if moment.connected > 0
            && let Some(unheld) = unheld(moment.unheld.into())
        {
            aside.push_str(&format!(", {unheld}"));
        }
        if self.teller.place == Place::Here {
            if moment.up_rate > 0 {
                aside.push_str(&format!(", sending {}", show_rate(moment.up_rate)));
            }
            if let Some(cause) = self.idle_debounce.cause() {
                aside.push_str(&format!(", waiting: {}", self.teller.explain(cause)));
            }
        }
        aside
    }

    fn serving(&self, moment: &Moment) -> Result<(), Failure> {
        let (peers, sent) = (moment.peers.len(), show_size(moment.sent_bytes));
        let rate = show_rate(moment.up_rate);
        self.teller.printer.note(match (self.teller.place, peers) {
            (Place::Here, 0) => format!("{sent} sent so far, no peer is here now"),
            (Place::Here, 1) => format!("serving 1 peer, {rate}, {sent} sent"),
            _ => format!("serving {peers} peers, {rate}, {sent} sent"),
        });
        for peer in moment.peers.iter().filter(|_| self.teller.place == Place::Here) {
            let (sent, rtt_ms) = (show_size(peer.sent_bytes), peer.rtt_ms);
            self.teller.printer.detail(format!("  {}  {sent} sent, round trip {rtt_ms:.1} ms", peer.peer));
        }
        let fields = json!({
            "peers": peers, "up_rate": moment.up_rate, "sent_bytes": moment.sent_bytes,
            "idle": self.idle_debounce.cause().map(doctor::name),
        });
        self.teller.printer.event("serving", fields)
    }
}

/// Tells of one transfer.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    printer: Arc<Printer>,
    kind: Kind,
    place: Place,
}

impl Teller {
    pub(crate) fn new(printer: Arc<Printer>, kind: Kind, place: Place) -> Self {
        Self { printer, kind, place }
    }

    /// The cause in plain words, with its name for programs.
    fn explain(&self, cause: Cause) -> String {
        format!("{} ({})", doctor::words_of(self.kind, cause), doctor::name(cause))
    }

    /// Prints the offer of a share on stdout, and for people the whole line that a friend can paste. `ends`: Ctrl-C stops serving.
    pub(crate) fn offer(
        &self,
        offer: &SignedOffer,
        publisher: Option<&SignerVerdict>,
        ends: bool,
    ) -> Result<(), Failure> {
        let (printer, content) = (&self.printer, offer.offer());
        let addresses: Vec<String> = content.addresses.iter().map(ToString::to_string).collect();
        if self.place == Place::Here {
            printer.note(format!("serving as peer {} at {}", content.peer, addresses.join(", ")));
            if content.addresses.iter().all(|address| address.ip().is_loopback()) {
                printer.note(
                    "this offer works on this machine alone: for others, name an address with --advertise",
                );
            }
        }
        let ends = if ends { "; Ctrl-C stops serving" } else { "" };
        printer.note(format!("send this line to whoever may fetch the file{ends}:"));
        printer.note(format!("\n    minimodel fetch --offer {offer} --out .\n"));
        if !printer.is_json() {
            printer.note("the offer alone, for --peer or a file:");
            return printer.answer(offer.to_string());
        }
        let mut fields = json!({
            "offer": offer.to_string(), "peer": content.peer.to_string(), "addresses": addresses,
            "expires_unix": content.expires_unix, "publisher": publisher.map(SignerObject::from),
        });
        if let Place::Companion(id) = self.place {
            // An object, as written above.
            let _ = fields.as_object_mut().map(|fields| fields.insert("transfer".to_owned(), id.into()));
        }
        printer.event("offer", fields)
    }

    /// Reports a fetch that is done, for scripts.
    pub(crate) fn done(&self, completion: &Completion<'_>) -> Result<(), Failure> {
        if !self.printer.is_json() {
            return Ok(());
        }
        let peer = |peer: &PeerSupply| {
            let fields = json!({"chunks": peer.chunks, "bytes": peer.bytes, "rejected": peer.rejected});
            (peer.id.clone(), fields)
        };
        let peers = completion.receipt.iter().flat_map(|receipt| &receipt.import().peers);
        let peers: Map<String, Value> = peers.map(peer).collect();
        let fields = json!({
            "path": shown(completion.path), "receipt": shown(completion.receipt_path),
            "swarm_id": completion.swarm_id, "received_bytes": completion.received_bytes,
            "found_bytes": completion.receipt.map_or(0, Receipt::found_on_disk),
            "seconds": completion.seconds,
            "finish_ms": completion.finish_ms, "peers": peers,
            "publisher": completion.publisher.map(SignerObject::from),
        });
        self.printer.event("done", fields)
    }

    /// Reports where file and receipt of a fetch are, and how to use the file.
    pub(crate) fn place(&self, path: &Path, receipt: &Path) -> Result<(), Failure> {
        if self.printer.is_json() && self.place != Place::Here {
            return Ok(());
        }
        self.printer.note(format!("receipt      {}", escape::path(receipt)));
        self.printer.note(format!("to use it: {}; nothing opens it for you", how_to_open(path)));
        if self.printer.is_json() { Ok(()) } else { self.printer.answer_path(path) }
    }

    /// Reports that serving ended; `more` ends the line for people.
    pub(crate) fn stopped(&self, sent_bytes: u64, is_changed: bool, more: &str) -> Result<(), Failure> {
        self.printer.note(format!("{} sent in all{more}", show_size(sent_bytes)));
        self.printer.event("stopped", json!({"sent_bytes": sent_bytes, "source_changed": is_changed}))
    }
}

/// A path for JSON, where bytes that are not UTF-8 are replaced.
pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// How to use a file, by the name that a fetch gave it.
fn how_to_open(path: &Path) -> &'static str {
    match ArtifactName::of_path(path).map(|name| name.format()) {
        Some(Format::Gguf) => "open it with a program that reads GGUF, such as llama.cpp",
        Some(Format::Safetensors) => "open it with a program that reads safetensors",
        Some(Format::Onnx) => "open it with a program that reads ONNX",
        Some(Format::Other(_)) => {
            "it can run code when a program loads it: open it only if you trust its publisher"
        }
        Some(Format::Slm) | None => "open TinyRustLM and choose this file in its own file picker",
    }
}

#[cfg(test)]
mod tests {
    use minimodel_swarm::driver::Idle;

    use super::*;

    #[test]
    fn each_cause_is_explained_with_its_word() {
        for cause in Idle::ALL {
            let word = format!("({cause})");
            for kind in [Kind::Share, Kind::Fetch] {
                let teller = Teller::new(Arc::new(Printer::mute()), kind, Place::Here);
                assert!(teller.explain(cause.into()).ends_with(&word));
            }
        }
    }
}
