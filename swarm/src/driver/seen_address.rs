//! The address at which a peer is seen, as frames name it.

use std::net::SocketAddr;

use minimodel_wire::address_fault;

/// The address without the IPv6 form of an IPv4 address, which a socket for both shows.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Whether a frame may name the address. A peer chooses the source of its packets, and whoever is told of one that no frame may name
/// would blame this node.
pub(super) fn may_be_told(address: &SocketAddr) -> bool {
    address_fault(*address).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows: H14
    #[test]
    fn address_that_no_frame_may_name_is_told_to_nobody() {
        let told = |address: &str| may_be_told(&canonical(address.parse().unwrap()));
        for address in ["8.8.4.4:1", "[::ffff:8.8.4.4]:1", "[fe80::1%3]:9"] {
            assert!(told(address), "{address}");
        }
        for address in ["8.8.4.4:0", "[2001:db8::1]:0", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1"] {
            assert!(!told(address), "{address}");
        }
    }
}
