//! Deadlines of peers that owe us chunks: when a chunk is requested from a second peer, when its request is withdrawn,
//! and when the first peer is struck.
//!
//! A slow honest peer keeps its requests as long as bytes come. Silence is hedged after five seconds. What silent or
//! unproven peers may hold is bounded, so that many of them cannot use up the memory.

use std::time::Duration;

use minimodel_wire::CloseCode;

use super::core::Machine;
use super::events::{Conn, Req};
use super::fault::Breach;
use super::peer::Phase;
use super::requests::{CHECK_EVERY, Request};
use super::time::Time;

/// A peer that never sent a byte is struck for not answering after so many times `Limits::first_byte`.
const MUTE_AFTER: u32 = 2;

impl Machine {
    pub(super) fn check_deadlines(&mut self, now: Time) {
        let conns: Vec<Conn> = self.swarm.peers.keys().copied().collect();
        for conn in conns {
            self.check_introduction(now, conn);
            self.check_peer(now, conn);
            self.check_refusals(now, conn);
        }
        self.give_back_late(now);
        self.check_leaves(now);
        // Pipeline depths follow the rates, and the endgame compares anew when each peer would be done.
        self.mark_all_ready();
    }

    /// Restarts all deadlines after the machine was not called for long: the process or the computer slept, and no peer
    /// is late.
    pub(super) fn forgive(&mut self, now: Time) {
        for peer in self.swarm.peers.values_mut() {
            peer.since = now;
            peer.down.last_byte = now;
            peer.down.window = (now, 0);
        }
    }

    /// Restarts the deadlines of a request whose bytes our own rate limit holds back: its peer is not late.
    pub(super) fn withheld(&mut self, now: Time, req: Req) {
        let Some(request) = self.requests.get_mut(&req) else { return };
        request.sent = now;
        if let Some(peer) = self.swarm.peers.get_mut(&request.conn) {
            peer.down.last_byte = now;
            peer.down.window = (now, 0);
        }
    }

    fn check_introduction(&mut self, now: Time, conn: Conn) {
        let Some(peer) = self.swarm.peers.get(&conn) else { return };
        if peer.phase == Phase::Ready || now.since(peer.since) < self.swarm.config.limits.hello {
            return;
        }
        if peer.phase == Phase::ManifestOnly {
            // The peer has the manifest, or will not get it any more; it connects again once its user agreed to fetch.
            self.drop_peer(now, conn, CloseCode::Done);
        } else {
            self.breach(now, conn, Breach::NoHello);
        }
    }

    fn check_peer(&mut self, now: Time, conn: Conn) {
        let limits = &self.swarm.config.limits;
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if peer.down.requests.is_empty() {
            return;
        }
        let (deadline, first_byte, slow_rate) = (limits.chunk_deadline, limits.first_byte, limits.slow_rate);
        let (slow_window, trickle_rate) = (limits.slow_window, limits.trickle_rate);
        let down = &mut peer.down;
        let never_answered = down.meter.total() == 0;
        down.mute_for = if never_answered { down.mute_for + CHECK_EVERY } else { Duration::ZERO };
        let silent = now.since(down.last_byte);
        if silent >= deadline {
            down.last_byte = now;
            self.take_back(now, conn, |_, _| true);
            self.breach(now, conn, Breach::Overdue);
            return;
        }
        if down.mute_for >= first_byte * MUTE_AFTER {
            // Not at the first silence: a busy peer may have many requests to answer before ours.
            down.mute_for = Duration::ZERO;
            self.breach(now, conn, Breach::NoAnswer);
            return;
        }
        if silent >= first_byte && (!down.stalled || self.memory_is_wanted(conn)) {
            self.stall(now, conn);
            return;
        }
        let Some(down) = self.swarm.peers.get_mut(&conn).map(|peer| &mut peer.down) else { return };
        let (since, bytes) = down.window;
        if now.since(since) >= slow_window {
            down.window = (now, 0);
            let seconds = now.since(since).as_secs().max(1);
            if bytes < slow_rate * seconds {
                self.stall(now, conn);
            }
            // Complete silence is handled above.
            if bytes > 0 && bytes < trickle_rate * seconds {
                self.breach(now, conn, Breach::Trickle);
                return;
            }
        }
        self.check_overdue(now, conn);
        self.look_ahead(now, conn);
    }

    /// Treats a peer as stalled because it is silent or very slow. Requests without a byte are withdrawn except the
    /// oldest, which probes whether the peer comes back. Begun requests of a silent peer are hedged; a slow peer goes on
    /// with them and is overtaken in the endgame. If another peer could use the memory, all requests are withdrawn and
    /// the peer gets a backoff instead.
    fn stall(&mut self, now: Time, conn: Conn) {
        let is_wanted = self.memory_is_wanted(conn);
        let first_byte = self.swarm.config.limits.first_byte;
        self.change_download(conn, |down| down.stalled = true);
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if is_wanted {
            peer.down.refusals += 1;
            let pause = first_byte * (1 << peer.down.refusals.min(4));
            self.take_back(now, conn, |_, _| true);
            self.leave_alone(now + pause, conn);
        } else {
            let oldest = peer.down.requests.first().copied();
            // A chunk held by two stalled peers could be requested from no third one.
            let is_held_twice = oldest.is_some_and(|req| self.is_stalled_elsewhere(req));
            let oldest = oldest.filter(|_| !is_held_twice);
            self.take_back(now, conn, |req, request| request.received == 0 && Some(req) != oldest);
            let is_silent =
                self.swarm.peers.get(&conn).is_some_and(|peer| now.since(peer.down.last_byte) >= first_byte);
            if is_silent {
                self.hedge_all(conn);
            }
        }
    }

    /// Returns true if another stalled peer was asked for the same chunk.
    fn is_stalled_elsewhere(&self, req: Req) -> bool {
        let index = self.requests.get(&req).map(|request| request.index);
        let copies = index.and_then(|index| self.copies.get(&index)).into_iter().flatten();
        copies.filter(|&&copy| copy != req).filter_map(|copy| self.requests.get(copy)).any(|copy| {
            !copy.storing && self.swarm.peers.get(&copy.conn).is_some_and(|peer| peer.down.stalled)
        })
    }

    pub(super) fn take_back(&mut self, now: Time, conn: Conn, is_meant: impl Fn(Req, &Request) -> bool) {
        let Some(peer) = self.swarm.peers.get(&conn) else { return };
        let is_meant = |req: &Req| self.requests.get(req).is_some_and(|request| is_meant(*req, request));
        let reqs: Vec<Req> = peer.down.requests.iter().copied().filter(is_meant).collect();
        for req in reqs {
            self.cancel(now, req);
        }
    }

    /// Hedges, and later withdraws, a chunk that a peer starves while it delivers others. The peer is not struck: it
    /// chooses the order of its answers.
    fn check_overdue(&mut self, now: Time, conn: Conn) {
        let deadline = self.swarm.config.limits.chunk_deadline;
        let queued = self.owed(conn);
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        let rate = peer.down.meter.rate(now).max(1);
        let allowed = deadline.max(Duration::from_secs(queued.saturating_mul(4) / rate));
        let mut overdue = None;
        for &req in &peer.down.requests {
            let Some(request) = self.requests.get(&req) else { continue };
            let age = now.since(request.sent);
            if age >= allowed {
                self.hedged.insert(req);
            }
            if age >= allowed * 2 && request.received == 0 {
                overdue = Some(req);
            }
        }
        if let Some(req) = overdue {
            self.cancel(now, req);
        }
    }

    fn hedge_all(&mut self, conn: Conn) {
        if let Some(peer) = self.swarm.peers.get(&conn) {
            self.hedged.extend(&peer.down.requests);
        }
        self.mark_all_ready();
    }

    /// Bytes that the peer owes us: requested and not yet received.
    pub(super) fn owed(&self, conn: Conn) -> u64 {
        let requests = self.swarm.peers.get(&conn).into_iter().flat_map(|peer| &peer.down.requests);
        requests
            .filter_map(|req| self.requests.get(req))
            .map(|request| u64::from(request.len).saturating_sub(request.received))
            .sum()
    }
}
