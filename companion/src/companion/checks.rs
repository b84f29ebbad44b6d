//! Checks that end in words of the host: of offers and of files.

use std::path::Path;
use std::sync::Arc;

use minimodel::Home;
use minimodel::check::{self, FullCheck};
use minimodel::clock::now_unix;
use minimodel::transfer::read_offer;
use minimodel_verifier::Manifest;
use minimodel_wire::SignedOffer;

use crate::host::Host;
use crate::problem::Problem;

/// The host of the companion, and the home folder whose records its checks use.
pub(super) struct Checks {
    pub(super) host: Arc<dyn Host>,
    pub(super) home: Home,
}

impl Checks {
    /// Puts an error of the library into words.
    pub(super) fn problem(&self, error: impl Into<minimodel::Error>) -> Problem {
        self.host.problem(error.into())
    }

    /// Parses an offer and checks its signature, its expiry, and that it is for `manifest`, if that is known.
    pub(super) fn offer(&self, text: &str, manifest: Option<&Manifest>) -> Result<SignedOffer, Problem> {
        read_offer(text, manifest, now_unix()).map_err(|error| self.problem(error))
    }

    /// Runs every check of a file.
    pub(super) fn file(&self, manifest: &Manifest, path: &Path) -> Result<(), Problem> {
        let is_stopped = || self.host.is_ending();
        let check = FullCheck { home: &self.home, watcher: &*self.host, is_stopped: &is_stopped };
        let source = check::open(path).map_err(|error| self.problem(error))?;
        let verified = check.run(manifest, path, &source).map_err(|error| self.problem(error))?;
        if verified.report.ok() {
            return Ok(());
        }
        let report = Box::new(verified.report);
        Err(self.problem(minimodel::Error::NotTheArtifact { path: path.to_owned(), report }))
    }
}
