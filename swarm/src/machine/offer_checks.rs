//! The queue of offers whose signatures are to be checked.
//!
//! Keys are free, so a connection alone earns no trust: checks have two rate limits over all connections, one for peers
//! that have moved payload bytes and one for all others, and within each limit the connections take turns. Offers found
//! good are remembered by the key that signed them, also after its connection has ended.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use minimodel_wire::{PeerId, SignedOffer, UncheckedOffer};

use super::events::{Check, Conn};
use super::rate::Bucket;
use super::site::Site;
use super::time::Time;

/// Checks per second, and at once, of each of the two budgets. A check takes some 60 microseconds of one processor, so
/// that both together use less than half a percent of it; 128 offers are what a newcomer receives in a large swarm.
const CHECKS: (u64, u64) = (32, 128);
/// The time in which a budget earns one check.
const EARNED_AFTER: Duration = Duration::from_millis(1_000 / CHECKS.0);
/// Checks that run at once; the next begin when these end.
const MAX_RUNNING: usize = 16;
/// Passed-on offers of one connection that wait for their check: two frames of offers.
const MAX_WAITING: usize = 32;
/// Shortest time between two checks of offers of one key: a peer renews its offer within days.
pub(super) const RENEWAL: Duration = Duration::from_secs(60);
/// Keys whose good offer is remembered, 300 bytes each; beyond it the least recently used is dropped.
const MAX_REMEMBERED: usize = 1_024;

/// The origin of an offer: the connection that brought it, which may be gone when the check ends, and its site, which
/// stays known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bringer {
    pub(super) conn: Conn,
    pub(super) site: Site,
}

/// A check to begin.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) check: Check,
    pub(super) offer: UncheckedOffer,
}

/// An offer whose signature is right.
#[derive(Debug)]
struct Good {
    offer: SignedOffer,
    checked: Time,
    /// The last check of an offer that its own peer brought: a member that passes on an older one must not delay a newer one.
    own_checked: Option<Time>,
    used: Time,
}

/// Unchecked offers from one connection.
#[derive(Debug)]
struct Waiting {
    /// The site of the connection.
    site: Site,
    /// The latest offer of the connection's own peer, and when it may be checked.
    own: Option<(UncheckedOffer, Time)>,
    passed_on: VecDeque<UncheckedOffer>,
}

impl Waiting {
    fn of(site: Site) -> Self {
        Self { site, own: None, passed_on: VecDeque::new() }
    }
}

#[derive(Debug)]
struct Running {
    bringer: Bringer,
    offer: UncheckedOffer,
    /// Whether the offer is that of the peer that brought it.
    own: bool,
}

/// One rate limit, and the connection that had the last turn in it.
#[derive(Debug)]
struct Budget {
    bucket: Bucket,
    last: Conn,
}

impl Budget {
    fn new() -> Self {
        Self { bucket: Bucket::new(Time::ZERO, CHECKS.0, CHECKS.1), last: Conn(0) }
    }
}

/// Offers that wait for a check, that are being checked, and that were found good.
#[derive(Debug)]
pub(super) struct OfferChecks {
    good: BTreeMap<PeerId, Good>,
    waiting: BTreeMap<Conn, Waiting>,
    running: BTreeMap<Check, Running>,
    next: u64,
    /// The limit for peers that have moved payload bytes, and the limit for all others.
    budgets: [Budget; 2],
    wakeup: Option<Time>,
}

impl Default for OfferChecks {
    fn default() -> Self {
        Self {
            good: BTreeMap::new(),
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            next: 0,
            budgets: [Budget::new(), Budget::new()],
            wakeup: None,
        }
    }
}

impl OfferChecks {
    /// Returns the offer if exactly these bytes were found good before.
    pub(super) fn good(&mut self, now: Time, offer: &UncheckedOffer) -> Option<&SignedOffer> {
        let good = self.good.get_mut(&offer.claim().peer)?;
        if good.offer.as_bytes() != &offer.bytes()[..] {
            return None;
        }
        good.used = now;
        Some(&good.offer)
    }

    /// Queues a peer's own offer in place of an earlier one, for the time at which its key may be checked again.
    pub(super) fn wait_own(&mut self, now: Time, bringer: Bringer, offer: UncheckedOffer) {
        let key = offer.claim().peer;
        if self.running.values().any(|running| running.bringer == bringer && running.offer == offer) {
            return;
        }
        let is_running =
            self.running.values().any(|running| running.own && running.offer.claim().peer == key);
        let last = if is_running { Some(now) } else { self.good.get(&key).and_then(|good| good.own_checked) };
        let at = last.map_or(now, |last| last + RENEWAL);
        self.of(bringer).own = Some((offer, at));
    }

    /// Queues an offer that another peer passed on. An offer beyond the limit, or of a key that was checked a moment ago,
    /// is dropped.
    pub(super) fn wait(&mut self, now: Time, bringer: Bringer, offer: UncheckedOffer) {
        let is_running = self.running.values().any(|running| running.offer == offer);
        if is_running || self.is_settled(now, &offer) {
            return;
        }
        let passed_on = &mut self.of(bringer).passed_on;
        if passed_on.len() < MAX_WAITING && !passed_on.contains(&offer) {
            passed_on.push_back(offer);
        }
    }

    fn of(&mut self, bringer: Bringer) -> &mut Waiting {
        self.waiting.entry(bringer.conn).or_insert_with(|| Waiting::of(bringer.site))
    }

    /// Returns true if a passed-on offer needs no check: the same bytes were found good, or an offer of its key was a
    /// moment ago.
    fn is_settled(&self, now: Time, offer: &UncheckedOffer) -> bool {
        self.good
            .get(&offer.claim().peer)
            .is_some_and(|good| now < good.checked + RENEWAL || good.offer.as_bytes() == &offer.bytes()[..])
    }

    /// Returns the next check to begin now. The caller repeats the call until it returns `None`.
    pub(super) fn next(&mut self, now: Time, has_moved_bytes: impl Fn(Conn) -> bool) -> Option<Due> {
        self.wakeup = None;
        self.drop_settled(now);
        self.waiting.retain(|_, waiting| waiting.own.is_some() || !waiting.passed_on.is_empty());
        if self.waiting.is_empty() || self.running.len() >= MAX_RUNNING {
            // The end of a check leads to the next call.
            return None;
        }
        for which in 0..self.budgets.len() {
            if let Some(due) = self.next_of(now, which, |conn| has_moved_bytes(conn) == (which == 0)) {
                return Some(due);
            }
        }
        None
    }

    fn next_of(&mut self, now: Time, which: usize, is_of_it: impl Fn(Conn) -> bool) -> Option<Due> {
        let budget = self.budgets.get_mut(which)?;
        let after = self.waiting.range(Conn(budget.last.0 + 1)..);
        let in_turn = after.chain(self.waiting.range(..=budget.last)).filter(|&(&conn, _)| is_of_it(conn));
        let mut later: Option<Time> = None;
        let mut found = None;
        for (&conn, waiting) in in_turn {
            match &waiting.own {
                Some((_, at)) if *at > now && waiting.passed_on.is_empty() => {
                    later = Some(later.map_or(*at, |other| other.min(*at)));
                }
                _ => {
                    found = Some(conn);
                    break;
                }
            }
        }
        let due = match found {
            Some(conn) if budget.bucket.try_take(now, 1) => {
                budget.last = conn;
                self.take(now, conn)
            }
            Some(_) => {
                later = Some(now + EARNED_AFTER);
                None
            }
            None => None,
        };
        if let Some(later) = later {
            self.wakeup = Some(self.wakeup.map_or(later, |at| at.min(later)));
        }
        due
    }

    /// Drops offers that another connection brought as well and that were checked meanwhile.
    fn drop_settled(&mut self, now: Time) {
        let mut waiting = std::mem::take(&mut self.waiting);
        for waiting in waiting.values_mut() {
            while waiting.passed_on.front().is_some_and(|offer| self.is_settled(now, offer)) {
                waiting.passed_on.pop_front();
            }
        }
        self.waiting = waiting;
    }

    fn take(&mut self, now: Time, conn: Conn) -> Option<Due> {
        let waiting = self.waiting.get_mut(&conn)?;
        let due = waiting.own.take_if(|(_, at)| *at <= now).map(|(offer, _)| offer);
        let own = due.is_some();
        let offer = due.or_else(|| waiting.passed_on.pop_front())?;
        let bringer = Bringer { conn, site: waiting.site };
        let check = Check(self.next);
        self.next += 1;
        self.running.insert(check, Running { bringer, offer: offer.clone(), own });
        Some(Due { check, offer })
    }

    /// When to call [`Self::next`] if nothing happens before.
    pub(super) fn wakeup(&self) -> Option<Time> {
        self.wakeup
    }

    /// Ends a check and remembers a good offer. Returns the origin of the offer; `None` for an unknown check.
    pub(super) fn ended(&mut self, now: Time, check: Check, good: Option<&SignedOffer>) -> Option<Bringer> {
        let Running { bringer, own, .. } = self.running.remove(&check)?;
        if let Some(offer) = good {
            self.remember(now, offer.clone(), own);
        }
        Some(bringer)
    }

    fn remember(&mut self, now: Time, offer: SignedOffer, own: bool) {
        let key = offer.offer().peer;
        if self.good.len() >= MAX_REMEMBERED && !self.good.contains_key(&key) {
            let oldest = self.good.iter().min_by_key(|(_, good)| good.used).map(|(&key, _)| key);
            oldest.and_then(|key| self.good.remove(&key));
        }
        let before = self.good.get(&key).and_then(|good| good.own_checked);
        let own_checked = if own { Some(now) } else { before };
        self.good.insert(key, Good { offer, checked: now, own_checked, used: now });
    }

    /// Drops the waiting offers of a connection that has ended.
    pub(super) fn forget(&mut self, conn: Conn) {
        self.waiting.remove(&conn);
    }

    pub(super) fn drop_expired(&mut self, unix: u64) {
        self.good.retain(|_, good| good.offer.check_fresh(unix).is_ok());
    }

    /// Returns true if all tables are within their limits; for tests.
    pub(super) fn is_bounded(&self) -> bool {
        self.good.len() <= MAX_REMEMBERED
            && self.running.len() <= MAX_RUNNING
            && self.waiting.values().all(|waiting| waiting.passed_on.len() <= MAX_WAITING)
    }
}
