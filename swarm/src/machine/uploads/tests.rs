//! Answers to upload requests, and what a peer may have of each.

use super::super::config::SPARE_CHUNKS;
use super::super::events::Input;
use super::super::harness::{Harness, SEED, TAKE, both, having, id};
use super::super::time::Time;
use super::*;
use minimodel_wire::{Bitfield, CloseCode, Frame};

fn refusals(harness: &mut Harness) -> Vec<(u64, ResetCode)> {
    let refusal = |output| if let Output::Refuse { ask, code } = output { Some((ask.0, code)) } else { None };
    harness.said().into_iter().filter_map(refusal).collect()
}

#[test]
fn a_choke_refuses_what_waits_and_lets_what_runs_end() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    harness.join(1, TAKE, having([]));
    harness.frame(1, Frame::Interested);
    assert!(harness.frames(1).contains(&Frame::Unchoke));
    for n in 0..10 {
        harness.ask(1, n, n as u32);
    }
    let served = harness.said().iter().filter(|output| matches!(output, Output::Serve { .. })).count();
    assert_eq!(served, 8);
    harness.frame(1, Frame::NotInterested);
    assert_eq!(refusals(&mut harness), [(8, ResetCode::Choked), (9, ResetCode::Choked)]);
    harness.tell(Input::Served { ask: Ask(0), outcome: ServeOutcome::Done { bytes: 5 } });
    assert_eq!(harness.events(), [Event::Uploaded { peer: id(1), bytes: 5 }]);
}

// Rows: B14
#[test]
fn asks_in_vain_are_a_flood_only_beyond_what_a_choke_can_cause() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    harness.join(1, TAKE, having([]));
    harness.said();
    for n in 0..320 {
        harness.ask(1, n, 0);
    }
    assert_eq!(harness.events(), []);
    for n in 320..323 {
        harness.ask(1, n, 0);
    }
    assert_eq!(harness.machine.progress().peers, 0, "struck three times");
}

// Rows: E14
#[test]
fn a_chunk_that_was_lost_is_refused_without_a_lie() {
    let mut harness = Harness::new(both(), Bitfield::full(20));
    harness.join(1, TAKE, having([]));
    harness.frame(1, Frame::Interested);
    harness.said();
    harness.tell(Input::ChunkLost { index: 3 });
    assert_eq!(harness.frames(1), [Frame::DontHave { index: 3 }]);
    harness.ask(1, 0, 3);
    assert_eq!(refusals(&mut harness), [(0, ResetCode::SourceChanged)]);
}

// Rows: B22
#[test]
fn key_over_its_daily_upload_budget_is_closed_with_budget_used() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    harness.join(1, TAKE, having([]));
    harness.frame(1, Frame::Interested);
    let budget = 20 * harness.machine.swarm.config.limits.upload_budget_files + SPARE_CHUNKS;
    harness.machine.standings.of(id(1), Time::ZERO).took(Time::ZERO, budget);
    harness.said();
    harness.ask(1, 0, 3);
    assert_eq!(harness.closes(), [(1, CloseCode::BudgetUsed)]);
}

/// A busy seeder has many requests waiting before it has sent the first of them: only answers use up the budget.
// Rows: B22
#[test]
fn requests_queued_before_the_first_answer_obey_the_budget_too() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    harness.join(1, TAKE, having([]));
    harness.frame(1, Frame::Interested);
    let budget = harness.machine.swarm.config.day_budget();
    harness.machine.standings.of(id(1), Time::ZERO).took(Time::ZERO, budget - 3);
    harness.said();
    (0..10).for_each(|n| harness.ask(1, n, n as u32));
    let served = |said: &[Output]| said.iter().filter(|out| matches!(out, Output::Serve { .. })).count();
    assert_eq!(served(&harness.said()), 3);
    for n in 0..3 {
        assert_eq!(harness.closes(), []);
        harness.tell(Input::Served { ask: Ask(n), outcome: ServeOutcome::Done { bytes: 100 } });
    }
    let said = harness.said();
    assert_eq!(served(&said), 0);
    assert!(said.iter().any(|out| matches!(out, Output::Close { code: CloseCode::BudgetUsed, .. })));
}

/// Otherwise a key that leaves just before the driver reports its chunks as sent would take chunks without end.
// Rows: B22
#[test]
fn what_was_being_answered_when_a_peer_left_counts_for_its_day() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    harness.join(1, TAKE, having([]));
    harness.frame(1, Frame::Interested);
    for n in 0..10 {
        harness.ask(1, n, n as u32);
    }
    harness.tell(Input::Served { ask: Ask(0), outcome: ServeOutcome::Done { bytes: 100 } });
    harness.tell(Input::Closed { conn: super::super::events::Conn(1), code: Some(CloseCode::Done) });
    // One chunk was sent whole and eight were begun; the last request waited.
    assert_eq!(harness.machine.standings.taken(id(1), Time::ZERO), 9);
}

// Rows: B14
#[test]
fn the_same_chunk_is_sent_nine_times_and_then_no_more() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    harness.join(1, TAKE, having([]));
    harness.frame(1, Frame::Interested);
    for n in 0..9 {
        harness.ask(1, n, 3);
        harness.tell(Input::Served { ask: Ask(n), outcome: ServeOutcome::Done { bytes: 100 } });
    }
    harness.said();
    harness.ask(1, 9, 3);
    assert_eq!(refusals(&mut harness), [(9, ResetCode::BudgetUsed)]);
}

// Rows: B17
#[test]
fn answers_unread_by_seven_peers_do_not_block_the_eighth() {
    let mut harness = Harness::with(SEED, Bitfield::full(20), |config| {
        config.terms.chunk_size = 256 << 10;
        config.terms.byte_count = 20 * (256 << 10);
    });
    let mut ask = 0;
    let mut ask_much = |harness: &mut Harness, n: u8| {
        harness.join(n, TAKE, having([]));
        harness.frame(n.into(), Frame::Interested);
        for index in 0..20 {
            ask += 1;
            harness.ask(n.into(), ask, index);
        }
    };
    for n in 1..=8 {
        ask_much(&mut harness, n);
    }
    let honest = &harness.peer(8).up;
    assert!(!honest.active.is_empty(), "seven that read nothing hold all that may run");
}

#[test]
fn the_more_are_served_the_fewer_answers_run_for_each() {
    let running = |peers: u8| {
        let mut harness = Harness::with(SEED, Bitfield::full(20), |config| {
            config.terms.chunk_size = 1 << 20;
            config.terms.byte_count = 20 << 20;
        });
        for n in 1..=peers {
            harness.join(n, TAKE, having([]));
            harness.frame(n.into(), Frame::Interested);
        }
        for index in 0..6 {
            for n in 1..=peers {
                harness.ask(n.into(), 100 * u64::from(n) + u64::from(index), index);
            }
        }
        // Answers from the time when fewer peers were served end first.
        for index in 0..3 {
            for n in 1..=peers {
                let ask = Ask(100 * u64::from(n) + index);
                harness.tell(Input::Served { ask, outcome: ServeOutcome::Done { bytes: 1 << 20 } });
            }
        }
        harness.machine.swarm.peers.values().map(|peer| peer.up.active.len()).max()
    };
    assert_eq!([1, 2, 8].map(running), [Some(3), Some(3), Some(1)]);
}
