//! The log on disk: one lock, one file that only grows, and the head beside it.
//!
//! Steps of an append: the new head is written beside the old one and synced, the lines are written, the log is synced, the head
//! is renamed into place, the folder is synced; only then does the append return. So the head never names a line that a power cut
//! can take, and a crash leaves behind the line that the head names at most one of two things: a part of the append, on which no
//! process acted and which is cut away, or the whole append, which counts once it is synced and named. For an append of several
//! lines the prepared head says whether they are whole; its name is synced before they are written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use minimodel_swarm::os::{self, Base, FileId, FileKind, Folder, OpenWith as _};
use minimodel_swarm::store::step;

use super::chain::{self, Broken, Chain, Fault, Head};
use super::error::ConsentError;
use super::line::{Kind, Line, Sealed};
use crate::private::{self, check_own};

const LOG_NAME: &str = "consent.log";
const HEAD_NAME: &str = "consent.head";
const NEW_HEAD_NAME: &str = "consent.head.new";
const LOCK_NAME: &str = "consent.lock";
/// Kept in the data folder, so that restoring an older copy of the state folder does not restore an older one of this.
const SEEN_NAME: &str = "consent.seen";
const NEW_SEEN_NAME: &str = "consent.seen.new";

/// Longest log, in bytes: room for more than 100,000 consents. A test fills a shorter one.
pub(super) const MAX_BYTES: u64 = if cfg!(test) { 8 << 20 } else { 64 << 20 };

/// Part of [`MAX_BYTES`] that is reserved for revocations: room for more than 10,000.
pub(super) const KEPT_BYTES: u64 = 4 << 20;

/// Tries to read a log that changes while it is read without a lock.
const LOOKS: usize = 10;

const MAX_HEAD_BYTES: u64 = 4 << 10;

/// Paths of the log's files in the state folder, and of the head that is kept in the data folder.
#[derive(Clone, Debug)]
pub(super) struct Files {
    folder: PathBuf,
    data: PathBuf,
}

/// Held while the files are read or changed.
pub(super) struct Held {
    _lock: File,
}

/// Stamp of log and head. An append changes the log's length; inode and change time reveal changes by other programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp([Option<(FileId, u64, i128)>; 2]);

impl Files {
    pub(super) fn new(state: &Path, data: &Path) -> Self {
        Self { folder: state.to_owned(), data: data.to_owned() }
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join(LOG_NAME)
    }

    fn head(&self) -> PathBuf {
        self.folder.join(HEAD_NAME)
    }

    fn seen(&self) -> PathBuf {
        self.data.join(SEEN_NAME)
    }

    /// Reads the newest line that any process has seen of the log, from the file in the data folder.
    pub(super) fn read_seen(&self) -> Result<Option<Head>, ConsentError> {
        let read = read_file(&self.seen(), MAX_HEAD_BYTES);
        let bytes = read.map_err(|source| ConsentError::Io { doing: "read", path: self.seen(), source })?;
        Ok(bytes.map(|bytes| Head::parse_seen(&bytes)))
    }

    /// Writes the newest line seen of the log to the data folder, so that an older log is detected. Best effort: after an error
    /// the next read tries again, and the previous head still counts.
    pub(super) fn keep_seen(&self, _held: &Held, head: &Head) {
        if self.read_seen().is_ok_and(|seen| seen.as_ref() == Some(head)) {
            return;
        }
        // The folder is synced first, so that a line that a power cut could take is never recorded as seen.
        let _ = self.sync_folder().and_then(|()| {
            let new = self.prepare_seen(head)?;
            self.name_seen(&new)
        });
    }

    fn prepare_seen(&self, head: &Head) -> io::Result<PathBuf> {
        private::create_folder(&self.data)?;
        let new = self.data.join(NEW_SEEN_NAME);
        write_small(&new, &head.render().map_err(io::Error::other)?)?;
        Ok(new)
    }

    fn name_seen(&self, new: &Path) -> io::Result<()> {
        step("rename", || Base::current().rename(new, &self.seen()))?;
        let folder = Folder::open(&self.data)?;
        step("sync_dir", || folder.sync())
    }

    /// Returns the present stamp of the files.
    pub(super) fn stamp(&self) -> Result<Stamp, ConsentError> {
        let of = |path: PathBuf| match os::stat(&path) {
            Ok(found) => Ok(Some((found.id, found.byte_count, found.changed_ns))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(source) => Err(ConsentError::Io { doing: "read", path, source }),
        };
        Ok(Stamp([of(self.log())?, of(self.head())?]))
    }

    /// Returns true if there is a log or a head.
    pub(super) fn are_there(&self) -> Result<bool, ConsentError> {
        Ok(self.stamp()?.0.iter().any(Option::is_some))
    }

    /// Locks the files, waiting for other processes. `None`: there are no files, and none are created.
    pub(super) fn lock_if_there(&self) -> Result<Option<Held>, ConsentError> {
        if self.are_there()? { self.lock().map(Some) } else { Ok(None) }
    }

    /// As [`Self::lock_if_there`], but creates the folder and the lock.
    pub(super) fn lock_to_write(&self) -> Result<Held, ConsentError> {
        private::create_folder(&self.folder).map_err(|source| ConsentError::Io {
            doing: "write",
            path: self.log(),
            source,
        })?;
        self.lock()
    }

    fn lock(&self) -> Result<Held, ConsentError> {
        let path = self.folder.join(LOCK_NAME);
        let locked = private::lock(&path).map(|lock| Held { _lock: lock });
        locked.map_err(|source| ConsentError::Io { doing: "lock", path, source })
    }

    /// Reads log and head.
    pub(super) fn read(&self, _held: &Held) -> Result<Result<Chain, Broken>, ConsentError> {
        self.read_unlocked()
    }

    /// Reads log and head without changing anything, so that read-only folders will do: an existing lock is waited for, and none
    /// is created. Also returns the newest line seen before. `None`: there is neither log nor head.
    #[expect(clippy::type_complexity, reason = "each of its parts may not be there, for a reason of its own")]
    pub(super) fn look(&self) -> Result<(Option<Result<Chain, Broken>>, Option<Head>), ConsentError> {
        let mut read = (None, None);
        for _ in 0..LOOKS {
            let before = self.stamp()?;
            // Read before the log, which only grows: lines appended meanwhile cannot look missing.
            let seen = self.read_seen()?;
            if before.0.iter().all(Option::is_none) {
                return Ok((None, seen));
            }
            let lock = self.lock_that_is_there()?;
            read = (Some(self.read_unlocked()?), seen);
            if lock.is_some() || self.stamp()? == before {
                break;
            }
        }
        Ok(read)
    }

    fn lock_that_is_there(&self) -> Result<Option<Held>, ConsentError> {
        let path = self.folder.join(LOCK_NAME);
        let opened = OpenOptions::new().read(true).open_no_link(&path);
        match opened.and_then(|file| file.lock().map(|()| file)) {
            Ok(lock) => Ok(Some(Held { _lock: lock })),
            Err(error) if is_missing(&error) || error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
            Err(source) => Err(ConsentError::Io { doing: "lock", path, source }),
        }
    }

    fn read_unlocked(&self) -> Result<Result<Chain, Broken>, ConsentError> {
        let read = |path: PathBuf, most: u64| {
            read_file(&path, most).map_err(|source| ConsentError::Io { doing: "read", path, source })
        };
        let (log, head) =
            (read(self.log(), MAX_BYTES)?.unwrap_or_default(), read(self.head(), MAX_HEAD_BYTES)?);
        if log.len() as u64 > MAX_BYTES {
            let fault = Fault::TooLong { most: MAX_BYTES };
            return Ok(Err(Broken { fault, entries: 0, hash: String::new() }));
        }
        // A prepared head that cannot be read was not completed.
        let prepared = read_file(&self.folder.join(NEW_HEAD_NAME), MAX_HEAD_BYTES).ok().flatten();
        Ok(chain::read_with(&log, head.as_deref(), prepared.as_deref()))
    }

    /// Completes an interrupted append: a part of a line is cut away; a whole line that the head does not name yet is synced and
    /// named. Until then no process may act on that line.
    pub(super) fn settle(&self, _held: &Held, chain: &mut Chain) -> Result<(), ConsentError> {
        if chain.torn == 0 && !chain.is_ahead {
            return Ok(());
        }
        self.writing(|| {
            let log = self.open_log()?;
            if chain.torn > 0 {
                step("set_len", || log.set_len(chain.len))?;
            }
            step("sync", || os::sync_data(&log))
        })?;
        chain.torn = 0;
        if chain.is_ahead {
            // A prepared head is not written again: for several lines, and for a first one, it is the only evidence that
            // they are whole.
            let new = if chain.is_prepared {
                self.folder.join(NEW_HEAD_NAME)
            } else {
                self.prepare_head(chain.lines.len() as u64, &chain.hash)?
            };
            self.writing(|| self.name_head(&new))?;
            (chain.is_ahead, chain.is_prepared) = (false, false);
        }
        Ok(())
    }

    /// Appends lines to a settled log durably, all or none; returns their numbers. After an error they are not in the log, unless
    /// the disk accepts neither them nor their removal.
    pub(super) fn append(
        &self,
        _held: &Held,
        chain: &mut Chain,
        now_unix: u64,
        kinds: Vec<Kind>,
    ) -> Result<Vec<u64>, ConsentError> {
        let only_takes_back = kinds.iter().all(|kind| matches!(kind, Kind::Revoke(_)));
        let (mut text, mut prev) = (String::new(), chain.prev.clone());
        let mut lines = Vec::new();
        for (number, kind) in (chain.next_number()..).zip(kinds) {
            let sealed =
                self.writing(|| Line::new(number, now_unix, prev, kind).seal().map_err(io::Error::other))?;
            text += &sealed.text;
            prev = sealed.hash.clone();
            lines.push(sealed);
        }
        let Some(last) = lines.last() else { return Ok(Vec::new()) };
        let most = if only_takes_back { MAX_BYTES } else { MAX_BYTES - KEPT_BYTES };
        if chain.len.saturating_add(text.len() as u64) > most {
            return Err(ConsentError::Full { path: self.log(), most });
        }
        // The head is written before the lines, so that a disk without room for it has no lines either.
        let new = self.prepare_head(last.line.number, &last.hash)?;
        let new_seen = self.writing(|| self.prepare_seen(&Head::new(last.line.number, last.hash.clone())))?;
        self.writing(|| {
            // For several lines, and for a first one, the prepared head is the only evidence that they are whole.
            if lines.len() > 1 || chain.lines.is_empty() {
                self.sync_folder()?;
            }
            let mut log = self.open_log()?;
            let written = step("write", || log.write_all(text.as_bytes()))
                .and_then(|()| step("sync", || os::sync_data(&log)))
                .and_then(|()| step("rename", || Base::current().rename(&new, &self.head())));
            if let Err(error) = written {
                let _ = step("set_len", || log.set_len(chain.len));
                return Err(error);
            }
            self.sync_folder()
        })?;
        // The lines count by now; if the seen head cannot be written, the next read does it.
        let _ = self.name_seen(&new_seen);
        chain.len += text.len() as u64;
        let append = |sealed: Sealed| {
            let number = sealed.line.number;
            chain.append(sealed.line, sealed.hash);
            number
        };
        Ok(lines.into_iter().map(append).collect())
    }

    /// Writes a new head beside the present one; returns its path.
    fn prepare_head(&self, number: u64, hash: &str) -> Result<PathBuf, ConsentError> {
        self.writing(|| {
            let text = Head::new(number, hash.to_owned()).render().map_err(io::Error::other)?;
            let new = self.folder.join(NEW_HEAD_NAME);
            write_small(&new, &text)?;
            Ok(new)
        })
    }

    /// Renames a prepared head into place.
    fn name_head(&self, new: &Path) -> io::Result<()> {
        step("rename", || Base::current().rename(new, &self.head()))?;
        self.sync_folder()
    }

    fn sync_folder(&self) -> io::Result<()> {
        let folder = Folder::open(&self.folder)?;
        step("sync_dir", || folder.sync())
    }

    fn open_log(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.private();
        step("create", || options.open_to_append(&self.log()))
    }

    fn writing<T>(&self, work: impl FnOnce() -> io::Result<T>) -> Result<T, ConsentError> {
        work().map_err(|source| ConsentError::Io { doing: "write", path: self.log(), source })
    }
}

/// Writes and syncs a small file under its temporary name, which the caller gives its final one. `store::files` does not do here:
/// it picks a name that nobody looks for, and removes the file of a failed write, while the prepared head is read after a crash as
/// the evidence that an append is whole. One that a crash left is replaced; the lock keeps other processes away.
fn write_small(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).private();
    let mut file = step("create", || options.open_no_link(path))?;
    step("write", || file.write_all(text.as_bytes()))?;
    step("sync", || os::sync_data(&file))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Reads at most `most` + 1 bytes of a regular file; `None`: it does not exist.
fn read_file(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match OpenOptions::new().read(true).open_no_link(path) {
        Ok(file) => file,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    if os::stat_file(&file)?.kind != FileKind::File {
        return Err(io::Error::other("it is not a plain file"));
    }
    // A file that another account can write to proves no consent of the user.
    check_own(&file)?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
