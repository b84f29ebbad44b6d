//! Scheduling of requests: which peer is served first, how many requests it gets, and what memory allows.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::config::Config;
use super::downloads::Downloads;
use super::events::{Conn, Req};
use super::peer::{Download, Peer};
use super::select::Selection;
use super::swarm::Swarm;
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

/// Backoff of a peer whose only request was withdrawn for another peer, and how often it doubles at most.
const YIELDS: (Duration, u32) = (Duration::from_millis(250), 7);

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

impl Downloads {
    /// Queues a peer that may have room for one more request.
    pub(super) fn mark_ready(&mut self, swarm: &mut Swarm, conn: Conn) {
        let Some(peer) = swarm.peers.get_mut(&conn) else { return };
        if !peer.down.is_queued && peer.may_be_asked() {
            peer.down.is_queued = true;
            self.ready.new.push_back(conn);
        }
    }

    /// Queues all peers anew at the next `fill`, however often it is called before.
    pub(super) fn mark_all_ready(&mut self) {
        self.ready.everyone = true;
    }

    /// Makes requests until every peer is busy, no chunk is left to request, or the memory budget is used.
    /// `looks_around`: the deadlines were just checked, so that idle peers may take over requests of slow ones.
    pub(super) fn fill(&mut self, swarm: &mut Swarm, looks_around: bool) {
        let now = swarm.now;
        self.line_up(swarm);
        // Computed once for all peers that are idle in the endgame.
        let mut late = None;
        while let Some(&(turn, conn)) = self.ready.queue.first() {
            let mut waits = false;
            while let Some(peer) = swarm.peers.get(&conn).filter(|peer| peer.has_room(now)) {
                let is_doubtful = peer.down.is_doubtful();
                let is_full = self.is_memory_full(&swarm.config);
                waits = is_doubtful && self.is_doubt_full(&swarm.config);
                let mut selection = Selection::new(swarm, self, looks_around);
                if is_full || waits {
                    let held = if looks_around { selection.held_too_long(conn, &mut late) } else { None };
                    let Some(held) = held else {
                        if is_full && !is_doubtful {
                            return;
                        }
                        waits = true;
                        break;
                    };
                    self.withdraw(swarm, held);
                    continue;
                }
                let Some(pick) = selection.next(conn, &mut late) else { break };
                self.request(swarm, conn, pick.index);
                if let Some(old) = pick.instead_of {
                    self.withdraw(swarm, old);
                }
            }
            self.ready.queue.remove(&(turn, conn));
            if waits {
                self.ready.doubtful.push_back(conn);
            } else if let Some(peer) = swarm.peers.get_mut(&conn) {
                peer.down.is_queued = false;
            }
        }
    }

    /// Empties the ready queue while no chunk may be requested.
    pub(super) fn pause(&mut self, swarm: &mut Swarm) {
        if !self.ready.is_empty() {
            self.ready.clear();
            swarm.peers.values_mut().for_each(|peer| peer.down.is_queued = false);
        }
    }

    /// Withdraws a request so that other peers can take the chunk. A holder without any other request gets a backoff,
    /// longer each time until it delivers, so that a chunk does not circulate among silent peers.
    fn withdraw(&mut self, swarm: &mut Swarm, req: Req) {
        let holder = self.requests.get(req).map(|request| request.conn);
        self.cancel(swarm, req);
        let now = swarm.now;
        let Some(holder) = holder else { return };
        let Some(down) = swarm.peers.get_mut(&holder).map(|peer| &mut peer.down) else { return };
        if down.requests.is_empty() {
            let until = (now + YIELDS.0 * (1 << down.yielded)).max(down.not_before);
            down.yielded = (down.yielded + 1).min(YIELDS.1);
            self.leave_alone(swarm, holder, until);
        }
    }

    /// Withdraws requests that slow peers would answer long after all the rest is here. Faster peers request these chunks
    /// in their turn, and few bytes come twice.
    pub(super) fn give_back_late(&mut self, swarm: &mut Swarm) {
        let Some(rest) = Selection::new(swarm, self, true).rest() else { return };
        let holders: Vec<Conn> = swarm.peers.keys().copied().collect();
        for holder in holders {
            for (req, due) in Selection::new(swarm, self, true).late_of(holder, rest) {
                if Selection::new(swarm, self, true).comes_sooner_elsewhere(holder, req, due) {
                    self.withdraw(swarm, req);
                }
            }
        }
    }

    /// Moves peers that became ready into the queue.
    fn line_up(&mut self, swarm: &mut Swarm) {
        let now = swarm.now;
        let turn = |peer: &mut Peer| {
            if peer.down.proven == 0 { 0 } else { u64::MAX - peer.down.meter.rate(now) }
        };
        if self.ready.everyone {
            self.ready.clear();
            for (&conn, peer) in swarm.peers.iter_mut() {
                peer.down.is_queued = peer.has_room(now);
                if peer.down.is_queued {
                    self.ready.queue.insert((turn(peer), conn));
                }
            }
        }
        if !self.is_doubt_full(&swarm.config)
            && let Some(conn) = self.ready.doubtful.pop_front()
        {
            self.ready.new.push_back(conn);
        }
        while let Some(conn) = self.ready.new.pop_front() {
            if let Some(peer) = swarm.peers.get_mut(&conn) {
                self.ready.queue.insert((turn(peer), conn));
            }
        }
    }

    /// Returns true if the memory budget has no room for a chunk. The first chunk always fits: one larger than the budget
    /// would otherwise never come.
    fn is_memory_full(&self, config: &Config) -> bool {
        let (held, chunk) = (self.requests.bytes(), u64::from(config.terms.chunk_size));
        held > 0 && held + chunk > config.limits.memory_budget_bytes
    }

    /// Returns true if doubtful peers hold their most, half of the memory budget.
    fn is_doubt_full(&self, config: &Config) -> bool {
        let chunk = u64::from(config.terms.chunk_size);
        let held = u64::from(self.doubted) * chunk;
        held > 0 && held + chunk > config.limits.memory_budget_bytes / 2
    }

    /// Returns true if another peer could use the memory that this one holds.
    pub(super) fn memory_is_wanted(&self, swarm: &Swarm, conn: Conn) -> bool {
        let could = |peer: &Peer| peer.may_be_asked() && !peer.down.stalled && peer.useful > 0;
        (self.is_memory_full(&swarm.config) || self.is_doubt_full(&swarm.config))
            && swarm.peers.iter().any(|(&other, peer)| other != conn && could(peer))
    }

    /// Sets the peer's pipeline depth anew.
    pub(super) fn adapt_depth(&mut self, swarm: &mut Swarm, conn: Conn) {
        let Some(down) = swarm.peers.get_mut(&conn).map(|peer| &mut peer.down) else { return };
        let owed = self.requests.owed(down);
        down.adapt_depth(swarm.now, owed, &swarm.config);
    }

    /// Lets a slow peer get its next request shortly before its chunk is whole, and not sooner.
    pub(super) fn look_ahead(&mut self, swarm: &mut Swarm, conn: Conn) {
        let chunk = f64::from(swarm.config.terms.chunk_size);
        let Some(down) = swarm.peers.get_mut(&conn).map(|peer| &mut peer.down) else { return };
        let is_slow = down.meter.shown(swarm.now).is_some_and(|rate| rate * SLOW_CHUNK < chunk);
        if is_slow && down.proven > 0 && down.requests.len() == 1 {
            self.adapt_depth(swarm, conn);
        }
    }
}

impl Download {
    /// Sets the pipeline depth: enough requests to keep the path full, and no more than a slow peer can deliver. `owed`:
    /// bytes that the peer owes us.
    fn adapt_depth(&mut self, now: Time, owed: u64, config: &Config) {
        let (limits, chunk_size) = (&config.limits, config.terms.chunk_size);
        let (owed, chunk) = (owed as f64, f64::from(chunk_size));
        let rate = self.meter.peak(now).max(self.meter.shown(now).unwrap_or(0.0));
        let path = rate * (self.rtt.as_secs_f64() * ROUND_TRIPS + 0.005);
        let measured = if rate * SLOW_CHUNK < chunk {
            // A slow peer gets its next request when its chunk is nearly here: no other peer can deliver what it holds.
            if owed > 0.0 && owed <= path + rate * AHEAD { 2 } else { 1 }
        } else {
            (path / chunk).ceil() as u32 + 2
        };
        // One more for each chunk that comes: this doubles the depth in a round trip.
        let grown = if self.meter.is_young() { (self.depth + 1).min(UNMEASURED_DEPTH) } else { 0 };
        self.depth = if self.proven == 0 {
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
}
