//! How far hearsay makes us send: which addresses of a passed-on offer are dialed, and how often.
//!
//! Whoever signs an offer chooses the addresses in it, and keys cost nothing. So without a bound over all offers one
//! peer could have every member of a swarm send to an address of its choice, for ever. What our user named is not
//! counted here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::PeerId;

use super::site::{Network, Scope, Site};
use super::time::Time;

/// Addresses of one offer that are dialed.
const OF_AN_OFFER: usize = 2;
/// Dials of a passed-on peer that may fail; then it is dialed no more than once in the time in which one of them fades.
pub(super) const MAX_FAILURES: u32 = 5;
const FADES: Duration = Duration::from_secs(3_600);
/// Addresses of one network that are dialed and do not answer, within an hour and within a day. Some of a large swarm
/// sit in one network, and some of them are always gone.
const OF_A_NETWORK: [u32; 2] = [16, 64];
/// The same of all networks together.
const OF_ALL: [u32; 2] = [256, 2_048];
const HOUR_AND_DAY: [Duration; 2] = [Duration::from_secs(3_600), Duration::from_secs(24 * 3_600)];
/// Keys that failed and are remembered. Before all failures of a key fade, fewer addresses than this are dialed in vain,
/// so that nothing is gained by failing under many keys.
const MAX_KEYS: usize = OF_ALL[1] as usize;

/// The addresses of a passed-on offer that may be dialed, in order; `from` is how far whoever passed it on can be
/// reached itself. It names nothing that is nearer than that: an address of the inside makes no sense outside, and there
/// it would be somebody else's. The same where an offer names an address that everybody can reach.
pub(super) fn hearsay(addresses: &[SocketAddr], from: Scope) -> Vec<SocketAddr> {
    let scope = |address: &SocketAddr| Scope::of(address.ip());
    let furthest = addresses.iter().map(scope).max();
    let least = if furthest == Some(Scope::Public) { Scope::Public } else { from };
    let mut meant: Vec<SocketAddr> = addresses.iter().copied().filter(|at| scope(at) >= least).collect();
    // Where IPv6 leads nowhere IPv4 may, and the reverse.
    let is_v4 = meant.first().is_some_and(SocketAddr::is_ipv4);
    if let Some(other) = meant.iter().position(|at| at.is_ipv4() != is_v4).filter(|&other| other > 1) {
        meant.swap(1, other);
    }
    meant.truncate(OF_AN_OFFER);
    meant
}

/// Counts within an hour and within a day, from the first on.
#[derive(Debug, Clone, Copy, Default)]
struct Counts([(Time, u32); 2]);

impl Counts {
    fn is_within(&self, now: Time, most: [u32; 2]) -> bool {
        let spans = self.0.iter().zip(HOUR_AND_DAY).zip(most);
        spans.into_iter().all(|((&(since, count), span), most)| count < most || now.since(since) >= span)
    }

    fn add(&mut self, now: Time) {
        for ((since, count), span) in self.0.iter_mut().zip(HOUR_AND_DAY) {
            if *count == 0 || now.since(*since) >= span {
                (*since, *count) = (now, 0);
            }
            *count += 1;
        }
    }

    fn take_back(&mut self) {
        self.0.iter_mut().for_each(|(_, count)| *count = count.saturating_sub(1));
    }

    fn is_over(&self, now: Time) -> bool {
        let [_, (since, count)] = self.0;
        count == 0 || now.since(since) >= HOUR_AND_DAY[1]
    }
}

/// What was dialed on hearsay and did not answer.
#[derive(Debug, Default)]
pub(super) struct Reach {
    networks: BTreeMap<Network, Counts>,
    all: Counts,
    /// Failed dials of each key, and when the last of them failed.
    failed: BTreeMap<PeerId, (u32, Time)>,
}

impl Reach {
    /// Takes one dial of an address out of what its network and all together may have; whether there is one.
    pub(super) fn take(&mut self, now: Time, address: SocketAddr) -> bool {
        let network = Site::of(address.ip()).network();
        let counts = self.networks.get(&network).copied().unwrap_or_default();
        if !counts.is_within(now, OF_A_NETWORK) || !self.all.is_within(now, OF_ALL) {
            return false;
        }
        if self.networks.len() >= MAX_KEYS {
            self.networks.retain(|_, counts| !counts.is_over(now));
        }
        self.networks.entry(network).or_default().add(now);
        self.all.add(now);
        true
    }

    /// The peer was there, or the address was not dialed after all.
    pub(super) fn give_back(&mut self, address: SocketAddr) {
        if let Some(counts) = self.networks.get_mut(&Site::of(address.ip()).network()) {
            counts.take_back();
            self.all.take_back();
        }
    }

    /// A dial of this key, which nobody but peers named, came to nothing `times` as much as one.
    pub(super) fn failed(&mut self, now: Time, peer: PeerId, times: u32) {
        if self.failed.len() >= MAX_KEYS && !self.failed.contains_key(&peer) {
            let oldest = self.failed.iter().min_by_key(|&(&peer, &(_, since))| (since, peer));
            let oldest = oldest.map(|(&peer, _)| peer);
            oldest.and_then(|peer| self.failed.remove(&peer));
        }
        let before = self.failures(now, peer);
        self.failed.insert(peer, (before.saturating_add(times).min(MAX_FAILURES), now));
    }

    /// Dials of this key that failed; one less for each hour since.
    pub(super) fn failures(&self, now: Time, peer: PeerId) -> u32 {
        self.failed.get(&peer).map_or(0, |&(count, last)| {
            let faded = now.since(last).as_secs() / FADES.as_secs();
            count.saturating_sub(u32::try_from(faded).unwrap_or(u32::MAX))
        })
    }

    /// The key was there.
    pub(super) fn forgive(&mut self, peer: PeerId) {
        self.failed.remove(&peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Vec<SocketAddr> {
        text.split_whitespace().map(|address| address.parse().unwrap()).collect()
    }

    fn after(seconds: u64) -> Time {
        Time::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn h4_of_an_offer_two_addresses_are_meant_and_none_that_is_nearer_than_who_passed_it_on() {
        let of = |addresses: &str, from| hearsay(&at(addresses), from);
        let public = "8.8.8.8:1 8.8.8.8:2 9.9.9.9:1 [2001:db8::1]:1 8.8.4.4:1";
        assert_eq!(of(public, Scope::Public), at("8.8.8.8:1 [2001:db8::1]:1"));
        assert_eq!(of("8.8.8.8:1 8.8.8.8:2 9.9.9.9:1", Scope::Loopback), at("8.8.8.8:1 8.8.8.8:2"));
        let near =
            "127.0.0.1:1 169.254.0.1:1 10.0.0.1:1 100.64.0.1:1 [fe80::1]:1 [fd00::1]:1 [::1]:1 192.168.0.1:1";
        assert_eq!(of(near, Scope::Public), []);
        assert_eq!(of(near, Scope::Private), at("10.0.0.1:1 [fd00::1]:1"));
        assert_eq!(of("127.0.0.1:1 169.254.0.1:1", Scope::Link), at("169.254.0.1:1"));
        assert_eq!(of("127.0.0.1:1 127.0.0.1:2", Scope::Loopback), at("127.0.0.1:1 127.0.0.1:2"));
        // An offer that names both is of a peer that everybody can reach, whoever brings it.
        for from in [Scope::Loopback, Scope::Private, Scope::Public] {
            assert_eq!(of("10.0.0.1:1 127.0.0.1:1 8.8.8.8:1", from), at("8.8.8.8:1"));
        }
    }

    #[test]
    fn h4_a_network_is_dialed_in_vain_so_often_an_hour_and_a_day_over_all_of_its_addresses() {
        let mut reach = Reach::default();
        let victim = |n: u32| SocketAddr::from(([203, 0, 113, n as u8], 9));
        let dialed = |reach: &mut Reach, now| (0..500).filter(|&n| reach.take(now, victim(n))).count();
        let [hour, day] = OF_A_NETWORK.map(|most| most as usize);
        assert_eq!(dialed(&mut reach, after(0)), hour);
        assert!(reach.take(after(0), SocketAddr::from(([203, 0, 114, 1], 9))), "another network");
        let all: usize = (1..24 * 60).map(|minute| dialed(&mut reach, after(60 * minute))).sum();
        assert_eq!(hour + all, day);
        assert_eq!(dialed(&mut reach, after(24 * 3_600)), hour);
        // Who is there is not counted.
        let mut reach = Reach::default();
        for n in 0..1_000 {
            assert!(reach.take(after(0), victim(n)));
            reach.give_back(victim(n));
        }
    }

    #[test]
    fn h4_i6_all_networks_together_have_a_bound_and_so_has_the_table() {
        let mut reach = Reach::default();
        let network = |n: u32| SocketAddr::from(([100, (n >> 8) as u8, n as u8, 1], 9));
        let dialed: usize = (0..200)
            .map(|hour| (0..5_000).filter(|&n| reach.take(after(3_600 * hour), network(n))).count())
            .sum();
        let days = 200_usize.div_ceil(24);
        assert!(dialed <= days * OF_ALL[1] as usize, "{dialed}");
        assert!(reach.networks.len() <= 2 * MAX_KEYS, "{}", reach.networks.len());
    }

    #[test]
    fn h4_a_key_that_failed_is_remembered_for_hours_whatever_other_keys_do() {
        let mut reach = Reach::default();
        let key = |n: u32| {
            let mut key = [1; 32];
            key[..4].copy_from_slice(&n.to_le_bytes());
            PeerId(key)
        };
        for _ in 0..9 {
            reach.failed(after(1), key(0), 1);
        }
        // More than can fail before all of that has faded.
        for n in 1..=(5 * OF_ALL[0]) {
            reach.failed(after(2), key(n), 1);
        }
        let failures = [3_600, 3_601, 7_201, 5 * 3_600 + 1].map(|at| reach.failures(after(at), key(0)));
        assert_eq!(failures, [5, 4, 3, 0]);
        for n in 0..10_000 {
            reach.failed(after(3), key(n), MAX_FAILURES);
        }
        assert_eq!(reach.failed.len(), MAX_KEYS);
        reach.forgive(key(9_999));
        assert_eq!(reach.failures(after(4), key(9_999)), 0);
    }
}
