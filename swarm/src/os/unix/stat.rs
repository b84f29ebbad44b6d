//! Owner, rights, identity and times of files.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FileType, fstat, lstat};
use rustix::process::{getegid, geteuid};

use super::super::types::{FileId, FileKind, Owner, Stat};

/// The unit of `st_blocks` (stat(2)), whatever the block size of the file system.
const BLOCK_BYTES: u64 = 512;

/// What accounts other than the owner may do with a file or folder: its mode, and the group that it gives rights to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    mode: u32,
    group: u32,
}

impl Rights {
    /// The rights of this mode and group.
    pub fn new(mode: u32, group: u32) -> Self {
        Self { mode, group }
    }

    /// The mode as `chmod` writes it.
    pub fn mode(self) -> u32 {
        self.mode & 0o7777
    }

    /// Whether accounts other than the user's own may write. The user's primary group is the user's alone where files are
    /// made writable for it by default (a umask of 002).
    pub fn others_may_write(self) -> bool {
        self.mode & 0o002 != 0 || (self.mode & 0o020 != 0 && self.group != getegid().as_raw())
    }

    /// Whether accounts other than the user's own, or any group, may write.
    pub fn any_other_may_write(self) -> bool {
        self.mode & 0o022 != 0
    }

    /// Whether accounts other than the user's own, or any group, may do anything at all.
    pub fn any_other_may_use(self) -> bool {
        self.mode & 0o077 != 0
    }

    /// Whether no account may remove what another made in this folder, as in `/tmp`.
    pub fn is_sticky(self) -> bool {
        self.mode & 0o1000 != 0
    }
}

/// The number of the account under which this process runs, for messages.
pub fn user_account() -> u32 {
    geteuid().as_raw()
}

/// Metadata of what has this name; of a link itself.
///
/// # Errors
///
/// The system's error.
pub fn stat(path: &Path) -> io::Result<Stat> {
    Ok(stat_of(&lstat(path)?))
}

/// Metadata of what this path leads to, through links.
///
/// # Errors
///
/// The system's error.
pub fn stat_target(path: &Path) -> io::Result<Stat> {
    Ok(stat_of(&rustix::fs::stat(path)?))
}

/// Metadata of an open file.
///
/// # Errors
///
/// The system's error.
pub fn stat_file(file: &File) -> io::Result<Stat> {
    Ok(stat_of(&fstat(file)?))
}

#[expect(clippy::unnecessary_cast, reason = "the fields of stat have other widths on other systems")]
pub(super) fn stat_of(stat: &rustix::fs::Stat) -> Stat {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Folder,
        FileType::Symlink => FileKind::Link,
        FileType::Fifo => FileKind::Pipe,
        FileType::Socket => FileKind::Socket,
        _ => FileKind::Device,
    };
    let owner = match stat.st_uid {
        user if user == user_account() => Owner::User,
        0 => Owner::Root,
        _ => Owner::Other,
    };
    let nanoseconds = |seconds: i64, part: i64| i128::from(seconds) * 1_000_000_000 + i128::from(part);
    Stat {
        kind,
        owner,
        owner_account: stat.st_uid,
        rights: Rights::new(stat.st_mode as u32, stat.st_gid),
        byte_count: u64::try_from(stat.st_size).unwrap_or(0),
        stored_bytes: u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(BLOCK_BYTES),
        id: FileId { device: stat.st_dev as u64, number: stat.st_ino as u64 },
        links: stat.st_nlink as u64,
        modified_ns: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        changed_ns: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
    }
}
