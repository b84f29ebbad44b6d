//! The check of a publisher's key, as reports and receipts name it.

use minimodel_verifier::{Check, Outcome, Report};

use super::key::{PublisherKey, Signer};
use super::signer_status::{KeyRecord, SignerStatus};
use super::signer_verdict::{SignerRefusal, SignerVerdict};
use crate::clock::utc;

/// Name of this check in reports and receipts.
pub const CHECK: &str = "publisher.key";

/// What the user demands and accepts of the key that signed a manifest.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let home = minimodel::Home::at(folder.path());
/// # let manifest = minimodel::Manifest::parse(minimodel_fixtures::valid_manifests()[2].text.as_bytes())?;
/// use minimodel::publishers::{Publishers, SignerDemand};
///
/// // The user was told the key over the phone.
/// let required = Some(manifest.publisher_key_id().parse()?);
/// let demand = SignerDemand { required, accepted: None };
/// Publishers::verdict_in(&home, &manifest)?.meets(&demand)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SignerDemand {
    /// The manifest must be signed by this key, whatever is known of its publisher.
    pub required: Option<PublisherKey>,
    /// The signer is accepted although other keys of the publisher are known.
    pub accepted: Option<Signer>,
}

impl SignerVerdict {
    /// Decides whether a manifest may be used by what the user demands and accepts.
    ///
    /// # Errors
    ///
    /// The manifest is not signed by the required key, or its signer is neither known nor accepted.
    pub fn meets(&self, demand: &SignerDemand) -> Result<(), SignerRefusal> {
        demand.required.map_or(Ok(()), |wanted| self.require_key(wanted))?;
        self.accept_key(demand.accepted.as_ref())
    }

    /// The check of the publisher's key, which fails if the manifest is refused. The report is empty for an unsigned manifest
    /// of a publisher without a known key: nothing can be said of it.
    pub fn check(&self, demand: &SignerDemand) -> Report {
        let wanted = demand.required.filter(|wanted| self.require_key(*wanted).is_err());
        self.checked(wanted, if self.meets(demand).is_err() { Outcome::Fail } else { Outcome::Warn })
    }

    /// As [`Self::check`], for an import that the user agreed to: an accepted key is a warning.
    pub fn check_of_import(&self) -> Report {
        self.checked(None, Outcome::Warn)
    }

    fn checked(&self, wanted: Option<PublisherKey>, of_alarm: Outcome) -> Report {
        let mut report = Report::new();
        let expected = match (&self.status, wanted) {
            (_, Some(wanted)) => format!("{wanted}, which was demanded"),
            (SignerStatus::Changed { known } | SignerStatus::SignatureMissing { known }, None) => {
                listed(known)
            }
            (SignerStatus::PinMismatch { pinned }, None) => format!("{pinned}, which is pinned"),
            (SignerStatus::Unsigned, None) => return report,
            (SignerStatus::New, None) => {
                report.pass(CHECK, format!("{}, first seen now", self.signer));
                return report;
            }
            (SignerStatus::Known { key, is_pinned }, None) => {
                let pinned = if *is_pinned { ", pinned" } else { "" };
                report.pass(
                    CHECK,
                    format!("{}, known since {}{pinned}", self.signer, utc(key.first_seen_unix)),
                );
                return report;
            }
        };
        report.push(Check { name: CHECK, outcome: of_alarm, found: self.signer.to_string(), expected });
        report
    }
}

/// Keys with the time at which each was first seen.
pub fn listed(known: &[KeyRecord]) -> String {
    let one = |key: &KeyRecord| format!("{} since {}", key.key, utc(key.first_seen_unix));
    known.iter().map(one).collect::<Vec<_>>().join(", ")
}
