//! Output files, written whole or not at all, and never over another file.
//!
//! How a file is written is that of `store::files`: before the rename there is no file of the final name, and dropping the
//! [`Output`] removes the temporary file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use minimodel::transfer::output_file;
use minimodel_swarm::store::files::{NewFile, Privacy};

use crate::failure::Failure;
use crate::text;

/// An output file before its rename. `what` names it in failures: `manifest`, `receipt`.
#[derive(Debug)]
pub(crate) struct Output {
    what: &'static str,
    path: PathBuf,
    file: NewFile<'static>,
}

impl Output {
    /// Begins an ordinary file.
    pub(crate) fn create(what: &'static str, path: &Path) -> Result<Self, Failure> {
        check_free(what, path)?;
        let created = NewFile::create(path, Privacy::Ordinary);
        let file = created.map_err(|error| Failure::writing(what, path, &error))?;
        Ok(Self { what, path: path.to_owned(), file })
    }

    /// The temporary file, to be written.
    pub(crate) fn file(&mut self) -> &mut File {
        self.file.file()
    }

    /// The failure for an error while writing [`file`](Self::file).
    pub(crate) fn failed(&self, error: &io::Error) -> Failure {
        Failure::writing(self.what, &self.path, error)
    }

    /// Writes all of a small file.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.fill(bytes).map_err(|error| self.failed(&error))
    }

    /// Syncs the file and gives it its name; fails if that name is taken meanwhile.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        let Self { what, path, file } = self;
        let named = file.place().map_err(|error| Failure::writing(what, &path, &error))?;
        // Some file systems cannot sync a folder; the file itself is synced by then.
        let _ = named.sync_folder();
        Ok(())
    }
}

/// Writes one small file, whole or not at all.
pub(crate) fn write(what: &'static str, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    output_file::write(path, bytes).map_err(|error| text::output(what, &error))
}

/// Refuses a name that is taken, even by a symbolic link: the target of the link is not what the user named.
pub(crate) fn check_free(what: &str, path: &Path) -> Result<(), Failure> {
    output_file::check_free(path).map_err(|error| text::output(what, &error))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::exit::Exit;

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_appears_whole_and_its_temporary_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let mut output = Output::create("note", &path).unwrap();
        output.fill(b"hello").unwrap();
        assert!(!path.exists());
        output.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"hello");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn an_output_that_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = Output::create("note", &folder.path().join("a.txt")).unwrap();
        output.fill(b"half").unwrap();
        drop(output);
        assert!(names(folder.path()).is_empty());
    }

    // Rows: E10, E11
    #[test]
    fn nothing_is_replaced_however_late_it_came() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let mut output = Output::create("note", &path).unwrap();
        output.fill(b"ours").unwrap();
        fs::write(&path, b"theirs").unwrap();
        let failure = output.commit().unwrap_err();
        assert_eq!(failure.class, Exit::Io);
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names(folder.path()), ["a.txt"]);
        assert_eq!(Output::create("note", &path).unwrap_err().class, Exit::Io);
    }

    // Rows: E9
    #[test]
    fn links_folders_and_missing_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink(folder.path().join("elsewhere"), &link).unwrap();
        let cause = |path: &Path| Output::create("note", path).unwrap_err().cause.unwrap();
        assert!(cause(&link).contains("symbolic link"));
        assert!(cause(folder.path()).contains("folder"));
        assert!(cause(&folder.path().join("no/such")).contains("No such file"));
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn a_name_of_full_length_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n".repeat(255));
        write("note", &path, b"x").unwrap();
        assert_eq!(fs::read(path).unwrap(), b"x");
    }
}
