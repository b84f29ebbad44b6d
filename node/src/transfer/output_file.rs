//! Small output files of transfers, written whole or not at all, and never over another file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use minimodel_swarm::store::files::{NewFile, Privacy};

/// Why an output file could not be made.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.receipt");
/// use minimodel::transfer::output_file::{self, OutputError};
///
/// output_file::write(&path, b"first")?;
/// // The program asks for another name: what is there stays.
/// assert!(matches!(output_file::write(&path, b"second"), Err(OutputError::Taken { .. })));
/// assert_eq!(std::fs::read(&path)?, b"first");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The name is taken.
    #[error("{path:?} is there already")]
    Taken {
        /// The path.
        path: PathBuf,
        /// What has the name.
        by: Taken,
    },
    /// The operating system's error.
    #[error("cannot write {path:?}: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

/// What has the name of an output file.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// use minimodel::transfer::output_file::{OutputError, Taken, check_free};
///
/// let advice = match check_free(folder.path()) {
///     Err(OutputError::Taken { by: Taken::Folder, .. }) => "name a file in it",
///     Err(OutputError::Taken { by: Taken::File | Taken::Link, .. }) => "take another name",
///     Err(OutputError::Io { .. }) | Ok(()) => "",
/// };
/// assert_eq!(advice, "name a file in it");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A file, or anything that is neither of the others.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, whose target is not what the user named.
    Link,
}

/// Writes one small file, whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    check_free(path)?;
    let failed = |source| OutputError::Io { path: path.to_owned(), source };
    let mut file = NewFile::create(path, Privacy::Ordinary).map_err(failed)?;
    file.fill(bytes).map_err(failed)?;
    let named = file.place().map_err(failed)?;
    // Some file systems cannot sync a folder; the file itself is synced by then.
    let _ = named.sync_folder();
    Ok(())
}

/// Checks that an ordinary file can be created: its name is free, and its folder takes a temporary file.
pub fn check_can_be_made(path: &Path) -> Result<(), OutputError> {
    check_free(path)?;
    let made = NewFile::create(path, Privacy::Ordinary);
    made.map(drop).map_err(|source| OutputError::Io { path: path.to_owned(), source })
}

/// Refuses a name that is taken, even by a symbolic link.
pub fn check_free(path: &Path) -> Result<(), OutputError> {
    let taken = |by| Err(OutputError::Taken { path: path.to_owned(), by });
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(OutputError::Io { path: path.to_owned(), source }),
        Ok(there) if there.is_symlink() => taken(Taken::Link),
        Ok(there) if there.is_dir() => taken(Taken::Folder),
        Ok(_) => taken(Taken::File),
    }
}
