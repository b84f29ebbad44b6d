//! Results of a job: its snapshots, its offer, its end.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use minimodel::clock::now_unix;
use minimodel_swarm::driver::Snapshot;
use minimodel_wire::SignedOffer;

use super::job::JobOutcome;
use super::row::{End, TransferRow};
use super::{Core, Inner, Retry};
use crate::db::{DbError, Table, number_key};
use crate::model::{Cause, EntryState, Event, Kind};
use crate::problem::{Problem, code};

/// First backoff of a fetch without sources or of a share whose file or address is missing; it doubles with each try, up to
/// [`RETRY_MOST`].
const RETRY_FIRST: Duration = Duration::from_secs(15);
/// Longest backoff.
const RETRY_MOST: Duration = Duration::from_secs(600);
/// Exit codes of a check that a signal interrupted: Ctrl-C and SIGTERM.
const SIGNALS: [u8; 2] = [130, 143];

impl Core {
    /// Keeps an offer that was signed anew.
    pub(super) fn renewed(&self, id: u64, run: u64, offer: SignedOffer) {
        let mut inner = self.lock();
        let Some(running) = inner.running.get_mut(&id).filter(|running| running.run == run) else { return };
        running.offer = Some(offer);
        // The announcement must be rewritten with the new offer.
        self.wake(&mut inner);
        self.show(&inner, id);
    }

    pub(super) fn offered(&self, id: u64, run: u64, port: u16, offer: SignedOffer) {
        let mut inner = self.lock();
        let Some(running) = inner.running.get_mut(&id).filter(|running| running.run == run) else { return };
        running.offer = Some(offer);
        if let Some(row) = inner.rows.get_mut(&id).filter(|row| row.last_port != Some(port)) {
            row.last_port = Some(port);
            // If this fails, the next run takes another port, and the offer changes.
            let _ = self.save(&row.clone());
        }
        if inner.rows.get(&id).is_some_and(|row| row.kind == Kind::Share) {
            // The share works again, so its backoff starts over.
            inner.retries.remove(&id);
        }
        self.show(&inner, id);
        self.wake(&mut inner);
    }

    /// Takes a snapshot of a run, also of a removed transfer: its bytes count all the same.
    pub(super) fn take_snapshot(&self, id: u64, run: u64, snapshot: Box<Snapshot>) {
        let mut inner = self.lock();
        self.keep_snapshot(&mut inner, (id, run), snapshot);
        self.show(&inner, id);
    }

    fn keep_snapshot(&self, inner: &mut Inner, (id, run): (u64, u64), snapshot: Box<Snapshot>) {
        let (row, running) = match (inner.running.get_mut(&id), inner.draining.get_mut(&run)) {
            (Some(running), _) if running.run == run => (inner.rows.get(&id).cloned(), running),
            (_, Some((row, running))) => (Some(row.clone()), running),
            _ => return,
        };
        let has_moved = running.keep_snapshot(snapshot);
        let Some(row) = row.filter(|_| has_moved) else { return };
        inner.retries.remove(&id);
        if let Some(entry) = row.entry {
            // Only the order of eviction depends on this.
            let _ = self.library.touch(entry, now_unix());
        }
    }

    pub(super) fn ended(self: &Arc<Self>, id: u64, run: u64, outcome: Result<JobOutcome, Problem>) {
        let mut inner = self.lock();
        inner.accounts.end(run);
        if inner.draining.remove(&run).is_some() {
            self.wake(&mut inner);
            return;
        }
        if inner.running.get(&id).is_none_or(|running| running.run != run) {
            return;
        }
        let Some(running) = inner.running.remove(&id) else { return };
        let was_told = inner.is_ending || running.is_ending();
        inner.last_snapshots.extend(running.snapshot.map(|snapshot| (id, snapshot)));
        let is_replaced = inner.rows.get(&id).is_none_or(|row| !row.wants_the_same(&running.row));
        match outcome {
            // A request with other options came between: its own run comes to its own end.
            _ if is_replaced => {}
            Ok(JobOutcome::Manifest(text)) => self.store_manifest(&mut inner, id, text),
            Ok(JobOutcome::SourceChanged) => {
                if let Some(entry) = inner.rows.get(&id).and_then(|row| row.entry) {
                    // The file is no longer what was checked; a full check makes it ready again.
                    let reason = Some("it changed while it was shared".to_owned());
                    let _ = self.library.set_state(entry, EntryState::Failed, reason);
                    let _ = self.events.send(Event::Library);
                }
                let path = inner.rows.get(&id).and_then(|row| row.path.clone());
                self.fail(&mut inner, id, source_changed(path.as_deref()));
            }
            Ok(JobOutcome::Stopped) => {}
            Ok(JobOutcome::OutOfReach { .. }) if was_told => {}
            Ok(JobOutcome::OutOfReach { cause, problem }) => {
                match inner.rows.get(&id).is_some_and(was_shared) {
                    true => self.schedule_retry(&mut inner, id, problem, cause),
                    // The user who starts a new share is there to see the error.
                    false => self.fail(&mut inner, id, problem),
                }
            }
            Ok(JobOutcome::Fetched { path, receipt }) => {
                if let Err(problem) = self.done(&mut inner, id, &path, &receipt) {
                    // The file and its receipt are in place; the next run finds them and writes the rest.
                    self.schedule_retry(&mut inner, id, problem, Cause::Disk);
                }
            }
            // A transfer that was asked to stop did not fail, however far it had come. A signal asks all of them.
            Err(problem) if was_told || SIGNALS.contains(&problem.code) => {}
            Err(problem) => self.handle_error(&mut inner, id, problem),
        }
        self.show(&inner, id);
        self.wake(&mut inner);
    }

    /// Schedules a retry for errors that may pass by themselves, unless the transfer has a stall timeout; others fail it, for the
    /// user to see.
    pub(super) fn handle_error(self: &Arc<Self>, inner: &mut Inner, id: u64, problem: Problem) {
        let Some(row) = inner.rows.get(&id) else { return };
        let cause = match problem.code {
            code::NOT_FOUND | code::STOPPED if row.kind == Kind::Fetch => Some(Cause::NoSource),
            code::QUOTA if row.kind == Kind::Fetch => Some(Cause::Quota),
            code::DISK_FULL => Some(Cause::Disk),
            _ => None,
        };
        match (cause, row.stall_seconds) {
            (Some(cause), None) => self.schedule_retry(inner, id, problem, cause),
            _ => self.fail(inner, id, problem),
        }
    }

    /// Schedules a retry with exponential backoff.
    fn schedule_retry(&self, inner: &mut Inner, id: u64, problem: Problem, cause: Cause) {
        let tries = inner.retries.get(&id).map_or(0, |retry| retry.tries);
        let until = Instant::now() + pause_after(tries);
        inner.retries.insert(id, Retry { until, tries: tries.saturating_add(1), cause, problem });
        self.show(inner, id);
    }

    pub(super) fn fail(self: &Arc<Self>, inner: &mut Inner, id: u64, problem: Problem) {
        let Some(row) = inner.rows.get_mut(&id) else { return };
        if let Some(entry) = row.entry.filter(|_| row.kind == Kind::Fetch) {
            // Best effort: the transfer's own failure must be recorded in any case.
            let _ = self.library.fetch_failed(entry, &problem.error);
        }
        row.end = Some(End::Failed(problem));
        let row = row.clone();
        let _ = self.save(&row);
        self.show(inner, id);
    }

    fn store_manifest(self: &Arc<Self>, inner: &mut Inner, id: u64, text: String) {
        let Some(row) = inner.rows.get_mut(&id) else { return };
        row.manifest = Some(text);
        let row = row.clone();
        if let Err(problem) = self.save(&row) {
            self.fail(inner, id, problem);
        }
    }

    /// Completes a fetch: first the library, then in one change the share that follows and the fetch's end, then the grants.
    /// After a crash in between, the next run finds the file in its place and comes through here again.
    fn done(
        self: &Arc<Self>,
        inner: &mut Inner,
        id: u64,
        path: &Path,
        receipt: &Path,
    ) -> Result<(), Problem> {
        let Some(row) = inner.rows.get(&id).cloned() else { return Ok(()) };
        if let Some(entry) = row.entry {
            let placed = self.library.placed(entry, path, Some(receipt), row.path.is_none(), now_unix());
            // The library may keep another copy, which went bad, and says so; the user's own file is in place all the same.
            if let Some(problem) = placed.err().filter(|problem| problem.code != code::USAGE) {
                return Err(problem);
            }
        }
        let (mut share, ended) = self.share_of(inner, &row, path.to_owned());
        let ended = if row.keep_seeding { ended } else { row.grants.clone() };
        let end = Some(End::Done { path: path.to_owned(), receipt: receipt.to_owned() });
        let done = TransferRow { end, grants: Vec::new(), ..row.clone() };
        self.db.change::<_, DbError>(|change| {
            if row.keep_seeding {
                if share.id == 0 {
                    share.id = change.next_number()?;
                }
                change.put(Table::Transfers, &number_key(share.id), &share)?;
            }
            change.put(Table::Transfers, &number_key(id), &done)
        })?;
        inner.rows.insert(id, done);
        if row.keep_seeding {
            inner.rows.insert(share.id, share);
        }
        inner.retries.remove(&id);
        let _ = self.events.send(Event::Library);
        // These grants are for this finished transfer, so any that cannot be revoked now permit nothing.
        let _ = self.end_grants(inner, &TransferRow { grants: ended, ..row });
        Ok(())
    }
}

/// Returns the backoff after so many failed tries.
fn pause_after(tries: u32) -> Duration {
    RETRY_FIRST.saturating_mul(1 << tries.min(10)).min(RETRY_MOST)
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
    use crate::model::{NewFetch, NewShare};

    #[test]
    fn retry_pause_doubles_up_to_ten_minutes() {
        let pauses = [0, 1, 2, 5, 6, 100, u32::MAX].map(|tries| pause_after(tries).as_secs());
        assert_eq!(pauses, [15, 30, 60, 480, 600, 600, 600]);
    }

    #[test]
    fn a_share_goes_on_unattended_once_it_has_served() {
        let share = TransferRow::share(NewShare::default(), "ab".repeat(32), "m".into(), "/a.slm".into(), 7);
        assert!(!was_shared(&share));
        assert!(was_shared(&TransferRow { last_port: Some(4_242), ..share }));
        let fetch = TransferRow::fetch(NewFetch::default(), "ab".repeat(32), 7);
        assert!(!was_shared(&TransferRow { last_port: Some(4_242), ..fetch }));
    }
}
