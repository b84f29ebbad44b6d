//! Record of each key over all its connections: its strikes, and what it took and gave.

use std::collections::BTreeMap;
use std::time::Duration;

use minimodel_wire::PeerId;

use super::budget::{DAY, HOUR};
use super::peer::Peer;
use super::time::Time;

/// Most keys remembered; beyond it the one that was silent longest is forgotten. Bans are kept elsewhere.
const MAX_KEYS: usize = 4_096;
/// First time for which a key is shut out after three strikes or a disconnect; doubles each time.
const SHUT_FIRST: Duration = Duration::from_secs(60);
const SHUT_MAX: Duration = Duration::from_secs(3_600);
/// Connections that may break in the middle of a chunk before such a break is a strike.
const FREE_BREAKS: u32 = 3;

/// The record of one key.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// Times of the strikes; each counts for a while.
    strikes: Vec<Time>,
    /// The key was disconnected for a breach once: a second time bans it.
    warned: bool,
    /// Connections that broke in the middle of a chunk and had brought none.
    breaks: u32,
    /// How often the key was shut out, and until when.
    shut: (u32, Time),
    /// Chunks that the key took from us today, and when that day began.
    taken: (u64, Time),
    /// The key took payload bytes from us in this session.
    has_taken: bool,
    /// Answers of leaf hashes, and manifests, that the key requested today, and when that day began.
    asked: (u64, u64, Time),
    /// Useful offers that the key passed on in this hour, and when that hour began.
    told: (u32, Time),
    /// Payload bytes of chunks that the key took whole, and of proven chunks that it brought.
    moved: u64,
    touched: Time,
}

impl Standing {
    /// Adds a strike; returns how many count now.
    pub(super) fn strike(&mut self, now: Time, window: Duration) -> u32 {
        self.strikes.retain(|&then| now.since(then) < window);
        self.strikes.push(now);
        self.strikes.len() as u32
    }

    /// Chunks that the key took from us within a day.
    pub(super) fn taken(&mut self, now: Time) -> u64 {
        if now.since(self.taken.1) >= DAY {
            self.taken = (0, now);
        }
        self.taken.0
    }

    /// Counts chunks that the key took from us.
    pub(super) fn took(&mut self, now: Time, chunks: u64) {
        self.taken.0 = self.taken(now) + chunks;
    }

    /// Notes a disconnect for a breach; returns true if it was not the first.
    pub(super) fn warn(&mut self) -> bool {
        std::mem::replace(&mut self.warned, true)
    }

    /// Counts a connection that broke in the middle of a chunk and had brought none; returns true if that is a strike.
    pub(super) fn breaks_off(&mut self) -> bool {
        self.breaks += 1;
        self.breaks > FREE_BREAKS
    }

    fn asked(&mut self, now: Time) -> &mut (u64, u64, Time) {
        if now.since(self.asked.2) >= DAY {
            self.asked = (0, 0, now);
        }
        &mut self.asked
    }

    /// Counts a request for leaf hashes; returns their number within a day.
    pub(super) fn leaf_lists(&mut self, now: Time) -> u64 {
        let lists = &mut self.asked(now).0;
        *lists += 1;
        *lists
    }

    /// Counts a request for the manifest; returns their number within a day.
    pub(super) fn manifests(&mut self, now: Time) -> u64 {
        let manifests = &mut self.asked(now).1;
        *manifests += 1;
        *manifests
    }

    /// Counts a useful passed-on offer; returns their number within an hour.
    pub(super) fn told_of_one(&mut self, now: Time) -> u32 {
        if now.since(self.told.1) >= HOUR {
            self.told = (0, now);
        }
        self.told.0 = self.told.0.saturating_add(1);
        self.told.0
    }

    /// Notes payload bytes that were sent to the key.
    pub(super) fn gave(&mut self, bytes: u64) {
        self.has_taken |= bytes > 0;
    }

    /// Counts the bytes of a chunk that the key took whole, or that it brought and that was proven.
    pub(super) fn moved(&mut self, bytes: u64) {
        self.moved = self.moved.saturating_add(bytes);
    }

    /// Returns true if the key broke a rule in this session.
    fn is_blamed(&self) -> bool {
        self.warned || self.shut.0 > 0 || !self.strikes.is_empty()
    }

    /// Shuts the key out for a time that doubles at each call; returns its end.
    pub(super) fn shut_out(&mut self, now: Time) -> Time {
        let doubled = SHUT_FIRST.saturating_mul(1 << self.shut.0.min(16));
        self.strikes.clear();
        self.shut = (self.shut.0 + 1, now + doubled.min(SHUT_MAX));
        self.shut.1
    }
}

/// The records of all keys that did something worth remembering.
#[derive(Debug, Default)]
pub(super) struct Standings {
    by_key: BTreeMap<PeerId, Standing>,
}

impl Standings {
    pub(super) fn of(&mut self, id: PeerId, now: Time) -> &mut Standing {
        if self.by_key.len() >= MAX_KEYS && !self.by_key.contains_key(&id) {
            let oldest = self.by_key.iter().min_by_key(|(_, standing)| standing.touched).map(|(&id, _)| id);
            oldest.and_then(|id| self.by_key.remove(&id));
        }
        let standing = self.by_key.entry(id).or_default();
        standing.touched = now;
        standing
    }

    /// Payload bytes of chunks that the key took whole in this session, and of proven chunks that it brought.
    pub(super) fn moved(&self, id: PeerId) -> u64 {
        self.by_key.get(&id).map_or(0, |standing| standing.moved)
    }

    /// Chunks that the key took from us within a day.
    pub(super) fn taken(&self, id: PeerId, now: Time) -> u64 {
        let today = self.by_key.get(&id).map(|standing| standing.taken);
        today.filter(|&(_, began)| now.since(began) < DAY).map_or(0, |(chunks, _)| chunks)
    }

    /// Returns true if the peer gave us a proven chunk or took payload bytes, as no new key can have done.
    pub(super) fn has_moved_bytes(&self, peer: &Peer) -> bool {
        peer.down.proven > 0 || self.by_key.get(&peer.id).is_some_and(|standing| standing.has_taken)
    }

    /// Returns true if the key broke a rule in this session: it was struck, disconnected for a breach, or shut out.
    pub(super) fn is_blamed(&self, id: PeerId) -> bool {
        self.by_key.get(&id).is_some_and(Standing::is_blamed)
    }

    pub(super) fn is_shut_out(&self, id: PeerId, now: Time) -> bool {
        self.by_key.get(&id).is_some_and(|standing| now < standing.shut.1)
    }
}

#[cfg(test)]
mod tests {
    use minimodel_wire::{Bitfield, CloseCode};

    use super::super::events::{Conn, Event, Input};
    use super::super::fault::Breach;
    use super::super::harness::{Harness, SEED, TAKE, having, id, offer};
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn strikes_fade_one_by_one() {
        let (mut standing, window) = (Standing::default(), Duration::from_secs(600));
        assert_eq!([0, 300].map(|second| standing.strike(at(second), window)), [1, 2]);
        assert_eq!(standing.strike(at(601), window), 2, "the first has faded");
        assert_eq!(standing.strike(at(899), window), 3);
        assert_eq!(standing.strike(at(5_000), window), 1);
    }

    #[test]
    fn a_key_is_shut_out_for_a_minute_then_two_up_to_an_hour() {
        let mut standing = Standing::default();
        let pauses: Vec<u64> = (0..8).map(|_| standing.shut_out(at(0)).since(at(0)).as_secs() / 60).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    // Rows: B22
    #[test]
    fn what_a_key_took_counts_for_a_day() {
        let mut standing = Standing::default();
        for second in 0..5 {
            standing.took(at(second), 1);
        }
        assert_eq!(standing.taken(at(86_399)), 5);
        assert_eq!(standing.taken(at(86_400)), 0);
    }

    // Rows: I6
    #[test]
    fn no_more_keys_are_remembered_than_the_limit() {
        let mut all = Standings::default();
        for n in 0..5_000u32 {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&n.to_le_bytes());
            all.of(PeerId(id), at(u64::from(n))).took(at(u64::from(n)), 1);
        }
        assert_eq!(all.by_key.len(), MAX_KEYS);
        assert!(!all.by_key.contains_key(&PeerId([0; 32])), "the oldest went first");
    }

    #[test]
    fn protocol_breach_disconnects_once_and_bans_the_second_time() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.said();
        harness.broke(1, Breach::WrongState);
        let left = |code| Event::Left { peer: id(1), code: Some(code) };
        let struck = Event::Struck { peer: id(1), breach: Breach::WrongState };
        assert_eq!(harness.events(), [struck, left(CloseCode::StateViolation)]);
        harness.wait(Duration::from_secs(61));
        harness.join(1, TAKE, having([]));
        harness.said();
        harness.broke(1, Breach::BadIndex);
        let banned = Event::Banned { peer: id(1), breach: Breach::BadIndex, index: None, got: None };
        assert_eq!(harness.events(), [banned, left(CloseCode::ProtocolViolation)]);
        harness.connect(9, 1, false);
        assert_eq!(harness.closes(), [(9, CloseCode::Banned)]);
    }

    #[test]
    fn peer_is_blamed_for_a_breach_for_as_long_as_the_session_lasts() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        let is_blamed = |harness: &Harness| harness.machine.peer_state(Conn(1)).unwrap().blamed;
        harness.join(1, TAKE, having([]));
        assert!(!is_blamed(&harness));
        harness.broke(1, Breach::AskFlood);
        assert!(is_blamed(&harness));
        harness.broke(1, Breach::WrongState);
        harness.wait(Duration::from_secs(61));
        harness.join(1, TAKE, having([]));
        assert!(is_blamed(&harness));
    }

    #[test]
    fn three_strikes_end_the_connection_and_no_number_of_them_bans() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        for round in 0..5 {
            harness.join(1, TAKE, having([]));
            harness.said();
            for _ in 0..3 {
                harness.broke(1, Breach::AskFlood);
            }
            let struck = Event::Struck { peer: id(1), breach: Breach::AskFlood };
            let left = Event::Left { peer: id(1), code: Some(CloseCode::Flood) };
            assert_eq!(harness.events(), [struck.clone(), struck.clone(), struck, left]);
            harness.wait(SHUT_FIRST * (1 << round) + Duration::from_secs(1));
        }
    }

    #[test]
    fn peer_that_is_kept_away_for_long_is_not_dialed_sooner() {
        let mut harness = Harness::new(TAKE, having([]));
        harness.tell(Input::Source(offer(9, [1; 32], 1_000_000)));
        for seconds in [600, 60] {
            let until = Time::after_start(Duration::from_secs(seconds));
            harness.machine.dialer.sources.wait_until(id(9), until);
        }
        harness.tell(Input::DialFailed { peer: id(9), wrong_key: None, code: None });
        harness.said();
        harness.wait(Duration::from_secs(599));
        assert_eq!(harness.dialed(), []);
        harness.wait(Duration::from_secs(1));
        assert_eq!(harness.dialed(), [id(9)]);
    }
}
