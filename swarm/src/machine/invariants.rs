//! Checks of the machine's invariants, which the module documentation states in words.

use super::chunks::ChunkState;
use super::core::Machine;
use super::events::Conn;
use super::peer::{Peer, Phase};

impl Machine {
    /// Checks every invariant; the error names the one that does not hold. Meant for tests: it walks through the whole state.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.swarm.chunks.check()?;
        self.swarm.peers.check()?;
        self.check_chunks()?;
        self.check_requests()?;
        if !self.offer_checks.is_bounded() {
            return Err("more offers wait, are checked or remembered than may be".to_owned());
        }
        self.check_peers()
    }

    fn check_chunks(&self) -> Result<(), String> {
        for (index, state) in self.swarm.chunks.iter() {
            let copies = self.copies.get(&index).map_or(&[][..], Vec::as_slice);
            let storing = copies
                .iter()
                .filter(|req| self.requests.get(req).is_some_and(|request| request.storing))
                .count();
            let asked = copies.len() - storing;
            let fits = match state {
                ChunkState::Missing | ChunkState::Have => copies.is_empty(),
                ChunkState::InFlight => (1..=2).contains(&asked) && storing == 0,
                ChunkState::Storing => storing == 1 && asked <= 1,
            };
            if !fits {
                return Err(format!("chunk {index} is {state:?} with {asked} asked and {storing} storing"));
            }
        }
        Ok(())
    }

    fn check_requests(&self) -> Result<(), String> {
        let bytes: u64 = self.requests.values().map(|request| u64::from(request.len)).sum();
        let budget =
            self.swarm.config.limits.memory_budget_bytes.max(u64::from(self.swarm.config.terms.chunk_size));
        if bytes != self.in_flight_bytes || bytes > budget {
            return Err(format!(
                "{bytes} bytes in flight, counted {}, budget {budget}",
                self.in_flight_bytes
            ));
        }
        let owed: u64 =
            self.requests.values().map(|one| u64::from(one.len).saturating_sub(one.received)).sum();
        let promised = self.received_of.values().sum::<u64>() + owed;
        if promised != self.promised && !self.has_unnamed_sources() {
            return Err(format!("{promised} bytes are promised, counted {}", self.promised));
        }
        if self.swarm.chunks.is_complete() && !self.requests.is_empty() {
            return Err(format!("complete, and {} requests left", self.requests.len()));
        }
        if let Some(req) = self.hedged.iter().find(|req| self.requests.get(req).is_none_or(|r| r.storing)) {
            return Err(format!("{req:?} is hedged and not in flight"));
        }
        for (req, request) in &self.requests {
            let Some(peer) = self.swarm.peers.get(&request.conn) else {
                if request.storing {
                    continue;
                }
                return Err(format!("{req:?} to a peer that is gone"));
            };
            if request.storing == peer.down.requests.contains(req) {
                return Err(format!("{req:?} storing {} but listed otherwise", request.storing));
            }
            let may_be_asked = peer.is_source();
            let is_fine = request.storing || (may_be_asked && peer.have.get(request.index));
            if !is_fine {
                return Err(format!("{req:?} asked of a peer that may not be asked for it"));
            }
        }
        for (index, copies) in &self.copies {
            let mut conns: Vec<Conn> =
                copies.iter().filter_map(|req| self.requests.get(req)).map(|request| request.conn).collect();
            conns.sort_unstable();
            conns.dedup();
            if conns.len() != copies.len() {
                return Err(format!("chunk {index} asked of one peer twice"));
            }
        }
        Ok(())
    }

    fn check_peers(&self) -> Result<(), String> {
        for (&conn, peer) in self.swarm.peers.iter() {
            let storing = self.requests.values().filter(|request| request.conn == conn && request.storing);
            let open = (storing.count() + peer.down.requests.len()) as u32;
            if open != peer.down.open {
                return Err(format!("{} has {open} requests open, counted {}", peer.id, peer.down.open));
            }
            let controls = &self.swarm.config.controls;
            let may_be_here = peer.dialed || controls.lets_in(peer.id);
            if !may_be_here || peer.down.disallowed == controls.may_fetch_from(peer.id) {
                return Err(format!("{} is here against the word of our user", peer.id));
            }
            if peer.up.disallowed == controls.lets_in(peer.id) || (peer.up.unchoked && !peer.may_be_served())
            {
                return Err(format!("{} is served against the word of our user", peer.id));
            }
            if peer.up.disallowed && !(peer.up.waiting.is_empty() && peer.up.active.is_empty()) {
                return Err(format!("{} is answered against the word of our user", peer.id));
            }
            if peer.up.over_quota.is_some() && !self.is_wanted_source(peer) {
                return Err(format!("{} has used its allowance and is kept for nothing", peer.id));
            }
            if peer.phase == Phase::Ready {
                let useful =
                    peer.have.iter_ones().filter(|&i| !self.swarm.chunks.have().get(i)).count() as u32;
                if useful != peer.useful {
                    return Err(format!("{} has {useful} for us, counted {}", peer.id, peer.useful));
                }
            }
            if let Some(ask) = peer.up.active.keys().find(|ask| !self.swarm.asks.contains_key(ask)) {
                return Err(format!("{ask:?} is answered for nobody"));
            }
        }
        self.check_tallies()
    }

    /// Compares the running counters with a full count.
    fn check_tallies(&self) -> Result<(), String> {
        let count =
            |is_meant: fn(&Peer) -> bool| self.swarm.peers.values().filter(|peer| is_meant(peer)).count();
        let unchoked: Vec<Conn> =
            self.swarm.peers.iter().filter(|(_, peer)| peer.up.unchoked).map(|(&conn, _)| conn).collect();
        let doubted: u32 = self.swarm.peers.values().map(|peer| peer.down.doubted()).sum();
        let tallies = [
            ("interested peers", count(|peer| peer.up.interested), self.interested_peers as usize),
            (
                "waiting peers without a slot",
                count(|peer| !peer.up.unchoked && !peer.up.waiting.is_empty()),
                0,
            ),
            ("requests of doubtful peers", doubted as usize, self.doubted as usize),
        ];
        if let Some((what, are, counted)) = tallies.into_iter().find(|&(_, are, counted)| are != counted) {
            return Err(format!("{are} {what}, counted {counted}"));
        }
        if !self.unchoked.iter().copied().eq(unchoked) {
            return Err(format!("{:?} are said to hold slots", self.unchoked));
        }
        Ok(())
    }
}
