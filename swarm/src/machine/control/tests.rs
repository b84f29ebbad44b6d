//! Frames of the control stream, and how many of them a peer may send.

use super::super::events::{Event, Input, KeepOutcome};
use super::super::harness::{Harness, SEED, TAKE, both, having};
use std::time::Duration;

use super::*;
use minimodel_wire::Bitfield;

#[test]
fn interest_follows_what_the_peer_has_and_we_lack() {
    let mut harness = Harness::new(TAKE, having(0..18));
    harness.join(1, SEED, having(0..18));
    assert!(!harness.frames(1).contains(&Frame::Interested), "it has nothing for us");
    harness.frame(1, Frame::Have { indexes: vec![18, 3] });
    assert_eq!(harness.frames(1), [Frame::Interested]);
    harness.frame(1, Frame::Have { indexes: vec![19, 18] });
    harness.frame(1, Frame::DontHave { index: 18 });
    assert_eq!(harness.frames(1), [], "one chunk is enough");
    harness.frame(1, Frame::DontHave { index: 19 });
    assert_eq!(harness.frames(1), [Frame::NotInterested]);
}

#[test]
fn nobody_is_interested_in_a_peer_that_does_not_serve() {
    let mut harness = Harness::new(both(), having([0]));
    harness.join(1, TAKE, having([1]));
    assert!(!harness.frames(1).contains(&Frame::Interested));
    harness.frame(1, Frame::Unchoke);
    assert_eq!(harness.requests(), []);
}

/// Delivers every chunk that the machine requests, until it requests no more; returns peer and index of each request.
fn deliver(harness: &mut Harness) -> Vec<(u64, u32)> {
    let mut delivered = Vec::new();
    let mut asked = harness.requests();
    while !asked.is_empty() {
        for (conn, req, index) in std::mem::take(&mut asked) {
            delivered.push((conn, index));
            harness.tell(Input::Arrived { req });
            harness.tell(Input::Kept { req, outcome: KeepOutcome::Kept });
            asked.extend(harness.requests());
        }
    }
    delivered
}

// Rows: B8
#[test]
fn seed_that_withdraws_a_chunk_is_not_asked_for_it() {
    // With four chunks here, the rarest is requested first.
    let mut harness = Harness::new(TAKE, having(0..4));
    harness.join(1, SEED, Bitfield::full(20));
    harness.frame(1, Frame::Unchoke);
    let (_, withdrawn, lost) = harness.requests()[0];
    harness.frame(1, Frame::DontHave { index: lost });
    let is_cancel = |output: &Output| matches!(output, Output::Cancel { req } if *req == withdrawn);
    assert!(harness.said().iter().any(is_cancel), "a chunk that is under way is requested from it no more");
    harness.frame(1, Frame::Choke);
    let other = if lost == 4 { 5 } else { 4 };
    harness.frame(1, Frame::DontHave { index: other });
    // The two have one holder now and all others have two: the new peer is asked for the two first.
    harness.join(2, SEED, having(4..20));
    harness.said();
    harness.frame(2, Frame::Unchoke);
    let mut rarest: Vec<u32> = harness.requests().iter().map(|&(.., index)| index).collect();
    rarest.sort_unstable();
    let mut gone = [lost, other];
    gone.sort_unstable();
    assert_eq!(rarest, gone);
    harness.frame(2, Frame::Choke);
    harness.said();
    // The peer that took the two back is asked for all the rest, once each, and for neither of the two.
    harness.wait(Duration::from_secs(1));
    harness.frame(1, Frame::Unchoke);
    let mut rest = deliver(&mut harness);
    rest.sort_unstable();
    let kept: Vec<_> = (4..20).filter(|index| !gone.contains(index)).map(|index| (1, index)).collect();
    assert_eq!(rest, kept);
    // A peer that has left is counted no more: two peers have 4 and 5, and one has each of the others, which go first.
    let mut harness = Harness::new(TAKE, having(0..4));
    harness.join(1, SEED, Bitfield::full(20));
    for index in [4, 5] {
        harness.frame(1, Frame::DontHave { index });
    }
    harness.tell(Input::Closed { conn: Conn(1), code: None });
    harness.join(2, SEED, having(4..20));
    harness.join(3, SEED, having([4, 5]));
    harness.said();
    harness.frame(2, Frame::Unchoke);
    let order = deliver(&mut harness);
    assert_eq!(order.len(), 16);
    let mut last = [order[14].1, order[15].1];
    last.sort_unstable();
    assert_eq!(last, [4, 5], "{order:?}");
}

#[test]
fn choke_withdraws_unanswered_requests_and_unchoke_repeats_them() {
    let mut harness = Harness::new(TAKE, having([]));
    harness.join(1, SEED, Bitfield::full(20));
    harness.frame(1, Frame::Unchoke);
    let asked = harness.requests();
    assert_eq!(asked.len(), 2, "of a new peer little is asked");
    harness.tell(super::super::events::Input::Progress { req: asked[0].1, received: 10 });
    harness.frame(1, Frame::Choke);
    let cancelled = harness.said().iter().filter(|output| matches!(output, Output::Cancel { .. })).count();
    assert_eq!(cancelled, 1);
    harness.frame(1, Frame::Unchoke);
    assert_eq!(harness.requests(), [], "left alone for a moment");
    harness.wait(std::time::Duration::from_millis(300));
    harness.tell(super::super::events::Input::Progress { req: asked[0].1, received: 60_000 });
    assert!(!harness.requests().is_empty());
}

// Rows: B8
#[test]
fn a_claim_taken_back_does_not_take_back_what_arrived() {
    let mut harness = Harness::new(TAKE, having([]));
    harness.join(1, SEED, Bitfield::full(20));
    harness.frame(1, Frame::Unchoke);
    let (_, req, index) = harness.requests()[0];
    harness.tell(super::super::events::Input::Arrived { req });
    harness.frame(1, Frame::DontHave { index });
    let outcome = super::super::events::KeepOutcome::Kept;
    harness.tell(super::super::events::Input::Kept { req, outcome });
    assert!(harness.machine.have().get(index));
}

/// A seeder with a connected peer whose allowance of control frames is full.
fn with_a_full_bucket() -> Harness {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    harness.join(1, TAKE, having([]));
    harness.wait(Duration::from_secs(10));
    harness.said();
    harness
}

fn send(harness: &mut Harness, frames: u32, frame: &Frame) {
    for _ in 0..frames {
        harness.frame(1, frame.clone());
    }
}

// Rows: A3, A8
#[test]
fn two_thousand_frames_at_once_pass_and_one_more_is_a_flood() {
    let skipped = Frame::Ignored { kind: 0x8001 };
    for [first, second] in [
        [&Frame::NotInterested, &Frame::NotInterested],
        [&skipped, &skipped],
        [&skipped, &Frame::NotInterested],
        [&Frame::NotInterested, &skipped],
    ] {
        let mut harness = with_a_full_bucket();
        send(&mut harness, 1_000, first);
        send(&mut harness, 1_000, second);
        assert_eq!(harness.closes(), [], "{first:?} {second:?}");
        harness.frame(1, second.clone());
        assert_eq!(harness.closes(), [(1, CloseCode::Flood)], "{first:?} {second:?}");
    }
}

// Rows: A3
#[test]
fn skipped_frames_before_the_hello_count_and_stand_for_none() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    harness.connect(1, 1, false);
    send(&mut harness, 1_999, &Frame::Ignored { kind: 0xbfff });
    assert_eq!(harness.closes(), []);
    let hello = harness.hello(TAKE);
    harness.frame(1, Frame::Hello(hello));
    assert!(harness.frames(1).iter().any(|frame| matches!(frame, Frame::Bitfield(_))), "it is introduced");
    harness.frame(1, Frame::Bitfield(having([])));
    assert_eq!(harness.closes(), [(1, CloseCode::Flood)], "the two thousand and first");
}

// Rows: A8
#[test]
fn five_hundred_frames_per_second_pass_forever_and_510_flood() {
    for (a_second, is_flood) in [(500, false), (510, true)] {
        let mut harness = with_a_full_bucket();
        send(&mut harness, 2_000, &Frame::NotInterested);
        for _ in 0..120 {
            harness.wait(Duration::from_secs(1));
            send(&mut harness, a_second, &Frame::NotInterested);
        }
        let closes = harness.closes();
        let expected = if is_flood { vec![(1, CloseCode::Flood)] } else { Vec::new() };
        assert_eq!(closes, expected, "{a_second} a second");
    }
}

// Rows: A8
#[test]
fn a_flood_ends_the_connection_and_bans_nobody_however_often() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    for _ in 0..4 {
        harness.join(1, TAKE, having([]));
        send(&mut harness, 2_100, &Frame::NotInterested);
        let told = harness.events();
        let is_ban = |event: &Event| matches!(event, Event::Banned { .. });
        assert!(!told.iter().any(is_ban), "{told:?}");
        harness.wait(Duration::from_secs(700));
        harness.said();
    }
    harness.join(1, TAKE, having([]));
    assert_eq!(harness.machine.progress().peers, 1);
}
