//! An open folder, and names relative to one. A folder that is held open stays the same folder whatever happens to its path.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;

use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};

use rustix::fs::{self, Access, AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, openat};
use rustix::io::retry_on_intr;

use super::super::system;
use super::super::types::{Open, Privacy, Stat};
use super::stat::stat_of;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A folder held open.
#[derive(Debug)]
pub struct Folder(File);

impl Folder {
    /// Opens an existing folder; links on the path are followed.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn open(path: &Path) -> io::Result<Self> {
        Base::current().open_folder(path)
    }

    /// As [`Folder::open`], but a link of that name is refused.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn open_no_link(path: &Path) -> io::Result<Self> {
        let open = || openat(CWD, path, FOLDER | OFlags::NOFOLLOW, Mode::empty());
        Ok(Self(File::from(retry_on_intr(open)?)))
    }

    /// As [`Folder::open`], but a link anywhere on the path is refused. The path is whole and has no `..`.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] for a path that is not whole, or the system's error, also for a link.
    pub fn open_without_links(path: &Path) -> io::Result<Self> {
        if !path.is_absolute() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // One name at a time, from a folder that is held to the next: nobody can put a link on the way meanwhile.
        let mut held = File::from(openat(CWD, "/", system::WAY | OFlags::CLOEXEC, Mode::empty())?);
        for component in path.components() {
            let name = match component {
                Component::RootDir => continue,
                Component::Normal(name) => name,
                _ => return Err(io::ErrorKind::InvalidInput.into()),
            };
            let flags = system::WAY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            held = File::from(retry_on_intr(|| openat(&held, name, flags, Mode::empty()))?);
        }
        Ok(Self(File::from(retry_on_intr(|| openat(&held, ".", FOLDER, Mode::empty()))?)))
    }

    /// What is in the folder, in no order, until a name cannot be read.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn names(&self) -> io::Result<impl Iterator<Item = OsString>> {
        let names = Dir::read_from(&self.0)?.map_while(Result::ok);
        let names = names.map(|name| OsStr::from_bytes(name.file_name().to_bytes()).to_owned());
        Ok(names.filter(|name| name != "." && name != ".."))
    }

    /// Names in this folder.
    pub fn base(&self) -> Base<'_> {
        Base(self.0.as_fd())
    }

    /// The folder as an open file, for [`stat_file`](super::super::stat_file).
    pub fn as_file(&self) -> &File {
        &self.0
    }

    /// Makes earlier creations, renames and removals durable.
    ///
    /// # Errors
    ///
    /// The system's error. Some file systems cannot sync a folder.
    pub fn sync(&self) -> io::Result<()> {
        Ok(retry_on_intr(|| system::sync_handle(self.0.as_fd()))?)
    }

    /// Bytes that this user may still write to the folder's file system.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn free_bytes(&self) -> io::Result<u64> {
        system::free_bytes_of(self.0.as_fd())
    }

    /// Whether names may be created in the folder: fails as the first creation would.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn check_writable(&self) -> io::Result<()> {
        Ok(fs::accessat(&self.0, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
    }
}

/// What relative paths begin at: an open folder, or the folder in which the process works. The last component of a path is
/// never followed if it is a link.
#[derive(Clone, Copy, Debug)]
pub struct Base<'f>(BorrowedFd<'f>);

impl Base<'static> {
    /// The folder in which the process works; absolute paths do not depend on it.
    pub fn current() -> Self {
        Self(CWD)
    }
}

impl Base<'_> {
    /// Opens whatever has the name; a named pipe is not waited for, and the kind is for the caller to look at.
    ///
    /// # Errors
    ///
    /// [`is_loop`](super::super::is_loop) for a link, or the system's error.
    pub fn open(&self, path: &Path, how: Open) -> io::Result<File> {
        let flags = match how {
            Open::Read => OFlags::RDONLY,
            Open::Existing => OFlags::RDWR,
            Open::New => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        // NONBLOCK: a named pipe that appeared since a check must not block the open.
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(File::from(openat(self.0, path, flags, Mode::from_raw_mode(0o644))?))
    }

    /// Creates a file to be written.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] when the name is taken, by whatever it is; or the system's error.
    pub fn create(&self, path: &Path, privacy: Privacy) -> io::Result<File> {
        let mode = match privacy {
            Privacy::Private => 0o600,
            Privacy::Ordinary => 0o666,
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(retry_on_intr(|| openat(self.0, path, flags, Mode::from_raw_mode(mode)))?))
    }

    /// Opens a folder; links on the path are followed.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn open_folder(&self, path: &Path) -> io::Result<Folder> {
        Ok(Folder(File::from(retry_on_intr(|| openat(self.0, path, FOLDER, Mode::empty()))?)))
    }

    /// Metadata of what has this name; of a link itself.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(stat_of(&fs::statat(self.0, path, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// Renames; a file that has the name is replaced.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(fs::renameat(self.0, from, self.0, to)?)
    }

    /// Renames to a name that must be free.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] when the name is taken, by whatever it is;
    /// [`is_unsupported`](super::super::is_unsupported) where the file system cannot do it; or the system's error.
    pub fn rename_no_replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        Ok(fs::renameat_with(self.0, from, self.0, to, RenameFlags::NOREPLACE)?)
    }

    /// Exchanges what has one name with what has the other.
    ///
    /// # Errors
    ///
    /// As [`Self::rename_no_replace`].
    pub fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        Ok(fs::renameat_with(self.0, one, self.0, other, RenameFlags::EXCHANGE)?)
    }

    /// Gives a file a second name (hard link), which must be free.
    ///
    /// # Errors
    ///
    /// As [`Self::rename_no_replace`].
    pub fn add_name(&self, file: &Path, name: &Path) -> io::Result<()> {
        Ok(fs::linkat(self.0, file, self.0, name, AtFlags::empty())?)
    }

    /// Removes a name of a file, or a link.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        Ok(fs::unlinkat(self.0, path, AtFlags::empty())?)
    }
}
