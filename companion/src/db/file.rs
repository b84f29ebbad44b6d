//! File of the database: created whole and for this user alone; damage in it does not end the process.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;

use minimodel_swarm::os::{FileKind, OpenWith as _, make_private, stat, stat_file};
use minimodel_swarm::store::{files, step};
use redb::{Builder, Database};

use super::{DbError, version};
use crate::os;

/// Cache of the engine: the rows are a few MiB at most, and its default is a GiB.
const CACHE_BYTES: usize = 8 << 20;

/// The engine with its file open. Dropping it is guarded like each call, since it writes then.
#[derive(Debug)]
pub(super) struct Opened {
    database: Option<Database>,
    path: PathBuf,
    /// The last commit was damaged, and the one before it was restored.
    pub(super) is_repaired: bool,
}

impl Opened {
    fn begin(file: File, path: &Path) -> Result<Self, DbError> {
        let database = guarded(path, || {
            let database = Builder::new().set_cache_size(CACHE_BYTES).create_file(file);
            database.map_err(|error| DbError::Engine(error.into()))
        })?;
        Ok(Self { database: Some(database), path: path.to_owned(), is_repaired: false })
    }

    /// Runs `call` on the engine.
    pub(super) fn with<T>(&self, call: impl FnOnce(&Database) -> Result<T, DbError>) -> Result<T, DbError> {
        guarded(&self.path, || self.database.as_ref().ok_or_else(closed).and_then(call))
    }

    fn with_mut<T>(&mut self, call: impl FnOnce(&mut Database) -> Result<T, DbError>) -> Result<T, DbError> {
        guarded(&self.path, || self.database.as_mut().ok_or_else(closed).and_then(call))
    }

    /// Creates it over another backend than a file.
    #[cfg(test)]
    pub(super) fn of(database: Database, path: &Path) -> Self {
        Self { database: Some(database), path: path.to_owned(), is_repaired: false }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // Commits are on the disk; damage found now is found again at the next opening.
        let _ = guarded(&self.path, || {
            drop(self.database.take());
            Ok(())
        });
    }
}

fn closed() -> DbError {
    DbError::Engine(redb::Error::DatabaseClosed)
}

/// Opens or creates the database at `path`.
pub(super) fn open(path: &Path) -> Result<Opened, DbError> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => open_existing(path, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(error) => Err(DbError::file("open", path)(error)),
    }
}

/// Reopens a database; a missing file is an error and is not created.
pub(super) fn reopen(path: &Path) -> Result<Opened, DbError> {
    let file = OpenOptions::new().read(true).write(true).open(path);
    open_existing(path, file.map_err(DbError::file("open", path))?)
}

fn open_existing(path: &Path, file: File) -> Result<Opened, DbError> {
    let stat = stat_file(&file).map_err(DbError::file("open", path))?;
    if stat.kind != FileKind::File {
        return Err(DbError::file("open", path)(io::Error::other("it is no ordinary file")));
    }
    make_private(&file).map_err(DbError::file("open", path))?;
    if stat.byte_count == 0 {
        // `create` never leaves an empty file; the engine would silently take it for a new one.
        return Err(DbError::Damaged { path: path.to_owned(), detail: "it is empty".to_owned() });
    }
    if stat.byte_count < os::SHORTEST_DATABASE {
        return Err(DbError::Damaged { path: path.to_owned(), detail: "it is cut short".to_owned() });
    }
    // The engine writes when it opens; a database of another version is not touched.
    peek(path).map_or(Ok(()), |found| check_version(path, found))?;
    let mut engine = Opened::begin(file, path)?;
    // All checksums are verified before any row is believed.
    engine.is_repaired = !engine
        .with_mut(|database| database.check_integrity().map_err(|error| DbError::Engine(error.into())))?;
    check_version(path, engine.with(version::read)?)?;
    Ok(engine)
}

fn check_version(path: &Path, found: u32) -> Result<(), DbError> {
    match found {
        version::VERSION => Ok(()),
        0 => Err(DbError::Damaged { path: path.to_owned(), detail: "it holds no version".to_owned() }),
        found => Err(DbError::OtherVersion { found, known: version::VERSION }),
    }
}

/// Reads the version without writing; `None` if the database was not closed in order or is damaged.
fn peek(path: &Path) -> Option<u32> {
    let version = || {
        let database = Builder::new().set_cache_size(CACHE_BYTES).open_read_only(path);
        version::read(&database.map_err(|error| DbError::Engine(error.into()))?)
    };
    guarded(path, version).ok()
}

/// Creates a database under a temporary name and renames it when it is complete, so that a crash leaves none or all of it.
fn create(path: &Path) -> Result<Opened, DbError> {
    let failed = || DbError::file("create", path);
    let new = beside(path, ".new");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).private();
    let file = step("create", || options.open(&new)).map_err(failed())?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Err(DbError::Busy(path.to_owned())),
        Err(fs::TryLockError::Error(error)) => return Err(failed()(error)),
    }
    // The process that held the lock before may have renamed the file: then it is a database, and must not be truncated.
    let ours = stat_file(&file).map_err(failed())?;
    if stat(&new).map_or(true, |there| there.id != ours.id) {
        return Err(DbError::Busy(path.to_owned()));
    }
    file.set_len(0).and_then(|()| make_private(&file)).map_err(failed())?;
    os::hand_over_lock(&file).map_err(failed())?;
    let engine = Opened::begin(file, path)?;
    engine.with(version::begin)?;
    match files::rename_without_replacing(&new, path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Another process was faster; the new file is still locked and holds no rows.
            let _ = fs::remove_file(&new);
            return Err(DbError::Busy(path.to_owned()));
        }
        Err(error) => return Err(failed()(error)),
    }
    // Some file systems cannot sync a folder; the file itself is synced by then.
    let _ = files::sync_folder(path);
    Ok(engine)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Calls the engine and turns its panics into [`DbError::Damaged`]: it panics on a file whose parts contradict each other. The
/// panic's own message is not printed.
pub(super) fn guarded<T>(path: &Path, call: impl FnOnce() -> Result<T, DbError>) -> Result<T, DbError> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_GUARDED.get() {
                usual(panic);
            }
        }));
    });
    let was_guarded = IS_GUARDED.replace(true);
    let answer = catch_unwind(AssertUnwindSafe(call));
    IS_GUARDED.set(was_guarded);
    match answer {
        Ok(answer) => answer.map_err(|error| error.at(path)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
            let detail =
                format!("its parts do not agree: {}", text.lines().next().unwrap_or("no more is known"));
            Err(DbError::Damaged { path: path.to_owned(), detail })
        }
    }
}
