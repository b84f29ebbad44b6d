//! Checks of a manifest's publisher for transfers and for the library.

use minimodel::clock::now_unix;
use minimodel::publishers::{PublisherKey, Publishers, Signer, SignerVerdict};
use minimodel_verifier::Manifest;

use super::row::TransferRow;
use crate::model::{Consent, Kind, KnownPublisher};
use crate::problem::Problem;

/// The known publishers, and what the companion demands of a manifest's signer.
#[derive(Clone)]
pub(super) struct Signers(Publishers);

impl Signers {
    pub(super) fn new(publishers: Publishers) -> Self {
        Self(publishers)
    }

    /// Returns all publishers whose keys are known.
    pub(super) fn publishers(&self) -> Result<Vec<KnownPublisher>, Problem> {
        Ok(self.0.read()?.iter().map(|(id, record)| KnownPublisher::of(id, record)).collect())
    }

    /// Pins a publisher to one key; `None`: to the only one that is known.
    pub(super) fn pin(&self, id: &str, key: Option<PublisherKey>) -> Result<KnownPublisher, Problem> {
        Ok(KnownPublisher::of(id, &self.0.pin(id, key, now_unix())?))
    }

    /// Forgets a publisher and its keys.
    pub(super) fn forget(&self, id: &str) -> Result<(), Problem> {
        self.0.forget(id, None)?;
        Ok(())
    }

    /// Returns a manifest's publisher as compared with the known publishers; `None` if these cannot be read.
    pub(super) fn verdict(&self, manifest: &Manifest) -> Option<SignerVerdict> {
        self.0.signer_verdict(manifest).ok()
    }

    /// Checks a transfer's manifest against the known publishers and against the key that the user demands or accepts, before the
    /// user agrees to anything. Every run of a transfer begins with this check too, whatever grants exist.
    pub(super) fn check(&self, row: &TransferRow, manifest: &Manifest) -> Result<SignerVerdict, Problem> {
        let verdict = self.require_key(row, manifest)?;
        verdict.accept_key(accepted(row).as_ref())?;
        Ok(verdict)
    }

    /// Checks a manifest's publisher only against the key that the user demands.
    pub(super) fn require_key(
        &self,
        row: &TransferRow,
        manifest: &Manifest,
    ) -> Result<SignerVerdict, Problem> {
        let verdict = self.0.signer_verdict(manifest)?;
        if let Some(wanted) = row.publisher_key.as_deref().and_then(|key| key.parse().ok()) {
            verdict.require_key(wanted)?;
        }
        Ok(verdict)
    }

    /// As [`Self::check`], when a run begins. A fetch imports under the user's consent from here on, so the publisher's key is
    /// kept.
    pub(super) fn check_at_start(
        &self,
        row: &TransferRow,
        manifest: &Manifest,
    ) -> Result<SignerVerdict, Problem> {
        let verdict = self.check(row, manifest)?;
        if row.kind == Kind::Fetch {
            self.keep(manifest, accepted(row).as_ref())?;
        }
        Ok(verdict)
    }

    /// Checks a manifest that the user adds to the library or activates against the known publishers. Returns what the user
    /// accepts, for the caller to keep once the rest is done.
    pub(super) fn check_library(
        &self,
        manifest: &Manifest,
        accepted: Option<&str>,
    ) -> Result<Option<Signer>, Problem> {
        let accepted = accepted.and_then(|text| text.parse().ok());
        self.0.signer_verdict(manifest)?.accept_key(accepted.as_ref())?;
        Ok(accepted)
    }

    /// Makes a manifest's signer known, as the user accepted it.
    pub(super) fn keep(&self, manifest: &Manifest, accepted: Option<&Signer>) -> Result<(), Problem> {
        Ok(self.0.keep(manifest, accepted, now_unix())?)
    }
}

impl TransferRow {
    /// Records the publisher key that the user accepts.
    pub(super) fn accept(&mut self, consent: &Consent) {
        if consent.accept_publisher_key.is_some() {
            self.accepted_key.clone_from(&consent.accept_publisher_key);
        }
    }
}

fn accepted(row: &TransferRow) -> Option<Signer> {
    row.accepted_key.as_deref().and_then(|text| text.parse().ok())
}
