//! Removal of entries and eviction of cached files. A user's own file is never touched.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use minimodel_swarm::os::{FileId, FileKind, Folder, stat, stat_target};
use minimodel_swarm::store::{is_fresh_name, step};
use minimodel_verifier::artifact::{ArtifactName, Format};

use super::evict::{EvictionEntry, plan_eviction};
use super::row::{Link, Row, active};
use super::{Library, disk, put, row_in};
use crate::db::{Table, number_key};
use crate::model::{EntryState, Pruned};
use crate::problem::{Problem, code};

impl Library {
    /// Removes an entry. A cached file is deleted with receipt, copy of the manifest, partial file and link; a user's own file
    /// stays where it is. From the first write on the entry is not Ready, so no transfer starts to use it.
    ///
    /// # Errors
    ///
    /// A transfer uses it (`in_use`, which must not change meanwhile); there is no such entry; a transfer started to use it; or a
    /// disk error: files may be gone then, and the entry stays until the next try.
    pub fn remove(&self, id: u64, in_use: &BTreeSet<u64>) -> Result<(), Problem> {
        let busy = |row: &Row| {
            let error = format!("{} is used by a transfer", row.name());
            let hint =
                "see which: `minimodel status`; end the transfer first, then run the same command again";
            Problem::new(code::BUSY, error, hint)
        };
        let gone = self.db.change(|change| {
            let mut row = row_in(change, id)?;
            if in_use.contains(&id) {
                return Err(busy(&row));
            }
            let was = row.clone();
            if row.cached {
                row.lose_file();
            } else {
                // The path stays in the row: it marks the user's own file, which must not be removed.
                row.state = EntryState::Available;
            }
            row.is_going = true;
            put(change, &row)?;
            if let Some(mut link) = change.get::<Link>(Table::Active, &row.model_id)? {
                let was_active = link.current == Some(id);
                link.forget(id);
                if link == Link::default() {
                    change.remove(Table::Active, &row.model_id)?;
                } else {
                    change.put(Table::Active, &row.model_id, &link)?;
                }
                if was_active {
                    self.remove_link(&was)?;
                }
            }
            Ok(row)
        })?;
        self.sweep(&gone)?;
        self.db.change(|change| {
            let row = row_in(change, id)?;
            if !row.is_going {
                return Err(busy(&row));
            }
            change.remove(Table::Entries, &number_key(id))?;
            Ok(change.remove(Table::Manifests, &row.swarm_id)?)
        })
    }

    /// Evicts entries until the cached files hold at most `keep_bytes`, in the order of [`plan_eviction`].
    ///
    /// # Errors
    ///
    /// A database or disk error.
    pub fn prune(&self, keep_bytes: u64, in_use: &BTreeSet<u64>) -> Result<Pruned, Problem> {
        self.evict(&plan_eviction(&self.held()?, keep_bytes, in_use), in_use)
    }

    /// Evicts these entries: their files are deleted and they become Available. An entry that has been pinned, activated or put
    /// to use meanwhile stays: the check is in the transaction that takes the file from the row, before the file is deleted, so
    /// that no link ever leads to a deleted file. `in_use` must not change meanwhile.
    ///
    /// # Errors
    ///
    /// A database or disk error; entries evicted before it stay evicted.
    pub fn evict(&self, ids: &[u64], in_use: &BTreeSet<u64>) -> Result<Pruned, Problem> {
        let mut pruned = Pruned::default();
        for &id in ids {
            let taken = self.db.change(|change| {
                let row: Option<Row> = change.get(Table::Entries, &number_key(id))?;
                let Some(row) = row else { return Ok(None) };
                let mut row = Row { id, ..row };
                let link: Option<Link> = change.get(Table::Active, &row.model_id)?;
                let held = row.held(link.is_some_and(|link| link.current == Some(id)));
                if !held.may_go(in_use) {
                    return Ok(None);
                }
                row.lose_file();
                row.is_going = true;
                put(change, &row)?;
                Ok::<_, Problem>(Some((row, held)))
            })?;
            let Some((row, held)) = taken else { continue };
            self.sweep(&row)?;
            self.swept(id)?;
            pruned.entries.push(id);
            pruned.bytes = pruned.bytes.saturating_add(held.bytes);
        }
        Ok(pruned)
    }

    /// Removes the files that an interrupted eviction or removal left.
    pub(super) fn sweep_rest(&self) -> Vec<Problem> {
        let rest = |row: &Row| self.sweep(row).and_then(|()| self.swept(row.id));
        match self.rows() {
            Ok(rows) => rows.iter().filter(|row| row.is_going).filter_map(|row| rest(row).err()).collect(),
            Err(problem) => vec![problem],
        }
    }

    /// Records that no file of an entry is left to be removed.
    fn swept(&self, id: u64) -> Result<(), Problem> {
        self.update(id, |row| {
            row.is_going = false;
            Ok(())
        })
        .map(drop)
    }

    pub(super) fn held(&self) -> Result<Vec<EvictionEntry>, Problem> {
        let active = active(&self.links()?);
        Ok(self.rows()?.iter().map(|row| row.held(active.contains(&row.id))).collect())
    }

    /// Deletes the cached files of an entry: in its swarm's folder only, and only the names that a fetch writes for it.
    /// Other files there stay, and the folder with them; so does a file that any entry lists as the user's own, by whatever path.
    fn sweep(&self, row: &Row) -> Result<(), Problem> {
        let folder = self.swarm_folder(row)?;
        let failed = |path: &Path, error: io::Error| disk("remove", path, &error);
        let names = match fs::read_dir(&folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(&folder, error)),
        };
        let own = self.own_files(&failed)?;
        let name_of = |format| ArtifactName::of_model(&row.model_id, &row.model_version, format);
        let artifacts: Vec<ArtifactName> = Format::all().map(name_of).collect();
        for name in names {
            let path = name.map_err(|error| failed(&folder, error))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !artifacts.iter().any(|artifact| is_written(artifact, name)) {
                continue;
            }
            let found = stat(&path).map_err(|error| failed(&path, error))?;
            if found.kind != FileKind::Folder && !own.contains(&found.id) {
                step("remove", || fs::remove_file(&path)).map_err(|error| failed(&path, error))?;
            }
        }
        // Fails if it is not empty: what is left is not the library's.
        let _ = step("remove", || fs::remove_dir(&folder));
        if let Some(Ok(models)) = folder.parent().map(Folder::open) {
            let _ = step("sync_dir", || models.sync());
        }
        Ok(())
    }

    /// Returns the identity of all files that are the user's own, and of the symbolic link if the path is one.
    fn own_files(&self, failed: &dyn Fn(&Path, io::Error) -> Problem) -> Result<BTreeSet<FileId>, Problem> {
        let mut own = BTreeSet::new();
        for row in self.rows()?.into_iter().filter(|row| !row.cached) {
            let Some(path) = row.path else { continue };
            for found in [stat_target(&path), stat(&path)] {
                match found {
                    Ok(found) => drop(own.insert(found.id)),
                    Err(error)
                        if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    }
                    // A path outside the library that cannot be examined is not one of its files: everything in the library can
                    // be examined.
                    Err(_) if !path.starts_with(&self.folder) => {}
                    Err(error) => return Err(failed(&path, error)),
                }
            }
        }
        Ok(own)
    }
}

/// Returns true if a fetch writes a file of this name: a file, what stands there before the file is whole, and files
/// that a fetch must not replace, which it sets aside under a numbered name.
fn is_written(artifact: &ArtifactName, name: &str) -> bool {
    let names = [artifact.file(), artifact.part(), artifact.state(), artifact.receipt(), artifact.manifest()];
    let aside = [artifact.invalid(), artifact.state() + ".damaged"];
    let is_number = |tail: &str| {
        let number = tail.strip_prefix('.').unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_aside = |tail: &str| tail.is_empty() || is_number(tail);
    names.iter().any(|own| name == own || is_fresh_name(name, own))
        || aside.iter().any(|own| name.strip_prefix(own.as_str()).is_some_and(is_aside))
}
