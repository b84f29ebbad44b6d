//! Which peers a running transfer may talk to, computed from its row, the limits and the grants: pure, recomputed at each
//! reconcile. How many bytes may move is decided by the gate ([`Accounts`](super::accounts::Accounts)).

use std::collections::BTreeSet;

use minimodel::consent::Permission;
use minimodel_swarm::driver::Controls;
use minimodel_wire::PeerId;

use super::row::TransferRow;

/// Inputs of the limits.
#[derive(Debug)]
pub(super) struct LimitInputs<'a> {
    pub(super) row: &'a TransferRow,
    /// Upload slots of a transfer without a limit of its own.
    pub(super) slots: Option<u16>,
    /// Permission to serve; `None`: it does not serve.
    pub(super) serve: Option<&'a Permission>,
    /// Permission to fetch; `None`: it does not fetch.
    pub(super) fetch: Option<&'a Permission>,
    /// Version of the quotas of its run.
    pub(super) quota_version: u64,
}

/// Returns which peers may connect, and which may be asked. A share, which asks nobody for the file, dials those that may connect.
pub(super) fn controls(inputs: &LimitInputs<'_>) -> Controls {
    let LimitInputs { row, slots, serve, fetch, quota_version } = *inputs;
    let sources = match fetch {
        Some(fetch) => (!fetch.anyone).then(|| peers(&fetch.peers)),
        None => Some(BTreeSet::new()),
    };
    Controls {
        allow: serve.map_or_else(|| Some(BTreeSet::new()), |serve| allowed(row, serve)),
        sources,
        slots: row.limits.slots.or(slots).map(usize::from),
        quota_version,
        ..Controls::default()
    }
}

/// Returns the peers that may be served; `None`: any peer.
fn allowed(row: &TransferRow, serve: &Permission) -> Option<BTreeSet<PeerId>> {
    let named = (!row.allow.is_empty()).then(|| peers(&row.allow));
    match (serve.anyone, named) {
        (true, named) => named,
        (false, None) => Some(peers(&serve.peers)),
        (false, Some(named)) => Some(named.intersection(&peers(&serve.peers)).copied().collect()),
    }
}

fn peers<'a>(names: impl IntoIterator<Item = &'a String>) -> BTreeSet<PeerId> {
    names.into_iter().filter_map(|name| name.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NewShare;

    fn id(n: u8) -> PeerId {
        PeerId([n; 32])
    }

    fn permission(anyone: bool, peers: &[PeerId]) -> Permission {
        Permission {
            anyone,
            peers: peers.iter().map(ToString::to_string).collect(),
            ends_unix: None,
            reason: None,
        }
    }

    /// The controls of a share that names these peers; of a fetch, where `fetch` is given.
    fn controls_for(allow: &[PeerId], serve: Option<&Permission>, fetch: Option<&Permission>) -> Controls {
        let allow = allow.iter().map(ToString::to_string).collect();
        let new = NewShare { allow, ..NewShare::default() };
        let row = TransferRow::share(new, "ab".repeat(32), String::new(), "/f".into(), 0);
        controls(&LimitInputs { row: &row, slots: Some(7), serve, fetch, quota_version: 3 })
    }

    #[test]
    fn without_a_permission_no_peer_may_come_and_no_source_is_asked() {
        let (anyone, none) = (permission(true, &[]), Some(BTreeSet::new()));
        let served = controls_for(&[], Some(&anyone), None);
        assert_eq!((served.allow, &served.sources), (None, &none));
        let fetched = controls_for(&[], None, Some(&anyone));
        assert_eq!((&fetched.allow, fetched.sources), (&none, None));
        assert_eq!((fetched.slots, fetched.quota_version), (Some(7), 3));
    }

    #[test]
    fn who_may_come_is_what_was_agreed_and_named() {
        let (anyone, some) = (permission(true, &[]), permission(false, &[id(1), id(2)]));
        let allowed = |named: &[PeerId], serve| controls_for(named, Some(serve), None).allow;
        let set = |peers: &[PeerId]| Some(peers.iter().copied().collect());
        assert_eq!(allowed(&[], &anyone), None);
        assert_eq!(allowed(&[id(2), id(3)], &anyone), set(&[id(2), id(3)]));
        assert_eq!(allowed(&[id(2), id(3)], &some), set(&[id(2)]));
        assert_eq!(allowed(&[], &some), set(&[id(1), id(2)]));
    }

    #[test]
    fn sources_are_the_peers_that_a_grant_to_fetch_names() {
        let one = permission(false, &[id(1)]);
        assert_eq!(controls_for(&[], None, Some(&one)).sources, Some(BTreeSet::from([id(1)])));
        // Any open grant is enough.
        let both = Permission { anyone: true, ..one };
        assert_eq!(controls_for(&[], None, Some(&both)).sources, None);
    }
}
