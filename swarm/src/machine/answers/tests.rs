//! Used-up quotas and daily budgets, and how peers that may be sources are treated then.

use std::time::Duration;

use minimodel_wire::{Bitfield, Frame};

use super::super::config::Order;
use super::super::events::QuotaRefusal::{self, InFlight, UsedUp};
use super::super::events::{Input, KeepOutcome, Output, Req, RequestFault, ServeOutcome};
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

fn answer_held_back(harness: &mut Harness, ask: u64, index: u32, refusal: QuotaRefusal) {
    harness.tell(Input::Served { ask: Ask(ask), outcome: ServeOutcome::HeldBack { index, refusal } });
}

/// The quota holds back all requests that were made; returns their number.
fn hold_back(harness: &mut Harness, refusal: QuotaRefusal) -> usize {
    let asked = harness.requests();
    for &(_, req, _) in &asked {
        harness.tell(Input::Failed { req, fault: RequestFault::HeldBack(refusal) });
    }
    asked.len()
}

fn keep(harness: &mut Harness, req: Req) {
    harness.tell(Input::Arrived { req });
    harness.tell(Input::Kept { req, outcome: KeepOutcome::Kept });
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
fn source_with_used_quota_is_choked_and_still_fetched_from() {
    let mut harness = Harness::new(both(), having(0..10));
    want(&mut harness, 1, both(), having(5..20));
    harness.said();
    for ask in 0..3 {
        harness.ask(1, ask, ask as u32);
    }
    for ask in 1..3 {
        answer_held_back(&mut harness, ask, ask as u32, UsedUp);
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
    // Another version of the quotas lets the peer be served again, and no other change does.
    harness.tell(controls(|controls| controls.slots = Some(3)));
    assert!(!harness.machine.peer_state(Conn(1)).unwrap().may_be_served);
    harness.tell(controls(|controls| controls.quota_version = 1));
    assert!(harness.frames(1).contains(&Frame::Unchoke));
    harness.ask(1, 6, 1);
    serve(&mut harness, 6);
    harness.ask(1, 7, 2);
    answer_held_back(&mut harness, 7, 2, UsedUp);
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

#[test]
fn share_has_turned_peers_away_until_quotas_change_or_serve() {
    let mut harness = Harness::new(SEED, Bitfield::full(CHUNKS));
    let turn_away = |harness: &mut Harness, ask| {
        want(harness, 1, TAKE, having([]));
        harness.said();
        harness.ask(1, ask, 0);
        answer_held_back(harness, ask, 0, UsedUp);
        assert_eq!(harness.closes(), [(1, CloseCode::BudgetUsed)]);
        assert!(harness.machine.work().has_turned_away);
    };
    turn_away(&mut harness, 1);
    harness.tell(controls(|controls| controls.slots = Some(3)));
    harness.wait(Duration::from_secs(12));
    assert!(harness.machine.work().has_turned_away, "the quotas are as before");
    harness.tell(controls(|controls| controls.quota_version = 1));
    assert!(!harness.machine.work().has_turned_away);
    turn_away(&mut harness, 2);
    want(&mut harness, 1, TAKE, having([]));
    harness.ask(1, 3, 0);
    serve(&mut harness, 3);
    assert!(!harness.machine.work().has_turned_away);
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

// Rows: B22
#[test]
fn peer_held_by_shared_quota_gets_started_chunks_then_is_told() {
    let mut harness = serving(3);
    answer_held_back(&mut harness, 2, 2, UsedUp);
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
        answer_held_back(&mut harness, 1, 1, UsedUp);
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
        answer_held_back(&mut harness, ask, ask as u32, InFlight);
    }
    let said = harness.said();
    assert!(said.is_empty(), "it waits, although nothing is under way to it: {said:?}");
    harness.wait(Duration::from_millis(600));
    assert_eq!(served(&harness.said()), [0, 1, 2], "in the order in which it asked");
    // The peer is choked before the last outcome is known: that request is refused like all that waited.
    answer_held_back(&mut harness, 0, 0, InFlight);
    harness.tell(controls(|controls| controls.slots = Some(0)));
    answer_held_back(&mut harness, 1, 1, InFlight);
    assert!(is_refused(&harness.said(), &[0, 1], ResetCode::Choked));
    serve(&mut harness, 2);
    harness.tell(controls(|controls| controls.slots = Some(4)));
    harness.said();
    harness.ask(1, 9, 9);
    assert_eq!(served(&harness.said()), [9], "a new turn begins with a new try");
}

// Rows: B22
#[test]
fn peer_held_in_flight_is_tried_again_when_an_answer_to_it_ends() {
    let mut harness = serving(3);
    answer_held_back(&mut harness, 2, 2, InFlight);
    assert!(harness.said().is_empty());
    serve(&mut harness, 0);
    assert_eq!(served(&harness.said()), [2]);
    answer_held_back(&mut harness, 2, 2, InFlight);
    serve(&mut harness, 1);
    answer_held_back(&mut harness, 2, 2, UsedUp);
    assert_eq!(harness.closes(), [(1, CloseCode::BudgetUsed)], "without waiting");
}

#[test]
fn source_held_by_shared_quota_is_asked_again_after_a_while() {
    let mut harness = Harness::with(TAKE, having([]), |_| {});
    want(&mut harness, 1, SEED, Bitfield::full(CHUNKS));
    assert!(hold_back(&mut harness, InFlight) > 1);
    assert!(harness.machine.work().is_at_quota);
    assert_eq!(harness.requests(), [], "not at once");
    harness.wait(Duration::from_secs(1));
    assert!(!harness.machine.work().is_at_quota);
    assert_eq!(hold_back(&mut harness, InFlight), 1, "one request shows whether there is room");
    harness.frame(1, Frame::Choke);
    harness.wait(Duration::from_secs(1));
    assert!(!harness.machine.work().is_at_quota, "what it waits for by now is a slot");
    harness.frame(1, Frame::Unchoke);
    let again = harness.requests();
    assert_eq!(again.len(), 1);
    keep(&mut harness, again[0].1);
    assert!(harness.requests().len() > 1, "there is room again");
    assert_eq!(harness.closes(), [], "it is not the peer's fault");
}

#[test]
fn used_up_quota_is_tried_after_10_s_or_when_quotas_change() {
    let mut harness = Harness::new(TAKE, having([]));
    want(&mut harness, 1, SEED, Bitfield::full(CHUNKS));
    hold_back(&mut harness, UsedUp);
    harness.frame(1, Frame::Choke);
    harness.wait(Duration::from_secs(5));
    assert!(harness.machine.work().is_at_quota, "it has no use for a slot");
    harness.frame(1, Frame::Unchoke);
    assert_eq!(harness.requests(), []);
    harness.wait(Duration::from_secs(6));
    assert_eq!(hold_back(&mut harness, UsedUp), 1);
    // A source that is not at its quota and chokes us is no reason for waiting as long as one that is does not.
    want(&mut harness, 2, SEED, Bitfield::full(CHUNKS));
    harness.frame(2, Frame::Choke);
    assert!(harness.machine.work().is_at_quota);
    harness.frame(1, Frame::Choke);
    assert!(!harness.machine.work().is_at_quota, "the second chokes us");
    harness.frame(1, Frame::Unchoke);
    harness.requests();
    harness.tell(controls(|controls| controls.slots = Some(3)));
    assert_eq!(harness.requests(), [], "the quotas are as before");
    harness.tell(controls(|controls| controls.quota_version = 1));
    assert!(harness.requests().len() > 1 && !harness.machine.work().is_at_quota);
}

#[test]
fn shorter_last_chunk_is_requested_when_no_other_fits() {
    for refusal in [UsedUp, InFlight] {
        let mut harness = Harness::with(TAKE, having([]), |config| {
            config.terms.byte_count = u64::from(CHUNKS) * CHUNK - 100;
            config.order = Order::Sequential;
        });
        want(&mut harness, 1, SEED, having(0..10));
        assert!(hold_back(&mut harness, refusal) > 1);
        assert_eq!(harness.requests(), [], "this peer does not have it");
        want(&mut harness, 2, SEED, Bitfield::full(CHUNKS));
        assert!(hold_back(&mut harness, refusal) > 1);
        let last = harness.requests();
        if refusal == InFlight {
            assert_eq!(last, [], "a whole one may fit in a moment, and would not after the short one");
            continue;
        }
        assert_eq!(last.iter().map(|&(conn, _, index)| (conn, index)).collect::<Vec<_>>(), [(2, CHUNKS - 1)]);
        keep(&mut harness, last[0].1);
        assert_eq!(harness.requests(), []);
        assert!(harness.machine.work().is_at_quota, "its bytes say nothing of room for a longer one");
    }
}

#[test]
fn held_back_source_takes_no_request_over_that_may_be_lost() {
    for is_held_back in [false, true] {
        let mut harness = Harness::with(TAKE, having(0..17), |config| config.order = Order::Sequential);
        want(&mut harness, 2, SEED, having([17]));
        let (_, fast, _) = harness.requests()[0];
        for quarter in 1..=4 {
            harness.wait(Duration::from_millis(50));
            harness.tell(Input::Progress { req: fast, received: quarter * CHUNK / 4 });
        }
        keep(&mut harness, fast);
        want(&mut harness, 1, SEED, Bitfield::full(CHUNKS));
        let slow = harness.requests();
        assert_eq!(slow.len(), 2);
        for second in 1..=4 {
            harness.wait(Duration::from_secs(1));
            harness.tell(Input::Progress { req: slow[0].1, received: second * 1_000 });
        }
        let peer = harness.machine.swarm.peers.get_mut(&Conn(2)).unwrap();
        peer.down.held_back = is_held_back.then_some(InFlight);
        harness.said();
        harness.frame(2, Frame::Have { indexes: vec![18, 19] });
        harness.wait(Duration::from_millis(300));
        let is_withdrawn = |output: &Output| matches!(output, Output::Cancel { req } if *req == slow[1].1);
        assert_eq!(harness.said().iter().any(is_withdrawn), !is_held_back);
    }
}
