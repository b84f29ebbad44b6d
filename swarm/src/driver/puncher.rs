//! Packets that only open a router, from the socket of an endpoint.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use quinn::AsyncUdpSocket;
use quinn::udp::Transmit;

/// Contents of a packet. The two highest bits of its first byte are clear, so no version of QUIC takes it for a packet of
/// its own (RFC 9443 section 2), and it is too short to be answered.
const PUNCH: [u8; 8] = [0; 8];
/// Sends small packets from an endpoint's socket.
#[derive(Debug, Clone)]
pub(super) struct Puncher(Arc<dyn AsyncUdpSocket>);

impl Puncher {
    pub(super) fn new(socket: Arc<dyn AsyncUdpSocket>) -> Self {
        Self(socket)
    }

    /// Sends one packet. A full socket, or a network that does not take it, is none of the meeting's business: others follow.
    pub(super) fn send(&self, address: SocketAddr) {
        let is_ipv6 = self.0.local_addr().is_ok_and(|local| local.is_ipv6());
        let ip = match address.ip() {
            IpAddr::V4(ip) if is_ipv6 => ip.to_ipv6_mapped().into(),
            ip => ip,
        };
        let destination = SocketAddr::new(ip, address.port());
        let packet = Transmit { destination, ecn: None, contents: &PUNCH, segment_size: None, src_ip: None };
        let _ = self.0.try_send(&packet);
    }
}
