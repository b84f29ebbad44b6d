//! An open folder, and names relative to one.
//!
//! Calls of std take whole paths. A folder is therefore held open in a way that forbids everybody to rename or remove it and the
//! folders that lead to it, and names are joined to its path without links: that path leads to this folder as long as it is open.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use windows_sys::Win32::Storage::FileSystem::{
    FILE_ADD_FILE, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_LIST_DIRECTORY,
    FILE_READ_ATTRIBUTES, FILE_SHARE_READ, FILE_SHARE_WRITE, READ_CONTROL,
};

use super::super::types::{FileKind, Open, Privacy, Stat};
use super::calls;
use super::errors::{is_denied, is_unsupported, link_error};
use super::paths::{check_name, folder_of, retried, whole};
use super::sddl::list_for;
use super::stat::{accounts, folder_security, is_reparse_point, stat, stat_file};

/// A folder held open.
#[derive(Debug)]
pub struct Folder {
    file: File,
    /// Its path without links, in the form that is neither shortened nor interpreted (`\\?\`).
    path: PathBuf,
}

impl Folder {
    /// Opens an existing folder; links on the path are followed.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn open(path: &Path) -> io::Result<Self> {
        let real = fs::canonicalize(path)?;
        let access = FILE_READ_ATTRIBUTES | FILE_LIST_DIRECTORY | READ_CONTROL;
        let flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
        let mut options = OpenOptions::new();
        options.access_mode(access).share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE).custom_flags(flags);
        let file = retried(|| options.open(&real))?;
        match stat_file(&file)?.kind {
            FileKind::Folder => {}
            FileKind::Link => return Err(link_error()),
            _ => return Err(io::ErrorKind::NotADirectory.into()),
        }
        // From here on no part of the path can be renamed; before, one may have become a link.
        if fs::canonicalize(&real)? != real {
            return Err(link_error());
        }
        Ok(Self { file, path: real })
    }

    /// As [`Folder::open`], but a link of that name is refused.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn open_no_link(path: &Path) -> io::Result<Self> {
        let named = stat(path)?;
        if named.kind == FileKind::Link {
            return Err(link_error());
        }
        let opened = Self::open(path)?;
        if stat_file(&opened.file)?.id == named.id { Ok(opened) } else { Err(link_error()) }
    }

    /// As [`Folder::open`], but a link anywhere on the path is refused. The path is the one that the system itself gives.
    ///
    /// # Errors
    ///
    /// The system's error, also for a link.
    pub fn open_without_links(path: &Path) -> io::Result<Self> {
        let opened = Self::open(path)?;
        if opened.path == path { Ok(opened) } else { Err(link_error()) }
    }

    /// What is in the folder, in no order, until a name cannot be read.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn names(&self) -> io::Result<impl Iterator<Item = OsString>> {
        Ok(fs::read_dir(&self.path)?.map_while(Result::ok).map(|name| name.file_name()))
    }

    /// Names in this folder.
    pub fn base(&self) -> Base<'_> {
        Base(Some(&self.path))
    }

    /// The folder as an open file, for [`stat_file`].
    pub fn as_file(&self) -> &File {
        &self.file
    }

    /// Makes earlier creations, renames and removals durable. A file system that cannot sync a folder keeps them in the order
    /// in which its own log has them.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn sync(&self) -> io::Result<()> {
        let synced = self.open_to_add().and_then(|file| file.sync_all());
        match synced {
            Err(error) if is_unsupported(&error) || is_denied(&error) => Ok(()),
            answer => answer,
        }
    }

    /// Bytes that this user may still write to the folder's file system.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn free_bytes(&self) -> io::Result<u64> {
        calls::free_bytes(&self.path)
    }

    /// Whether names may be created in the folder: fails as the first creation would.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn check_writable(&self) -> io::Result<()> {
        self.open_to_add().map(drop)
    }

    fn open_to_add(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.access_mode(FILE_READ_ATTRIBUTES | FILE_ADD_FILE).custom_flags(FILE_FLAG_BACKUP_SEMANTICS);
        options.open(&self.path)
    }
}

/// What relative paths begin at: an open folder, or the folder in which the process works. The last component of a path is
/// never followed if it is a link.
#[derive(Clone, Copy, Debug)]
pub struct Base<'f>(Option<&'f Path>);

impl Base<'static> {
    /// The folder in which the process works; absolute paths do not depend on it.
    pub fn current() -> Self {
        Self(None)
    }
}

impl Base<'_> {
    /// Opens whatever has the name; the kind is for the caller to look at.
    ///
    /// # Errors
    ///
    /// [`is_loop`](super::super::is_loop) for a link, or the system's error.
    pub fn open(&self, path: &Path, how: Open) -> io::Result<File> {
        match how {
            Open::New => {
                let file = self.create(path, Privacy::Ordinary)?;
                // Chunks arrive in any order: else a write far from the beginning would fill all before it with zeros. A file
                // system that cannot do it is only slower.
                let _ = calls::set_sparse(&file);
                Ok(file)
            }
            Open::Read | Open::Existing => {
                let mut options = OpenOptions::new();
                options.read(true).write(how == Open::Existing);
                open_no_link(&options, &self.at(path))
            }
        }
    }

    /// Creates a file to be written.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] when the name is taken, by whatever it is; [`io::ErrorKind::InvalidInput`] for a name that
    /// the system keeps for something else; or the system's error.
    pub fn create(&self, path: &Path, privacy: Privacy) -> io::Result<File> {
        let path = self.named(path)?;
        let user = &accounts().0;
        let list = match privacy {
            Privacy::Private => Some(list_for(user, "")),
            // Others may do with it what the folder says, but write to it.
            Privacy::Ordinary => {
                folder_security(folder_of(&path))?.and_then(|folder| folder.list_without_writing(user))
            }
        };
        retried(|| match &list {
            Some(list) => calls::create_file(&whole(&path)?, list),
            None => OpenOptions::new().read(true).write(true).create_new(true).open(&path),
        })
    }

    /// Opens a folder; links on the path are followed.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn open_folder(&self, path: &Path) -> io::Result<Folder> {
        Folder::open(&self.at(path))
    }

    /// Metadata of what has this name; of a link itself.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn stat(&self, path: &Path) -> io::Result<Stat> {
        stat(&self.at(path))
    }

    /// Renames; a file that has the name is replaced.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.at(from), self.named(to)?);
        retried(|| fs::rename(&from, &to))
    }

    /// Renames to a name that must be free.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] when the name is taken, by whatever it is; or the system's error.
    pub fn rename_no_replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (whole(&self.at(from))?, whole(&self.named(to)?)?);
        retried(|| calls::move_file(&from, &to))
    }

    /// Exchanges what has one name with what has the other: the system has no call for it.
    ///
    /// # Errors
    ///
    /// [`is_unsupported`](super::super::is_unsupported).
    pub fn exchange(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Gives a file a second name (hard link), which must be free.
    ///
    /// # Errors
    ///
    /// As [`Self::rename_no_replace`].
    pub fn add_name(&self, file: &Path, name: &Path) -> io::Result<()> {
        fs::hard_link(self.at(file), self.named(name)?)
    }

    /// Removes a name of a file, or a link.
    ///
    /// # Errors
    ///
    /// The system's error.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let path = self.at(path);
        retried(|| fs::remove_file(&path))
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.0.map_or_else(|| path.to_owned(), |folder| folder.join(path))
    }

    /// As [`Self::at`], for a name that is about to be given.
    fn named(&self, path: &Path) -> io::Result<PathBuf> {
        // A letter and a colon would lead to another volume.
        if self.0.is_some()
            && path.components().any(|part| matches!(part, Component::Prefix(_) | Component::RootDir))
        {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the name leads out of its folder"));
        }
        check_name(path)?;
        Ok(self.at(path))
    }
}

/// Opens a file with these options; a link of that name is refused.
pub(super) fn open_no_link(options: &OpenOptions, path: &Path) -> io::Result<File> {
    let mut itself = options.clone();
    itself.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    let named = retried(|| itself.open(path))?;
    let found = stat_file(&named)?;
    if found.kind == FileKind::Link {
        return Err(link_error());
    }
    if !is_reparse_point(&named)? {
        return Ok(named);
    }
    // A file of a cloud folder, or a compressed one: opened itself it has not its bytes.
    let file = retried(|| options.open(path))?;
    if stat_file(&file)?.id == found.id { Ok(file) } else { Err(link_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(folder: &Folder, text: &str) {
        let mut file = folder.base().create(Path::new(text), Privacy::Private).unwrap();
        io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    }

    #[test]
    fn a_folder_that_is_open_keeps_its_name() {
        let root = tempfile::tempdir().unwrap();
        let (path, other) = (root.path().join("folder"), root.path().join("other"));
        fs::create_dir(&path).unwrap();
        let folder = Folder::open(&path).unwrap();
        if fs::rename(&path, &other).is_ok() {
            // An emulation of the system may allow it; on the system itself no call of this program gets this far.
            assert!(std::env::var_os("MINIMODEL_UNDER_WINE").is_some(), "an open folder was renamed");
            return;
        }
        named(&folder, "name");
        assert!(path.join("name").exists());
        folder.sync().unwrap();
        folder.check_writable().unwrap();
        assert!(folder.free_bytes().unwrap() > 0);
    }

    #[test]
    fn a_taken_name_is_never_replaced_without_being_asked() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        let base = folder.base();
        for name in ["one", "two"] {
            named(&folder, name);
        }
        fs::create_dir(root.path().join("folder")).unwrap();
        for taken in ["two", "folder"] {
            let error = base.rename_no_replace(Path::new("one"), Path::new(taken)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{taken}");
            let error = base.create(Path::new(taken), Privacy::Ordinary).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{taken}");
        }
        assert_eq!(fs::read(root.path().join("two")).unwrap(), b"two");
        base.rename_no_replace(Path::new("one"), Path::new("three")).unwrap();
        base.rename(Path::new("three"), Path::new("two")).unwrap();
        assert_eq!(fs::read(root.path().join("two")).unwrap(), b"one");
        assert!(!root.path().join("three").exists());
    }

    #[test]
    fn a_name_for_a_device_or_stream_is_not_created() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        named(&folder, "there");
        for name in ["con.slm", "a:b", "a."] {
            let answers = [
                folder.base().create(Path::new(name), Privacy::Private).map(drop),
                folder.base().open(Path::new(name), Open::New).map(drop),
                folder.base().rename_no_replace(Path::new("there"), Path::new(name)),
                folder.base().rename(Path::new("there"), Path::new(name)),
            ];
            for answer in answers {
                assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
            }
        }
        assert!(root.path().join("there").exists());
    }

    #[test]
    fn a_path_of_more_than_260_letters_is_used_whole() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("f".repeat(120)).join("g".repeat(120));
        fs::create_dir_all(&path).unwrap();
        let folder = match Folder::open(&path) {
            Ok(folder) => folder,
            // An emulation of the system may not tell the whole of so long a path (ERROR_MORE_DATA).
            Err(error) if std::env::var_os("MINIMODEL_UNDER_WINE").is_some() => {
                assert_eq!(error.raw_os_error(), Some(234));
                return;
            }
            Err(error) => panic!("{error}"),
        };
        named(&folder, "name");
        let (from, to) = (path.join("name"), path.join("h".repeat(120)));
        Base::current().rename_no_replace(&from, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"name");
    }

    #[test]
    fn a_file_far_from_its_beginning_takes_no_space_before_it() {
        let root = tempfile::tempdir().unwrap();
        let file = Base::current().open(&root.path().join("a"), Open::New).unwrap();
        std::os::windows::fs::FileExt::seek_write(&file, b"end", 1 << 30).unwrap();
        let found = stat_file(&file).unwrap();
        assert_eq!(found.byte_count, (1 << 30) + 3);
    }
}
