//! Writer of small files: each appears under its name whole and durable, or not at all.
//!
//! The order is: a temporary file is created exclusively in the folder of the final one (`.NAME.NUMBER.new`), filled and
//! synced; then it is renamed, and then the folder is synced. A crash leaves the old state of the name or the new one, and
//! at most a temporary file. Nothing follows a symlink in the last component of a name, and each call that changes the
//! disk is a labelled [`step`].
//!
//! This is for files of the user and of the program. A part's own files go through [`Disk`](super::Disk), which holds a
//! lock through the rename and can be simulated.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::step;
pub use crate::os::Privacy;
use crate::os::{self, Base, Folder};

/// Bytes of the final name that a temporary name shows: a name may have 255 bytes at most.
const SHOWN_BYTES: usize = 100;
/// Hex digits of the random number in a temporary name.
const NUMBER_DIGITS: usize = 16;
const SUFFIX: &str = ".new";
/// Temporary names that are tried; each is taken only by chance.
const TRIES: u32 = 16;

/// A file under its temporary name. Dropping it removes it.
#[derive(Debug)]
pub struct NewFile<'f> {
    file: File,
    folder: Base<'f>,
    path: PathBuf,
    temporary: PathBuf,
    has_its_name: bool,
}

/// A file that has its name, in a folder that is not synced yet.
#[derive(Debug)]
#[must_use = "a power loss may take the name until the folder is synced"]
pub struct Named<'f> {
    folder: Base<'f>,
    path: PathBuf,
}

impl NewFile<'static> {
    /// Creates the temporary file for `path`.
    ///
    /// # Errors
    ///
    /// `path` names no file, or the system's error.
    pub fn create(path: &Path, privacy: Privacy) -> io::Result<Self> {
        Self::create_at(Base::current(), path, privacy)
    }
}

impl<'f> NewFile<'f> {
    /// As [`NewFile::create`], with `path` relative to an open folder, so that a swapped folder does not redirect it.
    ///
    /// # Errors
    ///
    /// As [`NewFile::create`].
    pub fn create_in(folder: &'f Folder, path: &Path, privacy: Privacy) -> io::Result<Self> {
        Self::create_at(folder.base(), path, privacy)
    }

    fn create_at(folder: Base<'f>, path: &Path, privacy: Privacy) -> io::Result<Self> {
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
        for _ in 0..TRIES {
            let temporary = path.with_file_name(temporary_name(name));
            match step("create", || folder.create(&temporary, privacy)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(file) => {
                    let path = path.to_owned();
                    return Ok(Self { file, folder, path, temporary, has_its_name: false });
                }
            }
        }
        Err(io::Error::other("no temporary name is free"))
    }

    /// Returns the file, to be written.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Writes all of a small file.
    ///
    /// # Errors
    ///
    /// The system's error; the file is then to be dropped.
    pub fn fill(&mut self, bytes: &[u8]) -> io::Result<()> {
        step("write", || self.file.write_all(bytes))
    }

    /// Syncs the file and gives it its name, which must be free.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] when the name is taken, by whatever it is; or the system's error. What has the name
    /// is left as it is, and the temporary file is removed.
    pub fn place(self) -> io::Result<Named<'f>> {
        self.name_synced(|new| rename_without_replacing_in(new.folder, &new.temporary, &new.path))
    }

    /// Syncs the file and gives it its name; a file that has it is replaced.
    ///
    /// # Errors
    ///
    /// The system's error. What has the name is left as it is, and the temporary file is removed.
    pub fn replace(self) -> io::Result<Named<'f>> {
        self.name_synced(Self::rename)
    }

    /// As [`replace`](Self::replace), without any sync: after a power loss the file may hold other bytes. For caches whose
    /// content is proven when it is read.
    ///
    /// # Errors
    ///
    /// As [`replace`](Self::replace).
    pub fn replace_unsynced(mut self) -> io::Result<()> {
        self.rename()?;
        self.has_its_name = true;
        Ok(())
    }

    fn rename(&mut self) -> io::Result<()> {
        let (folder, from, to) = (self.folder, &self.temporary, &self.path);
        step("rename", || folder.rename(from, to))
    }

    fn name_synced(mut self, rename: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<Named<'f>> {
        step("sync", || os::sync_all(&self.file))?;
        rename(&mut self)?;
        self.has_its_name = true;
        Ok(Named { folder: self.folder, path: self.path.clone() })
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.has_its_name {
            // Best effort: a leftover is only space, and the caller gets the first error.
            let _ = self.folder.remove(&self.temporary);
        }
    }
}

impl Named<'_> {
    /// Syncs the folder: from then on the name outlives a power loss.
    ///
    /// # Errors
    ///
    /// The system's error. Some file systems cannot sync a folder; the file has its name and is synced all the same.
    pub fn sync_folder(self) -> io::Result<()> {
        sync_folder_in(self.folder, &self.path)
    }
}

/// Writes a private small file, durable when this returns; a file of that name is replaced.
///
/// # Errors
///
/// The system's error.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = NewFile::create(path, Privacy::Private)?;
    new.fill(bytes)?;
    new.replace()?.sync_folder()
}

/// Renames a file to a name that must be free.
///
/// # Errors
///
/// [`io::ErrorKind::AlreadyExists`] when the name is taken, by whatever it is; or the system's error.
pub fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    rename_without_replacing_in(Base::current(), from, to)
}

fn rename_without_replacing_in(folder: Base<'_>, from: &Path, to: &Path) -> io::Result<()> {
    step("rename", || match folder.rename_no_replace(from, to) {
        // Some file systems do not support this rename; a hard link does not replace a file either.
        Err(error) if os::is_unsupported(&error) => {
            folder.add_name(from, to)?;
            folder.remove(from)
        }
        answer => answer,
    })
}

/// Syncs the folder of a path: the names in it outlive a power loss.
///
/// # Errors
///
/// The system's error; some file systems cannot sync a folder.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    sync_folder_in(Base::current(), path)
}

fn sync_folder_in(base: Base<'_>, path: &Path) -> io::Result<()> {
    let folder = base.open_folder(folder_of(path))?;
    step("sync_dir", || folder.sync())
}

/// Returns the folder of a path, `.` where it names none.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn temporary_name(name: &OsStr) -> OsString {
    let bytes = name.as_encoded_bytes();
    let mut temporary = OsString::from(".");
    temporary.push(os::text_of_bytes(bytes.get(..SHOWN_BYTES).unwrap_or(bytes)));
    temporary.push(format!(".{:0NUMBER_DIGITS$x}{SUFFIX}", fastrand::u64(..)));
    temporary
}

/// Returns the final name, or its first 100 bytes, of a temporary name, as a crash may leave one; `None`: it is not one.
pub fn named_in_temporary(name: &str) -> Option<&str> {
    let (shown, number) = name.strip_prefix('.')?.strip_suffix(SUFFIX)?.rsplit_once('.')?;
    let is_number = number.len() == NUMBER_DIGITS && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then_some(shown)
}

#[cfg(test)]
mod tests {
    use std::fs;
    #[cfg(unix)]
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn file_gets_its_name_once_whole_and_a_dropped_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let mut new = NewFile::create(&path, Privacy::Private).unwrap();
        new.fill(b"all").unwrap();
        assert!(!path.exists());
        let [temporary] = &names(folder.path())[..] else { panic!("one file") };
        assert_eq!(named_in_temporary(temporary.to_str().unwrap()), Some("a.txt"));
        new.place().unwrap().sync_folder().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"all");
        let rights = os::stat(&path).unwrap().rights;
        assert_eq!((rights.mode() & 0o777, rights.any_other_may_use()), (0o600, false));
        drop(NewFile::create(&folder.path().join("b.txt"), Privacy::Private).unwrap());
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    // Rows: E11
    #[test]
    fn place_replaces_nothing_and_replace_replaces_the_name_itself() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("taken"), "theirs").unwrap();
        // Elsewhere a user may need a right to make links: a file does there.
        #[cfg(unix)]
        symlink("nowhere", at("link")).unwrap();
        #[cfg(not(unix))]
        fs::write(at("link"), "theirs").unwrap();
        fs::create_dir(at("folder")).unwrap();
        for name in ["taken", "link", "folder"] {
            let mut new = NewFile::create(&at(name), Privacy::Private).unwrap();
            new.fill(b"ours").unwrap();
            assert_eq!(new.place().unwrap_err().kind(), io::ErrorKind::AlreadyExists, "{name}");
        }
        assert_eq!(fs::read(at("taken")).unwrap(), b"theirs");
        for name in ["taken", "link"] {
            replace(&at(name), b"ours").unwrap();
            assert!(fs::symlink_metadata(at(name)).unwrap().is_file(), "{name}");
            assert_eq!(fs::read(at(name)).unwrap(), b"ours");
        }
        assert!(replace(&at("folder"), b"ours").is_err());
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, ["folder", "link", "taken"]);
    }

    // On Windows an open folder cannot be moved.
    #[cfg(unix)]
    #[test]
    fn a_path_is_relative_to_the_open_folder_wherever_that_is_moved() {
        let root = tempfile::tempdir().unwrap();
        let (before, after) = (root.path().join("before"), root.path().join("after"));
        fs::create_dir(&before).unwrap();
        let folder = Folder::open(&before).unwrap();
        fs::rename(&before, &after).unwrap();
        let mut new = NewFile::create_in(&folder, Path::new("name"), Privacy::Private).unwrap();
        new.fill(b"ours").unwrap();
        new.place().unwrap().sync_folder().unwrap();
        assert_eq!(fs::read(after.join("name")).unwrap(), b"ours");
    }

    #[test]
    fn long_names_are_written_and_foreign_names_are_not_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n".repeat(255));
        replace(&path, b"x").unwrap();
        assert!(NewFile::create(&folder.path().join(".."), Privacy::Private).is_err());
        for other in
            ["", ".new", "a.new", ".a.new", ".a.0123.new", ".a.0123456789abcdef", "a.0123456789abcdef.new"]
        {
            assert_eq!(named_in_temporary(other), None, "{other}");
        }
        assert_eq!(named_in_temporary(".a.b.0123456789abcdef.new"), Some("a.b"));
    }
}
