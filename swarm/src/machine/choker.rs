//! The choker: upload slots, reciprocity, optimistic unchokes, turns, and how many slots there are.
//!
//! It decides who holds a slot. What the holders request, and whether a quota covers it, is not decided here.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use minimodel_wire::{Consent, ResetCode};

use super::config::Config;
use super::events::{Ask, Conn};
use super::fault::Breach;
use super::peer::Peer;
use super::places::Held;
use super::shares;
use super::slot_count::SlotCount;
use super::slot_reservation::Reservation;
use super::swarm::Swarm;
use super::time::Time;
use super::turns::Turn;

/// Interval of the check for idle slots; a slot that is idle at two checks in a row passes on.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// One in `OPTIMISTIC_PART` slots of a leecher is an optimistic unchoke, for the peer with the fewest chunks of `DRAWS` drawn.
const OPTIMISTIC_PART: usize = 4;
const DRAWS: usize = 3;
/// The rank of a peer for a slot; the lowest is served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    idle_rounds: u32,
    /// Low for a peer that gave us much or, while we seed, that has few chunks.
    merit: u64,
    bytes: u64,
}

/// The upload slots, and the peers that hold them.
#[derive(Debug)]
pub(super) struct Choker {
    /// Peers that hold an upload slot.
    pub(super) unchoked: BTreeSet<Conn>,
    pub(super) slots: SlotCount,
    /// Peers with an optimistic unchoke.
    optimistic: Vec<Conn>,
    /// Peers that are interested in our chunks.
    interested: u32,
    /// Chunks that were sent whole.
    chunks_served: u64,
    pub(super) next_rechoke: Time,
    next_optimistic: Time,
    pub(super) next_look: Time,
}

impl Choker {
    /// A choker whose slots are all free.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            unchoked: BTreeSet::new(),
            slots: SlotCount::new(config),
            optimistic: Vec::new(),
            interested: 0,
            chunks_served: 0,
            next_rechoke: Time::ZERO,
            next_optimistic: Time::ZERO,
            next_look: Time::ZERO,
        }
    }

    /// Handles an Interested; returns the breach that it is from a peer that did not consent to fetch.
    pub(super) fn interested(&mut self, swarm: &mut Swarm, conn: Conn) -> Option<Breach> {
        let peer = swarm.peers.get_mut(&conn)?;
        if !peer.consent.contains(Consent::FETCH) {
            return Some(Breach::WrongState);
        }
        self.interested += u32::from(!std::mem::replace(&mut peer.up.interested, true));
        if peer.may_be_served() && swarm.serves() && self.slots_used() < self.slots.now() {
            self.unchoke(swarm, conn);
        }
        None
    }

    /// Handles a NotInterested.
    pub(super) fn not_interested(&mut self, swarm: &mut Swarm, conn: Conn) {
        if let Some(peer) = swarm.peers.get_mut(&conn) {
            self.interested -= u32::from(std::mem::replace(&mut peer.up.interested, false));
        }
        self.choke(swarm, conn);
        self.fill_slots(swarm);
    }

    /// Gives free slots to waiting peers. No peer loses one here: other peers decide when this happens, by coming, going
    /// or changing their interest, while slots are taken away by the clock alone.
    pub(super) fn fill_slots(&mut self, swarm: &mut Swarm) {
        while swarm.serves() && !swarm.stopping && self.slots_used() < self.slots.now() {
            let Some(next) = self.next_for_slot(swarm) else { return };
            self.unchoke(swarm, next);
        }
    }

    fn slots_used(&self) -> usize {
        self.unchoked.len()
    }

    pub(super) fn unchoke(&mut self, swarm: &mut Swarm, conn: Conn) {
        let Some(peer) = swarm.peers.get_mut(&conn) else { return };
        if !peer.up.unchoked && peer.may_be_served() {
            peer.up.unchoked = true;
            self.unchoked.insert(conn);
            peer.up.turn = None;
            peer.up.idle.was_idle = false;
            peer.outbox.set_unchoked(true);
            swarm.announcer.has_word(conn);
        }
    }

    /// Chokes the peer: answers under way are finished, waiting requests are refused.
    pub(super) fn choke(&mut self, swarm: &mut Swarm, conn: Conn) {
        let Some(peer) = swarm.peers.get_mut(&conn) else { return };
        if !peer.up.unchoked {
            return;
        }
        peer.up.unchoked = false;
        peer.up.quota_wait = None;
        self.unchoked.remove(&conn);
        // As many requests as the peer may have open.
        peer.up.crossing = swarm.config.limits.max_asks;
        peer.outbox.set_unchoked(false);
        let waiting: Vec<Ask> = peer.up.waiting.drain(..).map(|(ask, _)| ask).collect();
        if !waiting.is_empty() {
            peer.outbox.refused_as_choked();
        }
        swarm.announcer.has_word(conn);
        for ask in waiting {
            swarm.refuse(ask, ResetCode::Choked);
        }
    }

    /// Begins a round, at the interval of the rechoke, which follows; bytes that a peer gave in earlier rounds count half.
    pub(super) fn begin_round(&mut self, swarm: &mut Swarm) {
        for peer in swarm.peers.values_mut() {
            let total = peer.down.pace.meter.total();
            let (before, given) = peer.down.given;
            peer.down.given = (total, given / 2 + (total - before));
            peer.up.end_round();
        }
        let (now, limits) = (swarm.now, &swarm.config.limits);
        self.next_rechoke = now + limits.rechoke;
        if now >= self.next_optimistic {
            self.next_optimistic = now + limits.optimistic;
            self.optimistic.clear();
        }
    }

    /// Deals the upload slots. A leecher prefers peers that give to it (tit for tat, BEP 3); a seeder prefers peers with
    /// the fewest chunks. Peers that held a slot for a round and requested nothing come last. Some slots of a leecher are
    /// optimistic unchokes, so that newcomers can show what they have.
    pub(super) fn rechoke(&mut self, swarm: &mut Swarm) {
        if !swarm.serves() || swarm.stopping {
            return;
        }
        let seeding = swarm.chunks.is_complete();
        let mut wanting: Vec<(Rank, Conn)> = Vec::new();
        for (&conn, peer) in swarm.peers.iter() {
            if peer.wants_slot() {
                wanting.push((Self::rank(peer, seeding), conn));
            }
        }
        let slots = self.slots.now();
        wanting.sort_unstable();
        let wanting: Vec<Conn> = wanting.into_iter().map(|(_, conn)| conn).collect();
        let mut chosen = self.reservation(swarm).in_order(wanting.clone());
        let others = chosen.split_off(slots.min(chosen.len()));
        if !seeding && slots > 1 {
            // With a single slot, an optimistic unchoke would leave none for peers that give.
            let optimistic = self.draw_optimistic(swarm, others, (slots / OPTIMISTIC_PART).max(1));
            chosen.truncate(slots - optimistic.len());
            chosen.extend(&optimistic);
            self.optimistic = optimistic;
        }
        let chosen = shares::shared(swarm, chosen, &wanting);
        for &conn in &wanting {
            if !chosen.contains(&conn) {
                self.choke(swarm, conn);
            }
        }
        for conn in chosen {
            self.unchoke(swarm, conn);
        }
    }

    /// Chooses the optimistic unchokes: keeps the present ones until they rotate, then draws `DRAWS` peers for each free
    /// slot and takes the one with the fewest chunks. So a peer that happens to get nothing in return is not left behind.
    fn draw_optimistic(&mut self, swarm: &mut Swarm, mut others: Vec<Conn>, most: usize) -> Vec<Conn> {
        let mut optimistic = std::mem::take(&mut self.optimistic);
        optimistic.retain(|conn| others.contains(conn));
        optimistic.truncate(most);
        others.retain(|conn| !optimistic.contains(conn));
        while optimistic.len() < most && !others.is_empty() {
            let drawn = (0..DRAWS).map(|_| swarm.rng.usize(..others.len()));
            let least =
                drawn.min_by_key(|&at| swarm.peers.get(&others[at]).map(|peer| peer.announced.have.ones()));
            optimistic.extend(least.map(|at| others.swap_remove(at)));
        }
        optimistic
    }

    fn rank(peer: &Peer, seeding: bool) -> Rank {
        // Chunks that we sent count as the peer's own, so that it gains nothing by not announcing them.
        let sent = peer.up.copies.chunks();
        let merit = if seeding {
            u64::from(peer.announced.have.ones().max(sent))
        } else {
            u64::MAX - peer.down.given.1
        };
        Rank { idle_rounds: peer.up.idle.rounds, merit, bytes: peer.up.bytes }
    }

    /// Passes slots of idle or very slow holders on to waiting peers.
    pub(super) fn pass_idle_slots(&mut self, swarm: &mut Swarm) {
        let now = swarm.now;
        self.next_look = now + LOOK_EVERY;
        if self.slots.adapt(swarm) {
            self.fill_slots(swarm);
        }
        let overstays = |(conn, peer): (&Conn, &Peer)| self.overstays(now, peer).then_some(*conn);
        let mut idle: Vec<Conn> = swarm.peers.iter().filter_map(overstays).collect();
        for (&conn, peer) in swarm.peers.iter_mut() {
            if peer.up.stays_idle() {
                idle.push(conn);
            }
        }
        for conn in idle {
            let Some(peer) = swarm.peers.get_mut(&conn) else { continue };
            let rounds = peer.up.idle.rounds;
            peer.up.idle.rounds = rounds.saturating_add(1);
            let rank = Rank { idle_rounds: rounds, merit: u64::MAX, bytes: u64::MAX };
            if !self.pass_slot_on(swarm, conn, rank)
                && let Some(peer) = swarm.peers.get_mut(&conn)
            {
                peer.up.idle.rounds = rounds;
            }
        }
        self.reclaim_from_new_peers(swarm);
        self.share_slots(swarm);
    }

    /// Returns the waiting peer that is next: of the site with the fewest slots, the one with the lowest rank.
    fn next_for_slot(&self, swarm: &Swarm) -> Option<Conn> {
        let seeding = swarm.chunks.is_complete();
        let (is_kept, held) = (self.reservation(swarm).is_new_half_taken(), self.slots_held(swarm));
        let waiting = swarm.peers.iter().filter(|(_, peer)| peer.waits_for_slot());
        let is_late = |peer: &Peer| is_kept && !Reservation::is_proven_reader(peer);
        let rank = |peer: &Peer| (held.by(peer.site), is_late(peer), Self::rank(peer, seeding));
        waiting.min_by_key(|(_, peer)| rank(peer)).map(|(&conn, _)| conn)
    }

    /// Moves a slot to the next waiting peer if that peer's rank is below `rank`; returns true if it did.
    fn pass_slot_on(&mut self, swarm: &mut Swarm, conn: Conn, rank: Rank) -> bool {
        if swarm.stopping {
            return false;
        }
        let seeding = swarm.chunks.is_complete();
        let Some(next) = self.next_for_slot(swarm) else { return false };
        if self.reservation(swarm).keeps_slot_from(conn, next) {
            return false;
        }
        if swarm.peers.get(&next).is_none_or(|peer| Self::rank(peer, seeding) >= rank) {
            return false;
        }
        self.choke(swarm, conn);
        self.unchoke(swarm, next);
        true
    }

    fn reservation<'m>(&'m self, swarm: &'m Swarm) -> Reservation<'m> {
        Reservation { swarm, holders: &self.unchoked, slots: self.slots.now() }
    }

    /// Moves slots from new peers to waiting peers that have read, while new peers hold more than half.
    fn reclaim_from_new_peers(&mut self, swarm: &mut Swarm) {
        while let Some(next) = self.next_for_slot(swarm) {
            let Some(first) = self.reservation(swarm).gives_way_to(next) else { return };
            self.choke(swarm, first);
            self.unchoke(swarm, next);
        }
    }

    /// Slots that each site holds.
    fn slots_held(&self, swarm: &Swarm) -> Held {
        shares::held_by(swarm, self.unchoked.iter().copied())
    }

    /// Moves slots, as they are held now, to waiting peers of sites with less than their share.
    pub(super) fn share_slots(&mut self, swarm: &mut Swarm) {
        if !swarm.serves() || swarm.stopping || self.unchoked.len() < self.slots.now() {
            return;
        }
        let seeding = swarm.chunks.is_complete();
        // At each site, holders that have read keep their slots before the others do.
        let order = |conns: Vec<Conn>| {
            let rank = |conn: &Conn| {
                let peer = swarm.peers.get(conn)?;
                Some((Reverse(Reservation::is_proven_reader(peer)), Self::rank(peer, seeding)))
            };
            let mut conns = conns;
            conns.sort_by_cached_key(|conn| (rank(conn), *conn));
            conns
        };
        let holders = order(self.unchoked.iter().copied().collect());
        let waiting = swarm.peers.iter().filter(|(_, peer)| peer.waits_for_slot()).map(|(&conn, _)| conn);
        let waiting = order(waiting.collect());
        let shared = shares::shared(swarm, holders.clone(), &waiting);
        for &conn in holders.iter().filter(|conn| !shared.contains(conn)) {
            self.choke(swarm, conn);
        }
        for conn in shared {
            self.unchoke(swarm, conn);
        }
    }

    /// Begins the peer's turn with its slot, unless it has begun.
    pub(super) fn begin_turn(&self, peer: &mut Peer, now: Time) {
        peer.up.turn.get_or_insert(Turn::new(now, self.chunks_served));
    }

    /// Counts a chunk that was sent whole. After its turn, the holder of a seeder's slot passes it on to a waiting peer
    /// of lower rank, unless the site of the next peer in turn holds no fewer slots.
    pub(super) fn count_turn(&mut self, swarm: &mut Swarm, conn: Conn) {
        self.chunks_served += 1;
        let (now, seeding) = (swarm.now, swarm.chunks.is_complete());
        let Some(peer) = swarm.peers.get_mut(&conn).filter(|peer| peer.up.unchoked) else { return };
        let turn = peer.up.turn.get_or_insert(Turn::new(now, self.chunks_served));
        if turn.count(now) && seeding {
            let (rank, site) = (Self::rank(peer, seeding), peer.site);
            let next = self.next_for_slot(swarm).and_then(|next| swarm.peers.get(&next));
            if next.is_none_or(|next| self.slots_held(swarm).spares(site, next.site)) {
                self.pass_slot_on(swarm, conn, rank);
            }
        }
    }

    /// Returns true if the peer has held its slot for long with an answer under way and got no whole chunk.
    fn overstays(&self, now: Time, peer: &Peer) -> bool {
        let is_served = peer.up.unchoked && !peer.up.active.is_empty();
        is_served
            && peer.up.turn.is_some_and(|turn| turn.is_overdue(now, self.chunks_served, self.slots.now()))
    }

    /// Follows a change of the number of slots that the user wants.
    pub(super) fn set_slots(&mut self, swarm: &mut Swarm) {
        self.slots.reset(&swarm.config);
        self.rechoke(swarm);
    }

    /// Forgets a peer that is gone. Its slot is free until `fill_slots`.
    pub(super) fn forget(&mut self, conn: Conn, peer: &Peer) {
        self.interested -= u32::from(peer.up.interested);
        self.unchoked.remove(&conn);
    }

    /// When slots are dealt or looked at next.
    pub(super) fn wakeup(&self, serves: bool) -> Option<Time> {
        let rechoke = (self.interested > 0).then_some(self.next_rechoke);
        // Every slot holder is interested, so that more interested peers than holders means some wait.
        let look = (serves && self.interested as usize > self.unchoked.len()).then_some(self.next_look);
        rechoke.into_iter().chain(look).min()
    }

    /// Checks the invariants; the error names the one that does not hold.
    pub(super) fn check(&self, swarm: &Swarm) -> Result<(), String> {
        let unchoked = swarm.peers.iter().filter(|(_, peer)| peer.up.unchoked).map(|(&conn, _)| conn);
        if !unchoked.eq(self.unchoked.iter().copied()) {
            return Err(format!("{:?} are said to hold slots", self.unchoked));
        }
        let interested = swarm.peers.values().filter(|peer| peer.up.interested).count();
        if interested != self.interested as usize {
            return Err(format!("{interested} interested peers, counted {}", self.interested));
        }
        let waits = |peer: &&Peer| !peer.up.unchoked && !peer.up.waiting.is_empty();
        if let Some(peer) = swarm.peers.values().find(waits) {
            return Err(format!("{} waits for answers without a slot", peer.id));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
