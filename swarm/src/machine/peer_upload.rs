//! Our upload to one peer: its requests, its slot, and what it got.

use std::collections::{BTreeMap, VecDeque};

use minimodel_wire::Bitfield;

use super::early::Early;
use super::events::Ask;
use super::rate::Bucket;
use super::time::Time;
use super::turns::Turn;

/// Refused requests that are tolerated at once, and per second: a full pipeline and some more.
const WASTED_ASKS: (u64, u64) = (320, 16);

/// How often one peer may get one chunk again: for a hedge, a crash, a bad disk; not as a habit.
const MAX_REPEATS: u8 = 8;
/// Chunks of which one peer may get more than one copy.
const MAX_REPEATED: usize = 1_024;

/// Our upload to a peer.
#[derive(Debug)]
pub(super) struct Upload {
    /// The peer is interested.
    pub(super) interested: bool,
    /// The peer holds an upload slot.
    pub(super) unchoked: bool,
    /// The user does not let us serve the peer.
    pub(super) disallowed: bool,
    /// The quota that is used up; the peer is not served until it may have a chunk again.
    pub(super) over_quota: Option<UsedQuota>,
    /// A quota did not allow the next chunk at the last attempt.
    pub(super) quota_wait: Option<QuotaWait>,
    /// Requests that wait, oldest first.
    pub(super) waiting: VecDeque<(Ask, u32)>,
    /// Requests that are being answered, and since when.
    pub(super) active: BTreeMap<Ask, Time>,
    /// Payload bytes that the peer got from us; among peers with equally many answers under way, the least goes first.
    pub(super) bytes: u64,
    pub(super) idle: Idle,
    /// The peer's turn with a slot, from its first request on.
    pub(super) turn: Option<Turn>,
    pub(super) copies: Copies,
    /// Limits requests that are refused: an honest peer makes such requests only while a Choke is on its way.
    pub(super) wasted_asks: Bucket,
    /// Requests that may have crossed our last Choke and are refused without being counted: when we choke depends on
    /// other peers as well.
    pub(super) crossing: usize,
    pub(super) replies: Replies,
    /// Requests that came before the peer's Hello was accepted.
    pub(super) early: Vec<(Ask, Early)>,
}

/// How a peer uses its slot.
#[derive(Debug, Default)]
pub(super) struct Idle {
    /// Bytes that the peer had got at the last rechoke.
    bytes_before: u64,
    /// Rounds in a row in which the peer held a slot and requested nothing.
    pub(super) rounds: u32,
    /// Bytes that the peer had got at the last check for idle slots.
    bytes_looked: u64,
    /// The peer held a slot and requested nothing at the last check for idle slots.
    pub(super) was_idle: bool,
}

/// Requests of a connection for what needs no slot.
#[derive(Debug, Default)]
pub(super) struct Replies {
    pub(super) leaf_lists: u64,
    pub(super) manifests: u64,
}

/// The chunks that were sent to a peer.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// Chunks that were sent at least once.
    sent: Option<Bitfield>,
    /// How often each chunk was sent again.
    repeats: BTreeMap<u32, u8>,
}

/// The quota that is used up for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UsedQuota {
    /// The peer's daily budget.
    Day,
    /// A quota of the user, in this version of the quotas.
    Version(u64),
}

/// Why a quota holds back a peer's next chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QuotaWait {
    /// The quota is used up.
    UsedUp,
    /// Chunks in transfer to other peers take the room; it is tried again at this time.
    Until(Time),
}

impl Upload {
    pub(super) fn new(now: Time) -> Self {
        Self {
            interested: false,
            unchoked: false,
            disallowed: false,
            over_quota: None,
            quota_wait: None,
            waiting: VecDeque::new(),
            active: BTreeMap::new(),
            bytes: 0,
            idle: Idle::default(),
            turn: None,
            copies: Copies::default(),
            wasted_asks: Bucket::new(now, WASTED_ASKS.1, WASTED_ASKS.0),
            crossing: 0,
            replies: Replies::default(),
            early: Vec::new(),
        }
    }

    /// Ends a round of the choker: counts it if the peer held a slot and requested nothing.
    pub(super) fn end_round(&mut self) {
        let moved = self.bytes != std::mem::replace(&mut self.idle.bytes_before, self.bytes);
        if moved {
            self.idle.rounds = 0;
        } else if self.unchoked && self.active.is_empty() {
            self.idle.rounds = self.idle.rounds.saturating_add(1);
        }
    }

    /// Checks whether the slot is idle; returns true if it was at the last check as well.
    pub(super) fn stays_idle(&mut self) -> bool {
        // A fast peer is often done at the very moment of the check.
        let moved = self.bytes != std::mem::replace(&mut self.idle.bytes_looked, self.bytes);
        // An answer still under way from an earlier turn is no use of this one.
        let takes = !self.active.is_empty() && self.turn.is_some();
        let is_idle = self.unchoked && !moved && !takes && self.waiting.is_empty();
        std::mem::replace(&mut self.idle.was_idle, is_idle) && is_idle
    }
}

impl Copies {
    /// Counts one more copy of the chunk as sent to the peer.
    pub(super) fn count(&mut self, index: u32, chunk_count: u32) {
        if !self.sent.get_or_insert_with(|| Bitfield::new(chunk_count)).set(index) {
            let repeats = self.repeats.entry(index).or_default();
            *repeats = repeats.saturating_add(1);
        }
    }

    /// Takes back the last count of the chunk, which was not sent after all.
    pub(super) fn uncount(&mut self, index: u32) {
        match self.repeats.get_mut(&index) {
            Some(repeats) if *repeats > 1 => *repeats -= 1,
            Some(_) => drop(self.repeats.remove(&index)),
            None => drop(self.sent.as_mut().map(|sent| sent.clear(index))),
        }
    }

    /// The number of different chunks that were sent.
    pub(super) fn chunks(&self) -> u32 {
        self.sent.as_ref().map_or(0, Bitfield::ones)
    }

    /// Returns true if the peer got the chunk too often, or too many chunks more than once.
    pub(super) fn is_worn(&self, index: u32) -> bool {
        let repeats = self.repeats.get(&index).copied().unwrap_or(0);
        let is_repeat = self.sent.as_ref().is_some_and(|sent| sent.get(index));
        repeats >= MAX_REPEATS || (is_repeat && self.repeats.len() >= MAX_REPEATED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_worn_after_so_many_copies() {
        let mut copies = Copies::default();
        for _ in 0..MAX_REPEATS {
            copies.count(3, 20);
        }
        assert!(!copies.is_worn(3));
        copies.count(3, 20);
        assert!(copies.is_worn(3) && !copies.is_worn(4));
        copies.uncount(3);
        assert!(!copies.is_worn(3));
        assert_eq!(copies.chunks(), 1);
    }

    #[test]
    fn a_slot_without_requests_is_idle_at_the_second_check() {
        let mut up = Upload::new(Time::ZERO);
        up.unchoked = true;
        assert_eq!([up.stays_idle(), up.stays_idle()], [false, true]);
        up.bytes = 100;
        assert_eq!([up.stays_idle(), up.stays_idle(), up.stays_idle()], [false, false, true]);
        up.waiting.push_back((Ask(1), 3));
        assert!(!up.stays_idle());
    }

    #[test]
    fn rounds_without_a_request_are_counted_until_bytes_move() {
        let mut up = Upload::new(Time::ZERO);
        up.end_round();
        assert_eq!(up.idle.rounds, 0, "it holds no slot");
        up.unchoked = true;
        (0..2).for_each(|_| up.end_round());
        assert_eq!(up.idle.rounds, 2);
        up.bytes = 1;
        up.end_round();
        assert_eq!(up.idle.rounds, 0);
    }
}
