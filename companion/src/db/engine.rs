//! Database engine (redb) over its file, reopened after a disk error.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::Database;

use super::DbError;
use super::file::{self, Opened, guarded};

/// Opens the file at a path; never creates one.
type Reopen = dyn Fn(&Path) -> Result<Opened, DbError> + Send + Sync;

/// The engine. After one disk error redb refuses every later call (`PreviousIo`), even if the disk has room again; so the next
/// call closes the file, opens it and checks it again. In between its lock is free: a process that takes it then owns the
/// database.
pub(super) struct Engine {
    /// `None` after an error, until the file could be opened again.
    opened: Mutex<Option<Arc<Opened>>>,
    reopen: Box<Reopen>,
    path: PathBuf,
    has_failed: AtomicBool,
    is_repaired: AtomicBool,
}

impl Engine {
    /// Opens or creates the database at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, DbError> {
        Ok(Self::new(file::open(path)?, path, Box::new(file::reopen)))
    }

    pub(super) fn new(opened: Opened, path: &Path, reopen: Box<Reopen>) -> Self {
        let is_repaired = AtomicBool::new(opened.is_repaired);
        let opened = Mutex::new(Some(Arc::new(opened)));
        Self { opened, reopen, path: path.to_owned(), has_failed: AtomicBool::new(false), is_repaired }
    }

    /// Returns true if at any opening the last commit was damaged and the one before it was restored.
    pub(super) fn is_repaired(&self) -> bool {
        self.is_repaired.load(Ordering::Acquire)
    }

    /// Returns the open file for the time of a transaction: it is never closed under one.
    pub(super) fn lease(&self) -> Result<Arc<Opened>, DbError> {
        let mut current = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let found = current.take();
        if let Some(opened) = found {
            if !self.has_failed.load(Ordering::Acquire) {
                return Ok(Arc::clone(current.insert(opened)));
            }
            match Arc::try_unwrap(opened) {
                Ok(failed) => drop(failed),
                Err(still_used) => {
                    // The call that still uses it fails soon, too.
                    *current = Some(still_used);
                    return Err(DbError::Engine(redb::Error::PreviousIo));
                }
            }
        }
        let opened = (self.reopen)(&self.path)?;
        self.has_failed.store(false, Ordering::Release);
        self.is_repaired.fetch_or(opened.is_repaired, Ordering::AcqRel);
        Ok(Arc::clone(current.insert(Arc::new(opened))))
    }

    /// Runs `call` on the engine.
    pub(super) fn with<T>(&self, call: impl FnOnce(&Database) -> Result<T, DbError>) -> Result<T, DbError> {
        let opened = self.lease()?;
        self.noting(|| opened.with(call))
    }

    /// Runs `call` within a transaction.
    pub(super) fn within<T>(&self, call: impl FnOnce() -> Result<T, DbError>) -> Result<T, DbError> {
        self.noting(|| guarded(&self.path, call))
    }

    fn noting<T>(&self, call: impl FnOnce() -> Result<T, DbError>) -> Result<T, DbError> {
        call().inspect_err(|error| {
            if matches!(error, DbError::Engine(redb::Error::Io(_) | redb::Error::PreviousIo)) {
                self.has_failed.store(true, Ordering::Release);
            }
        })
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("path", &self.path).finish_non_exhaustive()
    }
}
