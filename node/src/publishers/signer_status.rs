//! The comparison of a manifest's signer with the known keys of its publisher: a decision without a file or a clock.

use std::collections::BTreeMap;

use super::key::{PublisherKey, Signer};

/// How a key came to be known.
///
/// ```
/// use minimodel::publishers::KeyOrigin;
///
/// // As a program keeps it in its own tables.
/// let words = KeyOrigin::ALL.map(KeyOrigin::as_str);
/// assert_eq!(words, ["import", "accepted", "pinned"]);
/// assert_eq!(KeyOrigin::from_word("pinned"), Some(KeyOrigin::Pinned));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// It was the first key of its publisher, and the user imported.
    Import,
    /// The user accepted it beside the keys that were known.
    Accepted,
    /// The user named it: `publisher pin`.
    Pinned,
}

impl KeyOrigin {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Import, Self::Accepted, Self::Pinned];

    /// The word in the file, in events and in the interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Accepted => "accepted",
            Self::Pinned => "pinned",
        }
    }

    /// Reads [`Self::as_str`]'s spelling.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.as_str() == word)
    }
}

/// A key that is known.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[2].text.as_bytes())?;
/// use minimodel::publishers::{KeyRecord, Publishers};
///
/// let known = Publishers::of(folder.path());
/// known.keep(&manifest, None, 1_780_000_000)?;
/// let forgotten: Vec<KeyRecord> = known.forget(manifest.publisher_id(), None)?;
/// assert_eq!(forgotten[0].model.as_deref(), Some("sample-model 1.0.0"));
/// assert_eq!(forgotten[0].first_seen_unix, 1_780_000_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key.
    pub key: PublisherKey,
    /// When it was first seen, in seconds since 1970.
    pub first_seen_unix: u64,
    /// `model.id` and `model.version` of the manifest that showed it; none where the user named the key.
    pub model: Option<String>,
    /// The swarm of that manifest, 64 hex digits.
    pub swarm_id: Option<String>,
    /// How it came to be known.
    pub origin: KeyOrigin,
}

/// The known keys of one `publisher.id`.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let key = minimodel_fixtures::key_id(&minimodel_fixtures::fixture_signing_key()).parse()?;
/// use minimodel::publishers::{PublisherRecord, Publishers};
///
/// let known = Publishers::of(folder.path());
/// let alice: PublisherRecord = known.pin("alice", Some(key), minimodel::clock::now_unix())?;
/// assert_eq!(alice.pinned, Some(key));
/// assert!(alice.key(key).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherRecord {
    /// Its keys, oldest first; at least one.
    pub keys: Vec<KeyRecord>,
    /// The only accepted key, if one is pinned; no flag overrides it.
    pub pinned: Option<PublisherKey>,
}

impl PublisherRecord {
    /// The record of one of its keys.
    pub fn key(&self, key: PublisherKey) -> Option<&KeyRecord> {
        self.keys.iter().find(|known| known.key == key)
    }
}

/// All publishers that are known, by `publisher.id`. Ids compare byte by byte; their alphabet has no capital letters and
/// nothing beyond ASCII.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[2].text.as_bytes())?;
/// use minimodel::publishers::{KnownPublishers, Publishers, SignerVerdict};
///
/// // Many manifests are compared with the record as it was read once.
/// let known: &KnownPublishers = &*Publishers::of(folder.path()).read()?;
/// assert_eq!(SignerVerdict::of(known, &manifest).status.as_str(), "new");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type KnownPublishers = BTreeMap<String, PublisherRecord>;

/// How a manifest's signer compares with the known keys of its publisher.
///
/// ```
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// use minimodel::publishers::{Signer, SignerStatus};
///
/// let ask = match SignerStatus::of(None, &Signer::of(&manifest)) {
///     SignerStatus::Known { .. } => "Fetch it?",
///     SignerStatus::New | SignerStatus::Unsigned => "Do you trust its source?",
///     SignerStatus::Changed { .. } | SignerStatus::SignatureMissing { .. } => "Does its publisher know of this?",
///     SignerStatus::PinMismatch { .. } => "",
/// };
/// assert_eq!(ask, "Do you trust its source?");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerStatus {
    /// Signed, and nothing is known of the publisher.
    New,
    /// Signed by a key that is known.
    Known {
        /// The key.
        key: KeyRecord,
        /// It is the pinned one.
        is_pinned: bool,
    },
    /// Signed by another key than those that are known.
    Changed {
        /// The known keys.
        known: Vec<KeyRecord>,
    },
    /// Not signed, although keys of the publisher are known.
    SignatureMissing {
        /// The known keys.
        known: Vec<KeyRecord>,
    },
    /// Not signed, and nothing is known of the publisher.
    Unsigned,
    /// Not signed by the key that is pinned.
    PinMismatch {
        /// The pinned key.
        pinned: PublisherKey,
    },
}

impl SignerStatus {
    /// Compares the signer with `publisher`, the known keys of the manifest's `publisher.id`.
    pub fn of(publisher: Option<&PublisherRecord>, signer: &Signer) -> Self {
        let Some(publisher) = publisher else {
            return match signer {
                Signer::Key(_) => Self::New,
                Signer::Unsigned => Self::Unsigned,
            };
        };
        if let Some(pinned) = publisher.pinned.filter(|pinned| *signer != Signer::Key(*pinned)) {
            return Self::PinMismatch { pinned };
        }
        match signer {
            Signer::Unsigned => Self::SignatureMissing { known: publisher.keys.clone() },
            Signer::Key(key) => match publisher.key(*key) {
                Some(known) => Self::Known { key: known.clone(), is_pinned: publisher.pinned.is_some() },
                None => Self::Changed { known: publisher.keys.clone() },
            },
        }
    }

    /// The word in events and in the interface.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Known { .. } => "known",
            Self::Changed { .. } => "changed",
            Self::SignatureMissing { .. } => "signature-missing",
            Self::Unsigned => "unsigned",
            Self::PinMismatch { .. } => "pin-mismatch",
        }
    }
}
