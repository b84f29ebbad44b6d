//! Routers that translate addresses and filter packets, one address outside each (the words of RFC 4787).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_swarm::machine::Time;

/// A router with colliding entries forgets an unanswered packet after this time, as Linux does.
const FORGETS: Duration = Duration::from_secs(30);

/// Which port a router uses outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// The same whoever is sent to (endpoint-independent).
    Same,
    /// Another for each address and port, at random.
    Random,
    /// Another for each address and port, one after the other.
    Sequential,
}

/// Whose packets a router lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Everybody's, also where nothing was sent before: a public address, or a port that the user had mapped.
    None,
    /// Everybody's, once anything was sent from there (endpoint-independent).
    Any,
    /// Those of hosts that were sent to (address-dependent).
    Address,
    /// Those of addresses and ports that were sent to (address- and port-dependent).
    Port,
}

/// A kind of router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Router {
    /// Ports outside.
    pub mapping: Mapping,
    /// What comes in.
    pub filter: Filter,
    /// An unasked packet makes an entry of its own, so that what is sent back there later leaves from another port: Linux with
    /// `masquerade` and an open input chain.
    pub collides: bool,
}

impl Router {
    /// The kinds that count in the field, with a name each. A second router of the provider before one of the first kinds filters as
    /// `same, port` does.
    pub const KINDS: [(&'static str, Self); 9] = [
        ("public", Self::of(Mapping::Same, Filter::None)),
        ("same, any", Self::of(Mapping::Same, Filter::Any)),
        ("same, address", Self::of(Mapping::Same, Filter::Address)),
        ("same, port", Self::of(Mapping::Same, Filter::Port)),
        ("random", Self::of(Mapping::Random, Filter::Port)),
        ("sequential", Self::of(Mapping::Sequential, Filter::Port)),
        ("random, mapped", Self::of(Mapping::Random, Filter::None)),
        ("random, any", Self::of(Mapping::Random, Filter::Any)),
        ("same, port, collides", Self { collides: true, ..Self::of(Mapping::Same, Filter::Port) }),
    ];

    const fn of(mapping: Mapping, filter: Filter) -> Self {
        Self { mapping, filter, collides: false }
    }

    /// Returns true if two peers behind such routers can be connected without guessing ports, as long as both send.
    pub fn can_meet(self, other: Self) -> bool {
        let is_same = |router: Self| router.mapping == Mapping::Same;
        let reaches = |one: Self, other: Self| match other.filter {
            Filter::None | Filter::Any => true,
            Filter::Address => is_same(other),
            Filter::Port => is_same(other) && is_same(one),
        };
        reaches(self, other) || reaches(other, self)
    }
}

/// A router with what it has let through.
#[derive(Debug)]
pub(crate) struct Nat {
    router: Router,
    /// The port that is named in offers: the one that the machine has inside.
    own_port: u16,
    ports: BTreeMap<SocketAddr, u16>,
    next_port: u16,
    /// Where anything was sent, by the port outside.
    sent: BTreeSet<(u16, SocketAddr)>,
    /// Where unasked packets came from, and when last.
    early: BTreeMap<SocketAddr, Time>,
}

impl Nat {
    pub(crate) fn new(router: Router, own_port: u16) -> Self {
        Self {
            router,
            own_port,
            ports: BTreeMap::new(),
            next_port: 20_000,
            sent: BTreeSet::new(),
            early: BTreeMap::new(),
        }
    }

    /// Lets a packet out. Returns its port outside.
    pub(crate) fn outward(&mut self, now: Time, to: SocketAddr, rng: &mut fastrand::Rng) -> u16 {
        let is_early = self.early.get(&to).is_some_and(|&at| now.since(at) < FORGETS);
        let port = if let Some(&port) = self.ports.get(&to) {
            port
        } else if self.router.mapping == Mapping::Same && !(self.router.collides && is_early) {
            self.own_port
        } else {
            let random = self.router.mapping == Mapping::Random;
            self.next_port += 1;
            let port = if random { rng.u16(30_000..) } else { self.next_port };
            if !is_early || !self.router.collides {
                self.ports.insert(to, port);
            }
            port
        };
        self.sent.insert((port, to));
        port
    }

    /// Returns true if a packet from this address to this port outside is let in.
    pub(crate) fn lets_in(&mut self, now: Time, from: SocketAddr, port: u16) -> bool {
        let is_in = match self.router.filter {
            Filter::None if port == self.own_port => true,
            Filter::Any => self.sent.iter().any(|&(open, _)| open == port),
            Filter::Address => self.sent.iter().any(|&(open, to)| open == port && to.ip() == from.ip()),
            Filter::None | Filter::Port => self.sent.contains(&(port, from)),
        };
        if !is_in {
            self.early.insert(from, now);
        }
        is_in
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn router(name: &str) -> Nat {
        let found = Router::KINDS.iter().find(|(kind, _)| *kind == name);
        Nat::new(found.unwrap().1, 4433)
    }

    #[test]
    fn mapping_is_the_same_or_another_for_each_address() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut ports = |name: &str| {
            let mut nat = router(name);
            let to = ["1.1.1.1:1", "1.1.1.1:2", "2.2.2.2:1", "1.1.1.1:1"];
            to.map(|to| nat.outward(Time::ZERO, at(to), &mut rng))
        };
        assert_eq!(ports("same, port"), [4433; 4]);
        assert_eq!(ports("sequential"), [20_001, 20_002, 20_003, 20_001]);
        let random = ports("random");
        assert!(random[0] == random[3] && random[0] != random[1] && random[1] != random[2]);
    }

    #[test]
    fn each_filter_lets_in_what_was_sent_to_before() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut lets_in = |name: &str| {
            let mut nat = router(name);
            let before = nat.lets_in(Time::ZERO, at("1.1.1.1:1"), 4433);
            nat.outward(Time::ZERO, at("1.1.1.1:1"), &mut rng);
            let after = ["1.1.1.1:1", "1.1.1.1:2", "2.2.2.2:1"];
            (before, after.map(|from| nat.lets_in(Time::ZERO, at(from), 4433)))
        };
        assert_eq!(lets_in("public"), (true, [true; 3]));
        assert_eq!(lets_in("same, any"), (false, [true; 3]));
        assert_eq!(lets_in("same, address"), (false, [true, true, false]));
        assert_eq!(lets_in("same, port"), (false, [true, false, false]));
    }

    #[test]
    fn early_packet_moves_a_colliding_mapping_for_half_a_minute() {
        let mut rng = fastrand::Rng::with_seed(1);
        let after = |seconds| Time::after_start(Duration::from_secs(seconds));
        let mut nat = router("same, port, collides");
        assert!(!nat.lets_in(after(0), at("1.1.1.1:1"), 4433));
        assert_eq!(nat.outward(after(1), at("2.2.2.2:2"), &mut rng), 4433);
        assert_ne!(nat.outward(after(29), at("1.1.1.1:1"), &mut rng), 4433);
        assert_eq!(nat.outward(after(31), at("1.1.1.1:1"), &mut rng), 4433);
    }
}
