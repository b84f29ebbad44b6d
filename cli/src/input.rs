//! Input files: only ordinary files are opened, small ones are read up to a limit, and a failure names any other kind of file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use minimodel_swarm::store::inspect::{self, InspectError, RecordView};
use minimodel_verifier::Manifest;
use minimodel_verifier::manifest::MAX_MANIFEST_BYTES;

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;

/// An open input.
#[derive(Debug)]
pub(crate) struct Input {
    /// The file, at its beginning.
    pub(crate) file: File,
    /// Its length when it was opened.
    pub(crate) byte_count: u64,
}

/// Opens an ordinary file; a symbolic link is followed. `what` names it in failures: `manifest`, `artifact`.
pub(crate) fn open(what: &str, path: &Path) -> Result<Input, Failure> {
    let failed = |error: io::Error| Failure::reading(what, path, &error);
    // Checked before opening: opening a device can have effects, and opening a pipe would wait for its writer.
    let kind = fs::metadata(path).map_err(failed)?.file_type();
    if let Some(other) = odd_kind(kind) {
        return Err(not_a_file(what, path, other));
    }
    // A file that has become a pipe in between is not waited for either.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    match odd_kind(metadata.file_type()) {
        Some(other) => Err(not_a_file(what, path, other)),
        None => Ok(Input { file, byte_count: metadata.len() }),
    }
}

/// Reads a small file whole: at most `limit` bytes and one more, so that "too large" can be told from "just fits".
pub(crate) fn read_small(what: &str, path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let input = open(what, path)?;
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    input.file.take(most).read_to_end(&mut bytes).map_err(|error| Failure::reading(what, path, &error))?;
    Ok(bytes)
}

/// Reads the text of a manifest, valid or not: at most 64 KiB and one byte more.
pub(crate) fn manifest_text(path: &Path) -> Result<Vec<u8>, Failure> {
    read_small("manifest", path, MAX_MANIFEST_BYTES)
}

/// Reads a manifest, which must be valid.
pub(crate) fn manifest(path: &Path) -> Result<Manifest, Failure> {
    Manifest::parse(&manifest_text(path)?).map_err(|error| {
        Failure::new(
            Exit::Invalid,
            format!("the manifest `{}` is not valid", escape::path(path)),
            format!(
                "see every rule of it: `minimodel verify-manifest {}`",
                escape::shell_word(path.as_os_str())
            ),
        )
        .because(error)
    })
}

/// Reads the record beside a partial file, without the lock that a running `fetch` holds.
pub(crate) fn record(path: &Path) -> Result<RecordView, Failure> {
    let input = open("record", path)?;
    inspect::read(input.file).map_err(|error| match error {
        InspectError::Io(error) => Failure::reading("record", path, &error),
        unusable => Failure::new(
            Exit::Invalid,
            format!("the record `{}` cannot be used", escape::path(path)),
            "run the same fetch again: it looks at the partial file anew and keeps what is right",
        )
        .because(unusable),
    })
}

fn odd_kind(kind: fs::FileType) -> Option<&'static str> {
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

fn not_a_file(what: &str, path: &Path, other: &str) -> Failure {
    Failure::new(
        Exit::Io,
        format!("cannot read the {what} `{}`", escape::path(path)),
        format!("name an ordinary file as the {what}"),
    )
    .because(format!("it is {other}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d3_a_small_file_is_never_read_beyond_its_limit_and_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, vec![b'x'; 100]).unwrap();
        assert_eq!(read_small("note", &path, 10).unwrap().len(), 11);
        assert_eq!(read_small("note", &path, 100).unwrap().len(), 100);
    }

    #[test]
    fn what_is_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, kind) in [
            (folder.path(), "a folder"),
            (&pipe, "a pipe"),
            (&socket, "a socket"),
            (Path::new("/dev/null"), "a device"),
        ] {
            let failure = open("note", path).unwrap_err();
            assert_eq!(failure.class, Exit::Io);
            assert_eq!(failure.cause.unwrap(), format!("it is {kind}"));
        }
        assert_eq!(open("note", &folder.path().join("none")).unwrap_err().class, Exit::NotFound);
        assert_eq!(open("note", &folder.path().join("socket/below")).unwrap_err().class, Exit::NotFound);
    }
}
