//! The settings that made raw quinn fastest, and the three traps of a large path MTU.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use quinn::congestion::CubicConfig;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    AsyncUdpSocket, ClientConfig, Endpoint, EndpointConfig, MtuDiscoveryConfig, Runtime, ServerConfig,
};
use quinn::{TransportConfig, UdpPoller, VarInt, udp};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, DigitallySignedStruct, SignatureScheme};

use crate::Failure;

/// The longest payload of a UDP datagram over IPv4: what a GSO batch may hold, too.
const MOST_DATAGRAM: usize = 65_507;
/// Kernel buffers: the default of some 200 KiB overflows. The kernel grants what `rmem_max` and `wmem_max` allow.
const SOCKET_BUFFER: usize = 8 << 20;
/// DER before the 32 bytes of an Ed25519 public key (RFC 8410 section 4) and secret seed (section 7).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

fn transport(mtu: u16) -> Result<Arc<TransportConfig>, Failure> {
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(mtu);
    let mut congestion = CubicConfig::default();
    if usize::from(mtu) > 16 << 10 {
        // First trap: the default first window is smaller than such a datagram, and the connection hangs for ever.
        congestion.initial_window(1 << 20);
    }
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(64))
        .max_idle_timeout(Some(Duration::from_secs(20).try_into()?))
        .stream_receive_window(VarInt::from_u32(4 << 20))
        .receive_window(VarInt::from_u32(16 << 20))
        // More than 4 MiB under way loses packets when datagrams are large.
        .send_window(if mtu > 9000 { 4 << 20 } else { 16 << 20 })
        .initial_mtu(mtu)
        .mtu_discovery_config(Some(discovery))
        .congestion_controller_factory(Arc::new(congestion));
    Ok(Arc::new(config))
}

/// AES-128-GCM alone: fastest with ring, and what QUIC's first packets use anyway.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

/// A server with a key of its own (a raw public key, RFC 7250).
pub(crate) fn server(mtu: u16) -> Result<ServerConfig, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let key = SigningKey::from_bytes(&seed);
    let pkcs8: Vec<u8> = PKCS8_PREFIX.iter().chain(&seed).copied().collect();
    let spki: Vec<u8> = SPKI_PREFIX.iter().chain(key.verifying_key().as_bytes()).copied().collect();
    let signer = rustls::crypto::ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8))?;
    let certified = Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], signer));
    let tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::server::AlwaysResolvesServerRawPublicKeys::new(certified)));
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(transport(mtu)?);
    Ok(config)
}

/// A client that accepts any server: in a loopback measurement there is no other to mistake for it.
pub(crate) fn client(mtu: u16) -> Result<ClientConfig, Failure> {
    let provider = provider();
    let tls = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
        .with_no_client_auth();
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(transport(mtu)?);
    Ok(config)
}

/// An endpoint on a free loopback port whose datagrams have up to `mtu` bytes.
pub(crate) fn endpoint(mtu: u16, server: Option<ServerConfig>) -> Result<Endpoint, Failure> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    let mut config = EndpointConfig::default();
    // Second trap: this announces how large the other side's datagrams may be, and the default is an Ethernet frame.
    config.max_udp_payload_size(mtu.max(1472))?;
    let runtime = Arc::new(quinn::TokioRuntime);
    let socket = runtime.wrap_udp_socket(socket.into())?;
    let segments = (MOST_DATAGRAM / usize::from(mtu)).max(1);
    Ok(Endpoint::new_with_abstract_socket(config, server, Arc::new(Batches { socket, segments }), runtime)?)
}

/// Third trap: a GSO batch (segments x MTU) must stay within one datagram, else the kernel refuses it.
#[derive(Debug)]
struct Batches {
    socket: Arc<dyn AsyncUdpSocket>,
    segments: usize,
}

impl AsyncUdpSocket for Batches {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.socket.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &udp::Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [udp::RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_recv(context, buffers, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments().min(self.segments)
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("QUIC is TLS 1.3".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = rustls::pki_types::SubjectPublicKeyInfoDer::from(key.as_ref());
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature_with_raw_key(message, &key, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
