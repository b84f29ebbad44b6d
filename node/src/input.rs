//! Files that the user names: only ordinary files are opened, and any other kind of file is named.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use minimodel_swarm::os::{self, OpenWith as _};

/// An open input.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.slm");
/// # std::fs::write(&path, b"bytes")?;
/// use std::io::Read as _;
///
/// use minimodel::input::{self, Input};
///
/// let Input { mut file, byte_count, .. } = input::open(&path)?;
/// assert_eq!(file.read_to_end(&mut Vec::new())? as u64, byte_count);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Input {
    /// The file, at its beginning.
    pub file: File,
    /// Its length in bytes when it was opened.
    pub byte_count: u64,
}

/// Why a file was not opened.
///
/// ```
/// use minimodel::input::{self, OpenError};
///
/// let told = |error: OpenError| match error {
///     OpenError::Io(_) if error.is_missing() => "no such file".to_owned(),
///     OpenError::Io(error) => error.to_string(),
///     OpenError::NotAFile(kind) => format!("this is {kind}"),
/// };
/// assert_eq!(input::open("no/such/file".as_ref()).map_err(told).err().as_deref(), Some("no such file"));
/// assert_eq!(input::open("/dev/null".as_ref()).map_err(told).err().as_deref(), Some("this is a device"));
/// ```
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system's error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Something else than an ordinary file.
    #[error("it is {0}")]
    NotAFile(FileKind),
}

/// Kinds of what is no ordinary file.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// use minimodel::input::{self, FileKind, OpenError};
///
/// // The user named the folder of the model: the program looks into it.
/// let opened = input::open(folder.path());
/// assert!(matches!(opened, Err(OpenError::NotAFile(FileKind::Folder))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A folder.
    Folder,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A device.
    Device,
}

impl OpenError {
    /// True if there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if crate::private::is_missing(error))
    }
}

/// Opens an ordinary file; a symbolic link is followed.
///
/// # Errors
///
/// It is no ordinary file, or the system's error.
pub fn open(path: &Path) -> Result<Input, OpenError> {
    // Checked before opening: opening a device can have effects, and opening a pipe would wait for its writer.
    check_kind(os::stat_target(path)?.kind)?;
    // A file that has become a pipe in between is not waited for either.
    let file = OpenOptions::new().read(true).no_wait().open(path)?;
    let stat = os::stat_file(&file)?;
    check_kind(stat.kind)?;
    Ok(Input { file, byte_count: stat.byte_count })
}

fn check_kind(kind: os::FileKind) -> Result<(), OpenError> {
    Err(OpenError::NotAFile(match kind {
        os::FileKind::File => return Ok(()),
        os::FileKind::Folder => FileKind::Folder,
        os::FileKind::Pipe => FileKind::Pipe,
        os::FileKind::Socket => FileKind::Socket,
        os::FileKind::Link | os::FileKind::Device => FileKind::Device,
    }))
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "a folder",
            Self::Pipe => "a pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, kind) in [
            (folder.path(), FileKind::Folder),
            (&pipe, FileKind::Pipe),
            (&socket, FileKind::Socket),
            (Path::new("/dev/null"), FileKind::Device),
        ] {
            assert!(matches!(open(path), Err(OpenError::NotAFile(found)) if found == kind), "{kind}");
        }
        assert!(open(&folder.path().join("none")).unwrap_err().is_missing());
        assert!(open(&folder.path().join("socket/below")).unwrap_err().is_missing());
    }
}
