//! Hosts, the routers in front of them, and the way of a packet between two of them, box by box.
//!
//! Each router joins a network inside to one outside, which is that of another router or the Internet itself. A packet climbs from its
//! sender to the first network in which its address is known, and on its way each router gives it another source; there it travels,
//! and then it descends through the routers in front of the host, each of which lets it in or not. It knows no clock: the caller says
//! when a packet leaves and when it arrives.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use minimodel_swarm::machine::Time;

use crate::nat::{Nat, Router};

/// Number of a host, given by whoever places it.
pub type HostNo = usize;

/// Number of a router.
pub type RouterNo = usize;

/// A network: the one inside of this router; `None`: the Internet.
type Net = Option<RouterNo>;

/// A packet between its climb and its descent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transit {
    /// Where its receiver sees it come from.
    pub from: SocketAddr,
    /// Where it was sent.
    pub to: SocketAddr,
    net: Net,
    /// The last router that it left.
    left: Option<RouterNo>,
}

#[derive(Debug)]
struct Placed {
    nat: Nat,
    ip: IpAddr,
    outer: Net,
}

/// All hosts and routers.
#[derive(Debug, Default)]
pub struct Internet {
    routers: Vec<Placed>,
    hosts: BTreeMap<HostNo, (Net, SocketAddr)>,
    by_address: BTreeMap<(Net, SocketAddr), HostNo>,
}

impl Internet {
    /// Adds a router with this address in the network of another router, or in the Internet.
    pub fn add(&mut self, router: Router, ip: IpAddr, outer: Option<RouterNo>) -> RouterNo {
        self.routers.push(Placed { nat: Nat::new(router), ip, outer });
        self.routers.len() - 1
    }

    /// Places a host behind a router, or in the Internet. Where its routers let in what is unasked, it is mapped there.
    pub fn place(&mut self, host: HostNo, address: SocketAddr, behind: Option<RouterNo>) {
        if let Some((net, old)) = self.hosts.insert(host, (behind, address)) {
            self.by_address.remove(&(net, old));
        }
        self.by_address.entry((behind, address)).or_insert(host);
        let (mut net, mut inside) = (behind, address);
        while let Some(placed) = net.and_then(|router| self.routers.get_mut(router)) {
            let Some(port) = placed.nat.add(inside) else { return };
            inside = SocketAddr::new(placed.ip, port);
            net = placed.outer;
        }
    }

    /// Whether there is any router.
    pub fn has_routers(&self) -> bool {
        !self.routers.is_empty()
    }

    /// A packet leaves a host. `None`: no network on its way knows the address.
    pub fn leave(
        &mut self,
        now: Time,
        host: HostNo,
        to: SocketAddr,
        rng: &mut fastrand::Rng,
    ) -> Option<Transit> {
        let (mut net, mut from) = *self.hosts.get(&host)?;
        let mut left = None;
        while !self.knows(net, to.ip()) {
            let router = net?;
            let placed = self.routers.get_mut(router)?;
            from = SocketAddr::new(placed.ip, placed.nat.outward(now, from, to, rng));
            (left, net) = (Some(router), placed.outer);
        }
        Some(Transit { from, to, net, left })
    }

    /// It arrives. Returns the host that gets it, and at which of its addresses. `None`: a router does not let it in, or nobody is
    /// there.
    pub fn arrive(&mut self, now: Time, transit: Transit) -> Option<(HostNo, SocketAddr)> {
        let Transit { from, mut to, mut net, mut left } = transit;
        loop {
            if let Some(&host) = self.by_address.get(&(net, to)) {
                return Some((host, to));
            }
            let router = self.router_at(net, to.ip())?;
            let placed = self.routers.get_mut(router)?;
            if left.take() == Some(router) && !placed.nat.router.hairpins {
                return None;
            }
            to = placed.nat.inward(now, from, to.port())?;
            net = Some(router);
        }
    }

    /// Some host that is there or behind the router there: where a packet goes, before any router had its say.
    pub fn toward(&self, transit: &Transit) -> Option<HostNo> {
        let Transit { to, net, .. } = *transit;
        let Some(router) = self.router_at(net, to.ip()) else {
            return self.by_address.range(of_ip(net, to.ip())).next().map(|(_, &host)| host);
        };
        let is_below = |mut net: Net| {
            while let Some(inner) = net {
                if inner == router {
                    return true;
                }
                net = self.routers.get(inner).and_then(|placed| placed.outer);
            }
            false
        };
        self.hosts.iter().find(|(_, (net, _))| is_below(*net)).map(|(&host, _)| host)
    }

    fn knows(&self, net: Net, ip: IpAddr) -> bool {
        self.router_at(net, ip).is_some() || self.by_address.range(of_ip(net, ip)).next().is_some()
    }

    fn router_at(&self, net: Net, ip: IpAddr) -> Option<RouterNo> {
        self.routers.iter().position(|placed| placed.outer == net && placed.ip == ip)
    }
}

/// All ports of an address.
fn of_ip(net: Net, ip: IpAddr) -> std::ops::RangeInclusive<(Net, SocketAddr)> {
    (net, SocketAddr::new(ip, 0))..=(net, SocketAddr::new(ip, u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nat::{Filter, Mapping};

    const SAME: Router = Router::of(Mapping::Same, Filter::Port);
    const CARRIER: &str = "203.0.113.9";

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The addresses that each of these hosts sees when both send to the other at an address, each twice; host 0 first.
    fn cross(internet: &mut Internet, at: [SocketAddr; 2]) -> [Option<SocketAddr>; 2] {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut seen = [None; 2];
        for _ in 0..2 {
            let both = [0, 1].map(|host| internet.leave(Time::ZERO, host, at[1 - host], &mut rng));
            for (host, transit) in both.into_iter().enumerate() {
                let Some(transit) = transit else { continue };
                let got = internet.arrive(Time::ZERO, transit);
                assert!(got.is_none_or(|(to, _)| to == 1 - host), "{got:?}");
                seen[1 - host] = got.map(|_| transit.from);
            }
        }
        seen
    }

    /// Two customers of one carrier.
    fn customers(carrier: Router) -> Internet {
        let mut internet = Internet::default();
        let carrier = internet.add(carrier, ip(CARRIER), None);
        for (host, home) in ["100.64.0.1", "100.64.0.2"].into_iter().enumerate() {
            let home = internet.add(SAME, ip(home), Some(carrier));
            // Each home has the same addresses inside.
            internet.place(host, at("192.168.1.2:4433"), Some(home));
        }
        internet.place(2, at("198.51.100.1:4433"), None);
        internet
    }

    /// Where the member in the Internet sees each of them.
    fn observed(internet: &mut Internet) -> [SocketAddr; 2] {
        let mut rng = fastrand::Rng::with_seed(1);
        [0, 1].map(|host| internet.leave(Time::ZERO, host, at("198.51.100.1:4433"), &mut rng).unwrap().from)
    }

    #[test]
    fn packet_through_two_routers_has_the_source_of_the_outer_one() {
        let mut internet = customers(SAME);
        let seen = observed(&mut internet);
        assert_eq!(seen, [at("203.0.113.9:4433"), at("203.0.113.9:20001")]);
        let mut rng = fastrand::Rng::with_seed(1);
        let mut from_member = |to| {
            let transit = internet.leave(Time::ZERO, 2, to, &mut rng).unwrap();
            (internet.toward(&transit), internet.arrive(Time::ZERO, transit))
        };
        assert_eq!(from_member(seen[1]), (Some(0), Some((1, at("192.168.1.2:4433")))));
        assert_eq!(from_member(at("203.0.113.9:1")), (Some(0), None));
    }

    #[test]
    fn two_behind_one_carrier_meet_if_it_turns_packets_round() {
        for hairpins in [false, true] {
            let mut internet = customers(Router { hairpins, ..SAME });
            let seen = observed(&mut internet);
            let expected = if hairpins { [Some(seen[1]), Some(seen[0])] } else { [None; 2] };
            assert_eq!(cross(&mut internet, seen), expected);
        }
        let mut random = customers(Router { hairpins: true, ..Router::of(Mapping::Random, Filter::Port) });
        let seen = observed(&mut random);
        assert_eq!(cross(&mut random, seen), [None; 2]);
    }

    #[test]
    fn two_in_one_network_meet_there_and_not_at_the_address_outside() {
        let mut internet = Internet::default();
        let home = internet.add(SAME, ip(CARRIER), None);
        let inside = ["10.0.0.2:4433", "10.0.0.3:4433"].map(at);
        for (host, address) in inside.into_iter().enumerate() {
            internet.place(host, address, Some(home));
        }
        internet.place(2, at("198.51.100.1:4433"), None);
        let seen = observed(&mut internet);
        assert_eq!(cross(&mut internet, seen), [None; 2]);
        assert_eq!(cross(&mut internet, inside), [Some(inside[1]), Some(inside[0])]);
    }

    #[test]
    fn port_mapped_at_home_is_open_unless_a_carrier_is_in_front() {
        let mapped = Router::of(Mapping::Random, Filter::None);
        for (in_front, is_open) in [(None, true), (Some(SAME), false), (Some(mapped), true)] {
            let mut internet = Internet::default();
            let carrier = in_front.map(|router| internet.add(router, ip(CARRIER), None));
            let home =
                internet.add(mapped, ip(if carrier.is_some() { "100.64.0.1" } else { CARRIER }), carrier);
            internet.place(0, at("192.168.1.2:4433"), Some(home));
            internet.place(1, at("198.51.100.1:4433"), None);
            let mut rng = fastrand::Rng::with_seed(1);
            let transit = internet.leave(Time::ZERO, 1, at("203.0.113.9:4433"), &mut rng).unwrap();
            assert_eq!(internet.arrive(Time::ZERO, transit).is_some(), is_open, "{in_front:?}");
        }
    }
}
