//! What was agreed to for a transfer: whether it suffices, how it is recorded, and that it ends with it.

use std::sync::Arc;

use minimodel_wire::SignedOffer;

use super::row::{End, Row};
use super::transfers::unknown;
use super::wish::{Facts, Missing, Wish, wish};
use super::{Core, Inner};
use crate::api::types::{Action, Consent, Event, GrantState, NewGrant, Transfer};
use crate::clock::now_unix;
use crate::consent::{Denied, Permission, word};
use crate::problem::{Problem, code};

impl Core {
    /// What a transfer should be doing now.
    pub(super) fn wish_of(&self, inner: &Inner, id: u64) -> Option<Wish> {
        let row = inner.rows.get(&id)?;
        let mut facts = Facts::default();
        let all = [Action::Fetch, Action::Import, Action::Cache, Action::Serve, Action::Publish];
        for action in all {
            let permission = self.permission(inner, row, action);
            if Self::suffices(row, action, &permission) {
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

    /// Whether a permission is enough for this transfer: for one that names who may come, it must be for one of them; for a
    /// fetch, for somebody who was offered.
    fn suffices(row: &Row, action: Action, permission: &Permission) -> bool {
        match action {
            Action::Serve if !row.allow.is_empty() => row.allow.iter().any(|peer| permission.permits(peer)),
            Action::Fetch if row.offers.is_empty() => permission.anyone,
            Action::Fetch | Action::Import | Action::Cache => {
                permission.anyone || offered(row).any(|peer| permission.permits(&peer))
            }
            Action::Serve | Action::Publish => permission.is_some(),
        }
    }

    pub(super) fn answered(self: &Arc<Self>, id: u64, consent: &Consent) -> Result<Transfer, Problem> {
        let mut inner = self.lock();
        let row = inner.rows.get(&id).ok_or_else(|| unknown(id))?;
        // What is done asks for nothing, and a grant that came after its end would not end with it.
        if !matches!(row.end, Some(End::Done { .. })) {
            self.give(&mut inner, id, consent)?;
        }
        inner.retries.remove(&id);
        self.stir(&mut inner);
        self.show(&inner, id);
        self.view(&inner, id).ok_or_else(|| unknown(id))
    }

    /// Whether a consent is for what the transfer does.
    pub(super) fn fits_row(row: &Row, consent: &Consent) -> Result<(), Problem> {
        let (may, needs) = (row.may(), row.needs());
        let list =
            |actions: &[Action]| actions.iter().map(|&action| word(action)).collect::<Vec<_>>().join(",");
        if let Some(&foreign) =
            consent.actions.iter().find(|action| !may.contains(action) && !needs.contains(action))
        {
            return Err(Problem::new(
                code::USAGE,
                format!("this transfer never does `{}`, so it takes no consent for it", word(foreign)),
                format!("agree to `{}`, and if you like to `{}`", list(needs), list(&may)),
            ));
        }
        let serves = consent.actions.contains(&Action::Serve) || needs.contains(&Action::Serve);
        if consent.actions.contains(&Action::Publish) && !serves {
            return Err(Problem::new(
                code::CONSENT,
                "consent to publish is not consent to serve",
                "publish tells peers that this machine serves: agree to both, or to neither",
            ));
        }
        Ok(())
    }

    /// Records grants for a transfer's model, all of them or none; they end with it.
    pub(super) fn give(&self, inner: &mut Inner, id: u64, consent: &Consent) -> Result<(), Problem> {
        let Some(row) = inner.rows.get(&id).cloned() else { return Err(unknown(id)) };
        Self::fits_row(&row, consent)?;
        let held = inner.book.grants().list(now_unix(), |grant| inner.accounts.used(grant));
        let is_held = |action: Action, peer: Option<&String>| {
            held.iter().any(|grant| {
                row.grants.contains(&grant.id)
                    && grant.state == GrantState::Active
                    && (grant.action, grant.peer.as_ref()) == (action, peer)
                    && (grant.expires_unix, grant.quota_bytes) == (consent.expires_unix, consent.quota_bytes)
            })
        };
        let new = |actions: Vec<Action>, peer: Option<String>| NewGrant {
            consent: Consent { actions, ..consent.clone() },
            model: Some(row.swarm_id.clone()),
            peer,
        };
        let mut wanted = Vec::new();
        let mut rest = consent.actions.clone();
        if rest.contains(&Action::Serve) && !row.allow.is_empty() {
            // Whom it serves was named with the request, and so is whom the grant is for.
            rest.retain(|action| *action != Action::Serve);
            let named = row.allow.iter().filter(|peer| !is_held(Action::Serve, Some(peer)));
            wanted.extend(named.map(|peer| new(vec![Action::Serve], Some(peer.clone()))));
        }
        rest.retain(|action| !is_held(*action, None));
        let moves = rest.iter().any(|action| matches!(action, Action::Fetch | Action::Serve));
        if !rest.is_empty() {
            let mut last = new(rest, None);
            // A quota is of bytes, and these move under the grants of the peers that were named.
            last.consent.quota_bytes = last.consent.quota_bytes.filter(|_| moves);
            wanted.push(last);
        }
        let given = inner.book.grant_all(&wanted, now_unix())?;
        let row = Row { grants: row.grants.iter().copied().chain(given.iter().copied()).collect(), ..row };
        if let Err(problem) = self.save(&row) {
            // Grants that no transfer knows of would outlive it.
            inner.book.revoke_all(&given, "the transfer was not saved", now_unix())?;
            return Err(problem);
        }
        inner.rows.insert(id, row);
        let _ = self.events.send(Event::Consent);
        Ok(())
    }

    /// Grants that were given with a transfer end with it.
    pub(super) fn end_grants(&self, inner: &mut Inner, row: &Row) -> Result<(), Problem> {
        if row.grants.is_empty() {
            return Ok(());
        }
        inner.book.revoke_all(&row.grants, &format!("transfer {} ended", row.id), now_unix())?;
        let _ = self.events.send(Event::Consent);
        Ok(())
    }
}

/// Peers that a fetch may ask, by their offers.
fn offered(row: &Row) -> impl Iterator<Item = String> + '_ {
    let offers = row.offers.iter().filter_map(|text| text.parse::<SignedOffer>().ok());
    offers.map(|offer| offer.offer().peer.to_string())
}
