//! Files and folders for this user alone, links, locks, syncs, and writes at an offset.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::net::UdpSocket;
use std::os::windows::fs::{FileExt as _, symlink_file};
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::ERROR_PRIVILEGE_NOT_HELD;

use super::super::types::{FileKind, OpenWith};
use super::calls;
use super::folder::open_no_link;
use super::paths::{check_name, whole};
use super::sddl::list_for;
use super::stat::{accounts, stat, stat_file, stat_target};

/// What is made in a folder of this user alone is this user's alone too.
const INHERITED: &str = "OICI";

impl OpenWith for OpenOptions {
    /// Here the file takes the rights of its folder, which [`create_private_folder`] made so.
    fn private(&mut self) -> &mut Self {
        self
    }

    /// No named pipe has a name among files here.
    fn no_wait(&mut self) -> &mut Self {
        self
    }

    fn open_no_link(&self, path: &Path) -> io::Result<File> {
        open_no_link(self, path)
    }

    fn open_to_append(&mut self, path: &Path) -> io::Result<File> {
        // A file that was opened to append alone cannot be cut here.
        let mut file = self.write(true).create(true).truncate(false).open_no_link(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(file)
    }
}

/// Creates a folder and its missing parents, for this user alone; one that is there is left as it is.
///
/// # Errors
///
/// The system's error.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || fs::metadata(folder).is_ok_and(|found| found.is_dir()) {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create_private_folder(parent)?;
    }
    check_name(folder)?;
    match calls::create_folder(&whole(folder)?, &list_for(&accounts().0, INHERITED)) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        answer => answer,
    }
}

/// Takes a file from all other accounts, if they have any right to it.
///
/// # Errors
///
/// The system's error.
pub fn make_private(file: &File) -> io::Result<()> {
    if stat_file(file)?.rights.any_other_may_use() {
        calls::set_security(file, &list_for(&accounts().0, ""))?;
    }
    Ok(())
}

/// Creates a link to a file: a symbolic one where the account may make them, and a second name of the file (hard link) elsewhere,
/// which only works on one volume.
///
/// # Errors
///
/// [`io::ErrorKind::AlreadyExists`] when the name is taken, or the system's error.
pub fn create_link(target: &Path, link: &Path) -> io::Result<()> {
    check_name(link)?;
    // The system takes a relative target as it is, and then knows no other separator.
    let target: PathBuf = target.components().collect();
    match symlink_file(&target, link) {
        Err(error) if error.raw_os_error() == Some(ERROR_PRIVILEGE_NOT_HELD.cast_signed()) => {
            fs::hard_link(beside(link, &target), link)
        }
        answer => answer,
    }
}

/// Where a link leads that [`create_link`] made; `None`: it is no such link. A second name of a file says nothing of the first:
/// it is a link to the one of `known` that is the same file.
///
/// # Errors
///
/// The system's error.
pub fn link_target(link: &Path, known: &[PathBuf]) -> io::Result<Option<PathBuf>> {
    if fs::symlink_metadata(link)?.is_symlink() {
        return fs::read_link(link).map(Some);
    }
    let found = stat(link)?;
    if found.kind != FileKind::File || found.links < 2 {
        return Ok(None);
    }
    let is_same =
        |target: &&PathBuf| stat_target(&beside(link, target)).is_ok_and(|there| there.id == found.id);
    Ok(known.iter().find(is_same).cloned())
}

/// A target, relative to the folder of its link.
fn beside(link: &Path, target: &Path) -> PathBuf {
    link.parent().map_or_else(|| target.to_owned(), |folder| folder.join(target))
}

/// Writes at `offset`; fewer bytes than given are possible.
///
/// # Errors
///
/// The system's error.
pub fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    file.seek_write(bytes, offset)
}

/// Takes the lock of an open file without waiting; `false` when another opening has it. It hinders no process from reading.
///
/// # Errors
///
/// The system's error.
pub fn try_lock(file: &File) -> io::Result<bool> {
    calls::lock_byte(file)
}

/// Makes all completed writes and the length durable.
///
/// # Errors
///
/// The system's error.
pub fn sync_data(file: &File) -> io::Result<()> {
    file.sync_data()
}

/// As [`sync_data`], which leaves no metadata out on this system.
///
/// # Errors
///
/// The system's error.
pub fn sync_all(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Drops cached bytes of a file: this system has no call for it.
pub fn forget_cache(_: &File) {}

/// Bytes that this user may still write to the volume of a folder.
///
/// # Errors
///
/// The system's error.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    calls::free_bytes(path)
}

/// The MTU of the route of a connected socket: this system does not say it. QUIC finds it by trying, which takes a few
/// round trips longer.
pub fn route_mtu(_: &UdpSocket, _: bool) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::super::types::Open;
    use super::super::folder::Base;
    use super::*;

    #[test]
    fn a_lock_hinders_another_lock_and_no_reader() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        let mut first = Base::current().open(&path, Open::New).unwrap();
        assert!(try_lock(&first).unwrap());
        let second = Base::current().open(&path, Open::Existing).unwrap();
        assert!(!try_lock(&second).unwrap());
        first.write_all(b"abc").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abc");
        drop(first);
        assert!(try_lock(&second).unwrap());
    }

    #[test]
    fn an_appended_file_grows_at_its_end_and_can_be_cut() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("log");
        for text in ["one", "two"] {
            OpenOptions::new().open_to_append(&path).unwrap().write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), b"onetwo");
        OpenOptions::new().open_to_append(&path).unwrap().set_len(3).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }

    #[test]
    fn a_link_of_either_kind_leads_to_its_file() {
        let root = tempfile::tempdir().unwrap();
        let (file, link) = (root.path().join("file"), root.path().join("link"));
        fs::write(&file, "abc").unwrap();
        let known = [PathBuf::from("other"), PathBuf::from("file")];
        assert_eq!(link_target(&file, &known).unwrap(), None);
        create_link(Path::new("file"), &link).unwrap();
        if std::env::var_os("MINIMODEL_UNDER_WINE").is_some() && link.symlink_metadata().is_err() {
            // An emulation of the system may say that it made a link and make none.
            return;
        }
        assert_eq!(link_target(&link, &known).unwrap(), Some("file".into()));
        assert_eq!(create_link(Path::new("file"), &link).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_folder_for_this_user_is_made_with_its_parents() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        create_private_folder(&folder).unwrap();
        create_private_folder(&folder).unwrap();
        let file = fs::File::create(folder.join("file")).unwrap();
        make_private(&file).unwrap();
        assert!(!stat_file(&file).unwrap().rights.any_other_may_use());
        assert!(create_private_folder(&root.path().join("con")).is_err());
    }
}
