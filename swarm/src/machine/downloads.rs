//! Our requests for chunks: how they begin, go on and end, and the backoff of peers that refuse them.
//!
//! Which chunk is requested from which peer is decided in `select`; how many requests a peer gets, and in which order the
//! peers have their turn, in `scheduling`; when a peer is late, in `deadlines`. What a breach leads to is not decided here.

use std::time::Duration;

use super::chunks::ChunkState;
use super::events::{Conn, Output, QuotaRefusal, Req};
use super::peer::Peer;
use super::peer_download::Download;
use super::peer_upload::QuotaWait;
use super::ready_queue::ReadyQueue;
use super::requests::{Request, Requests};
use super::swarm::Swarm;
use super::time::Time;

/// Interval of the deadline checks while any request is open.
pub(super) const CHECK_EVERY: Duration = Duration::from_millis(250);
/// Backoff of a peer that refuses requests; doubled at the first refusal, and again with each in a row.
const TURNED_AWAY: Duration = Duration::from_millis(100);
/// Most doublings of that backoff.
pub(super) const MAX_DOUBLINGS: u32 = 7;
/// Backoff after a quota held back a chunk, in either direction. The quota may still count chunks that were withdrawn a
/// moment ago.
pub(super) const QUOTA_WAIT: Duration = Duration::from_millis(500);
/// The same after a used-up quota held back a request: a new version of the quotas ends the backoff.
const USED_UP_WAIT: Duration = Duration::from_secs(10);

/// All requests of ours, and the peers that may have one more.
#[derive(Debug, Default)]
pub(super) struct Downloads {
    pub(super) requests: Requests,
    pub(super) ready: ReadyQueue,
    /// Open requests of doubtful peers: those that never delivered, and stalled ones.
    pub(super) doubted: u32,
    /// Bytes that duplicate requests are expected to bring twice.
    pub(super) twice: u64,
    /// When the first backoff of a peer ends.
    pub(super) next_resume: Option<Time>,
    /// When the deadlines are checked next.
    pub(super) next_check: Time,
}

impl Downloads {
    /// Requests a chunk from a peer.
    pub(super) fn request(&mut self, swarm: &mut Swarm, conn: Conn, index: u32) {
        let (now, len) = (swarm.now, swarm.config.terms.chunk_len(index));
        let Some(peer) = swarm.peers.get_mut(&conn) else { return };
        let req = self.requests.number();
        if peer.down.requests.is_empty() {
            peer.down.pace.restart(now);
            peer.down.pace.meter.resume(now);
        }
        peer.down.requests.insert(req);
        let request = Request { conn, peer: peer.id, index, len, sent: now, received: 0, storing: false };
        self.change(swarm, conn, |down| down.open += 1);
        if self.requests.is_empty() {
            self.next_check = now + CHECK_EVERY;
        }
        self.requests.insert(req, request);
        if swarm.chunks.state(index) == ChunkState::Missing {
            swarm.chunks.set(index, ChunkState::InFlight);
        }
        swarm.push(Output::Request { conn, req, index });
    }

    /// Notes that so many bytes of a requested chunk are here.
    pub(super) fn progressed(&mut self, swarm: &mut Swarm, req: Req, received: u64) {
        let now = swarm.now;
        let Some((request, fresh)) = self.requests.received(req, received) else { return };
        let (conn, sent) = (request.conn, request.sent);
        if let Some(peer) = swarm.peers.get_mut(&conn).filter(|_| fresh > 0) {
            if peer.down.backoff.not_before <= sent {
                peer.down.held_back = None;
            }
            peer.down.pace.got(now, fresh);
            if peer.down.proven == 0 {
                let before = peer.down.pace.depth;
                self.adapt_depth(swarm, conn);
                if swarm.peers.get(&conn).is_some_and(|peer| peer.down.pace.depth > before) {
                    self.mark_ready(swarm, conn);
                }
            }
        }
    }

    /// Handles a chunk that is whole: it is stored, unless another copy of it is being stored already.
    pub(super) fn arrived(&mut self, swarm: &mut Swarm, req: Req) {
        let Some(len) = self.requests.get(req).map(|request| request.len) else { return };
        self.progressed(swarm, req, len.into());
        let Some(request) = self.requests.store(req) else { return };
        let (conn, index, peer) = (request.conn, request.index, request.peer);
        if let Some(peer) = swarm.peers.get_mut(&conn) {
            peer.down.requests.remove(&req);
            peer.down.backoff.refusals = 0;
            peer.down.pause_if_idle(swarm.now);
        }
        self.change(swarm, conn, |down| down.stalled = false);
        self.adapt_depth(swarm, conn);
        self.mark_ready(swarm, conn);
        if swarm.chunks.state(index) == ChunkState::InFlight {
            swarm.chunks.set(index, ChunkState::Storing);
            swarm.push(Output::Keep { req, index, peer });
        } else {
            self.remove(swarm, req);
            swarm.push(Output::Discard { req });
        }
    }

    /// Counts a proven chunk of the peer.
    pub(super) fn proven(&mut self, swarm: &mut Swarm, conn: Conn) {
        self.change(swarm, conn, |down| (down.proven, down.backoff.yielded) = (down.proven + 1, 0));
        self.mark_ready(swarm, conn);
    }

    /// Handles a chunk that could not be stored: it is missing again, unless another request for it is open.
    pub(super) fn is_needed_again(&mut self, swarm: &mut Swarm, index: u32) {
        if self.requests.copies(index).is_empty() {
            self.back_to_missing(swarm, index);
        } else {
            swarm.chunks.set(index, ChunkState::InFlight);
        }
    }

    /// Handles a refusal by the peer: halves its pipeline depth and backs off.
    pub(super) fn turned_away(&mut self, swarm: &mut Swarm, conn: Conn) {
        let now = swarm.now;
        let Some(peer) = swarm.peers.get_mut(&conn) else { return };
        // Several refusals at once count as one.
        if now < peer.down.backoff.not_before {
            return;
        }
        peer.down.backoff.refusals += 1;
        peer.down.pace.depth = (peer.down.pace.depth / 2).max(1);
        let pause = TURNED_AWAY * (1 << peer.down.backoff.refusals.min(MAX_DOUBLINGS));
        self.leave_alone(swarm, conn, now + pause);
    }

    /// Requests nothing from the peer before `until`.
    pub(super) fn leave_alone(&mut self, swarm: &mut Swarm, conn: Conn, until: Time) {
        if let Some(peer) = swarm.peers.get_mut(&conn) {
            peer.down.backoff.not_before = until;
            self.resume_at(until);
        }
    }

    /// Looks at the backoffs of the peers at this time, or sooner.
    pub(super) fn resume_at(&mut self, at: Time) {
        self.next_resume = Some(self.next_resume.map_or(at, |other| other.min(at)));
    }

    /// Handles a request for a chunk of `len` bytes that a quota held back: the peer is asked again after a while, and at once
    /// for the last chunk if that is shorter and no whole one will fit any more.
    pub(super) fn held_back(&mut self, swarm: &mut Swarm, conn: Conn, len: u32, why: QuotaRefusal) {
        let (now, terms) = (swarm.now, &swarm.config.terms);
        let last = terms.chunk_count.saturating_sub(1);
        let is_used_up = why == QuotaRefusal::UsedUp;
        let is_shorter = terms.chunk_len(last) < len && swarm.chunks.state(last) == ChunkState::Missing;
        let Some(peer) = swarm.peers.get_mut(&conn) else { return };
        peer.down.held_back = Some(why);
        if is_used_up && is_shorter && peer.may_be_asked() && peer.announced.have.get(last) {
            self.request(swarm, conn, last);
        }
        let pause = if is_used_up { USED_UP_WAIT } else { QUOTA_WAIT };
        self.leave_alone(swarm, conn, now + pause);
    }

    /// Handles another version of the quotas: peers for which they were used up may be asked again.
    pub(super) fn quotas_changed(swarm: &mut Swarm) {
        for peer in swarm.peers.values_mut() {
            if peer.down.held_back.take().is_some() {
                peer.down.backoff.not_before = swarm.now;
            }
        }
    }

    /// Ends backoffs that are over, also those of answers that a quota held back. Returns true if any may have ended.
    pub(super) fn resume(&mut self, swarm: &mut Swarm) -> bool {
        let now = swarm.now;
        if self.next_resume.is_none_or(|at| now < at) {
            return false;
        }
        let mut next = None;
        for peer in swarm.peers.values_mut() {
            let until = match peer.up.quota_wait {
                Some(QuotaWait::Until(until)) => Some(until),
                Some(QuotaWait::UsedUp) | None => None,
            };
            if until.is_some_and(|until| until <= now) {
                peer.up.quota_wait = None;
            }
            let times = [Some(peer.down.backoff.not_before), until].into_iter().flatten();
            next = times.chain(next).filter(|&at| at > now).min();
        }
        self.next_resume = next;
        self.mark_all_ready();
        true
    }

    /// Withdraws a request that is no longer needed.
    pub(super) fn cancel(&mut self, swarm: &mut Swarm, req: Req) {
        swarm.push(Output::Cancel { req });
        let conn = self.requests.get(req).map(|request| request.conn);
        self.release(swarm, req);
        if let Some(conn) = conn {
            self.mark_ready(swarm, conn);
        }
    }

    /// Withdraws all requests for a chunk.
    pub(super) fn cancel_copies(&mut self, swarm: &mut Swarm, index: u32) {
        for copy in self.requests.copies(index).to_vec() {
            self.cancel(swarm, copy);
        }
    }

    /// Withdraws those requests to a peer that are meant.
    pub(super) fn take_back(
        &mut self,
        swarm: &mut Swarm,
        conn: Conn,
        is_meant: impl Fn(Req, &Request) -> bool,
    ) {
        let Some(peer) = swarm.peers.get(&conn) else { return };
        let is_meant = |req: &Req| self.requests.get(*req).is_some_and(|request| is_meant(*req, request));
        let reqs: Vec<Req> = peer.down.requests.iter().copied().filter(is_meant).collect();
        for req in reqs {
            self.cancel(swarm, req);
        }
    }

    /// Withdraws the request for a chunk that this peer does not have any more. A chunk that arrived is kept: the peer had
    /// it when it sent it.
    pub(super) fn take_back_chunk(&mut self, swarm: &mut Swarm, conn: Conn, index: u32) {
        self.take_back(swarm, conn, |_, request| request.index == index);
    }

    /// Handles a Choke: withdraws the requests that the peer has not begun to answer.
    pub(super) fn choked(&mut self, swarm: &mut Swarm, conn: Conn) {
        let Some(peer) = swarm.peers.get_mut(&conn) else { return };
        peer.down.choked = true;
        peer.down.mute_for = Duration::ZERO;
        // Answers that have begun go on; the peer resets the others with `Choked`.
        let is_unanswered = |req: &Req| self.requests.get(*req).is_some_and(|request| request.received == 0);
        let unanswered: Vec<Req> = peer.down.requests.iter().copied().filter(is_unanswered).collect();
        if !unanswered.is_empty() {
            self.turned_away(swarm, conn);
        }
        for req in unanswered {
            swarm.push(Output::Cancel { req });
            self.release(swarm, req);
        }
    }

    /// Forgets the requests to a peer that is gone; `peer` is not in the table any more.
    pub(super) fn forget(&mut self, swarm: &mut Swarm, peer: &Peer) {
        self.doubted -= peer.down.doubted();
        for &req in &peer.down.requests {
            swarm.push(Output::Cancel { req });
            self.release(swarm, req);
        }
    }

    /// Forgets a request. Its chunk becomes missing unless another request for it is open.
    pub(super) fn release(&mut self, swarm: &mut Swarm, req: Req) {
        let Some(request) = self.remove(swarm, req) else { return };
        if self.requests.copies(request.index).is_empty()
            && swarm.chunks.state(request.index) == ChunkState::InFlight
        {
            self.back_to_missing(swarm, request.index);
        }
    }

    fn back_to_missing(&mut self, swarm: &mut Swarm, index: u32) {
        swarm.chunks.set(index, ChunkState::Missing);
        self.mark_all_ready();
    }

    /// Removes a request; what becomes of its chunk is up to the caller.
    pub(super) fn remove(&mut self, swarm: &mut Swarm, req: Req) -> Option<Request> {
        let request = self.requests.remove(req)?;
        self.change(swarm, request.conn, |down| down.open -= 1);
        if let Some(peer) = swarm.peers.get_mut(&request.conn)
            && peer.down.requests.remove(&req)
        {
            peer.down.pause_if_idle(swarm.now);
        }
        Some(request)
    }

    /// Changes the download state of a peer. Every change of its open or doubtful requests goes through here, so that
    /// `doubted` stays their sum.
    pub(super) fn change(&mut self, swarm: &mut Swarm, conn: Conn, change: impl FnOnce(&mut Download)) {
        let Some(peer) = swarm.peers.get_mut(&conn) else { return };
        self.doubted -= peer.down.doubted();
        change(&mut peer.down);
        self.doubted += peer.down.doubted();
    }

    /// Checks the invariants; the error names the one that does not hold.
    pub(super) fn check(&self, swarm: &Swarm) -> Result<(), String> {
        self.requests.check(swarm)?;
        for (&conn, peer) in swarm.peers.iter() {
            let open = (self.requests.storing_from(conn) + peer.down.requests.len()) as u32;
            if open != peer.down.open {
                return Err(format!("{} has {open} requests open, counted {}", peer.id, peer.down.open));
            }
        }
        let doubted: u32 = swarm.peers.values().map(|peer| peer.down.doubted()).sum();
        if doubted != self.doubted {
            return Err(format!("{doubted} requests of doubtful peers, counted {}", self.doubted));
        }
        Ok(())
    }
}
