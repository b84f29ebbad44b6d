//! The JSON form of a manifest's signer beside the known keys of its publisher ([`SignerVerdict`]).

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use minimodel::publishers::{self, Signer, SignerVerdict};

use super::forms::{KeyForm, PublisherIdForm, SwarmIdForm};

/// How a manifest stands to what is known of its publisher: docs/publishers.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PublisherStanding {
    /// Signed, and nothing is known of the publisher.
    New,
    /// Signed by a key that is known.
    Known,
    /// Signed by another key than those that are known.
    Changed,
    /// Not signed, although keys of the publisher are known.
    SignatureMissing,
    /// Not signed, and nothing is known of the publisher.
    Unsigned,
    /// Not signed by the key that is pinned; nothing but another pin lets it pass.
    PinMismatch,
}

/// A key that is known of a publisher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KnownKey {
    /// `ed25519:` and 64 lowercase hex digits.
    #[schema(value_type = KeyForm)]
    pub key: String,
    /// Since when.
    pub first_seen_unix: u64,
    /// `model.id` and version of the manifest that showed it; none where its user named it.
    pub model: Option<String>,
    /// The swarm of that manifest.
    #[schema(value_type = Option<SwarmIdForm>)]
    pub swarm_id: Option<String>,
    /// How it came to be known: `import`, `accepted` or `pinned`.
    #[schema(pattern = "^(import|accepted|pinned)$")]
    pub by: String,
}

/// A manifest's publisher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Publisher {
    /// `publisher.id`.
    #[schema(value_type = PublisherIdForm)]
    pub id: String,
    /// The key that signed the manifest; none: it is not signed.
    #[schema(value_type = Option<KeyForm>)]
    pub key: Option<String>,
    /// How that stands to what is known.
    pub standing: PublisherStanding,
    /// The known key that signed, or the known keys of which none did.
    pub known: Vec<KnownKey>,
    /// The key that is pinned, if one is.
    #[schema(value_type = Option<KeyForm>)]
    pub pinned: Option<String>,
}

impl From<&publishers::KeyRecord> for KnownKey {
    fn from(known: &publishers::KeyRecord) -> Self {
        Self {
            key: known.key.to_string(),
            first_seen_unix: known.first_seen_unix,
            model: known.model.clone(),
            swarm_id: known.swarm_id.clone(),
            by: known.origin.as_str().to_owned(),
        }
    }
}

impl KnownKey {
    /// Parses the key; `None` where a field is not what this program writes.
    fn read(&self) -> Option<publishers::KeyRecord> {
        Some(publishers::KeyRecord {
            key: self.key.parse().ok()?,
            first_seen_unix: self.first_seen_unix,
            model: self.model.clone(),
            swarm_id: self.swarm_id.clone(),
            origin: publishers::KeyOrigin::from_word(&self.by)?,
        })
    }
}

impl From<&SignerVerdict> for Publisher {
    fn from(verdict: &SignerVerdict) -> Self {
        use publishers::SignerStatus;
        let list = |known: &[publishers::KeyRecord]| known.iter().map(KnownKey::from).collect();
        let (standing, known, pinned) = match &verdict.status {
            SignerStatus::New => (PublisherStanding::New, Vec::new(), None),
            SignerStatus::Unsigned => (PublisherStanding::Unsigned, Vec::new(), None),
            SignerStatus::Known { key, is_pinned } => {
                (PublisherStanding::Known, vec![key.into()], is_pinned.then_some(key.key))
            }
            SignerStatus::Changed { known } => (PublisherStanding::Changed, list(known), None),
            SignerStatus::SignatureMissing { known } => {
                (PublisherStanding::SignatureMissing, list(known), None)
            }
            SignerStatus::PinMismatch { pinned } => {
                (PublisherStanding::PinMismatch, Vec::new(), Some(*pinned))
            }
        };
        Self {
            id: verdict.publisher.clone(),
            key: verdict.signer.key().map(|key| key.to_string()),
            standing,
            known,
            pinned: pinned.map(|key| key.to_string()),
        }
    }
}

impl Publisher {
    /// Parses the publisher, for a client; `None` where a field is not what this program writes.
    fn read(&self) -> Option<SignerVerdict> {
        use publishers::SignerStatus;
        let known = || self.known.iter().map(KnownKey::read).collect::<Option<Vec<_>>>();
        let status = match self.standing {
            PublisherStanding::New => SignerStatus::New,
            PublisherStanding::Unsigned => SignerStatus::Unsigned,
            PublisherStanding::Known => {
                SignerStatus::Known { key: known()?.into_iter().next()?, is_pinned: self.pinned.is_some() }
            }
            PublisherStanding::Changed => SignerStatus::Changed { known: known()? },
            PublisherStanding::SignatureMissing => SignerStatus::SignatureMissing { known: known()? },
            PublisherStanding::PinMismatch => {
                SignerStatus::PinMismatch { pinned: self.pinned.as_deref()?.parse().ok()? }
            }
        };
        let signer = match &self.key {
            Some(key) => Signer::Key(key.parse().ok()?),
            None => Signer::Unsigned,
        };
        Some(SignerVerdict { publisher: self.id.clone(), signer, status })
    }
}

/// Serializes a field of type `Option<SignerVerdict>` as its [`Publisher`].
pub(super) fn serialize<S: Serializer>(
    verdict: &Option<SignerVerdict>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    verdict.as_ref().map(Publisher::from).serialize(serializer)
}

/// Reads such a field; `None` also where the publisher cannot be parsed.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SignerVerdict>, D::Error> {
    Ok(Option::<Publisher>::deserialize(deserializer)?.and_then(|publisher| publisher.read()))
}
