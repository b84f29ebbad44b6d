//! Parsed manifests of the transfers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use minimodel_verifier::Manifest;

use super::row::{TransferRow, parse};
use crate::problem::Problem;

/// Cache of parsed manifests by swarm id: every view of a transfer needs one.
#[derive(Debug, Default)]
pub(super) struct Manifests(Mutex<BTreeMap<String, Arc<Manifest>>>);

impl Manifests {
    /// Returns the manifest of a row, parsed once per swarm; `None` while only an offer is known.
    pub(super) fn of(&self, row: &TransferRow) -> Result<Option<Arc<Manifest>>, Problem> {
        let Some(text) = &row.manifest else { return Ok(None) };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(manifest) = known.get(&row.swarm_id) {
            return Ok(Some(manifest.clone()));
        }
        let manifest = Arc::new(parse(text)?);
        known.insert(row.swarm_id.clone(), manifest.clone());
        Ok(Some(manifest))
    }

    /// As [`Self::of`]; `None` also for one that cannot be parsed.
    pub(super) fn valid(&self, row: &TransferRow) -> Option<Arc<Manifest>> {
        self.of(row).ok().flatten()
    }

    /// Returns `model.id` and version, for logs.
    pub(super) fn model_of(&self, row: &TransferRow) -> String {
        let name = |manifest: Arc<Manifest>| format!("{} {}", manifest.model_id(), manifest.model_version());
        self.valid(row).map_or_else(String::new, name)
    }
}
