//! Checks of a manifest's publisher for transfers and for the library.

use minimodel_verifier::Manifest;

use super::Core;
use super::row::Row;
use crate::api::types::{Consent, Kind, Publisher};
use crate::clock::now_unix;
use crate::problem::Problem;
use crate::publishers::{Judged, Shown};

impl Core {
    /// Returns a manifest's publisher as compared with the known publishers; `None` if these cannot be read.
    pub(super) fn publisher_of(&self, manifest: &Manifest) -> Option<Publisher> {
        self.publishers.judge(manifest).ok().map(|judged| Publisher::from(&judged))
    }

    /// Checks a transfer's manifest against the known publishers and against the key that the user demands or accepts. Every run
    /// of a transfer begins with this check, whatever grants exist.
    pub(super) fn admitted(&self, row: &Row, manifest: &Manifest) -> Result<Judged, Problem> {
        let judged = self.publishers.judge(manifest)?;
        Self::demanded(row, &judged)?;
        judged.admit(accepted(row).as_ref())?;
        Ok(judged)
    }

    /// Checks a manifest that the user adds to the library or activates against the known publishers. Returns what the user
    /// accepts, for the caller to keep once the rest is done.
    pub(super) fn may_be_taken(
        &self,
        manifest: &Manifest,
        accepted: Option<&str>,
    ) -> Result<Option<Shown>, Problem> {
        let accepted = accepted.and_then(|text| text.parse().ok());
        self.publishers.judge(manifest)?.admit(accepted.as_ref())?;
        Ok(accepted)
    }

    /// Checks a manifest's publisher only against the key that the user demands.
    pub(super) fn demanded(row: &Row, judged: &Judged) -> Result<(), Problem> {
        let wanted = row.publisher_key.as_deref().and_then(|key| key.parse().ok());
        wanted.map_or(Ok(()), |wanted| judged.demand(wanted).map_err(Problem::from))
    }

    /// As [`Self::admitted`], before the user agrees to anything. A manifest that is not known yet is checked once it is.
    pub(super) fn may_be_agreed_to(&self, row: &Row) -> Result<(), Problem> {
        match self.manifest_of(row)? {
            Some(manifest) => self.admitted(row, &manifest).map(drop),
            None => Ok(()),
        }
    }

    /// As [`Self::admitted`], when a run begins. A fetch imports under the user's consent from here on, so the publisher's key is
    /// kept.
    pub(super) fn begun_under(&self, row: &Row, manifest: &Manifest) -> Result<Judged, Problem> {
        let judged = self.admitted(row, manifest)?;
        if row.kind == Kind::Fetch {
            self.publishers.keep(manifest, accepted(row).as_ref(), now_unix())?;
        }
        Ok(judged)
    }
}

impl Row {
    /// Records the publisher key that the user accepts.
    pub(super) fn accept(&mut self, consent: &Consent) {
        if consent.accept_publisher_key.is_some() {
            self.accepted_key.clone_from(&consent.accept_publisher_key);
        }
    }
}

fn accepted(row: &Row) -> Option<Shown> {
    row.accepted_key.as_deref().and_then(|text| text.parse().ok())
}
