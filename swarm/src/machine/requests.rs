//! Our requests and their outcomes: arrivals, verdicts, refusals.

use std::time::Duration;

use minimodel_wire::{CloseCode, PeerId, ResetCode};

use super::chunks::ChunkState;
use super::core::Machine;
use super::events::{Conn, Event, KeepOutcome, Output, Req, RequestFault};
use super::fault::Breach;
use super::peer::QuotaWait;
use super::time::Time;

/// Interval of the deadline checks while any request is open.
pub(super) const CHECK_EVERY: Duration = Duration::from_millis(250);
/// Backoff of a peer that refuses requests; doubled at the first refusal, and again with each in a row.
const TURNED_AWAY: Duration = Duration::from_millis(100);
/// Most doublings of that backoff.
const MAX_DOUBLINGS: u32 = 7;
/// Backoff after a quota shared with other sessions held back a chunk, in either direction. The quota may still count
/// chunks that were withdrawn a moment ago.
pub(super) const QUOTA_WAIT: Duration = Duration::from_millis(500);

/// One request for one chunk from one peer.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) conn: Conn,
    pub(super) peer: PeerId,
    pub(super) index: u32,
    pub(super) len: u32,
    pub(super) sent: Time,
    pub(super) received: u64,
    /// The chunk arrived and is being proven and written; nothing more is expected from the peer.
    pub(super) storing: bool,
}

impl Machine {
    pub(super) fn request(&mut self, now: Time, conn: Conn, index: u32) {
        let len = self.swarm.config.terms.chunk_len(index);
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        let req = Req(self.next_req);
        self.next_req += 1;
        if peer.down.requests.is_empty() {
            peer.down.last_byte = now;
            peer.down.window = (now, 0);
            peer.down.meter.resume(now);
        }
        peer.down.requests.insert(req);
        let request = Request { conn, peer: peer.id, index, len, sent: now, received: 0, storing: false };
        self.change_download(conn, |down| down.open += 1);
        if self.requests.is_empty() {
            self.next_check = now + CHECK_EVERY;
        }
        self.requests.insert(req, request);
        self.copies.entry(index).or_default().push(req);
        self.in_flight_bytes += u64::from(len);
        self.promised += u64::from(len);
        if self.swarm.chunks.state(index) == ChunkState::Missing {
            self.swarm.chunks.set(index, ChunkState::InFlight);
        }
        self.swarm.push(Output::Request { conn, req, index });
    }

    pub(super) fn progressed(&mut self, now: Time, req: Req, received: u64) {
        let Some(request) = self.requests.get_mut(&req) else { return };
        let fresh = received.saturating_sub(request.received);
        let len = u64::from(request.len);
        let counted = received.min(len).saturating_sub(request.received.min(len));
        request.received = request.received.max(received);
        let from = request.peer;
        self.count_received(from, counted);
        let Some(request) = self.requests.get(&req) else { return };
        if let Some(peer) = self.swarm.peers.get_mut(&request.conn).filter(|_| fresh > 0) {
            peer.down.last_byte = now;
            peer.down.window.1 += fresh;
            peer.down.meter.add(now, fresh);
            if peer.down.proven == 0 {
                let (conn, before) = (request.conn, peer.down.depth);
                self.adapt_depth(now, conn);
                if self.swarm.peers.get(&conn).is_some_and(|peer| peer.down.depth > before) {
                    self.mark_ready(conn);
                }
            }
        }
    }

    pub(super) fn arrived(&mut self, now: Time, req: Req) {
        let Some(len) = self.requests.get(&req).map(|request| request.len) else { return };
        self.progressed(now, req, len.into());
        let Some(request) = self.requests.get_mut(&req) else { return };
        let (conn, index, peer) = (request.conn, request.index, request.peer);
        request.storing = true;
        self.hedged.remove(&req);
        if let Some(peer) = self.swarm.peers.get_mut(&conn) {
            peer.down.requests.remove(&req);
            peer.down.refusals = 0;
            peer.pause_if_idle(now);
        }
        self.change_download(conn, |down| down.stalled = false);
        self.adapt_depth(now, conn);
        self.mark_ready(conn);
        if self.swarm.chunks.state(index) == ChunkState::InFlight {
            self.swarm.chunks.set(index, ChunkState::Storing);
            self.swarm.push(Output::Keep { req, index, peer });
        } else {
            self.remove_request(now, req);
            self.swarm.push(Output::Discard { req });
        }
    }

    pub(super) fn kept(&mut self, now: Time, req: Req, outcome: KeepOutcome) {
        let Some(request) = self.remove_request(now, req) else { return };
        match outcome {
            KeepOutcome::Kept => {
                for copy in self.copies.get(&request.index).cloned().unwrap_or_default() {
                    self.cancel(now, copy);
                }
                self.sources.brought_a_chunk(request.peer);
                self.standings.of(request.peer, now).moved(request.len.into());
                self.change_download(request.conn, |down| (down.proven, down.yielded) = (down.proven + 1, 0));
                self.mark_ready(request.conn);
                self.swarm.event(Event::Chunk {
                    index: request.index,
                    peer: request.peer,
                    bytes: request.len,
                });
                self.mark_have(now, request.index);
            }
            KeepOutcome::BadProof { got } => {
                self.chunk_is_needed_again(request.index);
                let blame = (Breach::BadChunk, CloseCode::BadChunk);
                self.ban(now, request.peer, blame, Some(request.index), Some(got));
            }
            KeepOutcome::DiskFailed => self.chunk_is_needed_again(request.index),
        }
    }

    fn chunk_is_needed_again(&mut self, index: u32) {
        if self.copies.contains_key(&index) {
            self.swarm.chunks.set(index, ChunkState::InFlight);
        } else {
            self.back_to_missing(index);
        }
    }

    pub(super) fn request_failed(&mut self, now: Time, req: Req, fault: RequestFault) {
        let Some(request) = self.requests.get(&req).filter(|request| !request.storing).cloned() else {
            return;
        };
        let (conn, index) = (request.conn, request.index);
        if let (RequestFault::Reset(_), Some(peer)) = (fault, self.swarm.peers.get_mut(&conn)) {
            peer.down.mute_for = Duration::ZERO;
        }
        let mut is_too_much = false;
        match fault {
            RequestFault::Reset(ResetCode::NotHave | ResetCode::SourceChanged) => {
                is_too_much = !self.may_take_claim_back(now, conn);
                if !is_too_much {
                    self.forget_claim(conn, index);
                }
            }
            // The connection is ending: nothing more is requested over it.
            RequestFault::Lost => {
                if let Some(peer) = self.swarm.peers.get_mut(&conn) {
                    peer.down.was_cut = true;
                }
                self.stop_asking(conn);
            }
            RequestFault::Reset(ResetCode::BudgetUsed) => self.stop_asking(conn),
            _ => {}
        }
        self.release(now, req);
        match fault {
            RequestFault::Malformed => self.blame(now, conn, Breach::MalformedChunk, Some(index), None),
            RequestFault::Short => self.breach(now, conn, Breach::ShortAnswer),
            RequestFault::Reset(ResetCode::NotHave) => self.refused_announced(now, conn, index),
            // All other reset codes have honest reasons: the peer's slot was taken, its queue is full, it is leaving, its
            // disk failed. A backoff keeps each of them from becoming a loop.
            RequestFault::Reset(_) => {
                self.turned_away(now, conn);
                if self.swarm.peers.get(&conn).is_some_and(|peer| peer.down.refusals > MAX_DOUBLINGS) {
                    // This connection is of no use; a new one may be better.
                    self.drop_peer(now, conn, CloseCode::TooSlow);
                }
            }
            RequestFault::HeldBack => {
                if let Some(peer) = self.swarm.peers.get_mut(&conn) {
                    peer.down.waits_for_quota = true;
                }
                self.leave_alone(now + QUOTA_WAIT, conn);
            }
            RequestFault::Lost => {}
        }
        if is_too_much && self.swarm.peers.contains_key(&conn) {
            self.drop_peer(now, conn, CloseCode::Busy);
        }
    }

    fn stop_asking(&mut self, conn: Conn) {
        if let Some(peer) = self.swarm.peers.get_mut(&conn) {
            peer.down.choked = true;
        }
    }

    /// Handles a refusal by the peer: halves its pipeline depth and backs off.
    pub(super) fn turned_away(&mut self, now: Time, conn: Conn) {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        // Several refusals at once count as one.
        if now < peer.down.not_before {
            return;
        }
        peer.down.refusals += 1;
        peer.down.depth = (peer.down.depth / 2).max(1);
        let pause = TURNED_AWAY * (1 << peer.down.refusals.min(MAX_DOUBLINGS));
        self.leave_alone(now + pause, conn);
    }

    /// Requests nothing from the peer before `until`.
    pub(super) fn leave_alone(&mut self, until: Time, conn: Conn) {
        if let Some(peer) = self.swarm.peers.get_mut(&conn) {
            peer.down.not_before = until;
            self.next_resume = Some(self.next_resume.map_or(until, |at| at.min(until)));
        }
    }

    /// Ends backoffs that are over, and retries what a shared quota held back.
    pub(super) fn resume(&mut self, now: Time) {
        if self.next_resume.is_none_or(|at| now < at) {
            return;
        }
        let mut next = None;
        for peer in self.swarm.peers.values_mut() {
            let until = match peer.up.quota_wait {
                Some(QuotaWait::Until(until)) => Some(until),
                Some(QuotaWait::UsedUp) | None => None,
            };
            if until.is_some_and(|until| until <= now) {
                peer.up.quota_wait = None;
            }
            if peer.down.not_before <= now {
                peer.down.waits_for_quota = false;
            }
            let times = [Some(peer.down.not_before), until].into_iter().flatten();
            next = times.chain(next).filter(|&at| at > now).min();
        }
        self.next_resume = next;
        self.mark_all_ready();
        self.answer_next(now);
    }

    /// Withdraws a request that is no longer needed.
    pub(super) fn cancel(&mut self, now: Time, req: Req) {
        self.swarm.push(Output::Cancel { req });
        let conn = self.requests.get(&req).map(|request| request.conn);
        self.release(now, req);
        if let Some(conn) = conn {
            self.mark_ready(conn);
        }
    }

    /// Forgets a request. Its chunk becomes missing unless another request for it is open.
    pub(super) fn release(&mut self, now: Time, req: Req) {
        let Some(request) = self.remove_request(now, req) else { return };
        if !self.copies.contains_key(&request.index)
            && self.swarm.chunks.state(request.index) == ChunkState::InFlight
        {
            self.back_to_missing(request.index);
        }
    }

    fn back_to_missing(&mut self, index: u32) {
        self.swarm.chunks.set(index, ChunkState::Missing);
        self.mark_all_ready();
    }

    fn remove_request(&mut self, now: Time, req: Req) -> Option<Request> {
        let request = self.requests.remove(&req)?;
        self.in_flight_bytes -= u64::from(request.len);
        // Bytes that were not received do not count.
        let open = u64::from(request.len).saturating_sub(request.received);
        self.promised -= open;
        if open > 0 && self.swarm.config.controls.limits_fetching() {
            // The same bytes may be requested from another peer.
            self.mark_all_ready();
        }
        self.hedged.remove(&req);
        self.change_download(request.conn, |down| down.open -= 1);
        if let Some(peer) = self.swarm.peers.get_mut(&request.conn)
            && peer.down.requests.remove(&req)
        {
            peer.pause_if_idle(now);
        }
        if let Some(copies) = self.copies.get_mut(&request.index) {
            copies.retain(|&copy| copy != req);
            if copies.is_empty() {
                self.copies.remove(&request.index);
            }
        }
        Some(request)
    }
}
