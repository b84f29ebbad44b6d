//! A publisher's key, and the signer that a manifest shows: a key or none.

use std::fmt;
use std::str::FromStr;

use minimodel_verifier::Manifest;
use minimodel_verifier::digest::{hex, parse_hex};
use minimodel_verifier::manifest::{KeyFault, check_key};

const PREFIX: &str = "ed25519:";
const UNSIGNED: &str = "unsigned";

/// An Ed25519 public key in the spelling of `publisher.key_id`: `ed25519:` and 64 lowercase hex digits.
///
/// ```
/// # let key = minimodel_fixtures::key_id(&minimodel_fixtures::fixture_signing_key());
/// use minimodel::publishers::PublisherKey;
///
/// // `key` is what the publisher has on their page.
/// let read: PublisherKey = key.parse()?;
/// read.check().expect("manifests can be signed by it");
/// assert_eq!(read.to_string(), key);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublisherKey([u8; 32]);

/// A text that is no key.
///
/// ```
/// use minimodel::publishers::{KeySyntax, PublisherKey};
///
/// // A key that was cut when it was copied.
/// let read = "ed25519:5e5e5e".parse::<PublisherKey>();
/// assert_eq!(read, Err(KeySyntax));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write the whole key: `ed25519:` and 64 lowercase hex digits")]
pub struct KeySyntax;

impl PublisherKey {
    /// Checks that manifests can be signed by this key. A record may name one that cannot be, for its user to remove.
    ///
    /// # Errors
    ///
    /// A key of small order, or bytes that are not the canonical spelling of a point.
    pub fn check(&self) -> Result<(), KeyFault> {
        check_key(&self.0)
    }
}

impl FromStr for PublisherKey {
    type Err = KeySyntax;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix(PREFIX).and_then(parse_hex).map(Self).ok_or(KeySyntax)
    }
}

impl fmt::Display for PublisherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex(&self.0))
    }
}

/// The signer of a manifest, as far as the manifest shows.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[2].text.as_bytes())?;
/// use minimodel::publishers::Signer;
///
/// let told = match Signer::of(&manifest) {
///     Signer::Key(key) => format!("signed by {key}"),
///     Signer::Unsigned => "not signed".to_owned(),
/// };
/// assert!(told.starts_with("signed by ed25519:"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signer {
    /// The holder of this key.
    Key(PublisherKey),
    /// The manifest is not signed.
    Unsigned,
}

impl Signer {
    /// The signer that a manifest shows; its signature was verified when it was read.
    pub fn of(manifest: &Manifest) -> Self {
        let key = manifest.is_signed().then(|| manifest.publisher_key_id().parse().ok()).flatten();
        key.map_or(Self::Unsigned, Self::Key)
    }

    /// The key, if there is one.
    pub fn key(&self) -> Option<PublisherKey> {
        match self {
            Self::Key(key) => Some(*key),
            Self::Unsigned => None,
        }
    }
}

/// A text that is neither a key nor the word `unsigned`.
///
/// ```
/// use minimodel::publishers::{Signer, SignerSyntax};
///
/// assert_eq!("unsigned".parse(), Ok(Signer::Unsigned));
/// // Neither the word nor a key: the program asks again.
/// assert_eq!("none".parse::<Signer>(), Err(SignerSyntax));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write the whole key, `ed25519:` and 64 lowercase hex digits, or the word `unsigned`")]
pub struct SignerSyntax;

impl FromStr for Signer {
    type Err = SignerSyntax;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == UNSIGNED {
            return Ok(Self::Unsigned);
        }
        text.parse().map(Self::Key).map_err(|KeySyntax| SignerSyntax)
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Unsigned => f.write_str(UNSIGNED),
        }
    }
}
