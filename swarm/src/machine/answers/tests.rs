//! Used-up allowances, of one key and of all together, and how peers that may be sources are treated then.

use std::collections::BTreeMap;
use std::time::Duration;

use minimodel_wire::{Bitfield, Frame};

use super::super::events::{Input, KeepOutcome, Output, RequestFault, ServeOutcome};
use super::super::harness::{CHUNKS, Harness, SEED, TAKE, both, having, id};
use minimodel_wire::CloseCode;

use super::super::user_controls::Controls;
use super::*;

const CHUNK: u64 = 1 << 16;

fn controls(change: impl FnOnce(&mut Controls)) -> Input {
    let mut controls = Controls::default();
    change(&mut controls);
    Input::Controls(controls)
}

/// The peer with key `n` wants chunks of ours, and may have some for us.
fn want(harness: &mut Harness, n: u8, consent: minimodel_wire::Consent, have: Bitfield) {
    harness.join(n, consent, have);
    if consent.contains(minimodel_wire::Consent::FETCH) {
        harness.frame(n.into(), Frame::Interested);
    }
    harness.frame(n.into(), Frame::Unchoke);
}

fn serve(harness: &mut Harness, ask: u64) {
    harness.tell(Input::Served { ask: Ask(ask), outcome: ServeOutcome::Done { bytes: CHUNK } });
}

fn keep_all(harness: &mut Harness) -> Vec<(u64, u32)> {
    let asked = harness.requests();
    for &(_, req, _) in &asked {
        harness.tell(Input::Arrived { req });
        harness.tell(Input::Kept { req, outcome: KeepOutcome::Kept });
    }
    asked.into_iter().map(|(conn, _, index)| (conn, index)).collect()
}

fn served(said: &[Output]) -> Vec<u64> {
    said.iter().filter_map(|o| if let Output::Serve { ask, .. } = o { Some(ask.0) } else { None }).collect()
}

fn is_closed(said: &[Output]) -> bool {
    said.iter().any(|output| matches!(output, Output::Close { .. }))
}

fn is_refused(said: &[Output], asks: &[u64], code: ResetCode) -> bool {
    let is_it = |output: &Output, ask| matches!(output, Output::Refuse { ask: of, code: why } if of.0 == ask && *why == code);
    asks.iter().all(|&ask| said.iter().any(|output| is_it(output, ask)))
}

// Rows: B22
#[test]
fn source_with_used_allowance_is_choked_and_still_fetched_from() {
    let mut harness = Harness::with(both(), having(0..10), |config| config.controls.allowance = Some(CHUNK));
    want(&mut harness, 1, both(), having(5..20));
    harness.said();
    for ask in 0..3 {
        harness.ask(1, ask, ask as u32);
    }
    serve(&mut harness, 0);
    let said = harness.said();
    assert!(is_refused(&said, &[1, 2], ResetCode::BudgetUsed) && !is_closed(&said));
    assert!(said.iter().any(|output| matches!(output, Output::Send { frame: Frame::Choke, .. })));
    assert!(harness.machine.progress().requests > 0, "and we fetch from it");
    harness.wait(Duration::from_secs(12));
    harness.ask(1, 5, 1);
    let said = harness.said();
    assert!(is_refused(&said, &[5], ResetCode::Choked) && !is_closed(&said), "no slot is given to it");
    // A larger allowance lets the peer be served again; one whose rest is smaller than a chunk does not.
    harness.tell(controls(|controls| controls.allowance = Some(2 * CHUNK - 1)));
    assert!(!harness.machine.peer_state(Conn(1)).unwrap().may_be_served);
    harness.tell(controls(|controls| controls.allowance = Some(2 * CHUNK)));
    assert!(harness.frames(1).contains(&Frame::Unchoke));
    harness.ask(1, 6, 1);
    serve(&mut harness, 6);
    harness.ask(1, 7, 2);
    harness.said();
    // A peer that is no wanted source any more is closed like any other peer.
    harness.tell(Input::Rescanned { have: (10..20).collect() });
    assert_eq!(harness.closes(), [(1, CloseCode::BudgetUsed)]);
}

// Rows: B22
#[test]
fn source_with_spent_daily_budget_is_served_again_the_next_day() {
    let mut harness = Harness::new(both(), having(0..10));
    let took_all = |harness: &mut Harness| {
        for _ in 0..harness.machine.swarm.config.day_budget() {
            harness.machine.standings.of(id(1), harness.now).took(harness.now, 1);
        }
    };
    want(&mut harness, 1, both(), having(5..10));
    took_all(&mut harness);
    harness.said();
    harness.ask(1, 1, 1);
    let said = harness.said();
    assert!(is_refused(&said, &[1], ResetCode::BudgetUsed) && !is_closed(&said), "it may have some later");
    harness.now = harness.now + Duration::from_secs(24 * 3_600);
    harness.tell(Input::Tick);
    assert!(harness.frames(1).contains(&Frame::Unchoke));
    took_all(&mut harness);
    harness.ask(1, 2, 1);
    harness.said();
    harness.tell(controls(|controls| controls.sources = Some(Default::default())));
    assert_eq!(harness.closes(), [(1, CloseCode::BudgetUsed)]);
}

// Rows: B22
#[test]
fn common_serve_allowance_is_one_sum_over_all_keys() {
    let mut harness = Harness::with(SEED, Bitfield::full(CHUNKS), |config| {
        config.controls.serve_allowance = Some(3 * CHUNK);
    });
    for n in 1..=2 {
        want(&mut harness, n, TAKE, having([]));
    }
    harness.said();
    for ask in 0..2 {
        harness.ask(1, ask, ask as u32);
        harness.ask(2, 10 + ask, ask as u32);
    }
    let said = harness.said();
    assert_eq!(served(&said), [0, 10, 1], "and the other waits for how these end");
    assert!(!is_closed(&said));
    serve(&mut harness, 10);
    serve(&mut harness, 0);
    assert_eq!(harness.closes(), []);
    serve(&mut harness, 1);
    assert_eq!(harness.closes(), [(2, CloseCode::BudgetUsed)]);
    assert!(harness.machine.work().has_turned_away);
    // A new key finds the common allowance used up as well.
    want(&mut harness, 3, TAKE, having([]));
    harness.ask(3, 20, 0);
    assert_eq!(harness.closes(), [(3, CloseCode::BudgetUsed)]);
    harness.tell(controls(|controls| controls.serve_allowance = Some(4 * CHUNK)));
    assert!(!harness.machine.work().has_turned_away);
    want(&mut harness, 4, TAKE, having([]));
    harness.ask(4, 30, 0);
    assert_eq!(served(&harness.said()), [30]);
    // An answer that the peer broke off counts whole, as with its own allowance.
    harness.tell(Input::Closed { conn: Conn(4), code: None });
    harness.ask(1, 40, 5);
    assert_eq!(harness.closes(), [(1, CloseCode::BudgetUsed)]);
}

// Rows: B22
#[test]
fn what_one_did_not_take_of_the_common_sum_another_gets() {
    let mut harness =
        Harness::with(SEED, Bitfield::full(CHUNKS), |config| config.controls.serve_allowance = Some(CHUNK));
    for n in 1..=2 {
        want(&mut harness, n, TAKE, having([]));
    }
    harness.ask(1, 1, 0);
    harness.ask(2, 2, 0);
    assert_eq!(served(&harness.said()), [1]);
    harness.tell(Input::Served { ask: Ask(1), outcome: ServeOutcome::Cancelled { bytes: 0 } });
    let said = harness.said();
    assert_eq!(served(&said), [2]);
    assert!(!is_closed(&said));
}

#[test]
fn source_with_used_allowance_is_not_asked_and_others_go_on() {
    let mut harness = Harness::with(TAKE, having([]), |config| {
        config.controls.fetch_allowances = BTreeMap::from([(id(1), 2 * CHUNK + CHUNK / 2), (id(2), 0)]);
        config.controls.fetch_allowance = Some(3 * CHUNK);
    });
    for n in 1..=2 {
        want(&mut harness, n, SEED, Bitfield::full(CHUNKS));
    }
    let mut of = BTreeMap::<u64, u32>::new();
    let mut count = |harness: &mut Harness| {
        for _ in 0..10 {
            keep_all(harness).into_iter().for_each(|(conn, _)| *of.entry(conn).or_default() += 1);
            harness.wait(Duration::from_secs(1));
        }
        of.clone()
    };
    assert_eq!(count(&mut harness), BTreeMap::from([(1, 2)]));
    assert!(harness.machine.work().is_at_quota);
    // Bytes from sources with an allowance of their own do not count against the allowance of the others.
    want(&mut harness, 3, SEED, Bitfield::full(CHUNKS));
    assert_eq!(count(&mut harness), BTreeMap::from([(1, 2), (3, 3)]));
    assert!(harness.machine.work().is_at_quota);
    // The common allowance is raised; sources with their own allowance keep it.
    let change = |controls: &mut Controls| {
        controls.fetch_allowances = BTreeMap::from([(id(1), 2 * CHUNK + CHUNK / 2), (id(2), CHUNK)]);
        controls.fetch_allowance = Some(4 * CHUNK);
    };
    harness.tell(controls(change));
    assert_eq!(count(&mut harness), BTreeMap::from([(1, 2), (2, 1), (3, 4)]));
    // A source that loses its own entry counts with the others, including the bytes that it sent before.
    harness.tell(controls(|controls| controls.fetch_allowance = Some(8 * CHUNK)));
    let total: u32 = count(&mut harness).values().sum();
    assert_eq!(total, 8);
}

#[test]
fn a_source_is_held_to_an_allowance_over_all_its_connections() {
    let mut harness = Harness::with(TAKE, having([]), |config| {
        config.controls.fetch_allowances = BTreeMap::from([(id(1), 2 * CHUNK)]);
    });
    want(&mut harness, 1, SEED, Bitfield::full(CHUNKS));
    let (_, req, _) = harness.requests()[0];
    harness.tell(Input::Progress { req, received: 10 });
    harness.tell(Input::Closed { conn: Conn(1), code: None });
    want(&mut harness, 1, SEED, Bitfield::full(CHUNKS));
    assert_eq!(harness.requests().len(), 1, "ten bytes less than two chunks");
}

#[test]
fn fetch_with_less_than_one_chunk_left_is_at_quota_when_choked() {
    let mut harness = Harness::with(TAKE, having([]), |config| {
        config.controls.fetch_allowance = Some(2 * CHUNK - 1);
        config.terms.byte_count = u64::from(CHUNKS) * CHUNK - 100;
    });
    want(&mut harness, 1, SEED, having(0..10));
    assert_eq!(keep_all(&mut harness).len(), 1);
    assert!(harness.machine.work().is_at_quota);
    harness.frame(1, Frame::Choke);
    assert!(harness.machine.work().is_at_quota, "it has no use for a slot");
    // The last chunk is shorter and fits.
    want(&mut harness, 2, SEED, Bitfield::full(CHUNKS));
    assert_eq!(keep_all(&mut harness), [(2, CHUNKS - 1)]);
    assert!(harness.machine.work().is_at_quota);
    // A source without a quota that chokes us is the reason for waiting, unless another source is at its quota and unchokes us.
    harness.tell(controls(|controls| controls.fetch_allowances = BTreeMap::from([(id(2), 0)])));
    harness.frame(2, Frame::Choke);
    assert!(!harness.machine.work().is_at_quota, "the first chokes us");
    harness.frame(2, Frame::Unchoke);
    assert!(harness.machine.work().is_at_quota);
    harness.tell(Input::Closed { conn: Conn(1), code: None });
    harness.tell(Input::Closed { conn: Conn(2), code: None });
    assert!(!harness.machine.work().is_at_quota, "nobody is here");
}

#[test]
fn share_with_less_left_than_requested_has_turned_peers_away() {
    for common in [true, false] {
        let change = |controls: &mut Controls| {
            *(if common { &mut controls.serve_allowance } else { &mut controls.allowance }) = Some(CHUNK - 1);
        };
        let mut harness = Harness::with(SEED, Bitfield::full(CHUNKS), |config| change(&mut config.controls));
        want(&mut harness, 1, TAKE, having([]));
        harness.ask(1, 1, 0);
        assert_eq!(harness.closes(), [(1, CloseCode::BudgetUsed)]);
        assert!(harness.machine.work().has_turned_away);
        harness.tell(controls(|controls| controls.serve_allowance = Some(CHUNK - 1)));
        assert!(harness.machine.work().has_turned_away, "still too little");
        harness.tell(controls(|controls| controls.serve_allowance = Some(CHUNK)));
        assert!(!harness.machine.work().has_turned_away);
    }
}

#[test]
fn a_rest_is_used_up_when_no_chunk_that_may_be_next_fits_it() {
    let size = 1 << 16;
    let is_used_up = |left, bytes, is_last_wanted| Controls::is_used_up(left, bytes, size, is_last_wanted);
    assert!(is_used_up(CHUNK - 1, 3 * CHUNK, true) && !is_used_up(CHUNK, 3 * CHUNK, true));
    assert!(is_used_up(9, 2 * CHUNK + 10, true) && !is_used_up(10, 2 * CHUNK + 10, true));
    assert!(is_used_up(CHUNK - 1, 2 * CHUNK + 10, false) && !is_used_up(CHUNK, 2 * CHUNK + 10, false));
    assert!(is_used_up(0, 1, true) && !is_used_up(1, 1, true));
}

/// A seeder that answers `asks` requests of one peer, each for another chunk.
fn serving(asks: u64) -> Harness {
    let mut harness = Harness::with(SEED, Bitfield::full(CHUNKS), |_| {});
    want(&mut harness, 1, TAKE, having([]));
    harness.said();
    (0..asks).for_each(|ask| harness.ask(1, ask, ask as u32));
    assert_eq!(served(&harness.said()), (0..asks).collect::<Vec<_>>());
    harness
}

fn wait_for_quota(harness: &mut Harness, ask: u64, index: u32, is_used_up: bool) {
    harness.tell(Input::Served { ask: Ask(ask), outcome: ServeOutcome::HeldBack { index, is_used_up } });
}

// Rows: B22
#[test]
fn peer_held_by_shared_quota_gets_started_chunks_then_is_told() {
    let mut harness = serving(3);
    wait_for_quota(&mut harness, 2, 2, true);
    let said = harness.said();
    assert!(served(&said).is_empty() && !is_closed(&said), "two are under way");
    serve(&mut harness, 0);
    assert!(!is_closed(&harness.said()));
    serve(&mut harness, 1);
    let said = harness.said();
    assert!(is_refused(&said, &[2], ResetCode::BudgetUsed));
    assert!(said.iter().any(|o| matches!(o, Output::Close { code: CloseCode::BudgetUsed, .. })));
}

// Rows: B22
#[test]
fn peer_held_by_shared_quota_is_retried_when_controls_change() {
    let mut harness = serving(2);
    for slots in 0..20 {
        wait_for_quota(&mut harness, 1, 1, true);
        assert_eq!(harness.said().len(), 0, "one is under way");
        harness.tell(controls(|controls| controls.slots = Some(3 + slots % 2)));
        assert_eq!(served(&harness.said()), [1]);
    }
    serve(&mut harness, 1);
    // An answer that was held back does not count as a repeated chunk.
    harness.ask(1, 2, 1);
    assert_eq!(served(&harness.said()), [2]);
}

// Rows: B22
#[test]
fn peer_waiting_for_shared_quota_keeps_its_place_and_its_order() {
    let mut harness = serving(3);
    for ask in 0..3 {
        wait_for_quota(&mut harness, ask, ask as u32, false);
    }
    let said = harness.said();
    assert!(said.is_empty(), "it waits, although nothing is under way to it: {said:?}");
    harness.wait(Duration::from_millis(600));
    assert_eq!(served(&harness.said()), [0, 1, 2], "in the order in which it asked");
    // The peer is choked before the last outcome is known: that request is refused like all that waited.
    wait_for_quota(&mut harness, 0, 0, false);
    harness.tell(controls(|controls| controls.slots = Some(0)));
    wait_for_quota(&mut harness, 1, 1, false);
    assert!(is_refused(&harness.said(), &[0, 1], ResetCode::Choked));
    serve(&mut harness, 2);
    harness.tell(controls(|controls| controls.slots = Some(4)));
    harness.said();
    harness.ask(1, 9, 9);
    assert_eq!(served(&harness.said()), [9], "a new turn begins with a new try");
}

#[test]
fn source_held_by_shared_quota_is_asked_again_after_a_while() {
    let mut harness = Harness::with(TAKE, having([]), |_| {});
    want(&mut harness, 1, SEED, Bitfield::full(CHUNKS));
    let asked = harness.requests();
    assert!(!asked.is_empty());
    for (_, req, _) in asked {
        harness.tell(Input::Failed { req, fault: RequestFault::HeldBack });
    }
    assert!(harness.machine.work().is_at_quota);
    assert_eq!(harness.requests(), [], "not at once");
    harness.wait(Duration::from_secs(1));
    let again = harness.requests();
    assert!(!again.is_empty() && !harness.machine.work().is_at_quota);
    for (_, req, _) in again {
        harness.tell(Input::Failed { req, fault: RequestFault::HeldBack });
    }
    harness.frame(1, Frame::Choke);
    harness.wait(Duration::from_secs(1));
    assert!(!harness.machine.work().is_at_quota, "what it waits for by now is a slot");
    harness.frame(1, Frame::Unchoke);
    let again = harness.requests();
    assert!(!again.is_empty());
    for (_, req, _) in again {
        harness.tell(Input::Arrived { req });
        harness.tell(Input::Kept { req, outcome: KeepOutcome::Kept });
    }
    assert_eq!(harness.closes(), [], "it is not the peer's fault");
}
