//! What all Unix systems have alike.

use std::path::Path;

use rustix::fs::{Access, access};

/// Whether this user may create names in a folder, or read and write a file.
pub(crate) fn may_use(path: &Path, is_folder: bool) -> bool {
    let wanted =
        if is_folder { Access::WRITE_OK | Access::EXEC_OK } else { Access::READ_OK | Access::WRITE_OK };
    access(path, wanted).is_ok()
}
