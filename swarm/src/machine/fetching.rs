//! A fetch: the outcomes of our requests, and the deadlines of peers that owe us something.

use std::time::Duration;

use minimodel_wire::{CloseCode, ResetCode};

use super::chunks::ChunkState;
use super::core::Machine;
use super::downloads::MAX_DOUBLINGS;
use super::events::{Conn, Event, KeepOutcome, LeavesOutcome, Req, RequestFault};
use super::fault::{Breach, Charge};
use super::leaves::Answerer;
use super::peer::Phase;
use super::refusals::WORD_FOLLOWS;

impl Machine {
    /// Handles the verdict on a chunk that arrived.
    pub(super) fn kept(&mut self, req: Req, outcome: KeepOutcome) {
        let now = self.swarm.now;
        let Some(request) = self.downloads.remove(&mut self.swarm, req) else { return };
        match outcome {
            KeepOutcome::Kept => {
                self.downloads.cancel_copies(&mut self.swarm, request.index);
                self.dialer.sources.brought_a_chunk(request.peer);
                self.standings.of(request.peer, now).moved(request.len.into());
                self.downloads.proven(&mut self.swarm, request.conn);
                let (index, peer, bytes) = (request.index, request.peer, request.len);
                self.swarm.event(Event::Chunk { index, peer, bytes });
                self.mark_have(index);
            }
            KeepOutcome::BadProof { got } => {
                self.downloads.is_needed_again(&mut self.swarm, request.index);
                let charge = Charge { breach: Breach::BadChunk, index: Some(request.index), got: Some(got) };
                self.ban(request.peer, charge, CloseCode::BadChunk);
            }
            KeepOutcome::DiskFailed => self.downloads.is_needed_again(&mut self.swarm, request.index),
        }
    }

    /// Handles a request that ended without a chunk.
    pub(super) fn request_failed(&mut self, req: Req, fault: RequestFault) {
        let Some(request) = self.downloads.requests.get(req).filter(|request| !request.storing) else {
            return;
        };
        let (conn, index, len) = (request.conn, request.index, request.len);
        if let (RequestFault::Reset(_), Some(peer)) = (fault, self.swarm.peers.get_mut(&conn)) {
            peer.down.mute_for = Duration::ZERO;
        }
        let mut is_too_much = false;
        match fault {
            RequestFault::Reset(ResetCode::NotHave | ResetCode::SourceChanged) => {
                is_too_much = !self.may_take_claim_back(conn);
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
        self.downloads.release(&mut self.swarm, req);
        match fault {
            RequestFault::Malformed => {
                let charge = Charge { index: Some(index), ..Breach::MalformedChunk.into() };
                self.blame(conn, charge);
            }
            RequestFault::Short => self.breach(conn, Breach::ShortAnswer),
            RequestFault::Reset(ResetCode::NotHave) => self.refused_announced(conn, index),
            // All other reset codes have honest reasons: the peer's slot was taken, its queue is full, it is leaving, its
            // disk failed. A backoff keeps each of them from becoming a loop.
            RequestFault::Reset(_) => {
                self.downloads.turned_away(&mut self.swarm, conn);
                if self.swarm.peers.get(&conn).is_some_and(|peer| peer.down.backoff.refusals > MAX_DOUBLINGS)
                {
                    // This connection is of no use; a new one may be better.
                    self.drop_peer(conn, CloseCode::TooSlow);
                }
            }
            RequestFault::HeldBack(why) => self.downloads.held_back(&mut self.swarm, conn, len, why),
            RequestFault::Lost => {}
        }
        if is_too_much && self.swarm.peers.contains_key(&conn) {
            self.drop_peer(conn, CloseCode::Busy);
        }
    }

    fn stop_asking(&mut self, conn: Conn) {
        if let Some(peer) = self.swarm.peers.get_mut(&conn) {
            peer.down.choked = true;
        }
    }

    /// Handles chunks that were found on disk without a record.
    pub(super) fn rescanned(&mut self, have: &[u32]) {
        let is_any_good = !have.is_empty() || self.swarm.chunks.have().ones() > 0;
        if !self.leaves.rescanned(is_any_good) {
            self.swarm.event(Event::NothingGood);
            return;
        }
        for &index in have {
            // Requested before the search began, and on disk already: it is not fetched again.
            if self.swarm.chunks.state(index) == ChunkState::InFlight {
                self.downloads.cancel_copies(&mut self.swarm, index);
            }
            if self.swarm.chunks.state(index) == ChunkState::Missing {
                self.mark_have(index);
            }
        }
        self.downloads.mark_all_ready();
    }

    /// Checks the deadlines of all peers.
    pub(super) fn check_deadlines(&mut self) {
        let conns: Vec<Conn> = self.swarm.peers.keys().copied().collect();
        for conn in conns {
            self.check_introduction(conn);
            if let Some(breach) = self.downloads.check_peer(&mut self.swarm, conn) {
                self.breach(conn, breach);
            }
            self.check_refusals(conn);
        }
        self.downloads.give_back_late(&mut self.swarm);
        self.check_leaves();
        // Pipeline depths follow the rates, and the endgame compares anew when each peer would be done.
        self.downloads.mark_all_ready();
    }

    /// Restarts all deadlines after the machine was not called for long: the process or the computer slept, and no peer
    /// is late.
    pub(super) fn forgive(&mut self) {
        let now = self.swarm.now;
        for peer in self.swarm.peers.values_mut() {
            peer.since = now;
            peer.down.pace.restart(now);
        }
    }

    fn check_introduction(&mut self, conn: Conn) {
        let now = self.swarm.now;
        let Some(peer) = self.swarm.peers.get(&conn) else { return };
        if peer.phase == Phase::Ready || now.since(peer.since) < self.swarm.config.limits.hello {
            return;
        }
        if peer.phase == Phase::ManifestOnly {
            // The peer has the manifest, or will not get it any more; it connects again once its user agreed to fetch.
            self.drop_peer(conn, CloseCode::Done);
        } else {
            self.breach(conn, Breach::NoHello);
        }
    }

    /// Requests leaf hashes, if they are wanted and a peer can answer.
    pub(super) fn search_leaves(&mut self) {
        self.leaves.search(&mut self.swarm, &mut self.downloads.requests);
    }

    /// Handles the outcome of a request for leaf hashes.
    pub(super) fn leaves_answered(&mut self, req: Req, outcome: LeavesOutcome) {
        let Some((conn, answerer)) = self.leaves.answered(&mut self.swarm, req, outcome) else { return };
        match answerer {
            Answerer::Stays => {}
            Answerer::Broke(breach) => self.breach(conn, breach),
            Answerer::IsNoSource => {
                if let Some(peer) = self.swarm.peers.get(&conn).map(|peer| peer.id) {
                    self.dialer.refused_by(&mut self.swarm, peer, CloseCode::BudgetUsed);
                    self.drop_peer(conn, CloseCode::Done);
                }
            }
        }
        self.downloads.mark_all_ready();
    }

    /// Withdraws an overdue request for leaf hashes and strikes its peer.
    fn check_leaves(&mut self) {
        if let Some(conn) = self.leaves.overdue(&mut self.swarm) {
            self.breach(conn, Breach::NoAnswer);
            self.downloads.mark_all_ready();
        }
    }

    /// Handles the refusal of an announced chunk. The caller has removed it from the peer's bitfield.
    fn refused_announced(&mut self, conn: Conn, index: u32) {
        let now = self.swarm.now;
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if peer.down.refused.refused(now, index) {
            self.downloads.turned_away(&mut self.swarm, conn);
            self.breach(conn, Breach::RefusedAnnounced);
        } else {
            // The other chunks that the peer announced may be gone as well.
            self.downloads.leave_alone(&mut self.swarm, conn, now + WORD_FOLLOWS);
        }
    }

    /// Handles a `DontHave` of a chunk that the peer may have refused before.
    pub(super) fn refusal_explained(&mut self, conn: Conn, index: u32) {
        let now = self.swarm.now;
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if peer.down.refused.explain(index) {
            peer.down.backoff.not_before = now;
            self.downloads.turned_away(&mut self.swarm, conn);
        }
    }

    /// Strikes the peer for each refused chunk that it did not take back in time.
    fn check_refusals(&mut self, conn: Conn) {
        let now = self.swarm.now;
        let expired = self.swarm.peers.get_mut(&conn).map_or(0, |peer| peer.down.refused.expire(now));
        for _ in 0..expired {
            // No effect once a strike has ended the connection.
            self.downloads.turned_away(&mut self.swarm, conn);
            self.breach(conn, Breach::RefusedAnnounced);
        }
    }
}
