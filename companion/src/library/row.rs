//! Stored row of an entry, and its view in the interface.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use minimodel::clock::utc;
use minimodel::publishers::{KnownPublishers, Signer, SignerStatus, SignerVerdict};
use minimodel_verifier::Manifest;
use minimodel_verifier::artifact::{ArtifactName, Format};
use minimodel_verifier::digest::hex;
use serde::{Deserialize, Serialize};

use super::evict::EvictionEntry;
use super::fits::{Machine, Requires, fits};
use crate::model::{Entry, EntryState};

/// Most earlier targets of a link that are remembered; older ones are dropped.
const HISTORY: usize = 64;

/// A row of `entries`; its number is its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    #[serde(skip)]
    pub(super) id: u64,
    pub(super) model_id: String,
    pub(super) model_version: String,
    pub(super) publisher_id: String,
    /// Key that signed the manifest, or `unsigned`. Earlier versions did not store it.
    #[serde(default)]
    pub(super) signed_by: Option<String>,
    pub(super) swarm_id: String,
    pub(super) byte_count: u64,
    pub(super) state: EntryState,
    pub(super) reason: Option<String>,
    pub(super) path: Option<PathBuf>,
    pub(super) receipt: Option<PathBuf>,
    pub(super) cached: bool,
    pub(super) pinned: bool,
    pub(super) used_unix: u64,
    pub(super) added_unix: u64,
    #[serde(default)]
    pub(super) requires: Requires,
    /// Its cached files are being removed from the disk: after a crash the next start removes the rest.
    #[serde(default)]
    pub(super) is_going: bool,
}

/// Returns the format of a file by the name that every fetch gives it. A file that its user named otherwise counts as `.slm`.
pub(super) fn format_of(path: Option<&Path>) -> Format {
    path.and_then(ArtifactName::of_path).map_or(Format::Slm, |name| name.format())
}

impl Row {
    pub(super) fn of(manifest: &Manifest, now_unix: u64) -> Self {
        Self {
            id: 0,
            model_id: manifest.model_id().to_owned(),
            model_version: manifest.model_version().to_owned(),
            publisher_id: manifest.publisher_id().to_owned(),
            signed_by: Some(Signer::of(manifest).to_string()),
            swarm_id: hex(manifest.swarm_id()),
            byte_count: manifest.byte_count(),
            state: EntryState::Available,
            reason: None,
            path: None,
            receipt: None,
            cached: false,
            pinned: false,
            used_unix: now_unix,
            added_unix: now_unix,
            requires: Requires::of(manifest),
            is_going: false,
        }
    }

    /// Returns the format of its file.
    pub(super) fn format(&self) -> Format {
        format_of(self.path.as_deref())
    }

    /// Returns its name for display and hints.
    pub(super) fn name(&self) -> String {
        format!("{}@{}", self.model_id, self.model_version)
    }

    /// Returns the view of the entry. `known`: the known publishers, if they can be read.
    pub(super) fn entry(&self, is_active: bool, machine: &Machine, known: Option<&KnownPublishers>) -> Entry {
        let shown = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        Entry {
            id: self.id,
            model_id: self.model_id.clone(),
            model_version: self.model_version.clone(),
            publisher_id: self.publisher_id.clone(),
            publisher: known.and_then(|known| self.publisher(known)),
            swarm_id: self.swarm_id.clone(),
            byte_count: self.byte_count,
            state: self.state,
            reason: self.reason.clone().filter(|_| self.state == EntryState::Failed),
            path: shown(&self.path),
            receipt: shown(&self.receipt),
            cached: self.cached,
            pinned: self.pinned,
            active: is_active,
            used_utc: utc(self.used_unix),
            added_utc: utc(self.added_unix),
            fits: fits(&self.requires, machine),
        }
    }

    fn publisher(&self, known: &KnownPublishers) -> Option<SignerVerdict> {
        let signer: Signer = self.signed_by.as_deref()?.parse().ok()?;
        let status = SignerStatus::of(known.get(&self.publisher_id), &signer);
        Some(SignerVerdict { publisher: self.publisher_id.clone(), signer, status })
    }

    pub(super) fn held(&self, is_active: bool) -> EvictionEntry {
        EvictionEntry {
            id: self.id,
            bytes: self.byte_count,
            used_unix: self.used_unix,
            cached: self.cached,
            pinned: self.pinned,
            active: is_active,
        }
    }

    /// Returns what is wrong with the file as far as its metadata shows; `None`: it exists with the right length.
    pub(super) fn file_fault(&self) -> Option<FileFault> {
        let Some(path) = &self.path else { return Some(FileFault::Gone("no file of it is here".to_owned())) };
        let shown = path.display();
        let metadata = match path.metadata() {
            Ok(metadata) => metadata,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Some(FileFault::Gone(format!("{shown} is not there any more")));
            }
            Err(error) => return Some(FileFault::Other(format!("{shown} cannot be looked at: {error}"))),
        };
        if !metadata.is_file() {
            return Some(FileFault::Other(format!("{shown} is no ordinary file any more")));
        }
        let (is, was) = (metadata.len(), self.byte_count);
        (is != was).then(|| FileFault::Other(format!("{shown} has {is} bytes, and the manifest says {was}")))
    }

    /// Returns true if its file was checked in full and exists with the right length. A fetch that has begun over it and recorded
    /// no reason does not change that.
    pub(super) fn has_ready_file(&self) -> bool {
        let was_checked = match self.state {
            EntryState::Ready => true,
            EntryState::Downloading => self.reason.is_none(),
            EntryState::Available | EntryState::Failed => false,
        };
        was_checked && self.file_fault().is_none()
    }

    /// Records that the file is gone.
    pub(super) fn lose_file(&mut self) {
        *self = Self {
            state: EntryState::Available,
            reason: None,
            path: None,
            receipt: None,
            cached: false,
            ..self.clone()
        };
    }

    pub(super) fn fail(&mut self, reason: String) {
        self.state = EntryState::Failed;
        self.reason = Some(reason);
    }
}

/// Fault of an entry's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileFault {
    /// The file does not exist.
    Gone(String),
    /// The file exists but has changed, or cannot be examined.
    Other(String),
}

impl FileFault {
    pub(super) fn text(self) -> String {
        match self {
            Self::Gone(text) | Self::Other(text) => text,
        }
    }
}

/// A row of `active`: the present target of a model's link and the earlier ones, the latest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Link {
    pub(super) current: Option<u64>,
    pub(super) previous: Vec<u64>,
}

impl Link {
    /// Sets the target to `id`.
    pub(super) fn lead_to(&mut self, id: u64) {
        let left = self.current.replace(id).filter(|&left| left != id);
        self.previous.extend(left);
        let surplus = self.previous.len().saturating_sub(HISTORY);
        self.previous.drain(..surplus);
    }

    /// Returns to the previous target, if one is known: gives the entry, and the target before the call.
    pub(super) fn lead_back(&mut self) -> Option<(u64, Option<u64>)> {
        let before = self.previous.pop()?;
        Some((before, self.current.replace(before)))
    }

    /// Drops a removed entry.
    pub(super) fn forget(&mut self, id: u64) {
        self.current = self.current.filter(|&current| current != id);
        self.previous.retain(|&previous| previous != id);
        // Removing the entry between them may leave the same version twice in a row: once is enough.
        self.previous.dedup();
        if self.previous.last() == self.current.as_ref() {
            self.previous.pop();
        }
    }
}

/// Returns the targets of all links.
pub(super) fn active(links: &[(String, Link)]) -> BTreeSet<u64> {
    links.iter().filter_map(|(_, link)| link.current).collect()
}

/// Returns true for a path that the database can hold and a link can lead to.
pub(super) fn is_plain(path: &Path) -> bool {
    path.is_absolute() && path.to_str().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_goes_back_the_way_it_came() {
        let mut link = Link::default();
        [1, 2, 2, 3].into_iter().for_each(|id| link.lead_to(id));
        assert_eq!(link, Link { current: Some(3), previous: vec![1, 2] });
        assert_eq!(link.lead_back(), Some((2, Some(3))));
        assert_eq!(link.lead_back(), Some((1, Some(2))));
        assert_eq!(link.lead_back(), None);
        assert_eq!(link.current, Some(1));
    }

    #[test]
    fn link_forgets_removed_entries_and_never_rolls_back_to_itself() {
        let mut link = Link { current: Some(1), previous: vec![1, 2, 1, 2] };
        link.forget(2);
        assert_eq!(link, Link { current: Some(1), previous: Vec::new() });
        let mut link = Link { current: Some(2), previous: vec![1] };
        link.forget(2);
        assert_eq!(link, Link { current: None, previous: vec![1] });
        assert_eq!(link.lead_back(), Some((1, None)));
    }

    #[test]
    fn the_way_back_is_not_remembered_without_end() {
        let mut link = Link::default();
        (0..1000).for_each(|id| link.lead_to(id));
        assert_eq!((link.previous.len(), link.previous.last()), (HISTORY, Some(&998)));
    }
}
