//! A manifest beside what is known of its publisher, and what follows from that.

use minimodel_verifier::Manifest;

use super::key::{PublisherKey, Shown};
use super::standing::{Known, KnownKey, Standing};

/// A manifest's publisher, what the manifest shows, and how that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// `publisher.id`.
    pub publisher: String,
    /// Who signed.
    pub shown: Shown,
    /// How that stands to what is known.
    pub standing: Standing,
}

/// A manifest that is not gone on with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.told())]
pub struct Refusal {
    /// `publisher.id`.
    pub publisher: String,
    /// Who signed.
    pub shown: Shown,
    /// Why it is refused.
    pub why: Why,
}

/// Why a manifest is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Other keys are known; its user may accept what the manifest shows.
    Other(Vec<KnownKey>),
    /// Another key is pinned.
    Pinned(PublisherKey),
    /// Its user demanded another key.
    Demanded(PublisherKey),
}

impl Judged {
    /// Holds a manifest against what is known.
    pub fn of(known: &Known, manifest: &Manifest) -> Self {
        let publisher = manifest.publisher_id();
        let shown = Shown::of(manifest);
        let standing = Standing::of(known.get(publisher), &shown);
        Self { publisher: publisher.to_owned(), shown, standing }
    }

    /// Whether its user must be warned and must accept it, or cannot.
    pub fn is_alarm(&self) -> bool {
        self.refusal().is_some()
    }

    /// Whether it may be gone on with. `accepted`: what its user accepts by name; a pin heeds it not.
    ///
    /// # Errors
    ///
    /// It is not what is known, and was not accepted.
    pub fn admit(&self, accepted: Option<&Shown>) -> Result<(), Refusal> {
        match self.refusal() {
            Some(refusal) if !refusal.can_be_accepted() || accepted != Some(&self.shown) => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Holds it against the key that its user demands, whatever is known.
    ///
    /// # Errors
    ///
    /// It is signed by another, or not at all.
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
    /// Whether its user can accept it by naming what the manifest shows.
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
