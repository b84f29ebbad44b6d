//! Fair shares between sites of upload slots and of the memory for answers, as for places: a newcomer from elsewhere does
//! not wait until all keys of one crowded site have had their turns.

use super::events::Conn;
use super::places::Held;
use super::site::Site;
use super::swarm::Swarm;

fn site_of(swarm: &Swarm, conn: Conn) -> Option<Site> {
    swarm.peers.get(&conn).map(|peer| peer.site)
}

/// How many of these connections each site has.
pub(super) fn held_by(swarm: &Swarm, conns: impl Iterator<Item = Conn>) -> Held {
    Held::of(conns.filter_map(|conn| site_of(swarm, conn)))
}

/// Answers under way to each site.
pub(super) fn answers_held(swarm: &Swarm) -> Held {
    Held::of(swarm.peers.values().flat_map(|peer| peer.up.active.keys().map(|_| peer.site)))
}

/// Gives slots of chosen peers at sites with more than their share to `wanting` peers at sites with fewer; both lists are
/// in the order of service. While we are a leecher, a peer that gives to us keeps its slot.
pub(super) fn shared(swarm: &Swarm, mut chosen: Vec<Conn>, wanting: &[Conn]) -> Vec<Conn> {
    let seeding = swarm.chunks.is_complete();
    let keeps = |conn: &Conn| !seeding && swarm.peers.get(conn).is_some_and(|peer| peer.down.given.1 > 0);
    for _ in 0..chosen.len() {
        let held = held_by(swarm, chosen.iter().copied());
        let others = wanting.iter().filter(|conn| !chosen.contains(conn));
        let sites = others.filter_map(|&conn| Some((conn, site_of(swarm, conn)?)));
        let Some((next, site)) = sites.min_by_key(|&(_, site)| held.by(site)) else { break };
        let gives = chosen.iter().enumerate().filter(|(_, conn)| !keeps(conn));
        let gives = gives.filter_map(|(at, &conn)| Some((at, site_of(swarm, conn)?)));
        let gives = gives.filter(|&(_, rich)| held.owes(rich, site));
        let Some((at, _)) = gives.max_by_key(|&(at, rich)| (held.by(rich), at)) else { break };
        chosen[at] = next;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use minimodel_wire::{Bitfield, Frame};

    use super::super::events::{Ask, Input, Output, ServeOutcome};
    use super::super::harness::{Harness, SEED, TAKE, having};

    const SIEGE: [u8; 4] = [203, 0, 113, 9];

    fn come(harness: &mut Harness, n: u8, address: [u8; 4]) {
        harness.connect_from(n.into(), n, address, false);
        let hello = harness.hello(TAKE);
        harness.frame(n.into(), Frame::Hello(hello));
        harness.frame(n.into(), Frame::Bitfield(having([])));
        harness.frame(n.into(), Frame::Interested);
    }

    fn holders(harness: &Harness) -> Vec<u64> {
        harness.machine.choker.unchoked.iter().map(|conn| conn.0).collect()
    }

    /// Every holder without an answer under way requests a chunk and reads none of it.
    fn ask_and_stall(harness: &mut Harness, next: &mut u64) {
        for conn in holders(harness) {
            if harness.peer(conn).up.active.is_empty() {
                *next += 1;
                harness.ask(conn, *next, (*next % 20) as u32);
            }
        }
    }

    // Rows: H2, B18
    #[test]
    fn newcomer_gets_a_slot_within_seconds_from_a_slow_reading_site() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        let mut next = 0;
        (1..=40).for_each(|n| come(&mut harness, n, SIEGE));
        // All of them have read once, to look used.
        for n in 1..=40 {
            harness.deal(|choker, swarm| choker.unchoke(swarm, super::Conn(n)));
            harness.ask(n, 1_000 + n, 0);
            let outcome = ServeOutcome::Done { bytes: 1 << 16 };
            harness.tell(Input::Served { ask: Ask(1_000 + n), outcome });
            harness.frame(n, Frame::NotInterested);
            harness.frame(n, Frame::Interested);
        }
        for _ in 0..30 {
            ask_and_stall(&mut harness, &mut next);
            harness.wait(Duration::from_secs(1));
        }
        come(&mut harness, 50, [198, 51, 100, 1]);
        harness.wait(Duration::from_secs(2));
        assert!(holders(&harness).contains(&50), "{:?}", holders(&harness));
        harness.said();
        harness.ask(50, 5_000, 3);
        assert!(harness.said().iter().any(|output| matches!(output, Output::Serve { ask: Ask(5_000), .. })));
        // The newcomer keeps its share although it reads more than they do.
        for ask in 0..60 {
            harness.tell(Input::Served {
                ask: Ask(5_000 + ask),
                outcome: ServeOutcome::Done { bytes: 1 << 16 },
            });
            harness.wait(Duration::from_millis(500));
            assert!(holders(&harness).contains(&50), "after {ask}: {:?}", holders(&harness));
            harness.ask(50, 5_001 + ask, (ask % 20) as u32);
        }
    }

    // Rows: H2, B17
    #[test]
    fn site_that_reads_nothing_does_not_hold_all_memory() {
        let mut harness = Harness::with(SEED, Bitfield::full(20), |config| {
            config.terms.chunk_size = 16 << 20;
            config.terms.byte_count = 20 * (16 << 20);
        });
        let mut next = 0;
        for n in 1..=40 {
            come(&mut harness, n, [203, 0, 113, 1 + n % 4]);
            ask_and_stall(&mut harness, &mut next);
        }
        for _ in 0..10 {
            harness.wait(Duration::from_secs(1));
            ask_and_stall(&mut harness, &mut next);
        }
        come(&mut harness, 50, [198, 51, 100, 1]);
        harness.wait(Duration::from_secs(2));
        harness.said();
        harness.ask(50, 5_000, 3);
        assert!(harness.said().iter().any(|output| matches!(output, Output::Serve { ask: Ask(5_000), .. })));
    }

    // Rows: H2
    #[test]
    fn slots_of_one_site_or_one_peer_per_site_stay_as_dealt() {
        for address in [|_| SIEGE, |n: u8| [100, n, 0, 1]] {
            let mut harness =
                Harness::with(SEED, Bitfield::full(20), |config| config.limits.upload_slots = 4);
            (1..=12).for_each(|n| come(&mut harness, n, address(n)));
            let before = holders(&harness);
            harness.deal(|choker, swarm| choker.share_slots(swarm));
            assert_eq!((before.len(), holders(&harness)), (4, before));
        }
    }
}
