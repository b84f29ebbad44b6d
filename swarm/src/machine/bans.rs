//! Banned keys of this content, and when each ban ends.

use std::collections::BTreeMap;
use std::time::Duration;

use minimodel_wire::PeerId;

use super::time::Time;

/// Duration of a ban.
pub const BAN: Duration = Duration::from_secs(24 * 3_600);
/// Most keys banned at once; see [`Bans::add`].
const MAX_BANS: usize = 4_096;

/// A ban of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct OneBan {
    /// False if it is for less than a chunk: such a ban costs its key a connection or two, and an attacker makes as many keys as
    /// it likes, whereas a chunk is sent only when we asked that key for it.
    is_for_chunk: bool,
    until: Time,
}

/// The bans of this content by key.
#[derive(Debug)]
pub(super) struct Bans {
    bans: BTreeMap<PeerId, OneBan>,
}

impl Bans {
    /// `until`: earlier bans, each with its end.
    pub(super) fn new(until: BTreeMap<PeerId, Time>) -> Self {
        let held = |(peer, until)| (peer, OneBan { is_for_chunk: true, until });
        Self { bans: until.into_iter().map(held).collect() }
    }

    pub(super) fn has(&self, peer: PeerId, now: Time) -> bool {
        self.bans.get(&peer).is_some_and(|ban| now < ban.until)
    }

    /// Bans a key. Beyond the limit the ban ends that would end first, one for less than a chunk before all others: a flood of
    /// throwaway keys frees no key that lied about a chunk, nor one of an earlier run.
    pub(super) fn add(&mut self, peer: PeerId, is_for_chunk: bool, now: Time) {
        self.bans.insert(peer, OneBan { is_for_chunk, until: now + BAN });
        if self.bans.len() > MAX_BANS {
            let first = self.bans.iter().min_by_key(|&(_, ban)| *ban).map(|(&peer, _)| peer);
            first.and_then(|peer| self.bans.remove(&peer));
        }
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
        bans.add(id(1), false, Time::ZERO);
        assert!(bans.has(id(1), at(24 * 3_600 - 1)) && !bans.has(id(1), at(24 * 3_600)));
        throwaways().for_each(|key| bans.add(key, false, at(1)));
        assert_eq!(bans.bans.len(), MAX_BANS);
        assert!(!bans.has(id(1), Time::ZERO), "it would have ended first");
    }

    // Rows: H6
    #[test]
    fn flood_of_throwaway_bans_frees_no_key_that_lied_about_a_chunk() {
        let at = |seconds| Time::after_start(Duration::from_secs(seconds));
        let id = |n| PeerId([n; 32]);
        let mut bans = Bans::new(BTreeMap::from([(id(7), at(3_600))]));
        bans.add(id(1), true, Time::ZERO);
        throwaways().for_each(|key| bans.add(key, false, at(1)));
        assert_eq!(bans.bans.len(), MAX_BANS);
        assert!(bans.has(id(7), at(2)) && bans.has(id(1), at(2)));
        // Among those for a chunk the newest are kept.
        throwaways().for_each(|key| bans.add(key, true, at(2)));
        assert_eq!(bans.bans.len(), MAX_BANS);
        assert!(!bans.has(id(7), at(3)) && !bans.has(id(1), at(3)));
    }

    fn throwaways() -> impl Iterator<Item = PeerId> {
        (0..MAX_BANS as u32).map(|n| {
            let mut key = [9; 32];
            key[..4].copy_from_slice(&n.to_le_bytes());
            PeerId(key)
        })
    }
}
