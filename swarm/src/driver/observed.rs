//! What other members see of this node: from which address its packets come, and whether one came through unasked.
//!
//! A member may lie. So an address counts once two members in different networks name it, and more than any other; and a
//! node is called reachable by what reached it alone, not by what somebody says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use minimodel_wire::PeerId;

use crate::machine::{Network, Scope, Site, Time};

/// Most members whose word is kept, of each address family. The oldest word gives way.
const MOST_WITNESSES: usize = 64;
/// How long a word counts: translators give a silent mapping to others.
const FADES: Duration = Duration::from_secs(3_600);
/// Most sites that are remembered as dialed. Beyond them no visit counts as unasked.
const MOST_DIALED: usize = 4_096;

/// How the way between this node and the public Internet translates its address, of one address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Translation {
    /// Too few members in different networks said what they see.
    #[default]
    Unknown,
    /// Not at all: members see an address of this machine.
    None(SocketAddr),
    /// Members see the same address whichever they are (endpoint-independent mapping, RFC 4787 section 4.1).
    Same(SocketAddr),
    /// Each member sees another address (address- or port-dependent mapping): no offer can name one.
    Varies,
}

impl Translation {
    /// The address at which members see this node.
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Self::None(address) | Self::Same(address) => Some(address),
            Self::Unknown | Self::Varies => None,
        }
    }
}

/// A peer that came from the public Internet although nothing was ever sent there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// The peer.
    pub peer: PeerId,
    /// Where it came from.
    pub from: SocketAddr,
    /// When, in seconds since 1970.
    pub unix: u64,
}

/// How far this node can be reached, as far as other members have shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// The translation of its IPv4 address.
    pub ipv4: Translation,
    /// The translation of its IPv6 address.
    pub ipv6: Translation,
    /// The last peer that came by IPv4 unasked.
    pub visit_ipv4: Option<Visit>,
    /// The last peer that came by IPv6 unasked.
    pub visit_ipv6: Option<Visit>,
}

/// The word of one member.
#[derive(Debug, Clone, Copy)]
struct Word {
    address: SocketAddr,
    at: Time,
}

/// The words of members, by the network of each, so that one user is one witness.
#[derive(Debug, Default)]
struct Words(BTreeMap<Network, Word>);

impl Words {
    fn note(&mut self, now: Time, from: Network, address: SocketAddr) {
        if self.0.len() >= MOST_WITNESSES && !self.0.contains_key(&from) {
            let oldest = self.0.iter().min_by_key(|(_, word)| word.at).map(|(&network, _)| network);
            oldest.and_then(|network| self.0.remove(&network));
        }
        self.0.insert(from, Word { address, at: now });
    }

    fn translation(&self, now: Time, own: &[SocketAddr]) -> Translation {
        let mut counts: BTreeMap<SocketAddr, usize> = BTreeMap::new();
        for word in self.0.values().filter(|word| now.since(word.at) < FADES) {
            *counts.entry(word.address).or_default() += 1;
        }
        let mut by_count: Vec<(usize, SocketAddr)> =
            counts.into_iter().map(|(address, count)| (count, address)).collect();
        by_count.sort_by_key(|&(count, _)| std::cmp::Reverse(count));
        match by_count[..] {
            [] | [(1, _)] => Translation::Unknown,
            [(1, _), ..] => Translation::Varies,
            [(most, _), (second, _), ..] if most == second => Translation::Unknown,
            [(_, address), ..] if own.contains(&address) => Translation::None(address),
            [(_, address), ..] => Translation::Same(address),
        }
    }
}

/// Everything that members have shown of this node; all of its sessions add to it.
#[derive(Debug, Default)]
struct Book {
    ipv4: Words,
    ipv6: Words,
    /// The addresses of this machine, with the node's port.
    own: Vec<SocketAddr>,
    dialed: BTreeSet<Site>,
    visit_ipv4: Option<Visit>,
    visit_ipv6: Option<Visit>,
}

/// What members have shown of a node. Its sessions, its dialer and its listener share it.
#[derive(Debug)]
pub(super) struct Observations {
    start: Instant,
    book: Mutex<Book>,
}

impl Default for Observations {
    fn default() -> Self {
        Self { start: Instant::now(), book: Mutex::default() }
    }
}

impl Observations {
    /// The time since the node was opened, which all of its sessions go by here.
    pub(super) fn now(&self) -> Time {
        Time::after_start(self.start.elapsed())
    }

    /// Notes the address at which a member sees this node. Counts only between public addresses of one family. Returns true
    /// if the addresses at which members see this node are others now.
    pub(super) fn note(&self, now: Time, witness: SocketAddr, address: SocketAddr) -> bool {
        let (witness, ip) = (witness.ip().to_canonical(), address.ip());
        let is_public = |ip: IpAddr| Scope::of(ip) == Scope::Public;
        if !is_public(witness) || !is_public(ip) || witness.is_ipv4() != ip.is_ipv4() {
            return false;
        }
        let mut book = self.lock();
        let Book { ipv4, ipv6, own, .. } = &mut *book;
        let words = if ip.is_ipv4() { ipv4 } else { ipv6 };
        let before = words.translation(now, own).address();
        words.note(now, Site::of(witness).network(), address);
        words.translation(now, own).address() != before
    }

    /// Notes the addresses of this machine, with the node's port.
    pub(super) fn set_own(&self, own: Vec<SocketAddr>) {
        self.lock().own = own;
    }

    /// Notes that a packet is about to be sent to this address, unasked.
    pub(super) fn dialed(&self, address: SocketAddr) {
        let mut book = self.lock();
        if book.dialed.len() < MOST_DIALED {
            book.dialed.insert(Site::of(address.ip()));
        }
    }

    /// Notes that a peer came from this address, and proved it.
    pub(super) fn came(&self, peer: PeerId, from: SocketAddr, unix: u64) {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let mut book = self.lock();
        let is_asked = book.dialed.len() >= MOST_DIALED || book.dialed.contains(&Site::of(from.ip()));
        if is_asked || Scope::of(from.ip()) != Scope::Public {
            return;
        }
        let visit = if from.is_ipv4() { &mut book.visit_ipv4 } else { &mut book.visit_ipv6 };
        *visit = Some(Visit { peer, from, unix });
    }

    /// Sums it up.
    pub(super) fn reach(&self, now: Time) -> Reach {
        let book = self.lock();
        Reach {
            ipv4: book.ipv4.translation(now, &book.own),
            ipv6: book.ipv6.translation(now, &book.own),
            visit_ipv4: book.visit_ipv4,
            visit_ipv6: book.visit_ipv6,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "192.168.1.7:4433";
    const MAPPED: &str = "8.8.4.4:61000";

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn after(seconds: u64) -> Time {
        Time::after_start(Duration::from_secs(seconds))
    }

    /// What follows from these words, each as `WITNESS=ADDRESS`.
    fn told(words: &str) -> Reach {
        let observations = Observations::default();
        for word in words.split_whitespace() {
            let (witness, address) = word.split_once('=').unwrap();
            observations.note(Time::ZERO, SocketAddr::new(witness.parse().unwrap(), 1), at(address));
        }
        observations.set_own(vec![at(OWN), at("[2001:db8::7]:4433")]);
        observations.reach(Time::ZERO)
    }

    // Rows: H13
    #[test]
    fn address_counts_when_members_in_two_networks_name_it() {
        assert_eq!(told("1.1.1.1=8.8.4.4:61000").ipv4, Translation::Unknown);
        let one_user = "1.1.1.1=8.8.4.4:61000 1.1.1.2=8.8.4.4:61000 1.1.1.1=8.8.4.4:61000";
        assert_eq!(told(one_user).ipv4, Translation::Unknown);
        let two = "1.1.1.1=8.8.4.4:61000 9.9.9.9=8.8.4.4:61000";
        assert_eq!(told(two).ipv4, Translation::Same(at(MAPPED)));
        let direct = "2001:db8:1::1=[2001:db8::7]:4433 2001:db8:2::1=[2001:db8::7]:4433";
        assert_eq!(told(direct).ipv6, Translation::None(at("[2001:db8::7]:4433")));
        assert_eq!(told(direct).ipv4, Translation::Unknown);
    }

    #[test]
    fn another_port_for_each_member_is_a_mapping_that_varies() {
        let reach = told("1.1.1.1=8.8.4.4:61000 9.9.9.9=8.8.4.4:61001");
        assert_eq!((reach.ipv4, reach.ipv4.address()), (Translation::Varies, None));
        assert_eq!(told("1.1.1.1=8.8.4.4:1 9.9.9.9=8.8.4.4:2 5.5.5.5=8.8.4.4:3").ipv4, Translation::Varies);
    }

    // Rows: H13
    #[test]
    fn lying_witnesses_need_to_be_more_than_honest_ones() {
        let honest = "1.1.1.1=8.8.4.4:61000 9.9.9.9=8.8.4.4:61000";
        assert_eq!(told(&format!("{honest} 5.5.5.5=6.6.6.6:53")).ipv4, Translation::Same(at(MAPPED)));
        let tie = format!("{honest} 5.5.5.5=6.6.6.6:53 4.4.4.4=6.6.6.6:53");
        assert_eq!(told(&tie).ipv4, Translation::Unknown);
        assert_eq!(told(&format!("{tie} 3.3.3.3=8.8.4.4:61000")).ipv4, Translation::Same(at(MAPPED)));
    }

    // Rows: H13
    #[test]
    fn words_of_private_addresses_or_another_family_do_not_count() {
        for words in [
            "10.0.0.1=8.8.4.4:61000 192.168.1.1=8.8.4.4:61000",
            "1.1.1.1=192.168.1.7:4433 9.9.9.9=192.168.1.7:4433",
            "1.1.1.1=127.0.0.1:1 9.9.9.9=127.0.0.1:1",
            "2001:db8:1::1=8.8.4.4:61000 2001:db8:2::1=8.8.4.4:61000",
        ] {
            assert_eq!(told(words), Reach::default(), "{words}");
        }
        // A socket of both families sees the IPv4 addresses of its peers in their IPv6 form.
        let mapped = "::ffff:1.1.1.1=8.8.4.4:61000 ::ffff:9.9.9.9=8.8.4.4:61000";
        assert_eq!(told(mapped).ipv4, Translation::Same(at(MAPPED)));
    }

    #[test]
    fn a_word_fades_after_an_hour_and_a_member_may_change_its_word() {
        let observations = Observations::default();
        let reach = |seconds| observations.reach(after(seconds)).ipv4;
        observations.note(after(0), at("1.1.1.1:1"), at(MAPPED));
        observations.note(after(1_800), at("9.9.9.9:1"), at(MAPPED));
        assert_eq!(reach(3_599), Translation::Same(at(MAPPED)));
        assert_eq!(reach(3_600), Translation::Unknown);
        for witness in ["1.1.1.1:1", "9.9.9.9:1"] {
            observations.note(after(4_000), at(witness), at("8.8.4.4:5"));
        }
        assert_eq!(reach(4_000), Translation::Same(at("8.8.4.4:5")));
    }

    // Rows: H13
    #[test]
    fn throwaway_witnesses_are_bounded_and_the_oldest_goes() {
        let observations = Observations::default();
        for second in 0..1_000_u32 {
            let [_, _, high, low] = second.to_be_bytes();
            let witness = SocketAddr::from(([1, high, low, 1], 1));
            observations.note(after(second.into()), witness, at(MAPPED));
        }
        let book = observations.lock();
        assert_eq!(book.ipv4.0.len(), MOST_WITNESSES);
        assert!(book.ipv4.0.values().all(|word| word.at >= after(1_000 - MOST_WITNESSES as u64)));
    }

    // Rows: H13
    #[test]
    fn only_a_public_peer_never_dialed_shows_that_we_are_reached() {
        let observations = Observations::default();
        let (peer, visits) = (PeerId([7; 32]), |observations: &Observations| {
            let reach = observations.reach(Time::ZERO);
            (reach.visit_ipv4.map(|visit| visit.unix), reach.visit_ipv6.map(|visit| visit.unix))
        });
        observations.dialed(at("9.9.9.9:4433"));
        observations.came(peer, at("9.9.9.9:5555"), 1);
        observations.came(peer, at("192.168.1.9:4433"), 2);
        observations.came(peer, at("127.0.0.1:4433"), 3);
        assert_eq!(visits(&observations), (None, None));
        observations.came(peer, at("[::ffff:1.1.1.1]:4433"), 4);
        observations.came(peer, at("[2001:db8::1]:4433"), 5);
        assert_eq!(visits(&observations), (Some(4), Some(5)));
        let crowded = Observations::default();
        for host in 0..=MOST_DIALED as u32 {
            let [_, b, c, d] = host.to_be_bytes();
            crowded.dialed(SocketAddr::from(([11, b, c, d], 1)));
        }
        crowded.came(peer, at("1.1.1.1:4433"), 6);
        assert_eq!(visits(&crowded), (None, None));
    }
}
