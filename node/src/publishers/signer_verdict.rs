//! The verdict on a manifest's signer, compared with the known keys of its publisher: accepted or refused.

use minimodel_verifier::Manifest;

use super::key::{PublisherKey, Signer};
use super::signer_status::{KeyRecord, KnownPublishers, SignerStatus};

/// A manifest's publisher and signer, compared with the known keys.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[2].text.as_bytes())?;
/// use minimodel::publishers::{Publishers, SignerVerdict};
///
/// let verdict: SignerVerdict = Publishers::verdict_in(&home, &manifest)?;
/// assert!(!verdict.is_alarm());
/// println!("{}: {}", verdict.publisher, verdict.status.as_str());
/// verdict.accept_key(None)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerVerdict {
    /// `publisher.id`.
    pub publisher: String,
    /// The signer.
    pub signer: Signer,
    /// How the signer compares with the known keys.
    pub status: SignerStatus,
}

/// A manifest refused for its signer.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let manifests = minimodel_fixtures::valid_manifests();
/// # let signed = minimodel::Manifest::parse(manifests[2].text.as_bytes())?;
/// # let unsigned = minimodel::Manifest::parse(manifests[0].text.as_bytes())?;
/// use minimodel::publishers::{Publishers, SignerRefusal};
///
/// let known = Publishers::of(folder.path());
/// known.keep(&signed, None, minimodel::clock::now_unix())?;
/// let verdict = known.signer_verdict(&unsigned)?;
/// let refusal: SignerRefusal = verdict.accept_key(None).unwrap_err();
/// // The user is asked, and accepts this one manifest although it is not signed.
/// assert!(refusal.can_be_accepted());
/// verdict.accept_key(Some(&refusal.signer))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.told())]
pub struct SignerRefusal {
    /// `publisher.id`.
    pub publisher: String,
    /// The signer.
    pub signer: Signer,
    /// Why it is refused.
    pub reason: RefusalReason,
}

/// Why a manifest is refused.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let unsigned = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[0].text.as_bytes())?;
/// # let key = minimodel_fixtures::key_id(&minimodel_fixtures::fixture_signing_key()).parse()?;
/// use minimodel::publishers::{Publishers, RefusalReason};
///
/// let known = Publishers::of(folder.path());
/// known.pin(unsigned.publisher_id(), Some(key), minimodel::clock::now_unix())?;
/// let refusal = known.signer_verdict(&unsigned)?.accept_key(None).unwrap_err();
/// let may_ask = match refusal.reason {
///     RefusalReason::Other(_) => true,
///     RefusalReason::Pinned(_) | RefusalReason::Demanded(_) => false,
/// };
/// assert!(!may_ask);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// Other keys are known; the user may accept the manifest's signer.
    Other(Vec<KeyRecord>),
    /// Another key is pinned.
    Pinned(PublisherKey),
    /// The user demanded another key.
    Demanded(PublisherKey),
}

impl SignerVerdict {
    /// Compares the signer of a manifest with the known keys of its publisher.
    pub fn of(known: &KnownPublishers, manifest: &Manifest) -> Self {
        let publisher = manifest.publisher_id();
        let signer = Signer::of(manifest);
        let status = SignerStatus::of(known.get(publisher), &signer);
        Self { publisher: publisher.to_owned(), signer, status }
    }

    /// True if the user must be warned: the signer needs acceptance by name, or a pin rules it out.
    pub fn is_alarm(&self) -> bool {
        self.refusal().is_some()
    }

    /// Decides whether the manifest may be used. `accepted`: the signer that the user accepts by name; it overrides no pin.
    ///
    /// # Errors
    ///
    /// The signer contradicts the known keys and was not accepted, or another key is pinned.
    pub fn accept_key(&self, accepted: Option<&Signer>) -> Result<(), SignerRefusal> {
        match self.refusal() {
            Some(refusal) if !refusal.can_be_accepted() || accepted != Some(&self.signer) => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Compares the signer with the key that the user demands, whatever keys are known.
    ///
    /// # Errors
    ///
    /// The manifest is signed by another key, or not at all.
    pub fn require_key(&self, wanted: PublisherKey) -> Result<(), SignerRefusal> {
        match self.signer == Signer::Key(wanted) {
            true => Ok(()),
            false => Err(self.refused(RefusalReason::Demanded(wanted))),
        }
    }

    fn refusal(&self) -> Option<SignerRefusal> {
        match &self.status {
            SignerStatus::New | SignerStatus::Known { .. } | SignerStatus::Unsigned => None,
            SignerStatus::Changed { known } | SignerStatus::SignatureMissing { known } => {
                Some(self.refused(RefusalReason::Other(known.clone())))
            }
            SignerStatus::PinMismatch { pinned } => Some(self.refused(RefusalReason::Pinned(*pinned))),
        }
    }

    fn refused(&self, reason: RefusalReason) -> SignerRefusal {
        SignerRefusal { publisher: self.publisher.clone(), signer: self.signer, reason }
    }
}

impl SignerRefusal {
    /// True if the user can accept the manifest by naming its signer.
    pub fn can_be_accepted(&self) -> bool {
        matches!(self.reason, RefusalReason::Other(_))
    }

    fn told(&self) -> String {
        let publisher = &self.publisher;
        let (known, though) = match &self.reason {
            RefusalReason::Other(_) => ("is known", "those before it were"),
            RefusalReason::Pinned(_) => ("is pinned", "a key is pinned"),
            RefusalReason::Demanded(_) => ("was demanded", "a key was demanded"),
        };
        match self.signer {
            Signer::Key(key) => {
                format!("the manifest of `{publisher}` is signed by {key}, which is not the key that {known}")
            }
            Signer::Unsigned => format!("the manifest of `{publisher}` is not signed, and {though}"),
        }
    }
}
