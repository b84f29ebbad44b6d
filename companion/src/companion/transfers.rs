//! The user's commands on a transfer: add, answer, start, pause, limit, announce, forget.

use std::path::{Path, PathBuf};

use minimodel::clock::{now_unix, utc};
use minimodel::consent::Action;
use minimodel_verifier::digest::hex;
use minimodel_wire::SignedOffer;

use super::Core;
use super::accounts::Rules;
use super::consents::{ConsentState, new_grant};
use super::permits::permits;
use super::placing::Placing;
use super::row::{FinalState, TransferRow, parse};
use super::running::RunningTransfer;
use super::state::State;
use crate::limits::schedule;
use crate::model::validate;
use crate::model::{
    Announcement, Consent, Entry, EntryState, Event, Kind, NewFetch, NewShare, Transfer, TransferLimits,
};
use crate::problem::{Problem, code};

impl Core {
    pub(super) fn add_share(&self, new: NewShare) -> Result<Transfer, Problem> {
        validate::share(&new)?;
        self.must_run()?;
        let (text, path) = match (&new.manifest, &new.path, new.entry) {
            (Some(text), Some(path), None) => (text.clone(), path.clone()),
            (None, None, Some(entry)) => self.ready_entry(entry)?,
            _ => {
                return Err(Problem::new(
                    code::USAGE,
                    "a share needs either a manifest and a file, or an entry of the library",
                    "name the manifest and the file: `minimodel seed MANIFEST FILE.slm`",
                ));
            }
        };
        let manifest = parse(&text)?;
        for offer in &new.offers {
            self.checks.offer(offer, Some(&manifest))?;
        }
        let swarm_id = hex(manifest.swarm_id());
        let consent = new.consent.clone();
        let mut row = TransferRow::share(new, swarm_id, text, path, now_unix());
        // A cached file shared by its path is in use like one shared by its entry number.
        let entry = self.library.find(&row.swarm_id)?;
        let is_ours = |entry: &Entry| entry.path.as_deref().map(Path::new) == row.path.as_deref();
        row.entry = row.entry.or(entry.filter(is_ours).map(|entry| entry.id));
        self.add(&mut self.lock(), row, consent.as_ref())
    }

    pub(super) fn add_fetch(&self, new: NewFetch) -> Result<Transfer, Problem> {
        validate::fetch(&new)?;
        self.must_run()?;
        let manifest = new.manifest.as_deref().map(parse).transpose()?;
        let mut swarm = manifest.as_ref().map(|manifest| *manifest.swarm_id());
        for text in &new.offers {
            let offered = self.checks.offer(text, manifest.as_ref())?.offer().swarm_id;
            if *swarm.get_or_insert(offered) != offered {
                return Err(Problem::new(
                    code::INVALID,
                    "the offers are for different things",
                    "name offers for one model in one fetch",
                ));
            }
        }
        let Some(swarm) = swarm else {
            return Err(Problem::new(
                code::USAGE,
                "a fetch needs a manifest or an offer",
                "ask whoever shares the model for an offer: their `minimodel seed` prints one",
            ));
        };
        let consent = new.consent.clone();
        let row = TransferRow::fetch(new, hex(&swarm), now_unix());
        self.add(&mut self.lock(), row, consent.as_ref())
    }

    /// Adds a row, or updates the row of the same kind, swarm and place, so that repeating a request changes nothing. A request
    /// with other options is refused while that row runs. While that row lacks a consent, its question may be on a screen: then a
    /// changed request replaces it under a new number, so that an answer never applies to anything else than was shown. A request
    /// that is refused changes nothing.
    pub(super) fn add(
        &self,
        state: &mut State,
        mut row: TransferRow,
        consent: Option<&Consent>,
    ) -> Result<Transfer, Problem> {
        let known = state.table.same(&row).cloned();
        let place = match &known {
            Some(old) => Placing::of(state, old, &mut row)?,
            None => Placing::New,
        };
        let manifest = self.manifests.of(&row)?;
        if let Some(manifest) = manifest.as_ref().filter(|_| row.publisher_key.is_some()) {
            self.signers.require_key(&row, manifest)?;
        }
        // They were given for what the row was, or for other peers than these.
        let ends = known.as_ref().filter(|old| place == Placing::Instead || old.allow != row.allow);
        if let Some(consent) = consent {
            state.consents.check(&row, consent, ends.map_or(&[], |old| &old.grants))?;
            manifest.map(|manifest| self.signers.check(&row, &manifest)).transpose()?;
        }
        state.table.check_room(place == Placing::New)?;
        match ends {
            Some(old) if place == Placing::Instead => self.drop_row(state, old.id)?,
            Some(old) => self.end_grants(state, old)?,
            None => {}
        }
        let id = state.table.put(row)?;
        state.retries.clear(id);
        if let Some(consent) = consent
            && let Err(problem) = self.give(state, id, consent)
        {
            match known.filter(|old| old.id == id) {
                Some(old) => drop(state.table.put(old)?),
                None => self.drop_row(state, id)?,
            }
            return Err(problem);
        }
        if let Some(running) = state.runs.of(id).filter(|_| place == Placing::Same { restarts: true }) {
            running.end();
        }
        self.wake(state);
        self.show(state, id);
        // What a user had agreed to before is not taken for new by a verb that drops what it added.
        let had_consents = known.is_some_and(|old| !old.grants.is_empty());
        let is_new = !matches!(place, Placing::Same { .. }) && !had_consents;
        Ok(Transfer { is_new, ..self.view(state, id)? })
    }

    pub(super) fn answered(&self, id: u64, consent: &Consent) -> Result<Transfer, Problem> {
        let mut state = self.lock();
        let mut row = state.table.row(id)?;
        // A finished transfer asks for nothing, and a grant given after its end would not end with it.
        if !matches!(row.end, Some(FinalState::Done(_))) {
            row.accept(consent);
            if let Some(manifest) = self.manifests.of(&row)? {
                self.signers.check(&row, &manifest)?;
            }
            if consent.accept_publisher_key.is_some() {
                // A transfer that failed only for want of this acceptance resumes.
                row.end = row.end.filter(
                    |end| !matches!(end, FinalState::Failed(problem) if problem.code == code::MISMATCH),
                );
                state.table.put(row)?;
            }
            self.give(&mut state, id, consent)?;
        }
        self.changed(&mut state, id)
    }

    /// Records grants for a transfer's model, all or none; they end with the transfer.
    fn give(&self, state: &mut State, id: u64, consent: &Consent) -> Result<(), Problem> {
        self.grant_to(state, id, |consents, row| consents.give(row, consent))
    }

    /// Records grants, and lists them in the row of the transfer that they end with: grants that no row lists would outlive it.
    fn grant_to(
        &self,
        state: &mut State,
        id: u64,
        give: impl FnOnce(&mut ConsentState, &TransferRow) -> Result<Vec<u64>, Problem>,
    ) -> Result<(), Problem> {
        let row = state.table.row(id)?;
        if state.consents.give_in_row(&self.db, &mut state.table, row, give)? {
            self.notify(Event::Consent);
        }
        Ok(())
    }

    /// Revokes the grants that were given with a transfer.
    pub(super) fn end_grants(&self, state: &mut State, row: &TransferRow) -> Result<(), Problem> {
        if state.consents.end(row)? {
            self.notify(Event::Consent);
        }
        Ok(())
    }

    pub(super) fn started(&self, id: u64) -> Result<Transfer, Problem> {
        self.change_row(id, |row| {
            not_done(row)?;
            (row.paused, row.end) = (false, None);
            Ok(())
        })
    }

    pub(super) fn paused(&self, id: u64) -> Result<Transfer, Problem> {
        self.change_row(id, |row| {
            not_done(row)?;
            row.paused = true;
            Ok(())
        })
    }

    pub(super) fn limited(&self, id: u64, limits: TransferLimits) -> Result<Transfer, Problem> {
        schedule::validate_transfer(&limits)?;
        self.change_row(id, |row| {
            row.limits = limits;
            Ok(())
        })
    }

    fn change_row(
        &self,
        id: u64,
        change: impl FnOnce(&mut TransferRow) -> Result<(), Problem>,
    ) -> Result<Transfer, Problem> {
        let mut state = self.lock();
        let mut row = state.table.row(id)?;
        change(&mut row)?;
        state.table.put(row)?;
        self.changed(&mut state, id)
    }

    /// Lets a changed transfer run as soon as it may, and shows it.
    fn changed(&self, state: &mut State, id: u64) -> Result<Transfer, Problem> {
        state.retries.clear(id);
        self.wake(state);
        self.show(state, id);
        self.view(state, id)
    }

    pub(super) fn announced(&self, id: u64, consent: &Consent) -> Result<Announcement, Problem> {
        let mut state = self.lock();
        let row = state.table.row(id)?;
        if consent.actions != [Action::Publish] {
            return Err(Problem::new(
                code::CONSENT,
                "announcing needs the consent to publish, and takes no other",
                "agree to it: `minimodel announce on MODEL --consent publish`",
            ));
        }
        let running = state.runs.of(id).filter(|running| !running.is_ending() && !row.paused);
        let Some(offer) = running.and_then(|running| running.offer.clone()) else {
            return Err(Problem::new(
                code::NOT_FOUND,
                format!("transfer {id} serves nobody now, so there is nothing to announce"),
                "start it first: `minimodel status` says how it stands",
            ));
        };
        let new = new_grant(&row, consent, consent.actions.clone(), None);
        self.grant_to(&mut state, id, |consents, _| Ok(consents.book.grant(&new, now_unix())?))?;
        let announcement = self.announcement(&state, &row, &offer)?;
        self.announcements.put_up(&row, &offer)?;
        self.wake(&mut state);
        Ok(announcement)
    }

    pub(super) fn unannounced(&self, id: u64) -> Result<(), Problem> {
        let mut state = self.lock();
        let row = state.table.row(id)?;
        let grants = state.consents.list();
        let open = grants.iter().filter(|grant| permits(grant, Action::Publish, &row));
        let (own, wide): (Vec<_>, Vec<_>) = open.partition(|grant| grant.model.is_some());
        if let Some(grant) = wide.first() {
            return Err(Problem::new(
                code::CONSENT,
                format!("grant {} permits to publish every model, this one too", grant.id),
                format!("take it back: `minimodel consent revoke {}`", grant.id),
            ));
        }
        for grant in own {
            state.consents.book.revoke(grant.id, "announce off", now_unix())?;
        }
        self.notify(Event::Consent);
        self.announcements.take_down(&row);
        self.wake(&mut state);
        Ok(())
    }

    pub(super) fn announced_now(&self) -> Vec<Announcement> {
        let state = self.lock();
        let all = state.table.all().filter_map(|row| {
            let offer = state.runs.of(row.id).and_then(RunningTransfer::published)?;
            self.announcement(&state, row, offer).ok()
        });
        all.collect()
    }

    fn announcement(
        &self,
        state: &State,
        row: &TransferRow,
        offer: &SignedOffer,
    ) -> Result<Announcement, Problem> {
        let grants = state.consents.list();
        let grant = grants.iter().find(|grant| permits(grant, Action::Publish, row));
        let grant = grant.ok_or_else(|| {
            Problem::new(
                code::CONSENT,
                "nobody agreed to announce this",
                "agree to it: `minimodel announce on MODEL`",
            )
        })?;
        Ok(Announcement {
            transfer: row.id,
            model: self.manifests.model_of(row),
            offer: offer.to_string(),
            path: self.announcements.path(row).to_string_lossy().into_owned(),
            grant: grant.id,
            expires_utc: utc(offer.offer().expires_unix),
        })
    }

    pub(super) fn forgotten(&self, id: u64) -> Result<(), Problem> {
        let mut state = self.lock();
        self.drop_row(&mut state, id)?;
        self.wake(&mut state);
        Ok(())
    }

    /// Removes a row and the grants that were given with it, which must not outlive it: if they cannot be revoked, it stays.
    fn drop_row(&self, state: &mut State, id: u64) -> Result<(), Problem> {
        let row = state.table.row(id)?;
        self.end_grants(state, &row)?;
        if let Some(row) = state.table.remove(id)? {
            self.announcements.take_down(&row);
            if let Some(entry) = row.entry.filter(|_| row.kind == Kind::Fetch && row.end.is_none()) {
                // The library then reports the entry by what is on the disk.
                let _ = self.library.fetch_dropped(entry);
            }
        }
        state.forget(id);
        if let Some(run) = state.runs.drain(id) {
            self.accounts.rule(run, Rules::default());
        }
        self.notify(Event::Removed { id });
        Ok(())
    }

    pub(super) fn ready_entry(&self, id: u64) -> Result<(String, PathBuf), Problem> {
        let entry = self.library.refresh(id)?;
        let path = entry.path.filter(|_| entry.state == EntryState::Ready);
        let path = path.ok_or_else(|| {
            Problem::new(
                code::NOT_FOUND,
                format!("the library has no file of {} {}", entry.model_id, entry.model_version),
                "fetch it first, or add the file: `minimodel library add MANIFEST FILE.slm`",
            )
        })?;
        Ok((self.library.manifest(id)?, PathBuf::from(path)))
    }

    fn must_run(&self) -> Result<(), Problem> {
        if self.is_running {
            return Ok(());
        }
        Err(Problem::new(
            code::NOT_FOUND,
            "no companion runs in this home folder",
            "start it: `minimodel companion start`",
        ))
    }
}

/// Refuses a transfer that is done: it can neither pause nor start.
fn not_done(row: &TransferRow) -> Result<(), Problem> {
    match row.end {
        Some(FinalState::Done(_)) => Err(Problem::new(
            code::USAGE,
            format!("transfer {} is done", row.id),
            "see it: `minimodel status`",
        )),
        _ => Ok(()),
    }
}
