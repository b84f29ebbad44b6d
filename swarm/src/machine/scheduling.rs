//! Finding work for peers that have room: who is asked first, how many chunks at once, and what memory allows.

use std::collections::{BTreeSet, VecDeque};

use super::chunks::ChunkState;
use super::core::Machine;
use super::events::{Conn, Event};
use super::peer::{Download, Peer};
use super::time::Time;

/// Round trips from asking to having: one for the request and the bytes, and one each for two bytes lost in turn,
/// since on a path that loses 2 % hardly a chunk comes whole at once.
const ROUND_TRIPS: f64 = 4.0;
/// A chunk that takes longer than this many seconds is asked of a peer alone until this long, besides the round trips,
/// before it is whole.
const SLOW_CHUNK: f64 = 2.0;
const AHEAD: f64 = 0.5;
/// Most requests to a peer that is not known to be fast enough for more.
const UNMEASURED_DEPTH: u32 = 30;

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
                let is_doubtful = peer.down.is_doubtful();
                let is_full = self.is_memory_full();
                waits = is_doubtful && self.is_doubt_full();
                if is_full || waits {
                    let held = if self.looks_around { self.held_in_vain(now, conn, &mut late) } else { None };
                    let Some(held) = held else {
                        if is_full && !is_doubtful {
                            return;
                        }
                        waits = true;
                        break;
                    };
                    self.withdraw(now, held);
                    continue;
                }
                let Some(pick) = self.next_for(now, conn, &mut late) else { break };
                let Some(index) = self.affordable(conn, pick.index) else { break };
                self.request(now, conn, index);
                if let Some(old) = pick.instead_of.filter(|_| index == pick.index) {
                    self.withdraw(now, old);
                }
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

    /// Enough requests to keep the path full, and no more than a slow peer can deliver.
    pub(super) fn adapt_depth(&mut self, now: Time, conn: Conn) {
        let (owed, limits) = (self.owed(conn) as f64, &self.config.limits);
        let chunk_size = self.config.terms.chunk_size;
        let chunk = f64::from(chunk_size);
        let Some(down) = self.peers.get_mut(&conn).map(|peer| &mut peer.down) else { return };
        let rate = down.meter.peak(now).max(down.meter.shown(now).unwrap_or(0.0));
        let path = rate * (down.rtt.as_secs_f64() * ROUND_TRIPS + 0.005);
        let measured = if rate * SLOW_CHUNK < chunk {
            // The next one when this one is nearly here: what it holds others cannot have.
            if owed > 0.0 && owed <= path + rate * AHEAD { 2 } else { 1 }
        } else {
            (path / chunk).ceil() as u32 + 2
        };
        // One more for each that comes doubles it in a round trip.
        let grown = if down.meter.is_young() { (down.depth + 1).min(UNMEASURED_DEPTH) } else { 0 };
        down.depth = if down.proven == 0 {
            // On parole it gets what it has shown to bring soon and no more than a little: a liar has no second round.
            let shown = (rate * SLOW_CHUNK / chunk) as u32;
            shown.clamp(limits.first_depth(chunk_size), limits.parole_depth(chunk_size))
        } else if measured == 1 {
            1
        } else {
            measured.max(grown).min(limits.max_pipeline)
        };
    }

    /// A peer from which a chunk takes long has room for the next shortly before it is whole, and not sooner.
    pub(super) fn look_ahead(&mut self, now: Time, conn: Conn) {
        let chunk = f64::from(self.config.terms.chunk_size);
        let Some(down) = self.peers.get_mut(&conn).map(|peer| &mut peer.down) else { return };
        let is_slow = down.meter.shown(now).is_some_and(|rate| rate * SLOW_CHUNK < chunk);
        if is_slow && down.proven > 0 && down.requests.len() == 1 {
            self.adapt_depth(now, conn);
        }
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
