//! The consents of the user that a transfer runs under.

use minimodel_verifier::artifact::Format;
use minimodel_verifier::receipt::Consent;

use super::ways::Ways;
use crate::consent::{Action, unmet};

/// Consents that the user gave and that are in the consent log. A fetch has at least those to fetch and to import.
///
/// ```
/// use minimodel::transfer::Consents;
/// use minimodel::{Action, RunConsent};
///
/// let agreed = RunConsent::given([Action::Fetch, Action::Import], "dialog");
/// let consents = Consents::to_fetch(agreed.for_receipt())?;
/// assert!(!consents.permits(Action::Serve));
/// assert_eq!(consents.for_receipt().len(), 2);
/// # Ok::<(), minimodel::transfer::MissingConsent>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consents(Vec<Consent>);

/// The user did not agree to something that the transfer does.
///
/// ```
/// use minimodel::transfer::{Consents, MissingConsent};
/// use minimodel::{Action, RunConsent};
///
/// let agreed = RunConsent::given([Action::Fetch], "dialog");
/// // The program asks for what is missing, and starts nothing before it has it.
/// let missing = Consents::to_fetch(agreed.for_receipt());
/// assert_eq!(missing, Err(MissingConsent { action: Action::Import }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the user did not agree to {}", action.as_str())]
pub struct MissingConsent {
    /// The action.
    pub action: Action,
}

impl Consents {
    /// The consents for a fetch, as its receipt lists them.
    ///
    /// # Errors
    ///
    /// The consent to fetch or to import is missing, or one without which another is nothing ([`unmet`]).
    pub fn to_fetch(consents: Vec<Consent>) -> Result<Self, MissingConsent> {
        Self(consents).having(&[Action::Fetch, Action::Import])
    }

    /// Checks that a file of this format may be fetched.
    pub(super) fn cover(&self, format: Format) -> Result<(), MissingConsent> {
        let action = Action::Executable;
        let is_missing = format.executes_on_load() && !self.permits(action);
        if is_missing { Err(MissingConsent { action }) } else { Ok(()) }
    }

    /// The consents for a share.
    ///
    /// # Errors
    ///
    /// The consent to serve is missing, or one without which another is nothing ([`unmet`]).
    pub fn to_share(consents: Vec<Consent>) -> Result<ShareConsents, MissingConsent> {
        Self(consents).having(&[Action::Serve]).map(ShareConsents)
    }

    fn having(self, required: &[Action]) -> Result<Self, MissingConsent> {
        let missing = required.iter().find(|&&action| !self.permits(action));
        let needed = || unmet(|action| self.permits(action)).and_then(|unmet| unmet.needs.first());
        match missing.or_else(needed) {
            Some(&action) => Err(MissingConsent { action }),
            None => Ok(self),
        }
    }

    /// The same consents for a share, if they have one to serve.
    pub(super) fn to_serve(&self) -> Option<ShareConsents> {
        Self::to_share(self.0.clone()).ok()
    }

    /// Whether `action` is permitted.
    pub fn permits(&self, action: Action) -> bool {
        self.0.iter().any(|consent| consent.action == action)
    }

    /// The ways to be found and reached that are permitted.
    pub fn ways(&self) -> Ways {
        Ways::of(|action| self.permits(action))
    }

    /// The lines of a receipt.
    pub fn for_receipt(&self) -> &[Consent] {
        &self.0
    }
}

/// Consents that the user gave for a share: one to serve at least. Those for a fetch do not pass for them.
///
/// ```
/// use minimodel::transfer::{Consents, ShareConsents};
/// use minimodel::{Action, RunConsent};
///
/// let agreed = RunConsent::given([Action::Serve, Action::Publish], "dialog");
/// let consents: ShareConsents = Consents::to_share(agreed.for_receipt())?;
/// assert!(consents.permits(Action::Publish));
/// # Ok::<(), minimodel::transfer::MissingConsent>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareConsents(Consents);

impl ShareConsents {
    /// Whether `action` is permitted.
    pub fn permits(&self, action: Action) -> bool {
        self.0.permits(action)
    }

    /// The ways to be found and reached that are permitted.
    pub fn ways(&self) -> Ways {
        self.0.ways()
    }
}
