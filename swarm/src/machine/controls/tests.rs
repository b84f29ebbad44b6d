//! Controls that change while a machine runs.

use std::time::Duration;

use minimodel_wire::{Bitfield, CloseCode, Frame, ResetCode};

use super::super::desk::{CHUNKS, Desk, SEED, TAKE, all, both, having, id, offer};
use super::super::events::{Conn, Event, Input, KeepOutcome, Output, ServeOutcome};
use super::*;

const LATE: u64 = 1_000_000;
const CHUNK: u64 = 1 << 16;

fn only(peers: &[u8]) -> Option<BTreeSet<PeerId>> {
    Some(peers.iter().map(|&n| id(n)).collect())
}

fn want(desk: &mut Desk, n: u8) {
    desk.join(n, TAKE, having([]));
    desk.frame(n.into(), Frame::Interested);
}

fn offers(desk: &mut Desk, n: u8) {
    desk.join(n, SEED, Bitfield::full(CHUNKS));
    desk.frame(n.into(), Frame::Unchoke);
}

fn serve(desk: &mut Desk, ask: u64, bytes: u64) {
    desk.tell(Input::Served { ask: Ask(ask), outcome: ServeOutcome::Done { bytes } });
}

/// Requests that are being answered, in order.
fn served(desk: &mut Desk) -> Vec<u64> {
    let serve = |output| if let Output::Serve { ask, .. } = output { Some(ask.0) } else { None };
    desk.said().into_iter().filter_map(serve).collect()
}

#[test]
fn i5_who_is_taken_off_the_list_is_closed_at_once_and_who_was_dialed_is_not() {
    let mut desk = Desk::new(all(), Bitfield::full(CHUNKS));
    want(&mut desk, 1);
    want(&mut desk, 2);
    desk.connect(3, 3, true);
    desk.ask(1, 10, 0);
    desk.said();
    desk.tell(Input::Controls(Controls { allow: only(&[2]), ..Controls::default() }));
    assert_eq!(desk.closes(), [(1, CloseCode::NotAllowed)]);
    assert!(desk.machine.peers.contains_key(&Conn(3)));
    desk.connect(4, 1, false);
    assert_eq!(desk.closes(), [(4, CloseCode::NotAllowed)]);
    desk.tell(Input::Controls(Controls::default()));
    desk.connect(5, 1, false);
    assert_eq!(desk.closes(), []);
}

#[test]
fn i5_a_source_taken_off_the_list_is_asked_for_nothing_more_and_others_for_what_it_owes() {
    let mut desk = Desk::new(TAKE, having([]));
    offers(&mut desk, 1);
    let asked = desk.requests();
    assert!(!asked.is_empty());
    desk.tell(Input::Controls(Controls { sources: only(&[2]), ..Controls::default() }));
    let said = desk.said();
    let cancelled = said.iter().filter(|output| matches!(output, Output::Cancel { .. })).count();
    assert_eq!(cancelled, asked.len());
    let unwanted = Output::Send { conn: Conn(1), frame: Frame::NotInterested };
    assert!(said.iter().any(|output| format!("{output:?}") == format!("{unwanted:?}")), "{said:?}");
    desk.frame(1, Frame::Unchoke);
    desk.wait(Duration::from_secs(2));
    assert_eq!(desk.requests(), []);
    offers(&mut desk, 2);
    assert!(desk.requests().iter().all(|&(conn, ..)| conn == 2));
    desk.tell(Input::Controls(Controls::default()));
    assert!(desk.requests().iter().any(|&(conn, ..)| conn == 1), "it may be asked again");
}

#[test]
fn i5_a_source_off_the_list_is_not_dialed_and_dialed_as_soon_as_it_is_on_it() {
    let sources = |peers: &[u8]| Input::Controls(Controls { sources: only(peers), ..Controls::default() });
    let mut desk = Desk::new(TAKE, having([]));
    desk.tell(sources(&[2]));
    for n in [1, 2] {
        desk.tell(Input::Source(offer(n, [1; 32], LATE)));
    }
    desk.wait(Duration::from_secs(120));
    assert_eq!(desk.dialed(), [id(2)]);
    assert!(!desk.events().contains(&Event::Exhausted));
    desk.tell(sources(&[1]));
    assert_eq!(desk.dialed(), [id(1)]);
    // The dial succeeds after the user took the peer off the list.
    desk.tell(sources(&[]));
    desk.connect(7, 1, true);
    assert_eq!(desk.closes(), [(7, CloseCode::Done)]);
    desk.wait(Duration::from_secs(120));
    assert_eq!(desk.dialed(), []);
}

#[test]
fn a_search_for_leaf_hashes_leaves_who_is_off_the_list() {
    let mut desk = Desk::with(TAKE, having([]), |config| config.rescan = true);
    desk.join(1, SEED, Bitfield::full(CHUNKS));
    desk.join(2, SEED, Bitfield::full(CHUNKS));
    let leaves = |desk: &mut Desk| -> Vec<u64> {
        let asked =
            |output| if let Output::RequestLeaves { conn, .. } = output { Some(conn.0) } else { None };
        desk.said().into_iter().filter_map(asked).collect()
    };
    assert_eq!(leaves(&mut desk), [1]);
    desk.tell(Input::Controls(Controls { sources: only(&[2]), ..Controls::default() }));
    assert_eq!(leaves(&mut desk), [2]);
}

#[test]
fn slots_grow_and_shrink_at_once() {
    let slots = |slots| Input::Controls(Controls { slots, ..Controls::default() });
    let mut desk = Desk::new(SEED, Bitfield::full(CHUNKS));
    (1..=3).for_each(|n| want(&mut desk, n));
    for (wanted, held) in [(Some(1), 1), (Some(0), 0), (Some(2), 2), (None, 3)] {
        desk.tell(slots(wanted));
        assert_eq!(desk.machine.progress().served, held, "{wanted:?}");
    }
    desk.ask(1, 1, 0);
    desk.tell(slots(Some(0)));
    desk.wait(Duration::from_secs(60));
    assert_eq!(desk.machine.progress().served, 0);
    serve(&mut desk, 1, CHUNK);
    assert!(desk.events().contains(&Event::Uploaded { peer: id(1), bytes: CHUNK }), "what ran is finished");
}

#[test]
fn b22_a_key_gets_its_allowance_to_the_last_whole_chunk_and_is_then_told_so() {
    let mut desk = Desk::with(SEED, Bitfield::full(CHUNKS), |config| {
        config.controls.allowance = Some(3 * CHUNK + CHUNK / 2);
    });
    want(&mut desk, 1);
    desk.said();
    for ask in 0..6 {
        desk.ask(1, ask, ask as u32);
    }
    assert_eq!(served(&mut desk), [0, 1, 2], "and nobody is closed while it is owed something");
    serve(&mut desk, 0, CHUNK);
    serve(&mut desk, 1, CHUNK);
    assert_eq!(desk.closes(), []);
    serve(&mut desk, 2, CHUNK);
    assert_eq!(desk.closes(), [(1, CloseCode::BudgetUsed)]);
    // A new connection does not renew the key's allowance.
    want(&mut desk, 1);
    desk.said();
    desk.ask(1, 10, 0);
    assert_eq!(desk.closes(), [(1, CloseCode::BudgetUsed)]);
    assert!(!desk.machine.spent.is_empty());
    // A larger allowance for this key alone.
    let allowances = BTreeMap::from([(id(1), 5 * CHUNK)]);
    let allowance = Some(3 * CHUNK);
    desk.tell(Input::Controls(Controls { allowance, allowances, ..Controls::default() }));
    assert!(desk.machine.spent.is_empty());
    want(&mut desk, 1);
    desk.said();
    for ask in 20..24 {
        desk.ask(1, ask, ask as u32 - 20);
    }
    assert_eq!(served(&mut desk), [20, 21]);
}

#[test]
fn b22_an_allowance_raised_while_asks_wait_answers_them_and_one_lowered_ends_them() {
    let allowance = |chunks: u64| {
        let allowance = Some(chunks * CHUNK);
        Input::Controls(Controls { allowance, ..Controls::default() })
    };
    let mut desk = Desk::new(SEED, Bitfield::full(CHUNKS));
    desk.tell(allowance(1));
    want(&mut desk, 1);
    desk.said();
    for ask in 0..4 {
        desk.ask(1, ask, ask as u32);
    }
    assert_eq!(served(&mut desk), [0]);
    desk.tell(allowance(2));
    assert_eq!(served(&mut desk), [1]);
    desk.tell(allowance(0));
    serve(&mut desk, 0, CHUNK);
    assert_eq!(desk.closes(), [], "one is still on its way");
    serve(&mut desk, 1, CHUNK);
    assert_eq!(desk.closes(), [(1, CloseCode::BudgetUsed)]);
}

#[test]
fn b22_who_breaks_off_in_the_middle_pays_for_what_was_under_way() {
    let mut desk =
        Desk::with(SEED, Bitfield::full(CHUNKS), |config| config.controls.allowance = Some(2 * CHUNK));
    for _ in 0..2 {
        want(&mut desk, 1);
        desk.ask(1, 0, 0);
        desk.tell(Input::Closed { conn: Conn(1), code: None });
    }
    want(&mut desk, 1);
    desk.said();
    desk.ask(1, 1, 0);
    assert_eq!(desk.closes(), [(1, CloseCode::BudgetUsed)]);
}

#[test]
fn no_chunk_is_asked_for_beyond_what_we_may_receive_and_more_when_that_is_raised() {
    let allowance = |chunks: u64| {
        let fetch_allowance = Some(chunks * CHUNK);
        Input::Controls(Controls { fetch_allowance, ..Controls::default() })
    };
    let mut desk = Desk::new(TAKE, having([]));
    desk.tell(allowance(2));
    offers(&mut desk, 1);
    let asked = desk.requests();
    assert_eq!((asked.len(), desk.machine.work().is_at_quota), (2, true));
    // A withdrawn request counts with the bytes that had arrived, and with no others.
    desk.tell(Input::Progress { req: asked[0].1, received: 10 });
    desk.frame(1, Frame::Choke);
    desk.frame(1, Frame::Unchoke);
    desk.wait(Duration::from_secs(1));
    desk.tell(Input::Progress { req: asked[0].1, received: 60_000 });
    let more = desk.requests();
    assert_eq!(more.len(), 1, "another for the one that was not begun");
    for (_, req, _) in asked.into_iter().chain(more) {
        desk.tell(Input::Arrived { req });
        desk.tell(Input::Kept { req, outcome: KeepOutcome::Kept });
    }
    desk.wait(Duration::from_secs(1));
    assert_eq!(desk.requests(), []);
    desk.tell(allowance(4));
    assert!(!desk.requests().is_empty());
    desk.tell(Input::Controls(Controls::default()));
    assert!(!desk.machine.work().is_at_quota);
}

#[test]
fn what_waits_for_our_own_rate_is_no_silence_of_the_peer_s() {
    let mut desk = Desk::new(TAKE, having([]));
    offers(&mut desk, 1);
    let asked = desk.requests();
    desk.tell(Input::Progress { req: asked[0].1, received: 10 });
    for _ in 0..60 {
        desk.wait(Duration::from_secs(1));
        for &(_, req, _) in &asked {
            desk.tell(Input::Withheld { req });
        }
    }
    assert_eq!(desk.requests(), []);
    assert!(!desk.events().iter().any(|event| matches!(event, Event::Struck { .. })));
}

/// Dials the peer with key `n`, which introduces itself with serve and fetch consent.
fn dial(desk: &mut Desk, n: u8, have: Bitfield) {
    desk.connect(n.into(), n, true);
    let hello = desk.hello(both());
    desk.frame(n.into(), Frame::Hello(hello));
    desk.frame(n.into(), Frame::Bitfield(have));
}

fn allow(peers: &[u8]) -> Input {
    Input::Controls(Controls { allow: only(peers), ..Controls::default() })
}

fn refused(said: &[Output]) -> Vec<(u64, ResetCode)> {
    let refusal =
        |output: &Output| if let Output::Refuse { ask, code } = output { Some((ask.0, *code)) } else { None };
    said.iter().filter_map(refusal).collect()
}

#[test]
fn i5_a_peer_that_we_dialed_and_that_is_not_allowed_is_fetched_from_and_never_served() {
    let mut desk = Desk::with(both(), having(0..10), |config| config.controls.allow = only(&[2]));
    dial(&mut desk, 1, having(5..20));
    desk.frame(1, Frame::Unchoke);
    assert!(!desk.requests().is_empty(), "it is a source all the same");
    desk.frame(1, Frame::Interested);
    desk.ask(1, 7, 3);
    desk.tell(Input::AskedLeaves { ask: Ask(8), conn: Conn(1) });
    desk.tell(Input::AskedManifest { ask: Ask(9), conn: Conn(1) });
    desk.wait(Duration::from_secs(12));
    let said = desk.said();
    let not_permitted = ResetCode::NotPermitted;
    assert_eq!(refused(&said), [(7, ResetCode::Choked), (8, not_permitted), (9, not_permitted)]);
    assert!(!said.iter().any(|output| matches!(output, Output::Send { frame: Frame::Unchoke, .. })));
    assert!(!desk.machine.peer_state(Conn(1)).unwrap().may_be_served);
    // Once the user allows the peer, it is served over the same connection.
    desk.tell(allow(&[1]));
    assert!(desk.frames(1).contains(&Frame::Unchoke));
}

#[test]
fn i5_a_dialed_peer_taken_off_the_list_is_choked_at_once_and_what_runs_is_ended() {
    let mut desk = Desk::new(both(), having(0..10));
    dial(&mut desk, 1, having(5..20));
    desk.frame(1, Frame::Interested);
    desk.frame(1, Frame::Unchoke);
    for ask in 0..10 {
        desk.ask(1, ask, ask as u32);
    }
    let running = served(&mut desk).len();
    assert!((1..10).contains(&running));
    desk.tell(allow(&[]));
    let said = desk.said();
    let chokes = said.iter().filter(|output| matches!(output, Output::Send { frame: Frame::Choke, .. }));
    assert_eq!(chokes.count(), 1);
    let mut codes = refused(&said);
    codes.sort_unstable_by_key(|&(ask, _)| ask);
    assert_eq!(codes, (0..10).map(|ask| (ask, ResetCode::Choked)).collect::<Vec<_>>());
    assert!(!said.iter().any(|output| matches!(output, Output::Close { .. } | Output::Cancel { .. })));
    assert!(desk.machine.progress().requests > 0, "what we asked of it is still on its way");
    assert_eq!(desk.machine.standings.given(id(1)), running as u64 * CHUNK, "it counts whole");
    serve(&mut desk, 0, CHUNK);
    assert_eq!(desk.machine.given, running as u64 * CHUNK, "and once");
}

#[test]
fn i5_of_two_connections_made_at_once_with_who_is_not_allowed_ours_stays_and_its_own_is_refused() {
    for me in [0, 9] {
        let with = |config: &mut super::super::config::Config| {
            config.controls.allow = only(&[]);
            config.me = id(me);
        };
        let mut desk = Desk::with(both(), having(0..10), with);
        dial(&mut desk, 1, having(5..20));
        desk.frame(1, Frame::Unchoke);
        desk.said();
        desk.connect(11, 1, false);
        assert_eq!(desk.closes(), [(11, CloseCode::NotAllowed)], "{me}");
        assert!(desk.machine.progress().requests > 0);
        // The other order: the peer's connection comes first, ours second.
        let mut desk = Desk::with(both(), having(0..10), with);
        desk.connect(11, 1, false);
        dial(&mut desk, 1, having(5..20));
        desk.frame(1, Frame::Unchoke);
        assert_eq!(desk.closes(), [(11, CloseCode::NotAllowed)], "{me}");
        // Two connections of an allowed peer: the one that stays is not served once the user disallows the peer.
        let mut desk = Desk::with(both(), having(0..10), |config| config.me = id(me));
        dial(&mut desk, 1, having(5..20));
        desk.connect(11, 1, false);
        let hello = desk.hello(both());
        desk.frame(11, Frame::Hello(hello));
        desk.frame(11, Frame::Bitfield(having(5..20)));
        for conn in [1, 11] {
            desk.frame(conn, Frame::Interested);
        }
        desk.tell(allow(&[]));
        assert!(desk.machine.peers.values().all(|peer| peer.dialed && !peer.up.unchoked), "{me}");
        assert_eq!(desk.machine.peers.is_empty(), me == 9, "{me}: the smaller key's connection stayed");
    }
}
