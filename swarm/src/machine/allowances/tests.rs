//! Used-up allowances, of one key and of all together, and how peers that may be sources are treated then.

use std::collections::BTreeMap;
use std::time::Duration;

use minimodel_wire::{Bitfield, Frame};

use super::super::desk::{CHUNKS, Desk, SEED, TAKE, both, having, id};
use super::super::events::{Input, KeepOutcome, Output, RequestFault, ServeOutcome};
use super::*;

const CHUNK: u64 = 1 << 16;

fn controls(change: impl FnOnce(&mut Controls)) -> Input {
    let mut controls = Controls::default();
    change(&mut controls);
    Input::Controls(controls)
}

/// The peer with key `n` wants chunks of ours, and may have some for us.
fn want(desk: &mut Desk, n: u8, consent: minimodel_wire::Consent, have: Bitfield) {
    desk.join(n, consent, have);
    if consent.contains(minimodel_wire::Consent::FETCH) {
        desk.frame(n.into(), Frame::Interested);
    }
    desk.frame(n.into(), Frame::Unchoke);
}

fn serve(desk: &mut Desk, ask: u64) {
    desk.tell(Input::Served { ask: Ask(ask), outcome: ServeOutcome::Done { bytes: CHUNK } });
}

fn keep_all(desk: &mut Desk) -> Vec<(u64, u32)> {
    let asked = desk.requests();
    for &(_, req, _) in &asked {
        desk.tell(Input::Arrived { req });
        desk.tell(Input::Kept { req, outcome: KeepOutcome::Kept });
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

#[test]
fn b22_a_source_that_has_used_its_allowance_is_choked_and_goes_on_giving_until_it_is_of_no_use() {
    let mut desk = Desk::with(both(), having(0..10), |config| config.controls.allowance = Some(CHUNK));
    want(&mut desk, 1, both(), having(5..20));
    desk.said();
    for ask in 0..3 {
        desk.ask(1, ask, ask as u32);
    }
    serve(&mut desk, 0);
    let said = desk.said();
    assert!(is_refused(&said, &[1, 2], ResetCode::BudgetUsed) && !is_closed(&said));
    assert!(said.iter().any(|output| matches!(output, Output::Send { frame: Frame::Choke, .. })));
    assert!(desk.machine.progress().requests > 0, "and we fetch from it");
    desk.wait(Duration::from_secs(12));
    desk.ask(1, 5, 1);
    let said = desk.said();
    assert!(is_refused(&said, &[5], ResetCode::Choked) && !is_closed(&said), "no slot is given to it");
    // A larger allowance lets the peer be served again; one whose rest is smaller than a chunk does not.
    desk.tell(controls(|controls| controls.allowance = Some(2 * CHUNK - 1)));
    assert!(!desk.machine.peer_state(Conn(1)).unwrap().may_be_served);
    desk.tell(controls(|controls| controls.allowance = Some(2 * CHUNK)));
    assert!(desk.frames(1).contains(&Frame::Unchoke));
    desk.ask(1, 6, 1);
    serve(&mut desk, 6);
    desk.ask(1, 7, 2);
    desk.said();
    // A peer that is no wanted source any more is closed like any other peer.
    desk.tell(Input::Rescanned { have: (10..20).collect() });
    assert_eq!(desk.closes(), [(1, CloseCode::BudgetUsed)]);
}

#[test]
fn b22_a_source_that_took_its_daily_budget_is_served_again_the_next_day_and_one_we_may_not_ask_is_closed() {
    let mut desk = Desk::new(both(), having(0..10));
    let took_all = |desk: &mut Desk| {
        for _ in 0..desk.machine.config.day_budget() {
            desk.machine.standings.of(id(1), desk.now).took(desk.now, 1);
        }
    };
    want(&mut desk, 1, both(), having(5..10));
    took_all(&mut desk);
    desk.said();
    desk.ask(1, 1, 1);
    let said = desk.said();
    assert!(is_refused(&said, &[1], ResetCode::BudgetUsed) && !is_closed(&said), "it may have some later");
    desk.now = desk.now + Duration::from_secs(24 * 3_600);
    desk.tell(Input::Tick);
    assert!(desk.frames(1).contains(&Frame::Unchoke));
    took_all(&mut desk);
    desk.ask(1, 2, 1);
    desk.said();
    desk.tell(controls(|controls| controls.sources = Some(Default::default())));
    assert_eq!(desk.closes(), [(1, CloseCode::BudgetUsed)]);
}

#[test]
fn b22_what_all_may_take_together_is_one_sum_and_not_one_for_each_key() {
    let mut desk =
        Desk::with(SEED, Bitfield::full(CHUNKS), |config| config.controls.serve_allowance = Some(3 * CHUNK));
    for n in 1..=2 {
        want(&mut desk, n, TAKE, having([]));
    }
    desk.said();
    for ask in 0..2 {
        desk.ask(1, ask, ask as u32);
        desk.ask(2, 10 + ask, ask as u32);
    }
    let said = desk.said();
    assert_eq!(served(&said), [0, 10, 1], "and the other waits for how these end");
    assert!(!is_closed(&said));
    serve(&mut desk, 10);
    serve(&mut desk, 0);
    assert_eq!(desk.closes(), []);
    serve(&mut desk, 1);
    assert_eq!(desk.closes(), [(2, CloseCode::BudgetUsed)]);
    assert!(desk.machine.work().has_turned_away);
    // A new key finds the common allowance used up as well.
    want(&mut desk, 3, TAKE, having([]));
    desk.ask(3, 20, 0);
    assert_eq!(desk.closes(), [(3, CloseCode::BudgetUsed)]);
    desk.tell(controls(|controls| controls.serve_allowance = Some(4 * CHUNK)));
    assert!(!desk.machine.work().has_turned_away);
    want(&mut desk, 4, TAKE, having([]));
    desk.ask(4, 30, 0);
    assert_eq!(served(&desk.said()), [30]);
    // An answer that the peer broke off counts whole, as with its own allowance.
    desk.tell(Input::Closed { conn: Conn(4), code: None });
    desk.ask(1, 40, 5);
    assert_eq!(desk.closes(), [(1, CloseCode::BudgetUsed)]);
}

#[test]
fn b22_what_one_did_not_take_of_the_common_sum_another_gets() {
    let mut desk =
        Desk::with(SEED, Bitfield::full(CHUNKS), |config| config.controls.serve_allowance = Some(CHUNK));
    for n in 1..=2 {
        want(&mut desk, n, TAKE, having([]));
    }
    desk.ask(1, 1, 0);
    desk.ask(2, 2, 0);
    assert_eq!(served(&desk.said()), [1]);
    desk.tell(Input::Served { ask: Ask(1), outcome: ServeOutcome::Cancelled { bytes: 0 } });
    let said = desk.said();
    assert_eq!(served(&said), [2]);
    assert!(!is_closed(&said));
}

#[test]
fn a_source_whose_allowance_is_used_is_asked_for_nothing_more_and_the_others_go_on() {
    let mut desk = Desk::with(TAKE, having([]), |config| {
        config.controls.fetch_allowances = BTreeMap::from([(id(1), 2 * CHUNK + CHUNK / 2), (id(2), 0)]);
        config.controls.fetch_allowance = Some(3 * CHUNK);
    });
    for n in 1..=2 {
        want(&mut desk, n, SEED, Bitfield::full(CHUNKS));
    }
    let mut of = BTreeMap::<u64, u32>::new();
    let mut count = |desk: &mut Desk| {
        for _ in 0..10 {
            keep_all(desk).into_iter().for_each(|(conn, _)| *of.entry(conn).or_default() += 1);
            desk.wait(Duration::from_secs(1));
        }
        of.clone()
    };
    assert_eq!(count(&mut desk), BTreeMap::from([(1, 2)]));
    assert!(desk.machine.work().is_at_quota);
    // Bytes from sources with an allowance of their own do not count against the allowance of the others.
    want(&mut desk, 3, SEED, Bitfield::full(CHUNKS));
    assert_eq!(count(&mut desk), BTreeMap::from([(1, 2), (3, 3)]));
    assert!(desk.machine.work().is_at_quota);
    // The common allowance is raised; sources with their own allowance keep it.
    let change = |controls: &mut Controls| {
        controls.fetch_allowances = BTreeMap::from([(id(1), 2 * CHUNK + CHUNK / 2), (id(2), CHUNK)]);
        controls.fetch_allowance = Some(4 * CHUNK);
    };
    desk.tell(controls(change));
    assert_eq!(count(&mut desk), BTreeMap::from([(1, 2), (2, 1), (3, 4)]));
    // A source that loses its own entry counts with the others, including the bytes that it sent before.
    desk.tell(controls(|controls| controls.fetch_allowance = Some(8 * CHUNK)));
    let total: u32 = count(&mut desk).values().sum();
    assert_eq!(total, 8);
}

#[test]
fn a_source_is_held_to_an_allowance_over_all_its_connections() {
    let mut desk = Desk::with(TAKE, having([]), |config| {
        config.controls.fetch_allowances = BTreeMap::from([(id(1), 2 * CHUNK)]);
    });
    want(&mut desk, 1, SEED, Bitfield::full(CHUNKS));
    let (_, req, _) = desk.requests()[0];
    desk.tell(Input::Progress { req, received: 10 });
    desk.tell(Input::Closed { conn: Conn(1), code: None });
    want(&mut desk, 1, SEED, Bitfield::full(CHUNKS));
    assert_eq!(desk.requests().len(), 1, "ten bytes less than two chunks");
}

#[test]
fn a_fetch_is_at_its_quota_with_a_rest_of_fewer_bytes_than_one_chunk_also_while_it_is_choked() {
    let mut desk = Desk::with(TAKE, having([]), |config| {
        config.controls.fetch_allowance = Some(2 * CHUNK - 1);
        config.terms.byte_count = u64::from(CHUNKS) * CHUNK - 100;
    });
    want(&mut desk, 1, SEED, having(0..10));
    assert_eq!(keep_all(&mut desk).len(), 1);
    assert!(desk.machine.work().is_at_quota);
    desk.frame(1, Frame::Choke);
    assert!(desk.machine.work().is_at_quota, "it has no use for a slot");
    // The last chunk is shorter and fits.
    want(&mut desk, 2, SEED, Bitfield::full(CHUNKS));
    assert_eq!(keep_all(&mut desk), [(2, CHUNKS - 1)]);
    assert!(desk.machine.work().is_at_quota);
    // A source without a quota that chokes us is the reason for waiting, unless another source is at its quota and unchokes us.
    desk.tell(controls(|controls| controls.fetch_allowances = BTreeMap::from([(id(2), 0)])));
    desk.frame(2, Frame::Choke);
    assert!(!desk.machine.work().is_at_quota, "the first chokes us");
    desk.frame(2, Frame::Unchoke);
    assert!(desk.machine.work().is_at_quota);
    desk.tell(Input::Closed { conn: Conn(1), code: None });
    desk.tell(Input::Closed { conn: Conn(2), code: None });
    assert!(!desk.machine.work().is_at_quota, "nobody is here");
}

#[test]
fn a_share_with_a_rest_smaller_than_what_is_asked_for_has_turned_away() {
    for common in [true, false] {
        let change = |controls: &mut Controls| {
            *(if common { &mut controls.serve_allowance } else { &mut controls.allowance }) = Some(CHUNK - 1);
        };
        let mut desk = Desk::with(SEED, Bitfield::full(CHUNKS), |config| change(&mut config.controls));
        want(&mut desk, 1, TAKE, having([]));
        desk.ask(1, 1, 0);
        assert_eq!(desk.closes(), [(1, CloseCode::BudgetUsed)]);
        assert!(desk.machine.work().has_turned_away);
        desk.tell(controls(|controls| controls.serve_allowance = Some(CHUNK - 1)));
        assert!(desk.machine.work().has_turned_away, "still too little");
        desk.tell(controls(|controls| controls.serve_allowance = Some(CHUNK)));
        assert!(!desk.machine.work().has_turned_away);
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
fn serving(asks: u64) -> Desk {
    let mut desk = Desk::with(SEED, Bitfield::full(CHUNKS), |_| {});
    want(&mut desk, 1, TAKE, having([]));
    desk.said();
    (0..asks).for_each(|ask| desk.ask(1, ask, ask as u32));
    assert_eq!(served(&desk.said()), (0..asks).collect::<Vec<_>>());
    desk
}

fn hold_back(desk: &mut Desk, ask: u64, index: u32, is_used_up: bool) {
    desk.tell(Input::Served { ask: Ask(ask), outcome: ServeOutcome::HeldBack { index, is_used_up } });
}

#[test]
fn b22_whoever_a_quota_of_several_sessions_holds_back_gets_what_is_under_way_and_is_told_why() {
    let mut desk = serving(3);
    hold_back(&mut desk, 2, 2, true);
    let said = desk.said();
    assert!(served(&said).is_empty() && !is_closed(&said), "two are under way");
    serve(&mut desk, 0);
    assert!(!is_closed(&desk.said()));
    serve(&mut desk, 1);
    let said = desk.said();
    assert!(is_refused(&said, &[2], ResetCode::BudgetUsed));
    assert!(said.iter().any(|o| matches!(o, Output::Close { code: CloseCode::BudgetUsed, .. })));
}

#[test]
fn b22_whoever_was_held_back_is_tried_again_when_our_user_wants_something_else() {
    let mut desk = serving(2);
    for slots in 0..20 {
        hold_back(&mut desk, 1, 1, true);
        assert_eq!(desk.said().len(), 0, "one is under way");
        desk.tell(controls(|controls| controls.slots = Some(3 + slots % 2)));
        assert_eq!(served(&desk.said()), [1]);
    }
    serve(&mut desk, 1);
    // An answer that was held back does not count as a repeated chunk.
    desk.ask(1, 2, 1);
    assert_eq!(served(&desk.said()), [2]);
}

#[test]
fn b22_whoever_waits_for_what_is_on_its_way_elsewhere_keeps_its_place_and_is_served_when_there_is_room() {
    let mut desk = serving(3);
    for ask in 0..3 {
        hold_back(&mut desk, ask, ask as u32, false);
    }
    let said = desk.said();
    assert!(said.is_empty(), "it waits, although nothing is under way to it: {said:?}");
    desk.wait(Duration::from_millis(600));
    assert_eq!(served(&desk.said()), [0, 1, 2], "in the order in which it asked");
    // The peer is choked before the last outcome is known: that request is refused like all that waited.
    hold_back(&mut desk, 0, 0, false);
    desk.tell(controls(|controls| controls.slots = Some(0)));
    hold_back(&mut desk, 1, 1, false);
    assert!(is_refused(&desk.said(), &[0, 1], ResetCode::Choked));
    serve(&mut desk, 2);
    desk.tell(controls(|controls| controls.slots = Some(4)));
    desk.said();
    desk.ask(1, 9, 9);
    assert_eq!(served(&desk.said()), [9], "a new turn begins with a new try");
}

#[test]
fn a_source_that_a_quota_of_several_sessions_holds_back_is_asked_again_after_a_while() {
    let mut desk = Desk::with(TAKE, having([]), |_| {});
    want(&mut desk, 1, SEED, Bitfield::full(CHUNKS));
    let asked = desk.requests();
    assert!(!asked.is_empty());
    for (_, req, _) in asked {
        desk.tell(Input::Failed { req, fault: RequestFault::HeldBack });
    }
    assert!(desk.machine.work().is_at_quota);
    assert_eq!(desk.requests(), [], "not at once");
    desk.wait(Duration::from_secs(1));
    let again = desk.requests();
    assert!(!again.is_empty() && !desk.machine.work().is_at_quota);
    for (_, req, _) in again {
        desk.tell(Input::Failed { req, fault: RequestFault::HeldBack });
    }
    desk.frame(1, Frame::Choke);
    desk.wait(Duration::from_secs(1));
    assert!(!desk.machine.work().is_at_quota, "what it waits for by now is a slot");
    desk.frame(1, Frame::Unchoke);
    let again = desk.requests();
    assert!(!again.is_empty());
    for (_, req, _) in again {
        desk.tell(Input::Arrived { req });
        desk.tell(Input::Kept { req, outcome: KeepOutcome::Kept });
    }
    assert_eq!(desk.closes(), [], "it is not the peer's fault");
}
