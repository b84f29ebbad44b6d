//! Tests of the choker by the frames that peers get.

use super::super::harness::{Harness, SEED, TAKE, both, having};
use minimodel_wire::{Bitfield, Frame};

use super::super::events::{Input, Output, ServeOutcome};
use super::*;

/// Connections of unchoked peers.
fn unchoked(harness: &Harness) -> Vec<u64> {
    harness.machine.swarm.peers.iter().filter(|(_, peer)| peer.up.unchoked).map(|(conn, _)| conn.0).collect()
}

fn want(harness: &mut Harness, peers: std::ops::RangeInclusive<u8>) {
    for n in peers {
        harness.join(n, TAKE, having([]));
        harness.frame(n.into(), Frame::Interested);
    }
}

fn serve(harness: &mut Harness, conn: u64, ask: u64, index: u32) {
    harness.ask(conn, ask, index);
    harness.tell(Input::Served { ask: Ask(ask), outcome: ServeOutcome::Done { bytes: 100 } });
}

// Rows: B18
#[test]
fn slots_go_to_those_who_got_least() {
    let mut harness = Harness::with(SEED, Bitfield::full(20), |config| config.limits.upload_slots = 2);
    want(&mut harness, 1..=4);
    assert_eq!(unchoked(&harness), [1, 2]);
    for n in [1, 2] {
        serve(&mut harness, n, n, 0);
    }
    harness.wait(Duration::from_secs(3));
    assert_eq!(unchoked(&harness), [3, 4], "the first two got some and ask for no more");
}

// Rows: B18
#[test]
fn slot_passes_on_after_two_chunks_if_another_peer_waits() {
    let mut harness = Harness::with(SEED, Bitfield::full(20), |config| config.limits.upload_slots = 1);
    want(&mut harness, 1..=1);
    for ask in 0..4 {
        serve(&mut harness, 1, ask, ask as u32);
        harness.wait(Duration::from_millis(200));
    }
    assert_eq!(unchoked(&harness), [1], "nobody waits");
    want(&mut harness, 2..=2);
    serve(&mut harness, 1, 4, 4);
    assert_eq!(unchoked(&harness), [2]);
    serve(&mut harness, 2, 5, 5);
    harness.wait(Duration::from_millis(300));
    assert_eq!(unchoked(&harness), [2], "half a turn");
    serve(&mut harness, 2, 6, 6);
    assert_eq!(unchoked(&harness), [2], "it still has less than the other");
}

#[test]
fn optimistic_slot_prefers_the_waiting_peer_furthest_behind() {
    let mut far = 0;
    for seed in 0..60 {
        let mut harness = Harness::with(both(), having([0]), |config| {
            config.limits.upload_slots = 2;
            config.seed = seed;
        });
        for n in 1..=6 {
            let have: Vec<u32> = if n == 6 { vec![] } else { (1..10).collect() };
            harness.join(n, both(), Bitfield::new(20));
            harness.frame(n.into(), Frame::Interested);
            if !have.is_empty() {
                harness.frame(n.into(), Frame::Have { indexes: have });
            }
        }
        harness.deal(|choker, swarm| choker.rechoke(swarm));
        far += u32::from(unchoked(&harness).contains(&6));
    }
    // One in five without preference; three draws make it about half.
    assert!((20..45).contains(&far), "{far} of 60");
}

#[test]
fn more_slots_open_only_while_busy_ones_leave_uplink_unused() {
    let mut harness = Harness::with(SEED, Bitfield::full(20), |config| config.limits.upload_slots = 2);
    want(&mut harness, 1..=12);
    // A peer that requests much and reads it at once shows what the uplink can carry.
    for ask in 0..200 {
        let conn = unchoked(&harness)[0];
        serve(&mut harness, conn, ask, (ask % 20) as u32);
        harness.wait(Duration::from_millis(100));
    }
    assert_eq!(harness.machine.choker.slots.now(), 2, "full");
    // From here on no served peer reads anything.
    let mut ask = 1_000;
    for _ in 0..20 {
        for conn in unchoked(&harness) {
            if harness.peer(conn).up.active.is_empty() {
                harness.ask(conn, ask, 19);
                ask += 1;
            }
        }
        harness.wait(Duration::from_secs(1));
    }
    assert_eq!(harness.machine.choker.slots.now(), 8, "no more than four times the usual");
    let active: usize = harness.machine.swarm.peers.values().map(|peer| peer.up.active.len()).sum();
    assert!(active >= 8, "{active}");
    assert!(!harness.said().iter().any(|output| matches!(output, Output::Close { .. })));
}

// Rows: B18
#[test]
fn idle_peers_holding_every_slot_do_not_starve_an_asking_peer() {
    let mut harness = Harness::new(SEED, Bitfield::full(20));
    let slots = harness.machine.swarm.config.limits.upload_slots as u8;
    for n in 1..=slots {
        harness.join(n, TAKE, having([]));
        harness.frame(u64::from(n), Frame::Interested);
    }
    let late = slots + 1;
    harness.join(late, TAKE, having([]));
    harness.frame(u64::from(late), Frame::Interested);
    harness.said();
    let mut served = 0;
    for round in 0..60 {
        harness.wait(Duration::from_secs(10));
        let conn = Conn(u64::from(late));
        if harness.machine.swarm.peers.get(&conn).is_some_and(|peer| peer.up.unchoked) {
            harness.ask(u64::from(late), round, (round % 20) as u32);
            harness.tell(Input::Served { ask: Ask(round), outcome: ServeOutcome::Done { bytes: 100 } });
            served += 1;
        }
    }
    assert!(served > 50, "served in {served} of 60 rounds");
}
