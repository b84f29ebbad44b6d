//! From a whole part to a finished file with its receipt, in steps that a later run can complete.
//!
//! The order is: sync data and record; rename the part to its final name; sync the directory; manifest copy; receipt;
//! and the record goes last. So the files that a crash leaves say what is left to do: a final name with a record beside
//! it is a file whose receipt may be missing ([`Published::resume`]).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use minimodel_verifier::artifact::ArtifactName;

use super::create::{Placed, is_named, place, read_small, rename_aside, sync_dir};
use super::disk::{Disk, DiskFile as _};
use super::error::StoreError;
use super::holdings::{FOUND_HERE, Supplied};
use super::names::Names;
use super::open::{is_ours, lock_existing, read_record};
use super::part::{Part, PartSpec};
use super::source::SourceFile;
use super::state::{Blame, PeerKey};

/// The longest receipt that is read back: one line a peer, and far more than any receipt has.
const MAX_RECEIPT_BYTES: u64 = 16 << 20;

/// A file under its final name, whose copies are still to be written and whose record is to be removed. Holds the lock
/// of the record.
pub struct Published<D: Disk> {
    disk: Arc<D>,
    names: Names,
    /// The locked record; `None` when there is none, or one of another file.
    state: Option<Arc<D::File>>,
}

/// What the record beside a finished file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// What each peer supplied. The file as a whole has still to be checked.
    pub suppliers: BTreeMap<PeerKey, Supplied>,
    /// Chunks that a rescan found, whose supplier is not known.
    pub found_here: Supplied,
    /// Recorded blames, oldest first.
    pub blames: Vec<Blame>,
}

/// What [`Published::finish`] did.
#[derive(Debug)]
pub struct Finished {
    /// The manifest copy.
    pub manifest: Placed,
    /// The receipt, if one was given.
    pub receipt: Option<Placed>,
    /// Everything is in its place and the record is gone. If not, the next run goes on from [`Published::resume`].
    pub is_closed: bool,
}

impl<D: Disk> Part<D> {
    /// Gives the whole file its final name, durably and without replacing anything. Call it only after the
    /// whole-file check has passed. Doing it again after an error is safe.
    pub fn publish(&self) -> Result<Published<D>, StoreError> {
        let names = &self.names;
        self.cut_and_sync()?;
        if !is_named(&*self.disk, &names.target, &self.data)? {
            self.check_named()?;
            self.disk.rename_noreplace(&names.part, &names.target).map_err(|error| {
                // A taken name is the target's; every other error names the part.
                let taken = error.kind() == std::io::ErrorKind::AlreadyExists;
                let name = if taken { &names.target } else { &names.part };
                StoreError::of(&*self.disk, name, "rename", 0, error)
            })?;
            if !is_named(&*self.disk, &names.target, &self.data)? {
                // Swapped between the check and the rename: what was renamed was never checked.
                let _ = self.disk.rename_noreplace(&names.target, &names.part);
                return Err(StoreError::Replaced { path: self.path() });
            }
        }
        self.seal();
        sync_dir(&*self.disk, &names.target)?;
        Ok(Published { disk: self.disk.clone(), names: names.clone(), state: Some(self.state.clone()) })
    }

    /// Renames a whole file that is no valid artifact to `STEM.slm.invalid`, or to the next free number, and removes
    /// its record. Returns the new path.
    pub fn quarantine(&self) -> Result<PathBuf, StoreError> {
        self.cut_and_sync()?;
        self.check_named()?;
        let name = rename_aside(&*self.disk, &self.names.part, &self.names.invalid)?;
        remove_state(&*self.disk, &self.names, &self.state)?;
        Ok(self.disk.path(&name))
    }

    /// Gives an incomplete part its final name and removes its record: the end of a repair that had to stop. The file
    /// had that name before, and no less of it is the artifact's now. Does nothing when the part has been published or
    /// set aside meanwhile.
    pub fn give_back(&self) -> Result<(), StoreError> {
        if !is_named(&*self.disk, &self.names.part, &self.data)? {
            return Ok(());
        }
        self.disk
            .rename_noreplace(&self.names.part, &self.names.target)
            .map_err(|error| StoreError::of(&*self.disk, &self.names.target, "rename", 0, error))?;
        sync_dir(&*self.disk, &self.names.target)?;
        remove_state(&*self.disk, &self.names, &self.state)
    }

    fn cut_and_sync(&self) -> Result<(), StoreError> {
        let missing = self.holdings().missing_chunks();
        if missing > 0 {
            return Err(StoreError::Incomplete { path: self.path(), missing });
        }
        let byte_count = self.spec.layout.byte_count();
        let cut = || {
            // An older file of the same name may have been longer.
            if self.data.stat()?.byte_count == byte_count { Ok(()) } else { self.data.set_len(byte_count) }
        };
        cut().map_err(|error| self.write_error(&self.names.part, error))?;
        self.sync()
    }

    fn check_named(&self) -> Result<(), StoreError> {
        if is_named(&*self.disk, &self.names.part, &self.data)? {
            Ok(())
        } else {
            Err(StoreError::Replaced { path: self.path() })
        }
    }
}

/// Checks, before anything is fetched, that [`Published::finish`] will be able to place its copies: refuses any receipt
/// that is there, and a manifest copy that cannot be read as one.
pub fn check_copies<D: Disk>(disk: &D, name: &ArtifactName, with_receipt: bool) -> Result<(), StoreError> {
    let names = Names::new(name)?;
    read_small(disk, &names.manifest, 0)?;
    if with_receipt && read_small(disk, &names.receipt, 0)?.is_some() {
        return Err(StoreError::TargetExists { path: disk.path(&names.receipt) });
    }
    Ok(())
}

impl<D: Disk> Published<D> {
    /// Looks for a file under the final name: one that an earlier run published and could not finish, or one that the
    /// user put there. `None` when there is none. The caller checks through [`source`](Self::source) whether it is the
    /// artifact; nothing but a leftover second name is changed before [`finish`](Self::finish).
    pub fn resume(
        disk: D,
        name: &ArtifactName,
        spec: &PartSpec,
    ) -> Result<Option<(Self, History)>, StoreError> {
        let names = Names::new(name)?;
        let stat = |name| disk.stat(name).map_err(|error| StoreError::of(&disk, name, "stat", 0, error));
        let Some(target) = stat(&names.target)? else { return Ok(None) };
        if let Some(found) = target.not_a_file.is_none().then(|| target.distrust()).flatten() {
            return Err(StoreError::Refused { path: disk.path(&names.target), found });
        }
        let state = lock_existing(&disk, &names)?;
        // A second name, left by a crash between the link and the unlink of a rename (see `RealDisk`).
        let part = stat(&names.part)?;
        if part.as_ref().is_some_and(|part| part.same_file(&target)) {
            disk.remove(&names.part)
                .map_err(|error| StoreError::of(&disk, &names.part, "remove", 0, error))?;
            sync_dir(&disk, &names.part)?;
        }
        let mut history = History::default();
        let mut ours = None;
        // Beside an unfinished part of its own, the record says nothing of a file that the user put in place.
        let is_of_part = part.is_some_and(|part| !part.same_file(&target));
        if let Some(state) = state
            && !is_of_part
            && matches!(is_ours(&disk, &names, spec, &state), Ok(true))
        {
            let recorded = read_record(&disk, &names, spec, &state)?;
            let mut holdings = recorded.holdings;
            for (index, supplier) in recorded.claimed {
                holdings.hold(index, supplier);
            }
            history.suppliers = holdings.supplied();
            history.found_here = history.suppliers.remove(&FOUND_HERE).unwrap_or_default();
            history.blames = recorded.blames;
            ours = Some(Arc::new(state));
        }
        Ok(Some((Self { disk: Arc::new(disk), names, state: ours }, history)))
    }

    /// Where the file is.
    pub fn path(&self) -> PathBuf {
        self.disk.path(&self.names.target)
    }

    /// Opens the file for checking and for seeding.
    pub fn source(&self) -> Result<SourceFile<D::File>, StoreError> {
        SourceFile::in_disk(&*self.disk, &self.names.target)
    }

    /// Reads the receipt, if there is one: the caller decides whether it is that of this import.
    pub fn receipt(&self) -> Result<Option<Vec<u8>>, StoreError> {
        read_small(&*self.disk, &self.names.receipt, MAX_RECEIPT_BYTES)
    }

    /// Writes the manifest copy and the receipt beside the file, each atomically and never over another, then removes
    /// the record. Without a `receipt` (it was written elsewhere, or an older one counts) only the copy is written.
    pub fn finish(&self, manifest: &[u8], receipt: Option<&[u8]>) -> Finished {
        let manifest = place(&*self.disk, &self.names.manifest, manifest);
        let receipt = receipt.map(|receipt| place(&*self.disk, &self.names.receipt, receipt));
        let all_placed = manifest.is_done() && receipt.as_ref().is_none_or(Placed::is_done);
        let is_closed = all_placed && self.close().is_ok();
        Finished { manifest, receipt, is_closed }
    }

    /// Removes the record, which ends the import. [`finish`](Self::finish) does it when everything was placed; a caller
    /// that accepts a different copy or receipt calls it itself.
    pub fn close(&self) -> Result<(), StoreError> {
        self.state.as_ref().map_or(Ok(()), |state| remove_state(&*self.disk, &self.names, state))
    }
}

impl<D: Disk> std::fmt::Debug for Published<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Published").field("path", &self.path()).finish_non_exhaustive()
    }
}

/// Removes the record if its name still refers to the locked file.
fn remove_state<D: Disk>(disk: &D, names: &Names, state: &D::File) -> Result<(), StoreError> {
    if is_named(disk, &names.state, state)? {
        disk.remove(&names.state).map_err(|error| StoreError::of(disk, &names.state, "remove", 0, error))?;
        sync_dir(disk, &names.state)?;
    }
    Ok(())
}
