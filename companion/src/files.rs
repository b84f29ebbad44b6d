//! Small state files and folders of this program: created for this user alone, replaced atomically.

use std::fs::Metadata;
use std::io;
use std::path::Path;

use minimodel::private::{self, Exposed, Others};
use minimodel_swarm::store::files;

use crate::problem::{Problem, code};

/// Creates a folder and its missing parents, for this user alone.
pub(crate) fn create_folder(folder: &Path) -> Result<(), Problem> {
    private::create_folder(folder).map_err(|error| writing(folder, &error))
}

/// Refuses a state file that another account owns or may write to: that account may have written its content.
///
/// # Errors
///
/// Which account or mode it is, and the command that mends it.
pub fn check_own(metadata: &Metadata) -> io::Result<()> {
    let Some(exposed) = Exposed::look(metadata, Others::ReadButOwnGroup) else { return Ok(()) };
    let what = match exposed {
        Exposed::Foreign { .. } => format!("{exposed}: look at it and move it away"),
        Exposed::Mode(mode) => {
            format!(
                "its mode {mode:04o} lets others write to it: look at it, then `chmod go-w` it or move it away"
            )
        }
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
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
