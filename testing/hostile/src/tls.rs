//! TLS as `docs/protocol.md` section 1 requires it, and in ways that it forbids.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use minimodel_wire::{ALPN, PeerId};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};

/// DER of a SubjectPublicKeyInfo for Ed25519 before its 32 key bytes (RFC 8410 section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// DER of a PKCS#8 private key for Ed25519 before its 32 seed bytes (RFC 8410 section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// A P-256 key in PKCS#8, which protects nothing: the target has to refuse it.
const P256: &str = "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b02010104206304cb49e2b36eea25e32b0c9329\
    7266c9ec5e8609102645ec9e434155b45d79a1440342000442fab4f9572be3ecda9a9f3bf955571bd22cd0e2b46eb67fb1b2\
    47bd84dc8220a3cb8b04d558a470b8d46f73154044ba40a25f473d7ed83f34f00f4511b90fc2";

/// The key of the hostile side.
#[derive(Debug, Clone)]
pub struct Identity {
    key: SigningKey,
}

/// The key that the hostile side shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Its own key.
    Own,
    /// No key.
    Nothing,
    /// A key of a scheme that the protocol does not allow, with a signature of the scheme that it allows: the target has to
    /// look at the key itself.
    P256,
    /// The key of another peer, with a signature by the hostile side's own key.
    Stolen(PeerId),
    /// The neutral element, under which one signature holds for every message.
    Weak,
}

/// The encoding of the neutral element of the curve, and R of the signature whose S is 0.
const NEUTRAL: [u8; 32] = {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    bytes
};

/// Signs everything with R neutral and S zero: S * B = R + k * A for any k, since A is neutral too.
#[derive(Debug)]
struct NoSecret;

impl rustls::sign::SigningKey for NoSecret {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        offered.contains(&SignatureScheme::ED25519).then(|| Box::new(Self) as Box<dyn rustls::sign::Signer>)
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        rustls::SignatureAlgorithm::ED25519
    }
}

impl rustls::sign::Signer for NoSecret {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok([NEUTRAL, [0; 32]].concat())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

impl Identity {
    /// A new key.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness.
    pub fn new() -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).context("no randomness")?;
        Ok(Self::from_seed(seed))
    }

    /// The key of a seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(&seed) }
    }

    /// Its peer id.
    pub fn id(&self) -> PeerId {
        PeerId(self.key.verifying_key().to_bytes())
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    fn certified(&self, shown: Shown) -> Result<Arc<CertifiedKey>> {
        if shown == Shown::P256 {
            let der = HEXLOWER.decode(P256.as_bytes()).context("the constant is hexadecimal")?;
            let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der));
            let p256 = rustls::crypto::ring::sign::any_ecdsa_type(&der)?;
            let spki = p256.public_key().context("a key without its public half")?.as_ref().to_vec();
            return Ok(Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], self.signer()?)));
        }
        if shown == Shown::Weak {
            let spki: Vec<u8> = SPKI_PREFIX.iter().chain(&NEUTRAL).copied().collect();
            return Ok(Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], Arc::new(NoSecret))));
        }
        let public = if let Shown::Stolen(PeerId(key)) = shown { key } else { self.id().0 };
        let spki: Vec<u8> = SPKI_PREFIX.iter().chain(&public).copied().collect();
        Ok(Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], self.signer()?)))
    }

    fn signer(&self) -> Result<Arc<dyn rustls::sign::SigningKey>> {
        let pkcs8: Vec<u8> = PKCS8_PREFIX.iter().chain(self.key.as_bytes()).copied().collect();
        Ok(rustls::crypto::ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8))?)
    }

    /// A client's configuration that accepts any key of the server.
    pub(crate) fn client(&self, shown: Shown, alpn: &[u8]) -> Result<QuicClientConfig> {
        let provider = provider();
        let verifier = Arc::new(Anyone(provider.clone()));
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = if shown == Shown::Nothing {
            builder.with_no_client_auth()
        } else {
            let key = self.certified(shown)?;
            builder.with_client_cert_resolver(Arc::new(
                rustls::client::AlwaysResolvesClientRawPublicKeys::new(key),
            ))
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        // Any session ticket that comes is used: see the trick `early-data`.
        config.enable_early_data = true;
        Ok(QuicClientConfig::try_from(config)?)
    }

    /// A server's configuration that lets in any client with a key.
    pub(crate) fn server(&self, shown: Shown) -> Result<QuicServerConfig> {
        let provider = provider();
        let resolver = rustls::server::AlwaysResolvesServerRawPublicKeys::new(self.certified(shown)?);
        let mut config = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(Anyone(provider)))
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(QuicServerConfig::try_from(config)?)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A verifier that accepts any key, and checks only that its signature is right.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl Anyone {
    fn verify(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &spki, signature, algorithms)
    }
}

fn no_tls12() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13))
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Anyone {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
