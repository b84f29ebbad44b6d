//! The location of a peer as far as fairness needs it: its site, its network, and the scope of its address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses that one host takes at no cost, and which therefore count as one: a single IPv4 address, or the first 64
/// bits of an IPv6 address (RFC 4291 section 2.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// The IPv4 address, or the first 64 bits of the IPv6 address.
    prefix: IpAddr,
    scope: Scope,
}

/// Sites that one user often takes together: an IPv4 /24, an IPv6 /48 (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpAddr);

/// From where an address can be reached, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// On one machine.
    Loopback,
    /// On one link.
    Link,
    /// Within a private network, or behind a carrier's translator.
    Private,
    /// From everywhere.
    Public,
}

impl Site {
    /// The site of an address. An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) has the site of its IPv4 address.
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let prefix = match address {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            v4 => v4,
        };
        Self { prefix, scope: Scope::of(address) }
    }

    /// The network that the site is in.
    pub fn network(self) -> Network {
        Network(match self.prefix {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Ipv4Addr::new(a, b, c, 0).into()
            }
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
            }
        })
    }

    /// Sites that come from one registry entry: an IPv4 /24, an IPv6 /32, which is what a provider gets, and of which one customer may
    /// hold many /48.
    pub(super) fn allocation(self) -> Network {
        match self.prefix {
            IpAddr::V4(_) => self.network(),
            IpAddr::V6(address) => {
                let [a, b, ..] = address.segments();
                Network(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0).into())
            }
        }
    }

    pub(super) fn scope(self) -> Scope {
        self.scope
    }
}

impl Scope {
    /// The scope of an address (the registries of RFC 6890). An IPv6 address that stands for an IPv4 address behind a
    /// translator or tunnel has the scope of that IPv4 address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [127, ..] => Self::Loopback,
            [169, 254, ..] => Self::Link,
            [0 | 10, ..] | [192, 168, ..] | [192, 0, 0, _] | [198, 18..=19, ..] => Self::Private,
            [172, 16..=31, ..] | [100, 64..=127, ..] | [240..=255, ..] => Self::Private,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        let v4 = |high: u16, low: u16| {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Self::of_v4(Ipv4Addr::new(a, b, c, d))
        };
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            [0xfe80..=0xfebf, ..] => Self::Link,
            // Unique local, the deprecated site-local addresses, and private translators (RFC 8215).
            [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Self::Private,
            // Translated (RFC 6052), tunnelled (RFC 3056), and the deprecated IPv4-compatible form.
            [0x64, 0xff9b, 0, 0, 0, 0, high, low]
            | [0x2002, high, low, ..]
            | [0, 0, 0, 0, 0, 0, high, low] => v4(high, low),
            _ => Self::Public,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    // Rows: H2
    #[test]
    fn an_ipv6_prefix_of_64_bits_is_one_site_and_of_48_one_network() {
        let site = |text| Site::of(ip(text));
        assert_eq!(site("2001:db8:1:2::1"), site("2001:db8:1:2:ffff::9"));
        assert_ne!(site("2001:db8:1:2::1"), site("2001:db8:1:3::1"));
        assert_eq!(site("2001:db8:1:2::1").network(), site("2001:db8:1:ffff::1").network());
        assert_ne!(site("2001:db8:1::1").network(), site("2001:db8:2::1").network());
        assert_eq!(site("::ffff:192.0.2.7"), site("192.0.2.7"));
        assert_ne!(site("192.0.2.7"), site("192.0.2.8"));
        assert_eq!(site("192.0.2.7").network(), site("192.0.2.8").network());
        assert_ne!(site("192.0.2.7").network(), site("192.0.3.7").network());
        assert_eq!(site("2001:db8:1::1").allocation(), site("2001:db8:2::1").allocation());
        assert_ne!(site("2001:db8:1::1").allocation(), site("2001:db9:1::1").allocation());
        assert_eq!(site("192.0.2.7").allocation(), site("192.0.2.8").network());
    }

    // Rows: H4
    #[test]
    fn the_scope_of_an_address_is_that_of_whoever_it_leads_to() {
        let cases = [
            (Scope::Loopback, "127.0.0.1 127.255.0.9 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::5"),
            (Scope::Link, "169.254.1.1 fe80::1 febf::1 64:ff9b::a9fe:1"),
            (
                Scope::Private,
                "10.0.0.1 172.16.0.1 172.31.255.1 192.168.1.1 100.64.0.1 100.127.0.1 198.18.0.1 0.1.2.3 250.1.1.1 \
                 fd00::1 fec0::1 64:ff9b:1::808:808 2002:a00:1::1 ::10.0.0.1",
            ),
            (
                Scope::Public,
                "8.8.8.8 100.128.0.1 172.32.0.1 192.0.2.1 2001:db8::1 64:ff9b::808:808 2002:808:808::1 128.0.0.1",
            ),
        ];
        for (scope, addresses) in cases {
            for address in addresses.split_whitespace() {
                assert_eq!(Scope::of(ip(address)), scope, "{address}");
            }
        }
    }
}
