//! The consent log as the companion keeps it: read again at each reconcile, and extended by what users agree to.

use std::sync::Arc;

use minimodel::clock::now_unix;
use minimodel::consent::{Action, ConsentBook, ConsentError, Grant, GrantState, Head, NewGrant, unmet};

use super::accounts::Accounts;
use super::manifests::Manifests;
use super::offered::OfferedPeers;
use super::row::{FinalState, TransferRow};
use super::table::TransferTable;
use crate::db::{Db, DbError, Table};
use crate::model::Consent;
use crate::problem::{Problem, code};
use serde::{Deserialize, Serialize};

/// Settings key of the newest line that this database has seen of the consent log.
const CONSENT_SEEN: &str = "consent-seen";

/// Settings key of the grants that are being given with a transfer.
const CONSENT_GIVING: &str = "consent-giving";

/// Grants that are being given with a transfer and stand in no row yet, should the companion end meanwhile: the active ones of
/// this model from this number on.
#[derive(Serialize, Deserialize)]
struct Giving {
    model: String,
    first: u64,
}

/// The consent log, and what its grants are compared with.
pub(super) struct ConsentState {
    pub(super) book: ConsentBook,
    /// Bytes moved under each grant.
    pub(super) accounts: Accounts,
    pub(super) manifests: Arc<Manifests>,
    pub(super) offered: OfferedPeers,
    /// Why the log cannot be believed; `None` while it holds.
    pub(super) fault: Option<Problem>,
    /// Leftovers of a companion that was killed may still be active, since the log could not be read or written.
    owes_ending: bool,
}

impl ConsentState {
    /// Opens the log with what the database has seen of it. A log that cannot be believed grants nothing, and each reconcile
    /// reports it; the rest of the state can still be read.
    pub(super) fn open(
        mut book: ConsentBook,
        accounts: Accounts,
        manifests: Arc<Manifests>,
        db: &Db,
    ) -> Result<Self, DbError> {
        if let Some(seen) = db.get::<Head>(Table::Settings, CONSENT_SEEN)? {
            book.remember(seen);
        }
        let _ = book.reload_if_changed();
        Ok(Self {
            book,
            accounts,
            manifests,
            offered: OfferedPeers::default(),
            fault: None,
            owes_ending: true,
        })
    }

    /// Reads the log again if it changed. A damaged log permits nothing, which [`Self::fault`] explains, and neither does one in
    /// which leftovers cannot be ended.
    pub(super) fn reload(&mut self, db: &Db, table: &mut TransferTable) {
        self.fault = self.book.reload_if_changed().err().map(Problem::from);
        if self.owes_ending && self.fault.is_none() {
            self.fault = self.end_leftovers(db, table).err();
        }
    }

    /// Bytes that moved under a grant.
    pub(super) fn used(&self, grant: u64) -> u64 {
        self.accounts.used(grant)
    }

    /// All grants as they stand.
    pub(super) fn list(&self) -> Vec<Grant> {
        self.book.grants().list(now_unix(), |grant| self.used(grant))
    }

    /// Returns a grant as it stands in the log as it is now.
    pub(super) fn grant(&mut self, id: u64) -> Result<Grant, Problem> {
        // A damaged log must be reported as such, not as an unknown grant.
        self.book.reload_if_changed()?;
        self.list().into_iter().find(|grant| grant.id == id).ok_or_else(|| {
            Problem::new(
                code::NOT_FOUND,
                format!("there is no grant {id}"),
                "see all: `minimodel consent list --all`",
            )
        })
    }

    /// Records grants for a transfer's model, all or none, except those that it holds already. Returns their numbers, for the row.
    pub(super) fn give(&mut self, row: &TransferRow, consent: &Consent) -> Result<Vec<u64>, Problem> {
        let wanted = self.wanted(row, consent)?;
        Ok(self.book.grant_all(&wanted, now_unix())?)
    }

    /// Refuses a consent whose grants could not be recorded for this transfer once those of the numbers `revoked` have ended.
    pub(super) fn check(&self, row: &TransferRow, consent: &Consent, revoked: &[u64]) -> Result<(), Problem> {
        let wanted = self.wanted(row, consent)?;
        Ok(self.book.check_all(&wanted, revoked, now_unix()).map_err(ConsentError::from)?)
    }

    /// The grants that a consent asks for, except those that the transfer holds already.
    fn wanted(&self, row: &TransferRow, consent: &Consent) -> Result<Vec<NewGrant>, Problem> {
        check_fits(row, consent)?;
        let held = self.list();
        let is_held = |action: Action, peer: Option<&String>| {
            held.iter().any(|grant| {
                row.grants.contains(&grant.id)
                    && grant.state == GrantState::Active
                    && (grant.action, grant.peer.as_ref()) == (action, peer)
                    && (grant.expires_unix, grant.quota_bytes) == (consent.expires_unix, consent.quota_bytes)
            })
        };
        let new = |actions, peer| new_grant(row, consent, actions, peer);
        let mut wanted = Vec::new();
        let mut rest = consent.actions.clone();
        if rest.contains(&Action::Serve) && !row.allow.is_empty() {
            // The request named the peers to serve, so each gets a grant of its own.
            rest.retain(|action| *action != Action::Serve);
            let named = row.allow.iter().filter(|peer| !is_held(Action::Serve, Some(peer)));
            wanted.extend(named.map(|peer| new(vec![Action::Serve], Some(peer.clone()))));
        }
        rest.retain(|action| !is_held(*action, None));
        let moves = rest.iter().any(|action| matches!(action, Action::Fetch | Action::Serve));
        if !rest.is_empty() {
            let mut last = new(rest, None);
            // A quota counts bytes, and served bytes move under the named peers' own grants.
            last.quota_bytes = last.quota_bytes.filter(|_| moves);
            wanted.push(last);
        }
        Ok(wanted)
    }

    /// Records the grants that `give` makes, and lists them in the row of their transfer. Returns false if there are none.
    pub(super) fn give_in_row(
        &mut self,
        db: &Db,
        table: &mut TransferTable,
        mut row: TransferRow,
        give: impl FnOnce(&mut Self, &TransferRow) -> Result<Vec<u64>, Problem>,
    ) -> Result<bool, Problem> {
        self.begin_giving(db, table, &row)?;
        let given = give(self, &row);
        if let Ok(given) = &given
            && !given.is_empty()
        {
            row.grants.extend(given);
            if let Err(problem) = table.put(row) {
                self.book.revoke_all(given, "the transfer was not saved", now_unix())?;
                self.end_giving(db)?;
                return Err(problem);
            }
        }
        self.end_giving(db)?;
        given.map(|given| !given.is_empty())
    }

    /// Keeps in the database that grants are about to be given with a transfer, until [`end_giving`]. What an earlier process left
    /// is ended first: the database keeps one such note.
    pub(super) fn begin_giving(
        &mut self,
        db: &Db,
        table: &mut TransferTable,
        row: &TransferRow,
    ) -> Result<(), Problem> {
        if self.owes_ending {
            self.book.reload_if_changed()?;
            self.end_leftovers(db, table)?;
        }
        let last = self.list().last().map_or(0, |grant| grant.id);
        let giving = Giving { model: row.swarm_id.clone(), first: last + 1 };
        self.owes_ending = true;
        Ok(db.change(|change| change.put(Table::Settings, CONSENT_GIVING, &giving))?)
    }

    /// Ends [`Self::begin_giving`]: the grants stand in a row, or there are none.
    pub(super) fn end_giving(&mut self, db: &Db) -> Result<(), DbError> {
        db.change(|change| change.remove(Table::Settings, CONSENT_GIVING))?;
        self.owes_ending = false;
        Ok(())
    }

    /// Revokes the grants of finished transfers, and those that stand in no row, because the companion was killed before it
    /// could.
    pub(super) fn end_leftovers(&mut self, db: &Db, table: &mut TransferTable) -> Result<(), Problem> {
        if self.book.reload_if_changed().is_err() {
            // It grants nothing while it is damaged; they are ended when it is read again.
            self.owes_ending = true;
            return Ok(());
        }
        let is_done =
            |row: &&TransferRow| matches!(row.end, Some(FinalState::Done(_))) && !row.grants.is_empty();
        let done: Vec<TransferRow> = table.all().filter(is_done).cloned().collect();
        for row in done {
            self.end(&row)?;
            table.keep(TransferRow { grants: Vec::new(), ..row })?;
        }
        let Some(giving) = db.get::<Giving>(Table::Settings, CONSENT_GIVING)? else {
            self.owes_ending = false;
            return Ok(());
        };
        let is_listed = |grant: &Grant| table.all().any(|row| row.grants.contains(&grant.id));
        let is_unlisted = |grant: &Grant| {
            grant.id >= giving.first
                && grant.model.as_ref() == Some(&giving.model)
                && grant.state == GrantState::Active
                && !is_listed(grant)
        };
        let unlisted: Vec<u64> = self.list().into_iter().filter(is_unlisted).map(|grant| grant.id).collect();
        self.book.revoke_all(&unlisted, "the companion ended before the transfer was saved", now_unix())?;
        Ok(self.end_giving(db)?)
    }

    /// Revokes the grants that were given with a transfer. Returns false if there were none.
    pub(super) fn end(&mut self, row: &TransferRow) -> Result<bool, ConsentError> {
        if !row.grants.is_empty() {
            self.book.revoke_all(&row.grants, &format!("transfer {} ended", row.id), now_unix())?;
        }
        Ok(!row.grants.is_empty())
    }
}

/// The grant of `actions` on the terms of a consent, for a transfer's model.
pub(super) fn new_grant(
    row: &TransferRow,
    consent: &Consent,
    actions: Vec<Action>,
    peer: Option<String>,
) -> NewGrant {
    NewGrant {
        actions,
        by: consent.by.clone(),
        expires_unix: consent.expires_unix,
        quota_bytes: consent.quota_bytes,
        model: Some(row.swarm_id.clone()),
        peer,
    }
}

/// Keeps the newest line of the consent log in the database, which a copy of the log does not bring along: so a log that was
/// replaced by an older copy is detected.
pub(super) fn keep_head(db: &Db, head: Option<&Head>) -> Result<(), DbError> {
    let Some(head) = head else { return Ok(()) };
    if db.get::<Head>(Table::Settings, CONSENT_SEEN)?.as_ref() == Some(head) {
        return Ok(());
    }
    db.change(|change| change.put(Table::Settings, CONSENT_SEEN, head))
}

/// Refuses a consent that does not match what the transfer does.
fn check_fits(row: &TransferRow, consent: &Consent) -> Result<(), Problem> {
    let (may, needs) = (row.may(), row.needs());
    let list =
        |actions: &[Action]| actions.iter().map(|&action| action.as_str()).collect::<Vec<_>>().join(",");
    if let Some(&foreign) =
        consent.actions.iter().find(|action| !may.contains(action) && !needs.contains(action))
    {
        return Err(Problem::new(
            code::USAGE,
            format!("this transfer never does `{}`, so it takes no consent for it", foreign.as_str()),
            format!("agree to `{}`, and if you like to `{}`", list(&needs), list(&may)),
        ));
    }
    // What a transfer needs is agreed to in any case.
    if let Some(unmet) = unmet(|action| consent.actions.contains(&action) || needs.contains(&action)) {
        return Err(Problem::new(
            code::CONSENT,
            unmet.to_string(),
            format!("{}: agree to both, or to neither", unmet.reason()),
        ));
    }
    Ok(())
}
