//! Reconciling: starts transfers that should run, stops those that should not, and builds their jobs.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use minimodel::clock::now_unix;
use minimodel::consent::{Action, Grant, GrantState, Permission};
use minimodel::transfer::{self, Consents, Control, Run, SharePlan};
use minimodel_swarm::driver::Controls;
use minimodel_verifier::Manifest;
use minimodel_verifier::receipt::Consent;
use minimodel_wire::SignedOffer;

use super::accounts::Rules;
use super::desired::Desired;
use super::grant_limits::{self, LimitInputs};
use super::job::{FetchJob, Job, JobWatcher, endpoint};
use super::row::TransferRow;
use super::running::RunningTransfer;
use super::threads::{no_thread, panicked};
use super::{Core, Inner};
use crate::model::{Event, Kind};
use crate::problem::{Problem, code};

/// Remaining validity of an offer, in seconds, below which its session is restarted with a new offer.
const OFFER_LEFT_SECONDS: u64 = 2 * 24 * 3600;

impl Core {
    /// Reconciles: compares what should run with what runs, starts, adjusts and stops transfers.
    pub(super) fn reconcile(self: &Arc<Self>, inner: &mut Inner) {
        // A damaged log permits nothing, so the loop below stops all transfers.
        inner.log_fault = inner.book.reload_if_changed().err().map(Problem::from);
        inner.accounts.turn(now_unix());
        let rates = Self::rates(&inner.limits);
        self.up.set(rates.up);
        self.down.set(rates.down);
        let ids: Vec<u64> = inner.rows.keys().copied().collect();
        for id in ids {
            let Some(desired) = self.desired_of(inner, id) else { continue };
            if let (Some(running), Some(row)) = (inner.running.get(&id), inner.rows.get(&id)) {
                inner.accounts.rule(running.run, Self::rules_of(inner, row));
            }
            match inner.running.get(&id) {
                Some(running) if running.is_ending() => {}
                Some(running) if running.desired == desired && !is_old(running) => {
                    Self::adjust(inner, id, self.controls_of(inner, id));
                }
                Some(running) => running.end(),
                None if matches!(desired, Desired::Rest(..)) || Self::is_held_up(inner, id) => {}
                None => {
                    let controls = self.controls_of(inner, id);
                    if let Err(problem) = self.begin(inner, id, desired, controls) {
                        self.handle_error(inner, id, problem);
                    }
                }
            }
        }
        self.announce_as_agreed(inner);
    }

    /// True while a run of a removed transfer of the same swarm still holds the file or the port.
    fn is_held_up(inner: &Inner, id: u64) -> bool {
        let row = inner.rows.get(&id);
        row.is_some_and(|row| inner.draining.values().any(|(left, _)| left.swarm_id == row.swarm_id))
    }

    fn adjust(inner: &mut Inner, id: u64, controls: Controls) {
        let (Some(running), Some(row)) = (inner.running.get(&id), inner.rows.get(&id)) else { return };
        running.control.set_up(row.limits.up);
        running.control.set_down(row.limits.down);
        running.control.set_controls(controls);
    }

    fn controls_of(&self, inner: &Inner, id: u64) -> Controls {
        let Some(row) = inner.rows.get(&id) else { return Controls::default() };
        let running = inner.running.get(&id);
        // Remaining and transferred bytes must come from one snapshot, or a chunk is counted twice or not at all.
        let accounts = inner.accounts.snapshot(running.map(|running| running.run));
        let others = Self::grants_of_others(inner, row);
        let used = |grant| accounts.used(grant);
        let permission = |action| self.permission_beside(inner, row, action, &others, &used);
        let (serve, fetch) = (permission(Action::Serve), permission(Action::Fetch));
        let mut controls = grant_limits::controls(&LimitInputs {
            row,
            limits: &inner.limits,
            serve: serve.is_some().then_some(&serve),
            fetch: (row.kind == Kind::Fetch && fetch.is_some()).then_some(&fetch),
            session: &accounts.session,
            sent_today: &accounts.sent_today,
        });
        let ends_with = |permission: &Permission, action| {
            let is_over = || !permission.is_some() && Self::has_last_bytes(inner, row, action, &others);
            running.filter(|_| is_over())
        };
        if let Some(running) = ends_with(&serve, Action::Serve) {
            // Connected peers may finish what is under way to them; no peer is given more.
            controls.allow = running.control.controls().allow;
            controls.serve_allowance = Some(0);
        }
        if let Some(running) = ends_with(&fetch, Action::Fetch) {
            // Requested chunks may still arrive; no further request is sent.
            controls.sources = running.control.controls().sources;
        }
        controls
    }

    /// Returns the grants and the daily quota that a transfer's bytes count against.
    fn rules_of(inner: &Inner, row: &TransferRow) -> Rules {
        let others = Self::grants_of_others(inner, row);
        let open = |action| Self::open_grants(inner, row, action, &others);
        Rules {
            serve: open(Action::Serve),
            fetch: if row.kind == Kind::Fetch { open(Action::Fetch) } else { Vec::new() },
            day_bytes: inner.limits.peer_day_bytes,
        }
    }

    pub(super) fn begin(
        self: &Arc<Self>,
        inner: &mut Inner,
        id: u64,
        desired: Desired,
        controls: Controls,
    ) -> Result<(), Problem> {
        let Some(row) = inner.rows.get(&id).cloned() else { return Ok(()) };
        let run = inner.runs + 1;
        let accounts = inner.accounts.clone();
        let control = Control::new(transfer::Limits {
            controls,
            up: row.limits.up,
            down: row.limits.down,
            shared_up: Some(self.up.clone()),
            shared_down: Some(self.down.clone()),
            gate: Some(accounts.gate(run, &row.swarm_id, &self.model_of(&row), Self::rules_of(inner, &row))),
        });
        let job = match self.job(inner, row.clone(), &desired) {
            Ok(job) => job,
            Err(problem) => {
                accounts.end(run);
                // A grant has just ended: the next reconcile finds that it is missing, and says so.
                return if problem.code == code::CONSENT { Ok(()) } else { Err(problem) };
            }
        };
        inner.runs = run;
        let watcher = Arc::new(JobWatcher { core: Arc::downgrade(self), id, run });
        let given = Run { home: self.home.clone(), watcher, control: control.clone() };
        inner.running.insert(id, RunningTransfer { run, row, desired, control, offer: None, snapshot: None });
        let core = self.clone();
        let work = std::thread::Builder::new().name(format!("transfer {id}")).spawn(move || {
            // A panic in one transfer must not end the others.
            let work = AssertUnwindSafe(|| job.run(&given, &*core.host));
            let outcome = catch_unwind(work).unwrap_or_else(|_| Err(panicked()));
            core.ended(id, run, outcome);
        });
        work.map(drop).map_err(|error| {
            inner.running.remove(&id);
            accounts.end(run);
            no_thread(&error)
        })
    }

    fn job(self: &Arc<Self>, inner: &mut Inner, row: TransferRow, desired: &Desired) -> Result<Job, Problem> {
        let manifest = self.manifest_of(&row)?;
        let Desired::Run { serves, publishes } = *desired else {
            if row.kind == Kind::Share {
                // A row of version 1 whose library entry has no file any more.
                self.ready_entry(row.entry.unwrap_or_default())?;
            }
            let offer = self.one_to_ask(inner, &row)?;
            return Ok(Job::Manifest { offer, endpoint: endpoint(&row.endpoint, None) });
        };
        let Some(manifest) = manifest else { return Err(panicked()) };
        let publisher = self.check_signer_at_start(&row, &manifest)?;
        if row.kind == Kind::Share {
            if let Some(entry) = row.entry {
                // The time of last use decides only about the entry's eviction.
                let _ = self.library.touch(entry, now_unix());
            }
            let consents = Self::consents(inner, &row, &[Action::Serve], publishes);
            return Ok(Job::Share(SharePlan {
                activity: "seed",
                manifest,
                path: row.path.unwrap_or_default(),
                consents: Consents::to_share(consents).map_err(|missing| self.problem(missing))?,
                endpoint: endpoint(&row.endpoint, row.last_port),
                rechecks: false,
            }));
        }
        let mut sources = Vec::new();
        let mut refused = None;
        for text in &row.offers {
            match self.usable_offer(text, Some(&manifest)) {
                Ok(offer) => sources.push(offer),
                Err(problem) => refused = Some(problem),
            }
        }
        if let Some(problem) = refused.filter(|_| sources.is_empty() && !serves) {
            return Err(problem);
        }
        let mut needs = vec![Action::Fetch, Action::Import];
        needs.extend(row.path.is_none().then_some(Action::Cache));
        needs.extend(serves.then_some(Action::Serve));
        let consents = Self::consents(inner, &row, &needs, publishes);
        // Before the library is told: a consent that has just ended leaves no entry that counts as being fetched.
        let consents = Consents::to_fetch(consents).map_err(|missing| self.problem(missing))?;
        let (entry, out) = self.place_of(inner, &row, &manifest)?;
        if row.entry != Some(entry) {
            let row = TransferRow { entry: Some(entry), ..row.clone() };
            self.save(&row)?;
            inner.rows.insert(row.id, row);
        }
        let job = FetchJob {
            manifest,
            publisher,
            sources,
            out,
            receipt: row.receipt,
            endpoint: endpoint(&row.endpoint, row.last_port),
            consents,
            sequential: row.sequential,
            full_check: row.full_check,
            stall_timeout: row.stall_seconds.map(Duration::from_secs),
        };
        job.job().map_err(|error| self.host.problem(error))
    }

    /// Chooses the peer to ask for the manifest: one of the permitted peers of the row's offers, another one at each try.
    fn one_to_ask(&self, inner: &Inner, row: &TransferRow) -> Result<SignedOffer, Problem> {
        let permission = self.permission(inner, row, Action::Fetch);
        let mut refused = None;
        let mut usable = Vec::new();
        for text in &row.offers {
            match self.usable_offer(text, None) {
                Ok(offer) if permission.permits(&offer.offer().peer.to_string()) => usable.push(offer),
                Ok(_) => {}
                Err(problem) => refused = Some(problem),
            }
        }
        let tries = inner.retries.get(&row.id).map_or(0, |retry| retry.tries) as usize;
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
        inner: &Inner,
        row: &TransferRow,
        manifest: &Manifest,
    ) -> Result<(u64, std::path::PathBuf), Problem> {
        let now = now_unix();
        let entry = self.library.add_manifest(manifest, now)?;
        let out = match &row.path {
            Some(out) => out.clone(),
            None => {
                let in_use = self.entries_in_use(inner);
                let evict = self.library.check_room(manifest, &inner.limits, &in_use)?;
                self.library.evict(&evict, &in_use)?;
                self.library.make_folder(entry)?
            }
        };
        self.library.begin_fetch(entry)?;
        let _ = self.events.send(Event::Library);
        Ok((entry, out))
    }

    /// Returns the library entries that transfers use now or will use when they resume.
    pub(super) fn entries_in_use(&self, inner: &Inner) -> BTreeSet<u64> {
        let used = inner.rows.values().filter(|row| row.end.is_none());
        let entry = |row: &TransferRow| {
            row.entry.or_else(|| self.library.find(&row.swarm_id).ok()?.map(|entry| entry.id))
        };
        used.chain(inner.draining.values().map(|(row, _)| row)).filter_map(entry).collect()
    }

    /// Returns the consents to `actions`, and to publish if `publishes`, as a receipt records them.
    fn consents(inner: &Inner, row: &TransferRow, actions: &[Action], publishes: bool) -> Vec<Consent> {
        let now = now_unix();
        let grants = inner.book.grants().list(now, |grant| inner.accounts.used(grant));
        let others = Self::grants_of_others(inner, row);
        let given = |action: Action| {
            let fits = |grant: &&Grant| {
                grant.action == action
                    && !others.contains(&grant.id)
                    && grant.state == GrantState::Active
                    && grant.model.as_ref().is_none_or(|model| *model == row.swarm_id)
            };
            let grant = grants.iter().filter(fits).max_by_key(|grant| grant.model.is_some())?;
            Some(Consent {
                action,
                at_utc: grant.given_utc.clone(),
                by: format!("grant {} ({})", grant.id, grant.by),
            })
        };
        actions.iter().copied().chain(publishes.then_some(Action::Publish)).filter_map(given).collect()
    }
}

fn is_old(running: &RunningTransfer) -> bool {
    let ends = running.offer.as_ref().map(|offer| offer.offer().expires_unix);
    ends.is_some_and(|ends| ends < now_unix() + OFFER_LEFT_SECONDS)
}
