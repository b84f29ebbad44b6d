//! Types of the interface that are the same on every system.

use std::fs::File;
use std::io;
use std::path::Path;

use super::Rights;

/// How a file is opened. No way of them follows a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// For reading; a second name (hard link) is accepted.
    Read,
    /// For reading and writing; it must be there.
    Existing,
    /// For reading and writing; made anew, and [`AlreadyExists`](io::ErrorKind::AlreadyExists) where the name is taken.
    New,
}

/// Ways to open a file that std has under another name on each system; for [`OpenOptions`](std::fs::OpenOptions).
pub trait OpenWith {
    /// Lets this user alone read and write a file that is created.
    fn private(&mut self) -> &mut Self;

    /// Does not wait for the other end of a named pipe; a link is followed.
    fn no_wait(&mut self) -> &mut Self;

    /// Opens a file; a link of this name is refused ([`is_loop`](super::is_loop)), and a named pipe is not waited for.
    ///
    /// # Errors
    ///
    /// The system's error.
    fn open_no_link(&self, path: &Path) -> io::Result<File>;

    /// Opens or creates a file to be written at its end and cut; a link of this name is refused. One process at a time writes.
    ///
    /// # Errors
    ///
    /// The system's error.
    fn open_to_append(&mut self, path: &Path) -> io::Result<File>;
}

/// Who may use a file that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// Only this user may read or write it.
    Private,
    /// Whoever the user's settings let read or write new files.
    Ordinary,
}

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A block or character device, or anything else.
    Device,
}

/// The owner of a file, as seen by this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The account under which this process runs.
    User,
    /// The superuser, who may change any file in any case.
    Root,
    /// Another account.
    Other,
}

/// Identity of a file: equal for all names of one file, and for no two files that exist at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId {
    /// The file system of the file.
    pub device: u64,
    /// Its number on that file system.
    pub number: u64,
}

/// Metadata of a name or of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Whose it is.
    pub owner: Owner,
    /// The number of the account that owns it, for messages.
    pub owner_account: u32,
    /// What other accounts may do with it.
    pub rights: Rights,
    /// Length in bytes.
    pub byte_count: u64,
    /// Bytes that it takes on the disk: a file with holes takes less than its length.
    pub stored_bytes: u64,
    /// Which file it is.
    pub id: FileId,
    /// How many names it has.
    pub links: u64,
    /// Last change of content, nanoseconds since 1970.
    pub modified_ns: i128,
    /// Last change of content or attributes, nanoseconds since 1970.
    pub changed_ns: i128,
}
