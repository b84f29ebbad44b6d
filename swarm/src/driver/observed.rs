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
/// How long after the start a peer at a port of an earlier run may come back by a mapping that is left of that run: a router
/// should keep one for five minutes (RFC 4787 section 4.3).
const MAPPINGS_OF_BEFORE: Duration = Duration::from_secs(5 * 60);
/// How long a visit counts.
const VISIT_COUNTS: Duration = Duration::from_secs(24 * 3_600);
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
    /// Those of them that others may reach.
    named: Option<Vec<SocketAddr>>,
    dialed: BTreeSet<Site>,
    /// The last visits by IPv4 and by IPv6, and when they were.
    visits: [Option<(Visit, Time)>; 2],
}

/// What members have shown of a node. Its sessions, its dialer and its listener share it.
#[derive(Debug)]
pub(super) struct Observations {
    start: Instant,
    /// From then on a peer that was not dialed comes unasked.
    visits_count: Time,
    book: Mutex<Book>,
}

impl Observations {
    /// `port`: what the node was told to bind; 0: a new one, which no router knows from an earlier run.
    pub(super) fn new(port: u16) -> Self {
        let visits_count = if port == 0 { Time::ZERO } else { Time::after_start(MAPPINGS_OF_BEFORE) };
        Self { start: Instant::now(), visits_count, book: Mutex::default() }
    }

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

    /// Notes all addresses of this machine, and those that others may reach, with the node's port. If the latter are others than
    /// before, the machine has moved: what was seen before holds no longer.
    pub(super) fn set_own(&self, own: Vec<SocketAddr>, named: &[SocketAddr]) {
        let mut book = self.lock();
        book.own = own;
        let before = book.named.replace(named.to_vec());
        if before.is_some_and(|before| before != named) {
            (book.ipv4, book.ipv6, book.visits) = Default::default();
        }
    }

    /// Notes that a packet is about to be sent to this address, unasked.
    pub(super) fn dialed(&self, address: SocketAddr) {
        let mut book = self.lock();
        if book.dialed.len() < MOST_DIALED {
            book.dialed.insert(Site::of(address.ip()));
        }
    }

    /// Notes that a peer came from this address, and proved it: whether unasked, is judged here.
    pub(super) fn came(&self, now: Time, peer: PeerId, from: SocketAddr, unix: u64) {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let mut book = self.lock();
        let is_asked = book.dialed.len() >= MOST_DIALED || book.dialed.contains(&Site::of(from.ip()));
        // From the node's own network a packet may come back to the address that its router has outside.
        let words = if from.is_ipv4() { &book.ipv4 } else { &book.ipv6 };
        let is_neighbour = words.0.values().any(|word| word.address.ip() == from.ip());
        if now < self.visits_count || is_asked || is_neighbour || Scope::of(from.ip()) != Scope::Public {
            return;
        }
        let [ipv4, ipv6] = &mut book.visits;
        let visit = if from.is_ipv4() { ipv4 } else { ipv6 };
        *visit = Some((Visit { peer, from, unix }, now));
    }

    /// Sums it up.
    pub(super) fn reach(&self, now: Time) -> Reach {
        let book = self.lock();
        let counts = |visit: Option<(Visit, Time)>| {
            visit.filter(|&(_, at)| now.since(at) < VISIT_COUNTS).map(|(visit, _)| visit)
        };
        let [visit_ipv4, visit_ipv6] = book.visits.map(counts);
        Reach {
            ipv4: book.ipv4.translation(now, &book.own),
            ipv6: book.ipv6.translation(now, &book.own),
            visit_ipv4,
            visit_ipv6,
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
        let observations = Observations::new(0);
        for word in words.split_whitespace() {
            let (witness, address) = word.split_once('=').unwrap();
            observations.note(Time::ZERO, SocketAddr::new(witness.parse().unwrap(), 1), at(address));
        }
        let own = vec![at(OWN), at("[2001:db8::7]:4433")];
        observations.set_own(own.clone(), &own);
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
        let observations = Observations::new(0);
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
        let observations = Observations::new(0);
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
        let observations = Observations::new(0);
        let (peer, visits) = (PeerId([7; 32]), |observations: &Observations| {
            let reach = observations.reach(Time::ZERO);
            (reach.visit_ipv4.map(|visit| visit.unix), reach.visit_ipv6.map(|visit| visit.unix))
        });
        observations.dialed(at("9.9.9.9:4433"));
        observations.came(Time::ZERO, peer, at("9.9.9.9:5555"), 1);
        observations.came(Time::ZERO, peer, at("192.168.1.9:4433"), 2);
        observations.came(Time::ZERO, peer, at("127.0.0.1:4433"), 3);
        assert_eq!(visits(&observations), (None, None));
        observations.came(Time::ZERO, peer, at("[::ffff:1.1.1.1]:4433"), 4);
        observations.came(Time::ZERO, peer, at("[2001:db8::1]:4433"), 5);
        assert_eq!(visits(&observations), (Some(4), Some(5)));
        let crowded = Observations::new(0);
        for host in 0..=MOST_DIALED as u32 {
            let [_, b, c, d] = host.to_be_bytes();
            crowded.dialed(SocketAddr::from(([11, b, c, d], 1)));
        }
        crowded.came(Time::ZERO, peer, at("1.1.1.1:4433"), 6);
        assert_eq!(visits(&crowded), (None, None));
    }

    // Rows: H13
    #[test]
    fn peer_behind_the_same_router_shows_nothing_of_the_outside() {
        let observations = Observations::new(0);
        observations.note(Time::ZERO, at("1.1.1.1:1"), at(MAPPED));
        observations.came(Time::ZERO, PeerId([7; 32]), at("8.8.4.4:5555"), 1);
        assert_eq!(observations.reach(Time::ZERO).visit_ipv4, None);
        observations.came(Time::ZERO, PeerId([7; 32]), at("8.8.4.5:5555"), 2);
        assert!(observations.reach(Time::ZERO).visit_ipv4.is_some());
    }

    // Rows: H13
    #[test]
    fn visit_counts_after_earlier_mappings_are_gone_and_for_a_day() {
        let visit = |port: u16, second: u64, looked: u64| {
            let observations = Observations::new(port);
            observations.came(after(second), PeerId([7; 32]), at("9.9.9.9:1"), 1);
            observations.reach(after(looked)).visit_ipv4.is_some()
        };
        assert_eq!([visit(4433, 299, 299), visit(4433, 300, 300), visit(0, 0, 0)], [false, true, true]);
        assert_eq!([86_399, 86_400].map(|looked| visit(0, 0, looked)), [true, false]);
    }

    #[test]
    fn a_machine_that_moved_forgets_what_was_seen_of_it() {
        let observations = Observations::new(0);
        let seen = |own: &str| {
            observations.set_own(vec![at(own), at("172.17.0.1:4433")], &[at(own)]);
            let Reach { ipv4, visit_ipv4, .. } = observations.reach(Time::ZERO);
            (ipv4.address(), visit_ipv4.is_some())
        };
        for witness in ["1.1.1.1:1", "9.9.9.9:1"] {
            observations.note(Time::ZERO, at(witness), at(MAPPED));
        }
        observations.came(Time::ZERO, PeerId([7; 32]), at("5.5.5.5:1"), 1);
        assert_eq!((seen(OWN), seen(OWN)), ((Some(at(MAPPED)), true), (Some(at(MAPPED)), true)));
        assert_eq!(seen("192.168.2.7:4433"), (None, false));
    }
}
