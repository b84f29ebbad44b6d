//! Transfers, the library and known publishers: what each may do with a manifest that is signed as it is.

use minimodel_verifier::Manifest;

use super::Core;
use super::row::Row;
use crate::api::types::{Consent, Kind, Publisher};
use crate::clock::now_unix;
use crate::problem::Problem;
use crate::publishers::{Judged, Shown};

impl Core {
    /// A manifest's publisher beside what is known; none where that cannot be read.
    pub(super) fn publisher_of(&self, manifest: &Manifest) -> Option<Publisher> {
        self.publishers.judge(manifest).ok().map(|judged| Publisher::from(&judged))
    }

    /// Holds a transfer's manifest against what is known of its publisher and what its user demands and accepts. Every run
    /// of a transfer begins here, whatever grants there are.
    pub(super) fn admitted(&self, row: &Row, manifest: &Manifest) -> Result<Judged, Problem> {
        let judged = self.publishers.judge(manifest)?;
        Self::demanded(row, &judged)?;
        judged.admit(accepted(row).as_ref())?;
        Ok(judged)
    }

    /// Holds a manifest that its user takes into the library, or makes the active version, against what is known; gives what is
    /// accepted, which is kept when the rest of it is done.
    pub(super) fn may_be_taken(
        &self,
        manifest: &Manifest,
        accepted: Option<&str>,
    ) -> Result<Option<Shown>, Problem> {
        let accepted = accepted.and_then(|text| text.parse().ok());
        self.publishers.judge(manifest)?.admit(accepted.as_ref())?;
        Ok(accepted)
    }

    /// Holds it against the key that its user demands alone.
    pub(super) fn demanded(row: &Row, judged: &Judged) -> Result<(), Problem> {
        let wanted = row.publisher_key.as_deref().and_then(|key| key.parse().ok());
        wanted.map_or(Ok(()), |wanted| judged.demand(wanted).map_err(Problem::from))
    }

    /// The same before a manifest's user agrees to anything; one that is not known yet is held against it when it is.
    pub(super) fn may_be_agreed_to(&self, row: &Row) -> Result<(), Problem> {
        match self.manifest_of(row)? {
            Some(manifest) => self.admitted(row, &manifest).map(drop),
            None => Ok(()),
        }
    }

    /// The same as a run begins. What a fetch imports it imports under its user's consent from here on, so its key is kept.
    pub(super) fn begun_under(&self, row: &Row, manifest: &Manifest) -> Result<Judged, Problem> {
        let judged = self.admitted(row, manifest)?;
        if row.kind == Kind::Fetch {
            self.publishers.keep(manifest, accepted(row).as_ref(), now_unix())?;
        }
        Ok(judged)
    }
}

impl Row {
    /// Puts down what its user accepts.
    pub(super) fn accept(&mut self, consent: &Consent) {
        if consent.accept_publisher_key.is_some() {
            self.accepted_key.clone_from(&consent.accept_publisher_key);
        }
    }
}

fn accepted(row: &Row) -> Option<Shown> {
    row.accepted_key.as_deref().and_then(|text| text.parse().ok())
}
