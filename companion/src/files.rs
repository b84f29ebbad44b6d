//! Small state files and folders of this program: created for this user alone, replaced atomically.

use std::io;
use std::path::Path;

use minimodel::private;
use minimodel_swarm::store::files;

use crate::problem::{Problem, code};

/// Creates a folder and its missing parents, for this user alone.
pub(crate) fn create_folder(folder: &Path) -> Result<(), Problem> {
    private::create_folder(folder).map_err(|error| writing(folder, &error))
}

/// Writes a state file, atomically replacing an older one; durable when this returns.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    files::replace(path, bytes).map_err(|error| writing(path, &error))
}

pub(crate) fn writing(path: &Path, error: &io::Error) -> Problem {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    Problem::new(
        if full { code::DISK_FULL } else { code::IO },
        format!("cannot write {}", path.display()),
        if full { "make space on that disk" } else { "see who may write there: `ls -ld` of its folder" },
    )
    .because(error)
}
