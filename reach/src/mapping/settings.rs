//! What a caller says: the port, and where the router is.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::limits;

/// The settings of one [`Mapper`](super::Mapper).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapperSettings {
    /// The local UDP port, not 0. The same external port is asked for; the router may give another.
    pub port: u16,
    /// Where the router is.
    pub gateways: Gateways,
    /// The lifetime that is asked for, brought into 120 s to 86,400 s (RFC 6887 section 15).
    pub lifetime: Duration,
}

impl MapperSettings {
    /// The settings for this port at the system's default gateway: mappings of 3,600 s.
    pub fn new(port: u16) -> Self {
        Self { port, gateways: Gateways::System, lifetime: limits::LIFETIME }
    }
}

/// Where the router is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gateways {
    /// The IPv4 default gateway in the system's routes, read again every minute. Loopback addresses are refused.
    System,
    /// This one.
    Given(Gateway),
}

/// A router, and our place beside it. All addresses are IPv4; the router's is private, link-local, shared (100.64/10) or loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The router. Answers count only from this address, and HTTP is spoken to it alone.
    pub router: IpAddr,
    /// Our own address towards the router.
    pub own: IpAddr,
    /// Where the router hears PCP and NAT-PMP: its port 5351 (RFC 6887 section 19.1).
    pub pmp: SocketAddr,
    /// Where the router hears SSDP sent to it alone: its port 1900 (UPnP Device Architecture 1.1, section 1.3.2).
    pub ssdp: SocketAddr,
}
