//! Results of a job: its snapshots, its offer, its end.

use std::path::Path;

use minimodel::clock::now_unix;
use minimodel::consent::{Action, GrantState};
use minimodel::transfer::{End, WayEvent};
use minimodel_swarm::driver::Snapshot;
use minimodel_wire::SignedOffer;

use super::Core;
use super::job::{JobError, JobResult};
use super::row::{FinalState, PlacedFile, TransferRow};
use super::running::Listening;
use super::state::State;
use crate::model::{Cause, EntryState, Event, Kind, NewShare};
use crate::problem::{Problem, code};

/// Exit codes of a check that a signal interrupted: Ctrl-C and SIGTERM.
const SIGNALS: [u8; 2] = [130, 143];

impl Core {
    /// Keeps an offer that was signed anew.
    pub(super) fn renewed(&self, id: u64, run: u64, offer: SignedOffer) {
        let mut state = self.lock();
        let Some(running) = state.runs.of_run(id, run) else { return };
        running.offer = Some(offer);
        // The announcement must be rewritten with the new offer.
        self.wake(&mut state);
        self.show(&state, id);
    }

    /// Notes what happened on a way that the user of a run agreed to.
    pub(super) fn note_way(&self, id: u64, run: u64, event: &WayEvent) {
        let mut state = self.lock();
        let Some(running) = state.runs.of_run(id, run) else { return };
        running.ways.note(event);
        self.show(&state, id);
    }

    /// Keeps the offer of a run and where it listens. Returns true if its user is to hear that the port was taken.
    pub(super) fn offered(&self, id: u64, run: u64, listening: Listening, offer: SignedOffer) -> bool {
        let mut state = self.lock();
        let is_news = listening.taken_port.is_some() && !state.runs.have_told(listening);
        let Some(running) = state.runs.of_run(id, run) else { return false };
        running.offer = Some(offer);
        running.listening = Some(listening);
        if let Some(row) = state.table.get(id).cloned() {
            if row.kind == Kind::Share {
                // The share works again, so its backoff starts over.
                state.retries.clear(id);
            }
            let last_port = Some(listening.preferred_port());
            if row.last_port != last_port {
                // If this fails, the next run takes another port, and the offer changes.
                let _ = state.table.keep(TransferRow { last_port, ..row });
            }
        }
        self.show(&state, id);
        self.wake(&mut state);
        is_news
    }

    /// Takes a snapshot of a run, also of a removed transfer: its bytes count all the same.
    pub(super) fn take_snapshot(&self, id: u64, run: u64, snapshot: Box<Snapshot>) {
        let mut state = self.lock();
        let Some(running) = state.runs.of_run_or_draining(id, run) else { return };
        if running.keep_snapshot(snapshot) {
            let entry = running.row.entry;
            state.retries.clear(id);
            // Only the order of eviction depends on this.
            let _ = entry.map(|entry| self.library.touch(entry, now_unix()));
        }
        self.show(&state, id);
    }

    pub(super) fn ended(&self, id: u64, run: u64, end: Result<End<JobResult>, JobError>) {
        let mut state = self.lock();
        self.accounts.end(run);
        if let Some(running) = state.runs.take_ended(id, run) {
            let was_told = state.is_ending || running.is_ending();
            // A request with other options may have come between: its own run comes to its own end.
            if state.table.get(id).is_some_and(|row| row.wants_the_same(&running.row)) {
                self.book(&mut state, id, was_told, end);
            }
            self.show(&state, id);
        }
        self.wake(&mut state);
    }

    /// Books the end of a run to its row. `was_told`: it was asked to stop.
    fn book(&self, state: &mut State, id: u64, was_told: bool, end: Result<End<JobResult>, JobError>) {
        let Some(row) = state.table.get(id).cloned() else { return };
        match end {
            Ok(End::Done(JobResult::Manifest(text))) => {
                if let Err(problem) = state.table.keep(TransferRow { manifest: Some(text), ..row }) {
                    self.fail(state, id, problem);
                }
            }
            Err(JobError::SourceChanged) => {
                if let Some(entry) = row.entry {
                    // The file is no longer what was checked; a full check makes it ready again.
                    let reason = Some("it changed while it was shared".to_owned());
                    let _ = self.library.set_state(entry, EntryState::Failed, reason);
                    self.notify(Event::Library);
                }
                self.fail(state, id, source_changed(row.path.as_deref()));
            }
            Ok(End::Cancelled) => {}
            Err(JobError::OutOfReach { .. }) if was_told => {}
            Err(JobError::OutOfReach { cause, problem }) if was_shared(&row) => {
                state.retries.schedule(id, problem, cause);
            }
            // The user who starts a new share is there to see the error.
            Err(JobError::OutOfReach { problem, .. }) => self.fail(state, id, problem),
            Ok(End::Done(JobResult::Fetched(placed))) => {
                if let Err(problem) = self.done(state, row, placed) {
                    // The file and its receipt are in place; the next run finds them and writes the rest.
                    state.retries.schedule(id, problem, Cause::Disk);
                }
            }
            // A transfer that was asked to stop did not fail, however far it had come. A signal asks all of them.
            Err(JobError::Failed(problem)) if was_told || SIGNALS.contains(&problem.code) => {}
            Err(JobError::Failed(problem)) => self.handle_error(state, id, problem),
        }
    }

    /// Schedules a retry for errors that may pass by themselves, unless the transfer has a stall timeout; others fail it, for the
    /// user to see.
    pub(super) fn handle_error(&self, state: &mut State, id: u64, problem: Problem) {
        let Some(row) = state.table.get(id) else { return };
        let cause = match problem.code {
            code::NOT_FOUND | code::STOPPED if row.kind == Kind::Fetch => Some(Cause::NoSource),
            code::QUOTA if row.kind == Kind::Fetch => Some(Cause::Quota),
            code::DISK_FULL => Some(Cause::Disk),
            _ => None,
        };
        match (cause, row.stall_seconds) {
            (Some(cause), None) => {
                state.retries.schedule(id, problem, cause);
                self.show(state, id);
            }
            _ => self.fail(state, id, problem),
        }
    }

    fn fail(&self, state: &mut State, id: u64, problem: Problem) {
        let Some(row) = state.table.get(id).cloned() else { return };
        if let Some(entry) = row.entry.filter(|_| row.kind == Kind::Fetch) {
            // Best effort: the transfer's own failure must be recorded in any case.
            let _ = self.library.fetch_failed(entry, &problem.error);
        }
        // It failed, whether or not that can be written down.
        let _ = state.table.keep(TransferRow { end: Some(FinalState::Failed(problem)), ..row });
        self.show(state, id);
    }

    /// Completes a fetch: first the library, then in one change the share that follows and the fetch's end, then the grants.
    /// After a crash in between, the next run finds the file in its place and comes through here again.
    fn done(&self, state: &mut State, row: TransferRow, placed: PlacedFile) -> Result<(), Problem> {
        let path = placed.path.clone();
        if let Some(entry) = row.entry {
            let (receipt, cached) = (Some(placed.receipt.as_path()), row.path.is_none());
            let placed = self.library.placed(entry, &path, receipt, cached, now_unix());
            // The library may keep another copy, which went bad, and says so; the user's own file is in place all the same.
            if let Some(problem) = placed.err().filter(|problem| problem.code != code::USAGE) {
                return Err(problem);
            }
        }
        let id = row.id;
        let end = Some(FinalState::Done(placed));
        let mut done = TransferRow { end, ..row };
        if done.keep_seeding {
            let (share, ended) = share_of(state, &done, &path);
            done.grants = ended;
            state.table.put_all([share, done.clone()])?;
        } else {
            state.table.put(done.clone())?;
        }
        state.retries.clear(id);
        self.notify(Event::Library);
        // The row lists its grants until they are revoked: till then they permit nothing, and the next start revokes them.
        if self.end_grants(state, &done).is_ok() {
            let _ = state.table.keep(TransferRow { grants: Vec::new(), ..done });
        }
        Ok(())
    }
}

/// Returns the share row that a completed fetch becomes, and the fetch's remaining grants, which end; its active grants to
/// serve, to publish and for the ways to be found and reached move to the share.
fn share_of(state: &State, row: &TransferRow, path: &Path) -> (TransferRow, Vec<u64>) {
    let list = state.consents.list();
    let is_serving = |number: &u64| {
        list.iter().any(|grant| {
            grant.id == *number
                && matches!(
                    grant.action,
                    Action::Serve | Action::Publish | Action::Lan | Action::Dht | Action::Map
                )
                && grant.state == GrantState::Active
        })
    };
    let (kept, ended): (Vec<u64>, Vec<u64>) = row.grants.iter().copied().partition(is_serving);
    let new = NewShare {
        entry: row.entry,
        endpoint: row.endpoint.clone(),
        limits: row.limits.clone(),
        allow: row.allow.clone(),
        // Whom it fetched from introduces others to it.
        offers: row.offers.clone(),
        ..NewShare::default()
    };
    // The publisher key accepted for the fetch holds for the share of the same bytes.
    let accepted_key = row.accepted_key.clone();
    let text = row.manifest.clone().unwrap_or_default();
    let share = TransferRow::share(new, row.swarm_id.clone(), text, path.to_owned(), now_unix());
    let known = state.table.same(&share);
    let id = known.map_or(0, |known| known.id);
    let before = known.map(|known| known.grants.clone()).unwrap_or_default();
    let share = TransferRow {
        id,
        grants: before.into_iter().chain(kept).collect(),
        last_port: row.last_port,
        accepted_key,
        ..share
    };
    (share, ended)
}

/// Returns true for a share that has served before: it is retried without the user.
fn was_shared(row: &TransferRow) -> bool {
    row.kind == Kind::Share && row.last_port.is_some()
}

fn source_changed(path: Option<&Path>) -> Problem {
    let shown = path.map(|path| path.display().to_string()).unwrap_or_default();
    Problem::new(
        code::VERIFICATION,
        format!("source changed, stopped sharing: {shown}"),
        "no changed byte was sent as proven; put the artifact back, or make a manifest for the new file",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NewFetch;

    #[test]
    fn a_share_goes_on_unattended_once_it_has_served() {
        let share = TransferRow::share(NewShare::default(), "ab".repeat(32), "m".into(), "/a.slm".into(), 7);
        assert!(!was_shared(&share));
        assert!(was_shared(&TransferRow { last_port: Some(4_242), ..share }));
        let fetch = TransferRow::fetch(NewFetch::default(), "ab".repeat(32), 7);
        assert!(!was_shared(&TransferRow { last_port: Some(4_242), ..fetch }));
    }
}
