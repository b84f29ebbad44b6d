//! Atomic creation of files that never replace another: the state file and the small copies.

use super::disk::{Disk, DiskFile as _, Open, OpenError};
use super::error::StoreError;
use super::names::numbered;

/// Fresh names that are tried; each of them is taken only by chance, or by an attacker that watches the folder and
/// takes each at once.
const FRESH_TRIES: u32 = 16;

/// How one small file was put in its place.
#[derive(Debug)]
pub enum Placed {
    /// It was written.
    Written,
    /// The same bytes were already there.
    Same,
    /// Other bytes are there; they were left alone.
    Different {
        /// The file that is there.
        path: std::path::PathBuf,
    },
    /// The disk refused; the next run does it again.
    Failed(StoreError),
}

impl Placed {
    /// True if the wanted content is there now.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Written | Self::Same)
    }
}

/// Creates `name` with `bytes`, synced, and returns the locked file; `None` when the name was taken meanwhile.
///
/// The bytes first go to a new file under a fresh name, so that no existing file is written over; a crash leaves that
/// new file behind. The lock stays on the file through the rename.
pub(super) fn create_locked<D: Disk>(
    disk: &D,
    name: &str,
    bytes: &[u8],
) -> Result<Option<D::File>, StoreError> {
    let failed = |doing, error| StoreError::of(disk, name, doing, bytes.len() as u64, error);
    let (fresh, file) = create_fresh(disk, name)?;
    let lock = || if file.try_lock()? { Ok(()) } else { Err(std::io::ErrorKind::ResourceBusy.into()) };
    let written = lock()
        .and_then(|()| file.write_all_at(bytes, 0))
        .and_then(|()| file.sync_data())
        .and_then(|()| disk.rename_noreplace(&fresh, name));
    match written {
        // Where other accounts may write to the folder, the fresh name may have been given to another file before the
        // rename.
        Ok(()) if is_named(disk, name, &file)? => Ok(Some(file)),
        Ok(()) => Err(StoreError::Replaced { path: disk.path(name) }),
        Err(error) => {
            // Best effort: a leftover is only space.
            if is_named(disk, &fresh, &file).unwrap_or(false) {
                let _ = disk.remove(&fresh);
            }
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                Ok(None)
            } else {
                Err(failed("write", error))
            }
        }
    }
}

/// Creates an empty file under a name that was not in use.
fn create_fresh<D: Disk>(disk: &D, name: &str) -> Result<(String, D::File), StoreError> {
    for _ in 0..FRESH_TRIES {
        let fresh = disk.fresh_name(name);
        match disk.open(&fresh, Open::New) {
            Err(OpenError::Io(error)) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(StoreError::of_open(disk, name, error)),
            Ok(file) => return Ok((fresh, file)),
        }
    }
    Err(StoreError::Busy { path: disk.path(name), pid: None })
}

/// Puts a small file in its place, durable, unless a file is there.
pub(super) fn place<D: Disk>(disk: &D, name: &str, bytes: &[u8]) -> Placed {
    let placed = || -> Result<Placed, StoreError> {
        if let Some(there) = read_small(disk, name, bytes.len() as u64)? {
            return Ok(if there == bytes {
                Placed::Same
            } else {
                Placed::Different { path: disk.path(name) }
            });
        }
        if create_locked(disk, name, bytes)?.is_none() {
            return Ok(Placed::Different { path: disk.path(name) });
        }
        sync_dir(disk, name)?;
        Ok(Placed::Written)
    };
    placed().unwrap_or_else(Placed::Failed)
}

/// Reads a small file of the store, at most one byte more than `most`; `None` when there is none. A file that another
/// account may change is refused: it could say something else tomorrow.
pub(super) fn read_small<D: Disk>(disk: &D, name: &str, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
    if disk.stat(name).map_err(|error| StoreError::of(disk, name, "stat", 0, error))?.is_none() {
        return Ok(None);
    }
    let file = disk.open(name, Open::Read).map_err(|error| StoreError::of_open(disk, name, error))?;
    let stat = file.stat().map_err(|error| StoreError::of(disk, name, "stat", 0, error))?;
    if let Some(found) = stat.distrust() {
        return Err(StoreError::Refused { path: disk.path(name), found });
    }
    let read = || {
        let length = file.stat()?.byte_count.min(most.saturating_add(1));
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0).map(|()| bytes)
    };
    read().map(Some).map_err(|error| StoreError::of(disk, name, "read", 0, error))
}

/// Renames to the first free of `to`, `to.2` ...; returns the new name.
pub(super) fn rename_aside<D: Disk>(disk: &D, from: &str, to: &str) -> Result<String, StoreError> {
    for name in numbered(to) {
        match disk.rename_noreplace(from, &name) {
            Ok(()) => {
                sync_dir(disk, &name)?;
                return Ok(name);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(StoreError::of(disk, from, "rename", 0, error)),
        }
    }
    Err(StoreError::TargetExists { path: disk.path(to) })
}

/// True if `name` refers to the open `file`.
pub(super) fn is_named<D: Disk>(disk: &D, name: &str, file: &D::File) -> Result<bool, StoreError> {
    let both = || Ok((disk.stat(name)?, file.stat()?));
    let (named, open) = both().map_err(|error| StoreError::of(disk, name, "stat", 0, error))?;
    Ok(named.is_some_and(|named| named.same_file(&open)))
}

/// Makes name changes durable; an error names `name`.
pub(super) fn sync_dir<D: Disk>(disk: &D, name: &str) -> Result<(), StoreError> {
    disk.sync_dir().map_err(|error| StoreError::of(disk, name, "sync the directory of", 0, error))
}
