//! The disk of the machine, through a directory handle.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    self, Access, Advice, AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, Stat, fadvise, fstat, fstatvfs,
    fsync, openat,
};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use super::disk::{Disk, DiskFile, FileStat, Open, OpenError, Owner, Refusal};
use super::error::StoreError;
use super::files::named_in_temporary;
use super::step::step;

/// Characters of the final name that stand in the fresh name; all of them would be too long for some file systems.
const LONGEST_SHOWN: usize = 60;

/// Returns the part of a final name that stands in the fresh name.
fn shown(name: &str) -> String {
    name.chars().take(LONGEST_SHOWN).collect()
}

/// Returns true if `name` is a [fresh name](Disk::fresh_name) of a file that would have got the name `finished`: a process that
/// is killed while it writes leaves such a file.
pub fn is_fresh_name(name: &str, finished: &str) -> bool {
    named_in_temporary(name) == Some(&*shown(finished))
}

/// One directory of this machine, held open.
#[derive(Debug)]
pub struct RealDisk {
    directory: OwnedFd,
    path: PathBuf,
}

impl RealDisk {
    /// Opens an existing directory; the path to it may contain symlinks, names inside it may not be symlinks.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.to_path_buf();
        match openat(CWD, directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(directory) => Ok(Self { directory, path }),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(StoreError::Vanished { path }),
            Err(Errno::ACCESS | Errno::PERM) => Err(StoreError::Permission { path }),
            Err(error) => Err(StoreError::Io { path, doing: "open", source: error.into() }),
        }
    }

    /// Renames by a link and an unlink: the link fails as well when the name is taken. A crash between the two calls
    /// leaves both names, which [`Published::resume`](super::Published::resume) puts right.
    fn rename_by_link(&self, from: &str, to: &str) -> io::Result<()> {
        let directory = &self.directory;
        step("rename", || fs::linkat(directory, from, directory, to, AtFlags::empty()))?;
        Ok(step("remove", || fs::unlinkat(directory, from, AtFlags::empty()))?)
    }
}

impl Disk for RealDisk {
    type File = RealFile;

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn fresh_name(&self, name: &str) -> String {
        format!(".{}.{:016x}.new", shown(name), fastrand::u64(..))
    }

    fn open(&self, name: &str, how: Open) -> Result<RealFile, OpenError> {
        // Asked first because opening some devices has effects; the answer after the open is the one that counts.
        if how != Open::New
            && let Some(found) = Disk::stat(self, name)?.and_then(|stat| stat.refusal(how))
        {
            return Err(OpenError::Refused(found));
        }
        let file = RealFile(open_plain(&self.directory, Path::new(name), how)?);
        match DiskFile::stat(&file)?.refusal(how) {
            // The file was just created: what a file system without owners and modes says of it does not matter.
            Some(Refusal::Foreign | Refusal::Shared) if how == Open::New => Ok(file),
            Some(found) => Err(OpenError::Refused(found)),
            None => Ok(file),
        }
    }

    fn stat(&self, name: &str) -> io::Result<Option<FileStat>> {
        match fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(file_stat(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn rename_noreplace(&self, from: &str, to: &str) -> io::Result<()> {
        let directory = &self.directory;
        let rename = || fs::renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE);
        match step("rename", rename) {
            // Not every file system knows the flag.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.rename_by_link(from, to),
            answer => Ok(answer?),
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(step("remove", || fs::unlinkat(&self.directory, name, AtFlags::empty()))?)
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(step("sync_dir", || fsync(&self.directory))?)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let answer = fstatvfs(&self.directory)?;
        Ok(answer.f_bavail.saturating_mul(answer.f_frsize))
    }

    fn check_writable(&self) -> io::Result<()> {
        Ok(fs::accessat(&self.directory, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
    }
}

/// An open file of this machine.
#[derive(Debug)]
pub struct RealFile(File);

impl RealFile {
    /// Opens a file that a user named, for reading: no symlink, regular, any number of names.
    pub(super) fn open_read(path: &Path) -> Result<Self, OpenError> {
        if let Ok(stat) = fs::lstat(path)
            && let Some(found) = file_stat(&stat).not_a_file
        {
            return Err(OpenError::Refused(found));
        }
        let file = Self(open_plain(CWD, path, Open::Read)?);
        match DiskFile::stat(&file)?.not_a_file {
            Some(found) => Err(OpenError::Refused(found)),
            None => Ok(file),
        }
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        step("write", || self.0.write_at(bytes, offset))
    }

    fn set_len(&self, byte_count: u64) -> io::Result<()> {
        step("set_len", || self.0.set_len(byte_count))
    }

    fn sync_data(&self) -> io::Result<()> {
        step("sync", || self.0.sync_data())
    }

    fn stat(&self) -> io::Result<FileStat> {
        Ok(file_stat(&fstat(&self.0)?))
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn forget_cache(&self) {
        // Best effort by contract: a file system that cannot drop its pages changes nothing.
        let _ = fadvise(&self.0, 0, None, Advice::DontNeed);
    }
}

fn open_plain(directory: impl rustix::fd::AsFd, path: &Path, how: Open) -> Result<File, OpenError> {
    let flags = match how {
        Open::Read => OFlags::RDONLY,
        Open::Existing => OFlags::RDWR,
        Open::New => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
    };
    // NONBLOCK: a named pipe that appeared since the check must not block the open.
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let open = || openat(directory, path, flags, Mode::from_raw_mode(0o644));
    let opened = if how == Open::New { step("create", open) } else { open() };
    match opened {
        Ok(file) => Ok(File::from(file)),
        Err(Errno::LOOP) => Err(OpenError::Refused(Refusal::Symlink)),
        Err(Errno::ISDIR) => Err(OpenError::Refused(Refusal::Directory)),
        Err(error) => Err(OpenError::Io(error.into())),
    }
}

/// Whether accounts other than the user's own may write to a file or folder of this mode and group. The user's primary
/// group is the user's alone where files are made writable for it by default (a umask of 002).
pub fn others_may_write(mode: u32, group: u32) -> bool {
    mode & 0o002 != 0 || (mode & 0o020 != 0 && group != getegid().as_raw())
}

#[expect(clippy::unnecessary_cast, reason = "the fields of stat have other widths on other systems")]
fn file_stat(stat: &Stat) -> FileStat {
    let not_a_file = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => None,
        FileType::Directory => Some(Refusal::Directory),
        FileType::Symlink => Some(Refusal::Symlink),
        FileType::Fifo => Some(Refusal::Fifo),
        FileType::Socket => Some(Refusal::Socket),
        _ => Some(Refusal::Device),
    };
    let nanoseconds = |seconds: i64, part: i64| i128::from(seconds) * 1_000_000_000 + i128::from(part);
    let owner = match stat.st_uid {
        user if user == geteuid().as_raw() => Owner::User,
        0 => Owner::Root,
        _ => Owner::Other,
    };
    let is_shared = others_may_write(stat.st_mode as u32, stat.st_gid);
    FileStat {
        not_a_file,
        owner,
        is_shared,
        byte_count: u64::try_from(stat.st_size).unwrap_or(0),
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        links: stat.st_nlink as u64,
        modified_ns: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        changed_ns: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rename on a file system without the flag.
    // Rows: E11, E17
    #[test]
    fn a_rename_by_link_never_replaces_and_leaves_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(folder.path()).unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("from"), "ours").unwrap();
        std::fs::write(path("taken"), "theirs").unwrap();
        std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
        for taken in ["taken", "dangling", "from"] {
            let error = disk.rename_by_link("from", taken).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{taken}");
        }
        assert_eq!(std::fs::read(path("taken")).unwrap(), b"theirs");
        assert!(!path("nowhere").exists());
        disk.rename_by_link("from", "to").unwrap();
        assert_eq!((std::fs::read(path("to")).unwrap(), path("from").exists()), (b"ours".to_vec(), false));
        assert_eq!(Disk::stat(&disk, "to").unwrap().unwrap().links, 1);
        assert_eq!(disk.rename_by_link("from", "again").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
