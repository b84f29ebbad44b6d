//! What a mapper has reached, and why it has not.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What a [`Mapper`](super::Mapper) has reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingState {
    /// The first requests are under way, or those after a change of the network.
    Trying,
    /// The router keeps a mapping.
    Mapped(Mapping),
    /// There is none. It is tried again after 1 to 30 minutes, and when the network changes.
    Failed(NoMapping),
}

/// A mapping that the router keeps. That it can be used from the internet is not proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// The router's external address and the external port.
    pub external: SocketAddr,
    /// The protocol in which it was made.
    pub by: MappingProtocol,
    /// The router that keeps it.
    pub router: IpAddr,
    /// How long the router keeps it without renewal, 120 s to 86,400 s; it is renewed after half of that.
    pub lifetime: Duration,
}

/// A protocol in which routers are asked for mappings, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MappingProtocol {
    /// Port Control Protocol, RFC 6887.
    Pcp,
    /// NAT Port Mapping Protocol, RFC 6886.
    NatPmp,
    /// UPnP Internet Gateway Device 1 or 2.
    Upnp,
}

impl fmt::Display for MappingProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pcp => "PCP",
            Self::NatPmp => "NAT-PMP",
            Self::Upnp => "UPnP",
        })
    }
}

/// Why there is no mapping. The text says what, which value, and what the user can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMapping {
    /// [`MapperSettings::port`](super::MapperSettings::port) is 0.
    #[error("port 0 cannot be mapped: name the UDP port that is in use")]
    NoLocalPort,
    /// The system gives no random bytes, without which answers of others could be taken for the router's.
    #[error("the system gives no random numbers, so no port mapping is asked for: start again")]
    NoRandomness,
    /// There is no IPv4 default gateway that can be asked.
    #[error("{}", no_router(*found))]
    NoRouter {
        /// A default gateway that is no router of one's own, as its address is public.
        found: Option<IpAddr>,
    },
    /// The router gave no usable answer in any protocol.
    #[error(
        "the router at {router} gives no usable answer to a request for a port mapping: turn on PCP, NAT-PMP or UPnP in its \
         settings, or forward the UDP port there by hand"
    )]
    Silent {
        /// The router.
        router: IpAddr,
    },
    /// The router answered and refused.
    #[error(
        "the router at {router} refuses the port mapping: {by} code {code} ({}); {}", code_name(*by, *code), advice(*by, *code)
    )]
    Refused {
        /// The router.
        router: IpAddr,
        /// The protocol of the answer.
        by: MappingProtocol,
        /// The result code of RFC 6887 section 7.4 or RFC 6886 section 3.5, or the error code of UPnP.
        code: u16,
    },
    /// The router granted external port 0, which is none.
    #[error(
        "the router at {router} granted port 0 by {by}, which is no port: forward the UDP port there by hand"
    )]
    NoPort {
        /// The router.
        router: IpAddr,
        /// The protocol of the answer.
        by: MappingProtocol,
    },
    /// The router's external address is private (RFC 1918) or shared (100.64/10, RFC 6598).
    #[error(
        "the router at {router} has {external} outside, which is not a public address: another translator stands before the \
         internet (carrier-grade NAT, or a second router). Ask the provider for a public IPv4 address, or use IPv6"
    )]
    CarrierNat {
        /// The router.
        router: IpAddr,
        /// Its external address.
        external: IpAddr,
    },
    /// The router's external address cannot be a host's on the internet: loopback, unspecified, multicast and the like.
    #[error(
        "the router at {router} names {external} as its external address, which no host on the internet has: see whether it is \
         connected to the internet"
    )]
    Unusable {
        /// The router.
        router: IpAddr,
        /// The address that it names.
        external: IpAddr,
    },
}

fn no_router(found: Option<IpAddr>) -> String {
    match found {
        Some(address) => format!(
            "the default gateway {address} is not in a private network, so it is not asked for a port mapping: forward the UDP port \
             by hand if it is a router of yours"
        ),
        None => {
            "there is no IPv4 default gateway to ask for a port mapping: connect to a network with a router"
                .to_owned()
        }
    }
}

/// What the user can do about a refusal. Routers that have no public address of their own refuse as those that have no room do.
fn advice(by: MappingProtocol, code: u16) -> &'static str {
    match (by, code) {
        (MappingProtocol::Pcp, 7 | 8) | (MappingProtocol::NatPmp, 3 | 4) | (MappingProtocol::Upnp, 501) => {
            "it may have no public address of its own (carrier-grade NAT, or a second router before it): see its address outside in its \
             settings; if that is public, forward the UDP port there by hand, else use IPv6 or ask the provider"
        }
        _ => "allow it in its settings, or forward the UDP port there by hand",
    }
}

fn code_name(by: MappingProtocol, code: u16) -> &'static str {
    match (by, code) {
        (MappingProtocol::Pcp | MappingProtocol::NatPmp, 1) => "version not supported",
        (MappingProtocol::Pcp | MappingProtocol::NatPmp, 2) | (MappingProtocol::Upnp, 606) => {
            "not authorized"
        }
        (MappingProtocol::Pcp, 3) | (MappingProtocol::Upnp, 402) => "malformed request",
        (MappingProtocol::Pcp, 4) | (MappingProtocol::NatPmp, 5) => "operation not supported",
        (MappingProtocol::Pcp, 7) | (MappingProtocol::NatPmp, 3) => "no connection to the internet",
        (MappingProtocol::Pcp, 8) | (MappingProtocol::NatPmp, 4) | (MappingProtocol::Upnp, 728) => {
            "no resources left"
        }
        (MappingProtocol::Pcp, 9) => "UDP not supported",
        (MappingProtocol::Pcp, 10) => "quota exceeded",
        (MappingProtocol::Pcp, 11) => "the external port cannot be provided",
        (MappingProtocol::Pcp, 12) => "another translator stands between this machine and the router",
        (MappingProtocol::Upnp, 501) => "action failed",
        (MappingProtocol::Upnp, 718 | 724) => "the external port is taken",
        (MappingProtocol::Upnp, 725) => "only permanent mappings",
        (MappingProtocol::Upnp, 729) => "conflict with another mechanism",
        _ => "no name for this code",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_router_value_and_next_step() {
        let router = IpAddr::from([192, 168, 1, 1]);
        let refused = NoMapping::Refused { router, by: MappingProtocol::Upnp, code: 606 }.to_string();
        assert!(
            refused.contains("192.168.1.1") && refused.contains("UPnP code 606 (not authorized)"),
            "{refused}"
        );
        let full = NoMapping::Refused { router, by: MappingProtocol::Pcp, code: 8 }.to_string();
        assert!(full.contains("no resources left") && full.contains("carrier-grade NAT"), "{full}");
        let carrier = NoMapping::CarrierNat { router, external: IpAddr::from([100, 64, 0, 9]) }.to_string();
        assert!(carrier.contains("100.64.0.9") && carrier.contains("Ask the provider"), "{carrier}");
        let public = NoMapping::NoRouter { found: Some(IpAddr::from([8, 8, 8, 8])) }.to_string();
        assert!(public.contains("8.8.8.8") && public.contains("by hand"), "{public}");
    }

    #[test]
    fn protocols_are_ordered_by_preference() {
        assert!(
            MappingProtocol::Pcp < MappingProtocol::NatPmp && MappingProtocol::NatPmp < MappingProtocol::Upnp
        );
    }
}
