//! Output files, written whole or not at all, and never over another file.
//!
//! A temporary file in the same folder is filled, synced, and renamed without replacing; then the folder is synced.
//! Before the rename there is no file of the final name, and dropping the [`Output`] removes the temporary file.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use minimodel_swarm::store::step;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::{Builder, NamedTempFile};

use crate::failure::Failure;

/// Permissions of an ordinary output before the user's mask.
const ORDINARY_MODE: u32 = 0o666;

/// An output file before its rename. `what` names it in failures: `manifest`, `receipt`.
#[derive(Debug)]
pub(crate) struct Output {
    what: &'static str,
    path: PathBuf,
    temporary: NamedTempFile,
}

impl Output {
    /// Begins an ordinary file.
    pub(crate) fn create(what: &'static str, path: &Path) -> Result<Self, Failure> {
        Self::create_with_mode(what, path, ORDINARY_MODE)
    }

    /// Begins a file that this user alone may read.
    pub(crate) fn create_private(what: &'static str, path: &Path) -> Result<Self, Failure> {
        Self::create_with_mode(what, path, 0o600)
    }

    fn create_with_mode(what: &'static str, path: &Path, mode: u32) -> Result<Self, Failure> {
        check_free(what, path)?;
        let failed = |error: io::Error| Failure::writing(what, path, &error);
        let (Some(name), Some(_)) = (path.file_name(), path.parent()) else {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file")));
        };
        let mut prefix = OsString::from(".");
        prefix.push(truncated(name));
        prefix.push(".");
        let mut builder = Builder::new();
        builder.prefix(&prefix).suffix(".new").permissions(Permissions::from_mode(mode));
        let temporary = step("create", || builder.tempfile_in(folder(path))).map_err(failed)?;
        Ok(Self { what, path: path.to_owned(), temporary })
    }

    /// The temporary file, to be written.
    pub(crate) fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// The failure for an error while writing [`file`](Self::file).
    pub(crate) fn failed(&self, error: &io::Error) -> Failure {
        Failure::writing(self.what, &self.path, error)
    }

    /// Writes all of a small file.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = step("write", || io::Write::write_all(self.file(), bytes));
        written.map_err(|error| self.failed(&error))
    }

    /// Syncs the file and gives it its name; fails if that name is taken meanwhile.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        let Self { what, path, temporary } = self;
        let failed = |error: io::Error| Failure::writing(what, &path, &error);
        step("sync", || temporary.as_file().sync_all()).map_err(failed)?;
        let mut temporary = temporary.into_temp_path();
        step("rename", || rename_without_replacing(&temporary, &path)).map_err(failed)?;
        temporary.disable_cleanup(true);
        // Some file systems cannot sync a folder; the file itself is synced by then.
        if let Ok(folder) = File::open(folder(&path)) {
            let _ = step("sync_dir", || folder.sync_all());
        }
        Ok(())
    }
}

/// Writes one small file, whole or not at all.
pub(crate) fn write(what: &'static str, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut output = Output::create(what, path)?;
    output.fill(bytes)?;
    output.commit()
}

/// Checks that an ordinary file can be created: its name is free, and its folder takes a temporary file.
pub(crate) fn check_can_be_made(what: &'static str, path: &Path) -> Result<(), Failure> {
    Output::create(what, path).map(drop)
}

/// Refuses a name that is taken, even by a symbolic link: the target of the link is not what the user named.
pub(crate) fn check_free(what: &str, path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::writing(what, path, &error)),
        Ok(there) if there.is_symlink() => {
            Err(Failure::exists(what, path).because("it is a symbolic link, and outputs do not follow links"))
        }
        Ok(there) if there.is_dir() => Err(Failure::exists(what, path).because("it is a folder")),
        Ok(_) => Err(Failure::exists(what, path)),
    }
}

fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems have no such rename; a hard link does not replace a file either.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        other => Ok(other?),
    }
}

/// The folder of a path, `.` where it has none.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The start of a file name, for the temporary name: that is longer, and may have 255 bytes at most.
fn truncated(name: &std::ffi::OsStr) -> &std::ffi::OsStr {
    use std::os::unix::ffi::OsStrExt as _;
    let bytes = name.as_bytes();
    std::ffi::OsStr::from_bytes(bytes.get(..100).unwrap_or(bytes))
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn e10_e11_nothing_is_replaced_however_late_it_came() {
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

    #[test]
    fn e9_links_folders_and_missing_folders_are_refused() {
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

    #[test]
    fn a_private_file_is_for_this_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        Output::create_private("key", &path).unwrap().commit().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
