//! Judges IPv4 addresses: which a router of the user may have, and which can stand before the internet.

use std::net::{IpAddr, Ipv4Addr};

use super::state::NoMapping;

/// True for an address that a router of one's own has: private (RFC 1918), link-local (RFC 3927) or shared (RFC 6598).
pub(super) fn is_router(address: Ipv4Addr) -> bool {
    address.is_private() || address.is_link_local() || is_shared(address)
}

/// Accepts an external address at which the internet can reach a router.
///
/// # Errors
///
/// [`NoMapping::CarrierNat`] for private and shared addresses, [`NoMapping::Unusable`] for all others that are not public.
pub(super) fn judge(router: Ipv4Addr, external: IpAddr) -> Result<Ipv4Addr, NoMapping> {
    let at = IpAddr::V4(router);
    match external {
        IpAddr::V4(address) if address.is_private() || is_shared(address) => {
            Err(NoMapping::CarrierNat { router: at, external })
        }
        IpAddr::V4(address) if is_public(address) => Ok(address),
        _ => Err(NoMapping::Unusable { router: at, external }),
    }
}

/// 100.64.0.0/10, the addresses between a provider's translator and its customers (RFC 6598).
fn is_shared(address: Ipv4Addr) -> bool {
    matches!(address.octets(), [100, second, ..] if second & 0xc0 == 0x40)
}

/// What the special-purpose registry (RFC 6890) leaves; private and shared addresses are judged before.
fn is_public(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let reserved = first == 0 || first >= 240;
    let benchmark = first == 198 && second & 0xfe == 18;
    let protocols = (first, second, third) == (192, 0, 0);
    !(reserved
        || benchmark
        || protocols
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);

    fn judged(text: &str) -> Result<Ipv4Addr, NoMapping> {
        judge(ROUTER, text.parse().expect("an address"))
    }

    #[test]
    fn public_addresses_are_accepted() {
        for text in ["8.8.4.4", "1.1.1.1", "100.63.255.255", "100.128.0.1", "223.255.255.1"] {
            assert_eq!(judged(text), Ok(text.parse().expect("an address")), "{text}");
        }
    }

    #[test]
    fn private_and_shared_addresses_are_carrier_nat() {
        for text in ["10.0.0.1", "172.16.0.1", "172.31.9.9", "192.168.0.1", "100.64.0.1", "100.127.255.254"] {
            assert!(matches!(judged(text), Err(NoMapping::CarrierNat { .. })), "{text}");
        }
    }

    // Rows: H16
    #[test]
    fn addresses_of_no_host_are_unusable() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "169.254.1.1",
            "192.0.0.1",
            "192.0.2.7",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::1",
            "2001:db8::1",
        ] {
            assert!(matches!(judged(text), Err(NoMapping::Unusable { .. })), "{text}");
        }
    }

    #[test]
    fn router_addresses_are_private_link_local_or_shared() {
        for text in ["10.1.2.3", "172.20.0.1", "192.168.1.1", "169.254.0.1", "100.64.0.1"] {
            assert!(is_router(text.parse().expect("an address")), "{text}");
        }
        for text in ["8.8.8.8", "127.0.0.1", "0.0.0.0", "172.32.0.1", "224.0.0.1"] {
            assert!(!is_router(text.parse().expect("an address")), "{text}");
        }
    }
}
