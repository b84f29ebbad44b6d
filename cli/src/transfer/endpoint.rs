//! The node of a transfer: where it listens, and the offer that names its addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use minimodel::Identity;
use minimodel::clock::now_unix;
use minimodel_swarm::driver::{Congestion, DriverError, Node, NodeSettings};
use minimodel_wire::SignedOffer;

use super::ending;
use crate::args::{CongestionChoice, ShareOptions};
use crate::failure::Failure;
use crate::output;
use crate::settings::Context;

/// Lifetime of an offer: long enough to send the offer by mail, short enough that an old offer expires.
const OFFER_LIFETIME_SECONDS: u64 = 7 * 24 * 3600;

/// Binds the node. Must be called within the runtime. `last_port`: tried first if no port is named.
pub(crate) fn bind(
    options: &ShareOptions,
    identity: &Identity,
    serves: bool,
    last_port: Option<u16>,
) -> Result<Node, Failure> {
    let settings = |listen: SocketAddr| NodeSettings {
        key: identity.key.clone(),
        listen,
        advertise: options.advertise.clone(),
        interfaces: interfaces(),
        serves,
        max_datagram: options.max_datagram,
        congestion: match options.congestion {
            CongestionChoice::Own => Congestion::Own,
            CongestionChoice::Cubic => Congestion::Cubic,
            CongestionChoice::Bbr => Congestion::Bbr,
        },
    };
    let failed = |error: DriverError| ending::driver(&error);
    if let Some(listen) = options.listen {
        let again = last_port.filter(|_| listen.port() == 0);
        let again = again.and_then(|port| Node::bind(settings(SocketAddr::new(listen.ip(), port))).ok());
        return again.map_or_else(|| Node::bind(settings(listen)), Ok).map_err(failed);
    }
    // All addresses of both families; a machine without IPv6 listens on IPv4 alone.
    let anywhere = |port: u16| {
        Node::bind(settings(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)))
            .or_else(|_| Node::bind(settings(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))))
    };
    let again = last_port.and_then(|port| anywhere(port).ok());
    again.map_or_else(|| anywhere(0), Ok).map_err(failed)
}

/// The addresses of this machine that other machines may reach; loopback only if there are no others.
fn interfaces() -> Vec<IpAddr> {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    let mut addresses: Vec<IpAddr> = found
        .iter()
        .map(if_addrs::Interface::ip)
        .filter(|ip| !ip.is_loopback() && !is_link_local(ip))
        .collect();
    addresses.sort_by_key(|ip| ip.is_ipv6());
    if addresses.is_empty() {
        addresses.push(Ipv4Addr::LOCALHOST.into());
    }
    addresses
}

fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Signs an offer and, if the user asked for it, writes it to a file.
pub(crate) fn offer(
    context: &Context,
    node: &Node,
    options: &ShareOptions,
    swarm_id: [u8; 32],
) -> Result<SignedOffer, Failure> {
    let signed =
        node.offer(swarm_id, now_unix() + OFFER_LIFETIME_SECONDS).map_err(|error| ending::driver(&error))?;
    if let Some(path) = &options.offer_out {
        output::write("offer", path, format!("{signed}\n").as_bytes())?;
        context.printer.detail(format!("the offer is in {}", crate::escape::path(path)));
    }
    Ok(signed)
}
