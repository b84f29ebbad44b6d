//! Peer authentication: Ed25519 raw public keys (RFC 7250) on both sides of TLS 1.3.
//!
//! There are no certificates, no names and no authorities. The dialer knows which key to expect and accepts no other;
//! the acceptor learns the dialer's key, proven by the handshake's signature, and checks it against its own lists.

use std::sync::{Arc, Mutex, PoisonError};

use ed25519_dalek::SigningKey;
use minimodel_wire::{ALPN, KNOCK_ALPN, Knock, PeerId};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};

use super::error::DriverError;

/// DER of a SubjectPublicKeyInfo for Ed25519 before its 32 key bytes (RFC 8410 section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// DER of a PKCS#8 private key for Ed25519 before its 32 seed bytes (RFC 8410 section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The node's side of every handshake, made once.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    provider: Arc<CryptoProvider>,
    key: Arc<CertifiedKey>,
}

impl Credentials {
    pub(super) fn new(key: &SigningKey) -> Result<Self, DriverError> {
        let mut provider = rustls::crypto::ring::default_provider();
        // AES-128-GCM first: fastest where AES is in hardware, and all that QUIC's first packets need.
        provider
            .cipher_suites
            .sort_by_key(|suite| suite.suite() != rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
        Ok(Self { provider: Arc::new(provider), key: Arc::new(certified(key)?) })
    }

    /// The acceptor's configuration: any key may shake hands; the machine decides which peers stay.
    pub(super) fn server(&self) -> Result<rustls::ServerConfig, DriverError> {
        let resolver = rustls::server::AlwaysResolvesServerRawPublicKeys::new(self.key.clone());
        let mut config = rustls::ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(refused)?
            .with_client_cert_verifier(Arc::new(AnyKey(self.provider.clone())))
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![ALPN.to_vec(), KNOCK_ALPN.to_vec()];
        // No resumption and no early data: every connection proves its key anew, and nothing can be replayed.
        config.max_early_data_size = 0;
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok(config)
    }

    /// The dialer's configuration: only the key `expected` may answer. The returned cell holds the key that did.
    pub(super) fn client(&self, expected: PeerId) -> Result<(rustls::ClientConfig, FoundKey), DriverError> {
        let found = FoundKey::default();
        let verifier =
            ServerKey { provider: self.provider.clone(), expected: Some(expected), found: found.clone() };
        Ok((self.client_of(verifier, self.key.clone(), ALPN)?, found))
    }

    /// The configuration of a knock: a key made for it alone, and any key may answer.
    pub(super) fn throwaway(&self) -> Result<rustls::ClientConfig, DriverError> {
        let mut seed = [0; 32];
        let randomness = self.provider.secure_random;
        randomness.fill(&mut seed).map_err(|_| refused(rustls::Error::FailedToGetRandomBytes))?;
        let key = Arc::new(certified(&SigningKey::from_bytes(&seed))?);
        let verifier =
            ServerKey { provider: self.provider.clone(), expected: None, found: FoundKey::default() };
        self.client_of(verifier, key, KNOCK_ALPN)
    }

    fn client_of(
        &self,
        verifier: ServerKey,
        key: Arc<CertifiedKey>,
        protocol: &[u8],
    ) -> Result<rustls::ClientConfig, DriverError> {
        let resolver = rustls::client::AlwaysResolvesClientRawPublicKeys::new(key);
        let mut config = rustls::ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(refused)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![protocol.to_vec()];
        config.enable_early_data = false;
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }
}

/// A key as TLS shows it.
fn certified(key: &SigningKey) -> Result<CertifiedKey, DriverError> {
    let pkcs8: Vec<u8> = PKCS8_PREFIX.iter().chain(key.as_bytes()).copied().collect();
    let signer =
        rustls::crypto::ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8)).map_err(refused)?;
    let spki: Vec<u8> = SPKI_PREFIX.iter().chain(key.verifying_key().as_bytes()).copied().collect();
    Ok(CertifiedKey::new(vec![CertificateDer::from(spki)], signer))
}

/// The key that answered a dial.
#[derive(Debug, Clone, Default)]
pub(super) struct FoundKey(Arc<Mutex<Option<PeerId>>>);

impl FoundKey {
    pub(super) fn take(&self) -> Option<PeerId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, key: PeerId) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
    }
}

/// The key in a raw-public-key "certificate", if it is an Ed25519 key that a peer may have. A key of small order needs
/// no secret: ring's check of the signature alone would let it in.
pub(super) fn key_of(spki: &[u8]) -> Option<PeerId> {
    let key: [u8; 32] = spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok()?;
    PeerId::from_bytes(key).ok()
}

/// The key that the other side of an established connection proved.
pub(super) fn peer_of(connection: &quinn::Connection) -> Option<PeerId> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    key_of(identity.first()?.as_ref())
}

/// The secret of a connection that both proofs of a knock are over; `None` only if TLS exports none.
pub(super) fn exported(connection: &quinn::Connection) -> Option<[u8; 32]> {
    let mut secret = [0; 32];
    connection.export_keying_material(&mut secret, Knock::EXPORTER, b"").ok()?;
    Some(secret)
}

/// The TLS library's refusal, as an error that names none of its types.
fn refused(error: rustls::Error) -> DriverError {
    DriverError::Tls(error.into())
}

fn not_ed25519() -> rustls::Error {
    rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding)
}

fn verify(
    provider: &CryptoProvider,
    message: &[u8],
    key: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
    verify_tls13_signature_with_raw_key(
        message,
        &spki,
        signature,
        &provider.signature_verification_algorithms,
    )
}

fn tls12_refused() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13))
}

#[derive(Debug)]
struct ServerKey {
    provider: Arc<CryptoProvider>,
    /// The only key that may answer; `None`: any.
    expected: Option<PeerId>,
    found: FoundKey,
}

impl ServerCertVerifier for ServerKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let key = key_of(end_entity.as_ref()).ok_or_else(not_ed25519)?;
        self.found.put(key);
        if self.expected.is_none_or(|expected| key == expected) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        tls12_refused()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify(&self.provider, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct AnyKey(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        key_of(end_entity.as_ref()).map(|_| ClientCertVerified::assertion()).ok_or_else(not_ed25519)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        tls12_refused()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify(&self.0, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use minimodel_fixtures::refused_keys;

    use super::*;

    fn shown(key: &[u8; 32]) -> CertificateDer<'static> {
        CertificateDer::from([&SPKI_PREFIX[..], key].concat())
    }

    // Rows: H5
    #[test]
    fn tls_refuses_small_order_and_noncanonical_keys_on_both_sides() {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (acceptor, now) =
            (AnyKey(provider.clone()), UnixTime::since_unix_epoch(std::time::Duration::ZERO));
        let name = ServerName::try_from("minimodel").unwrap();
        for key in refused_keys() {
            assert!(acceptor.verify_client_cert(&shown(&key), &[], now).is_err(), "{key:02x?}");
            // Refused even where it is the expected key.
            let (expected, found) = (Some(PeerId(key)), FoundKey::default());
            let dialer = ServerKey { provider: provider.clone(), expected, found: found.clone() };
            assert!(dialer.verify_server_cert(&shown(&key), &[], &name, &[], now).is_err(), "{key:02x?}");
            assert_eq!(found.take(), None);
        }
        let good = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
        assert!(acceptor.verify_client_cert(&shown(&good), &[], now).is_ok());
    }

    #[test]
    fn protocol_page_lists_offered_suites_and_groups_in_order() {
        let page = include_str!("../../../docs/protocol.md");
        let provider = Credentials::new(&SigningKey::from_bytes(&[1; 32])).unwrap().provider;
        let suites = provider.cipher_suites.iter().map(|suite| format!("{:?}", suite.suite()));
        let suites: Vec<String> = suites.map(|name| name.replacen("TLS13_", "`TLS_", 1) + "`").collect();
        let groups = provider.kx_groups.iter().map(|group| format!("`{:?}`", group.name()).to_lowercase());
        for offered in [suites, groups.collect()] {
            let places: Vec<Option<usize>> = offered.iter().map(|name| page.find(name)).collect();
            assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{offered:?} {places:?}");
        }
    }
}
