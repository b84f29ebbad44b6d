//! Reachability of an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Set of machines that can reach an address, the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// No machine: it is not a unicast address, or one for documentation.
    Nowhere,
    /// This machine alone (127.0.0.0/8, ::1).
    Loopback,
    /// The same link (169.254.0.0/16, fe80::/10; RFC 3927, RFC 4291).
    LinkLocal,
    /// The same private network (RFC 1918, fc00::/7 of RFC 4193).
    Private,
    /// Customers behind the same provider's carrier-grade NAT (100.64.0.0/10, RFC 6598), or the same VPN that uses that block.
    Provider,
    /// All machines, if no firewall is between.
    Everywhere,
}

/// Returns from where this address can be reached, as far as the address itself shows.
pub fn reach(ip: IpAddr) -> Reach {
    match ip.to_canonical() {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => reach_v6(ip),
    }
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    let [a, b, ..] = ip.octets();
    if ip.is_loopback() {
        Reach::Loopback
    } else if ip.is_link_local() {
        Reach::LinkLocal
    } else if ip.is_private() {
        Reach::Private
    } else if a == 100 && (64..128).contains(&b) {
        Reach::Provider
    } else if a == 0 || a >= 224 || ip.is_documentation() {
        Reach::Nowhere
    } else {
        Reach::Everywhere
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    let [a, b, ..] = ip.segments();
    if ip.is_loopback() {
        Reach::Loopback
    } else if ip.is_unicast_link_local() {
        Reach::LinkLocal
    } else if ip.is_unique_local() {
        Reach::Private
    } else if a & 0xe000 == 0x2000 && (a, b) != (0x2001, 0xdb8) {
        // Global unicast as allocated today (2000::/3, RFC 4291), without the documentation block.
        Reach::Everywhere
    } else {
        Reach::Nowhere
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_from_where_it_can_be_reached() {
        let cases = [
            ("127.0.0.1", Reach::Loopback),
            ("127.255.255.254", Reach::Loopback),
            ("::1", Reach::Loopback),
            ("::ffff:127.0.0.1", Reach::Loopback),
            ("169.254.9.9", Reach::LinkLocal),
            ("fe80::1", Reach::LinkLocal),
            ("febf::1", Reach::LinkLocal),
            ("10.0.0.1", Reach::Private),
            ("172.16.0.1", Reach::Private),
            ("172.31.255.255", Reach::Private),
            ("172.32.0.1", Reach::Everywhere),
            ("192.168.1.1", Reach::Private),
            ("::ffff:192.168.1.1", Reach::Private),
            ("fd00::1", Reach::Private),
            ("100.63.255.255", Reach::Everywhere),
            ("100.64.0.1", Reach::Provider),
            ("100.127.255.255", Reach::Provider),
            ("100.128.0.1", Reach::Everywhere),
            ("9.9.9.9", Reach::Everywhere),
            ("2606:4700::1", Reach::Everywhere),
            ("2001:db8::1", Reach::Nowhere),
            ("192.0.2.1", Reach::Nowhere),
            ("0.0.0.0", Reach::Nowhere),
            ("::", Reach::Nowhere),
            ("224.0.0.1", Reach::Nowhere),
            ("255.255.255.255", Reach::Nowhere),
            ("ff02::1", Reach::Nowhere),
        ];
        for (text, expected) in cases {
            assert_eq!(reach(text.parse().unwrap()), expected, "{text}");
        }
        assert!(Reach::Private < Reach::Provider && Reach::Provider < Reach::Everywhere);
    }
}
