//! What other members see of this node: from which address its packets come, and whether one came through unasked.
//!
//! A member may lie. So an address counts once two members in different networks name it, and more than any other; and a
//! node is called reachable by what reached it alone, not by what somebody says.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use minimodel_wire::{Nat, PeerId};

use super::dialed_sites::DialedSites;
use super::seen_address::canonical;
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
    /// The IPv4 address at which this machine's router says that it lets others in (PCP, NAT-PMP or UPnP).
    pub mapped: Option<SocketAddr>,
}

impl Reach {
    /// The addresses outside that lead here, best first. A router may lie, or stand behind another one: its word does not count where
    /// members agree on another host.
    pub(super) fn outside(&self) -> Vec<SocketAddr> {
        let seen = self.ipv4.address();
        let mapped = self.mapped.filter(|mapped| seen.is_none_or(|seen| seen.ip() == mapped.ip()));
        let seen = seen.filter(|&seen| mapped != Some(seen));
        self.ipv6.address().into_iter().chain(mapped).chain(seen).collect()
    }
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

    /// The words that have not faded.
    fn counting(&self, now: Time) -> impl Iterator<Item = &Word> {
        self.0.values().filter(move |word| now.since(word.at) < FADES)
    }

    /// Returns true if a member sees this node at that host.
    fn names(&self, now: Time, ip: IpAddr) -> bool {
        self.counting(now).any(|word| word.address.ip() == ip)
    }

    fn translation(&self, now: Time, own: &[SocketAddr]) -> Translation {
        let mut counts: BTreeMap<SocketAddr, usize> = BTreeMap::new();
        for word in self.counting(now) {
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
    /// Where the router says that it lets others in.
    mapped: Option<SocketAddr>,
    dialed: DialedSites,
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
    /// How often the mapping has changed.
    mappings: AtomicU64,
}

impl Observations {
    /// `port`: what the node was told to bind; 0: a new one, which no router knows from an earlier run.
    pub(super) fn new(port: u16) -> Self {
        let visits_count = if port == 0 { Time::ZERO } else { Time::after_start(MAPPINGS_OF_BEFORE) };
        Self { start: Instant::now(), visits_count, book: Mutex::default(), mappings: AtomicU64::new(0) }
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
        let Book { ipv4, ipv6, own, mapped, .. } = &mut *book;
        let words = if ip.is_ipv4() { ipv4 } else { ipv6 };
        let seen = |words: &Words| {
            (
                words.translation(now, own).address(),
                mapped.is_some_and(|mapped| words.names(now, mapped.ip())),
            )
        };
        let before = seen(words);
        words.note(now, Site::of(witness).network(), address);
        seen(words) != before
    }

    /// Notes where the router says that it lets others in; `None`: nowhere.
    pub(super) fn set_mapped(&self, mapped: Option<SocketAddr>) {
        let mut book = self.lock();
        if book.mapped != mapped {
            book.mapped = mapped;
            self.mappings.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How routers translate this node's address of a family, in the words of the wire.
    pub(super) fn nat(&self, is_ipv4: bool) -> Nat {
        let reach = self.reach(self.now());
        match if is_ipv4 { reach.ipv4 } else { reach.ipv6 } {
            Translation::Unknown => Nat::Unknown,
            Translation::None(_) => Nat::None,
            Translation::Same(_) => Nat::Same,
            Translation::Varies => Nat::Varies,
        }
    }

    /// Returns true if the router lets others in.
    pub(super) fn is_mapped(&self) -> bool {
        self.lock().mapped.is_some()
    }

    /// How often the mapping has changed.
    pub(super) fn mappings(&self) -> u64 {
        self.mappings.load(Ordering::Relaxed)
    }

    /// The mapping whose host no member has named: the router alone says so.
    pub(super) fn unconfirmed(&self, now: Time) -> Option<SocketAddr> {
        let book = self.lock();
        book.mapped.filter(|mapped| !book.ipv4.names(now, mapped.ip()))
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
        self.lock().dialed.note(self.now(), Site::of(address.ip()));
    }

    /// Notes that a peer came from this address, and proved it: whether unasked, is judged here.
    pub(super) fn came(&self, now: Time, peer: PeerId, from: SocketAddr, unix: u64) {
        let from = canonical(from);
        let mut book = self.lock();
        let is_asked = book.dialed.may_have(now, Site::of(from.ip()));
        // From the node's own network a packet may come back to the address that its router has outside.
        let words = if from.is_ipv4() { &book.ipv4 } else { &book.ipv6 };
        let is_neighbour = words.counting(now).any(|word| word.address.ip() == from.ip());
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
            mapped: book.mapped,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
