//! The user's commands on a transfer: add, start, pause, limit, forget.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use minimodel::clock::now_unix;
use minimodel::consent::{Action, GrantState};
use minimodel_verifier::digest::hex;

use super::accounts::Rules;
use super::desired::Desired;
use super::row::{End, TransferRow, parse};
use super::{Core, Inner};
use crate::db::{DbError, Table, number_key};
use crate::limits::schedule;
use crate::model::validate;
use crate::model::{
    Consent, Entry, EntryState, Event, Kind, NewFetch, NewShare, State, Transfer, TransferLimits,
};
use crate::problem::{Problem, code};

impl Core {
    pub(super) fn add_share(self: &Arc<Self>, new: NewShare) -> Result<Transfer, Problem> {
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
        let swarm_id = hex(manifest.swarm_id());
        let consent = new.consent.clone();
        let mut row = TransferRow::share(new, swarm_id, text, path, now_unix());
        // A cached file shared by its path is in use like one shared by its entry number.
        let entry = self.library.find(&row.swarm_id)?;
        let is_ours = |entry: &Entry| entry.path.as_deref().map(Path::new) == row.path.as_deref();
        row.entry = row.entry.or(entry.filter(is_ours).map(|entry| entry.id));
        self.add(&mut self.lock(), row, consent.as_ref())
    }

    pub(super) fn add_fetch(self: &Arc<Self>, new: NewFetch) -> Result<Transfer, Problem> {
        validate::fetch(&new)?;
        self.must_run()?;
        let manifest = new.manifest.as_deref().map(parse).transpose()?;
        let mut swarm = manifest.as_ref().map(|manifest| *manifest.swarm_id());
        for text in &new.offers {
            let offered = self.usable_offer(text, manifest.as_ref())?.offer().swarm_id;
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
    /// with other options is refused while that row runs. While its question is unanswered, a changed request replaces the row
    /// under a new number, so that an answer never applies to anything else than was shown.
    pub(super) fn add(
        self: &Arc<Self>,
        inner: &mut Inner,
        mut row: TransferRow,
        consent: Option<&Consent>,
    ) -> Result<Transfer, Problem> {
        let same = |other: &&TransferRow| {
            (other.kind, &other.swarm_id, &other.path) == (row.kind, &row.swarm_id, &row.path)
        };
        let known = inner.rows.values().find(same).cloned();
        let mut restarts = false;
        if let Some(old) = &known {
            let desired = self.desired_of(inner, old.id);
            let asks = matches!(desired, Some(Desired::Rest(State::Asking, _)));
            let is_same = old.wants_the_same(&row);
            let has_more = row.offers.iter().any(|offer| !old.offers.contains(offer));
            // A run whose consent was revoked, or that was paused, ends at the next reconcile and is in no request's way.
            let goes_on = !matches!(desired, Some(Desired::Rest(..)));
            if asks && (has_more || !is_same) {
                self.drop_row(inner, old.id)?;
            } else if !is_same && goes_on && inner.running.contains_key(&old.id) {
                return Err(Problem::new(
                    code::BUSY,
                    format!("transfer {} does this already, in another way", old.id),
                    format!(
                        "let it be, or end it first: `minimodel transfer pause {0}`; rates and slots change with \
                         `minimodel transfer limit {0}`",
                        old.id
                    ),
                ));
            } else {
                (row.id, row.created_unix, row.last_port) = (old.id, old.created_unix, old.last_port);
                row.grants.clone_from(&old.grants);
                row.accepted_key = row.accepted_key.or_else(|| old.accepted_key.clone());
                row.entry = row.entry.or(old.entry);
                row.manifest = row.manifest.or_else(|| old.manifest.clone());
                // The run restarts with the additional offers, or with the new options.
                restarts = has_more || !is_same;
                let before = old.offers.iter().filter(|offer| !row.offers.contains(offer)).cloned();
                row.offers = row.offers.iter().cloned().chain(before).take(validate::MAX_OFFERS).collect();
            }
        }
        if let Some(manifest) = self.manifest_of(&row)?.filter(|_| row.publisher_key.is_some()) {
            Self::require_key(&row, &self.publishers.signer_verdict(&manifest)?)?;
        }
        if let Some(consent) = consent {
            Self::fits_row(&row, consent)?;
            self.check_signer(&row)?;
        }
        let is_new = row.id == 0;
        let saved = self.db.change::<_, DbError>(|change| {
            if is_new {
                row.id = change.next_number()?;
            }
            change.put(Table::Transfers, &number_key(row.id), &row)
        });
        saved?;
        let id = row.id;
        inner.retries.remove(&id);
        inner.rows.insert(id, row);
        if let Some(consent) = consent
            && let Err(problem) = self.give(inner, id, consent)
        {
            match known.filter(|old| old.id == id) {
                // A request that is refused changes nothing.
                Some(old) => {
                    let key = number_key(id);
                    self.db.change::<_, DbError>(|change| change.put(Table::Transfers, &key, &old))?;
                    inner.rows.insert(id, old);
                }
                None => self.drop_row(inner, id)?,
            }
            return Err(problem);
        }
        if let Some(running) = inner.running.get(&id).filter(|_| restarts) {
            running.end();
        }
        self.wake(inner);
        self.show(inner, id);
        let view = self.view(inner, id).ok_or_else(|| unknown(id))?;
        Ok(Transfer { is_new, ..view })
    }

    pub(super) fn started(self: &Arc<Self>, id: u64) -> Result<Transfer, Problem> {
        self.change_row(id, |row| {
            not_done(row)?;
            (row.paused, row.end) = (false, None);
            Ok(())
        })
    }

    pub(super) fn paused(self: &Arc<Self>, id: u64) -> Result<Transfer, Problem> {
        self.change_row(id, |row| {
            not_done(row)?;
            row.paused = true;
            Ok(())
        })
    }

    pub(super) fn limited(self: &Arc<Self>, id: u64, limits: TransferLimits) -> Result<Transfer, Problem> {
        schedule::validate_transfer(&limits)?;
        self.change_row(id, |row| {
            row.limits = limits;
            Ok(())
        })
    }

    fn change_row(
        self: &Arc<Self>,
        id: u64,
        change: impl FnOnce(&mut TransferRow) -> Result<(), Problem>,
    ) -> Result<Transfer, Problem> {
        let mut inner = self.lock();
        let mut row = inner.rows.get(&id).cloned().ok_or_else(|| unknown(id))?;
        change(&mut row)?;
        self.save(&row)?;
        inner.rows.insert(id, row);
        inner.retries.remove(&id);
        self.wake(&mut inner);
        self.show(&inner, id);
        self.view(&inner, id).ok_or_else(|| unknown(id))
    }

    pub(super) fn forgotten(self: &Arc<Self>, id: u64) -> Result<(), Problem> {
        let mut inner = self.lock();
        let row = inner.rows.get(&id).cloned().ok_or_else(|| unknown(id))?;
        // The transfer's grants must not outlive it: if they cannot be revoked, the transfer stays.
        self.end_grants(&mut inner, &row)?;
        self.drop_row(&mut inner, id)?;
        self.wake(&mut inner);
        Ok(())
    }

    fn drop_row(&self, inner: &mut Inner, id: u64) -> Result<(), Problem> {
        let removed = self.db.change::<_, DbError>(|change| change.remove(Table::Transfers, &number_key(id)));
        removed?;
        inner.retries.remove(&id);
        inner.last_snapshots.remove(&id);
        if let Some(row) = inner.rows.remove(&id) {
            self.take_down(&row);
            if let Some(entry) = row.entry.filter(|_| row.kind == Kind::Fetch && row.end.is_none()) {
                // The library then reports the entry by what is on the disk.
                let _ = self.library.fetch_dropped(entry);
            }
            if let Some(running) = inner.running.remove(&id) {
                running.end();
                inner.accounts.rule(running.run, Rules::default());
                inner.draining.insert(running.run, (row, running));
            }
        }
        let _ = self.events.send(Event::Removed { id });
        Ok(())
    }

    /// Returns the share row that a completed fetch becomes, and the fetch's remaining grants, which end; its active grants to
    /// serve and publish move to the share.
    pub(super) fn share_of(
        &self,
        inner: &Inner,
        row: &TransferRow,
        path: PathBuf,
    ) -> (TransferRow, Vec<u64>) {
        let list = inner.book.grants().list(now_unix(), |grant| inner.accounts.used(grant));
        let is_serving = |number: &u64| {
            list.iter().any(|grant| {
                grant.id == *number
                    && matches!(grant.action, Action::Serve | Action::Publish)
                    && grant.state == GrantState::Active
            })
        };
        let (kept, ended): (Vec<u64>, Vec<u64>) = row.grants.iter().copied().partition(is_serving);
        let new = NewShare {
            entry: row.entry,
            endpoint: row.endpoint.clone(),
            limits: row.limits.clone(),
            allow: row.allow.clone(),
            ..NewShare::default()
        };
        // The publisher key accepted for the fetch holds for the share of the same bytes.
        let accepted_key = row.accepted_key.clone();
        let text = row.manifest.clone().unwrap_or_default();
        let share = TransferRow::share(new, row.swarm_id.clone(), text, path, now_unix());
        let known = inner.rows.values().find(|other| {
            (other.kind, &other.swarm_id, &other.path) == (share.kind, &share.swarm_id, &share.path)
        });
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

    /// Sends a transfer's status to event listeners.
    pub(super) fn show(&self, inner: &Inner, id: u64) {
        if self.events.receiver_count() > 0
            && let Some(transfer) = self.view(inner, id)
        {
            let _ = self.events.send(Event::Transfer { transfer: Box::new(transfer) });
        }
    }
}

/// Refuses a transfer that is done: it can neither pause nor start.
fn not_done(row: &TransferRow) -> Result<(), Problem> {
    match row.end {
        Some(End::Done { .. }) => Err(Problem::new(
            code::USAGE,
            format!("transfer {} is done", row.id),
            "see it: `minimodel status`",
        )),
        _ => Ok(()),
    }
}

pub(super) fn unknown(id: u64) -> Problem {
    Problem::new(code::NOT_FOUND, format!("there is no transfer {id}"), "see all: `minimodel status`")
}
