//! Files and folders for this user alone, links, and writes at an offset.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::super::types::OpenWith;

/// Readable and writable by its owner alone.
const PRIVATE_FILE: u32 = 0o600;
/// Usable by its owner alone.
const PRIVATE_FOLDER: u32 = 0o700;

impl OpenWith for OpenOptions {
    fn private(&mut self) -> &mut Self {
        self.mode(PRIVATE_FILE)
    }

    fn no_wait(&mut self) -> &mut Self {
        self.custom_flags(OFlags::NONBLOCK.bits().cast_signed())
    }

    fn open_no_link(&self, path: &Path) -> io::Result<File> {
        self.clone().custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()).open(path)
    }

    fn open_to_append(&mut self, path: &Path) -> io::Result<File> {
        self.append(true).create(true).open_no_link(path)
    }
}

/// Creates a folder and its missing parents, for this user alone; one that is there is left as it is.
///
/// # Errors
///
/// The system's error.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(folder)
}

/// Takes a file from all other accounts, if they have any right to it.
///
/// # Errors
///
/// The system's error.
pub fn make_private(file: &File) -> io::Result<()> {
    if file.metadata()?.mode() & 0o777 == PRIVATE_FILE {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(PRIVATE_FILE))
}

/// Creates a symbolic link to a file.
///
/// # Errors
///
/// [`io::ErrorKind::AlreadyExists`] when the name is taken, or the system's error.
pub fn create_link(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

/// Where a link leads that [`create_link`] made; `None`: it is no link. `known` is for systems on which a link may be a second name
/// of a file, which says nothing of the first.
///
/// # Errors
///
/// The system's error.
pub fn link_target(link: &Path, known: &[PathBuf]) -> io::Result<Option<PathBuf>> {
    let _ = known;
    if std::fs::symlink_metadata(link)?.is_symlink() { std::fs::read_link(link).map(Some) } else { Ok(None) }
}

/// Takes the lock of an open file without waiting; `false` when another opening has it.
///
/// # Errors
///
/// The system's error.
pub fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Writes at `offset`; fewer bytes than given are possible.
///
/// # Errors
///
/// The system's error.
pub fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    file.write_at(bytes, offset)
}
