//! What the consent log permits one transfer: actions, bytes, and the consents that a receipt cites.

use std::collections::BTreeSet;

use minimodel::clock::now_unix;
use minimodel::consent::{Action, Denied, Grant, GrantQuery, GrantState, Open, Permission};
use minimodel_swarm::driver::Direction;
use minimodel_verifier::Manifest;
use minimodel_verifier::chunk::Layout;
use minimodel_verifier::receipt::Consent;

use super::accounts::Rules;
use super::consents::ConsentState;
use super::desired::{DesiredInputs, Missing};
use super::row::TransferRow;
use super::running::{RunningTransfer, Runs};
use super::table::TransferTable;
use crate::model::Kind;

/// Permissions of one transfer. Grants that were given with another transfer do not count, and a grant with fewer bytes left
/// than the shortest chunk that is still to move counts as spent.
pub(super) struct TransferPermits<'a> {
    consents: &'a ConsentState,
    table: &'a TransferTable,
    row: &'a TransferRow,
    running: Option<&'a RunningTransfer>,
    /// Grants that were given with other transfers.
    others: BTreeSet<u64>,
    /// Bytes of the shortest chunk that is still to move; 0 while the manifest is not known.
    least_bytes: u64,
}

impl<'a> TransferPermits<'a> {
    /// The permissions of `row`, whose run is one of `runs` if it runs.
    pub(super) fn new(
        consents: &'a ConsentState,
        table: &'a TransferTable,
        row: &'a TransferRow,
        runs: &'a Runs,
    ) -> Self {
        let fetched = runs.progress(row.id).filter(|_| row.kind == Kind::Fetch);
        let least_bytes =
            consents.manifests.valid(row).map_or(0, |manifest| shortest_to_move(&manifest, fetched));
        let running = runs.of(row.id);
        Self { consents, table, row, running, others: table.grants_of_others(row), least_bytes }
    }

    /// Returns what is permitted now.
    pub(super) fn permission(&self, action: Action) -> Permission {
        let query = GrantQuery {
            swarm: &self.row.swarm_id,
            now_unix: now_unix(),
            used: &|grant| self.consents.used(grant),
            except: &|number| self.others.contains(&number),
            least_bytes: self.least_bytes,
        };
        self.consents.book.grants().permission_for(action, &query)
    }

    /// Returns the grants that are neither expired nor revoked, spent ones included.
    fn open(&self, action: Action) -> Vec<Open> {
        let except = |number| self.others.contains(&number);
        self.consents.book.grants().open(action, &self.row.swarm_id, now_unix(), &except)
    }

    /// Returns true while the last bytes that a session's grants admitted are still in flight. A spent grant stays effective
    /// until they have arrived, and no further byte passes the gate; an expired or revoked grant does not.
    pub(super) fn has_last_bytes(&self, action: Action) -> bool {
        let Some(running) = self.running else { return false };
        let (direction, open) = match action {
            Action::Fetch => (Direction::Received, self.open(Action::Fetch)),
            Action::Publish | Action::Lan | Action::Dht | Action::Map if self.open(action).is_empty() => {
                return false;
            }
            Action::Serve | Action::Publish | Action::Lan | Action::Dht | Action::Map => {
                (Direction::Sent, self.open(Action::Serve))
            }
            Action::Import | Action::Cache | Action::Executable => return false,
        };
        let (moved, charged) = self.consents.accounts.of_run(running.run, direction);
        let holds = |grant: &u64| open.iter().any(|open| open.grant == *grant);
        !charged.is_empty() && charged.iter().all(holds) && running.has_last_bytes(direction, moved)
    }

    /// Returns the permitted actions, and those that the transfer needs and that are missing.
    pub(super) fn inputs(&self) -> DesiredInputs {
        let mut inputs = DesiredInputs::default();
        for action in Action::ALL {
            let permission = self.permission(action);
            let is_for_offered =
                || self.consents.offered.any(self.row, self.table, |peer| permission.permits(peer));
            if suffices(self.row, action, &permission, is_for_offered) || self.has_last_bytes(action) {
                inputs.permitted.push(action);
            } else if self.row.needs().contains(&action) {
                let missing = match permission.reason {
                    Some(Denied::Spent) => Missing::Spent,
                    Some(Denied::Expired | Denied::Revoked) => Missing::Over,
                    Some(Denied::Never) | None => Missing::Never,
                };
                inputs.missing.push((action, missing));
            }
        }
        inputs
    }

    /// Returns true if an action that the transfer needs is not permitted, so that the user is asked, or was and has not answered.
    pub(super) fn lacks_consent(&self) -> bool {
        !self.inputs().missing.is_empty()
    }

    /// Returns true if the user must be asked because a grant is used up. A peer's patience or budget, by contrast, comes back by
    /// itself.
    pub(super) fn lacks_what_is_spent(&self) -> bool {
        self.row.needs().iter().any(|&action| self.permission(action).reason == Some(Denied::Spent))
    }

    /// Returns the grants and the daily quota that the transfer's bytes count against.
    pub(super) fn rules(&self, day_bytes: Option<u64>) -> Rules {
        let fetch = if self.row.kind == Kind::Fetch { self.open(Action::Fetch) } else { Vec::new() };
        Rules { serve: self.open(Action::Serve), fetch, day_bytes }
    }

    /// Returns the consents to `actions` that are given, as a receipt records them.
    pub(super) fn for_receipt(&self, actions: impl IntoIterator<Item = Action>) -> Vec<Consent> {
        let grants = self.consents.list();
        let given = |action: Action| {
            let fits = |grant: &&Grant| !self.others.contains(&grant.id) && permits(grant, action, self.row);
            let grant = grants.iter().filter(fits).max_by_key(|grant| grant.model.is_some())?;
            Some(Consent {
                action,
                at_utc: grant.given_utc.clone(),
                by: format!("grant {} ({})", grant.id, grant.by),
            })
        };
        actions.into_iter().filter_map(given).collect()
    }
}

/// Returns true if a grant is active and for this action and model.
pub(super) fn permits(grant: &Grant, action: Action, row: &TransferRow) -> bool {
    grant.action == action
        && grant.state == GrantState::Active
        && grant.model.as_ref().is_none_or(|model| *model == row.swarm_id)
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
        Action::Fetch | Action::Import | Action::Cache | Action::Executable => {
            permission.anyone || (!permission.peers.is_empty() && is_for_offered())
        }
        Action::Serve | Action::Publish | Action::Lan | Action::Dht | Action::Map => permission.is_some(),
    }
}

/// Returns the bytes of the shortest chunk that is still to move. The last chunk alone may be shorter than the others; a fetch
/// needs it no more once it is held. `fetched` is what a fetch holds, in chunks and bytes.
fn shortest_to_move(manifest: &Manifest, fetched: Option<(u32, u64)>) -> u64 {
    let Ok(layout) = Layout::new(manifest.byte_count(), manifest.chunk_size()) else { return 0 };
    let whole = u64::from(layout.chunk_len(0));
    let has_short = fetched.is_some_and(|(chunks, bytes)| bytes < u64::from(chunks) * whole);
    if has_short { whole } else { layout.chunk_len(layout.count() - 1).into() }
}

#[cfg(test)]
mod tests {
    use minimodel_fixtures::{ManifestOptions, ManifestText};
    use minimodel_wire::PeerId;

    use super::super::offered::OfferedPeers;
    use super::super::offered::tests::{fetch, offer, peer};
    use super::*;
    use crate::model::NewShare;

    #[test]
    fn shortest_chunk_counts_until_a_fetch_holds_it() {
        let artifact = vec![7; (2 << 14) + 100];
        let text = ManifestText::of(&artifact, &ManifestOptions::default()).render();
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(manifest.chunk_size(), 1 << 14);
        let shortest = |fetched| shortest_to_move(&manifest, fetched);
        // A share, or a fetch before its first snapshot.
        assert_eq!(shortest(None), 100);
        assert_eq!([(0, 0), (1, 1 << 14), (2, 2 << 14)].map(|held| shortest(Some(held))), [100; 3]);
        assert_eq!([(1, 100), (2, (1 << 14) + 100)].map(|held| shortest(Some(held))), [1 << 14; 2]);
    }

    fn permission(anyone: bool, peers: &[PeerId]) -> Permission {
        Permission {
            anyone,
            peers: peers.iter().map(ToString::to_string).collect(),
            ends_unix: None,
            reason: None,
        }
    }

    fn is_enough(row: &TransferRow, action: Action, permission: &Permission) -> bool {
        let offered = OfferedPeers::default();
        let table = TransferTable::of([row.clone()]);
        suffices(row, action, permission, || offered.any(row, &table, |peer| permission.permits(peer)))
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
}
