//! Orphan records: without its partial file a record says nothing of the next file that gets the partial file's name.

use std::path::PathBuf;

use minimodel_verifier::artifact::ArtifactName;

use super::create::{is_named, rename_aside};
use super::disk::Disk;
use super::error::StoreError;
use super::names::Names;
use super::open::{is_ours, lock_existing};
use super::part::PartSpec;

/// Puts the record of an artifact aside if there is no partial file beside it, and returns its new path. Call it before a
/// file that was not written under that record is given the name of a partial file: else its chunks would pass for kept
/// ones.
///
/// A record of another swarm, size or version, or one that is in use, is an error as when a part is opened, and stays
/// where it is.
pub fn put_orphan_record_aside<D: Disk>(
    disk: &D,
    name: &ArtifactName,
    spec: &PartSpec,
) -> Result<Option<PathBuf>, StoreError> {
    let names = Names::new(name)?;
    let Some(state) = lock_existing(disk, &names)? else { return Ok(None) };
    let part = disk.stat(&names.part).map_err(|error| StoreError::of(disk, &names.part, "stat", 0, error))?;
    // A damaged record is put aside when the part is opened.
    if part.is_some() || !is_ours(disk, &names, spec, &state)? {
        return Ok(None);
    }
    if !is_named(disk, &names.state, &state)? {
        return Err(StoreError::Replaced { path: disk.path(&names.state) });
    }
    let name = rename_aside(disk, &names.state, &names.old_state)?;
    Ok(Some(disk.path(&name)))
}
