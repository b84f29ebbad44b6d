//! Limits for addresses that other peers name: those of passed-on offers (peer exchange, PEX), and of introductions.
//!
//! The signer of an offer chooses the addresses in it, and keys are free. Without limits over all offers, one attacker
//! could make every member of a swarm send to a victim's address for ever. Addresses that the user named are not counted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::PeerId;

use super::budget::{Budget, DAY, HOUR};
use super::site::{Network, Scope, Site};
use super::time::Time;

/// Addresses of one offer that are dialed.
const OF_AN_OFFER: usize = 2;
/// Failed dials of a key from passed-on offers; after these it is dialed at most once in the time in which one fades.
pub(super) const MAX_FAILURES: u32 = 5;
const FADES: Duration = HOUR;
/// Addresses of one network that were tried and did not answer, within an hour and within a day: those of passed-on offers, and of
/// meetings that others asked for. Some members of a large swarm share a network, and some of these are always gone.
const OF_A_NETWORK: [u32; 2] = [12, 48];
/// The same with the meetings that we asked for, so that what others say of a network keeps no peer of it from being met.
const OF_A_NETWORK_ASKED: [u32; 2] = [16, 64];
/// The same in all networks together.
const OF_ALL: [u32; 2] = [256, 2_048];
/// The part of one bringer in the limits of a network, so that two do not close it to what others say; and the same with what it
/// says when asked.
const OF_A_NETWORK_BY_ONE: [u32; 2] = [6, 24];
const OF_A_NETWORK_BY_ONE_ASKED: [u32; 2] = [7, 28];
/// Of these, for whoever brings an address first. The rest is kept for those who come later.
const OF_THE_FIRST: [u32; 2] = [OF_ALL[0] / 2, OF_ALL[1] / 2];
/// The part of one bringer in the rest, and again as much for what it says when asked: its guests' offers, which it passes on as
/// they are, leave room for its own word. So it takes bringers in eight networks to use up the hour of all others.
const OF_A_BRINGER: [u32; 2] = [OF_THE_FIRST[0] / 16, OF_THE_FIRST[1] / 16];
/// Most keys whose failed dials are remembered. Before all failures of a key fade, fewer addresses than this are dialed
/// in vain, so that an attacker gains nothing by failing under many keys.
const MAX_KEYS: usize = OF_ALL[1] as usize;

/// Returns the addresses of a passed-on offer that may be dialed, in order. `from` is the scope of the member that passed
/// it on: addresses of a narrower scope are dropped, since from here they would lead to another host. If the offer names
/// a public address, all others are dropped.
pub(super) fn pex_addresses(addresses: &[SocketAddr], from: Scope) -> Vec<SocketAddr> {
    let scope = |address: &SocketAddr| Scope::of(address.ip());
    let furthest = addresses.iter().map(scope).max();
    let least = if furthest == Some(Scope::Public) { Scope::Public } else { from };
    let mut meant: Vec<SocketAddr> = addresses.iter().copied().filter(|at| scope(at) >= least).collect();
    // Where IPv6 leads nowhere, IPv4 may, and the reverse: the second address is of the other version, if there is one.
    let is_v4 = meant.first().is_some_and(SocketAddr::is_ipv4);
    if let Some(other) = meant.iter().position(|at| at.is_ipv4() != is_v4).filter(|&other| other > 1) {
        meant.swap(1, other);
    }
    meant.truncate(OF_AN_OFFER);
    meant
}

/// Who brings an address: a member in this network; `None`: the user's own lists, and what was found without a member.
pub(super) type BroughtBy = Option<Network>;

/// Who says that a peer is at an address.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    /// An offer, or a member that we did not ask.
    Unasked(BroughtBy),
    /// A member in this network, which we asked for this very peer.
    Asked(Network),
}

impl Told {
    /// Who says it, and whether it was asked.
    fn by(self) -> (BroughtBy, bool) {
        match self {
            Self::Unasked(by) => (by, false),
            Self::Asked(by) => (Some(by), true),
        }
    }
}

/// Addresses that were tried because others named them, and did not answer. Keys are free, and networks are not: so they are counted
/// by where they led, and by the network of whoever brought the address. No one uses up what others need.
#[derive(Debug)]
pub(super) struct Reach {
    networks: Budget<Network, 2>,
    bringers: Budget<(BroughtBy, bool), 2>,
    /// By the network of a member that brought an address, and the network that it led to.
    pairs: Budget<(Network, Network), 2>,
    /// Beyond the parts of the bringers.
    first: Budget<(), 2>,
    all: Budget<(), 2>,
    /// Failed dials of each key, and the time of the last.
    failed: BTreeMap<PeerId, (u32, Time)>,
}

impl Default for Reach {
    fn default() -> Self {
        let hour_and_day = [HOUR, DAY];
        Self {
            networks: Budget::new(hour_and_day, MAX_KEYS),
            bringers: Budget::new(hour_and_day, MAX_KEYS),
            pairs: Budget::new(hour_and_day, MAX_KEYS),
            first: Budget::new(hour_and_day, 1),
            all: Budget::new(hour_and_day, 1),
            failed: BTreeMap::new(),
        }
    }
}

impl Reach {
    /// Counts a try of the address against its network, its bringer and all together; returns false if a limit is reached.
    pub(super) fn take(&mut self, now: Time, told: Told, address: SocketAddr) -> bool {
        let (by, is_asked) = told.by();
        let (of_a_network, by_one) = if is_asked {
            (OF_A_NETWORK_ASKED, OF_A_NETWORK_BY_ONE_ASKED)
        } else {
            (OF_A_NETWORK, OF_A_NETWORK_BY_ONE)
        };
        let at = Site::of(address.ip()).network();
        let is_own = self.bringers.may(now, (by, is_asked), OF_A_BRINGER);
        let pair = by.map(|by| (by, at));
        let may = self.networks.may(now, at, of_a_network)
            && pair.is_none_or(|pair| self.pairs.may(now, pair, by_one))
            && self.all.may(now, (), OF_ALL)
            && (is_own || self.first.may(now, (), OF_THE_FIRST));
        if may {
            self.networks.add(now, at);
            if let Some(pair) = pair {
                self.pairs.add(now, pair);
            }
            self.bringers.add(now, (by, is_asked));
            self.all.add(now, ());
            if !is_own {
                self.first.add(now, ());
            }
        }
        may
    }

    /// Takes back the count of a try: the peer answered, or the address was not tried after all.
    pub(super) fn give_back(&mut self, now: Time, told: Told, address: SocketAddr) {
        let (by, is_asked) = told.by();
        let at = Site::of(address.ip()).network();
        if self.networks.give_back(at) {
            if let Some(by) = by {
                self.pairs.give_back((by, at));
            }
            self.all.give_back(());
            self.bringers.give_back((by, is_asked));
            // Beyond its part it was counted for the first as well.
            if !self.bringers.may(now, (by, is_asked), OF_A_BRINGER) {
                self.first.give_back(());
            }
        }
    }

    /// Counts a failed dial of a key that is known from passed-on offers alone, as `times` dials.
    pub(super) fn failed(&mut self, now: Time, peer: PeerId, times: u32) {
        if self.failed.len() >= MAX_KEYS && !self.failed.contains_key(&peer) {
            let oldest = self.failed.iter().min_by_key(|&(&peer, &(_, since))| (since, peer));
            let oldest = oldest.map(|(&peer, _)| peer);
            oldest.and_then(|peer| self.failed.remove(&peer));
        }
        let before = self.failures(now, peer);
        self.failed.insert(peer, (before.saturating_add(times).min(MAX_FAILURES), now));
    }

    /// Failed dials of the key, less one for each hour since the last.
    pub(super) fn failures(&self, now: Time, peer: PeerId) -> u32 {
        self.failed.get(&peer).map_or(0, |&(count, last)| {
            let faded = now.since(last).as_secs() / FADES.as_secs();
            count.saturating_sub(u32::try_from(faded).unwrap_or(u32::MAX))
        })
    }

    /// Forgets the failures of a key that answered.
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

    // Rows: H4
    #[test]
    fn passed_on_offer_counts_two_addresses_none_nearer_than_sender() {
        let of = |addresses: &str, from| pex_addresses(&at(addresses), from);
        let public = "8.8.8.8:1 8.8.8.8:2 9.9.9.9:1 [2001:db8::1]:1 8.8.4.4:1";
        assert_eq!(of(public, Scope::Public), at("8.8.8.8:1 [2001:db8::1]:1"));
        assert_eq!(of("8.8.8.8:1 8.8.8.8:2 9.9.9.9:1", Scope::Loopback), at("8.8.8.8:1 8.8.8.8:2"));
        let near =
            "127.0.0.1:1 169.254.0.1:1 10.0.0.1:1 100.64.0.1:1 [fe80::1]:1 [fd00::1]:1 [::1]:1 192.168.0.1:1";
        assert_eq!(of(near, Scope::Public), []);
        assert_eq!(of(near, Scope::Private), at("10.0.0.1:1 [fd00::1]:1"));
        assert_eq!(of("127.0.0.1:1 169.254.0.1:1", Scope::Link), at("169.254.0.1:1"));
        assert_eq!(of("127.0.0.1:1 127.0.0.1:2", Scope::Loopback), at("127.0.0.1:1 127.0.0.1:2"));
        // An offer with both kinds is from a publicly reachable peer, whichever member passed it on.
        for from in [Scope::Loopback, Scope::Private, Scope::Public] {
            assert_eq!(of("10.0.0.1:1 127.0.0.1:1 8.8.8.8:1", from), at("8.8.8.8:1"));
        }
    }

    // Rows: H4
    #[test]
    fn failed_dials_to_one_network_are_limited_per_hour_and_day() {
        let mut reach = Reach::default();
        let victim = |n: u32| SocketAddr::from(([203, 0, 113, n as u8], 9));
        let dialed = |reach: &mut Reach, now| {
            (0..500).filter(|&n| reach.take(now, Told::Unasked(None), victim(n))).count()
        };
        let [hour, day] = OF_A_NETWORK.map(|most| most as usize);
        assert_eq!(dialed(&mut reach, after(0)), hour);
        assert!(
            reach.take(after(0), Told::Unasked(None), SocketAddr::from(([203, 0, 114, 1], 9))),
            "another network"
        );
        let all: usize = (1..24 * 60).map(|minute| dialed(&mut reach, after(60 * minute))).sum();
        assert_eq!(hour + all, day);
        assert_eq!(dialed(&mut reach, after(24 * 3_600)), hour);
        // One that we ask for finds something left.
        let asked = Told::Asked(Site::of([8, 8, 8, 8].into()).network());
        let met = (0..500).filter(|&n| reach.take(after(24 * 3_600), asked, victim(n))).count();
        assert_eq!(met, (OF_A_NETWORK_ASKED[0] - OF_A_NETWORK[0]) as usize);
        // Dials of peers that answer are not counted.
        let mut reach = Reach::default();
        for n in 0..1_000 {
            assert!(reach.take(after(0), Told::Unasked(None), victim(n)));
            reach.give_back(after(0), Told::Unasked(None), victim(n));
        }
    }

    // Rows: H4, I6
    #[test]
    fn all_networks_together_have_a_bound_and_so_has_the_table() {
        let mut reach = Reach::default();
        let network = |n: u32| SocketAddr::from(([100, (n >> 8) as u8, n as u8, 1], 9));
        let by = |n: u32| Some(Site::of(network(n % 100).ip()).network());
        let dialed: usize = (0..200)
            .map(|hour| {
                (0..5_000)
                    .filter(|&n| reach.take(after(3_600 * hour), Told::Unasked(by(n)), network(n)))
                    .count()
            })
            .sum();
        let days = 200_usize.div_ceil(24);
        assert!(dialed <= days * OF_ALL[1] as usize, "{dialed}");
        assert!(reach.networks.count() <= MAX_KEYS, "{}", reach.networks.count());
    }

    // Rows: B19, H4
    #[test]
    fn no_bringer_uses_up_the_part_of_another() {
        let mut reach = Reach::default();
        let by = |n: u8| Some(Site::of([8, n, 8, 8].into()).network());
        let address =
            |bringer: u8, n: u32| SocketAddr::from(([100 + bringer, (n >> 8) as u8, n as u8, 1], 9));
        let mut take = |bringer, now| {
            (0..1_000)
                .filter(|&n| reach.take(after(now), Told::Unasked(by(bringer)), address(bringer, n)))
                .count()
        };
        let [first, part] = [OF_THE_FIRST, OF_A_BRINGER].map(|[hour, _]| hour as usize);
        // The first takes half of all, and each of the others has its own part.
        assert_eq!([0, 0, 1, 2].map(|bringer| take(bringer, 0)), [part + first, 0, part, part]);
        assert_eq!(
            (3..100).map(|bringer| take(bringer, 0)).sum::<usize>(),
            OF_ALL[0] as usize - first - 3 * part
        );
        // An hour later its own part of the day is used up as well.
        assert_eq!(take(0, 3_600), first);
        // Of one that answers, nothing is used up.
        let mut reach = Reach::default();
        for n in 0..1_000 {
            assert!(reach.take(after(0), Told::Unasked(by(0)), address(0, n)));
            reach.give_back(after(0), Told::Unasked(by(0)), address(0, n));
        }
        assert!((0..OF_THE_FIRST[0]).all(|n| reach.take(after(0), Told::Unasked(by(1)), address(1, n))));
    }

    // Rows: H4
    #[test]
    fn failed_key_is_remembered_for_hours_whatever_other_keys_do() {
        let mut reach = Reach::default();
        let key = |n: u32| {
            let mut key = [1; 32];
            key[..4].copy_from_slice(&n.to_le_bytes());
            PeerId(key)
        };
        for _ in 0..9 {
            reach.failed(after(1), key(0), 1);
        }
        // More keys than can fail before these failures have faded.
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
