//! Which signatures of offers are checked, and when.
//!
//! Keys are free, so that nothing here trusts a connection for being one: there are two budgets of checks a second over
//! all connections, one for those that have moved proven bytes and one for all others, and within each the connections
//! take turns. What was checked is remembered by the key that signed it, also when its connection is gone.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use minimodel_wire::{PeerId, SignedOffer, UncheckedOffer};

use super::events::{Check, Conn};
use super::rate::Bucket;
use super::site::Site;
use super::time::Time;

/// Checks a second, and at once, of each of the two budgets. A check takes some 60 microseconds of one processor, so that
/// both together are less than half a hundredth of it; 128 are what a newcomer hears when it comes into a large swarm.
const CHECKS: (u64, u64) = (32, 128);
/// The time that one check earns.
const EARNED_AFTER: Duration = Duration::from_millis(1_000 / CHECKS.0);
/// Checks that run at once: the next begin when these end.
const MAX_RUNNING: usize = 16;
/// Passed-on offers of one connection that wait for their check: one frame and one more.
const MAX_WAITING: usize = 32;
/// Offers of one key are checked no more often than this: it renews its offer within days.
pub(super) const RENEWAL: Duration = Duration::from_secs(60);
/// Keys whose checked offer is remembered, 300 bytes each; beyond it the one that was of no use for longest goes.
const MAX_REMEMBERED: usize = 1_024;

/// Who brought an offer: its connection, which may be gone when the check ends, and where it came from, which stays known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bringer {
    pub(super) conn: Conn,
    pub(super) site: Site,
}

/// A check that is to begin.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) check: Check,
    pub(super) offer: UncheckedOffer,
}

/// An offer whose signature was found right.
#[derive(Debug)]
struct Good {
    offer: SignedOffer,
    checked: Time,
    /// The same, where its own peer brought it: whoever passes on an older one of it must not hold up the new one.
    own_checked: Option<Time>,
    used: Time,
}

/// What one connection brought.
#[derive(Debug)]
struct Waiting {
    /// Where it comes from.
    site: Site,
    /// Its own offer, the latest alone, and when it may be checked.
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
    /// Its own peer brought it.
    own: bool,
}

/// One budget, and who had the last turn in it.
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

/// Offers that wait to be checked, that are being checked, and that were found good.
#[derive(Debug)]
pub(super) struct OfferChecks {
    good: BTreeMap<PeerId, Good>,
    waiting: BTreeMap<Conn, Waiting>,
    running: BTreeMap<Check, Running>,
    next: u64,
    /// For those that have moved proven bytes, and for all others.
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
    /// The offer, if these very bytes were found good before.
    pub(super) fn good(&mut self, now: Time, offer: &UncheckedOffer) -> Option<&SignedOffer> {
        let good = self.good.get_mut(&offer.claim().peer)?;
        if good.offer.as_bytes() != &offer.bytes()[..] {
            return None;
        }
        good.used = now;
        Some(&good.offer)
    }

    /// An offer that its own peer brought: the last one counts, and not before its time.
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

    /// An offer that another peer brought. One too many, or a second of the same key within its time, is not kept.
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

    /// Whether a passed-on offer need not be checked: it was, or another of its key was a moment ago.
    fn is_settled(&self, now: Time, offer: &UncheckedOffer) -> bool {
        self.good
            .get(&offer.claim().peer)
            .is_some_and(|good| now < good.checked + RENEWAL || good.offer.as_bytes() == &offer.bytes()[..])
    }

    /// The next check to begin now. To be asked until there is none.
    pub(super) fn next(&mut self, now: Time, has_moved_bytes: impl Fn(Conn) -> bool) -> Option<Due> {
        self.wakeup = None;
        self.drop_settled(now);
        self.waiting.retain(|_, waiting| waiting.own.is_some() || !waiting.passed_on.is_empty());
        if self.waiting.is_empty() || self.running.len() >= MAX_RUNNING {
            // The end of a check asks again.
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

    /// What another connection brought as well and was checked meanwhile.
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

    /// When to ask for the next check although nothing happened.
    pub(super) fn wakeup(&self) -> Option<Time> {
        self.wakeup
    }

    /// A check ended; who had brought the offer. `None` for one that is not known. What was found good is remembered.
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

    /// The connection is gone, and what it brought goes with it.
    pub(super) fn forget(&mut self, conn: Conn) {
        self.waiting.remove(&conn);
    }

    pub(super) fn drop_expired(&mut self, unix: u64) {
        self.good.retain(|_, good| good.offer.check_fresh(unix).is_ok());
    }

    /// Bounds, for tests.
    pub(super) fn is_bounded(&self) -> bool {
        self.good.len() <= MAX_REMEMBERED
            && self.running.len() <= MAX_RUNNING
            && self.waiting.values().all(|waiting| waiting.passed_on.len() <= MAX_WAITING)
    }
}
