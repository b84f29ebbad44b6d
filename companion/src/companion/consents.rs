//! Consents of a transfer: what they permit, whether they suffice, how they are recorded, and that they end with the transfer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use minimodel::clock::now_unix;
use minimodel::consent::{Action, GrantQuery, GrantState, NewGrant, is_publish_alone};
use minimodel::consent::{Denied, Open, Permission};
use minimodel_swarm::driver::Direction;
use minimodel_verifier::Manifest;
use minimodel_verifier::chunk::Layout;
use minimodel_wire::SignedOffer;

use super::desired::{Desired, DesiredInputs, Missing, desired};
use super::row::{End, TransferRow};
use super::transfers::unknown;
use super::{Core, Inner};
use crate::model::{Consent, Event, Transfer};
use crate::problem::{Problem, code};

/// Cache of the peers named in the offers of each row: offers are parsed and their signatures checked only when they change, not
/// at each reconcile.
#[derive(Debug, Default)]
pub(super) struct OfferedPeers(Mutex<BTreeMap<u64, Read>>);

#[derive(Debug)]
struct Read {
    offers: Vec<String>,
    peers: Vec<String>,
}

impl OfferedPeers {
    /// Returns true if any peer named in this row's offers satisfies `is_one`. `rows` are the present rows; others leave the
    /// cache.
    fn any(
        &self,
        row: &TransferRow,
        rows: &BTreeMap<u64, TransferRow>,
        is_one: impl Fn(&str) -> bool,
    ) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&row.id).is_none_or(|read| read.offers != row.offers) {
            known.retain(|id, _| rows.contains_key(id));
            let read = row.offers.iter().filter_map(|text| text.parse::<SignedOffer>().ok());
            let peers = read.map(|offer| offer.offer().peer.to_string()).collect();
            known.insert(row.id, Read { offers: row.offers.clone(), peers });
        }
        known.get(&row.id).is_some_and(|read| read.peers.iter().any(|peer| is_one(peer)))
    }
}

impl Core {
    /// Returns the desired state of a transfer.
    pub(super) fn desired_of(&self, inner: &Inner, id: u64) -> Option<Desired> {
        let row = inner.rows.get(&id)?;
        let mut inputs = DesiredInputs::default();
        let all = [Action::Fetch, Action::Import, Action::Cache, Action::Serve, Action::Publish];
        let others = Self::grants_of_others(inner, row);
        let used = |grant| inner.accounts.used(grant);
        for action in all {
            let permission = self.permission_beside(inner, row, action, &others, &used);
            let is_for_offered = || self.offered.any(row, &inner.rows, |peer| permission.permits(peer));
            let has_last_bytes = || Self::has_last_bytes(inner, row, action, &others);
            if suffices(row, action, &permission, is_for_offered) || has_last_bytes() {
                inputs.permitted.push(action);
            } else if row.needs().contains(&action) {
                let missing = match permission.reason {
                    Some(Denied::Spent) => Missing::Spent,
                    Some(Denied::Expired | Denied::Revoked) => Missing::Over,
                    Some(Denied::Never) | None => Missing::Never,
                };
                inputs.missing.push((action, missing));
            }
        }
        inputs.hour_is_closed = Self::rates(&inner.limits).paused;
        let retry = inner.retries.get(&id).filter(|retry| retry.until > std::time::Instant::now());
        inputs.pause_after = retry.map(|retry| retry.cause);
        Some(desired(row, &inputs))
    }

    /// Returns true while the last bytes that a session's grants admitted are still in flight. A spent grant stays effective
    /// until they have arrived, and no further byte passes the gate; an expired or revoked grant does not.
    pub(super) fn has_last_bytes(
        inner: &Inner,
        row: &TransferRow,
        action: Action,
        others: &BTreeSet<u64>,
    ) -> bool {
        let Some(running) = inner.running.get(&row.id) else { return false };
        let open = |action| Self::open_grants(inner, row, action, others);
        let (direction, open) = match action {
            Action::Fetch => (Direction::Received, open(Action::Fetch)),
            Action::Publish if open(Action::Publish).is_empty() => return false,
            Action::Serve | Action::Publish => (Direction::Sent, open(Action::Serve)),
            Action::Import | Action::Cache => return false,
        };
        let (moved, charged) = inner.accounts.of_run(running.run, direction);
        let holds = |grant: &u64| open.iter().any(|open| open.grant == *grant);
        !charged.is_empty() && charged.iter().all(holds) && running.has_last_bytes(direction, moved)
    }

    /// Returns the grants for a transfer's model that are neither expired nor revoked, spent ones included; grants in `others`
    /// belong to other transfers and are left out.
    pub(super) fn open_grants(
        inner: &Inner,
        row: &TransferRow,
        action: Action,
        others: &BTreeSet<u64>,
    ) -> Vec<Open> {
        inner.book.grants().open(action, &row.swarm_id, now_unix(), &|number| others.contains(&number))
    }

    /// Returns what is permitted for a transfer's model now. Grants that were given with another transfer do not count, and a
    /// grant with fewer bytes left than the model's shortest chunk counts as spent.
    pub(super) fn permission(&self, inner: &Inner, row: &TransferRow, action: Action) -> Permission {
        let others = Self::grants_of_others(inner, row);
        self.permission_beside(inner, row, action, &others, &|grant| inner.accounts.used(grant))
    }

    /// As [`Self::permission`], with the result of [`Self::grants_of_others`] and the bytes used under each grant reserved in.
    pub(super) fn permission_beside(
        &self,
        inner: &Inner,
        row: &TransferRow,
        action: Action,
        others: &BTreeSet<u64>,
        used: &dyn Fn(u64) -> u64,
    ) -> Permission {
        let query = GrantQuery {
            swarm: &row.swarm_id,
            now_unix: now_unix(),
            used,
            except: &|number| others.contains(&number),
            least_bytes: self.manifest_of(row).ok().flatten().map_or(0, |manifest| shortest_chunk(&manifest)),
        };
        inner.book.grants().permission_for(action, &query)
    }

    /// Returns the grants that were given with other transfers.
    pub(super) fn grants_of_others(inner: &Inner, row: &TransferRow) -> BTreeSet<u64> {
        let others = inner.rows.values().filter(|other| other.id != row.id);
        others.flat_map(|other| other.grants.iter().copied()).collect()
    }

    pub(super) fn answered(self: &Arc<Self>, id: u64, consent: &Consent) -> Result<Transfer, Problem> {
        let mut inner = self.lock();
        let row = inner.rows.get(&id).ok_or_else(|| unknown(id))?;
        // A finished transfer asks for nothing, and a grant given after its end would not end with it.
        if !matches!(row.end, Some(End::Done { .. })) {
            let mut row = row.clone();
            row.accept(consent);
            self.check_signer(&row)?;
            if consent.accept_publisher_key.is_some() {
                // A transfer that failed only for want of this acceptance resumes.
                row.end = row
                    .end
                    .filter(|end| !matches!(end, End::Failed(problem) if problem.code == code::MISMATCH));
                self.save(&row)?;
                inner.rows.insert(id, row);
            }
            self.give(&mut inner, id, consent)?;
        }
        inner.retries.remove(&id);
        self.wake(&mut inner);
        self.show(&inner, id);
        self.view(&inner, id).ok_or_else(|| unknown(id))
    }

    /// Refuses a consent that does not match what the transfer does.
    pub(super) fn fits_row(row: &TransferRow, consent: &Consent) -> Result<(), Problem> {
        let (may, needs) = (row.may(), row.needs());
        let list =
            |actions: &[Action]| actions.iter().map(|&action| action.as_str()).collect::<Vec<_>>().join(",");
        if let Some(&foreign) =
            consent.actions.iter().find(|action| !may.contains(action) && !needs.contains(action))
        {
            return Err(Problem::new(
                code::USAGE,
                format!("this transfer never does `{}`, so it takes no consent for it", foreign.as_str()),
                format!("agree to `{}`, and if you like to `{}`", list(needs), list(&may)),
            ));
        }
        // A share needs consent to serve in any case.
        let serves = needs.contains(&Action::Serve);
        if !serves && is_publish_alone(|action| consent.actions.contains(&action)) {
            return Err(Problem::new(
                code::CONSENT,
                "consent to publish is not consent to serve",
                "publish tells peers that this machine serves: agree to both, or to neither",
            ));
        }
        Ok(())
    }

    /// Records grants for a transfer's model, all or none; they end with the transfer.
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
            actions,
            by: consent.by.clone(),
            expires_unix: consent.expires_unix,
            quota_bytes: consent.quota_bytes,
            model: Some(row.swarm_id.clone()),
            peer,
        };
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
        if wanted.is_empty() {
            return Ok(());
        }
        let given = inner.book.grant_all(&wanted, now_unix())?;
        let row =
            TransferRow { grants: row.grants.iter().copied().chain(given.iter().copied()).collect(), ..row };
        if let Err(problem) = self.save(&row) {
            // Grants that no row lists would outlive the transfer.
            inner.book.revoke_all(&given, "the transfer was not saved", now_unix())?;
            return Err(problem);
        }
        inner.rows.insert(id, row);
        let _ = self.events.send(Event::Consent);
        Ok(())
    }

    /// Revokes the grants that were given with a transfer.
    pub(super) fn end_grants(&self, inner: &mut Inner, row: &TransferRow) -> Result<(), Problem> {
        if row.grants.is_empty() {
            return Ok(());
        }
        inner.book.revoke_all(&row.grants, &format!("transfer {} ended", row.id), now_unix())?;
        let _ = self.events.send(Event::Consent);
        Ok(())
    }
}

/// Returns true if a permission suffices for this transfer. To serve with an allow list it must be for one of the listed peers;
/// to fetch, import or cache, for one of the offered peers, which are looked up only where that matters.
fn suffices(
    row: &TransferRow,
    action: Action,
    permission: &Permission,
    is_for_offered: impl FnOnce() -> bool,
) -> bool {
    match action {
        Action::Serve if !row.allow.is_empty() => row.allow.iter().any(|peer| permission.permits(peer)),
        Action::Fetch if row.offers.is_empty() => permission.anyone,
        Action::Fetch | Action::Import | Action::Cache => {
            permission.anyone || (!permission.peers.is_empty() && is_for_offered())
        }
        Action::Serve | Action::Publish => permission.is_some(),
    }
}

/// Returns the bytes of the last chunk, the only one that may be shorter than the others.
fn shortest_chunk(manifest: &Manifest) -> u64 {
    let layout = Layout::new(manifest.byte_count(), manifest.chunk_size());
    layout.map_or(0, |layout| layout.chunk_len(layout.count() - 1).into())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use minimodel_wire::{Offer, PeerId};

    use super::*;
    use crate::model::{NewFetch, NewShare};

    fn peer(n: u8) -> PeerId {
        PeerId(SigningKey::from_bytes(&[n; 32]).verifying_key().to_bytes())
    }

    fn offer(n: u8) -> String {
        let addresses = vec!["127.0.0.1:4000".parse().unwrap()];
        let offer = Offer { peer: peer(n), swarm_id: [0xab; 32], addresses, expires_unix: 2_000_000_000 };
        SignedOffer::sign(offer, &SigningKey::from_bytes(&[n; 32])).unwrap().to_string()
    }

    fn fetch(offers: &[String]) -> TransferRow {
        let new = NewFetch { offers: offers.to_vec(), ..NewFetch::default() };
        TransferRow { id: 1, ..TransferRow::fetch(new, "ab".repeat(32), 0) }
    }

    fn permission(anyone: bool, peers: &[PeerId]) -> Permission {
        Permission {
            anyone,
            peers: peers.iter().map(ToString::to_string).collect(),
            left_bytes: None,
            left_by_peer: BTreeMap::new(),
            ends_unix: None,
            reason: None,
        }
    }

    fn is_enough(row: &TransferRow, action: Action, permission: &Permission) -> bool {
        let offered = OfferedPeers::default();
        let rows = BTreeMap::from([(row.id, row.clone())]);
        suffices(row, action, permission, || offered.any(row, &rows, |peer| permission.permits(peer)))
    }

    #[test]
    fn consent_to_fetch_is_for_anyone_or_for_one_who_was_offered() {
        let (anyone, one, other) =
            (permission(true, &[]), permission(false, &[peer(1)]), permission(false, &[peer(9)]));
        let row = fetch(&[offer(1), offer(2)]);
        for action in [Action::Fetch, Action::Import, Action::Cache] {
            let enough =
                [&anyone, &one, &other, &permission(false, &[])].map(|is| is_enough(&row, action, is));
            assert_eq!(enough, [true, true, false, false], "{action:?}");
        }
        let alone = fetch(&[]);
        assert!(is_enough(&alone, Action::Fetch, &anyone) && !is_enough(&alone, Action::Fetch, &one));
        // Permissions to serve and publish do not depend on the offered sources.
        assert!(is_enough(&row, Action::Serve, &other) && is_enough(&row, Action::Publish, &other));
    }

    #[test]
    fn consent_to_serve_is_for_one_who_was_named() {
        let share = |allow: &[PeerId]| {
            let allow = allow.iter().map(ToString::to_string).collect();
            let new = NewShare { allow, ..NewShare::default() };
            TransferRow::share(new, "ab".repeat(32), String::new(), "/f".into(), 0)
        };
        let named = share(&[peer(1), peer(2)]);
        assert!(is_enough(&named, Action::Serve, &permission(false, &[peer(2)])));
        assert!(is_enough(&named, Action::Serve, &permission(true, &[])));
        assert!(!is_enough(&named, Action::Serve, &permission(false, &[peer(9)])));
        assert!(is_enough(&share(&[]), Action::Serve, &permission(false, &[peer(9)])));
    }

    #[test]
    fn offers_of_a_row_are_reread_on_change_and_dropped_with_it() {
        let offered = OfferedPeers::default();
        let of = |row: &TransferRow, rows: &BTreeMap<u64, TransferRow>| {
            let seen = std::cell::RefCell::new(BTreeSet::new());
            offered.any(row, rows, |peer| !seen.borrow_mut().insert(peer.to_owned()));
            seen.into_inner()
        };
        let names = |all: &[u8]| all.iter().map(|&n| peer(n).to_string()).collect::<BTreeSet<_>>();
        let (first, second) =
            (fetch(&[offer(1), "mm1no".into()]), TransferRow { id: 2, ..fetch(&[offer(3)]) });
        let both = BTreeMap::from([(1, first.clone()), (2, second.clone())]);
        assert_eq!((of(&first, &both), of(&second, &both)), (names(&[1]), names(&[3])));
        let more = fetch(&[offer(2), offer(1)]);
        assert_eq!(of(&more, &BTreeMap::from([(1, more.clone())])), names(&[1, 2]));
        assert_eq!(offered.0.lock().unwrap().keys().copied().collect::<Vec<_>>(), [1]);
    }
}
