//! Deadlines of peers that owe us chunks: when a chunk is requested from a second peer, when its request is withdrawn,
//! and when the first peer is struck.
//!
//! A slow honest peer keeps its requests as long as bytes come. Silence is hedged after five seconds. What silent or
//! unproven peers may hold is bounded, so that many of them cannot use up the memory.

use std::time::Duration;

use super::downloads::{CHECK_EVERY, Downloads};
use super::events::{Conn, Req};
use super::fault::Breach;
use super::swarm::Swarm;

/// A peer that never sent a byte is struck for not answering after so many times `Limits::first_byte`.
const MUTE_AFTER: u32 = 2;

impl Downloads {
    /// Restarts the deadlines of a request whose bytes our own rate limit holds back: its peer is not late.
    pub(super) fn withheld(&mut self, swarm: &mut Swarm, req: Req) {
        let conn = self.requests.restart(req, swarm.now);
        if let Some(peer) = conn.and_then(|conn| swarm.peers.get_mut(&conn)) {
            peer.down.pace.restart(swarm.now);
        }
    }

    /// Checks the deadlines of one peer; returns the breach that it committed.
    pub(super) fn check_peer(&mut self, swarm: &mut Swarm, conn: Conn) -> Option<Breach> {
        let (now, limits) = (swarm.now, &swarm.config.limits);
        let (deadline, first_byte, slow_rate) = (limits.chunk_deadline, limits.first_byte, limits.slow_rate);
        let (slow_window, trickle_rate) = (limits.slow_window, limits.trickle_rate);
        let down = &mut swarm.peers.get_mut(&conn).filter(|peer| !peer.down.requests.is_empty())?.down;
        let never_answered = down.pace.meter.total() == 0;
        down.mute_for = if never_answered { down.mute_for + CHECK_EVERY } else { Duration::ZERO };
        let silent = now.since(down.pace.last_byte);
        if silent >= deadline {
            down.pace.last_byte = now;
            self.take_back(swarm, conn, |_, _| true);
            return Some(Breach::Overdue);
        }
        if down.mute_for >= first_byte * MUTE_AFTER {
            // Not at the first silence: a busy peer may have many requests to answer before ours.
            down.mute_for = Duration::ZERO;
            return Some(Breach::NoAnswer);
        }
        if silent >= first_byte && (!down.stalled || self.memory_is_wanted(swarm, conn)) {
            self.stall(swarm, conn);
            return None;
        }
        let down = &mut swarm.peers.get_mut(&conn)?.down;
        let (since, bytes) = down.pace.window;
        if now.since(since) >= slow_window {
            down.pace.window = (now, 0);
            let seconds = now.since(since).as_secs().max(1);
            if bytes < slow_rate * seconds {
                self.stall(swarm, conn);
            }
            // Complete silence is handled above.
            if bytes > 0 && bytes < trickle_rate * seconds {
                return Some(Breach::Trickle);
            }
        }
        self.check_overdue(swarm, conn);
        self.look_ahead(swarm, conn);
        None
    }

    /// Treats a peer as stalled because it is silent or very slow. Requests without a byte are withdrawn except the
    /// oldest, which probes whether the peer comes back. Begun requests of a silent peer are hedged; a slow peer goes on
    /// with them and is overtaken in the endgame. If another peer could use the memory, all requests are withdrawn and
    /// the peer gets a backoff instead.
    fn stall(&mut self, swarm: &mut Swarm, conn: Conn) {
        let now = swarm.now;
        let is_wanted = self.memory_is_wanted(swarm, conn);
        let first_byte = swarm.config.limits.first_byte;
        self.change(swarm, conn, |down| down.stalled = true);
        let Some(peer) = swarm.peers.get_mut(&conn) else { return };
        if is_wanted {
            peer.down.backoff.refusals += 1;
            let pause = first_byte * (1 << peer.down.backoff.refusals.min(4));
            self.take_back(swarm, conn, |_, _| true);
            self.leave_alone(swarm, conn, now + pause);
        } else {
            let oldest = peer.down.requests.first().copied();
            // A chunk held by two stalled peers could be requested from no third one.
            let is_held_twice = oldest.is_some_and(|req| self.is_stalled_elsewhere(swarm, req));
            let oldest = oldest.filter(|_| !is_held_twice);
            self.take_back(swarm, conn, |req, request| request.received == 0 && Some(req) != oldest);
            let is_silent =
                swarm.peers.get(&conn).is_some_and(|peer| now.since(peer.down.pace.last_byte) >= first_byte);
            if is_silent {
                self.hedge_all(swarm, conn);
            }
        }
    }

    /// Returns true if another stalled peer was asked for the same chunk.
    fn is_stalled_elsewhere(&self, swarm: &Swarm, req: Req) -> bool {
        let Some(request) = self.requests.get(req) else { return false };
        let others = self.requests.copies(request.index).iter().filter(|&&copy| copy != req);
        others
            .filter_map(|&copy| self.requests.get(copy))
            .any(|copy| !copy.storing && swarm.peers.get(&copy.conn).is_some_and(|peer| peer.down.stalled))
    }

    /// Hedges, and later withdraws, a chunk that a peer starves while it delivers others. The peer is not struck: it
    /// chooses the order of its answers.
    fn check_overdue(&mut self, swarm: &mut Swarm, conn: Conn) {
        let (now, deadline) = (swarm.now, swarm.config.limits.chunk_deadline);
        let Some(peer) = swarm.peers.get_mut(&conn) else { return };
        let queued = self.requests.owed(&peer.down);
        let rate = peer.down.pace.meter.rate(now).max(1);
        let allowed = deadline.max(Duration::from_secs(queued.saturating_mul(4) / rate));
        let mut overdue = None;
        for &req in &peer.down.requests {
            let Some(request) = self.requests.get(req) else { continue };
            let (age, is_unanswered) = (now.since(request.sent), request.received == 0);
            if age >= allowed {
                self.requests.hedge(req);
            }
            if age >= allowed * 2 && is_unanswered {
                overdue = Some(req);
            }
        }
        if let Some(req) = overdue {
            self.cancel(swarm, req);
        }
    }

    fn hedge_all(&mut self, swarm: &Swarm, conn: Conn) {
        if let Some(peer) = swarm.peers.get(&conn) {
            peer.down.requests.iter().for_each(|&req| self.requests.hedge(req));
        }
        self.mark_all_ready();
    }
}
