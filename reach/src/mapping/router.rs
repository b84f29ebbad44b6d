//! Finds the router, and our address towards it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use super::address;
use super::limits;
use super::settings::{Gateway, Gateways};
use super::state::NoMapping;
use crate::os;

/// The port of PCP and NAT-PMP at the router (RFC 6887 section 19.1).
const PMP_PORT: u16 = 5351;

/// The port of SSDP (UPnP Device Architecture 1.1, section 1.2.2).
const SSDP_PORT: u16 = 1900;

/// The router, if it is one that may be asked.
///
/// # Errors
///
/// [`NoMapping::NoRouter`].
pub(super) async fn find(gateways: &Gateways) -> Result<Gateway, NoMapping> {
    match gateways {
        Gateways::Given(gateway) => given(gateway).ok_or(NoMapping::NoRouter { found: Some(gateway.router) }),
        Gateways::System => {
            let found = tokio::task::spawn_blocking(os::default_gateway);
            let found = tokio::time::timeout(limits::FIND_ROUTER, found).await;
            let router =
                found.ok().and_then(Result::ok).flatten().ok_or(NoMapping::NoRouter { found: None })?;
            if !address::is_router(router) {
                return Err(NoMapping::NoRouter { found: Some(IpAddr::V4(router)) });
            }
            beside(router).map_err(|_| NoMapping::NoRouter { found: None })
        }
    }
}

fn given(gateway: &Gateway) -> Option<Gateway> {
    let IpAddr::V4(router) = gateway.router else { return None };
    let may_be_asked = address::is_router(router) || router.is_loopback();
    let is_one = gateway.pmp.ip() == gateway.router && gateway.ssdp.ip() == gateway.router;
    (may_be_asked && is_one && gateway.own.is_ipv4()).then(|| gateway.clone())
}

fn beside(router: Ipv4Addr) -> io::Result<Gateway> {
    let pmp = SocketAddr::from((router, PMP_PORT));
    // Connecting chooses the route and sends nothing.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(pmp)?;
    let own = socket.local_addr()?.ip();
    Ok(Gateway { router: IpAddr::V4(router), own, pmp, ssdp: SocketAddr::from((router, SSDP_PORT)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(router: &str, pmp: &str) -> Gateway {
        let pmp: SocketAddr = pmp.parse().expect("an address");
        let router = router.parse().expect("an address");
        Gateway { router, own: IpAddr::from([127, 0, 0, 1]), pmp, ssdp: pmp }
    }

    #[test]
    fn given_routers_are_private_or_loopback_and_one_host() {
        for (router, pmp) in [("192.168.1.1", "192.168.1.1:5351"), ("127.0.0.1", "127.0.0.1:7")] {
            assert!(given(&gateway(router, pmp)).is_some(), "{router}");
        }
        for (router, pmp) in
            [("8.8.8.8", "8.8.8.8:5351"), ("192.168.1.1", "192.168.1.2:5351"), ("::1", "[::1]:7")]
        {
            assert!(given(&gateway(router, pmp)).is_none(), "{router}");
        }
    }
}
