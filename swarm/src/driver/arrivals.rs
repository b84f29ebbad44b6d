//! Rate limits on new handshakes.
//!
//! A first packet costs its sender little more than its bytes; answering it costs a key exchange and a signature. The
//! limits on handshakes under way (`newcomers.rs`) do not hold back a client that ends each of its handshakes at once. So
//! the rate of handshakes is limited too: by site for proven addresses, and over all sites.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::machine::{Bucket, Time};

/// Handshakes of one proven site, per second and in a burst: a large household or a small office that reconnects at the
/// same moment. A client over the limit tries again a second later by QUIC's own timer.
const OF_SITE: (u64, u64) = (16, 64);
/// Handshakes of all proven sites together: some 5 % of one processor at most.
const OF_ALL: (u64, u64) = (256, 512);
/// Handshakes of all clients whose address is unproven, any of which may be forged; clients beyond that must prove
/// theirs.
const OF_UNPROVEN: (u64, u64) = (64, 64);
/// Interval at which sites whose budget is whole again are forgotten.
const SWEEP: Duration = Duration::from_secs(1);

/// Token buckets for new handshakes.
#[derive(Debug)]
pub(super) struct Arrivals<S> {
    unproven: Bucket,
    all: Bucket,
    /// Sites whose budget is not whole again. Each handshake has also taken from `all`, which bounds the number of
    /// entries to what `all` admits in the time after which a site is forgotten.
    sites: BTreeMap<S, (Bucket, Time)>,
    swept: Time,
}

impl<S: Ord + Copy> Arrivals<S> {
    pub(super) fn new() -> Self {
        let bucket = |(rate, burst)| Bucket::new(Time::ZERO, rate, burst);
        Self { unproven: bucket(OF_UNPROVEN), all: bucket(OF_ALL), sites: BTreeMap::new(), swept: Time::ZERO }
    }

    /// Takes one handshake from the budgets; false if a budget is empty. `site` is `None` while the address is
    /// unproven.
    pub(super) fn may_come(&mut self, now: Time, site: Option<S>) -> bool {
        let Some(site) = site else { return self.unproven.try_take(now, 1) };
        self.forget_whole(now);
        let fresh = || Bucket::new(now, OF_SITE.0, OF_SITE.1);
        let mut bucket = self.sites.get(&site).map_or_else(fresh, |(bucket, _)| bucket.clone());
        // The site's own budget first: a site that connects without end takes nothing from the others.
        if !bucket.try_take(now, 1) || !self.all.try_take(now, 1) {
            return false;
        }
        self.sites.insert(site, (bucket, now));
        true
    }

    /// Forgets sites without a handshake for so long that their budget is whole: their entries say nothing.
    fn forget_whole(&mut self, now: Time) {
        let whole = Duration::from_secs(OF_SITE.1 / OF_SITE.0);
        if now.since(self.swept) >= SWEEP {
            self.swept = now;
            self.sites.retain(|_, (_, last)| now.since(*last) < whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::after_start(Duration::from_millis(ms))
    }

    /// Counts the handshakes admitted in ten seconds of a thousand attempts per second.
    fn let_in(arrivals: &mut Arrivals<u32>, site: impl Fn(u64) -> Option<u32>) -> u64 {
        (0..10_000).filter(|&ms| arrivals.may_come(at(ms), site(ms))).count() as u64
    }

    // Rows: H3
    #[test]
    fn handshakes_are_rate_limited_per_site_and_in_total() {
        let mut arrivals = Arrivals::new();
        let one = let_in(&mut arrivals, |_| Some(7));
        assert!((OF_SITE.1 + 9 * OF_SITE.0..=OF_SITE.1 + 10 * OF_SITE.0).contains(&one), "{one}");
        let mut arrivals = Arrivals::new();
        let many = let_in(&mut arrivals, |ms| Some(ms as u32));
        assert!((OF_ALL.1 + 9 * OF_ALL.0..=OF_ALL.1 + 10 * OF_ALL.0).contains(&many), "{many}");
        assert!(arrivals.sites.len() as u64 <= 5 * OF_ALL.0 + OF_ALL.1, "{} sites", arrivals.sites.len());
        let mut arrivals = Arrivals::new();
        let forged = let_in(&mut arrivals, |_| None);
        assert!(forged <= OF_UNPROVEN.1 + 10 * OF_UNPROVEN.0, "{forged}");
        assert!(arrivals.may_come(at(10_000), Some(1)), "they take nothing from who is there");
    }

    // Rows: H3
    #[test]
    fn one_site_that_knocks_without_end_keeps_nobody_else_out() {
        let mut arrivals = Arrivals::new();
        for ms in 0..10_000 {
            arrivals.may_come(at(ms), Some(7));
            if ms % 500 == 0 {
                assert!(arrivals.may_come(at(ms), Some(8)), "after {ms} ms");
            }
        }
    }
}
