//! Findings about slow or idle transfers, for each cause and state.

use std::collections::{BTreeMap, BTreeSet};

use super::{facts, fetch, share};
use crate::doctor::{CAUSES, FAIL, OK, WARN, advice, cause, name, transfers, words, words_of};
use crate::model::{Cause, Kind, Limits, Rates, State, Status, Transfer, TransferLimits, Window};
use crate::problem::{Problem, code};

#[test]
fn every_cause_has_its_name_its_words_its_sentence_and_its_hint() {
    let facts = facts();
    let of = |kind| CAUSES.map(|cause| words_of(kind, cause));
    for all in [CAUSES.map(name), CAUSES.map(words), of(Kind::Share), of(Kind::Fetch)] {
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), CAUSES.len());
    }
    for cause in CAUSES {
        for base in [fetch(5), share(5)] {
            let idle_seconds = BTreeMap::from([(cause, 72.0)]);
            let stuck = Transfer { cause: Some(cause), idle_seconds, ..base };
            let found = transfers::transfer(&stuck, &facts.status);
            assert!(
                found.detail.contains(words_of(stuck.kind, cause))
                    && found.detail.contains("72 % of the time "),
                "{found:?}"
            );
            assert_eq!(found.outcome == OK, cause::is_in_order(cause), "{found:?}");
            assert_eq!(found.hint.as_deref(), Some(advice(cause, &stuck, &facts.status).as_str()));
        }
    }
}

#[test]
fn limits_page_has_a_row_for_every_cause_in_terminal_words() {
    let page = include_str!("../../../../docs/limits.md");
    for cause in CAUSES {
        let row = format!("| `{}` | {} |", name(cause), words(cause));
        assert!(page.contains(&row), "docs/limits.md lacks {row:?}");
    }
}

#[test]
fn longest_standstill_comes_first_and_short_ones_do_not_warn() {
    let status = facts().status;
    let idle = [(Cause::NoDemand, 50.0), (Cause::Disk, 30.0), (Cause::PeerSlow, 5.0), (Cause::Quota, 0.2)];
    let found = transfers::transfer(&Transfer { idle_seconds: idle.into(), ..share(1) }, &status);
    let places = ["50 % of the time without", "30 % of the time waiting for the disk", "5 % of the time"];
    let at = places.map(|text| found.detail.find(text).unwrap());
    assert!(at.is_sorted() && !found.detail.contains("quota"), "{found:?}");
    assert_eq!((found.outcome.as_str(), found.hint.unwrap().contains("df -h")), (WARN, true));
    // A short standstill is shown without a warning; a run without a measured length is as long as its standstills.
    let brief = Transfer { idle_seconds: [(Cause::Disk, 0.5)].into(), ..fetch(1) };
    let found = transfers::transfer(&brief, &status);
    assert!(found.outcome == OK && found.detail.contains("under 1 %"), "{found:?}");
    let untimed = Transfer { run_seconds: 0.0, ..brief };
    assert!(transfers::transfer(&untimed, &status).detail.contains("100 %"));
}

#[test]
fn a_rate_limit_is_named_with_the_command_that_raises_it() {
    let held = |transfer: Transfer| Transfer { idle_seconds: [(Cause::RateLimit, 72.0)].into(), ..transfer };
    let told = |transfer: Transfer, limits: &Limits, now| {
        let status = Status { limits: limits.clone(), now, ..facts().status };
        let found = transfers::transfer(&held(transfer), &status);
        format!("{} | {}", found.detail, found.hint.unwrap())
    };
    let limits = Limits { down: Some(1 << 20), ..Limits::default() };
    let now = Rates { down: Some(1 << 20), ..Rates::default() };
    let common = told(fetch(5), &limits, now);
    assert!(common.contains("72 % of the time held back by the limit of 1.0 MiB/s"), "{common}");
    assert!(common.contains("`minimodel limits set --down RATE`"), "{common}");
    let own = |kind: Transfer| {
        let limits = TransferLimits { up: Some(1 << 10), down: Some(2 << 10), slots: None };
        Transfer { limits, ..kind }
    };
    let fetched = told(own(fetch(5)), &limits, now);
    assert!(fetched.contains("2.0 KiB/s") && fetched.contains("transfer limit 5 --down RATE"), "{fetched}");
    let shared = told(own(share(6)), &limits, now);
    assert!(shared.contains("1.0 KiB/s") && shared.contains("transfer limit 6 --up RATE"), "{shared}");
    // A fetch with only an upload limit.
    let sending = told(fetch(5), &limits, Rates { up: Some(4 << 10), ..Rates::default() });
    assert!(sending.contains("4.0 KiB/s") && sending.contains("--up RATE"), "{sending}");
    let window = Window { from: 8, to: 18, down: Some(3 << 10), ..Window::default() };
    let by_day = Limits { schedule: vec![window], ..limits };
    let scheduled = told(fetch(5), &by_day, Rates { down: Some(3 << 10), ..Rates::default() });
    assert!(scheduled.contains("3.0 KiB/s") && scheduled.contains("from 8 to 18"), "{scheduled}");
}

#[test]
fn a_share_is_told_of_those_who_take_and_not_of_those_who_give() {
    let status = facts().status;
    for cause in [Cause::Choked, Cause::PeerSlow] {
        let stuck = Transfer { cause: Some(cause), idle_seconds: [(cause, 72.0)].into(), ..share(6) };
        let found = transfers::transfer(&stuck, &status);
        let (detail, hint) = (found.detail, found.hint.unwrap());
        for foreign in [words(cause), "those who have it", "let us ask"] {
            assert!(!detail.contains(foreign), "{detail}");
        }
        assert!(!hint.contains("fetch from"), "{hint}");
        assert_eq!(hint.contains("transfer limit 6 --slots"), cause == Cause::Choked, "{hint}");
    }
}

#[test]
fn every_state_of_a_transfer_has_its_finding() {
    let status = facts().status;
    let outcome = |state, cause| {
        let problem = Problem::new(code::IO, "it broke", "mend it").because("a reason");
        let found =
            transfers::transfer(&Transfer { state, cause, problem: Some(problem), ..fetch(1) }, &status);
        (found.outcome.clone(), format!("{} | {}", found.detail, found.hint.unwrap_or_default()))
    };
    let cases = [
        (State::Asking, None, WARN, "asks for consent"),
        (State::Waiting, Some(Cause::Quota), WARN, "quota or daily budget"),
        (State::Waiting, Some(Cause::Schedule), OK, "schedule"),
        (State::Waiting, Some(Cause::SameModel), OK, "goes first"),
        (State::Waiting, None, WARN, "waits"),
        (State::Preparing, None, OK, "being prepared"),
        (State::Running, None, OK, "1.0 MiB of 4.0 MiB here, 1 peer, 512.0 KiB/s in"),
        (State::Paused, Some(Cause::Paused), OK, "transfer start 1"),
        (State::Done, None, OK, "is done"),
        (State::Failed, None, FAIL, "it broke (a reason) | mend it"),
    ];
    for (state, cause, expected, words) in cases {
        let (outcome, text) = outcome(state, cause);
        assert!(outcome == expected && text.contains(words), "{state:?}: {outcome} {text}");
    }
}

#[test]
fn share_with_unreachable_file_or_address_says_why_and_retries() {
    let problem = Some(Problem::new(code::IO, "it broke", "mend it").because("a reason"));
    for cause in [Cause::Disk, Cause::Address] {
        let held =
            Transfer { state: State::Waiting, cause: Some(cause), problem: problem.clone(), ..share(1) };
        let found = transfers::transfer(&held, &facts().status);
        let hint = "mend it; it is tried again by itself, and at once by `minimodel transfer start 1`";
        assert_eq!((found.outcome.as_str(), found.hint.as_deref()), (WARN, Some(hint)));
        assert!(found.detail.ends_with(&format!("{}; it broke (a reason)", words(cause))), "{found:?}");
    }
}
