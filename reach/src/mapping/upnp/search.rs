//! The search for the router's description: one socket, open for `limits::SEARCH` at most.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::super::limits;
use super::super::settings::Gateway;
use super::ssdp;
use super::url::RouterUrl;

/// Where a search is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Scope {
    /// To the router alone.
    Router,
    /// To the router and to the group of SSDP in the network at hand: some routers hear the group alone.
    Network,
}

/// The group of SSDP (UPnP Device Architecture 1.1, section 1.1.2).
const GROUP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 1900);

/// How many routers a search to the group passes (section 1.3.2).
const GROUP_TTL: u32 = 2;

/// A search under way.
pub(super) struct Search {
    socket: UdpSocket,
    router: Ipv4Addr,
    ssdp: SocketAddr,
    scope: Scope,
    began: Instant,
    sent: usize,
    seen: Vec<RouterUrl>,
}

impl Search {
    pub(super) async fn begin(gateway: &Gateway, router: Ipv4Addr, scope: Scope) -> io::Result<Self> {
        let socket = UdpSocket::bind((gateway.own, 0)).await?;
        socket.set_multicast_ttl_v4(GROUP_TTL)?;
        let ssdp = gateway.ssdp;
        Ok(Self { socket, router, ssdp, scope, began: Instant::now(), sent: 0, seen: Vec::new() })
    }

    /// The next place of a description that the router names; `None` at the end of the search.
    pub(super) async fn next(&mut self) -> Option<RouterUrl> {
        let mut buffer = [0; limits::MAX_DATAGRAM_BYTES];
        let end = self.began + limits::upnp::SEARCH;
        while self.seen.len() < limits::upnp::PLACES {
            let send_at = limits::upnp::SEARCHES.get(self.sent).map(|&after| self.began + after);
            tokio::select! {
                received = timeout_at(end, self.socket.recv_from(&mut buffer)) => {
                    // An error is an ICMP answer to a search, and comes once for each.
                    let Ok((length, from)) = received.ok()? else { continue };
                    let place = buffer.get(..length).and_then(|datagram| place(self.router, datagram, from));
                    if let Some(place) = place.filter(|place| !self.seen.contains(place)) {
                        self.seen.push(place.clone());
                        return Some(place);
                    }
                }
                () = sleep_until(send_at.unwrap_or(end)), if send_at.is_some() => {
                    self.sent = self.sent.saturating_add(1);
                    self.send().await;
                }
            }
        }
        None
    }

    /// Sends the searches. One that is lost here is sent again, as one that is lost elsewhere.
    async fn send(&self) {
        for target in ssdp::TARGETS {
            let search = ssdp::search_at(self.ssdp, target);
            let _lost = self.socket.send_to(search.as_bytes(), self.ssdp).await;
            if self.scope == Scope::Network {
                let search = ssdp::search_group(GROUP, target);
                let _lost = self.socket.send_to(search.as_bytes(), GROUP).await;
            }
        }
    }
}

/// The place in an answer, if answer and place are the router's.
fn place(router: Ipv4Addr, datagram: &[u8], from: SocketAddr) -> Option<RouterUrl> {
    if from.ip() != IpAddr::V4(router) {
        return None;
    }
    RouterUrl::parse(ssdp::location(datagram)?, router)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_places_of_other_hosts_are_ignored() {
        let router = Ipv4Addr::new(192, 168, 1, 1);
        let answer = |host: &str| format!("HTTP/1.1 200 OK\r\nLOCATION: http://{host}:5000/d.xml\r\n\r\n");
        let from = |host: [u8; 4]| SocketAddr::from((host, 1900));
        assert!(place(router, answer("192.168.1.1").as_bytes(), from([192, 168, 1, 1])).is_some());
        assert_eq!(place(router, answer("192.168.1.1").as_bytes(), from([192, 168, 1, 2])), None);
        assert_eq!(place(router, answer("192.168.1.2").as_bytes(), from([192, 168, 1, 1])), None);
        assert_eq!(place(router, answer("192.168.1.2").as_bytes(), from([192, 168, 1, 2])), None);
    }
}
