//! Limits of a running transfer, computed from grants, limits and transferred bytes: pure, recomputed at each reconcile.

use std::collections::{BTreeMap, BTreeSet};

use minimodel::consent::Permission;
use minimodel_swarm::driver::Controls;
use minimodel_wire::PeerId;

use super::moved_bytes::RunTotals;
use super::row::TransferRow;
use crate::limits::ledger;
use crate::model::Limits;

/// Inputs of the limits.
#[derive(Debug)]
pub(super) struct LimitInputs<'a> {
    pub(super) row: &'a TransferRow,
    pub(super) limits: &'a Limits,
    /// Permission to serve; `None`: it does not serve.
    pub(super) serve: Option<&'a Permission>,
    /// Permission to fetch; `None`: it does not fetch.
    pub(super) fetch: Option<&'a Permission>,
    /// Bytes transferred in this session.
    pub(super) session: &'a RunTotals,
    /// Bytes sent today to each peer by all transfers together.
    pub(super) sent_today: &'a BTreeMap<String, u64>,
}

/// Returns which peers may connect, which may be asked, and how many bytes may move. Allowances count from the session's start,
/// as the machine counts; what is left of a day or a grant is added to what the session has already moved.
pub(super) fn controls(inputs: &LimitInputs<'_>) -> Controls {
    let LimitInputs { row, limits, serve, fetch, .. } = *inputs;
    let mut controls = Controls {
        allow: Some(BTreeSet::new()),
        slots: row.limits.slots.or(limits.slots).map(usize::from),
        ..Controls::default()
    };
    if let Some(serve) = serve {
        limit_serving(&mut controls, inputs, serve);
    }
    match fetch {
        Some(fetch) => limit_fetching(&mut controls, inputs, fetch),
        None => {
            controls.fetch_allowance = Some(0);
            controls.sources = Some(BTreeSet::new());
        }
    }
    controls
}

fn limit_serving(controls: &mut Controls, inputs: &LimitInputs<'_>, serve: &Permission) {
    let LimitInputs { row, limits, session, sent_today, .. } = *inputs;
    let named = (!row.allow.is_empty()).then(|| peers(&row.allow));
    controls.allow = match (serve.anyone, named) {
        (true, named) => named,
        (false, None) => Some(peers(&serve.peers)),
        (false, Some(named)) => Some(named.intersection(&peers(&serve.peers)).copied().collect()),
    };
    let day = |name: &str| ledger::peer_left(limits, ledger::used(sent_today, name));
    let of_anyone = serve.left_bytes.filter(|_| serve.anyone);
    // Unlisted peers are charged the `OTHERS` floor, the most that any evicted peer may have been sent.
    controls.allowance = least(day(""), of_anyone);
    // All peers together may take the sum of what the open grants leave, if each of them has a quota.
    let own = serve.left_by_peer.values().copied();
    let mut all = own.chain(serve.anyone.then_some(serve.left_bytes));
    if let Some(left) = all.try_fold(0u64, |sum, left| left.map(|left| sum.saturating_add(left))) {
        controls.serve_allowance = Some(session.total.sent.saturating_add(left));
    }
    let today = sent_today.keys().filter(|_| limits.peer_day_bytes.is_some());
    let known =
        peers(today).into_iter().chain(session.rows.keys().copied()).chain(peers(serve.left_by_peer.keys()));
    for peer in known.collect::<BTreeSet<_>>() {
        let name = peer.to_string();
        // A peer without permission is not on the allow list either.
        let Some(granted) = serve.left_for(&name) else { continue };
        let sent = session.rows.get(&peer).map_or(0, |moved| moved.sent);
        match least(day(&name), granted) {
            Some(left) => drop(controls.allowances.insert(peer, sent.saturating_add(left))),
            None if controls.allowance.is_some() => drop(controls.allowances.insert(peer, u64::MAX)),
            None => {}
        }
    }
}

fn limit_fetching(controls: &mut Controls, inputs: &LimitInputs<'_>, fetch: &Permission) {
    let session = inputs.session;
    controls.sources = (!fetch.anyone).then(|| peers(&fetch.peers));
    for peer in peers(fetch.left_by_peer.keys()) {
        let received = session.rows.get(&peer).map_or(0, |moved| moved.received);
        let left = fetch.left_for(&peer.to_string()).flatten();
        let allowance = left.map_or(u64::MAX, |left| received.saturating_add(left));
        controls.fetch_allowances.insert(peer, allowance);
    }
    let named = controls.fetch_allowances.keys().filter_map(|peer| session.rows.get(peer));
    let received = session.total.received.saturating_sub(named.map(|moved| moved.received).sum());
    controls.fetch_allowance =
        fetch.left_bytes.filter(|_| fetch.anyone).map(|left| received.saturating_add(left));
}

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn peers<'a>(names: impl IntoIterator<Item = &'a String>) -> BTreeSet<PeerId> {
    names.into_iter().filter_map(|name| name.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::companion::moved_bytes::MovedBytes;
    use crate::model::NewShare;

    fn id(n: u8) -> PeerId {
        PeerId([n; 32])
    }

    fn permission(anyone: bool, left: Option<u64>) -> Permission {
        Permission {
            anyone,
            peers: BTreeSet::new(),
            left_bytes: left,
            left_by_peer: BTreeMap::new(),
            ends_unix: None,
            reason: None,
        }
    }

    fn controls_for(
        row: &TransferRow,
        limits: &Limits,
        serve: Option<&Permission>,
        fetch: Option<&Permission>,
    ) -> Controls {
        let total = MovedBytes { received: 70, sent: 30 };
        let session = RunTotals { rows: BTreeMap::from([(id(1), total)]), total };
        let sent_today = BTreeMap::from([(id(1).to_string(), 40), (id(2).to_string(), 95)]);
        controls(&LimitInputs { row, limits, serve, fetch, session: &session, sent_today: &sent_today })
    }

    fn share(allow: &[PeerId]) -> TransferRow {
        let allow = allow.iter().map(ToString::to_string).collect();
        TransferRow::share(
            NewShare { allow, ..NewShare::default() },
            "ab".repeat(32),
            String::new(),
            "/f".into(),
            0,
        )
    }

    #[test]
    fn without_the_consent_to_serve_nobody_may_come() {
        let controls = controls_for(&share(&[]), &Limits::default(), None, Some(&permission(true, None)));
        assert_eq!(controls.allow, Some(BTreeSet::new()));
        assert_eq!((controls.sources, controls.fetch_allowance), (None, None));
    }

    #[test]
    fn without_fetch_consent_no_source_and_no_byte_is_allowed() {
        let controls = controls_for(&share(&[]), &Limits::default(), Some(&permission(true, None)), None);
        assert_eq!((controls.fetch_allowance, controls.sources), (Some(0), Some(BTreeSet::new())));
        assert_eq!(controls.allow, None);
    }

    #[test]
    fn who_may_come_is_what_was_agreed_and_named() {
        let some = Permission {
            peers: [id(1), id(2)].iter().map(ToString::to_string).collect(),
            ..permission(false, None)
        };
        let limits = Limits::default();
        let anyone = permission(true, None);
        assert_eq!(controls_for(&share(&[]), &limits, Some(&anyone), None).allow, None);
        let named = share(&[id(2), id(3)]);
        assert_eq!(
            controls_for(&named, &limits, Some(&anyone), None).allow,
            Some(BTreeSet::from([id(2), id(3)]))
        );
        assert_eq!(controls_for(&named, &limits, Some(&some), None).allow, Some(BTreeSet::from([id(2)])));
        assert_eq!(
            controls_for(&share(&[]), &limits, Some(&some), None).allow,
            Some(BTreeSet::from([id(1), id(2)]))
        );
    }

    #[test]
    fn rest_of_day_and_of_grant_is_counted_from_the_session_start() {
        let limits = Limits { peer_day_bytes: Some(100), ..Limits::default() };
        let controls = controls_for(&share(&[]), &limits, Some(&permission(true, Some(20))), None);
        assert_eq!((controls.allowance, controls.serve_allowance), (Some(20), Some(50)));
        // Peer 1 took 30 in this session and 40 today: 60 are left of its day, 20 of the grant.
        assert_eq!(controls.allowances, BTreeMap::from([(id(1), 50), (id(2), 5)]));
        let open = controls_for(&share(&[]), &limits, Some(&permission(true, None)), None);
        assert_eq!(open.allowances, BTreeMap::from([(id(1), 90), (id(2), 5)]));
        let free = controls_for(&share(&[]), &Limits::default(), Some(&permission(true, None)), None);
        assert_eq!((free.allowance, free.allowances.len()), (None, 0));
    }

    #[test]
    fn a_grant_for_anyone_bounds_all_peers_together() {
        let share = share(&[]);
        let of =
            |serve: &Permission| controls_for(&share, &Limits::default(), Some(serve), None).serve_allowance;
        // Peer 1 took 30 in this session.
        assert_eq!(of(&permission(true, Some(20))), Some(50));
        assert_eq!(of(&permission(true, None)), None);
        let own = BTreeMap::from([(id(1).to_string(), Some(10))]);
        assert_eq!(of(&Permission { left_by_peer: own, ..permission(true, Some(20)) }), Some(60));
    }

    #[test]
    fn a_grant_for_one_peer_has_its_own_rest_and_sources() {
        let one = Permission {
            peers: BTreeSet::from([id(1).to_string()]),
            left_by_peer: BTreeMap::from([(id(1).to_string(), Some(10))]),
            ..permission(false, None)
        };
        let controls = controls_for(&share(&[]), &Limits::default(), Some(&one), Some(&one));
        assert_eq!(controls.allowances, BTreeMap::from([(id(1), 40)]));
        assert_eq!(controls.sources, Some(BTreeSet::from([id(1)])));
        assert_eq!(controls.fetch_allowances, BTreeMap::from([(id(1), 80)]));
        // Any open grant is enough: a peer's own, nearly used up grant takes nothing from the grant for anyone.
        let both = Permission { anyone: true, left_bytes: None, ..one };
        let controls = controls_for(&share(&[]), &Limits::default(), Some(&both), Some(&both));
        assert_eq!((controls.allowance, controls.allowances.len()), (None, 0));
        assert_eq!(controls.fetch_allowances, BTreeMap::from([(id(1), u64::MAX)]));
        assert_eq!((controls.sources, controls.fetch_allowance), (None, None));
    }
}
