//! Routers that translate addresses and filter packets, one address outside each (the words of RFC 4787). What is in front of whom
//! says [`crate::Internet`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_swarm::machine::Time;

/// A router with colliding entries forgets an unanswered packet after this time, as Linux does.
const FORGETS: Duration = Duration::from_secs(30);

/// Which port a router uses outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// The same whoever is sent to (endpoint-independent), and that of inside where it is free.
    Same,
    /// Another for each address and port, at random.
    Random,
    /// Another for each address and port, one after the other.
    Sequential,
}

/// Whose packets a router lets in, from the most open on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// What is sent from inside to its own address outside is turned round (hairpinning).
    pub hairpins: bool,
}

const SAME: Router = Router::of(Mapping::Same, Filter::Port);
const RANDOM: Router = Router::of(Mapping::Random, Filter::Port);

impl Router {
    /// The kinds of ways to the Internet that count in the field, with a name each: routers in a row, the one at home first.
    pub const KINDS: [(&'static str, &'static [Self]); 11] = [
        ("public", &[Self::of(Mapping::Same, Filter::None)]),
        ("same, any", &[Self::of(Mapping::Same, Filter::Any)]),
        ("same, address", &[Self::of(Mapping::Same, Filter::Address)]),
        ("same, port", &[SAME]),
        ("random", &[RANDOM]),
        ("sequential", &[Self::of(Mapping::Sequential, Filter::Port)]),
        ("random, mapped", &[Self::of(Mapping::Random, Filter::None)]),
        ("random, any", &[Self::of(Mapping::Random, Filter::Any)]),
        ("same, port, collides", &[Self { collides: true, ..SAME }]),
        ("same, carrier same", &[SAME, SAME]),
        ("same, carrier random", &[SAME, RANDOM]),
    ];

    /// A router that does not turn packets round.
    pub const fn of(mapping: Mapping, filter: Filter) -> Self {
        Self { mapping, filter, collides: false, hairpins: false }
    }

    /// The routers of [`Router::KINDS`] with this name.
    pub fn named(name: &str) -> Option<&'static [Self]> {
        Self::KINDS.iter().find(|(kind, _)| *kind == name).map(|&(_, routers)| routers)
    }

    /// Returns true if two peers behind such routers can be connected without guessing ports, as long as both send and no router is
    /// in front of both.
    pub fn can_meet(one: &[Self], other: &[Self]) -> bool {
        let is_same = |row: &[Self]| row.iter().all(|router| router.mapping == Mapping::Same);
        let filter = |row: &[Self]| row.iter().map(|router| router.filter).max().unwrap_or(Filter::None);
        let reaches = |one: &[Self], other: &[Self]| match filter(other) {
            Filter::None | Filter::Any => true,
            Filter::Address => is_same(other),
            Filter::Port => is_same(other) && is_same(one),
        };
        reaches(one, other) || reaches(other, one)
    }
}

/// A router with what it has let through.
#[derive(Debug)]
pub(crate) struct Nat {
    pub(crate) router: Router,
    /// Ports that the user had mapped, and where to.
    mapped: BTreeMap<u16, SocketAddr>,
    /// The port outside of each address inside, if it is the same for all.
    own: BTreeMap<SocketAddr, u16>,
    /// The port outside of each address inside and the one sent to, where it is a matter of both.
    ports: BTreeMap<(SocketAddr, SocketAddr), u16>,
    /// The address inside of each port that is in use.
    inside: BTreeMap<u16, SocketAddr>,
    next_port: u16,
    /// Where anything was sent, by the port outside.
    sent: BTreeSet<(u16, SocketAddr)>,
    /// Where unasked packets came from, at which port, and when last.
    early: BTreeMap<(u16, SocketAddr), Time>,
}

impl Nat {
    pub(crate) fn new(router: Router) -> Self {
        Self {
            router,
            mapped: BTreeMap::new(),
            own: BTreeMap::new(),
            ports: BTreeMap::new(),
            inside: BTreeMap::new(),
            next_port: 20_000,
            sent: BTreeSet::new(),
            early: BTreeMap::new(),
        }
    }

    /// An address inside, of which the router knows before anything is sent. Returns its port outside if others may come unasked.
    pub(crate) fn add(&mut self, inside: SocketAddr) -> Option<u16> {
        let port = self.own(inside);
        (self.router.filter == Filter::None).then(|| {
            self.mapped.insert(port, inside);
            port
        })
    }

    /// The port outside that is this address's own.
    fn own(&mut self, inside: SocketAddr) -> u16 {
        if let Some(&port) = self.own.get(&inside) {
            return port;
        }
        let is_free = !self.inside.contains_key(&inside.port());
        let port = if is_free { inside.port() } else { self.next() };
        self.own.insert(inside, port);
        self.inside.insert(port, inside);
        port
    }

    /// The next port in a row that is free.
    fn next(&mut self) -> u16 {
        loop {
            self.next_port = self.next_port.wrapping_add(1).max(1_024);
            if !self.inside.contains_key(&self.next_port) {
                return self.next_port;
            }
        }
    }

    /// Lets a packet out. Returns its port outside.
    pub(crate) fn outward(
        &mut self,
        now: Time,
        from: SocketAddr,
        to: SocketAddr,
        rng: &mut fastrand::Rng,
    ) -> u16 {
        let own = self.own(from);
        let collides =
            self.router.collides && self.early.get(&(own, to)).is_some_and(|&at| now.since(at) < FORGETS);
        let port = if let Some(&port) = self.ports.get(&(from, to)) {
            port
        } else if self.router.mapping == Mapping::Same && !collides {
            own
        } else {
            if self.router.mapping == Mapping::Random {
                self.next_port = rng.u16(30_000..);
            }
            let port = self.next();
            if !collides {
                self.ports.insert((from, to), port);
            }
            port
        };
        self.inside.insert(port, from);
        self.sent.insert((port, to));
        port
    }

    /// The address inside for which a packet from this address to this port outside is, if it is let in.
    pub(crate) fn inward(&mut self, now: Time, from: SocketAddr, port: u16) -> Option<SocketAddr> {
        let is_in = match self.router.filter {
            Filter::None if self.mapped.contains_key(&port) => true,
            Filter::Any => self.sent.iter().any(|&(open, _)| open == port),
            Filter::Address => self.sent.iter().any(|&(open, to)| open == port && to.ip() == from.ip()),
            Filter::None | Filter::Port => self.sent.contains(&(port, from)),
        };
        let Some(&inside) = self.inside.get(&port).filter(|_| is_in) else {
            self.early.insert((port, from), now);
            return None;
        };
        // The answers leave from the port that was sent to.
        self.ports.insert((inside, from), port);
        Some(inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    const INSIDE: &str = "10.0.0.2:4433";

    fn router(name: &str) -> Nat {
        let mut nat = Nat::new(Router::named(name).unwrap()[0]);
        nat.add(at(INSIDE));
        nat
    }

    #[test]
    fn mapping_is_the_same_or_another_for_each_address() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut ports = |name: &str| {
            let mut nat = router(name);
            let to = ["1.1.1.1:1", "1.1.1.1:2", "2.2.2.2:1", "1.1.1.1:1"];
            to.map(|to| nat.outward(Time::ZERO, at(INSIDE), at(to), &mut rng))
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
            let before = nat.inward(Time::ZERO, at("1.1.1.1:1"), 4433).is_some();
            nat.outward(Time::ZERO, at(INSIDE), at("1.1.1.1:1"), &mut rng);
            let after = ["1.1.1.1:1", "1.1.1.1:2", "2.2.2.2:1"];
            (before, after.map(|from| nat.inward(Time::ZERO, at(from), 4433).is_some()))
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
        assert_eq!(nat.inward(after(0), at("1.1.1.1:1"), 4433), None);
        assert_eq!(nat.outward(after(1), at(INSIDE), at("2.2.2.2:2"), &mut rng), 4433);
        assert_ne!(nat.outward(after(29), at(INSIDE), at("1.1.1.1:1"), &mut rng), 4433);
        assert_eq!(nat.outward(after(31), at(INSIDE), at("1.1.1.1:1"), &mut rng), 4433);
    }

    #[test]
    fn answer_leaves_from_the_port_that_was_sent_to() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut nat = router("random, mapped");
        let asked = nat.outward(Time::ZERO, at(INSIDE), at("1.1.1.1:1"), &mut rng);
        assert_ne!(asked, 4433);
        assert_eq!(nat.inward(Time::ZERO, at("1.1.1.1:1"), 4433), Some(at(INSIDE)));
        assert_eq!(nat.outward(Time::ZERO, at(INSIDE), at("1.1.1.1:1"), &mut rng), 4433);
        assert_ne!(nat.outward(Time::ZERO, at(INSIDE), at("2.2.2.2:1"), &mut rng), 4433);
    }

    #[test]
    fn two_inside_with_one_port_have_two_outside() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut nat = router("same, any");
        let other = at("10.0.0.3:4433");
        assert_eq!(nat.outward(Time::ZERO, at(INSIDE), at("1.1.1.1:1"), &mut rng), 4433);
        let port = nat.outward(Time::ZERO, other, at("1.1.1.1:1"), &mut rng);
        assert_ne!(port, 4433);
        assert_eq!(nat.inward(Time::ZERO, at("2.2.2.2:2"), port), Some(other));
        assert_eq!(nat.inward(Time::ZERO, at("2.2.2.2:2"), 4433), Some(at(INSIDE)));
    }

    #[test]
    fn a_row_of_routers_is_as_closed_as_the_most_closed_of_them() {
        let can_meet =
            |one, other| Router::can_meet(Router::named(one).unwrap(), Router::named(other).unwrap());
        assert!(can_meet("same, carrier same", "same, port"));
        assert!(can_meet("same, carrier random", "random, mapped"));
        assert!(can_meet("same, carrier random", "same, address"));
        assert!(!can_meet("same, carrier random", "same, port"));
        assert!(!can_meet("same, carrier same", "random"));
        let mapped_at_home = [Router::of(Mapping::Same, Filter::None), RANDOM];
        assert!(!Router::can_meet(&mapped_at_home, &[SAME]));
    }
}
