//! The fold of the lines, its boundaries, and which grant bytes are charged to.

use crate::consent::GrantQuery;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{NOW, kinds, peer, swarm};
use crate::consent::line::{Granted, Kind, Line, Revoked};
use crate::consent::{Action, GrantState};
use crate::consent::{Denied, Grants, Permission, charged};

fn fold(kinds: &[Kind]) -> Grants {
    let line = |(at, kind): (usize, &Kind)| Line::new(at as u64 + 1, NOW, String::new(), kind.clone());
    Grants::of(&kinds.iter().enumerate().map(line).collect::<Vec<_>>())
}

fn serve(model: Option<u8>, with: Option<u8>, expires_unix: Option<u64>, quota_bytes: Option<u64>) -> Kind {
    let (model, with) = (model.map(swarm), with.map(peer));
    Kind::Grant(Granted {
        action: Action::Serve,
        model,
        peer: with,
        expires_unix,
        quota_bytes,
        by: "api".into(),
    })
}

fn revoke(grant: u64) -> Kind {
    Kind::Revoke(Revoked { grant, by: "api".into() })
}

fn permission(grants: &Grants, now: u64, used: &BTreeMap<u64, u64>) -> Permission {
    grants.permission(Action::Serve, &swarm(1), now, |id| used.get(&id).copied().unwrap_or(0))
}

/// Returns true if `one` permits nothing that `other` does not.
fn is_within(one: &Permission, other: &Permission) -> bool {
    (!one.anyone || other.anyone) && one.peers.is_subset(&other.peers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_revocation_is_final_and_never_adds(kinds in kinds(), of in 1_u64..12, now in NOW..NOW + 20, moved in 0_u64..20) {
        let grants = fold(&kinds);
        let mut more = kinds.clone();
        more.push(revoke(of));
        let after = fold(&more);
        for action in Action::ALL {
            for model in 1..4 {
                let ask = |grants: &Grants| grants.permission(action, &swarm(model), now, |id| moved * (id % 3));
                let (before, after) = (ask(&grants), ask(&after));
                prop_assert!(is_within(&after, &before), "{before:?} {after:?}");
                prop_assert_eq!(after.is_some(), after.reason.is_none());
            }
        }
        // Independent of other lines in the log and of their order.
        let state = |grants: &Grants| grants.list(now, |_| 0).iter().find(|grant| grant.id == of).map(|grant| grant.state);
        let revoked = state(&after);
        prop_assert!(revoked.is_none_or(|state| state == GrantState::Revoked));
        if revoked.is_some() {
            more.extend(kinds);
            prop_assert_eq!(state(&fold(&more)), revoked);
        }
    }

    #[test]
    fn time_and_bytes_take_away_and_never_give(kinds in kinds(), now in NOW..NOW + 20, moved in 0_u64..20) {
        let grants = fold(&kinds);
        let ask = |now, moved| grants.permission(Action::Serve, &swarm(1), now, |_| moved);
        prop_assert!(is_within(&ask(now + 1, moved), &ask(now, moved)));
        prop_assert!(is_within(&ask(now, moved + 1), &ask(now, moved)));
        // Time alone changes nothing before `ends_unix`.
        let permission = ask(now, moved);
        let last = permission.ends_unix.map_or(NOW + 100, |ends| ends - 1);
        prop_assert!(last >= now);
        let later = ask(last, moved);
        prop_assert_eq!((later.anyone, later.peers), (permission.anyone, permission.peers));
    }

    #[test]
    fn bytes_count_against_a_grant_exactly_where_one_permits_them(kinds in kinds(), now in NOW..NOW + 20, moved in 0_u64..20) {
        let grants = fold(&kinds);
        let used = |id: u64| moved * (id % 3);
        let listed = grants.list(now, used);
        for action in Action::ALL {
            for (model, with) in [(1, 1), (2, 1), (3, 3)] {
                let open = grants.open(action, &swarm(model), now, &|_| false);
                let charged = charged(&open, &peer(with), 1, used);
                let permission = grants.permission(action, &swarm(model), now, used);
                let grant = charged.map(|id| listed.iter().find(|grant| grant.id == id).unwrap());
                let is_open = grant.is_some_and(|grant| grant.state == GrantState::Active);
                // Publishing also needs permission to serve.
                let is_served = grants.permission(Action::Serve, &swarm(model), now, used).is_some();
                let is_meant = is_open && (action != Action::Publish || is_served);
                prop_assert_eq!(is_meant, permission.permits(&peer(with)), "{:?} {:?}", grant, permission);
                if let Some(grant) = grant {
                    prop_assert!(grant.state == GrantState::Active && grant.action == action);
                    prop_assert!(grant.model.as_ref().is_none_or(|of| *of == swarm(model)));
                    prop_assert!(grant.peer.as_ref().is_none_or(|of| *of == peer(with)));
                }
            }
        }
    }
}

#[test]
fn a_grant_ends_at_its_second_and_at_its_byte() {
    let grants = fold(&[serve(None, None, Some(NOW + 10), Some(100))]);
    let ask = |now, moved| permission(&grants, now, &BTreeMap::from([(1, moved)]));
    let open = ask(NOW + 9, 99);
    assert_eq!((open.anyone, open.ends_unix, open.reason), (true, Some(NOW + 10), None));
    assert_eq!((ask(NOW + 10, 99).is_some(), ask(NOW + 10, 99).reason), (false, Some(Denied::Expired)));
    let spent = ask(NOW + 9, 100);
    assert_eq!((spent.is_some(), spent.reason, spent.ends_unix), (false, Some(Denied::Spent), None));
    assert_eq!(ask(NOW + 10, 100).reason, Some(Denied::Expired));
    let states = |now, moved| grants.list(now, |_| moved)[0].state;
    assert_eq!(states(NOW + 9, 99), GrantState::Active);
    assert_eq!(states(NOW + 10, 0), GrantState::Expired);
    assert_eq!(states(NOW, 101), GrantState::Spent);
}

#[test]
fn a_permission_says_for_whom_until_when_and_why_not() {
    let none = BTreeMap::new();
    assert_eq!(permission(&fold(&[]), NOW, &none).reason, Some(Denied::Never));
    let other = fold(&[serve(Some(2), None, None, None)]);
    assert_eq!(permission(&other, NOW, &none).reason, Some(Denied::Never));
    let revoked = fold(&[serve(None, None, Some(NOW), None), serve(None, None, None, None), revoke(2)]);
    assert_eq!(permission(&revoked, NOW, &none).reason, Some(Denied::Revoked), "the newest");

    let mixed = fold(&[
        serve(None, None, Some(NOW + 5), Some(10)),
        serve(Some(1), None, None, Some(30)),
        serve(Some(1), Some(1), Some(NOW + 3), None),
        serve(None, Some(2), None, Some(7)),
        serve(Some(2), None, None, None),
    ]);
    let now = permission(&mixed, NOW, &BTreeMap::from([(2, 5), (4, 1)]));
    assert_eq!((now.anyone, now.ends_unix), (true, Some(NOW + 3)));
    assert_eq!(now.peers, BTreeSet::from([peer(1), peer(2)]));
    assert!(now.permits(&peer(9)));
    let own = permission(&fold(&[serve(Some(1), Some(1), None, None)]), NOW, &none);
    assert_eq!((own.anyone, own.is_some()), (false, true));
    assert!(own.permits(&peer(1)) && !own.permits(&peer(2)));
}

#[test]
fn bytes_count_against_the_most_specific_then_the_oldest_grant() {
    let kinds = [
        serve(None, None, None, Some(100)),
        serve(Some(1), None, None, Some(100)),
        serve(None, Some(1), None, Some(100)),
        serve(Some(1), Some(1), None, Some(100)),
        serve(Some(1), Some(1), None, Some(100)),
    ];
    let grants = fold(&kinds);
    let open = |grants: &Grants, action, model| grants.open(action, &swarm(model), NOW, &|_| false);
    let against = |spent: &[u64]| {
        let used = |id| if spent.contains(&id) { 100 } else { 99 };
        charged(&open(&grants, Action::Serve, 1), &peer(1), 1, used)
    };
    assert_eq!(against(&[]), Some(4));
    assert_eq!(against(&[4]), Some(5));
    assert_eq!(against(&[4, 5]), Some(3));
    assert_eq!(against(&[3, 4, 5]), Some(2));
    assert_eq!(against(&[2, 3, 4, 5]), Some(1));
    assert_eq!(against(&[1, 2, 3, 4, 5]), None);
    assert_eq!(charged(&open(&grants, Action::Serve, 2), &peer(2), 100, |_| 0), Some(1));
    assert_eq!(charged(&open(&grants, Action::Serve, 2), &peer(2), 101, |_| 0), None, "all of them or none");
    assert_eq!(open(&grants, Action::Fetch, 1), []);
    let gone = fold(&[serve(None, None, Some(NOW), None), serve(None, None, None, None), revoke(2)]);
    assert_eq!(open(&gone, Action::Serve, 1), []);
}

#[test]
fn publishing_ends_with_serving() {
    let publish = |expires_unix| {
        let (action, model, by) = (Action::Publish, Some(swarm(1)), "api".to_owned());
        Kind::Grant(Granted { action, model, peer: None, expires_unix, quota_bytes: None, by })
    };
    let ask = |grants: &Grants, now, moved| grants.permission(Action::Publish, &swarm(1), now, |_| moved);
    let grants = fold(&[serve(Some(1), Some(1), Some(NOW + 5), Some(10)), publish(Some(NOW + 9))]);
    let open = ask(&grants, NOW, 9);
    assert_eq!((open.anyone, open.ends_unix, open.reason), (true, Some(NOW + 5), None));
    assert_eq!(ask(&grants, NOW, 10).reason, Some(Denied::Spent));
    assert_eq!(ask(&grants, NOW + 5, 0).reason, Some(Denied::Expired));
    let revoked = fold(&[serve(None, None, None, None), publish(None), revoke(1)]);
    let denied = ask(&revoked, NOW, 0);
    assert_eq!((denied.is_some(), denied.reason), (false, Some(Denied::Revoked)));
}

#[test]
fn excluded_grants_and_quotas_below_a_chunk_permit_nothing() {
    let grants = fold(&[
        serve(Some(1), None, None, Some(100)),
        serve(Some(1), Some(2), None, Some(50)),
        serve(Some(1), Some(3), None, None),
    ]);
    let swarm = swarm(1);
    let ask = |except: &dyn Fn(u64) -> bool, used: u64, least: u64| {
        let query = GrantQuery { swarm: &swarm, now_unix: NOW, used: &|_| used, except, least_bytes: least };
        grants.permission_for(Action::Serve, &query)
    };
    let all = ask(&|_| false, 0, 0);
    assert_eq!(all, grants.permission(Action::Serve, &swarm, NOW, |_| 0));
    let others = ask(&|id| id == 1, 0, 0);
    assert!(!others.anyone && others.peers == BTreeSet::from([peer(2), peer(3)]));
    let none = ask(&|_| true, 0, 0);
    assert_eq!((none.is_some(), none.reason), (false, Some(Denied::Never)));
    // 60 of 100 and 10 of 50 are left: a chunk of 16 fits into the first alone, one of 61 into neither.
    assert_eq!(ask(&|_| false, 40, 16).peers, BTreeSet::from([peer(3)]));
    assert_eq!(ask(&|_| false, 40, 10).peers, BTreeSet::from([peer(2), peer(3)]));
    let spent = ask(&|id| id == 3, 40, 61);
    assert_eq!((spent.is_some(), spent.reason), (false, Some(Denied::Spent)));
    let against = |except: &dyn Fn(u64) -> bool, with: u8| {
        charged(&grants.open(Action::Serve, &swarm, NOW, except), &peer(with), 1, |_| 0)
    };
    assert_eq!((against(&|_| false, 2), against(&|id| id == 2, 2)), (Some(2), Some(1)));
    assert_eq!(against(&|id| id < 3, 2), None);
}
