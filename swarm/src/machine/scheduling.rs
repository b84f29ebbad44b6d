//! Scheduling of requests: which peer is served first, how many requests it gets, and what memory allows.

use std::collections::{BTreeSet, VecDeque};

use super::chunks::ChunkState;
use super::core::Machine;
use super::events::{Conn, Event};
use super::peer::{Download, Peer};
use super::time::Time;

/// Round trips in which a request brings its whole chunk: for the request and the bytes, and one for each of two losses
/// in turn, since on a path that loses 2 % hardly a chunk comes whole at once.
const ROUND_TRIPS: f64 = 4.0;
/// A chunk that takes longer than `SLOW_CHUNK` seconds is requested from a peer one at a time; the next is requested
/// `AHEAD` seconds and the round trips before it is whole.
const SLOW_CHUNK: f64 = 2.0;
const AHEAD: f64 = 0.5;
/// Largest pipeline depth of a peer whose rate is not fully measured yet.
const UNMEASURED_DEPTH: u32 = 30;

/// Ready queue: peers that may have room for one more request. Each is in one of the lists at most.
#[derive(Debug, Default)]
pub(super) struct ReadyQueue {
    /// Peers that are not queued yet, oldest first.
    new: VecDeque<Conn>,
    /// All peers are to be queued anew.
    everyone: bool,
    /// Lowest number first: the fastest peer, since scarce memory should go to peers that soon free it. Peers without a
    /// proven chunk come before all others, and get little.
    queue: BTreeSet<(u64, Conn)>,
    /// Doubtful peers (never delivered, or stalled) that wait until such peers free some memory.
    doubtful: VecDeque<Conn>,
}

impl ReadyQueue {
    pub(super) fn is_empty(&self) -> bool {
        !self.everyone && self.new.is_empty() && self.queue.is_empty() && self.doubtful.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Machine {
    pub(super) fn mark_ready(&mut self, conn: Conn) {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if !peer.down.is_queued && peer.may_be_asked() {
            peer.down.is_queued = true;
            self.ready_queue.new.push_back(conn);
        }
    }

    /// Queues all peers anew at the next `fill`, however often it is called before.
    pub(super) fn mark_all_ready(&mut self) {
        self.ready_queue.everyone = true;
    }

    /// Changes the download state of a peer. Every change of its open or doubtful requests goes through here, so that
    /// `doubted` stays their sum.
    pub(super) fn change_download(&mut self, conn: Conn, change: impl FnOnce(&mut Download)) {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        self.doubted -= peer.down.doubted();
        change(&mut peer.down);
        self.doubted += peer.down.doubted();
    }

    /// Makes requests until every peer is busy, no chunk is left to request, or the memory budget is used.
    pub(super) fn fill(&mut self, now: Time) {
        if !self.swarm.wants_chunks() || self.leaves.holds_back() {
            if !self.ready_queue.is_empty() {
                self.ready_queue.clear();
                self.swarm.peers.values_mut().for_each(|peer| peer.down.is_queued = false);
            }
            return;
        }
        self.line_up(now);
        // Computed once for all peers that are idle in the endgame.
        let mut late = None;
        while let Some(&(turn, conn)) = self.ready_queue.queue.first() {
            let mut waits = false;
            while let Some(peer) = self.swarm.peers.get(&conn).filter(|peer| peer.has_room(now)) {
                let is_doubtful = peer.down.is_doubtful();
                let is_full = self.is_memory_full();
                waits = is_doubtful && self.is_doubt_full();
                if is_full || waits {
                    let held =
                        if self.looks_around { self.held_too_long(now, conn, &mut late) } else { None };
                    let Some(held) = held else {
                        if is_full && !is_doubtful {
                            return;
                        }
                        waits = true;
                        break;
                    };
                    self.withdraw(now, held);
                    continue;
                }
                let Some(pick) = self.next_for(now, conn, &mut late) else { break };
                let Some(index) = self.affordable(conn, pick.index) else { break };
                self.request(now, conn, index);
                if let Some(old) = pick.instead_of.filter(|_| index == pick.index) {
                    self.withdraw(now, old);
                }
            }
            self.ready_queue.queue.remove(&(turn, conn));
            if waits {
                self.ready_queue.doubtful.push_back(conn);
            } else if let Some(peer) = self.swarm.peers.get_mut(&conn) {
                peer.down.is_queued = false;
            }
        }
    }

    /// Moves peers that became ready into the queue.
    fn line_up(&mut self, now: Time) {
        let turn = |peer: &mut Peer| {
            if peer.down.proven == 0 { 0 } else { u64::MAX - peer.down.meter.rate(now) }
        };
        if self.ready_queue.everyone {
            self.ready_queue.clear();
            for (&conn, peer) in self.swarm.peers.iter_mut() {
                peer.down.is_queued = peer.has_room(now);
                if peer.down.is_queued {
                    self.ready_queue.queue.insert((turn(peer), conn));
                }
            }
        }
        if !self.is_doubt_full()
            && let Some(conn) = self.ready_queue.doubtful.pop_front()
        {
            self.ready_queue.new.push_back(conn);
        }
        while let Some(conn) = self.ready_queue.new.pop_front() {
            if let Some(peer) = self.swarm.peers.get_mut(&conn) {
                self.ready_queue.queue.insert((turn(peer), conn));
            }
        }
    }

    /// Returns true if the memory budget has no room for a chunk. The first chunk always fits: one larger than the budget
    /// would otherwise never come.
    fn is_memory_full(&self) -> bool {
        let chunk = u64::from(self.swarm.config.terms.chunk_size);
        self.in_flight_bytes > 0
            && self.in_flight_bytes + chunk > self.swarm.config.limits.memory_budget_bytes
    }

    /// Returns true if doubtful peers hold their most, half of the memory budget.
    fn is_doubt_full(&self) -> bool {
        let chunk = u64::from(self.swarm.config.terms.chunk_size);
        let held = u64::from(self.doubted) * chunk;
        held > 0 && held + chunk > self.swarm.config.limits.memory_budget_bytes / 2
    }

    /// Returns true if another peer could use the memory that this one holds.
    pub(super) fn memory_is_wanted(&self, conn: Conn) -> bool {
        let could = |peer: &Peer| peer.may_be_asked() && !peer.down.stalled && peer.useful > 0;
        (self.is_memory_full() || self.is_doubt_full())
            && self.swarm.peers.iter().any(|(&other, peer)| other != conn && could(peer))
    }

    /// Sets the pipeline depth: enough requests to keep the path full, and no more than a slow peer can deliver.
    pub(super) fn adapt_depth(&mut self, now: Time, conn: Conn) {
        let (owed, limits) = (self.owed(conn) as f64, &self.swarm.config.limits);
        let chunk_size = self.swarm.config.terms.chunk_size;
        let chunk = f64::from(chunk_size);
        let Some(down) = self.swarm.peers.get_mut(&conn).map(|peer| &mut peer.down) else { return };
        let rate = down.meter.peak(now).max(down.meter.shown(now).unwrap_or(0.0));
        let path = rate * (down.rtt.as_secs_f64() * ROUND_TRIPS + 0.005);
        let measured = if rate * SLOW_CHUNK < chunk {
            // A slow peer gets its next request when its chunk is nearly here: no other peer can deliver what it holds.
            if owed > 0.0 && owed <= path + rate * AHEAD { 2 } else { 1 }
        } else {
            (path / chunk).ceil() as u32 + 2
        };
        // One more for each chunk that comes: this doubles the depth in a round trip.
        let grown = if down.meter.is_young() { (down.depth + 1).min(UNMEASURED_DEPTH) } else { 0 };
        down.depth = if down.proven == 0 {
            // Before its first proven chunk a peer gets as much as its rate soon brings, within narrow bounds: a liar
            // gets no second round.
            let shown = (rate * SLOW_CHUNK / chunk) as u32;
            shown.clamp(limits.first_depth(chunk_size), limits.parole_depth(chunk_size))
        } else if measured == 1 {
            1
        } else {
            measured.max(grown).min(limits.max_pipeline)
        };
    }

    /// Lets a slow peer get its next request shortly before its chunk is whole, and not sooner.
    pub(super) fn look_ahead(&mut self, now: Time, conn: Conn) {
        let chunk = f64::from(self.swarm.config.terms.chunk_size);
        let Some(down) = self.swarm.peers.get_mut(&conn).map(|peer| &mut peer.down) else { return };
        let is_slow = down.meter.shown(now).is_some_and(|rate| rate * SLOW_CHUNK < chunk);
        if is_slow && down.proven > 0 && down.requests.len() == 1 {
            self.adapt_depth(now, conn);
        }
    }

    pub(super) fn rescanned(&mut self, now: Time, have: &[u32]) {
        let is_any_good = !have.is_empty() || self.swarm.chunks.have().ones() > 0;
        if !self.leaves.rescanned(is_any_good) {
            self.swarm.event(Event::NothingGood);
            return;
        }
        for &index in have {
            // Requested before the search began, and on disk already: it is not fetched again.
            if self.swarm.chunks.state(index) == ChunkState::InFlight {
                for copy in self.copies.get(&index).cloned().unwrap_or_default() {
                    self.cancel(now, copy);
                }
            }
            if self.swarm.chunks.state(index) == ChunkState::Missing {
                self.mark_have(now, index);
            }
        }
        self.mark_all_ready();
    }
}
