//! Small state files and folders of this program: created for this user alone, replaced atomically.

use std::path::Path;

use minimodel::private;
use minimodel_swarm::store::files;

use crate::problem::{Problem, writing};

/// Creates a folder and its missing parents, for this user alone.
pub(crate) fn create_folder(folder: &Path) -> Result<(), Problem> {
    private::create_folder(folder).map_err(|error| writing(folder, &error))
}

/// Writes a state file, atomically replacing an older one; durable when this returns.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    files::replace(path, bytes).map_err(|error| writing(path, &error))
}
