//! Hearing what comes of a job: pictures, its offer, its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use minimodel_swarm::driver::{Report, Snapshot};
use minimodel_wire::SignedOffer;
use tokio::sync::mpsc;

use super::jobs::Outcome;
use super::row::End;
use super::{Core, Inner, Retry};
use crate::api::types::{Action, Cause, EntryState, Event, Kind};
use crate::clock::now_unix;
use crate::problem::{Problem, code};
use crate::runner::{FetchEnd, ShareEnd};

/// A fetch that found nobody tries again after so long, then after twice that, up to [`RETRY_MOST`].
const RETRY_FIRST: Duration = Duration::from_secs(15);
/// See [`RETRY_FIRST`].
const RETRY_MOST: Duration = Duration::from_secs(600);

impl Core {
    pub(super) fn listen(self: &Arc<Self>, id: u64, run: u64, mut reports: mpsc::Receiver<Report>) {
        while let Some(report) = reports.blocking_recv() {
            let Report::Snapshot(snapshot) = report else { continue };
            let mut inner = self.lock();
            if inner.lives.get(&id).is_none_or(|live| live.run != run) {
                return;
            }
            self.pictured(&mut inner, id, snapshot);
            self.show(&inner, id);
        }
    }

    pub(super) fn offered(&self, id: u64, run: u64, port: u16, offer: SignedOffer) {
        let mut inner = self.lock();
        let Some(live) = inner.lives.get_mut(&id).filter(|live| live.run == run) else { return };
        live.offer = Some(offer);
        if let Some(row) = inner.rows.get_mut(&id).filter(|row| row.last_port != Some(port)) {
            row.last_port = Some(port);
            // Without it the next run takes another port, and the offer another address.
            let _ = self.save(&row.clone());
        }
        self.show(&inner, id);
        self.stir(&mut inner);
    }

    fn pictured(&self, inner: &mut Inner, id: u64, snapshot: Snapshot) {
        let Some(live) = inner.lives.get_mut(&id) else { return };
        let moved = live.picture(Box::new(snapshot));
        let Some(row) = inner.rows.get(&id) else { return };
        let now = now_unix();
        let model = self.model_of(row);
        for (peer, moved) in moved {
            let name = peer.to_string();
            let charged = |action| {
                let used = |grant| inner.accounts.used(grant);
                inner.book.grants().charged(action, &row.swarm_id, &name, now, used)
            };
            let grants = (charged(Action::Serve), charged(Action::Fetch));
            inner.accounts.add(peer, &row.swarm_id, &model, moved, grants);
        }
    }

    pub(super) fn ended(self: &Arc<Self>, id: u64, run: u64, outcome: Result<Outcome, Problem>) {
        let mut inner = self.lock();
        if inner.lives.get(&id).is_none_or(|live| live.run != run) {
            return;
        }
        if let Some(snapshot) = inner.lives.remove(&id).and_then(|live| live.snapshot) {
            inner.pasts.insert(id, snapshot);
        }
        let path = inner.rows.get(&id).and_then(|row| row.path.clone());
        match outcome {
            Ok(Outcome::Learned(text)) => self.learned(&mut inner, id, text),
            Ok(Outcome::Shared(ShareEnd::SourceChanged)) => {
                let problem = source_changed(path.as_deref());
                if let Some(entry) = inner.rows.get(&id).and_then(|row| row.entry) {
                    // What was checked is not what is there; a check of it all makes it ready again.
                    let reason = Some("it changed while it was shared".to_owned());
                    let _ = self.library.set_state(entry, EntryState::Failed, reason);
                    let _ = self.events.send(Event::Library);
                }
                self.fail(&mut inner, id, problem);
            }
            Ok(Outcome::Shared(ShareEnd::Stopped) | Outcome::Fetched(FetchEnd::Stopped)) => {}
            Ok(Outcome::Fetched(FetchEnd::Done { path, receipt })) => {
                self.done(&mut inner, id, path, &receipt);
            }
            Err(problem) => self.trouble(&mut inner, id, problem),
        }
        self.show(&inner, id);
        self.stir(&mut inner);
    }

    /// What passes by itself is tried again; the rest is a failure that its user must see.
    fn trouble(self: &Arc<Self>, inner: &mut Inner, id: u64, problem: Problem) {
        let Some(row) = inner.rows.get(&id) else { return };
        let cause = match problem.code {
            code::NOT_FOUND | code::STOPPED if row.kind == Kind::Fetch => Some(Cause::NoSource),
            code::QUOTA if row.kind == Kind::Fetch => Some(Cause::Quota),
            code::DISK_FULL => Some(Cause::Disk),
            _ => None,
        };
        let (Some(cause), None) = (cause, row.stall_seconds) else {
            return self.fail(inner, id, problem);
        };
        let tries = inner.retries.get(&id).map_or(0, |retry| retry.tries);
        let pause = RETRY_FIRST.saturating_mul(1 << tries.min(10)).min(RETRY_MOST);
        inner.retries.insert(id, Retry { until: Instant::now() + pause, tries: tries + 1, cause });
    }

    pub(super) fn fail(self: &Arc<Self>, inner: &mut Inner, id: u64, problem: Problem) {
        let Some(row) = inner.rows.get_mut(&id) else { return };
        if let Some(entry) = row.entry.filter(|_| row.kind == Kind::Fetch) {
            // The library says the same when it is asked; the transfer itself must be told first.
            let _ = self.library.set_state(entry, EntryState::Failed, Some(problem.error.clone()));
        }
        row.end = Some(End::Failed(problem));
        let row = row.clone();
        let _ = self.save(&row);
        self.show(inner, id);
    }

    fn learned(self: &Arc<Self>, inner: &mut Inner, id: u64, text: String) {
        let Some(row) = inner.rows.get_mut(&id) else { return };
        row.manifest = Some(text);
        let row = row.clone();
        if let Err(problem) = self.save(&row) {
            self.fail(inner, id, problem);
        }
    }

    fn done(self: &Arc<Self>, inner: &mut Inner, id: u64, path: PathBuf, receipt: &Path) {
        let Some(row) = inner.rows.get_mut(&id) else { return };
        row.end = Some(End::Done { path: path.clone(), receipt: receipt.to_owned() });
        let row = row.clone();
        let mut written = self.save(&row);
        if let Some(entry) = row.entry {
            let placed = self.library.placed(entry, &path, Some(receipt), row.path.is_none(), now_unix());
            written = written.and(placed.map(drop));
        }
        if let Err(problem) = written {
            // The file and its receipt are there all the same; only what is remembered of them is not.
            return self.fail(inner, id, problem);
        }
        let _ = self.events.send(Event::Library);
        if row.keep_seeding {
            self.share_fetched(inner, &row, path);
        } else {
            self.end_grants(inner, &row);
        }
    }
}

fn source_changed(path: Option<&Path>) -> Problem {
    let shown = path.map(|path| path.display().to_string()).unwrap_or_default();
    Problem::new(
        code::VERIFICATION,
        format!("source changed, stopped sharing: {shown}"),
        "no changed byte was sent as proven; put the artifact back, or make a manifest for the new file",
    )
}
