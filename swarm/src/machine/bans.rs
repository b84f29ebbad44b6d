//! Banned keys of this content, and when each ban ends.

use std::collections::BTreeMap;
use std::time::Duration;

use minimodel_wire::PeerId;

use super::time::Time;

/// Duration of a ban.
pub const BAN: Duration = Duration::from_secs(24 * 3_600);
/// Most keys banned at once; beyond it the ban that would end first ends at once.
const MAX_BANS: usize = 4_096;

/// The end of each banned key's ban.
#[derive(Debug)]
pub(super) struct Bans {
    until: BTreeMap<PeerId, Time>,
}

impl Bans {
    pub(super) fn new(until: BTreeMap<PeerId, Time>) -> Self {
        Self { until }
    }

    pub(super) fn has(&self, peer: PeerId, now: Time) -> bool {
        self.until.get(&peer).is_some_and(|&until| now < until)
    }

    pub(super) fn add(&mut self, peer: PeerId, now: Time) {
        if self.until.len() >= MAX_BANS {
            let first = self.until.iter().min_by_key(|&(_, until)| *until).map(|(&peer, _)| peer);
            first.and_then(|peer| self.until.remove(&peer));
        }
        self.until.insert(peer, now + BAN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows: B1
    #[test]
    fn ban_ends_after_a_day_and_kept_bans_are_bounded() {
        let at = |seconds| Time::after_start(Duration::from_secs(seconds));
        let id = |n| PeerId([n; 32]);
        let mut bans = Bans::new(BTreeMap::from([(id(7), at(5))]));
        assert!(bans.has(id(7), Time::ZERO) && !bans.has(id(7), at(5)));
        bans.add(id(1), Time::ZERO);
        assert!(bans.has(id(1), at(24 * 3_600 - 1)) && !bans.has(id(1), at(24 * 3_600)));
        for n in 0..MAX_BANS as u32 {
            let mut key = [9; 32];
            key[..4].copy_from_slice(&n.to_le_bytes());
            bans.add(PeerId(key), at(1));
        }
        assert_eq!(bans.until.len(), MAX_BANS);
        assert!(!bans.has(id(7), Time::ZERO), "it would have ended first");
    }
}
