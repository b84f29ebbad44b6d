//! The address at which a peer is seen.

use std::net::SocketAddr;

/// The address without the IPv6 form of an IPv4 address, which a socket for both shows.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
