//! Requests in flight: which peer was asked for which chunk, and how much of the memory they hold.

use std::collections::{BTreeMap, BTreeSet};

use minimodel_wire::PeerId;

use super::chunks::ChunkState;
use super::events::{Conn, Req};
use super::peer_download::Download;
use super::swarm::Swarm;
use super::time::Time;

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

impl Request {
    /// Bytes that were not received yet.
    pub(super) fn open(&self) -> u64 {
        u64::from(self.len).saturating_sub(self.received)
    }
}

/// All requests whose chunk is on its way or being stored.
#[derive(Debug, Default)]
pub(super) struct Requests {
    by_req: BTreeMap<Req, Request>,
    next: u64,
    /// The one or two requests for each chunk that is in flight or being stored.
    copies: BTreeMap<u32, Vec<Req>>,
    /// Requests whose chunk may be requested from a second peer as well.
    hedged: BTreeSet<Req>,
    /// Bytes requested and not yet stored.
    bytes: u64,
}

impl Requests {
    /// A number for a new request, also for one that is not kept here.
    pub(super) fn number(&mut self) -> Req {
        let req = Req(self.next);
        self.next += 1;
        req
    }

    pub(super) fn insert(&mut self, req: Req, request: Request) {
        self.copies.entry(request.index).or_default().push(req);
        self.bytes += u64::from(request.len);
        self.by_req.insert(req, request);
    }

    pub(super) fn remove(&mut self, req: Req) -> Option<Request> {
        let request = self.by_req.remove(&req)?;
        self.bytes -= u64::from(request.len);
        self.hedged.remove(&req);
        if let Some(copies) = self.copies.get_mut(&request.index) {
            copies.retain(|&copy| copy != req);
            if copies.is_empty() {
                self.copies.remove(&request.index);
            }
        }
        Some(request)
    }

    pub(super) fn get(&self, req: Req) -> Option<&Request> {
        self.by_req.get(&req)
    }

    /// Notes that so many bytes of the chunk are here; returns the request, and how many were not counted before.
    pub(super) fn received(&mut self, req: Req, received: u64) -> Option<(&Request, u64)> {
        let request = self.by_req.get_mut(&req)?;
        let fresh = received.saturating_sub(request.received);
        request.received += fresh;
        Some((request, fresh))
    }

    /// Notes that the whole chunk arrived and is being stored.
    pub(super) fn store(&mut self, req: Req) -> Option<&Request> {
        self.hedged.remove(&req);
        let request = self.by_req.get_mut(&req)?;
        request.storing = true;
        Some(request)
    }

    /// Restarts the deadlines of a request that our own rate limit holds back; returns the connection.
    pub(super) fn restart(&mut self, req: Req, now: Time) -> Option<Conn> {
        let request = self.by_req.get_mut(&req)?;
        request.sent = now;
        Some(request.conn)
    }

    /// The number of requests.
    pub(super) fn len(&self) -> usize {
        self.by_req.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_req.is_empty()
    }

    /// Bytes requested and not yet stored.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The requests for a chunk, oldest first.
    pub(super) fn copies(&self, index: u32) -> &[Req] {
        self.copies.get(&index).map_or(&[], Vec::as_slice)
    }

    /// Requests beyond the first for each chunk.
    pub(super) fn duplicates(&self) -> usize {
        self.by_req.len() - self.copies.len()
    }

    /// Lets the chunk of this request be requested from a second peer as well.
    pub(super) fn hedge(&mut self, req: Req) {
        self.hedged.insert(req);
    }

    /// Hedged requests, oldest first.
    pub(super) fn hedged(&self) -> impl Iterator<Item = &Request> {
        self.hedged.iter().filter_map(|&req| self.get(req))
    }

    /// Bytes that a peer owes us: requested and not yet received.
    pub(super) fn owed(&self, down: &Download) -> u64 {
        down.requests.iter().filter_map(|&req| self.get(req)).map(Request::open).sum()
    }

    /// Requests of one connection whose chunk is being stored.
    pub(super) fn storing_from(&self, conn: Conn) -> usize {
        self.by_req.values().filter(|request| request.conn == conn && request.storing).count()
    }

    /// Checks the invariants; the error names the one that does not hold.
    pub(super) fn check(&self, swarm: &Swarm) -> Result<(), String> {
        let bytes: u64 = self.by_req.values().map(|request| u64::from(request.len)).sum();
        let budget = swarm.config.limits.memory_budget_bytes.max(u64::from(swarm.config.terms.chunk_size));
        if bytes != self.bytes || bytes > budget {
            return Err(format!("{bytes} bytes in flight, counted {}, budget {budget}", self.bytes));
        }
        if swarm.chunks.is_complete() && !self.by_req.is_empty() {
            return Err(format!("complete, and {} requests left", self.by_req.len()));
        }
        if let Some(req) = self.hedged.iter().find(|&&req| self.get(req).is_none_or(|r| r.storing)) {
            return Err(format!("{req:?} is hedged and not in flight"));
        }
        self.check_states(swarm)?;
        self.check_peers(swarm)
    }

    /// Compares the state of each chunk with the requests for it.
    fn check_states(&self, swarm: &Swarm) -> Result<(), String> {
        for (index, state) in swarm.chunks.iter() {
            let copies: Vec<&Request> = self.copies(index).iter().filter_map(|&req| self.get(req)).collect();
            let storing = copies.iter().filter(|request| request.storing).count();
            let asked = copies.len() - storing;
            let fits = match state {
                ChunkState::Missing | ChunkState::Have => copies.is_empty(),
                ChunkState::InFlight => (1..=2).contains(&asked) && storing == 0,
                ChunkState::Storing => storing == 1 && asked <= 1,
            };
            if !fits {
                return Err(format!("chunk {index} is {state:?} with {asked} asked and {storing} storing"));
            }
            let mut conns: Vec<Conn> = copies.iter().map(|request| request.conn).collect();
            conns.sort_unstable();
            conns.dedup();
            if conns.len() != self.copies(index).len() {
                return Err(format!("chunk {index} asked of one peer twice"));
            }
        }
        Ok(())
    }

    /// Compares the requests with those that each peer is known to owe.
    fn check_peers(&self, swarm: &Swarm) -> Result<(), String> {
        for (req, request) in &self.by_req {
            let Some(peer) = swarm.peers.get(&request.conn) else {
                if request.storing {
                    continue;
                }
                return Err(format!("{req:?} to a peer that is gone"));
            };
            if request.storing == peer.down.requests.contains(req) {
                return Err(format!("{req:?} storing {} but listed otherwise", request.storing));
            }
            let is_fine = request.storing || (peer.is_source() && peer.announced.have.get(request.index));
            if !is_fine {
                return Err(format!("{req:?} asked of a peer that may not be asked for it"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(conn: u64, index: u32) -> Request {
        let (sent, peer) = (Time::ZERO, PeerId([conn as u8; 32]));
        Request { conn: Conn(conn), peer, index, len: 100, sent, received: 0, storing: false }
    }

    #[test]
    fn requests_for_one_chunk_are_its_copies_until_removed() {
        let mut requests = Requests::default();
        let reqs: Vec<Req> = [asked(1, 7), asked(2, 7), asked(1, 8)]
            .into_iter()
            .map(|request| {
                let req = requests.number();
                requests.insert(req, request);
                req
            })
            .collect();
        assert_eq!((requests.copies(7), requests.duplicates(), requests.bytes()), (&reqs[..2], 1, 300));
        assert_eq!(requests.remove(reqs[0]).map(|request| request.conn), Some(Conn(1)));
        assert_eq!((requests.copies(7), requests.duplicates(), requests.bytes()), (&reqs[1..2], 0, 200));
        requests.remove(reqs[1]);
        assert!(requests.copies(7).is_empty() && requests.remove(reqs[1]).is_none());
    }

    #[test]
    fn bytes_of_a_chunk_are_counted_once() {
        let mut requests = Requests::default();
        let req = requests.number();
        requests.insert(req, asked(1, 7));
        let mut fresh = |received| requests.received(req, received).map(|(_, fresh)| fresh);
        assert_eq!([60, 40, 130].map(&mut fresh), [Some(60), Some(0), Some(70)]);
    }

    #[test]
    fn a_stored_chunk_is_hedged_no_more() {
        let mut requests = Requests::default();
        let req = requests.number();
        requests.insert(req, asked(1, 7));
        requests.hedge(req);
        assert_eq!(requests.hedged().count(), 1);
        requests.store(req);
        assert_eq!(requests.hedged().count(), 0);
    }
}
