//! Reconciling: starts transfers that should run, stops those that should not, and builds their jobs.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use minimodel::clock::now_unix;
use minimodel::consent::Action;
use minimodel::transfer::{self, Consents, Control, Run, SharePlan, WaysSettings};
use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use super::Core;
use super::desired::Desired;
use super::job::{FetchJob, Job, JobWatcher, endpoint};
use super::row::TransferRow;
use super::running::RunningTransfer;
use super::state::State;
use super::threads::{no_thread, panicked};
use crate::model::{Event, Kind, Reach};
use crate::problem::{Problem, code};

/// Remaining validity of an offer, in seconds, below which its session is restarted with a new offer.
const OFFER_LEFT_SECONDS: u64 = 2 * 24 * 3600;

impl Core {
    /// Reconciles: compares what should run with what runs, starts, adjusts and stops transfers.
    pub(super) fn reconcile(self: &Arc<Self>, state: &mut State) {
        // A damaged log permits nothing, so the loop below stops all transfers.
        state.reload_consents(&self.db);
        self.accounts.turn(now_unix());
        state.limits.apply();
        for id in state.table.ids() {
            let Some(row) = state.table.get(id) else { continue };
            let desired = state.desired_of(row);
            let Some(running) = state.runs.of(id) else {
                // A run of a removed transfer of the same swarm still holds the file or the port.
                let is_held_up = state.runs.draining().any(|left| left.swarm_id == row.swarm_id);
                if !matches!(desired, Desired::Rest(..))
                    && !is_held_up
                    && let Err(problem) = self.begin(state, id, desired)
                {
                    self.handle_error(state, id, problem);
                }
                continue;
            };
            self.accounts.rule(running.run, state.rules_of(row));
            if running.is_ending() {
                continue;
            }
            if running.desired != desired || is_old(running) {
                running.end();
                continue;
            }
            running.control.set_up(row.limits.up);
            running.control.set_down(row.limits.down);
            running.control.set_controls(state.controls_of(row));
        }
        self.announce_as_agreed(state);
    }

    /// Writes the announcements that are agreed to and removes all others.
    fn announce_as_agreed(&self, state: &State) {
        let mut agreed = BTreeSet::new();
        for row in state.table.all() {
            if !state.permits(row).permission(Action::Publish).is_some() {
                continue;
            }
            let running = state.runs.of(row.id).filter(|running| !running.is_ending());
            if let Some(offer) = running.and_then(RunningTransfer::published) {
                // After a write error the next reconcile tries again.
                let _ = self.announcements.put_up(row, offer);
            }
            agreed.insert(self.announcements.path(row));
        }
        self.announcements.take_down_others(&agreed);
    }

    pub(super) fn begin(
        self: &Arc<Self>,
        state: &mut State,
        id: u64,
        desired: Desired,
    ) -> Result<(), Problem> {
        let run = state.runs.next_number();
        let row = state.table.row(id)?;
        let model = self.manifests.model_of(&row);
        let control = Control::new(transfer::Limits {
            controls: state.controls_of(&row),
            up: row.limits.up,
            down: row.limits.down,
            shared_up: Some(state.limits.up.clone()),
            shared_down: Some(state.limits.down.clone()),
            gate: Some(self.accounts.gate(run, &row.swarm_id, &model, state.rules_of(&row))),
        });
        let job = match self.job(state, row, &desired) {
            Ok(job) => job,
            Err(problem) => {
                self.accounts.end(run);
                // A grant has just ended: the next reconcile finds that it is missing, and says so.
                return if problem.code == code::CONSENT { Ok(()) } else { Err(problem) };
            }
        };
        // The job may have given the row its library entry.
        let row = state.table.row(id)?;
        let watcher = Arc::new(JobWatcher { core: Arc::downgrade(self), id, run });
        let (home, shared) = (self.checks.home.clone(), Some(self.shared.clone()));
        let given = Run { home, watcher, control: control.clone(), shared };
        let core = self.clone();
        let work = std::thread::Builder::new().name(format!("transfer {id}")).spawn(move || {
            // A panic in one transfer must not end the others.
            let work = AssertUnwindSafe(|| job.run(&given, &*core.checks.host));
            let end = catch_unwind(work).unwrap_or_else(|_| Err(panicked().into()));
            core.ended(id, run, end);
        });
        if let Err(error) = work {
            self.accounts.end(run);
            return Err(no_thread(&error));
        }
        // The thread's reports wait for the lock, so they find the run in its place.
        state.runs.begin(RunningTransfer {
            run,
            row,
            desired,
            control,
            offer: None,
            listening: None,
            snapshot: None,
            ways: Reach::default(),
        });
        Ok(())
    }

    fn job(&self, state: &mut State, row: TransferRow, desired: &Desired) -> Result<Job, Problem> {
        let manifest = self.manifests.of(&row)?;
        let Desired::Run { serves, publishes, ways } = *desired else {
            if row.kind == Kind::Share {
                // A row of version 1 whose library entry has no file any more.
                self.ready_entry(row.entry.unwrap_or_default())?;
            }
            let offer = self.one_to_ask(state, &row)?;
            return Ok(Job::Manifest {
                offer,
                endpoint: endpoint(&row.endpoint, None, WaysSettings::default()),
            });
        };
        let Some(manifest) = manifest else { return Err(panicked()) };
        let publisher = self.signers.check_at_start(&row, &manifest)?;
        let publishes = publishes.then_some(Action::Publish).into_iter().chain(ways.actions());
        let (sources, refused) = self.offers_of(&row, &manifest);
        if row.kind == Kind::Share {
            if let Some(entry) = row.entry {
                // The time of last use decides only about the entry's eviction.
                let _ = self.library.touch(entry, now_unix());
            }
            let consents = state.permits(&row).for_receipt([Action::Serve].into_iter().chain(publishes));
            return Ok(Job::Share(SharePlan {
                activity: "seed",
                manifest,
                path: row.path.unwrap_or_default(),
                consents: Consents::to_share(consents).map_err(|missing| self.checks.problem(missing))?,
                endpoint: endpoint(&row.endpoint, row.last_port, self.checks.host.ways()),
                members: sources,
                earlier: Vec::new(),
                rechecks: false,
            }));
        }
        if let Some(problem) = refused.filter(|_| sources.is_empty() && !serves && !ways.finds()) {
            return Err(problem);
        }
        let mut needs = row.needs();
        if serves && !needs.contains(&Action::Serve) {
            needs.push(Action::Serve);
        }
        needs.extend(publishes);
        let consents = state.permits(&row).for_receipt(needs);
        // Before the library is told: a consent that has just ended leaves no entry that counts as being fetched.
        let consents = Consents::to_fetch(consents).map_err(|missing| self.checks.problem(missing))?;
        let (entry, out) = self.place_of(state, &row, &manifest)?;
        if row.entry != Some(entry) {
            state.table.put(TransferRow { entry: Some(entry), ..row.clone() })?;
        }
        let job = FetchJob {
            manifest,
            publisher,
            sources,
            out,
            receipt: row.receipt,
            endpoint: endpoint(&row.endpoint, row.last_port, self.checks.host.ways()),
            consents,
            sequential: row.sequential,
            full_check: row.full_check,
            stall_timeout: row.stall_seconds.map(Duration::from_secs),
        };
        job.job().map_err(|error| self.checks.problem(error))
    }

    /// The offers of a row that hold now, and why another does not.
    fn offers_of(&self, row: &TransferRow, manifest: &Manifest) -> (Vec<SignedOffer>, Option<Problem>) {
        let (mut good, mut refused) = (Vec::new(), None);
        for text in &row.offers {
            match self.checks.offer(text, Some(manifest)) {
                Ok(offer) => good.push(offer),
                Err(problem) => refused = Some(problem),
            }
        }
        (good, refused)
    }

    /// Chooses the peer to ask for the manifest: one of the permitted peers of the row's offers, another one at each try.
    fn one_to_ask(&self, state: &State, row: &TransferRow) -> Result<SignedOffer, Problem> {
        let permission = state.permits(row).permission(Action::Fetch);
        let mut refused = None;
        let mut usable = Vec::new();
        for text in &row.offers {
            match self.checks.offer(text, None) {
                Ok(offer) if permission.permits(&offer.offer().peer.to_string()) => usable.push(offer),
                Ok(_) => {}
                Err(problem) => refused = Some(problem),
            }
        }
        let tries = state.retries.tries(row.id) as usize;
        let chosen = if usable.is_empty() { None } else { usable.get(tries % usable.len()).cloned() };
        chosen.ok_or_else(|| {
            refused.unwrap_or_else(|| {
                Problem::new(
                    code::NOT_FOUND,
                    "there is nobody whom the manifest may be asked of",
                    "name an offer",
                )
            })
        })
    }

    /// Returns the library entry of a fetch and its folder; evicts cache entries that must make room for it.
    fn place_of(
        &self,
        state: &State,
        row: &TransferRow,
        manifest: &Manifest,
    ) -> Result<(u64, PathBuf), Problem> {
        let now = now_unix();
        let entry = self.library.add_manifest(manifest, now)?;
        let out = match &row.path {
            Some(out) => out.clone(),
            None => {
                let in_use = state.entries_in_use(&self.library);
                let evict = self.library.check_room(manifest, state.limits.get(), &in_use)?;
                self.library.evict(&evict, &in_use)?;
                self.library.make_folder(entry)?
            }
        };
        self.library.begin_fetch(entry)?;
        self.notify(Event::Library);
        Ok((entry, out))
    }
}

fn is_old(running: &RunningTransfer) -> bool {
    let ends = running.offer.as_ref().map(|offer| offer.offer().expires_unix);
    ends.is_some_and(|ends| ends < now_unix() + OFFER_LEFT_SECONDS)
}
