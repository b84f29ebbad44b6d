//! Our own small files and folders: for this user alone, whole or not at all.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::problem::{Problem, code};

/// Creates a folder and those above it, for this user alone.
pub(crate) fn create_folder(folder: &Path) -> Result<(), Problem> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| writing(folder, &error))
}

/// Writes a file of ours, replacing an older one at once; durable when this returns.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    let work = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(new, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    work().map_err(|error| writing(path, &error))
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
