//! What its user says of a transfer: added, answered, started, paused, limited, forgotten.

use std::path::PathBuf;
use std::sync::Arc;

use minimodel_verifier::digest::hex;

use super::row::{End, Row, parse};
use super::wish::{Facts, Missing, Wish, wish};
use super::{Core, Inner};
use crate::api::types::{
    Action, Consent, Event, GrantState, Kind, NewFetch, NewGrant, NewShare, Transfer, TransferLimits,
};
use crate::api::validate;
use crate::clock::now_unix;
use crate::consent::Denied;
use crate::db::{DbError, Table, number_key};
use crate::limits::schedule;
use crate::problem::{Problem, code};

impl Core {
    /// What a transfer should be doing now.
    pub(super) fn wish_of(&self, inner: &Inner, id: u64) -> Option<Wish> {
        let row = inner.rows.get(&id)?;
        let mut facts = Facts::default();
        let all = [Action::Fetch, Action::Import, Action::Cache, Action::Serve, Action::Publish];
        for action in all {
            let permission = Self::permission(inner, row, action);
            if permission.is_some() {
                facts.permitted.push(action);
            } else if row.needs().contains(&action) {
                let missing = match permission.reason {
                    Some(Denied::Spent) => Missing::Spent,
                    Some(Denied::Expired | Denied::Revoked) => Missing::Over,
                    Some(Denied::Never) | None => Missing::Never,
                };
                facts.missing.push((action, missing));
            }
        }
        facts.hour_is_closed = Self::rates(&inner.limits).paused;
        let retry = inner.retries.get(&id).filter(|retry| retry.until > std::time::Instant::now());
        facts.pause_after = retry.map(|retry| retry.cause);
        Some(wish(row, &facts))
    }

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
        let mut row = Row::share(new, swarm_id, text, path, now_unix());
        // However it was named: a file of the library that is served is in use, and not evicted.
        let entry = self
            .library
            .find(&row.swarm_id)?
            .filter(|entry| entry.path.as_deref() == row.path.as_ref().and_then(|path| path.to_str()));
        row.entry = row.entry.or(entry.map(|entry| entry.id));
        let mut inner = self.lock();
        let same = |other: &&Row| {
            other.kind == Kind::Share && other.swarm_id == row.swarm_id && other.path == row.path
        };
        let known = inner.rows.values().find(same).map(|row| row.id);
        self.add(&mut inner, row, known, consent)
    }

    pub(super) fn add_fetch(self: &Arc<Self>, new: NewFetch) -> Result<Transfer, Problem> {
        validate::fetch(&new)?;
        self.must_run()?;
        let manifest = new.manifest.as_deref().map(parse).transpose()?;
        let mut swarm = manifest.as_ref().map(|manifest| *manifest.swarm_id());
        for text in &new.offers {
            let offer = self.runner.offer(text, manifest.as_ref())?;
            swarm.get_or_insert(offer.offer().swarm_id);
        }
        let Some(swarm) = swarm else {
            return Err(Problem::new(
                code::USAGE,
                "a fetch needs a manifest or an offer",
                "ask whoever shares the model for an offer: their `minimodel seed` prints one",
            ));
        };
        let consent = new.consent.clone();
        let row = Row::fetch(new, hex(&swarm), now_unix());
        let mut inner = self.lock();
        let same = |other: &&Row| {
            other.kind == Kind::Fetch && other.swarm_id == row.swarm_id && other.path == row.path
        };
        let known = inner.rows.values().find(same).map(|row| row.id);
        self.add(&mut inner, row, known, consent)
    }

    /// Adds a row, or takes the place of one that wants the same: asking twice for one thing is asking once.
    fn add(
        self: &Arc<Self>,
        inner: &mut Inner,
        mut row: Row,
        known: Option<u64>,
        consent: Option<Consent>,
    ) -> Result<Transfer, Problem> {
        if let Some(old) = known.and_then(|id| inner.rows.get(&id)) {
            (row.id, row.created_unix, row.last_port) = (old.id, old.created_unix, old.last_port);
            row.grants.clone_from(&old.grants);
            if row.manifest.is_none() {
                row.manifest.clone_from(&old.manifest);
            }
            if let Some(live) = inner.lives.get(&row.id) {
                live.end();
            }
        }
        let saved = self.db.change::<_, DbError>(|change| {
            if row.id == 0 {
                row.id = change.next_number()?;
            }
            change.put(Table::Transfers, &number_key(row.id), &row)
        });
        saved.map_err(Problem::from)?;
        let id = row.id;
        inner.retries.remove(&id);
        inner.rows.insert(id, row);
        if let Some(consent) = consent
            && let Err(problem) = self.give(inner, id, &consent)
        {
            if known.is_none() {
                self.drop_row(inner, id)?;
            }
            return Err(problem);
        }
        self.stir(inner);
        self.show(inner, id);
        self.view(inner, id).ok_or_else(|| unknown(id))
    }

    pub(super) fn answered(self: &Arc<Self>, id: u64, consent: &Consent) -> Result<Transfer, Problem> {
        let mut inner = self.lock();
        if !inner.rows.contains_key(&id) {
            return Err(unknown(id));
        }
        self.give(&mut inner, id, consent)?;
        inner.retries.remove(&id);
        self.stir(&mut inner);
        self.show(&inner, id);
        self.view(&inner, id).ok_or_else(|| unknown(id))
    }

    /// Records grants for a transfer's model; they end with it.
    fn give(&self, inner: &mut Inner, id: u64, consent: &Consent) -> Result<(), Problem> {
        let Some(row) = inner.rows.get(&id) else { return Err(unknown(id)) };
        let (may, needs) = (row.may(), row.needs());
        if let Some(foreign) =
            consent.actions.iter().find(|action| !may.contains(action) && !needs.contains(action))
        {
            return Err(Problem::new(
                code::USAGE,
                format!("this transfer never does {foreign:?}, so it takes no consent for it"),
                format!("agree to {needs:?}, and if you like to {may:?}"),
            ));
        }
        if consent.actions.contains(&Action::Publish)
            && !consent.actions.contains(&Action::Serve)
            && row.kind == Kind::Fetch
        {
            return Err(Problem::new(
                code::CONSENT,
                "consent to publish without consent to serve",
                "publish tells peers that this machine serves: agree to both, or to neither",
            ));
        }
        let (swarm, allow) = (row.swarm_id.clone(), row.allow.clone());
        let now = now_unix();
        let mut given = Vec::new();
        for &action in &consent.actions {
            // Whom it serves was named with the request, and so is whom the grant is for.
            let peers: Vec<Option<String>> = match action {
                Action::Serve if !allow.is_empty() => allow.iter().cloned().map(Some).collect(),
                _ => vec![None],
            };
            for peer in peers {
                let new = NewGrant {
                    consent: Consent { actions: vec![action], ..consent.clone() },
                    model: Some(swarm.clone()),
                    peer,
                };
                let numbers = inner.book.grant(&new, now).map_err(Problem::from)?;
                given.extend(numbers);
            }
        }
        if let Some(row) = inner.rows.get_mut(&id) {
            row.grants.extend(given);
            let row = row.clone();
            self.save(&row)?;
        }
        let _ = self.events.send(Event::Consent);
        Ok(())
    }

    /// Grants that were given with a transfer end with it.
    pub(super) fn end_grants(&self, inner: &mut Inner, row: &Row) {
        let by = format!("transfer {} ended", row.id);
        for &grant in &row.grants {
            // One that its user took back is over already.
            let _ = inner.book.revoke(grant, &by, now_unix());
        }
        let _ = self.events.send(Event::Consent);
    }

    pub(super) fn started(self: &Arc<Self>, id: u64) -> Result<Transfer, Problem> {
        self.change_row(id, |row| {
            if let Some(End::Done { .. }) = row.end {
                return Err(Problem::new(
                    code::USAGE,
                    format!("transfer {id} is done"),
                    "see it: `minimodel status`",
                ));
            }
            (row.paused, row.end) = (false, None);
            Ok(())
        })
    }

    pub(super) fn paused(self: &Arc<Self>, id: u64) -> Result<Transfer, Problem> {
        self.change_row(id, |row| {
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
        change: impl FnOnce(&mut Row) -> Result<(), Problem>,
    ) -> Result<Transfer, Problem> {
        let mut inner = self.lock();
        let mut row = inner.rows.get(&id).cloned().ok_or_else(|| unknown(id))?;
        change(&mut row)?;
        self.save(&row)?;
        inner.rows.insert(id, row);
        inner.retries.remove(&id);
        self.stir(&mut inner);
        self.show(&inner, id);
        self.view(&inner, id).ok_or_else(|| unknown(id))
    }

    pub(super) fn forgotten(self: &Arc<Self>, id: u64) -> Result<(), Problem> {
        let mut inner = self.lock();
        let row = inner.rows.get(&id).cloned().ok_or_else(|| unknown(id))?;
        self.end_grants(&mut inner, &row);
        self.take_down(&row);
        self.drop_row(&mut inner, id)?;
        self.stir(&mut inner);
        Ok(())
    }

    fn drop_row(&self, inner: &mut Inner, id: u64) -> Result<(), Problem> {
        let removed = self.db.change::<_, DbError>(|change| change.remove(Table::Transfers, &number_key(id)));
        removed.map_err(Problem::from)?;
        inner.rows.remove(&id);
        inner.retries.remove(&id);
        inner.pasts.remove(&id);
        if let Some(live) = inner.lives.remove(&id) {
            // Its thread finds itself forgotten when it ends.
            live.end();
        }
        let _ = self.events.send(Event::Removed { id });
        Ok(())
    }

    /// A fetch that is to be shared when it is there: the same grants hold for the share.
    pub(super) fn share_fetched(self: &Arc<Self>, inner: &mut Inner, row: &Row, path: PathBuf) {
        let serving = |grant: &crate::api::types::Grant| {
            matches!(grant.action, Action::Serve | Action::Publish) && grant.state == GrantState::Active
        };
        let list = inner.book.grants().list(now_unix(), |grant| inner.accounts.used(grant));
        let (kept, ended): (Vec<u64>, Vec<u64>) = row
            .grants
            .iter()
            .partition(|number| list.iter().any(|grant| grant.id == **number && serving(grant)));
        self.end_grants(inner, &Row { grants: ended, ..row.clone() });
        let new = NewShare {
            entry: row.entry,
            endpoint: row.endpoint.clone(),
            limits: row.limits.clone(),
            allow: row.allow.clone(),
            ..NewShare::default()
        };
        let text = row.manifest.clone().unwrap_or_default();
        let mut share = Row::share(new, row.swarm_id.clone(), text, path, now_unix());
        (share.grants, share.last_port) = (kept, row.last_port);
        // A share that cannot be added is not there in the list; the fetch is done all the same.
        let _ = self.add(inner, share, None, None);
    }

    /// Version 1 wrote of a share the entry alone.
    pub(super) fn complete_shares(&self) {
        let mut inner = self.lock();
        let bare = |row: &&mut Row| row.kind == Kind::Share && row.manifest.is_none();
        for row in inner.rows.values_mut().filter(bare) {
            let found = row.entry.and_then(|entry| self.ready_entry(entry).ok());
            let Some((manifest, text, path)) =
                found.and_then(|(text, path)| Some((parse(&text).ok()?, text, path)))
            else {
                continue;
            };
            (row.swarm_id, row.manifest, row.path) = (hex(manifest.swarm_id()), Some(text), Some(path));
        }
    }

    pub(super) fn ready_entry(&self, id: u64) -> Result<(String, PathBuf), Problem> {
        let entry = self.library.refresh(id)?;
        let path = entry.path.filter(|_| entry.state == crate::api::types::EntryState::Ready);
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

    /// What listeners are shown of a transfer.
    pub(super) fn show(&self, inner: &Inner, id: u64) {
        if self.events.receiver_count() > 0
            && let Some(transfer) = self.view(inner, id)
        {
            let _ = self.events.send(Event::Transfer { transfer: Box::new(transfer) });
        }
    }
}

pub(super) fn unknown(id: u64) -> Problem {
    Problem::new(code::NOT_FOUND, format!("there is no transfer {id}"), "see all: `minimodel status`")
}
