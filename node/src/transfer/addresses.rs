//! The addresses of this machine that its offers name: which ones, and in which order.
//!
//! An offer has few places, and a peer dials the first address of each family first. So what leads here from everywhere comes
//! first, and a machine with many container bridges still names an address that others reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use minimodel_swarm::driver::Interfaces;
use minimodel_swarm::machine::Scope;

use crate::os;

/// Most addresses of one kind.
const OF_A_KIND: usize = 2;

/// Beginnings of the names of interfaces that lead to containers and virtual machines on this host. Others of Hyper-V's switches
/// (`vEthernet (NAME)`) lead out.
const VIRTUAL: [&str; 8] =
    ["docker", "veth", "virbr", "cni", "flannel", "cali", "vEthernet (Default Switch)", "vEthernet (WSL"];

/// An address of a network interface.
#[derive(Debug, Clone)]
struct Found {
    ip: IpAddr,
    interface: String,
}

/// What an address is good for, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// IPv6 from everywhere. No router translates it.
    Ipv6,
    /// IPv4 from everywhere.
    Ipv4,
    /// IPv4 within a private network (RFC 1918).
    Private,
    /// IPv6 within a private network (RFC 4193).
    UniqueLocal,
    /// Behind a carrier's translator (RFC 6598); some virtual private networks take these addresses.
    Shared,
    /// IPv6 from everywhere that the system replaces within a day (RFC 8981); an offer is valid for longer.
    Temporary,
    /// Of containers and virtual machines on this host.
    Virtual,
}

/// The addresses of this machine, and those of them for its offers.
pub(super) fn of_this_machine() -> Interfaces {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    let all = found.iter().map(|of| of.ip()).collect();
    let found = found.iter().map(|of| Found { ip: of.ip(), interface: of.name.clone() });
    Interfaces { all, named: best(found, &os::temporary_addresses()) }
}

/// Chooses among the addresses. Temporary ones are named where no lasting IPv6 address is, virtual ones where nothing else is,
/// and loopback where there is no network at all.
fn best(found: impl Iterator<Item = Found>, temporary: &[Ipv6Addr]) -> Vec<IpAddr> {
    let mut by_kind: Vec<(Kind, IpAddr)> =
        found.filter_map(|of| Some((kind(&of, temporary)?, of.ip))).collect();
    by_kind.sort_by_key(|&(kind, _)| kind);
    let mut best = Vec::new();
    let mut last = None;
    for (kind, ip) in by_kind {
        let is_needed = match kind {
            Kind::Temporary => !best.iter().any(|&(kind, _)| kind == Kind::Ipv6),
            Kind::Virtual => best.iter().all(|&(other, _)| other == kind),
            _ => true,
        };
        let count = best.iter().filter(|&&(other, _)| other == kind).count();
        if is_needed && count < OF_A_KIND && last != Some(ip) {
            best.push((kind, ip));
            last = Some(ip);
        }
    }
    if best.is_empty() {
        return vec![Ipv4Addr::LOCALHOST.into()];
    }
    best.into_iter().map(|(_, ip)| ip).collect()
}

/// `None`: no peer elsewhere can dial the address, or not without naming an interface of its own.
fn kind(of: &Found, temporary: &[Ipv6Addr]) -> Option<Kind> {
    Some(match (Scope::of(of.ip), of.ip) {
        (Scope::Loopback | Scope::Link, _) => return None,
        (Scope::Private, _) if is_virtual(&of.interface) => Kind::Virtual,
        (Scope::Public, IpAddr::V6(ip)) if temporary.contains(&ip) => Kind::Temporary,
        (Scope::Public, IpAddr::V6(_)) => Kind::Ipv6,
        (Scope::Public, IpAddr::V4(_)) => Kind::Ipv4,
        (Scope::Private, IpAddr::V4(ip)) if ip.is_private() => Kind::Private,
        (Scope::Private, IpAddr::V4(_)) => Kind::Shared,
        (Scope::Private, IpAddr::V6(_)) => Kind::UniqueLocal,
    })
}

/// Returns true for an interface to containers or virtual machines: Docker names a bridge of its own by twelve digits of its id.
fn is_virtual(interface: &str) -> bool {
    let is_id = |id: &str| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    VIRTUAL.iter().any(|name| interface.starts_with(name)) || interface.strip_prefix("br-").is_some_and(is_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses as `INTERFACE=ADDRESS`.
    fn of(found: &str, temporary: &str) -> Vec<String> {
        let found = found.split_whitespace().map(|one| {
            let (interface, ip) = one.split_once('=').unwrap();
            Found { ip: ip.parse().unwrap(), interface: interface.to_owned() }
        });
        let temporary: Vec<Ipv6Addr> = temporary.split_whitespace().map(|ip| ip.parse().unwrap()).collect();
        best(found, &temporary).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_leads_here_from_everywhere_comes_first_ipv6_before_ipv4() {
        let home =
            "lo=127.0.0.1 eth0=192.168.1.7 eth0=fe80::1 eth0=fd00::7 eth0=2001:db8::7 tun0=100.64.0.9 lo=::1";
        assert_eq!(of(home, ""), ["2001:db8::7", "192.168.1.7", "fd00::7", "100.64.0.9"]);
        assert_eq!(of("eth0=10.0.0.1 eth1=203.0.113.9", ""), ["203.0.113.9", "10.0.0.1"]);
    }

    #[test]
    fn container_bridges_push_no_other_address_out_of_an_offer() {
        let bridges: Vec<String> = (0..12).map(|n| format!("br-{n:012x}=172.{}.0.1", 16 + n)).collect();
        let host = format!("docker0=172.30.0.1 {} eth0=192.168.1.7 eth0=2001:db8::7", bridges.join(" "));
        assert_eq!(of(&host, ""), ["2001:db8::7", "192.168.1.7"]);
        assert_eq!(of("docker0=172.17.0.1 lo=127.0.0.1", ""), ["172.17.0.1"]);
        // A router's bridge of its own network, and a public address of whatever interface, lead here.
        let router = "br-lan=192.168.1.1 docker0=172.17.0.1 virbr0=203.0.113.9";
        assert_eq!(of(router, ""), ["203.0.113.9", "192.168.1.1"]);
        let switches =
            ["vEthernet (Default Switch)", "vEthernet (WSL (Hyper-V firewall))", "vEthernet (LAN)"];
        assert_eq!(switches.map(is_virtual), [true, true, false]);
    }

    #[test]
    fn two_addresses_of_a_kind_are_named_and_none_twice() {
        let many = "a=2001:db8::1 b=2001:db8::1 a=2001:db8::2 a=2001:db8::3 a=10.0.0.1 b=10.0.1.1 c=10.0.2.1";
        assert_eq!(of(many, ""), ["2001:db8::1", "2001:db8::2", "10.0.0.1", "10.0.1.1"]);
    }

    #[test]
    fn a_temporary_address_is_named_only_where_no_lasting_one_is() {
        let both = "eth0=2001:db8::a eth0=2001:db8::b eth0=10.0.0.1";
        assert_eq!(of(both, "2001:db8::a"), ["2001:db8::b", "10.0.0.1"]);
        assert_eq!(of(both, "2001:db8::a 2001:db8::b"), ["10.0.0.1", "2001:db8::a", "2001:db8::b"]);
    }

    #[test]
    fn without_a_network_loopback_is_named() {
        assert_eq!(of("", ""), ["127.0.0.1"]);
        assert_eq!(of("lo=127.0.0.1 lo=::1 eth0=169.254.3.4 eth0=fe80::1", ""), ["127.0.0.1"]);
    }
}
