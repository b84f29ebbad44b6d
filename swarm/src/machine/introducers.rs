//! Members that introduce peers to us: how much is sent because they say so, and to what it led.
//!
//! Keys cost nothing, and networks do: so what counts is in whose network the member is that gave its word, and where it had packets
//! sent. One that lies uses up its own part.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::budget::{Budget, HOUR, MINUTE};
use super::reach::{Reach, Told};
use super::site::{Network, Site};
use super::time::Time;

/// Meetings that this side did not ask for, by the word of one network's members, within a minute.
pub(super) const UNASKED: u32 = 8;
/// Of these with peers of one network, within a minute and, as long as they do not come, within an hour.
pub(super) const UNASKED_AT_A_NETWORK: [u32; 2] = [2, 6];
/// Meetings at one site within ten minutes, those where the peer answered as well: its other ports may belong to other users.
pub(super) const AT_A_SITE: u32 = 32;
const LATELY: Duration = Duration::from_secs(600);
/// Most networks and sites that are remembered.
const MOST: usize = 512;
/// Meetings that are remembered for or against members of a network.
const MOST_COUNTED: i8 = 3;

/// What members of each network brought about.
#[derive(Debug)]
pub(super) struct Introducers {
    unasked: Budget<Network>,
    /// By the network of the member and that of the peer.
    unasked_at: Budget<(Network, Network), 2>,
    sites: Budget<Site>,
    scores: BTreeMap<Network, i8>,
}

impl Default for Introducers {
    fn default() -> Self {
        Self {
            unasked: Budget::new([MINUTE], MOST),
            unasked_at: Budget::new([MINUTE, HOUR], MOST),
            sites: Budget::new([LATELY], MOST),
            scores: BTreeMap::new(),
        }
    }
}

/// A meeting by the word of a member.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) addresses: Vec<SocketAddr>,
    is_asked: bool,
    pub(super) by: Network,
}

impl Counted {
    fn told(&self) -> Told {
        if self.is_asked { Told::Asked(self.by) } else { Told::Unasked(Some(self.by)) }
    }
}

impl Introducers {
    /// Counts a meeting by the word of a member in the network `by`, asked for this very peer or not, and returns it with those of
    /// its addresses that may be sent to; `None` if there are none.
    pub(super) fn take(
        &mut self,
        reach: &mut Reach,
        now: Time,
        (by, is_asked): (Network, bool),
        addresses: &[SocketAddr],
    ) -> Option<Counted> {
        let site = Site::of(addresses.first()?.ip());
        let at = site.network();
        let may = is_asked
            || (self.unasked.may(now, by, [UNASKED])
                && self.unasked_at.may(now, (by, at), UNASKED_AT_A_NETWORK));
        if !may || !self.sites.may(now, site, [AT_A_SITE]) {
            return None;
        }
        let mut counted = Counted { addresses: addresses.to_vec(), is_asked, by };
        let told = counted.told();
        counted.addresses.retain(|&at| reach.take(now, told, at));
        if counted.addresses.is_empty() {
            return None;
        }
        self.sites.add(now, site);
        if !is_asked {
            self.unasked.add(now, by);
            self.unasked_at.add(now, (by, at));
        }
        Some(counted)
    }

    /// Notes that the peer is connected from or at `site`. What was sent elsewhere stays counted: it may have gone to a host that has
    /// nothing to do with the peer.
    pub(super) fn led_to_a_peer(&mut self, reach: &mut Reach, now: Time, counted: &Counted, site: Site) {
        let there = counted.addresses.iter().filter(|address| Site::of(address.ip()) == site);
        for &address in there.clone() {
            reach.give_back(now, counted.told(), address);
        }
        if there.count() == 0 {
            self.led_to_nothing(counted.by);
            return;
        }
        if !counted.is_asked {
            self.unasked_at.give_back((counted.by, site.network()));
        }
        let score = self.score_mut(counted.by);
        *score = (*score).clamp(0, MOST_COUNTED - 1) + 1;
    }

    /// Notes that a member's word led to nothing, or that it gave none.
    pub(super) fn led_to_nothing(&mut self, by: Network) {
        let score = self.score_mut(by);
        *score = (*score - 1).max(-MOST_COUNTED);
    }

    /// How often the word of this network's members led to a peer lately; below zero: how often it did not.
    pub(super) fn score(&self, by: Network) -> i8 {
        self.scores.get(&by).copied().unwrap_or(0)
    }

    fn score_mut(&mut self, by: Network) -> &mut i8 {
        if self.scores.len() >= MOST && !self.scores.contains_key(&by) {
            self.scores.clear();
        }
        self.scores.entry(by).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Time {
        Time::after_start(Duration::from_secs(second))
    }

    fn network(n: u8) -> Network {
        Site::of([8, 8, n, 8].into()).network()
    }

    fn address(n: u32, port: u16) -> SocketAddr {
        let [_, b, c, d] = n.to_be_bytes();
        SocketAddr::from(([11, b, c, d], port))
    }

    #[derive(Default)]
    struct Both(Introducers, Reach);

    impl Both {
        fn meet(&mut self, second: u64, by: (u8, bool), address: SocketAddr) -> Option<Counted> {
            self.0.take(&mut self.1, at(second), (network(by.0), by.1), &[address])
        }

        /// How many of these meetings take place.
        fn taken(&mut self, second: u64, by: (u8, bool), at: impl Iterator<Item = SocketAddr>) -> usize {
            at.filter(|&address| self.meet(second, by, address).is_some()).count()
        }
    }

    // Rows: H14
    #[test]
    fn words_of_one_network_leave_those_of_others_alone() {
        let mut both = Both::default();
        let hosts = |from: u32| (from..from + 50).map(|n| address(n << 8, 1));
        for by in 1..4 {
            assert_eq!(both.taken(5, (by, false), hosts(100 * u32::from(by))), UNASKED as usize);
        }
        // Where it had them sent before, another one is heard all the same.
        assert_eq!(both.taken(5, (4, false), hosts(100)), UNASKED as usize);
        assert_eq!(both.taken(5, (5, true), hosts(500)), 50);
    }

    // Rows: H14
    #[test]
    fn keys_of_one_host_leave_meetings_to_those_of_others() {
        let mut both = Both::default();
        let at_one = |from: u16| (from..from + 50).map(|port| address(7, port));
        let [minute, hour] = UNASKED_AT_A_NETWORK.map(|most| most as usize);
        assert_eq!(both.taken(5, (1, false), at_one(1_000)), minute);
        // What was refused counts for nothing.
        assert_eq!(both.taken(5, (1, false), (1..50).map(|n| address(n << 8, 1))), UNASKED as usize - minute);
        let all: usize = (1..50).map(|n| both.taken(5 + 60 * n, (1, false), at_one(2_000))).sum();
        assert_eq!(minute + all, hour);
        assert!(both.meet(5, (2, false), address(7, 3_000)).is_some());
    }

    // Rows: H14
    #[test]
    fn liar_of_one_network_leaves_packets_of_the_hour_to_others() {
        for is_asked in [false, true] {
            let mut both = Both::default();
            let mut lies = |by: u8| -> usize {
                let hosts = |minute: u32| (0..9).map(move |host| address((minute * 9 + host) << 8, 1));
                (0..59).map(|minute| both.taken(60 * u64::from(minute), (by, is_asked), hosts(minute))).sum()
            };
            // Half of all is for the first, and a part is its own.
            assert_eq!(lies(1), 128 + 8);
            assert!(both.meet(59 * 60, (2, is_asked), address(0xff_0000, 1)).is_some());
        }
    }

    // Rows: H14
    #[test]
    fn only_where_peer_answered_is_given_back_and_of_a_site_little() {
        let meetings = |is_asked, answers_at: u32| {
            let mut both = Both::default();
            let mut meet = |n: u16| {
                let counted = both.meet(5, (1, is_asked), address(7, 1_000 + n));
                let site = Site::of(address(answers_at, 1).ip());
                counted.map(|counted| both.0.led_to_a_peer(&mut both.1, at(5), &counted, site)).is_some()
            };
            (0..100).filter(|&n| meet(n)).count()
        };
        assert_eq!(meetings(true, 7), AT_A_SITE as usize);
        assert_eq!(meetings(true, 0xff_0000), 7);
        assert_eq!(meetings(false, 7), UNASKED as usize);
    }

    // Rows: H14
    #[test]
    fn score_follows_whether_peers_come() {
        let mut both = Both::default();
        let mut scores = Vec::new();
        for answers_at in [0x10, 0x10, 0x10, 0x100, 7, 7, 7, 7, 7] {
            let counted = both.meet(5, (1, true), address(7, 1)).unwrap();
            both.0.led_to_a_peer(&mut both.1, at(5), &counted, Site::of(address(answers_at, 1).ip()));
            scores.push(both.0.score(network(1)));
        }
        assert_eq!(scores, [-1, -2, -3, -3, 1, 2, 3, 3, 3]);
        assert_eq!(both.0.score(network(2)), 0);
    }
}
