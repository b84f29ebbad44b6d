//! A manifest judged against the known keys of its publisher: admitted or refused.

use minimodel_verifier::Manifest;

use super::key::{PublisherKey, Shown};
use super::standing::{Known, KnownKey, Standing};

/// A manifest's publisher and signer, compared with the known keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// `publisher.id`.
    pub publisher: String,
    /// The signer.
    pub shown: Shown,
    /// How the signer compares with the known keys.
    pub standing: Standing,
}

/// A manifest refused for its signer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.told())]
pub struct Refusal {
    /// `publisher.id`.
    pub publisher: String,
    /// The signer.
    pub shown: Shown,
    /// Why it is refused.
    pub why: Why,
}

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Other keys are known; the user may accept the manifest's signer.
    Other(Vec<KnownKey>),
    /// Another key is pinned.
    Pinned(PublisherKey),
    /// The user demanded another key.
    Demanded(PublisherKey),
}

impl Judged {
    /// Compares the signer of a manifest with the known keys of its publisher.
    pub fn of(known: &Known, manifest: &Manifest) -> Self {
        let publisher = manifest.publisher_id();
        let shown = Shown::of(manifest);
        let standing = Standing::of(known.get(publisher), &shown);
        Self { publisher: publisher.to_owned(), shown, standing }
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
    pub fn admit(&self, accepted: Option<&Shown>) -> Result<(), Refusal> {
        match self.refusal() {
            Some(refusal) if !refusal.can_be_accepted() || accepted != Some(&self.shown) => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Compares the signer with the key that the user demands, whatever keys are known.
    ///
    /// # Errors
    ///
    /// The manifest is signed by another key, or not at all.
    pub fn demand(&self, wanted: PublisherKey) -> Result<(), Refusal> {
        match self.shown == Shown::Key(wanted) {
            true => Ok(()),
            false => Err(self.refused(Why::Demanded(wanted))),
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        match &self.standing {
            Standing::New | Standing::Known { .. } | Standing::Unsigned => None,
            Standing::Changed { known } | Standing::SignatureMissing { known } => {
                Some(self.refused(Why::Other(known.clone())))
            }
            Standing::PinMismatch { pinned } => Some(self.refused(Why::Pinned(*pinned))),
        }
    }

    fn refused(&self, why: Why) -> Refusal {
        Refusal { publisher: self.publisher.clone(), shown: self.shown, why }
    }
}

impl Refusal {
    /// True if the user can accept the manifest by naming its signer.
    pub fn can_be_accepted(&self) -> bool {
        matches!(self.why, Why::Other(_))
    }

    fn told(&self) -> String {
        let publisher = &self.publisher;
        let (known, though) = match &self.why {
            Why::Other(_) => ("is known", "those before it were"),
            Why::Pinned(_) => ("is pinned", "a key is pinned"),
            Why::Demanded(_) => ("was demanded", "a key was demanded"),
        };
        match self.shown {
            Shown::Key(key) => {
                format!("the manifest of `{publisher}` is signed by {key}, which is not the key that {known}")
            }
            Shown::Unsigned => format!("the manifest of `{publisher}` is not signed, and {though}"),
        }
    }
}
