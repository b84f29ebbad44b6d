//! Finding work for peers that have room: which chunk next, how many at once, and the endgame.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use minimodel_wire::Consent;

use super::chunks::ChunkState;
use super::config::Order;
use super::core::Machine;
use super::events::{Conn, Event};
use super::peer::{Download, Peer};
use super::requests::Request;
use super::time::Time;

/// Chunks picked at random before rarest first begins, so that a new leecher soon has something to give.
const RANDOM_FIRST: u32 = 4;
/// A second copy must promise to be here in this part of the time, and by more than this.
const ENDGAME_GAIN: (u32, Duration) = (2, Duration::from_millis(100));
/// The same while chunks are missing that this peer does not have: it frees a slow peer for them. Looked for only
/// when deadlines are, since it costs a look at every peer.
const TAKEOVER_GAIN: (u32, Duration) = (4, Duration::from_secs(1));

/// Chunks asked of two peers at once: more would crowd our own way down, which may be what makes them late.
const MOST_COPIES: usize = 4;
/// Round trips from asking to having: one for the request and the bytes, and one each for two bytes lost in turn,
/// since on a path that loses 2 % hardly a chunk comes whole at once.
const ROUND_TRIPS: f64 = 4.0;
/// Most requests to a peer that is not known to be fast enough for more.
const UNMEASURED_DEPTH: u32 = 30;

/// Who owes us chunks, and when all of them would be here; the latest first.
type Late = Vec<(Duration, Conn)>;

/// Peers that may have room for one more request. Each stands in one of the lists at most.
#[derive(Debug, Default)]
pub(super) struct Hungry {
    /// Not looked at yet, oldest first.
    new: VecDeque<Conn>,
    /// All peers are to be looked at anew.
    everyone: bool,
    /// The least number goes first: the fastest, since where memory is short it goes to those who soon give it back.
    /// Whoever was not tried yet comes before all, and gets little.
    queue: BTreeSet<(u64, Conn)>,
    /// Peers that never delivered, or do not now, and must wait until others like them gave something back.
    doubtful: VecDeque<Conn>,
}

impl Hungry {
    pub(super) fn is_empty(&self) -> bool {
        !self.everyone && self.new.is_empty() && self.queue.is_empty() && self.doubtful.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Machine {
    pub(super) fn mark_hungry(&mut self, conn: Conn) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if !peer.down.hungry && peer.may_be_asked() {
            peer.down.hungry = true;
            self.hungry.new.push_back(conn);
        }
    }

    /// Done once when work is given out, however often it is said before.
    pub(super) fn mark_all_hungry(&mut self) {
        self.hungry.everyone = true;
    }

    /// Every change of what a peer's open requests are worth goes through here, so that their sum is known.
    pub(super) fn change_download(&mut self, conn: Conn, change: impl FnOnce(&mut Download)) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        self.doubted -= peer.down.doubted();
        change(&mut peer.down);
        self.doubted += peer.down.doubted();
    }

    /// Asks until every peer is busy, nothing is left to ask, or the memory budget is used.
    pub(super) fn fill(&mut self, now: Time) {
        if !self.wants_chunks() || self.leaves.holds_back() {
            if !self.hungry.is_empty() {
                self.hungry.clear();
                self.peers.values_mut().for_each(|peer| peer.down.hungry = false);
            }
            return;
        }
        self.line_up(now);
        // Worked out once for all that are idle at the end.
        let mut late = None;
        while let Some(&(turn, conn)) = self.hungry.queue.first() {
            let mut waits = false;
            while let Some(peer) = self.peers.get(&conn).filter(|peer| peer.has_room(now)) {
                if self.is_memory_full() {
                    return;
                }
                waits = peer.down.is_doubtful() && self.is_doubt_full();
                if waits {
                    break;
                }
                let Some(index) = self.next_for(now, conn, &mut late) else { break };
                let Some(index) = self.affordable(conn, index) else { break };
                self.request(now, conn, index);
            }
            self.hungry.queue.remove(&(turn, conn));
            if waits {
                self.hungry.doubtful.push_back(conn);
            } else if let Some(peer) = self.peers.get_mut(&conn) {
                peer.down.hungry = false;
            }
        }
    }

    /// Whoever became hungry takes its place in the queue.
    fn line_up(&mut self, now: Time) {
        let turn = |peer: &mut Peer| {
            if peer.down.proven == 0 { 0 } else { u64::MAX - peer.down.meter.rate(now) }
        };
        if self.hungry.everyone {
            self.hungry.clear();
            for (&conn, peer) in &mut self.peers {
                peer.down.hungry = peer.has_room(now);
                if peer.down.hungry {
                    self.hungry.queue.insert((turn(peer), conn));
                }
            }
        }
        if !self.is_doubt_full()
            && let Some(conn) = self.hungry.doubtful.pop_front()
        {
            self.hungry.new.push_back(conn);
        }
        while let Some(conn) = self.hungry.new.pop_front() {
            if let Some(peer) = self.peers.get_mut(&conn) {
                self.hungry.queue.insert((turn(peer), conn));
            }
        }
    }

    /// One chunk is always allowed, or a chunk larger than the budget would never come.
    fn is_memory_full(&self) -> bool {
        let chunk = u64::from(self.config.terms.chunk_size);
        self.in_flight_bytes > 0 && self.in_flight_bytes + chunk > self.config.limits.memory_budget_bytes
    }

    /// Peers that never delivered, or do not now, hold at most half of the memory between them.
    fn is_doubt_full(&self) -> bool {
        let chunk = u64::from(self.config.terms.chunk_size);
        let held = u64::from(self.doubted) * chunk;
        held > 0 && held + chunk > self.config.limits.memory_budget_bytes / 2
    }

    /// Whether another peer could do with the memory that this one holds.
    pub(super) fn memory_is_wanted(&self, conn: Conn) -> bool {
        let could = |peer: &Peer| peer.may_be_asked() && !peer.down.stalled && peer.useful > 0;
        (self.is_memory_full() || self.is_doubt_full())
            && self.peers.iter().any(|(&other, peer)| other != conn && could(peer))
    }

    fn next_for(&mut self, now: Time, conn: Conn, late: &mut Option<Late>) -> Option<u32> {
        if let Some(index) = self.hedge_for(conn) {
            return Some(index);
        }
        let peer = self.peers.get(&conn)?;
        let sequential = self.config.order == Order::Sequential
            || (self.partial_peers == 0 && !self.config.consent.contains(Consent::PUBLISH));
        let picked = if sequential {
            self.picker.sequential(&peer.have)
        } else if self.chunks.have().ones() < RANDOM_FIRST {
            self.picker.random(&peer.have, !peer.is_seed)
        } else {
            self.picker.rarest(&peer.have, !peer.is_seed)
        };
        picked.or_else(|| self.endgame_for(now, conn, late))
    }

    /// A chunk whose only request is stuck with another peer.
    fn hedge_for(&self, conn: Conn) -> Option<u32> {
        let peer = self.peers.get(&conn)?;
        if peer.down.stalled {
            return None;
        }
        self.hedged
            .iter()
            .filter_map(|req| self.requests.get(req))
            .find(|request| self.is_copyable(request, conn) && peer.have.get(request.index))
            .map(|request| request.index)
    }

    /// Whether the chunk of this request may be asked of `conn` as well.
    fn is_copyable(&self, request: &Request, conn: Conn) -> bool {
        !request.storing
            && request.conn != conn
            && self.copies.get(&request.index).is_some_and(|copies| copies.len() == 1)
    }

    /// With nothing else to ask of this peer, the chunk that another would bring last, if this one is much sooner
    /// done; while chunks are missing elsewhere, only if it is very much sooner.
    fn endgame_for(&mut self, now: Time, conn: Conn, late: &mut Option<Late>) -> Option<u32> {
        if self.requests.len() >= self.copies.len() + MOST_COPIES {
            return None;
        }
        let is_end = self.chunks.missing() == 0;
        if !is_end && !self.looks_around {
            return None;
        }
        let (factor, gain) = if is_end { ENDGAME_GAIN } else { TAKEOVER_GAIN };
        let chunk = u64::from(self.config.terms.chunk_size);
        let ours = self.expected(now, conn, chunk)?;
        let late = late.get_or_insert_with(|| self.latest_first(now));
        late.iter()
            .take_while(|&&(theirs, _)| theirs > ours * factor + gain)
            .filter(|&&(_, holder)| holder != conn)
            .find_map(|&(_, holder)| self.copyable_from(holder, conn))
    }

    /// Everybody who owes us chunks, and when all of them would be here.
    fn latest_first(&mut self, now: Time) -> Late {
        let busy = |&(_, peer): &(&Conn, &Peer)| !peer.down.requests.is_empty();
        let holders: Vec<Conn> = self.peers.iter().filter(busy).map(|(&conn, _)| conn).collect();
        let mut late = Late::new();
        for holder in holders {
            // A holder without a measured rate is expected to go on as slowly as it began.
            let theirs = self.expected(now, holder, 0).unwrap_or_else(|| self.oldest(now, holder) * 2);
            late.push((theirs, holder));
        }
        late.sort_unstable();
        late.reverse();
        late
    }

    /// How long ago the oldest request in flight to the peer was sent.
    fn oldest(&self, now: Time, conn: Conn) -> Duration {
        let first = self.peers.get(&conn).and_then(|peer| peer.down.requests.first());
        first.and_then(|req| self.requests.get(req)).map_or(Duration::ZERO, |request| now.since(request.sent))
    }

    /// The newest chunk asked of `holder` alone that `conn` has as well: it would come last.
    fn copyable_from(&self, holder: Conn, conn: Conn) -> Option<u32> {
        let peer = self.peers.get(&conn)?;
        let asked = self.peers.get(&holder)?.down.requests.iter().rev();
        asked
            .filter_map(|req| self.requests.get(req))
            .find(|request| self.is_copyable(request, conn) && peer.have.get(request.index))
            .map(|request| request.index)
    }

    /// When all that this peer owes us, and `more` bytes, would be here; `None` without a measured rate.
    fn expected(&mut self, now: Time, conn: Conn, more: u64) -> Option<Duration> {
        let peer = self.peers.get_mut(&conn)?;
        let rate = peer.down.meter.rate(now);
        if !peer.down.meter.is_settled() || rate == 0 {
            return None;
        }
        // Whoever is silent goes on being silent, for all we know.
        let silent =
            if peer.down.requests.is_empty() { Duration::ZERO } else { now.since(peer.down.last_byte) };
        let wait = peer.down.rtt.max(silent);
        Some(wait + Duration::from_secs_f64((self.owed(conn) + more) as f64 / rate as f64))
    }

    /// Enough requests to keep the path full, and no more than a slow peer can deliver.
    pub(super) fn adapt_depth(&mut self, now: Time, conn: Conn) {
        let chunk = f64::from(self.config.terms.chunk_size);
        let limits = &self.config.limits;
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let down = &mut peer.down;
        // On parole it gets no more than it began with: a fast liar has no second round.
        let most = if down.proven == 0 { limits.first_pipeline } else { limits.max_pipeline };
        let rate = down.meter.peak(now);
        let path = rate * (down.rtt.as_secs_f64() * ROUND_TRIPS + 0.005);
        let least = if rate * 2.0 < chunk { 1 } else { 2 };
        let measured = (path / chunk).ceil() as u32 + least;
        // One more for each that comes doubles it in a round trip.
        let grown = if down.meter.is_young() { (down.depth + 1).min(UNMEASURED_DEPTH) } else { 0 };
        down.depth = measured.max(grown).min(most);
    }

    pub(super) fn rescanned(&mut self, now: Time, have: &[u32]) {
        let is_any_good = !have.is_empty() || self.chunks.have().ones() > 0;
        if !self.leaves.rescanned(is_any_good) {
            self.event(Event::NothingGood);
            return;
        }
        for &index in have {
            // Asked for before the search began: what is here already is not fetched again.
            if self.chunks.state(index) == ChunkState::InFlight {
                for copy in self.copies.get(&index).cloned().unwrap_or_default() {
                    self.cancel(now, copy);
                }
            }
            if self.chunks.state(index) == ChunkState::Missing {
                self.mark_have(now, index);
            }
        }
        self.mark_all_hungry();
    }
}
