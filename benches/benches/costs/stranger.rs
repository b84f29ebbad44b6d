//! The stranger: a plain QUIC client that sends arbitrary messages.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use minimodel_wire::{ALPN, Bitfield, Frame, Hello, ManifestOnly, Offer, PeerId, Request, SignedOffer};
use quinn::{Connection, Endpoint, SendStream, VarInt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, SignatureScheme};

use super::seeder::{self, Seeder};
use super::{Cost, used};

const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// Time in which the seeder finishes all work on what it received.
const SETTLE: Duration = Duration::from_millis(400);

/// A verifier that accepts every server, since an attacker would save that work too.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

fn config(key: &SigningKey) -> quinn::ClientConfig {
    let pkcs8: Vec<u8> = PKCS8.iter().chain(key.as_bytes()).copied().collect();
    let signer = rustls::crypto::ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8)).unwrap();
    let spki: Vec<u8> = SPKI.iter().chain(key.verifying_key().as_bytes()).copied().collect();
    let key = Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], signer));
    let mut config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone))
            .with_client_cert_resolver(Arc::new(rustls::client::AlwaysResolvesClientRawPublicKeys::new(key)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    quinn::ClientConfig::new(Arc::new(quinn::crypto::rustls::QuicClientConfig::try_from(config).unwrap()))
}

struct Stranger {
    endpoint: Endpoint,
    seeder: Seeder,
    next_key: u8,
}

impl Stranger {
    fn address(&self) -> SocketAddr {
        self.seeder.offer.offer().addresses[0]
    }

    async fn dial(&mut self) -> (Connection, SigningKey) {
        self.next_key += 1;
        let key = SigningKey::from_bytes(&[self.next_key; 32]);
        let connecting = self.endpoint.connect_with(config(&key), self.address(), "minimodel").unwrap();
        (connecting.await.unwrap(), key)
    }

    async fn join(&mut self) -> (Connection, SendStream, SigningKey) {
        let (connection, key) = self.dial().await;
        let (mut send, mut recv) = connection.open_bi().await.unwrap();
        let count = self.seeder.hello.chunk_count;
        let frames = [Frame::Hello(self.seeder.hello.clone()), Frame::Bitfield(Bitfield::new(count))];
        write(&mut send, &frames).await;
        // The seeder's frames are read and discarded.
        tokio::spawn(async move { while let Ok(Some(_)) = recv.read_chunk(1 << 20, true).await {} });
        tokio::time::sleep(SETTLE / 4).await;
        (connection, send, key)
    }
}

async fn write(send: &mut SendStream, frames: &[Frame]) {
    let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
    send.write_all(&bytes).await.unwrap();
}

/// Measures what the work costs both sides, until the seeder has settled.
async fn measure(
    what: &'static str,
    times: u32,
    connection: Option<&Connection>,
    work: impl Future<Output = ()>,
) -> Cost {
    let bytes = |connection: &Connection| {
        let stats = connection.stats();
        (stats.udp_tx.bytes, stats.udp_rx.bytes)
    };
    let (before, (theirs, ours)) = (connection.map(bytes), used());
    work.await;
    tokio::time::sleep(SETTLE).await;
    let (theirs_then, ours_then) = used();
    let moved = connection.map(bytes).zip(before).map(|(now, then)| (now.0 - then.0, now.1 - then.1));
    Cost { what, times, ours: ours_then - ours, theirs: theirs_then - theirs, bytes: moved }
}

async fn ask(connection: &Connection, request: &Request) {
    let (mut send, mut recv) = connection.open_bi().await.unwrap();
    send.write_all(&request.encode()).await.unwrap();
    send.finish().unwrap();
    let _ = recv.read_to_end(1 << 20).await;
}

pub(crate) fn costs() -> Vec<Cost> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let endpoint = Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let mut stranger = Stranger { endpoint, seeder: seeder::start(), next_key: 100 };
        let mut costs = of_packets(&stranger).await;
        costs.extend(of_connections(&mut stranger).await);
        costs.extend(of_frames(&mut stranger).await);
        costs.extend(of_streams(&mut stranger).await);
        costs
    })
}

async fn of_packets(stranger: &Stranger) -> Vec<Cost> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let mut noise = [0x55; 1_200];
    let flood = async {
        for n in 0..2_000_u32 {
            noise[1..5].copy_from_slice(&n.to_le_bytes());
            socket.send_to(&noise, stranger.address()).unwrap();
        }
    };
    let mut cost = measure("datagram that is no packet", 2_000, None, flood).await;
    cost.bytes = Some((2_000 * 1_200, 0));
    vec![cost]
}

async fn of_connections(stranger: &mut Stranger) -> Vec<Cost> {
    let mut costs = Vec::new();
    let handshakes = async {
        for _ in 0..20 {
            let (connection, _) = stranger.dial().await;
            connection.close(VarInt::from_u32(0), b"");
        }
    };
    costs.push(measure("handshake, then gone", 20, None, handshakes).await);
    let other = Hello { swarm_id: [9; 32], artifact_sha256: [9; 32], ..stranger.seeder.hello.clone() };
    let hellos = async {
        for _ in 0..10 {
            let (connection, _) = stranger.dial().await;
            let (mut send, _recv) = connection.open_bi().await.unwrap();
            write(&mut send, &[Frame::Hello(other.clone())]).await;
            connection.closed().await;
        }
    };
    costs.push(measure("handshake and hello of another swarm", 10, None, hellos).await);
    let hello = stranger.seeder.hello.clone();
    let hellos = async {
        for _ in 0..10 {
            let (connection, _) = stranger.dial().await;
            let (mut send, mut recv) = connection.open_bi().await.unwrap();
            write(&mut send, &[Frame::Hello(hello.clone())]).await;
            let _ = recv.read_chunk(1 << 10, true).await;
            connection.close(VarInt::from_u32(0), b"");
        }
    };
    costs.push(measure("handshake and hello, answered", 10, None, hellos).await);
    let manifests = async {
        for _ in 0..10 {
            let (connection, _) = stranger.dial().await;
            let (mut send, _recv) = connection.open_bi().await.unwrap();
            let (version, software) = (1, "costs/1".to_owned());
            let only = ManifestOnly { version, swarm_id: hello.swarm_id, software };
            write(&mut send, &[Frame::ManifestOnly(only)]).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            ask(&connection, &Request::Manifest).await;
            connection.close(VarInt::from_u32(0), b"");
        }
    };
    costs.push(measure("handshake and the manifest", 10, None, manifests).await);
    costs
}

async fn of_frames(stranger: &mut Stranger) -> Vec<Cost> {
    let mut costs = Vec::new();
    let count = stranger.seeder.hello.chunk_count;
    let cases: [(&str, u32, Frame); 6] = [
        ("`Have` of 256", 400, Frame::Have { indexes: (0..256).collect() }),
        ("`DontHave`", 1_000, Frame::DontHave { index: count - 1 }),
        ("`Choke`", 1_000, Frame::Choke),
        ("`Unchoke`", 1_000, Frame::Unchoke),
        ("reserved frame, empty", 1_000, Frame::Ignored { kind: 0x8000 }),
        ("`NotInterested`", 1_000, Frame::NotInterested),
    ];
    for (what, times, frame) in cases {
        let (connection, mut send, _) = stranger.join().await;
        let frames = vec![frame; times as usize];
        costs.push(measure(what, times, Some(&connection), write(&mut send, &frames)).await);
        connection.close(VarInt::from_u32(0), b"");
    }
    let (connection, mut send, _) = stranger.join().await;
    let toggles: Vec<Frame> = (0..500).flat_map(|_| [Frame::Interested, Frame::NotInterested]).collect();
    costs.push(measure("`Interested` and back", 500, Some(&connection), write(&mut send, &toggles)).await);
    connection.close(VarInt::from_u32(0), b"");

    let offer = |n: u8, expires: u64| {
        let key = SigningKey::from_bytes(&[n; 32]);
        let peer = PeerId(key.verifying_key().to_bytes());
        let addresses = vec![SocketAddr::from(([10, 0, 0, n], 47_000))];
        let swarm_id = stranger.seeder.hello.swarm_id;
        let expires_unix = seeder::now_unix() + 3_600 + expires;
        let signed = SignedOffer::sign(Offer { peer, swarm_id, addresses, expires_unix }, &key).unwrap();
        Bytes::from(signed.to_bytes())
    };
    let others = Frame::Peers { offers: (1..=16).map(|n| offer(n, 0)).collect() };
    let key = stranger.next_key + 1;
    let own: Vec<Frame> = (0..128).map(|n| Frame::Peers { offers: vec![offer(key, n)] }).collect();
    let (connection, mut send, _) = stranger.join().await;
    let frames = write(&mut send, &own);
    costs.push(
        measure("`Peers` with another own offer, again and again", 128, Some(&connection), frames).await,
    );
    let frames = vec![others; 100];
    let sent = write(&mut send, &frames);
    costs.push(measure("`Peers` of 16 offers of others, to a seeder", 100, Some(&connection), sent).await);
    connection.close(VarInt::from_u32(0), b"");
    costs
}

async fn of_streams(stranger: &mut Stranger) -> Vec<Cost> {
    let mut costs = Vec::new();
    let (connection, _send, _) = stranger.join().await;
    let choked = async {
        for _ in 0..200 {
            ask(&connection, &Request::Chunk { index: 0 }).await;
        }
    };
    costs.push(measure("chunk request while choked", 200, Some(&connection), choked).await);
    let resets = async {
        for _ in 0..400 {
            let (mut send, _recv) = connection.open_bi().await.unwrap();
            send.write_all(&[1]).await.unwrap();
            send.reset(VarInt::from_u32(0)).unwrap();
        }
    };
    costs.push(measure("stream that is opened and reset", 400, Some(&connection), resets).await);
    let leaves = async {
        for _ in 0..4 {
            let count = stranger.seeder.hello.chunk_count.min(4_096);
            ask(&connection, &Request::Leaves { first: 0, count }).await;
        }
    };
    costs.push(measure("4,096 leaf hashes", 4, Some(&connection), leaves).await);
    let manifests = async {
        for _ in 0..4 {
            ask(&connection, &Request::Manifest).await;
        }
    };
    costs.push(measure("manifest", 4, Some(&connection), manifests).await);
    connection.close(VarInt::from_u32(0), b"");
    let (connection, _send, _) = stranger.join().await;
    let stops = async {
        for _ in 0..200 {
            let (mut send, mut recv) = connection.open_bi().await.unwrap();
            send.write_all(&Request::Chunk { index: 0 }.encode()).await.unwrap();
            send.finish().unwrap();
            recv.stop(VarInt::from_u32(0)).unwrap();
        }
    };
    costs.push(measure("request that is stopped at once", 200, Some(&connection), stops).await);
    costs
}
