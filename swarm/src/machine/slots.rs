//! The choker: upload slots, reciprocity, optimistic unchokes, and how many slots there are.

use std::time::Duration;

use minimodel_wire::{Bitfield, Consent, ResetCode};

use super::core::Machine;
use super::events::{Ask, Conn};
use super::fault::Breach;
use super::peer::Peer;
use super::time::Time;
use super::uploads::UPLOAD_BYTES;

/// Interval of the check for idle slots; a slot that is idle at two checks in a row passes on.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// One in `OPTIMISTIC_PART` slots of a leecher is an optimistic unchoke, for the peer with the fewest chunks of `DRAWS` drawn.
const OPTIMISTIC_PART: usize = 4;
const DRAWS: usize = 3;
/// Slots that are added at a check, and the most there may be, in multiples of the usual number.
const MORE_SLOTS: usize = 2;
const MOST_SLOTS: usize = 4;

/// The most slots that upload memory allows, a chunk for each; at least one.
pub(super) fn slots_in_memory(chunk_size: u32) -> usize {
    usize::try_from(UPLOAD_BYTES / u64::from(chunk_size.max(1))).unwrap_or(usize::MAX).max(1)
}

impl Machine {
    pub(super) fn interested(&mut self, now: Time, conn: Conn) {
        let serves = self.swarm.serves();
        let free = self.slots_used() < self.slots;
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if !peer.consent.contains(Consent::FETCH) {
            self.breach(now, conn, Breach::WrongState);
            return;
        }
        self.interested_peers += u32::from(!std::mem::replace(&mut peer.up.interested, true));
        if serves && free && peer.may_be_served() {
            self.unchoke(conn);
        }
    }

    pub(super) fn not_interested(&mut self, conn: Conn) {
        if let Some(peer) = self.swarm.peers.get_mut(&conn) {
            self.interested_peers -= u32::from(std::mem::replace(&mut peer.up.interested, false));
        }
        self.choke(conn);
        self.fill_slots();
    }

    /// Gives free slots to waiting peers. No peer loses one here: other peers decide when this happens, by coming, going
    /// or changing their interest, while slots are taken away by the clock alone.
    pub(super) fn fill_slots(&mut self) {
        while self.swarm.serves() && !self.swarm.stopping && self.slots_used() < self.slots {
            let Some(next) = self.next_for_slot() else { return };
            self.unchoke(next);
        }
    }

    fn slots_used(&self) -> usize {
        self.unchoked.len()
    }

    pub(super) fn unchoke(&mut self, conn: Conn) {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if !peer.up.unchoked && peer.may_be_served() {
            peer.up.unchoked = true;
            self.unchoked.insert(conn);
            peer.up.turn = None;
            peer.up.was_idle = false;
            peer.outbox.set_unchoked(true);
            self.swarm.announcer.has_word(conn);
        }
    }

    /// Chokes the peer: answers under way are finished, waiting requests are refused.
    pub(super) fn choke(&mut self, conn: Conn) {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if !peer.up.unchoked {
            return;
        }
        peer.up.unchoked = false;
        peer.up.quota_wait = None;
        self.unchoked.remove(&conn);
        // As many requests as the peer may have open.
        peer.up.crossing = self.swarm.config.limits.max_asks;
        peer.outbox.set_unchoked(false);
        let waiting: Vec<Ask> = peer.up.waiting.drain(..).map(|(ask, _)| ask).collect();
        if !waiting.is_empty() {
            peer.outbox.refused_as_choked();
        }
        self.swarm.announcer.has_word(conn);
        for ask in waiting {
            self.swarm.refuse(ask, ResetCode::Choked);
        }
    }

    /// Rechokes at its interval; bytes that a peer gave in earlier rounds count half.
    pub(super) fn rechoke_on_time(&mut self, now: Time) {
        for peer in self.swarm.peers.values_mut() {
            let total = peer.down.meter.total();
            let (before, given) = peer.down.given;
            peer.down.given = (total, given / 2 + (total - before));
            let moved = peer.up.bytes != std::mem::replace(&mut peer.up.bytes_before, peer.up.bytes);
            if moved {
                peer.up.idle_rounds = 0;
            } else if peer.up.unchoked && peer.up.active.is_empty() {
                // The peer holds a slot and requests nothing.
                peer.up.idle_rounds = peer.up.idle_rounds.saturating_add(1);
            }
        }
        if now >= self.next_optimistic {
            self.next_optimistic = now + self.swarm.config.limits.optimistic;
            self.optimistic.clear();
        }
        self.reevaluate_quotas(now);
        self.rechoke();
        // Answers that were read slowly may have to make room by now.
        self.answer_next(now);
    }

    /// Deals the upload slots. A leecher prefers peers that give to it (tit for tat, BEP 3); a seeder prefers peers with
    /// the fewest chunks. Peers that held a slot for a round and requested nothing come last. Some slots of a leecher are
    /// optimistic unchokes, so that newcomers can show what they have.
    pub(super) fn rechoke(&mut self) {
        if !self.swarm.serves() || self.swarm.stopping {
            return;
        }
        let seeding = self.swarm.chunks.is_complete();
        let mut wanting: Vec<((u32, u64, u64), Conn)> = Vec::new();
        for (&conn, peer) in self.swarm.peers.iter() {
            if peer.wants_slot() {
                wanting.push((Self::rank(peer, seeding), conn));
            }
        }
        let slots = self.slots;
        wanting.sort_unstable();
        let wanting: Vec<Conn> = wanting.into_iter().map(|(_, conn)| conn).collect();
        let mut chosen = self.in_reserved_order(wanting.clone());
        let others = chosen.split_off(slots.min(chosen.len()));
        if !seeding && slots > 1 {
            // With a single slot, an optimistic unchoke would leave none for peers that give.
            let optimistic = self.draw_optimistic(others, (slots / OPTIMISTIC_PART).max(1));
            chosen.truncate(slots - optimistic.len());
            chosen.extend(&optimistic);
            self.optimistic = optimistic;
        }
        let chosen = self.shared(chosen, &wanting);
        for &conn in &wanting {
            if !chosen.contains(&conn) {
                self.choke(conn);
            }
        }
        for conn in chosen {
            self.unchoke(conn);
        }
    }

    /// Chooses the optimistic unchokes: keeps the present ones until they rotate, then draws `DRAWS` peers for each free
    /// slot and takes the one with the fewest chunks. So a peer that happens to get nothing in return is not left behind.
    fn draw_optimistic(&mut self, mut others: Vec<Conn>, most: usize) -> Vec<Conn> {
        let mut optimistic = std::mem::take(&mut self.optimistic);
        optimistic.retain(|conn| others.contains(conn));
        optimistic.truncate(most);
        others.retain(|conn| !optimistic.contains(conn));
        while optimistic.len() < most && !others.is_empty() {
            let drawn = (0..DRAWS).map(|_| self.swarm.rng.usize(..others.len()));
            let least =
                drawn.min_by_key(|&at| self.swarm.peers.get(&others[at]).map(|peer| peer.have.ones()));
            optimistic.extend(least.map(|at| others.swap_remove(at)));
        }
        optimistic
    }

    /// The rank of a peer for a slot; the lowest is served first.
    pub(super) fn rank(peer: &Peer, seeding: bool) -> (u32, u64, u64) {
        // Chunks that we sent count as the peer's own, so that it gains nothing by not announcing them.
        let sent = peer.up.sent.as_ref().map_or(0, Bitfield::ones);
        let merit =
            if seeding { u64::from(peer.have.ones().max(sent)) } else { u64::MAX - peer.down.given.1 };
        (peer.up.idle_rounds, merit, peer.up.bytes)
    }

    /// Passes slots of idle or very slow holders on to waiting peers.
    pub(super) fn pass_idle_slots(&mut self, now: Time) {
        self.next_look = now + LOOK_EVERY;
        self.adapt_slots(now);
        let overstays = |(conn, peer): (&Conn, &Peer)| self.overstays(now, peer).then_some(*conn);
        let mut idle: Vec<Conn> = self.swarm.peers.iter().filter_map(overstays).collect();
        for (&conn, peer) in self.swarm.peers.iter_mut() {
            let up = &mut peer.up;
            // A fast peer is often done at the very moment of the check.
            let moved = up.bytes != std::mem::replace(&mut up.bytes_looked, up.bytes);
            // An answer still under way from an earlier turn is no use of this one.
            let takes = !up.active.is_empty() && up.turn.is_some();
            let is_idle = up.unchoked && !moved && !takes && up.waiting.is_empty();
            if is_idle && up.was_idle {
                idle.push(conn);
            }
            up.was_idle = is_idle;
        }
        for conn in idle {
            let Some(peer) = self.swarm.peers.get_mut(&conn) else { continue };
            let rounds = peer.up.idle_rounds;
            peer.up.idle_rounds = rounds.saturating_add(1);
            if !self.pass_slot_on(conn, (rounds, u64::MAX, u64::MAX))
                && let Some(peer) = self.swarm.peers.get_mut(&conn)
            {
                peer.up.idle_rounds = rounds;
            }
        }
        self.reclaim_from_new_peers();
        self.share_slots();
    }

    /// Opens more slots while less goes out than before and every slot is busy: the served peers are slow to read and the
    /// uplink has room. Closes them again when the uplink is full.
    fn adapt_slots(&mut self, now: Time) {
        let usual = self.usual_slots();
        self.outflow.look(now);
        let is_busy = |peer: &&Peer| peer.up.unchoked && !peer.up.active.is_empty();
        let busy = self.swarm.peers.values().filter(is_busy).count();
        if self.outflow.is_low() && busy >= self.slots {
            self.slots = (self.slots + MORE_SLOTS)
                .min(usual * MOST_SLOTS)
                .min(slots_in_memory(self.swarm.config.terms.chunk_size));
            self.fill_slots();
        } else if self.outflow.is_full() && self.slots > usual {
            // The holder of a slot too many keeps it until the rechoke.
            self.slots -= 1;
        }
    }

    /// Returns the waiting peer that is next: of the site with the fewest slots, the one with the lowest rank.
    pub(super) fn next_for_slot(&self) -> Option<Conn> {
        let seeding = self.swarm.chunks.is_complete();
        let (is_kept, held) = (self.is_new_half_taken(), self.slots_held());
        let waiting = self.swarm.peers.iter().filter(|(_, peer)| peer.waits_for_slot());
        let is_late = |peer: &Peer| is_kept && !Self::is_proven_reader(peer);
        let rank = |peer: &Peer| (held.by(peer.site), is_late(peer), Self::rank(peer, seeding));
        waiting.min_by_key(|(_, peer)| rank(peer)).map(|(&conn, _)| conn)
    }

    /// Moves a slot to the next waiting peer if that peer's rank is below `rank`; returns true if it did.
    pub(super) fn pass_slot_on(&mut self, conn: Conn, rank: (u32, u64, u64)) -> bool {
        if self.swarm.stopping {
            return false;
        }
        let seeding = self.swarm.chunks.is_complete();
        let Some(next) = self.next_for_slot() else { return false };
        if self.keeps_slot_from(conn, next) {
            return false;
        }
        if self.swarm.peers.get(&next).is_none_or(|peer| Self::rank(peer, seeding) >= rank) {
            return false;
        }
        self.choke(conn);
        self.unchoke(next);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{Harness, SEED, TAKE, both, having};
    use minimodel_wire::Frame;

    use super::super::events::{Input, Output, ServeOutcome};
    use super::*;

    /// Connections of unchoked peers.
    fn unchoked(harness: &Harness) -> Vec<u64> {
        harness
            .machine
            .swarm
            .peers
            .iter()
            .filter(|(_, peer)| peer.up.unchoked)
            .map(|(conn, _)| conn.0)
            .collect()
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

    #[test]
    fn b18_slots_go_to_those_who_got_least() {
        let mut harness = Harness::with(SEED, Bitfield::full(20), |config| config.limits.upload_slots = 2);
        want(&mut harness, 1..=4);
        assert_eq!(unchoked(&harness), [1, 2]);
        for n in [1, 2] {
            serve(&mut harness, n, n, 0);
        }
        harness.wait(Duration::from_secs(3));
        assert_eq!(unchoked(&harness), [3, 4], "the first two got some and ask for no more");
    }

    #[test]
    fn b18_a_seeder_s_slot_passes_on_after_two_chunks_if_others_wait_and_not_before() {
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
    fn of_those_who_wait_whoever_is_furthest_behind_is_likelier_to_be_lucky() {
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
            harness.machine.rechoke();
            far += u32::from(unchoked(&harness).contains(&6));
        }
        // One in five without preference; three draws make it about half.
        assert!((20..45).contains(&far), "{far} of 60");
    }

    #[test]
    fn more_slots_open_only_while_busy_ones_leave_room_on_the_way_up() {
        let mut harness = Harness::with(SEED, Bitfield::full(20), |config| config.limits.upload_slots = 2);
        want(&mut harness, 1..=12);
        // A peer that requests much and reads it at once shows what the uplink can carry.
        for ask in 0..200 {
            let conn = unchoked(&harness)[0];
            serve(&mut harness, conn, ask, (ask % 20) as u32);
            harness.wait(Duration::from_millis(100));
        }
        assert_eq!(harness.machine.slots, 2, "full");
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
        assert_eq!(harness.machine.slots, 8, "no more than four times the usual");
        let active: usize = harness.machine.swarm.peers.values().map(|peer| peer.up.active.len()).sum();
        assert!(active >= 8, "{active}");
        assert!(!harness.said().iter().any(|output| matches!(output, Output::Close { .. })));
    }

    #[test]
    fn b18_peers_that_hold_every_slot_and_ask_nothing_do_not_starve_one_that_asks() {
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
}
