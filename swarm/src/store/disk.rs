//! The one seam: everything the store asks of a disk, relative to one directory.
//!
//! The store is written against [`Disk`] and [`DiskFile`] alone. [`RealDisk`](super::RealDisk) holds a directory
//! handle, so a swapped parent directory cannot redirect a name; [`MemDisk`](super::MemDisk) plays power loss,
//! full disks and failing calls. Names are single path components; nothing here follows a symlink.

use std::io;
use std::path::PathBuf;

pub use crate::os::{Open, Owner};

/// One directory, and the operations on names inside it.
pub trait Disk: Send + Sync + 'static {
    /// An open file of this disk.
    type File: DiskFile;

    /// Where `name` is, for messages only.
    fn path(&self, name: &str) -> PathBuf;

    /// A name that is most likely unused, for a file that is renamed to `name` when it is whole.
    fn fresh_name(&self, name: &str) -> String;

    /// Opens `name` without following a symlink. Anything but a regular file is refused. For writing a file with a
    /// second name (hard link) is refused too, since a write would change a file that the user did not name; and so is
    /// a file that another account owns or may write to, since it could change after its check.
    fn open(&self, name: &str, how: Open) -> Result<Self::File, OpenError>;

    /// Metadata of `name`, without following a symlink; `None` when there is nothing.
    fn stat(&self, name: &str) -> io::Result<Option<FileStat>>;

    /// Renames within the directory; [`io::ErrorKind::AlreadyExists`] when `to` is taken, by whatever it is.
    fn rename_noreplace(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file's name.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes earlier creations, renames and removals durable.
    fn sync_dir(&self) -> io::Result<()>;

    /// Bytes that this process may still write here.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Whether names may be created in the directory: fails as the first creation would.
    fn check_writable(&self) -> io::Result<()>;
}

/// An open regular file; all reads and writes name their offset, so threads share it freely.
pub trait DiskFile: Send + Sync + 'static {
    /// Reads at `offset`; fewer bytes than asked are allowed, 0 is the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at `offset`; fewer bytes than given are allowed.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts or extends (with zeros) to `byte_count`.
    fn set_len(&self, byte_count: u64) -> io::Result<()>;

    /// Makes all completed writes and the length durable.
    fn sync_data(&self) -> io::Result<()>;

    /// Size, times and identity now.
    fn stat(&self) -> io::Result<FileStat>;

    /// Takes the exclusive lock without waiting; `false` when another open file holds it. The lock goes with
    /// the open file, so a killed process holds none.
    fn try_lock(&self) -> io::Result<bool>;

    /// Drops cached bytes that were written but may not be on the disk, so that the next read shows what the disk has.
    /// Called after a failed sync; best effort.
    fn forget_cache(&self);

    /// Reads exactly `buffer.len()` bytes, over short reads and interruptions;
    /// [`io::ErrorKind::UnexpectedEof`] when the file is shorter.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes`, over short writes and interruptions.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match self.write_at(rest, offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Why a file could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The name is there, and is something that the store does not touch.
    Refused(Refusal),
    /// The system's error.
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What was found where a plain file with one name was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A symbolic link.
    Symlink,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A block or character device.
    Device,
    /// A file with more than one name.
    HardLink,
    /// A file of another account.
    Foreign,
    /// A file that other accounts may write to.
    Shared,
}

impl Refusal {
    /// The word for messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Symlink => "symlink",
            Self::Directory => "directory",
            Self::Fifo => "named pipe",
            Self::Socket => "socket",
            Self::Device => "device",
            Self::HardLink => "hard link",
            Self::Foreign => "file of another account",
            Self::Shared => "file that other accounts may write to",
        }
    }
}

/// Metadata of a name or of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// `None` for a regular file, else its kind (never a hard link, and nothing about its owner).
    pub not_a_file: Option<Refusal>,
    /// The owner of the file.
    pub owner: Owner,
    /// Other accounts may write to the file, as members of its group or as anybody.
    pub is_shared: bool,
    /// Length in bytes.
    pub byte_count: u64,
    /// The file system of the file.
    pub device: u64,
    /// Its number on that file system.
    pub inode: u64,
    /// How many names it has.
    pub links: u64,
    /// Last change of content, nanoseconds since 1970.
    pub modified_ns: i128,
    /// Last change of content or attributes, nanoseconds since 1970.
    pub changed_ns: i128,
}

impl FileStat {
    /// Returns why the content may change later: another account may write to the file.
    pub fn distrust(&self) -> Option<Refusal> {
        match self.owner {
            Owner::Other => Some(Refusal::Foreign),
            Owner::User | Owner::Root => self.is_shared.then_some(Refusal::Shared),
        }
    }

    /// Returns why this may not be opened as `how`; `None` if it may.
    pub fn refusal(&self, how: Open) -> Option<Refusal> {
        match self.not_a_file {
            None if how == Open::Read => None,
            None if self.links > 1 => Some(Refusal::HardLink),
            None if self.owner != Owner::User => Some(Refusal::Foreign),
            None => self.distrust(),
            other => other,
        }
    }

    /// Whether both are the same file, whatever its content now.
    pub fn same_file(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }
}

/// Sequential reader of a [`DiskFile`], from an offset to an end.
pub(super) struct InOrder<'a, F> {
    pub(super) file: &'a F,
    pub(super) offset: u64,
    pub(super) end: u64,
}

impl<F: DiskFile> io::Read for InOrder<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let want = buffer.len().min(left);
        let Some(window) = buffer.get_mut(..want).filter(|window| !window.is_empty()) else { return Ok(0) };
        let count = self.file.read_at(window, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}
