//! Small state files and folders of this program: created for this user alone, replaced atomically.

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use minimodel_swarm::store::files;

use crate::private::{Exposed, Others};
use crate::problem::{Problem, code};
use crate::shell;

/// Creates a folder and its missing parents, for this user alone.
pub(crate) fn create_folder(folder: &Path) -> Result<(), Problem> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| writing(folder, &error))
}

/// Refuses a state folder in which another account could replace files: it belongs to another account, or others may write
/// to it. A folder that does not exist yet passes.
///
/// # Errors
///
/// [`code::IO`], with the command that mends it.
pub fn check_folder(folder: &Path) -> Result<(), Problem> {
    let metadata = match folder.metadata() {
        Ok(metadata) if metadata.is_dir() => metadata,
        // Opening it later reports what is there instead, or why it cannot be read.
        Ok(_) | Err(_) => return Ok(()),
    };
    let Some(exposed) = Exposed::look(&metadata, Others::ReadButOwnGroup) else { return Ok(()) };
    let (shown, word) = (folder.display(), shell::word(folder));
    let hint = match exposed {
        Exposed::Foreign { user, .. } => format!(
            "each user has folders of their own: `export MINIMODEL_HOME=/path/to/folder`; if this one should be yours, \
             `chown -R {user} {word}`"
        ),
        Exposed::Mode(_) => {
            format!("see what is in it (`ls -la {word}`), then take the right away: `chmod go-w {word}`")
        }
    };
    let error = format!("the folder `{shown}` is not yours alone to write to, and is not used");
    Err(Problem::new(code::IO, error, hint).because(exposed))
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

fn writing(path: &Path, error: &io::Error) -> Problem {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    Problem::new(
        if full { code::DISK_FULL } else { code::IO },
        format!("cannot write {}", path.display()),
        if full { "make space on that disk" } else { "see who may write there: `ls -ld` of its folder" },
    )
    .because(error)
}
