//! The selection policy, all of it: which chunk is requested next from a peer, by chunk order, hedged requests and the
//! endgame.
//!
//! While chunks are missing, the order decides. In the endgame, when no chunk that the peer has is missing, the peer takes
//! over chunks that others would finish later: a request without a byte moves to it, and a begun one is duplicated. So a
//! slow peer may begin a chunk that it will not finish, and the fetch never waits for it. Finishing times are estimated from
//! what a path has shown: its bytes and their time, the round trip, the bytes it owes, and how long it has been silent.

use std::time::Duration;

use minimodel_wire::Consent;

use super::config::Order;
use super::events::{Conn, Req};
use super::peer::Peer;
use super::requests::{Request, Requests};
use super::swarm::Swarm;

/// Chunks picked at random before rarest first begins, so that a new leecher soon has chunks to give.
const RANDOM_FIRST: u32 = 4;
/// Duplicate requests at once: their number, or their bytes if that allows more. More would crowd our own downlink, which
/// may be the cause of the delay.
const MOST_COPIES: (usize, usize) = (4, 4 << 20);
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

/// The least advantages of a peer that takes over from another, by what becomes of the other's request.
#[derive(Debug, Clone, Copy)]
struct Gains {
    moves: Gain,
    copies: Gain,
    replaces: Gain,
}

/// In the endgame.
const END: Gains = Gains { moves: MOVE, copies: COPY, replaces: REPLACE };
/// While other chunks are missing.
const RELIEF: Gains = Gains { moves: RELIEVE, copies: RELIEVE, replaces: RELIEVE };

/// A peer that could take over a chunk, and the time until the chunk would be here from it.
#[derive(Debug, Clone, Copy)]
struct Bid {
    conn: Conn,
    due: Duration,
}

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

/// The choice of chunks for peers: reads the peers, the chunks and the requests, and requests nothing itself.
pub(super) struct Selection<'m> {
    pub(super) swarm: &'m mut Swarm,
    pub(super) requests: &'m Requests,
    /// Bytes that duplicate requests are expected to bring twice.
    pub(super) twice: &'m mut u64,
    /// The deadlines were just checked: idle peers may take over requests of slow ones.
    pub(super) looks_around: bool,
}

impl Selection<'_> {
    /// Returns the next chunk to request from this peer. `late` is computed once for all peers that are idle in the endgame.
    pub(super) fn next(&mut self, conn: Conn, late: &mut Option<Late>) -> Option<Pick> {
        let pick = self.wanted(conn, late)?;
        // While a quota is short, the withdrawn request might be lost for one that is held back.
        let is_held_back = self.swarm.peers.get(&conn)?.down.held_back.is_some();
        (pick.instead_of.is_none() || !is_held_back).then_some(pick)
    }

    fn wanted(&mut self, conn: Conn, late: &mut Option<Late>) -> Option<Pick> {
        if let Some(index) = self.hedge_for(conn) {
            return Some(Pick::new(index));
        }
        let (config, chunks) = (&self.swarm.config, &mut self.swarm.chunks);
        let peer = self.swarm.peers.get(&conn)?;
        let sequential = config.order == Order::Sequential
            || (self.swarm.peers.partial == 0 && !config.consent.contains(Consent::PUBLISH));
        let picked = if sequential {
            chunks.picker.sequential(&peer.announced.have)
        } else if chunks.have().ones() < RANDOM_FIRST {
            chunks.picker.random(&peer.announced.have, !peer.announced.is_seed)
        } else {
            chunks.picker.rarest(&peer.announced.have, !peer.announced.is_seed)
        };
        match picked {
            Some(index) => (!self.would_be_late(conn, index)).then(|| Pick::new(index)),
            None => self.take_over(conn, late),
        }
    }

    /// Returns true if steady peers would finish all that is left before this peer finishes this chunk.
    fn would_be_late(&mut self, conn: Conn, index: u32) -> bool {
        let chunk = f64::from(self.swarm.config.terms.chunk_size);
        let now = self.swarm.now;
        let pace = self.swarm.peers.get_mut(&conn).and_then(|peer| peer.down.pace.meter.shown(now));
        // Always asked are fast peers, peers without a rate yet, and peers so slow that only a request shows what they do.
        if pace.is_none_or(|pace| pace > chunk || pace < self.swarm.config.limits.trickle_rate as f64) {
            return false;
        }
        let (Some(rest), Some(ours)) = (self.rest(), self.promise(conn)) else { return false };
        LATE.0.is_worth(rest, ours)
            && self.soonest_other(conn, index).is_some_and(|other| LATE.0.is_worth(other, ours))
    }

    /// Returns the requests that this peer would answer long after all the rest is here, and when. `rest`: when that is.
    /// Silent and trickling peers are handled by the deadlines.
    pub(super) fn late_of(&mut self, holder: Conn, rest: Duration) -> Vec<(Req, Duration)> {
        let (now, trickle) = (self.swarm.now, self.swarm.config.limits.trickle_rate as f64);
        let pace = self.swarm.peers.get_mut(&holder).and_then(|peer| peer.down.pace.meter.shown(now));
        if pace.is_none_or(|pace| pace < trickle) {
            return Vec::new();
        }
        self.dues(holder).into_iter().filter(|&(_, due)| LATE.1.is_worth(rest, due)).collect()
    }

    /// Returns true if this request is the only one for its chunk, and another peer would bring the chunk much sooner than
    /// the holder, which brings it when it is `due`.
    pub(super) fn comes_sooner_elsewhere(&mut self, holder: Conn, req: Req, due: Duration) -> bool {
        let Some(index) = self.requests.get(req).map(|request| request.index) else { return false };
        let other = self.soonest_other(holder, index);
        self.requests.copies(index).len() == 1 && other.is_some_and(|other| LATE.1.is_worth(other, due))
    }

    /// Time until everything would be here from steady peers alone; `None` without one. A falling rate counts at once.
    pub(super) fn rest(&mut self) -> Option<Duration> {
        let (now, terms) = (self.swarm.now, &self.swarm.config.terms);
        let lacks =
            u64::from(terms.chunk_count - self.swarm.chunks.have().ones()) * u64::from(terms.chunk_size);
        let steady = self.swarm.peers.values_mut().filter(|peer| peer.is_steady());
        let pace: f64 = steady.map(|peer| peer.down.pace.meter.least(now)).sum();
        (pace > 0.0).then(|| time_for(lacks, pace))
    }

    /// Time until the fastest other steady peer would bring this chunk if it were asked now.
    fn soonest_other(&mut self, conn: Conn, index: u32) -> Option<Duration> {
        let is_meant = |&(&other, peer): &(&Conn, &Peer)| {
            other != conn && peer.is_steady() && peer.announced.have.get(index)
        };
        let others: Vec<Conn> = self.swarm.peers.iter().filter(is_meant).map(|(&other, _)| other).collect();
        others.into_iter().filter_map(|other| self.promise(other)).min()
    }

    /// Returns a hedged chunk of another peer that this peer has and that is requested only once.
    fn hedge_for(&self, conn: Conn) -> Option<u32> {
        let peer = self.swarm.peers.get(&conn)?;
        if peer.down.stalled {
            return None;
        }
        let mut stuck = self.requests.hedged();
        stuck
            .find(|request| {
                let may_take =
                    request.conn != conn && !request.storing && peer.announced.have.get(request.index);
                may_take && self.requests.copies(request.index).len() == 1
            })
            .map(|request| request.index)
    }

    /// With no missing chunk to request from this peer: returns the chunk that another peer would bring last, if this one is
    /// sooner. While other chunks are missing, this peer must be very much sooner, and only calls that check deadlines do this.
    fn take_over(&mut self, conn: Conn, late: &mut Option<Late>) -> Option<Pick> {
        let is_end = self.swarm.chunks.missing() == 0;
        if !is_end && !self.looks_around {
            return None;
        }
        let ours = self.promise(conn)?;
        let gains = if is_end { END } else { RELIEF };
        let bid = Bid { conn, due: ours };
        let late = late.get_or_insert_with(|| self.latest_first());
        for (theirs, holder) in late.iter().copied() {
            if !gains.moves.is_worth(ours, theirs) {
                break;
            }
            if holder != conn
                && let Some(pick) = self.take_from(holder, bid, gains)
            {
                return Some(pick);
            }
        }
        None
    }

    /// Returns the newest request of the holder that this peer would answer sooner.
    fn take_from(&mut self, holder: Conn, bid: Bid, gains: Gains) -> Option<Pick> {
        let Bid { conn, due: ours } = bid;
        let may_copy = self.requests.duplicates() < self.most_copies();
        // Bytes of the oldest request are on their way, even if none has come yet.
        let begun = self.swarm.peers.get(&holder).and_then(|peer| peer.down.requests.first().copied());
        for (req, theirs) in self.dues(holder).into_iter().rev() {
            if !gains.moves.is_worth(ours, theirs) {
                break;
            }
            let (Some(request), Some(peer)) = (self.requests.get(req), self.swarm.peers.get(&conn)) else {
                continue;
            };
            let (index, is_proven) = (request.index, peer.down.proven > 0);
            let wasted = wasted_bytes(request, ours, theirs);
            let is_cheap = *self.twice + wasted <= self.swarm.config.terms.byte_count / TWICE.0;
            let asked = self.requests.copies(index);
            let is_free =
                |copy: &Req| self.requests.get(*copy).is_some_and(|one| one.conn != conn && !one.storing);
            if !peer.announced.have.get(index) || !asked.iter().all(is_free) {
                continue;
            }
            match asked.iter().copied().find(|&copy| copy != req) {
                None if is_proven && request.received == 0 && begun != Some(req) => {
                    return Some(Pick { index, instead_of: Some(req) });
                }
                None if may_copy
                    && gains.copies.is_worth(ours, theirs)
                    && (is_cheap || theirs > ours + TWICE.1) =>
                {
                    *self.twice += wasted;
                    return Some(Pick::new(index));
                }
                None => {}
                Some(other) => {
                    let others = self.due(other);
                    // The earlier of the two always stays: it is the best so far.
                    let later = if theirs >= others { req } else { other };
                    if gains.replaces.is_worth(ours, theirs.min(others)) {
                        return Some(Pick { index, instead_of: Some(later) });
                    }
                }
            }
        }
        None
    }

    /// Returns the request that holds memory longest, if this peer would use the memory very much better. For an unproven
    /// peer only a doubtful peer's request is withdrawn, and never that of the best of these.
    pub(super) fn held_too_long(&mut self, conn: Conn, late: &mut Option<Late>) -> Option<Req> {
        let ours = self.promise(conn)?;
        let is_proven = self.swarm.peers.get(&conn)?.down.proven > 0;
        let late = late.get_or_insert_with(|| self.latest_first());
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
    fn latest_first(&mut self) -> Late {
        let is_busy =
            |conn: &Conn| self.swarm.peers.get(conn).is_some_and(|peer| !peer.down.requests.is_empty());
        let holders: Vec<Conn> = self.swarm.peers.keys().copied().filter(is_busy).collect();
        let mut late = Late::new();
        for holder in holders {
            late.extend(self.dues(holder).last().map(|&(_, due)| (due, holder)));
        }
        late.sort_unstable();
        late.reverse();
        late
    }

    /// Time until the chunk of this request would be here.
    fn due(&mut self, req: Req) -> Duration {
        let holder = self.requests.get(req).map(|request| request.conn);
        let dues = holder.map(|holder| self.dues(holder)).unwrap_or_default();
        dues.into_iter().find(|&(one, _)| one == req).map_or(Duration::ZERO, |(_, due)| due)
    }

    /// Time until each chunk that this peer owes us would be here, in the order of requests, which is the order of answers.
    fn dues(&mut self, conn: Conn) -> Vec<(Req, Duration)> {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return Vec::new() };
        let now = self.swarm.now;
        let pace = peer.down.pace.meter.shown(now);
        let silent = now.since(peer.down.pace.last_byte);
        let (mut owed, mut oldest) = (0, Duration::ZERO);
        let mut dues = Vec::with_capacity(peer.down.requests.len());
        for &req in &peer.down.requests {
            let Some(request) = self.requests.get(req) else { continue };
            owed += request.open();
            oldest = oldest.max(now.since(request.sent));
            // Silence is expected to last as long again; before the first byte, the whole wait, but a round trip at least.
            let due = pace.map_or((oldest * 2).max(peer.down.pace.rtt), |pace| silent + time_for(owed, pace));
            dues.push((req, due));
        }
        dues
    }

    /// Time until one more chunk would be here if this peer were asked now. `None` if the peer was asked before and has
    /// not sent a byte yet.
    fn promise(&mut self, conn: Conn) -> Option<Duration> {
        let (now, chunk) = (self.swarm.now, u64::from(self.swarm.config.terms.chunk_size));
        let down = &mut self.swarm.peers.get_mut(&conn)?.down;
        let owed = self.requests.owed(down);
        let is_asked = !down.requests.is_empty();
        let Some(pace) = down.pace.meter.shown(now) else {
            return (!is_asked && down.mute_for.is_zero()).then_some(PROBE.max(down.pace.rtt * 4));
        };
        let silent = if is_asked { now.since(down.pace.last_byte) } else { Duration::ZERO };
        Some((silent + time_for(owed, pace)).max(down.pace.rtt) + time_for(chunk, pace))
    }
}

/// Bytes of a request that are wasted if another peer begins the chunk now and finishes sooner.
fn wasted_bytes(request: &Request, ours: Duration, theirs: Duration) -> u64 {
    let left = request.open() as f64;
    let part = ours.as_secs_f64() / theirs.as_secs_f64().max(0.001);
    request.received + (left * part.min(1.0)) as u64
}

fn time_for(bytes: u64, pace: f64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / pace.max(1.0))
}
