//! Wasted reads: chunks that were read from disk for a peer that did not take them.
//!
//! A withdrawn request costs its sender a few bytes, and us a whole chunk that is read, hashed and dropped. A key that
//! has moved chunks pays with its own daily budget. For other keys such a budget is worth nothing, since keys are free:
//! their wasted reads count against their site.

use super::rate::Bucket;
use super::site::Site;
use super::site_buckets::SiteBuckets;
use super::time::Time;

/// Bytes that may be wasted for unknown keys of one site: at once, and per second.
const OF_A_SITE: (u64, u64) = (64 << 20, 4 << 20);

/// Wasted reads by site.
#[derive(Debug)]
pub(super) struct WastedReads(SiteBuckets);

impl Default for WastedReads {
    fn default() -> Self {
        Self(SiteBuckets::new(Bucket::new(Time::ZERO, OF_A_SITE.1, OF_A_SITE.0)))
    }
}

impl WastedReads {
    /// Counts bytes that were read for an unknown key of the site and not taken.
    pub(super) fn charge(&mut self, now: Time, site: Site, bytes: u64) {
        self.0.of(now, site).take(now, bytes);
    }

    /// Returns true if the site has used up its wasted reads.
    pub(super) fn is_used_up(&mut self, now: Time, site: Site) -> bool {
        self.0.get_mut(site).is_some_and(|bucket| !bucket.take(now, 0).is_zero())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use minimodel_wire::{Bitfield, CloseCode, Frame};

    use super::super::events::{Ask, Conn, Input, ServeOutcome};
    use super::super::harness::{CHUNKS, Harness, SEED, TAKE, having, id};
    use super::*;

    fn chunk(harness: &Harness) -> u64 {
        harness.machine.swarm.config.terms.chunk_size.into()
    }

    /// The peer requests chunks and withdraws each before it is sent, until it is closed; returns how many were begun.
    fn withdraws(harness: &mut Harness, n: u8, first: u64) -> u64 {
        harness.join_from(n, [192, 0, 2, 1], TAKE, having([]));
        harness.frame(n.into(), Frame::Interested);
        let mut begun = 0;
        for ask in first..first + 300 {
            harness.ask(n.into(), ask, (ask % u64::from(CHUNKS)) as u32);
            let asked = harness.machine.swarm.asks.contains_key(&Ask(ask));
            begun += u64::from(asked);
            harness.tell(Input::Served { ask: Ask(ask), outcome: ServeOutcome::Cancelled { bytes: 0 } });
            if !asked {
                break;
            }
        }
        begun
    }

    // Rows: H3
    #[test]
    fn what_is_read_in_vain_for_new_keys_counts_against_their_site() {
        let mut harness = Harness::new(SEED, Bitfield::full(CHUNKS));
        let mut begun = 0;
        for n in 1..40 {
            begun += withdraws(&mut harness, n, u64::from(n) * 1_000);
            harness.tell(Input::Closed { conn: Conn(n.into()), code: None });
        }
        let most = OF_A_SITE.0 / chunk(&harness) + 1;
        assert!((most - 1..=most).contains(&begun), "{begun} of {most}");
        // The site's debt is forgiven with time.
        harness.wait(Duration::from_secs(30));
        assert!(withdraws(&mut harness, 41, 100_000) > 0);
    }

    // Rows: H3, B1
    #[test]
    fn banned_key_of_wasteful_site_hears_banned_other_keys_busy() {
        let mut harness = Harness::with(SEED, Bitfield::full(CHUNKS), |config| {
            config.controls.allow = Some((1..60).map(id).collect());
        });
        for n in 1..40 {
            withdraws(&mut harness, n, u64::from(n) * 1_000);
            harness.tell(Input::Closed { conn: Conn(n.into()), code: None });
        }
        harness.ban(50);
        let mut answer = |n: u8| {
            harness.said();
            harness.connect_from(u64::from(n) + 100, n, [192, 0, 2, 1], false);
            harness.closes().into_iter().map(|(_, code)| code).collect::<Vec<_>>()
        };
        assert_eq!(answer(50), [CloseCode::Banned]);
        assert_eq!(answer(70), [CloseCode::NotAllowed]);
        assert_eq!(answer(51), [CloseCode::Busy]);
    }

    // Rows: H3
    #[test]
    fn withdrawn_answer_counts_against_its_keys_daily_budget() {
        let mut harness = Harness::new(SEED, Bitfield::full(CHUNKS));
        let begun = withdraws(&mut harness, 1, 0);
        let id = harness.machine.swarm.peers.values().next().map(|peer| peer.id).unwrap();
        assert!(begun > 0);
        assert_eq!(harness.machine.standings.taken(id, harness.now), begun);
    }
}
