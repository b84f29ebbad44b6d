//! Checks of a manifest's publisher for transfers and for the library.

use minimodel::clock::now_unix;
use minimodel::publishers::{Signer, SignerVerdict};
use minimodel_verifier::Manifest;

use super::Core;
use super::row::TransferRow;
use crate::model::{Consent, Kind};
use crate::problem::Problem;

impl Core {
    /// Returns a manifest's publisher as compared with the known publishers; `None` if these cannot be read.
    pub(super) fn publisher_of(&self, manifest: &Manifest) -> Option<SignerVerdict> {
        self.publishers.signer_verdict(manifest).ok()
    }

    /// Checks a transfer's manifest against the known publishers and against the key that the user demands or accepts. Every run
    /// of a transfer begins with this check, whatever grants exist.
    pub(super) fn accepted_verdict(
        &self,
        row: &TransferRow,
        manifest: &Manifest,
    ) -> Result<SignerVerdict, Problem> {
        let verdict = self.publishers.signer_verdict(manifest)?;
        Self::require_key(row, &verdict)?;
        verdict.accept_key(accepted(row).as_ref())?;
        Ok(verdict)
    }

    /// Checks a manifest that the user adds to the library or activates against the known publishers. Returns what the user
    /// accepts, for the caller to keep once the rest is done.
    pub(super) fn check_library_signer(
        &self,
        manifest: &Manifest,
        accepted: Option<&str>,
    ) -> Result<Option<Signer>, Problem> {
        let accepted = accepted.and_then(|text| text.parse().ok());
        self.publishers.signer_verdict(manifest)?.accept_key(accepted.as_ref())?;
        Ok(accepted)
    }

    /// Checks a manifest's publisher only against the key that the user demands.
    pub(super) fn require_key(row: &TransferRow, verdict: &SignerVerdict) -> Result<(), Problem> {
        let wanted = row.publisher_key.as_deref().and_then(|key| key.parse().ok());
        wanted.map_or(Ok(()), |wanted| verdict.require_key(wanted).map_err(Problem::from))
    }

    /// As [`Self::accepted_verdict`], before the user agrees to anything. A manifest that is not known yet is checked once it
    /// is.
    pub(super) fn check_signer(&self, row: &TransferRow) -> Result<(), Problem> {
        match self.manifest_of(row)? {
            Some(manifest) => self.accepted_verdict(row, &manifest).map(drop),
            None => Ok(()),
        }
    }

    /// As [`Self::accepted_verdict`], when a run begins. A fetch imports under the user's consent from here on, so the publisher's
    /// key is kept.
    pub(super) fn check_signer_at_start(
        &self,
        row: &TransferRow,
        manifest: &Manifest,
    ) -> Result<SignerVerdict, Problem> {
        let verdict = self.accepted_verdict(row, manifest)?;
        if row.kind == Kind::Fetch {
            self.publishers.keep(manifest, accepted(row).as_ref(), now_unix())?;
        }
        Ok(verdict)
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
