//! Quota leases: use of grants and daily quotas that is written to the database before the bytes move. A lease is never less than
//! what has moved by then.
//!
//! A lease reaches one step beyond what is asked for, so that one write serves many chunks; the next one is asked for when half
//! of the step is left. After a crash a whole lease counts as moved: too much by at most one step and what was under way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::db::{Change, Db, DbError, Table};
use crate::limits::ledger::{MAX_PEERS, OTHERS};
use crate::limits::usage;

/// The step is a 64th of the quota, within these bounds: a crash costs at most a 64th of a quota and what was under way, and
/// a quota is used up with at most some 130 writes. 64 MiB: a fraction of a second on a fast path.
const STEPS: u64 = 64;
const LEAST_STEP: u64 = 1 << 12;
const MOST_STEP: u64 = 64 << 20;

/// Settings key of a day's leases.
const DAY_LEASES: &str = "day-covers";

/// Leases of one day by peer, as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DayLeases {
    day: u64,
    sent: BTreeMap<String, u64>,
}

impl DayLeases {
    pub(super) fn load(db: &Db) -> Result<Self, DbError> {
        Ok(db.get(Table::Settings, DAY_LEASES)?.unwrap_or_default())
    }

    /// Counts the leases as sent if they are of `day`, and ignores them otherwise.
    pub(super) fn count_as_sent(self, day: u64, sent_today: &mut BTreeMap<String, u64>) {
        if self.day != day {
            return;
        }
        let floor = self.sent.get(OTHERS).copied().unwrap_or(0);
        for sent in sent_today.values_mut() {
            *sent = (*sent).max(floor);
        }
        for (peer, leased) in self.sent {
            let sent = sent_today.entry(peer).or_default();
            *sent = (*sent).max(leased);
        }
    }

    /// Evicts the peers with the smallest leases beyond the limit, as the ledger does; the largest evicted lease becomes the
    /// floor of all unlisted peers.
    fn bound(&mut self) {
        while self.sent.len() > MAX_PEERS {
            let named = self.sent.iter().filter(|(name, _)| *name != OTHERS);
            let Some((name, least)) =
                named.min_by_key(|(_, sent)| **sent).map(|(name, sent)| (name.clone(), *sent))
            else {
                return;
            };
            self.sent.remove(&name);
            let floor = self.sent.entry(OTHERS.to_owned()).or_default();
            *floor = (*floor).max(least);
        }
    }

    pub(super) fn clear(change: &mut Change<'_>) -> Result<(), DbError> {
        change.remove(Table::Settings, DAY_LEASES)
    }
}

/// Leases to write.
#[derive(Clone, Debug, Default)]
pub(super) struct WantedLeases {
    grants: BTreeMap<u64, u64>,
    day: Option<DayLeases>,
}

impl WantedLeases {
    pub(super) fn write(&self, change: &mut Change<'_>) -> Result<(), DbError> {
        if let Some(day) = &self.day {
            change.put(Table::Settings, DAY_LEASES, day)?;
        }
        self.grants.iter().try_for_each(|(&grant, &bytes)| usage::put_used(change, grant, bytes))
    }
}

/// Leases on disk, and leases asked for.
#[derive(Debug, Default)]
pub(super) struct QuotaLeases {
    grants: BTreeMap<u64, u64>,
    days: DayLeases,
    wanted_grants: BTreeMap<u64, u64>,
    wanted_days: BTreeMap<String, u64>,
}

impl QuotaLeases {
    pub(super) fn new(day: u64) -> Self {
        Self { days: DayLeases { day, ..DayLeases::default() }, ..Self::default() }
    }

    pub(super) fn leased(&self, grant: u64) -> u64 {
        self.grants.get(&grant).copied().unwrap_or(0)
    }

    /// Returns the grants that have leases.
    pub(super) fn grants(&self) -> impl Iterator<Item = u64> + '_ {
        self.grants.keys().copied()
    }

    /// Returns true if `need` bytes under a grant of this quota are leased; asks for a larger lease if they are not, or soon
    /// will not be.
    pub(super) fn has_grant(&mut self, grant: u64, need: u64, quota: u64) -> bool {
        let leased = self.leased(grant);
        if let Some(next) = next(need, leased, quota) {
            let wanted = self.wanted_grants.entry(grant).or_default();
            *wanted = (*wanted).max(next);
        }
        need <= leased
    }

    /// As [`Self::has_grant`], for the bytes sent to a peer today.
    pub(super) fn has_day(&mut self, peer: &str, need: u64, most: u64) -> bool {
        let leased = self.days.sent.get(peer).copied().unwrap_or(0);
        if let Some(next) = next(need, leased, most) {
            let wanted = self.wanted_days.entry(peer.to_owned()).or_default();
            *wanted = (*wanted).max(next);
        }
        need <= leased
    }

    /// Begins a new day, of which nothing is leased.
    pub(super) fn turn(&mut self, day: u64) {
        self.days = DayLeases { day, ..DayLeases::default() };
        self.wanted_days.clear();
    }

    pub(super) fn wants(&self) -> bool {
        !self.wanted_grants.is_empty() || !self.wanted_days.is_empty()
    }

    /// Takes the leases to write now, if there are any.
    pub(super) fn take_wanted(&mut self) -> Option<WantedLeases> {
        if !self.wants() {
            return None;
        }
        let grants = std::mem::take(&mut self.wanted_grants);
        let mut days = self.days.clone();
        let has_days = !self.wanted_days.is_empty();
        for (peer, bytes) in std::mem::take(&mut self.wanted_days) {
            days.sent.insert(peer, bytes);
        }
        days.bound();
        Some(WantedLeases { grants, day: has_days.then_some(days) })
    }

    /// Settles a write of leases that succeeded or failed.
    pub(super) fn written(&mut self, wanted: WantedLeases, is_written: bool) {
        if !is_written {
            // Ask again at once, so that the disk is retried before the next chunk asks.
            for (grant, bytes) in wanted.grants {
                let again = self.wanted_grants.entry(grant).or_default();
                *again = (*again).max(bytes);
            }
            return;
        }
        self.grants.extend(wanted.grants);
        if let Some(days) = wanted.day.filter(|days| days.day == self.days.day) {
            self.days = days;
        }
    }
}

/// Returns the lease to ask for; `None`: the present one suffices.
fn next(need: u64, leased: u64, most: u64) -> Option<u64> {
    let step = (most / STEPS).clamp(LEAST_STEP, MOST_STEP);
    let next = need.saturating_add(step).min(most);
    (need.saturating_add(step / 2) > leased && next > leased).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_goes_a_step_ahead_and_never_beyond_what_may_move() {
        let mib = |count: u64| count << 20;
        assert_eq!(next(1, 0, mib(64)), Some(mib(1) + 1));
        assert_eq!(next(1, mib(1) + 1, mib(64)), None);
        assert_eq!(next(mib(1), mib(1) + 1, mib(64)), Some(mib(2)), "half of the step is gone");
        assert_eq!(next(1, 0, mib(1)), Some((1 << 14) + 1), "a crash costs a small quota a 64th too");
        assert_eq!(next(mib(10), mib(9), mib(10)), Some(mib(10)));
        assert_eq!(next(mib(10), mib(10), mib(10)), None);
        assert_eq!(next(0, 0, mib(64 * 8)), Some(mib(8)));
        assert_eq!(next(0, 0, u64::MAX), Some(MOST_STEP));
        assert_eq!(next(u64::MAX, 0, u64::MAX), Some(u64::MAX));
    }

    #[test]
    fn unleased_bytes_are_requested_and_count_once_written() {
        let mut leases = QuotaLeases::new(3);
        assert!(!leases.has_grant(7, 100, 1 << 30) && !leases.has_day("a", 100, 1 << 30) && leases.wants());
        let wanted = leases.take_wanted().unwrap();
        assert!(!leases.wants() && leases.take_wanted().is_none());
        leases.written(wanted.clone(), false);
        assert!(!leases.has_grant(7, 100, 1 << 30) && leases.wants(), "asked for again");
        leases.take_wanted();
        leases.written(wanted.clone(), true);
        assert!(leases.has_grant(7, 100, 1 << 30) && leases.has_day("a", 100, 1 << 30) && !leases.wants());
        leases.turn(4);
        assert!(leases.has_grant(7, 100, 1 << 30) && !leases.has_day("a", 100, 1 << 30));
        // The write that was under way belongs to the day before.
        leases.written(wanted, true);
        assert!(!leases.has_day("a", 100, 1 << 30));
    }

    // Rows: B22
    #[test]
    fn leases_of_strangers_are_bounded() {
        let mut leases = QuotaLeases::new(3);
        for peer in 0..MAX_PEERS + 10 {
            leases.has_day(&peer.to_string(), 100 + peer as u64, 1 << 30);
        }
        let leases = leases.take_wanted().unwrap().day.unwrap();
        assert_eq!(leases.sent.len(), MAX_PEERS);
        let floor = leases.sent[OTHERS];
        assert!(!leases.sent.contains_key("0") && floor >= 100);
        // After a crash no peer counts as having had less than its lease.
        let mut sent = BTreeMap::from([("0".to_owned(), 5)]);
        leases.count_as_sent(3, &mut sent);
        assert_eq!(sent["0"], floor);
    }
}
