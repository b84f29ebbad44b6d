//! Announcements: files with an offer of this machine, for the user to hand on. An announcement exists exactly as long as the
//! user's consent to publish.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use minimodel_swarm::store::files::named_in_temporary;
use minimodel_wire::SignedOffer;

use super::row::TransferRow;
use crate::files;
use crate::problem::Problem;

/// Folder of the announcements.
#[derive(Debug)]
pub(super) struct Announcements(PathBuf);

impl Announcements {
    /// The announcements below the companion's folder.
    pub(super) fn below(folder: &Path) -> Self {
        Self(folder.join("announcements"))
    }

    pub(super) fn path(&self, row: &TransferRow) -> PathBuf {
        self.0.join(format!("{}-{}.offer", row.id, row.swarm_id))
    }

    /// Writes the announcement of a transfer, unless it is there already.
    pub(super) fn put_up(&self, row: &TransferRow, offer: &SignedOffer) -> Result<(), Problem> {
        let (path, text) = (self.path(row), format!("{offer}\n"));
        if std::fs::read(&path).ok().as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        files::create_folder(&self.0)?;
        files::write(&path, text.as_bytes())
    }

    pub(super) fn take_down(&self, row: &TransferRow) {
        // The file may already be gone.
        let _ = std::fs::remove_file(self.path(row));
    }

    /// Removes all announcements but those at `agreed`, also those that an earlier run left.
    pub(super) fn take_down_others(&self, agreed: &BTreeSet<PathBuf>) {
        let there = std::fs::read_dir(&self.0).into_iter().flatten().flatten().map(|file| file.path());
        for path in there.filter(|path| !agreed.contains(path) && is_named_by_us(path)) {
            // After an error the next reconcile tries again.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Returns true for `ID-SWARM.offer` and for its temporary name while it is written. Other files in the folder are not the
/// companion's to remove.
fn is_named_by_us(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = named_in_temporary(name).unwrap_or(name);
    let Some(stem) = name.strip_suffix(".offer") else { return false };
    let is_hex = |text: &str, len| text.len() == len && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    stem.split_once('-').is_some_and(|(id, swarm)| id.parse::<u64>().is_ok() && is_hex(swarm, 64))
}
