//! Owner, rights, identity and times of files.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::OnceLock;

use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_REPARSE_POINT, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES, READ_CONTROL,
};

use super::super::types::{FileId, FileKind, Owner, Stat};
use super::calls;
use super::errors::{is_denied, is_unsupported};
use super::sddl::{Others, Security, is_same_account, is_superuser};

/// From 1601, where the times of this system begin, to 1970, in units of 100 nanoseconds.
const UNIX_EPOCH: i128 = 116_444_736_000_000_000;
/// The bit of a reparse tag that says: this name stands for another one. Links and mounted folders have it; files that are kept in
/// a cloud or compressed have not, and are files.
const NAME_SURROGATE: u32 = 0x2000_0000;

/// What accounts other than the owner may do with a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    others: Others,
}

impl Rights {
    /// What others may do, in the modes of Unix, for messages: readable, writable or usable by all or by this user alone.
    pub fn mode(self) -> u32 {
        let bit = |has: bool, bits: u32| if has { bits } else { 0 };
        0o600
            | bit(self.others.may_read(), 0o044)
            | bit(self.others.may_write(), 0o022)
            | bit(self.others.may_execute(), 0o011)
            | bit(self.is_sticky(), 0o1000)
    }

    /// Whether accounts other than the user's own may write. Superusers may in any case and do not count.
    pub fn others_may_write(self) -> bool {
        self.others.may_write()
    }

    /// As [`Self::others_may_write`]: no group is the user's own on this system.
    pub fn any_other_may_write(self) -> bool {
        self.others.may_write()
    }

    /// Whether accounts other than the user's own may do anything at all.
    pub fn any_other_may_use(self) -> bool {
        self.others.may_read() || self.others.may_write() || self.others.may_execute()
    }

    /// Whether others may add names to this folder, but not remove or change what another account made in it.
    pub fn is_sticky(self) -> bool {
        self.others.may_only_add()
    }
}

/// The account of this process, and the one that owns what it makes, as SIDs. Empty if the system does not say: then every
/// file is another account's.
pub(super) fn accounts() -> &'static (String, String) {
    static ACCOUNTS: OnceLock<(String, String)> = OnceLock::new();
    ACCOUNTS.get_or_init(|| calls::accounts().unwrap_or_default())
}

/// The number of the account under which this process runs, for messages: the last part of its SID.
pub fn user_account() -> u32 {
    account_number(&accounts().0)
}

fn account_number(sid: &str) -> u32 {
    sid.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Metadata of what has this name; of a link itself.
///
/// # Errors
///
/// The system's error.
pub fn stat(path: &Path) -> io::Result<Stat> {
    stat_file(&open_to_look(path, FILE_FLAG_OPEN_REPARSE_POINT)?)
}

/// Metadata of what this path leads to, through links.
///
/// # Errors
///
/// The system's error.
pub fn stat_target(path: &Path) -> io::Result<Stat> {
    stat_file(&open_to_look(path, 0)?)
}

/// Opens a file or folder for its metadata alone, which disturbs no other process; without its rights where they may not be read.
pub(super) fn open_to_look(path: &Path, flags: u32) -> io::Result<File> {
    let open = |access: u32| {
        let flags = FILE_FLAG_BACKUP_SEMANTICS | flags;
        OpenOptions::new().access_mode(access).custom_flags(flags).open(path)
    };
    match open(FILE_READ_ATTRIBUTES | READ_CONTROL) {
        Err(error) if is_denied(&error) => open(FILE_READ_ATTRIBUTES),
        opened => opened,
    }
}

/// Metadata of an open file.
///
/// # Errors
///
/// The system's error.
pub fn stat_file(file: &File) -> io::Result<Stat> {
    let sort = winapi_util::file::typ(file)?;
    if !sort.is_disk() {
        return Ok(no_file(if sort.is_pipe() { FileKind::Pipe } else { FileKind::Device }));
    }
    let found = winapi_util::file::information(file)?;
    let has = |attribute: u32| found.file_attributes() & u64::from(attribute) != 0;
    let is_link = has(FILE_ATTRIBUTE_REPARSE_POINT)
        && calls::reparse_tag(file).map_or(true, |tag| tag & NAME_SURROGATE != 0);
    let kind = if is_link {
        FileKind::Link
    } else if has(FILE_ATTRIBUTE_DIRECTORY) {
        FileKind::Folder
    } else {
        FileKind::File
    };
    let modified = i128::from(found.last_write_time().unwrap_or(0));
    let changed = calls::change_time(file).map_or(modified, i128::from);
    let byte_count = found.file_size();
    let stored = calls::stored_bytes(file).ok().and_then(|bytes| u64::try_from(bytes).ok());
    let security = security_of(file)?;
    let owner = security.as_ref().map_or("", |security| security.owner.as_str());
    Ok(Stat {
        kind,
        owner: owner_of(owner),
        owner_account: account_number(owner),
        rights: Rights { others: others_of(security.as_ref()) },
        byte_count,
        stored_bytes: stored.unwrap_or(byte_count),
        id: FileId { device: found.volume_serial_number(), number: found.file_index() },
        links: found.number_of_links(),
        modified_ns: nanoseconds(modified),
        changed_ns: nanoseconds(changed),
    })
}

/// Whether an open file is a link, or has its bytes elsewhere than other files have.
pub(super) fn is_reparse_point(file: &File) -> io::Result<bool> {
    if !winapi_util::file::typ(file)?.is_disk() {
        return Ok(false);
    }
    let attributes = winapi_util::file::information(file)?.file_attributes();
    Ok(attributes & u64::from(FILE_ATTRIBUTE_REPARSE_POINT) != 0)
}

/// What others may do with files that are made in a folder, and its whole list.
pub(super) fn folder_security(folder: &Path) -> io::Result<Option<Security>> {
    security_of(&open_to_look(folder, 0)?)
}

/// Owner and list; `None`: they may not be read, or the file system keeps none.
fn security_of(file: &File) -> io::Result<Option<Security>> {
    match calls::security(file) {
        Ok(text) => Ok(Security::parse(&text)),
        Err(error) if is_denied(&error) || is_unsupported(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn others_of(security: Option<&Security>) -> Others {
    security.map_or(Others::ALL, |security| security.others(&accounts().0))
}

fn owner_of(owner: &str) -> Owner {
    let (user, maker) = accounts();
    if is_same_account(owner, user) || (!maker.is_empty() && is_same_account(alias(owner), alias(maker))) {
        Owner::User
    } else if is_superuser(owner) {
        Owner::Root
    } else {
        Owner::Other
    }
}

/// One spelling of the administrators, who own what an account makes that was raised to be one of them.
fn alias(who: &str) -> &str {
    if who == "S-1-5-32-544" { "BA" } else { who }
}

/// What is known of what is no file on a disk.
fn no_file(kind: FileKind) -> Stat {
    Stat {
        kind,
        owner: Owner::Other,
        owner_account: 0,
        rights: Rights { others: Others::ALL },
        byte_count: 0,
        stored_bytes: 0,
        id: FileId { device: 0, number: 0 },
        links: 1,
        modified_ns: 0,
        changed_ns: 0,
    }
}

fn nanoseconds(time: i128) -> i128 {
    (time - UNIX_EPOCH) * 100
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_file_of_this_user_is_known_with_its_times_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let (path, second) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&path, "abc").unwrap();
        let first = stat(&path).unwrap();
        assert_eq!((first.kind, first.owner, first.byte_count), (FileKind::File, Owner::User, 3));
        assert_eq!((first.links, first.owner_account), (1, user_account()));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let age = i128::try_from(now.as_nanos()).unwrap() - first.modified_ns;
        assert!((-2_000_000_000..60_000_000_000).contains(&age), "{age}");
        std::fs::hard_link(&path, &second).unwrap();
        let both = [stat(&path).unwrap(), stat_target(&second).unwrap()];
        assert_eq!((both[0].id, both[0].links, both[1].links), (both[1].id, 2, 2));
        assert_eq!(stat(folder.path()).unwrap().kind, FileKind::Folder);
        let missing = stat(&folder.path().join("c")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn an_open_file_stays_the_same_file_through_a_rename() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        let file = File::create(&from).unwrap();
        let before = stat_file(&file).unwrap();
        calls::move_file(&from, &to).unwrap();
        let (open, named) = (stat_file(&file).unwrap().id, stat(&to).unwrap().id);
        assert_eq!((before.id, before.id.number), (named, open.number));
        // An emulation of the system may know the volume of an open file no more once the file is renamed.
        let is_emulated = std::env::var_os("MINIMODEL_UNDER_WINE").is_some();
        assert!(open.device == named.device || (is_emulated && open.device == 0));
    }

    #[test]
    fn a_device_and_a_pipe_are_no_files() {
        assert_eq!(stat_target(Path::new("NUL")).unwrap().kind, FileKind::Device);
        let (_reader, writer) = io::pipe().unwrap();
        let pipe = File::from(std::os::windows::io::OwnedHandle::from(writer));
        assert_eq!(stat_file(&pipe).unwrap().kind, FileKind::Pipe);
    }
}
