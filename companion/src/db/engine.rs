//! The engine over its file, opened again after the disk failed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::Database;

use super::DbError;
use super::file::{Opened, guarded};

/// Opens the file that is at a path, and makes none.
type Reopen = dyn Fn(&Path) -> Result<Opened, DbError> + Send + Sync;

/// The engine. After one failure of the disk redb refuses every later call (`PreviousIo`), though the disk may have room
/// again; so the file is closed then, and opened and checked once more by the next call. In between its lock is free: if
/// another process takes it, that one has the database.
pub(super) struct Engine {
    /// None after a failure, until the file could be opened again.
    opened: Mutex<Option<Arc<Opened>>>,
    reopen: Box<Reopen>,
    path: PathBuf,
    has_failed: AtomicBool,
    is_repaired: AtomicBool,
}

impl Engine {
    pub(super) fn new(opened: Opened, path: &Path, reopen: Box<Reopen>) -> Self {
        let is_repaired = AtomicBool::new(opened.is_repaired);
        let opened = Mutex::new(Some(Arc::new(opened)));
        Self { opened, reopen, path: path.to_owned(), has_failed: AtomicBool::new(false), is_repaired }
    }

    /// Whether the last commit was damaged at any opening, so that the one before was gone back to.
    pub(super) fn is_repaired(&self) -> bool {
        self.is_repaired.load(Ordering::Acquire)
    }

    /// The open file, for as long as a transaction in it lasts: it is never closed under one.
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
                    // Whoever uses it fails too, and soon.
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

    /// Calls it.
    pub(super) fn with<T>(&self, call: impl FnOnce(&Database) -> Result<T, DbError>) -> Result<T, DbError> {
        let opened = self.lease()?;
        self.noting(|| opened.with(call))
    }

    /// Calls it within a transaction.
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
