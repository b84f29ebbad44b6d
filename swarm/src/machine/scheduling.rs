//! Scheduling of requests: which peer is served first, how many requests it gets, and what memory allows.

use std::time::Duration;

use super::config::Config;
use super::downloads::Downloads;
use super::events::{Conn, Req};
use super::peer::Peer;
use super::select::Selection;
use super::swarm::Swarm;

/// Backoff of a peer whose only request was withdrawn for another peer, and how often it doubles at most.
const YIELDS: (Duration, u32) = (Duration::from_millis(250), 7);

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

    fn selection<'m>(&'m mut self, swarm: &'m mut Swarm, looks_around: bool) -> Selection<'m> {
        let Self { requests, twice, .. } = self;
        Selection { swarm, requests, twice, looks_around }
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
                let mut selection = self.selection(swarm, looks_around);
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
            let until = (now + YIELDS.0 * (1 << down.backoff.yielded)).max(down.backoff.not_before);
            down.backoff.yielded = (down.backoff.yielded + 1).min(YIELDS.1);
            self.leave_alone(swarm, holder, until);
        }
    }

    /// Withdraws requests that slow peers would answer long after all the rest is here. Faster peers request these chunks
    /// in their turn, and few bytes come twice.
    pub(super) fn give_back_late(&mut self, swarm: &mut Swarm) {
        let Some(rest) = self.selection(swarm, true).rest() else { return };
        let holders: Vec<Conn> = swarm.peers.keys().copied().collect();
        for holder in holders {
            for (req, due) in self.selection(swarm, true).late_of(holder, rest) {
                if self.selection(swarm, true).comes_sooner_elsewhere(holder, req, due) {
                    self.withdraw(swarm, req);
                }
            }
        }
    }

    /// Moves peers that became ready into the queue.
    fn line_up(&mut self, swarm: &mut Swarm) {
        let now = swarm.now;
        let turn = |peer: &mut Peer| {
            if peer.down.proven == 0 { 0 } else { u64::MAX - peer.down.pace.meter.rate(now) }
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
        let could = |peer: &Peer| peer.may_be_asked() && !peer.down.stalled && peer.announced.useful > 0;
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
        let chunk_size = swarm.config.terms.chunk_size;
        let Some(down) = swarm.peers.get_mut(&conn).map(|peer| &mut peer.down) else { return };
        if down.pace.is_slow(swarm.now, chunk_size) && down.proven > 0 && down.requests.len() == 1 {
            self.adapt_depth(swarm, conn);
        }
    }
}
