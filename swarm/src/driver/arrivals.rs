//! Rate limits on new handshakes.
//!
//! A first packet costs its sender little more than its bytes; answering it costs a key exchange and a signature. The
//! limits on handshakes under way (`newcomers.rs`) do not hold back a client that ends each of its handshakes at once. So
//! the rate of handshakes is limited too: by site and by network for proven addresses, and over all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::machine::{Bucket, Network, Site, Time};

/// Handshakes of one proven site, per second and in a burst: a large household or a small office that reconnects at the
/// same moment. A client over the limit tries again a second later by QUIC's own timer.
const OF_SITE: (u64, u64) = (16, 64);
/// Handshakes of all sites of one network: a quarter of all.
const OF_NETWORK: (u64, u64) = (64, 128);
/// Handshakes of all proven sites together: with those of [`OF_RARE`] some 5 % of one processor at most.
const OF_ALL: (u64, u64) = (192, 384);
/// Further handshakes of networks that began none for two seconds, whose budget is whole: a few networks that use up all the
/// others keep no one out.
const OF_RARE: (u64, u64) = (64, 128);
/// Handshakes of all clients whose address is unproven, any of which may be forged; clients beyond that must prove
/// theirs.
const OF_UNPROVEN: (u64, u64) = (64, 64);
/// Interval at which sites and networks whose budget is whole again are forgotten.
const SWEEP: Duration = Duration::from_secs(1);

/// Token buckets for new handshakes.
#[derive(Debug)]
pub(super) struct Arrivals {
    unproven: Bucket,
    all: Bucket,
    rare: Bucket,
    sites: Budgets<Site>,
    networks: Budgets<Network>,
    swept: Time,
}

/// Budgets that are not whole again. Each handshake has also taken from `all` or `rare`, which bounds the number of entries to
/// what they admit in the time after which one is forgotten.
#[derive(Debug)]
struct Budgets<K> {
    limit: (u64, u64),
    used: BTreeMap<K, (Bucket, Time)>,
}

impl<K: Ord + Copy> Budgets<K> {
    fn new(limit: (u64, u64)) -> Self {
        Self { limit, used: BTreeMap::new() }
    }

    /// The budget less one handshake; `None` if it is empty.
    fn less_one(&self, now: Time, key: K) -> Option<Bucket> {
        let whole = || Bucket::new(now, self.limit.0, self.limit.1);
        let mut bucket = self.used.get(&key).map_or_else(whole, |(bucket, _)| bucket.clone());
        bucket.try_take(now, 1).then_some(bucket)
    }

    /// Forgets those without a handshake for so long that their budget is whole: their entries say nothing.
    fn forget_whole(&mut self, now: Time) {
        let whole = Duration::from_secs(self.limit.1 / self.limit.0);
        self.used.retain(|_, (_, last)| now.since(*last) < whole);
    }
}

impl Arrivals {
    pub(super) fn new() -> Self {
        let bucket = |(rate, burst)| Bucket::new(Time::ZERO, rate, burst);
        Self {
            unproven: bucket(OF_UNPROVEN),
            all: bucket(OF_ALL),
            rare: bucket(OF_RARE),
            sites: Budgets::new(OF_SITE),
            networks: Budgets::new(OF_NETWORK),
            swept: Time::ZERO,
        }
    }

    /// Takes one handshake from the budgets; false if a budget is empty. `site` is `None` while the address is
    /// unproven.
    pub(super) fn may_come(&mut self, now: Time, site: Option<Site>) -> bool {
        let Some(site) = site else { return self.unproven.try_take(now, 1) };
        if now.since(self.swept) >= SWEEP {
            self.swept = now;
            self.sites.forget_whole(now);
            self.networks.forget_whole(now);
        }
        // The site's own budget first: a site that connects without end takes nothing from the others.
        let network = site.network();
        let Some(of_site) = self.sites.less_one(now, site) else { return false };
        let Some(of_network) = self.networks.less_one(now, network) else { return false };
        let is_rare = !self.networks.used.contains_key(&network);
        let is_admitted = self.all.try_take(now, 1) || (is_rare && self.rare.try_take(now, 1));
        if !is_admitted {
            return false;
        }
        self.sites.used.insert(site, (of_site, now));
        self.networks.used.insert(network, (of_network, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::after_start(Duration::from_millis(ms))
    }

    /// A host of a network.
    fn site(network: u32, host: u8) -> Site {
        let [_, a, b, c] = network.to_be_bytes();
        Site::of([10 + a, b, c, host].into())
    }

    /// Counts the handshakes admitted in ten seconds of a thousand attempts per second.
    fn let_in(arrivals: &mut Arrivals, site: impl Fn(u64) -> Option<Site>) -> u64 {
        (0..10_000).filter(|&ms| arrivals.may_come(at(ms), site(ms))).count() as u64
    }

    /// What two budgets admit in ten seconds.
    fn in_ten_seconds(limit: (u64, u64)) -> std::ops::RangeInclusive<u64> {
        limit.1 + 9 * limit.0..=limit.1 + 10 * limit.0
    }

    // Rows: H3
    #[test]
    fn handshakes_are_rate_limited_per_site_network_and_in_total() {
        let one = let_in(&mut Arrivals::new(), |_| Some(site(7, 1)));
        assert!(in_ten_seconds(OF_SITE).contains(&one), "{one}");
        let neighbours = let_in(&mut Arrivals::new(), |ms| Some(site(7, ms as u8)));
        assert!(in_ten_seconds(OF_NETWORK).contains(&neighbours), "{neighbours}");
        let mut arrivals = Arrivals::new();
        let many = let_in(&mut arrivals, |ms| Some(site(ms as u32, 1)));
        let both = (OF_ALL.0 + OF_RARE.0, OF_ALL.1 + OF_RARE.1);
        assert!(in_ten_seconds(both).contains(&many), "{many}");
        assert!(arrivals.sites.used.len() as u64 <= 5 * both.0 + both.1, "{arrivals:?}");
        let mut arrivals = Arrivals::new();
        let forged = let_in(&mut arrivals, |_| None);
        assert!(forged <= OF_UNPROVEN.1 + 10 * OF_UNPROVEN.0, "{forged}");
        assert!(arrivals.may_come(at(10_000), Some(site(1, 1))), "they take nothing from who is there");
    }

    // Rows: H3
    #[test]
    fn one_site_that_knocks_without_end_keeps_nobody_else_out() {
        let mut arrivals = Arrivals::new();
        for ms in 0..10_000 {
            arrivals.may_come(at(ms), Some(site(7, 7)));
            if ms % 500 == 0 {
                assert!(arrivals.may_come(at(ms), Some(site(7, 8))), "after {ms} ms");
            }
        }
    }

    // Rows: H2, H3
    #[test]
    fn networks_that_use_up_all_handshakes_keep_no_other_out() {
        let mut arrivals = Arrivals::new();
        for ms in 0..10_000 {
            for network in 0..8 {
                arrivals.may_come(at(ms), Some(site(network, ms as u8)));
            }
            if ms % 2_000 == 0 {
                assert!(arrivals.may_come(at(ms), Some(site(100, 8))), "after {ms} ms");
            }
        }
    }
}
