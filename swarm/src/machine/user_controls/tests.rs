//! Controls that change while a machine runs.

use std::time::Duration;

use minimodel_wire::{Bitfield, CloseCode, Consent, Frame, ResetCode};

use super::super::events::{Ask, Conn, Event, Input, Output, ServeOutcome};
use super::super::harness::{CHUNKS, Harness, SEED, TAKE, all, both, having, id, offer};
use super::*;

const LATE: u64 = 1_000_000;
const CHUNK: u64 = 1 << 16;

fn only(peers: &[u8]) -> Option<BTreeSet<PeerId>> {
    Some(peers.iter().map(|&n| id(n)).collect())
}

fn want(harness: &mut Harness, n: u8) {
    harness.join(n, TAKE, having([]));
    harness.frame(n.into(), Frame::Interested);
}

fn offers(harness: &mut Harness, n: u8) {
    harness.join(n, SEED, Bitfield::full(CHUNKS));
    harness.frame(n.into(), Frame::Unchoke);
}

fn serve(harness: &mut Harness, ask: u64, bytes: u64) {
    harness.tell(Input::Served { ask: Ask(ask), outcome: ServeOutcome::Done { bytes } });
}

/// Requests that are being answered, in order.
fn served(harness: &mut Harness) -> Vec<u64> {
    let serve = |output| if let Output::Serve { ask, .. } = output { Some(ask.0) } else { None };
    harness.said().into_iter().filter_map(serve).collect()
}

// Rows: I5
#[test]
fn peer_off_allow_list_is_closed_at_once_unless_we_dialed_it() {
    let mut harness = Harness::new(all(), Bitfield::full(CHUNKS));
    want(&mut harness, 1);
    want(&mut harness, 2);
    harness.connect(3, 3, true);
    harness.ask(1, 10, 0);
    harness.said();
    harness.tell(Input::Controls(Controls { allow: only(&[2]), ..Controls::default() }));
    assert_eq!(harness.closes(), [(1, CloseCode::NotAllowed)]);
    assert!(harness.machine.swarm.peers.contains_key(&Conn(3)));
    harness.connect(4, 1, false);
    assert_eq!(harness.closes(), [(4, CloseCode::NotAllowed)]);
    harness.tell(Input::Controls(Controls::default()));
    harness.connect(5, 1, false);
    assert_eq!(harness.closes(), []);
}

// Rows: I5
#[test]
fn source_off_list_is_asked_no_more_and_others_get_its_requests() {
    let mut harness = Harness::new(TAKE, having([]));
    offers(&mut harness, 1);
    let asked = harness.requests();
    assert!(!asked.is_empty());
    harness.tell(Input::Controls(Controls { sources: only(&[2]), ..Controls::default() }));
    let said = harness.said();
    let cancelled = said.iter().filter(|output| matches!(output, Output::Cancel { .. })).count();
    assert_eq!(cancelled, asked.len());
    let unwanted = Output::Send { conn: Conn(1), frame: Frame::NotInterested };
    assert!(said.iter().any(|output| format!("{output:?}") == format!("{unwanted:?}")), "{said:?}");
    harness.frame(1, Frame::Unchoke);
    harness.wait(Duration::from_secs(2));
    assert_eq!(harness.requests(), []);
    offers(&mut harness, 2);
    assert!(harness.requests().iter().all(|&(conn, ..)| conn == 2));
    harness.tell(Input::Controls(Controls::default()));
    assert!(harness.requests().iter().any(|&(conn, ..)| conn == 1), "it may be asked again");
}

// Rows: I5
#[test]
fn source_is_dialed_only_while_it_is_on_the_source_list() {
    let sources = |peers: &[u8]| Input::Controls(Controls { sources: only(peers), ..Controls::default() });
    let mut harness = Harness::new(TAKE, having([]));
    harness.tell(sources(&[2]));
    for n in [1, 2] {
        harness.tell(Input::Source(offer(n, [1; 32], LATE)));
    }
    harness.wait(Duration::from_secs(120));
    assert_eq!(harness.dialed(), [id(2)]);
    assert!(!harness.events().contains(&Event::Exhausted));
    harness.tell(sources(&[1]));
    assert_eq!(harness.dialed(), [id(1)]);
    // The dial succeeds after the user took the peer off the list.
    harness.tell(sources(&[]));
    harness.connect(7, 1, true);
    assert_eq!(harness.closes(), [(7, CloseCode::Done)]);
    harness.wait(Duration::from_secs(120));
    assert_eq!(harness.dialed(), []);
}

// Rows: I5
#[test]
fn share_dials_whom_it_lets_in_whatever_its_list_of_sources() {
    let mut harness = Harness::new(SEED | Consent::PUBLISH, Bitfield::full(CHUNKS));
    harness.tell(Input::Controls(Controls { sources: only(&[]), allow: only(&[2]), ..Controls::default() }));
    for n in [1, 2] {
        harness.tell(Input::Source(offer(n, [1; 32], LATE)));
    }
    harness.wait(Duration::from_secs(120));
    assert_eq!(harness.dialed(), [id(2)]);
    harness.connect(2, 2, true);
    harness.connect(3, 3, true);
    assert_eq!(harness.closes(), [(3, CloseCode::Done)]);
}

#[test]
fn a_search_for_leaf_hashes_leaves_who_is_off_the_list() {
    let mut harness = Harness::with(TAKE, having([]), |config| config.rescan = true);
    harness.join(1, SEED, Bitfield::full(CHUNKS));
    harness.join(2, SEED, Bitfield::full(CHUNKS));
    let leaves = |harness: &mut Harness| -> Vec<u64> {
        let asked =
            |output| if let Output::RequestLeaves { conn, .. } = output { Some(conn.0) } else { None };
        harness.said().into_iter().filter_map(asked).collect()
    };
    assert_eq!(leaves(&mut harness), [1]);
    harness.tell(Input::Controls(Controls { sources: only(&[2]), ..Controls::default() }));
    assert_eq!(leaves(&mut harness), [2]);
}

#[test]
fn slots_grow_and_shrink_at_once() {
    let slots = |slots| Input::Controls(Controls { slots, ..Controls::default() });
    let mut harness = Harness::new(SEED, Bitfield::full(CHUNKS));
    (1..=3).for_each(|n| want(&mut harness, n));
    for (wanted, held) in [(Some(1), 1), (Some(0), 0), (Some(2), 2), (None, 3)] {
        harness.tell(slots(wanted));
        assert_eq!(harness.machine.progress().served, held, "{wanted:?}");
    }
    harness.ask(1, 1, 0);
    harness.tell(slots(Some(0)));
    harness.wait(Duration::from_secs(60));
    assert_eq!(harness.machine.progress().served, 0);
    serve(&mut harness, 1, CHUNK);
    assert!(
        harness.events().contains(&Event::Uploaded { peer: id(1), bytes: CHUNK }),
        "what ran is finished"
    );
}

#[test]
fn what_waits_for_our_own_rate_is_no_silence_of_the_peer_s() {
    let mut harness = Harness::new(TAKE, having([]));
    offers(&mut harness, 1);
    let asked = harness.requests();
    harness.tell(Input::Progress { req: asked[0].1, received: 10 });
    for _ in 0..60 {
        harness.wait(Duration::from_secs(1));
        for &(_, req, _) in &asked {
            harness.tell(Input::Withheld { req });
        }
    }
    assert_eq!(harness.requests(), []);
    assert!(!harness.events().iter().any(|event| matches!(event, Event::Struck { .. })));
}

/// Dials the peer with key `n`, which introduces itself with serve and fetch consent.
fn dial(harness: &mut Harness, n: u8, have: Bitfield) {
    harness.connect(n.into(), n, true);
    let hello = harness.hello(both());
    harness.frame(n.into(), Frame::Hello(hello));
    harness.frame(n.into(), Frame::Bitfield(have));
}

fn allow(peers: &[u8]) -> Input {
    Input::Controls(Controls { allow: only(peers), ..Controls::default() })
}

fn refused(said: &[Output]) -> Vec<(u64, ResetCode)> {
    let refusal =
        |output: &Output| if let Output::Refuse { ask, code } = output { Some((ask.0, *code)) } else { None };
    said.iter().filter_map(refusal).collect()
}

// Rows: I5
#[test]
fn dialed_peer_that_is_not_allowed_is_fetched_from_never_served() {
    let mut harness = Harness::with(both(), having(0..10), |config| config.controls.allow = only(&[2]));
    dial(&mut harness, 1, having(5..20));
    harness.frame(1, Frame::Unchoke);
    assert!(!harness.requests().is_empty(), "it is a source all the same");
    harness.frame(1, Frame::Interested);
    harness.ask(1, 7, 3);
    harness.tell(Input::AskedLeaves { ask: Ask(8), conn: Conn(1) });
    harness.tell(Input::AskedManifest { ask: Ask(9), conn: Conn(1) });
    harness.wait(Duration::from_secs(12));
    let said = harness.said();
    let not_permitted = ResetCode::NotPermitted;
    assert_eq!(refused(&said), [(7, ResetCode::Choked), (8, not_permitted), (9, not_permitted)]);
    assert!(!said.iter().any(|output| matches!(output, Output::Send { frame: Frame::Unchoke, .. })));
    assert!(!harness.machine.peer_state(Conn(1)).unwrap().may_be_served);
    // Once the user allows the peer, it is served over the same connection.
    harness.tell(allow(&[1]));
    assert!(harness.frames(1).contains(&Frame::Unchoke));
}

// Rows: I5
#[test]
fn dialed_peer_off_the_list_is_choked_and_its_answers_are_ended() {
    let mut harness = Harness::new(both(), having(0..10));
    dial(&mut harness, 1, having(5..20));
    harness.frame(1, Frame::Interested);
    harness.frame(1, Frame::Unchoke);
    for ask in 0..10 {
        harness.ask(1, ask, ask as u32);
    }
    let running = served(&mut harness).len();
    assert!((1..10).contains(&running));
    harness.tell(allow(&[]));
    let said = harness.said();
    let chokes = said.iter().filter(|output| matches!(output, Output::Send { frame: Frame::Choke, .. }));
    assert_eq!(chokes.count(), 1);
    let mut codes = refused(&said);
    codes.sort_unstable_by_key(|&(ask, _)| ask);
    assert_eq!(codes, (0..10).map(|ask| (ask, ResetCode::Choked)).collect::<Vec<_>>());
    assert!(!said.iter().any(|output| matches!(output, Output::Close { .. } | Output::Cancel { .. })));
    assert!(harness.machine.progress().requests > 0, "what we asked of it is still on its way");
    let taken = |harness: &Harness| harness.machine.standings.taken(id(1), harness.now);
    assert_eq!(taken(&harness), running as u64, "it counts whole");
    serve(&mut harness, 0, CHUNK);
    assert_eq!(taken(&harness), running as u64, "and once");
}

// Rows: I5
#[test]
fn our_connection_to_disallowed_peer_stays_its_own_is_refused() {
    for me in [0, 9] {
        let with = |config: &mut super::super::config::Config| {
            config.controls.allow = only(&[]);
            config.me = id(me);
        };
        let mut harness = Harness::with(both(), having(0..10), with);
        dial(&mut harness, 1, having(5..20));
        harness.frame(1, Frame::Unchoke);
        harness.said();
        harness.connect(11, 1, false);
        assert_eq!(harness.closes(), [(11, CloseCode::NotAllowed)], "{me}");
        assert!(harness.machine.progress().requests > 0);
        // The other order: the peer's connection comes first, ours second.
        let mut harness = Harness::with(both(), having(0..10), with);
        harness.connect(11, 1, false);
        dial(&mut harness, 1, having(5..20));
        harness.frame(1, Frame::Unchoke);
        assert_eq!(harness.closes(), [(11, CloseCode::NotAllowed)], "{me}");
        // Two connections of an allowed peer: the one that stays is not served once the user disallows the peer.
        let mut harness = Harness::with(both(), having(0..10), |config| config.me = id(me));
        dial(&mut harness, 1, having(5..20));
        harness.connect(11, 1, false);
        let hello = harness.hello(both());
        harness.frame(11, Frame::Hello(hello));
        harness.frame(11, Frame::Bitfield(having(5..20)));
        for conn in [1, 11] {
            harness.frame(conn, Frame::Interested);
        }
        harness.tell(allow(&[]));
        assert!(harness.machine.swarm.peers.values().all(|peer| peer.dialed && !peer.up.unchoked), "{me}");
        assert_eq!(
            harness.machine.swarm.peers.is_empty(),
            me == 9,
            "{me}: the smaller key's connection stayed"
        );
    }
}
