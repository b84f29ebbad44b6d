//! What of a part is not synced yet, when a sync is due, and whether one has failed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Unsynced bytes that a power loss may cost.
pub const SYNC_BYTES: u64 = 64 << 20;
/// Unsynced time that a power loss may cost.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(2);

/// Unsynced bytes, and the times and failures of syncs. One sync runs at a time.
#[derive(Debug)]
pub(super) struct Unsynced {
    bytes: AtomicU64,
    /// When everything was last known to be synced; held while syncing.
    clean_at: Mutex<Duration>,
    failure: OnceLock<(PathBuf, io::ErrorKind)>,
}

impl Unsynced {
    /// Not clean: an earlier process that was killed may have left unsynced bytes.
    pub(super) fn new() -> Self {
        Self { bytes: AtomicU64::new(1), clean_at: Mutex::default(), failure: OnceLock::new() }
    }

    /// Counts bytes that were written.
    pub(super) fn wrote(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether something was written since the last sync.
    pub(super) fn is_any(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) != 0
    }

    /// Calls `sync` if enough is unsynced, or something for long enough. `now` is any clock that never goes back.
    pub(super) fn sync_if_due<E>(
        &self,
        now: Duration,
        sync: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let mut clean_at = self.clean_at.lock().unwrap_or_else(PoisonError::into_inner);
        let unsynced = self.bytes.load(Ordering::Relaxed);
        if unsynced == 0 {
            *clean_at = now;
        } else if unsynced >= SYNC_BYTES || now.saturating_sub(*clean_at) >= SYNC_INTERVAL {
            sync()?;
            *clean_at = now;
        }
        Ok(())
    }

    /// Calls `sync` when no other sync is under way.
    pub(super) fn sync<E>(&self, sync: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let _one_at_a_time = self.clean_at.lock().unwrap_or_else(PoisonError::into_inner);
        sync()
    }

    /// Begins a sync: what is written from here on counts for the next one.
    pub(super) fn begin(&self) {
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// Records the first sync that failed.
    pub(super) fn fail(&self, path: PathBuf, kind: io::ErrorKind) {
        let _ = self.failure.set((path, kind));
    }

    /// The file of a failed sync, and the kind of its error.
    pub(super) fn failure(&self) -> Option<(&Path, io::ErrorKind)> {
        self.failure.get().map(|(path, kind)| (path.as_path(), *kind))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn synced(unsynced: &Unsynced, second: u64) -> bool {
        let is_called = Cell::new(false);
        let sync = || {
            unsynced.begin();
            is_called.set(true);
            Ok::<(), ()>(())
        };
        unsynced.sync_if_due(Duration::from_secs(second), sync).unwrap();
        is_called.get()
    }

    #[test]
    fn a_sync_is_due_after_two_seconds_or_64_mib() {
        let unsynced = Unsynced::new();
        assert!(unsynced.is_any(), "of an earlier process");
        assert!(!synced(&unsynced, 1) && synced(&unsynced, 2));
        assert!(!unsynced.is_any() && !synced(&unsynced, 9), "nothing was written");
        unsynced.wrote(SYNC_BYTES - 1);
        assert!(!synced(&unsynced, 10));
        unsynced.wrote(1);
        assert!(synced(&unsynced, 10));
        unsynced.wrote(1);
        assert!(!synced(&unsynced, 11) && synced(&unsynced, 12));
    }

    #[test]
    fn a_failed_sync_is_due_again_and_the_first_failure_stays() {
        let unsynced = Unsynced::new();
        let fails = || Err::<(), ()>(());
        assert!(unsynced.sync_if_due(SYNC_INTERVAL, fails).is_err());
        assert!(synced(&unsynced, 2));
        assert_eq!(unsynced.failure(), None);
        for (path, kind) in [("a", io::ErrorKind::StorageFull), ("b", io::ErrorKind::Other)] {
            unsynced.fail(path.into(), kind);
        }
        assert_eq!(unsynced.failure(), Some((Path::new("a"), io::ErrorKind::StorageFull)));
    }
}
