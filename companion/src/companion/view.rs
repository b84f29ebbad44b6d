//! Status of transfers for clients of the companion.

use std::path::PathBuf;

use minimodel::Identity;
use minimodel::clock::utc;
use minimodel::transfer::Target;
use minimodel_swarm::driver::Idle;
use minimodel_verifier::Manifest;

use super::Core;
use super::chunks::is_whole;
use super::desired::Desired;
use super::row::{FinalState, PlacedFile, TransferRow};
use super::running::{RunningTransfer, idle_seconds};
use super::state::State;
use super::table::unknown;
use crate::model::{Cause, Event, Kind, Question, Reach, State as Stands, Status, Transfer};
use crate::problem::Problem;

impl From<Idle> for Cause {
    fn from(idle: Idle) -> Self {
        match idle {
            Idle::NoSource => Self::NoSource,
            Idle::Choked => Self::Choked,
            Idle::RateLimit => Self::RateLimit,
            Idle::Quota => Self::Quota,
            Idle::Disk => Self::Disk,
            Idle::Congestion => Self::Congestion,
            Idle::PeerSlow => Self::PeerSlow,
            Idle::Checking => Self::Checking,
            Idle::NoDemand => Self::NoDemand,
        }
    }
}

/// Returns the cause that is shown before a job's first snapshot, so that no moment is without a cause.
fn cause_before_first_snapshot(row: &TransferRow, desired: &Desired) -> Cause {
    match (row.kind, desired) {
        // A peer is being asked for the manifest.
        (_, Desired::FetchManifest) => Cause::NoSource,
        (Kind::Share, _) => Cause::Checking,
        // The partial file is opened, and read where its record does not say what it holds.
        (Kind::Fetch, _) => Cause::Disk,
    }
}

impl Core {
    pub(super) fn status(&self) -> Status {
        let state = self.lock();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            label: self.checks.host.label(),
            pid: if self.is_running { std::process::id() } else { 0 },
            started_utc: utc(self.started_unix),
            peer: Identity::known(&self.checks.home).map(|peer| peer.to_string()),
            limits: state.limits.get().clone(),
            now: state.limits.rates(),
            transfers: state.table.all().map(|row| self.view_of(&state, row)).collect(),
        }
    }

    /// Sends a transfer's status to event listeners.
    pub(super) fn show(&self, state: &State, id: u64) {
        if self.events.receiver_count() > 0
            && let Ok(transfer) = self.view(state, id)
        {
            self.notify(Event::Transfer { transfer: Box::new(transfer) });
        }
    }

    pub(super) fn view(&self, state: &State, id: u64) -> Result<Transfer, Problem> {
        state.table.get(id).map(|row| self.view_of(state, row)).ok_or_else(|| unknown(id))
    }

    fn view_of(&self, all: &State, row: &TransferRow) -> Transfer {
        let (id, running) = (row.id, all.runs.of(row.id));
        let manifest = self.manifests.valid(row);
        let (state, cause) = match (all.desired_of(row), running) {
            (Desired::Rest(state, cause), _) => (state, cause),
            (_, Some(running)) if running.snapshot.is_some() => (Stands::Running, running.cause()),
            (desired, _) if self.is_running => {
                (Stands::Preparing, Some(cause_before_first_snapshot(row, &desired)))
            }
            // It would run if a companion did.
            _ => (Stands::Waiting, None),
        };
        let asks = match (state, cause) {
            (Stands::Asking, _) | (_, Some(Cause::ConsentMissing)) => true,
            (Stands::Waiting, Some(Cause::Quota)) => all.permits(row).lacks_what_is_spent(),
            _ => false,
        };
        let question = asks.then(|| Question {
            needs: row.needs(),
            may: row.may(),
            subject: self.subject(row, manifest.as_deref()),
            has_consents: !row.grants.is_empty(),
        });
        let (path, receipt) = self.paths(row, manifest.as_deref());
        // A run that is no longer wanted ends in a moment, and its offer leads to nothing.
        let is_wanted = matches!(state, Stands::Running | Stands::Preparing);
        let wanted = running.filter(|running| is_wanted && !running.is_ending());
        // The bytes of a run are shown until the next run begins.
        let now = running.and_then(|running| running.snapshot.as_ref());
        let snapshot = now.map(|snapshot| &**snapshot).or_else(|| all.runs.last_snapshot(id));
        let total_bytes = manifest.as_ref().map_or(0, |manifest| manifest.byte_count());
        let is_whole = is_whole(row);
        let chunks_total = manifest.as_ref().map_or(0, |manifest| manifest.chunk_count());
        let fetched = now.filter(|_| row.kind == Kind::Fetch && state == Stands::Running);
        Transfer {
            id,
            kind: row.kind,
            state,
            cause,
            problem: match &row.end {
                Some(FinalState::Failed(problem)) => Some(problem.clone()),
                Some(FinalState::Done(_)) => None,
                None if cause == Some(Cause::ConsentMissing) => all.consents.fault.clone(),
                None if state == Stands::Waiting => all.retries.problem(id, cause),
                None => None,
            },
            question,
            model_id: manifest.as_ref().map(|m| m.model_id().to_owned()).unwrap_or_default(),
            model_version: manifest.as_ref().map(|m| m.model_version().to_owned()).unwrap_or_default(),
            publisher: manifest.as_ref().and_then(|manifest| self.signers.verdict(manifest)),
            swarm_id: row.swarm_id.clone(),
            path,
            receipt,
            entry: row.entry,
            offer: wanted.and_then(|running| running.offer.as_ref()).map(ToString::to_string),
            publishes: wanted.is_some_and(RunningTransfer::publishes),
            allow: row.allow.clone(),
            limits: row.limits.clone(),
            have_bytes: if is_whole { total_bytes } else { snapshot.map_or(0, |s| s.have_bytes) },
            total_bytes,
            chunks_total,
            chunks_have: if is_whole { chunks_total } else { snapshot.map_or(0, |s| s.progress.have.into()) },
            chunks_in_flight: now.map_or(0, |s| s.progress.in_flight().into()),
            missing_unheld: fetched.map(|s| s.progress.unheld.into()),
            eta_seconds: fetched.and_then(|s| s.time_left()).map(|left| left.as_secs()),
            received_bytes: snapshot.map_or(0, |s| s.received_bytes),
            sent_bytes: snapshot.map_or(0, |s| s.sent_bytes),
            down_rate: now.map_or(0, |s| s.down_rate),
            up_rate: now.map_or(0, |s| s.up_rate),
            peers: running.map(RunningTransfer::peers).unwrap_or_default(),
            reach: running.zip(now).map(|(running, s)| Reach::beside(&s.reach, &running.ways)),
            run_seconds: snapshot.map_or(0.0, |s| s.elapsed.as_secs_f64()),
            idle_seconds: snapshot.map(idle_seconds).unwrap_or_default(),
            created_utc: utc(row.created_unix),
            is_new: false,
        }
    }

    fn paths(&self, row: &TransferRow, manifest: Option<&Manifest>) -> (String, Option<String>) {
        let shown = |path: &std::path::Path| path.to_string_lossy().into_owned();
        if let Some(FinalState::Done(PlacedFile { path, receipt })) = &row.end {
            return (shown(path), Some(shown(receipt)));
        }
        let folder = self.folder_of(row);
        let path = match (row.kind, manifest) {
            (Kind::Fetch, Some(manifest)) => folder.and_then(|folder| {
                Target::new(&folder, manifest, None).map(|target| target.artifact).ok().or(Some(folder))
            }),
            _ => folder,
        };
        (path.map(|path| shown(&path)).unwrap_or_default(), None)
    }

    /// Returns the file of a share or the folder of a fetch; `None` while the library has none for it.
    pub(super) fn folder_of(&self, row: &TransferRow) -> Option<PathBuf> {
        row.path.clone().or_else(|| self.library.folder_of(row.entry?).ok())
    }

    /// Returns what the user sees of a transfer before being asked for consent.
    fn subject(&self, row: &TransferRow, manifest: Option<&Manifest>) -> Vec<(String, String)> {
        let mut subject = Vec::new();
        let mut say = |label: &str, value: String| subject.push((label.to_owned(), value));
        match manifest {
            Some(manifest) => {
                self.checks.host.subject(manifest).into_iter().for_each(|(label, value)| say(&label, value));
                let fits = self.library.fits(manifest);
                for check in &fits.checks {
                    say(
                        "requires",
                        format!(
                            "{} {}: this machine has {} ({})",
                            check.name, check.needs, check.has, check.outcome
                        ),
                    );
                }
            }
            None => {
                say("swarm", row.swarm_id.clone());
                say("asks for", "the manifest alone; what it says is shown before anything else".to_owned());
            }
        }
        match (row.kind, &row.path) {
            (Kind::Share, Some(path)) => say("file", path.to_string_lossy().into_owned()),
            (Kind::Fetch, Some(path)) => say("into", path.to_string_lossy().into_owned()),
            _ => say("into", "the library's own folder".to_owned()),
        }
        for offer in &row.offers {
            if let Ok(offer) = offer.parse::<minimodel_wire::SignedOffer>() {
                let addresses: Vec<String> =
                    offer.offer().addresses.iter().map(ToString::to_string).collect();
                say("peer", format!("{} at {}", offer.offer().peer.short(), addresses.join(", ")));
            }
        }
        let who = if row.allow.is_empty() {
            "anyone who holds this offer".to_owned()
        } else {
            row.allow.join(", ")
        };
        let is_kept = row.kind == Kind::Share || row.keep_seeding;
        say(if is_kept { "who may come" } else { "if you serve" }, who);
        if is_kept {
            say("until", "you revoke it, or remove the share; over restarts too".to_owned());
        }
        subject
    }
}
