//! The disk of the machine, through a directory handle.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, DiskFile, FileStat, Open, OpenError, Refusal};
use super::error::StoreError;
use super::files::named_in_temporary;
use super::step::step;
use crate::os::{self, Base, FileKind, Folder};

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
    directory: Folder,
    path: PathBuf,
}

impl RealDisk {
    /// Opens an existing directory; the path to it may contain symlinks, names inside it may not be symlinks.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.to_path_buf();
        match Folder::open(directory) {
            Ok(directory) => Ok(Self { directory, path }),
            Err(source) => Err(match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StoreError::Vanished { path },
                io::ErrorKind::PermissionDenied => StoreError::Permission { path },
                _ => StoreError::Io { path, doing: "open", source },
            }),
        }
    }

    /// Renames by a link and an unlink: the link fails as well when the name is taken. A crash between the two calls
    /// leaves both names, which [`Published::resume`](super::Published::resume) puts right.
    fn rename_by_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let base = self.directory.base();
        step("rename", || base.add_name(from, to))?;
        step("remove", || base.remove(from))
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
        let (file, found) = RealFile::of(open_plain(self.directory.base(), Path::new(name), how)?)?;
        match found.refusal(how) {
            // The file was just created: what a file system without owners and modes says of it does not matter.
            Some(Refusal::Foreign | Refusal::Shared) if how == Open::New => Ok(file),
            Some(found) => Err(OpenError::Refused(found)),
            None => Ok(file),
        }
    }

    fn stat(&self, name: &str) -> io::Result<Option<FileStat>> {
        match self.directory.base().stat(Path::new(name)) {
            Ok(stat) => Ok(Some(file_stat(&stat))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn rename_noreplace(&self, from: &str, to: &str) -> io::Result<()> {
        let (base, from, to) = (self.directory.base(), Path::new(from), Path::new(to));
        match step("rename", || base.rename_no_replace(from, to)) {
            // Not every file system can do it.
            Err(error) if os::is_unsupported(&error) => self.rename_by_link(from, to),
            answer => answer,
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        step("remove", || self.directory.base().remove(Path::new(name)))
    }

    fn sync_dir(&self) -> io::Result<()> {
        step("sync_dir", || self.directory.sync())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.directory.free_bytes()
    }

    fn check_writable(&self) -> io::Result<()> {
        self.directory.check_writable()
    }
}

/// An open file of this machine.
#[derive(Debug)]
pub struct RealFile {
    file: File,
    /// The file system of the file when it was opened, which it never leaves.
    device: u64,
}

impl RealFile {
    /// An open file, and what it is now.
    fn of(file: File) -> io::Result<(Self, FileStat)> {
        let found = file_stat(&os::stat_file(&file)?);
        Ok((Self { file, device: found.device }, found))
    }

    /// Opens a file that a user named, for reading: no symlink, regular, any number of names.
    pub(super) fn open_read(path: &Path) -> Result<Self, OpenError> {
        if let Ok(stat) = os::stat(path)
            && let Some(found) = file_stat(&stat).not_a_file
        {
            return Err(OpenError::Refused(found));
        }
        let (file, found) = Self::of(open_plain(Base::current(), path, Open::Read)?)?;
        match found.not_a_file {
            Some(found) => Err(OpenError::Refused(found)),
            None => Ok(file),
        }
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        minimodel_verifier::os::read_at(&self.file, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        step("write", || os::write_at(&self.file, bytes, offset))
    }

    fn set_len(&self, byte_count: u64) -> io::Result<()> {
        step("set_len", || self.file.set_len(byte_count))
    }

    fn sync_data(&self) -> io::Result<()> {
        step("sync", || os::sync_data(&self.file))
    }

    fn stat(&self) -> io::Result<FileStat> {
        let mut found = file_stat(&os::stat_file(&self.file)?);
        // Wine 8 says 0 for a file that was renamed while it was open.
        if found.device == 0 {
            found.device = self.device;
        }
        Ok(found)
    }

    fn try_lock(&self) -> io::Result<bool> {
        os::try_lock(&self.file)
    }

    fn forget_cache(&self) {
        os::forget_cache(&self.file);
    }
}

fn open_plain(base: Base<'_>, path: &Path, how: Open) -> Result<File, OpenError> {
    let open = || base.open(path, how);
    let opened = if how == Open::New { step("create", open) } else { open() };
    opened.map_err(|error| match error.kind() {
        _ if os::is_loop(&error) => OpenError::Refused(Refusal::Symlink),
        io::ErrorKind::IsADirectory => OpenError::Refused(Refusal::Directory),
        _ => OpenError::Io(error),
    })
}

fn file_stat(stat: &os::Stat) -> FileStat {
    let not_a_file = match stat.kind {
        FileKind::File => None,
        FileKind::Folder => Some(Refusal::Directory),
        FileKind::Link => Some(Refusal::Symlink),
        FileKind::Pipe => Some(Refusal::Fifo),
        FileKind::Socket => Some(Refusal::Socket),
        FileKind::Device => Some(Refusal::Device),
    };
    FileStat {
        not_a_file,
        owner: stat.owner,
        is_shared: stat.rights.others_may_write(),
        byte_count: stat.byte_count,
        device: stat.id.device,
        inode: stat.id.number,
        links: stat.links,
        modified_ns: stat.modified_ns,
        changed_ns: stat.changed_ns,
    }
}

#[cfg(test)]
mod tests {
    use super::super::create::is_named;
    use super::*;

    #[test]
    fn a_file_renamed_while_open_is_still_its_name_s_file() {
        let folder = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(folder.path()).unwrap();
        let file = disk.open("from", Open::New).unwrap();
        disk.rename_noreplace("from", "to").unwrap();
        assert!(is_named(&disk, "to", &file).unwrap());
        drop(disk.open("from", Open::New).unwrap());
        assert!(!is_named(&disk, "from", &file).unwrap());
    }

    /// The rename on a file system without the flag.
    // Rows: E11, E17
    #[test]
    fn a_rename_by_link_never_replaces_and_leaves_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(folder.path()).unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("from"), "ours").unwrap();
        std::fs::write(path("taken"), "theirs").unwrap();
        // Elsewhere a user may need a right to make links.
        #[cfg(unix)]
        std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
        let is_there = |name: &&str| path(name).symlink_metadata().is_ok();
        for taken in ["taken", "dangling", "from"].into_iter().filter(is_there) {
            let error = disk.rename_by_link(Path::new("from"), Path::new(taken)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{taken}");
        }
        assert_eq!(std::fs::read(path("taken")).unwrap(), b"theirs");
        assert!(!path("nowhere").exists());
        disk.rename_by_link(Path::new("from"), Path::new("to")).unwrap();
        assert_eq!((std::fs::read(path("to")).unwrap(), path("from").exists()), (b"ours".to_vec(), false));
        assert_eq!(Disk::stat(&disk, "to").unwrap().unwrap().links, 1);
        assert_eq!(
            disk.rename_by_link(Path::new("from"), Path::new("again")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
