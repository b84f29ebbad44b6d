//! Rate limits on reported peer events, so that reconnecting peers cannot flood the log.

use std::collections::BTreeMap;

use minimodel_wire::PeerId;

use crate::machine::{Bucket, Event, Time};

/// Events of one peer, in a burst and per second.
const OF_ONE: (u64, u64) = (32, 1);
/// Events of all peers together, in a burst and per second. Keys cost an attacker nothing.
const OF_ALL: (u64, u64) = (1_024, 16);
/// Bans and wrong keys of all peers together, in a burst and per second; no other event may crowd them out.
const GRAVE: (u64, u64) = (256, 4);
/// Peers counted at once.
const MAX_PEERS: usize = 512;

/// Rate limiter of reported events.
#[derive(Debug)]
pub(super) struct EventLimiter {
    of_one: BTreeMap<PeerId, Bucket>,
    of_all: Bucket,
    grave: Bucket,
    untold: u64,
}

impl Default for EventLimiter {
    fn default() -> Self {
        let bucket = |(burst, rate)| Bucket::new(Time::ZERO, rate, burst);
        Self { of_one: BTreeMap::new(), of_all: bucket(OF_ALL), grave: bucket(GRAVE), untold: 0 }
    }
}

impl EventLimiter {
    /// True if the event may be reported; otherwise it is counted as unreported.
    pub(super) fn may_report(&mut self, now: Time, event: &Event) -> bool {
        let (peer, is_grave) = match event {
            // Progress of this session, or one event per transferred chunk.
            Event::Chunk { .. }
            | Event::Uploaded { .. }
            | Event::NothingGood
            | Event::Complete
            | Event::Exhausted => return true,
            Event::Banned { peer, .. } | Event::WrongKey { expected: peer, .. } => (*peer, true),
            Event::Offered(offer) => (offer.offer().peer, false),
            Event::Joined { peer, .. }
            | Event::Left { peer, .. }
            | Event::Refused { peer, .. }
            | Event::Unreachable { peer, .. }
            | Event::Struck { peer, .. }
            | Event::Met { peer, .. }
            | Event::NotMet { peer, .. } => (*peer, false),
        };
        let all = if is_grave { &mut self.grave } else { &mut self.of_all };
        let told = Self::of_one(&mut self.of_one, now, peer).try_take(now, 1) && all.try_take(now, 1);
        self.untold += u64::from(!told);
        told
    }

    fn of_one(buckets: &mut BTreeMap<PeerId, Bucket>, now: Time, peer: PeerId) -> &mut Bucket {
        if buckets.len() >= MAX_PEERS && !buckets.contains_key(&peer) {
            // A peer that profits from being forgotten is still counted among all.
            buckets.clear();
        }
        buckets.entry(peer).or_insert_with(|| Bucket::new(now, OF_ONE.1, OF_ONE.0))
    }

    /// Events that were not reported.
    pub(super) fn untold(&self) -> u64 {
        self.untold
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::machine::Breach;

    fn id(n: u32) -> PeerId {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.to_le_bytes());
        PeerId(id)
    }

    fn told(event_limiter: &mut EventLimiter, second: u64, events: impl Iterator<Item = Event>) -> u64 {
        let now = Time::after_start(Duration::from_secs(second));
        events.map(|event| u64::from(event_limiter.may_report(now, &event))).sum()
    }

    // Rows: F5
    #[test]
    fn one_peer_that_comes_and_goes_fills_no_log() {
        let mut event_limiter = EventLimiter::default();
        let left = || std::iter::repeat_n(Event::Left { peer: id(1), code: None }, 10_000);
        assert_eq!(told(&mut event_limiter, 0, left()), OF_ONE.0);
        assert_eq!(told(&mut event_limiter, 10, left()), 10 * OF_ONE.1);
        assert_eq!(told(&mut event_limiter, 10, [Event::Left { peer: id(2), code: None }].into_iter()), 1);
        assert_eq!(event_limiter.untold(), 20_000 - OF_ONE.0 - 10 * OF_ONE.1);
    }

    // Rows: F5, I6
    #[test]
    fn ten_thousand_keys_fill_no_log_either_and_a_ban_is_still_told() {
        let mut event_limiter = EventLimiter::default();
        let struck = |n| Event::Struck { peer: id(n), breach: Breach::NoHello };
        assert_eq!(told(&mut event_limiter, 0, (0..10_000).map(struck)), OF_ALL.0);
        assert!(event_limiter.of_one.len() <= MAX_PEERS);
        let banned = |n| Event::Banned { peer: id(n), breach: Breach::BadChunk, index: None, got: None };
        assert_eq!(told(&mut event_limiter, 0, (0..10_000).map(banned)), GRAVE.0);
        let chunk = Event::Chunk { index: 1, peer: id(1), bytes: 1 };
        assert_eq!(told(&mut event_limiter, 0, std::iter::repeat_n(chunk, 5_000)), 5_000);
    }
}
