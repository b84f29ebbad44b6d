//! Choice of the next chunk for a peer: chunk order, hedged requests, and the endgame.
//!
//! While chunks are missing, the order decides. In the endgame, when no chunk that the peer has is missing, the peer takes
//! over chunks that others would finish later: a request without a byte moves to it, and a begun one is duplicated. So a
//! slow peer may begin a chunk that it will not finish, and the fetch never waits for it. Finishing times are estimated from
//! what a path has shown: its bytes and their time, the round trip, the bytes it owes, and how long it has been silent.

use std::time::Duration;

use minimodel_wire::Consent;

use super::config::Order;
use super::core::Machine;
use super::events::{Conn, Req};
use super::peer::Peer;
use super::requests::Request;
use super::time::Time;

/// Chunks picked at random before rarest first begins, so that a new leecher soon has chunks to give.
const RANDOM_FIRST: u32 = 4;
/// Duplicate requests at once: their number, or their bytes if that allows more. More would crowd our own downlink, which
/// may be the cause of the delay.
const MOST_COPIES: (usize, usize) = (4, 4 << 20);
/// Backoff of a peer whose only request was withdrawn for another peer, and how often it doubles at most.
const YIELDS: (Duration, u32) = (Duration::from_millis(250), 7);
/// Share of the file that duplicates may bring twice (one part in so many) while each saves less than this time; a larger
/// saving is worth any duplicate.
const TWICE: (u64, Duration) = (50, Duration::from_millis(500));
/// Assumed time for a chunk from a peer that never sent a byte: in the endgame it is tried, and its first bytes show more.
const PROBE: Duration = Duration::from_millis(500);

/// The least advantage in finishing time of one peer over another: a factor, and a time beyond it.
#[derive(Debug, Clone, Copy)]
struct Gain(f64, Duration);

/// To move a request without a byte: the move costs a round trip.
const MOVE: Gain = Gain(1.2, Duration::from_millis(50));
/// To duplicate a begun request: one of the two answers is wasted, and an estimated rate may be off by this much.
const COPY: Gain = Gain(1.25, Duration::from_millis(100));
/// To replace the later of two begun requests.
const REPLACE: Gain = Gain(2.0, Duration::from_millis(100));
/// To take over from a slow peer while other chunks are missing or memory is short: the slow peer, or the memory that it
/// holds, becomes free.
const RELIEVE: Gain = Gain(4.0, Duration::from_secs(1));

/// All other chunks would be here before this peer's one: it does not begin the chunk (first), or gives it back (second).
const LATE: (Gain, Gain) = (Gain(1.2, Duration::from_millis(300)), Gain(1.5, Duration::from_millis(500)));

impl Gain {
    fn is_worth(self, ours: Duration, theirs: Duration) -> bool {
        theirs > ours.mul_f64(self.0) + self.1
    }
}

/// Peers that owe us chunks, with the time until all of theirs would be here; the latest first.
pub(super) type Late = Vec<(Duration, Conn)>;

/// A chunk to request from a peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pick {
    pub(super) index: u32,
    /// Another peer's request for the same chunk, to be withdrawn.
    pub(super) instead_of: Option<Req>,
}

impl Pick {
    fn new(index: u32) -> Self {
        Self { index, instead_of: None }
    }
}

impl Machine {
    /// Returns the next chunk to request from this peer. `late` is computed once for all peers that are idle in the endgame.
    pub(super) fn next_for(&mut self, now: Time, conn: Conn, late: &mut Option<Late>) -> Option<Pick> {
        if let Some(index) = self.hedge_for(conn) {
            return Some(Pick::new(index));
        }
        let peer = self.swarm.peers.get(&conn)?;
        let sequential = self.swarm.config.order == Order::Sequential
            || (self.swarm.peers.partial == 0 && !self.swarm.config.consent.contains(Consent::PUBLISH));
        let picked = if sequential {
            self.swarm.chunks.picker.sequential(&peer.have)
        } else if self.swarm.chunks.have().ones() < RANDOM_FIRST {
            self.swarm.chunks.picker.random(&peer.have, !peer.is_seed)
        } else {
            self.swarm.chunks.picker.rarest(&peer.have, !peer.is_seed)
        };
        match picked {
            Some(index) => (!self.would_be_late(now, conn, index)).then(|| Pick::new(index)),
            None => self.take_over(now, conn, late),
        }
    }

    /// Returns true if steady peers would finish all that is left before this peer finishes this chunk.
    fn would_be_late(&mut self, now: Time, conn: Conn, index: u32) -> bool {
        let chunk = f64::from(self.swarm.config.terms.chunk_size);
        let pace = self.swarm.peers.get_mut(&conn).and_then(|peer| peer.down.meter.shown(now));
        // Always asked are fast peers, peers without a rate yet, and peers so slow that only a request shows what they do.
        if pace.is_none_or(|pace| pace > chunk || pace < self.swarm.config.limits.trickle_rate as f64) {
            return false;
        }
        let (Some(rest), Some(ours)) = (self.rest(now), self.promise(now, conn)) else { return false };
        LATE.0.is_worth(rest, ours)
            && self.soonest_other(now, conn, index).is_some_and(|other| LATE.0.is_worth(other, ours))
    }

    /// Withdraws requests that slow peers would answer long after all the rest is here. Faster peers request these chunks
    /// in their turn, and few bytes come twice.
    pub(super) fn give_back_late(&mut self, now: Time) {
        let Some(rest) = self.rest(now) else { return };
        let trickle = self.swarm.config.limits.trickle_rate as f64;
        let holders: Vec<Conn> = self.swarm.peers.keys().copied().collect();
        for holder in holders {
            let pace = self.swarm.peers.get_mut(&holder).and_then(|peer| peer.down.meter.shown(now));
            // Silent and trickling peers are handled by the deadlines.
            if pace.is_none_or(|pace| pace < trickle) {
                continue;
            }
            for (req, due) in
                self.dues(now, holder).into_iter().filter(|&(_, due)| LATE.1.is_worth(rest, due))
            {
                let Some(index) = self.requests.get(&req).map(|request| request.index) else { continue };
                let is_alone = self.copies.get(&index).is_some_and(|copies| copies.len() == 1);
                let other = self.soonest_other(now, holder, index);
                if is_alone && other.is_some_and(|other| LATE.1.is_worth(other, due)) {
                    self.withdraw(now, req);
                }
            }
        }
    }

    /// Time until everything would be here from steady peers alone; `None` without one. A falling rate counts at once.
    fn rest(&mut self, now: Time) -> Option<Duration> {
        let terms = &self.swarm.config.terms;
        let lacks =
            u64::from(terms.chunk_count - self.swarm.chunks.have().ones()) * u64::from(terms.chunk_size);
        let steady = self.swarm.peers.values_mut().filter(|peer| peer.is_steady());
        let pace: f64 = steady.map(|peer| peer.down.meter.least(now)).sum();
        (pace > 0.0).then(|| time_for(lacks, pace))
    }

    /// Time until the fastest other steady peer would bring this chunk if it were asked now.
    fn soonest_other(&mut self, now: Time, conn: Conn, index: u32) -> Option<Duration> {
        let is_meant =
            |&(&other, peer): &(&Conn, &Peer)| other != conn && peer.is_steady() && peer.have.get(index);
        let others: Vec<Conn> = self.swarm.peers.iter().filter(is_meant).map(|(&other, _)| other).collect();
        others.into_iter().filter_map(|other| self.promise(now, other)).min()
    }

    /// Returns a hedged chunk of another peer that this peer has and that is requested only once.
    fn hedge_for(&self, conn: Conn) -> Option<u32> {
        let peer = self.swarm.peers.get(&conn)?;
        if peer.down.stalled {
            return None;
        }
        let stuck = self.hedged.iter().filter_map(|req| self.requests.get(req));
        stuck
            .filter(|request| request.conn != conn && !request.storing && peer.have.get(request.index))
            .find(|request| self.copies.get(&request.index).is_some_and(|copies| copies.len() == 1))
            .map(|request| request.index)
    }

    /// With no missing chunk to request from this peer: returns the chunk that another peer would bring last, if this one is
    /// sooner. While other chunks are missing, this peer must be very much sooner, and only calls that check deadlines do this.
    fn take_over(&mut self, now: Time, conn: Conn, late: &mut Option<Late>) -> Option<Pick> {
        let is_end = self.swarm.chunks.missing() == 0;
        if !is_end && !self.looks_around {
            return None;
        }
        let ours = self.promise(now, conn)?;
        let gains = if is_end { (MOVE, COPY, REPLACE) } else { (RELIEVE, RELIEVE, RELIEVE) };
        let late = late.get_or_insert_with(|| self.latest_first(now));
        for (theirs, holder) in late.iter().copied() {
            if !gains.0.is_worth(ours, theirs) {
                break;
            }
            if holder != conn
                && let Some(pick) = self.take_from(now, holder, (conn, ours), gains)
            {
                return Some(pick);
            }
        }
        None
    }

    /// Returns the newest request of the holder that this peer would answer sooner.
    fn take_from(
        &mut self,
        now: Time,
        holder: Conn,
        (conn, ours): (Conn, Duration),
        (moves, copies, replaces): (Gain, Gain, Gain),
    ) -> Option<Pick> {
        let may_copy = self.requests.len() < self.copies.len() + self.most_copies();
        // Bytes of the oldest request are on their way, even if none has come yet.
        let begun = self.swarm.peers.get(&holder).and_then(|peer| peer.down.requests.first().copied());
        for (req, theirs) in self.dues(now, holder).into_iter().rev() {
            if !moves.is_worth(ours, theirs) {
                break;
            }
            let (Some(request), Some(peer)) = (self.requests.get(&req), self.swarm.peers.get(&conn)) else {
                continue;
            };
            let (index, is_proven) = (request.index, peer.down.proven > 0);
            let wasted = wasted_bytes(request, ours, theirs);
            let is_cheap = self.twice + wasted <= self.swarm.config.terms.byte_count / TWICE.0;
            let asked = self.copies.get(&index).map_or(&[][..], Vec::as_slice);
            let is_free =
                |copy: &Req| self.requests.get(copy).is_some_and(|one| one.conn != conn && !one.storing);
            if !peer.have.get(index) || !asked.iter().all(is_free) {
                continue;
            }
            match asked.iter().copied().find(|&copy| copy != req) {
                None if is_proven && request.received == 0 && begun != Some(req) => {
                    return Some(Pick { index, instead_of: Some(req) });
                }
                None if may_copy
                    && copies.is_worth(ours, theirs)
                    && (is_cheap || theirs > ours + TWICE.1) =>
                {
                    self.twice += wasted;
                    return Some(Pick::new(index));
                }
                None => {}
                Some(other) => {
                    let others = self.due(now, other);
                    // The earlier of the two always stays: it is the best so far.
                    let later = if theirs >= others { req } else { other };
                    if replaces.is_worth(ours, theirs.min(others)) {
                        return Some(Pick { index, instead_of: Some(later) });
                    }
                }
            }
        }
        None
    }

    /// Withdraws a request so that other peers can take the chunk. A holder without any other request gets a backoff,
    /// longer each time until it delivers, so that a chunk does not circulate among silent peers.
    pub(super) fn withdraw(&mut self, now: Time, req: Req) {
        let holder = self.requests.get(&req).map(|request| request.conn);
        self.cancel(now, req);
        let Some(holder) = holder else { return };
        let Some(down) = self.swarm.peers.get_mut(&holder).map(|peer| &mut peer.down) else { return };
        if down.requests.is_empty() {
            let until = (now + YIELDS.0 * (1 << down.yielded)).max(down.not_before);
            down.yielded = (down.yielded + 1).min(YIELDS.1);
            self.leave_alone(until, holder);
        }
    }

    /// Returns the request that holds memory longest, if this peer would use the memory very much better. For an unproven
    /// peer only a doubtful peer's request is withdrawn, and never that of the best of these.
    pub(super) fn held_too_long(&mut self, now: Time, conn: Conn, late: &mut Option<Late>) -> Option<Req> {
        let ours = self.promise(now, conn)?;
        let is_proven = self.swarm.peers.get(&conn)?.down.proven > 0;
        let late = late.get_or_insert_with(|| self.latest_first(now));
        let is_meant = |&&(theirs, holder): &&(Duration, Conn)| {
            let peer = self.swarm.peers.get(&holder);
            let gives_way = peer.is_some_and(|peer| is_proven || peer.down.is_doubtful());
            holder != conn && gives_way && RELIEVE.is_worth(ours, theirs)
        };
        let mut meant = late.iter().filter(is_meant);
        let (at, holder) = meant.next().copied()?;
        let is_best = !is_proven
            && late.iter().all(|&(theirs, other)| other == holder || other == conn || theirs >= at);
        if is_best {
            return None;
        }
        late.retain(|&(_, other)| other != holder);
        self.swarm.peers.get(&holder)?.down.requests.last().copied()
    }

    fn most_copies(&self) -> usize {
        MOST_COPIES.0.max(MOST_COPIES.1 / self.swarm.config.terms.chunk_size.max(1) as usize)
    }

    /// All peers that owe us chunks, with the time until all of theirs would be here.
    fn latest_first(&mut self, now: Time) -> Late {
        let is_busy =
            |conn: &Conn| self.swarm.peers.get(conn).is_some_and(|peer| !peer.down.requests.is_empty());
        let holders: Vec<Conn> = self.swarm.peers.keys().copied().filter(is_busy).collect();
        let mut late = Late::new();
        for holder in holders {
            late.extend(self.dues(now, holder).last().map(|&(_, due)| (due, holder)));
        }
        late.sort_unstable();
        late.reverse();
        late
    }

    /// Time until the chunk of this request would be here.
    fn due(&mut self, now: Time, req: Req) -> Duration {
        let holder = self.requests.get(&req).map(|request| request.conn);
        let dues = holder.map(|holder| self.dues(now, holder)).unwrap_or_default();
        dues.into_iter().find(|&(one, _)| one == req).map_or(Duration::ZERO, |(_, due)| due)
    }

    /// Time until each chunk that this peer owes us would be here, in the order of requests, which is the order of answers.
    fn dues(&mut self, now: Time, conn: Conn) -> Vec<(Req, Duration)> {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return Vec::new() };
        let pace = peer.down.meter.shown(now);
        let silent = now.since(peer.down.last_byte);
        let (mut owed, mut oldest) = (0, Duration::ZERO);
        let mut dues = Vec::with_capacity(peer.down.requests.len());
        for &req in &peer.down.requests {
            let Some(request) = self.requests.get(&req) else { continue };
            owed += u64::from(request.len).saturating_sub(request.received);
            oldest = oldest.max(now.since(request.sent));
            // Silence is expected to last as long again; before the first byte, the whole wait, but a round trip at least.
            let due = pace.map_or((oldest * 2).max(peer.down.rtt), |pace| silent + time_for(owed, pace));
            dues.push((req, due));
        }
        dues
    }

    /// Time until one more chunk would be here if this peer were asked now. `None` if the peer was asked before and has
    /// not sent a byte yet.
    fn promise(&mut self, now: Time, conn: Conn) -> Option<Duration> {
        let (owed, chunk) = (self.owed(conn), u64::from(self.swarm.config.terms.chunk_size));
        let down = &mut self.swarm.peers.get_mut(&conn)?.down;
        let is_asked = !down.requests.is_empty();
        let Some(pace) = down.meter.shown(now) else {
            return (!is_asked && down.mute_for.is_zero()).then_some(PROBE.max(down.rtt * 4));
        };
        let silent = if is_asked { now.since(down.last_byte) } else { Duration::ZERO };
        Some((silent + time_for(owed, pace)).max(down.rtt) + time_for(chunk, pace))
    }
}

/// Bytes of a request that are wasted if another peer begins the chunk now and finishes sooner.
fn wasted_bytes(request: &Request, ours: Duration, theirs: Duration) -> u64 {
    let left = u64::from(request.len).saturating_sub(request.received) as f64;
    let part = ours.as_secs_f64() / theirs.as_secs_f64().max(0.001);
    request.received + (left * part.min(1.0)) as u64
}

fn time_for(bytes: u64, pace: f64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / pace.max(1.0))
}
