//! Input files: small ones are read up to a limit, and a failure names a file that is no ordinary one.

use std::io::Read as _;
use std::path::Path;

use minimodel::input::Input;
use minimodel_swarm::store::inspect::{self, InspectError, RecordView};
use minimodel_verifier::Manifest;
use minimodel_verifier::manifest::MAX_MANIFEST_BYTES;

use crate::escape;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::text;

/// Opens an ordinary file; a symbolic link is followed. `what` names it in failures: `manifest`, `artifact`.
pub(crate) fn open(what: &str, path: &Path) -> Result<Input, Failure> {
    minimodel::input::open(path).map_err(|error| text::not_opened(what, path, &error))
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    // Rows: D3
    #[test]
    fn a_small_file_is_never_read_beyond_its_limit_and_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, vec![b'x'; 100]).unwrap();
        assert_eq!(read_small("note", &path, 10).unwrap().len(), 11);
        assert_eq!(read_small("note", &path, 100).unwrap().len(), 100);
    }

    #[test]
    fn what_is_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let failure = open("note", folder.path()).unwrap_err();
        assert_eq!(failure.class, Exit::Io);
        assert_eq!(failure.cause.unwrap(), "it is a folder");
        assert_eq!(open("note", &folder.path().join("none")).unwrap_err().class, Exit::NotFound);
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(open("note", &folder.path().join("file/below")).unwrap_err().class, Exit::NotFound);
    }
}
