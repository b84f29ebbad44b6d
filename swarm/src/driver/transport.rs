//! Every QUIC setting, none left at a library default without a reason; the table is in `docs/protocol.md`.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    EndpointConfig, IdleTimeout, MtuDiscoveryConfig, Runtime as _, ServerConfig, TransportConfig, VarInt,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::congestion::Congestion;
use super::error::DriverError;
use super::puncher::Puncher;
use super::socket::{BatchRuntime, MAX_DATAGRAM};

/// The only version of QUIC that is spoken (RFC 9000 section 15); drafts are not.
const QUIC_V1: u32 = 1;
/// Deadline for the handshake, the first stream and the first frame.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time for the exchange of a knock, beyond the handshake: two round trips of a satellite's path.
pub(super) const KNOCK: Duration = Duration::from_secs(3);
/// A connection without a packet for this long is gone.
const IDLE: Duration = Duration::from_secs(30);
/// A third of [`IDLE`]: two lost keep-alives do no harm.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A peer that takes no byte of an answer for this long is not reading.
pub(super) const WRITE_DEADLINE: Duration = Duration::from_secs(20);

/// Longest time for which a close is repeated.
pub(super) const MAX_DRAIN_TIME: Duration = Duration::from_millis(300);

/// How long a close is repeated: RFC 9000 section 10.2 wants three probe timeouts, a user wants the prompt back. A peer
/// that misses the close finds out by its own idle timeout.
pub(super) fn drain_time(rtt: Duration) -> Duration {
    (rtt * 2).clamp(Duration::from_millis(5), MAX_DRAIN_TIME)
}

/// Streams the other side may open before its Hello is judged: control, manifest, and two to spare.
const STREAMS_BEFORE_HELLO: u32 = 4;
/// Streams the other side may open after its Hello: control, leaf hashes, and 254 chunks. A stream is free again two
/// round trips after its request, so that fewer would be the limit for small chunks over a long path.
pub(super) const STREAMS_AFTER_HELLO: u32 = 256;

/// Receive window of one stream: bytes are read as they come, so the window is the path's, not the chunk's.
const STREAM_WINDOW: u32 = 8 << 20;
/// Receive window of an incoming connection before its Hello has named a swarm.
const HELLO_WINDOW: u32 = 32 << 10;
/// Receive window of a peer to which no requests are made: the most that it can make this node hold.
const FIRST_WINDOW: u32 = 256 << 10;
/// Largest receive window of an introduced peer: 1 Gbit/s at 200 ms.
const MOST_WINDOW: u64 = 24 << 20;
/// Largest send window of an introduced peer: bytes that it may leave unacknowledged.
const MOST_SEND_WINDOW: u64 = 20 << 20;
/// All receive windows together, and all send windows together: bounds memory whatever the number of peers.
const ALL_WINDOWS: u64 = 64 << 20;
/// Smallest window of an introduced peer: with less it is hardly worth its connection.
const LEAST_WINDOW: u64 = 256 << 10;

/// Receive windows of all peers on this computer together: a path without delay needs no more, and more would overflow
/// the socket.
const LOCAL_WINDOW: u64 = 3 << 20;

fn is_local(remote: SocketAddr) -> bool {
    remote.ip().to_canonical().is_loopback()
}

/// Receive and send window of one of `peers` introduced peers, the one at `remote`, in bytes.
pub(super) fn windows_of(remote: SocketAddr, peers: usize) -> (u64, u64) {
    let (receive, send) = windows(peers);
    if !is_local(remote) {
        return (receive, send);
    }
    let share = (LOCAL_WINDOW / (peers as u64).max(1)).max(LEAST_WINDOW);
    (receive.min(share), send)
}

/// Receive and send window of each of `peers` introduced peers, in bytes.
fn windows(peers: usize) -> (u64, u64) {
    let share = ALL_WINDOWS / (peers as u64).max(1);
    (share.clamp(LEAST_WINDOW, MOST_WINDOW), share.clamp(LEAST_WINDOW, MOST_SEND_WINDOW))
}

/// Handshakes at once; beyond it newcomers are not answered at all.
pub(super) const MAX_INCOMING: usize = 256;
/// Unproven addresses at once before each newcomer must first show that it owns its address (RFC 9000 section 8.1.2).
pub(super) const RETRY_BEYOND: usize = 8;
/// Bytes buffered for one handshake that is not accepted yet, and for all together.
const INCOMING_BUFFER: u64 = 64 << 10;
const INCOMING_BUFFER_TOTAL: u64 = 8 << 20;

/// Kernel buffers: the default of some 200 KiB overflows at a gigabyte a second.
const SOCKET_BUFFER: usize = 4 << 20;

/// Longest payload where the kernel does not report the first hop's: an Ethernet frame over IPv6, rounded down.
const USUAL_DATAGRAM: u16 = 1_452;
/// Size of datagrams on this computer, from the first packet on: handshake packets cannot be longer (quinn writes their
/// length in 14 bits), and beyond it little is to be gained.
const FIRST_LOCAL_DATAGRAM: u16 = 16_000;
/// Size of datagrams that every path takes (RFC 9000 section 14).
pub const LEAST_DATAGRAM: u16 = 1_200;

/// The path to one peer: datagrams are tried up to what the first hop takes (RFC 8899), and never above `most`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    pub(super) remote: SocketAddr,
    /// Longest payload that the first hop takes, where the kernel reports it.
    pub(super) payload: Option<u16>,
    /// Longest datagram that the settings allow.
    pub(super) most: Option<u16>,
    pub(super) congestion: Congestion,
    /// Round trip that is assumed before one is measured; `None`: QUIC's own (RFC 9002 section 6.2.2).
    pub(super) first_rtt: Option<Duration>,
}

/// The initial congestion window, in bytes, on a path that may take datagrams of `longest` bytes (RFC 9002 section
/// 7.2): a probe of that size must leave room, or everything else waits for its acknowledgement.
fn first_window(longest: u16) -> u64 {
    (2 * u64::from(longest)).max(14_720)
}

/// The longest datagram: the setting, within what every path takes and what UDP can carry.
fn datagram(most: Option<u16>) -> u16 {
    most.unwrap_or(MAX_DATAGRAM).clamp(LEAST_DATAGRAM, MAX_DATAGRAM)
}

fn base(streams: u32, path: Option<Path>) -> TransportConfig {
    let mut config = TransportConfig::default();
    if let Some(Path { remote, payload, most, congestion, first_rtt }) = path {
        if let Some(rtt) = first_rtt {
            config.initial_rtt(rtt);
        }
        let longest = payload.unwrap_or(USUAL_DATAGRAM).min(datagram(most));
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(longest);
        config.mtu_discovery_config(Some(discovery));
        if is_local(remote) {
            // Nearly always the first hop is the only one. Where it leads into a tunnel, long datagrams are soon found
            // lost.
            config.initial_mtu(longest.min(FIRST_LOCAL_DATAGRAM));
        }
        config.congestion_controller_factory(congestion.factory(first_window(longest)));
    }
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(streams))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(FIRST_WINDOW))
        .send_window(LEAST_WINDOW)
        .max_idle_timeout(IdleTimeout::try_from(IDLE).ok())
        .keep_alive_interval(Some(KEEP_ALIVE))
        .crypto_buffer_size(16 << 10)
        .allow_spin(false);
    config
}

pub(super) fn server(tls: rustls::ServerConfig) -> Result<ServerConfig, DriverError> {
    let crypto = QuicServerConfig::try_from(tls).map_err(|_| DriverError::NoInitialCipher)?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(base(STREAMS_BEFORE_HELLO, None)))
        .max_incoming(MAX_INCOMING)
        .incoming_buffer_size(INCOMING_BUFFER)
        .incoming_buffer_size_total(INCOMING_BUFFER_TOTAL)
        .migration(true);
    Ok(config)
}

/// The server's settings for one newcomer.
pub(super) fn server_for(server: &ServerConfig, path: Path) -> Arc<ServerConfig> {
    let (mut config, mut transport) = (server.clone(), base(STREAMS_BEFORE_HELLO, Some(path)));
    transport.receive_window(VarInt::from_u32(HELLO_WINDOW));
    config.transport_config(Arc::new(transport));
    Arc::new(config)
}

/// Gives an incoming connection the window of a peer, once a session takes it.
pub(super) fn widen(connection: &quinn::Connection) {
    connection.set_receive_window(VarInt::from_u32(FIRST_WINDOW));
}

/// `serves`: whether the other side may open streams to this node at all.
pub(super) fn client(
    tls: rustls::ClientConfig,
    serves: bool,
    path: Path,
) -> Result<quinn::ClientConfig, DriverError> {
    let crypto = QuicClientConfig::try_from(tls).map_err(|_| DriverError::NoInitialCipher)?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(base(if serves { STREAMS_BEFORE_HELLO } else { 0 }, Some(path))));
    Ok(config)
}

/// A bound socket as an endpoint, and for packets of its own. An IPv6 wildcard also takes IPv4.
pub(super) fn endpoint(
    address: SocketAddr,
    server: Option<ServerConfig>,
    most: Option<u16>,
) -> Result<(quinn::Endpoint, Puncher), DriverError> {
    let bind = |source: std::io::Error| DriverError::Bind { address, source };
    let socket = socket(address).map_err(bind)?;
    let mut config = EndpointConfig::default();
    config.supported_versions(vec![QUIC_V1]);
    // Not below what a peer may send before it knows this limit; the clamp keeps it in quinn's range.
    let _ = config.max_udp_payload_size(datagram(most));
    let socket = BatchRuntime.wrap_udp_socket(socket).map_err(bind)?;
    let puncher = Puncher::new(socket.clone());
    let runtime = Arc::new(BatchRuntime);
    let endpoint =
        quinn::Endpoint::new_with_abstract_socket(config, server, socket, runtime).map_err(bind)?;
    Ok((endpoint, puncher))
}

fn socket(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A kernel may grant less; then transfers are slower, not wrong.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_peers_never_fill_the_socket_and_far_ones_may() {
        let (local, far) = (SocketAddr::from(([127, 0, 0, 1], 1)), SocketAddr::from(([10, 0, 0, 1], 1)));
        for peers in 1..=12 {
            assert!(windows_of(local, peers).0 * peers as u64 <= LOCAL_WINDOW, "{peers}");
        }
        assert_eq!(windows_of(local, 64).0, LEAST_WINDOW);
        assert_eq!(windows_of(far, 1).0, MOST_WINDOW);
    }

    // Rows: F1
    #[test]
    fn windows_of_all_peers_stay_within_their_sum() {
        assert_eq!(windows(0), (MOST_WINDOW, MOST_SEND_WINDOW));
        assert_eq!(windows(1), (MOST_WINDOW, MOST_SEND_WINDOW));
        for peers in 4..=256 {
            let (receive, send) = windows(peers);
            assert!(receive * peers as u64 <= ALL_WINDOWS && send <= receive, "{peers}");
        }
    }
}
