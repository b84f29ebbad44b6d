//! What goes: entries that are removed, and cached files that are evicted. A user's own file is never touched.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use minimodel_swarm::store::step;

use super::evict::{Held, plan_eviction};
use super::row::{Link, Row, active};
use super::{Library, disk, put, row_in};
use crate::api::types::Pruned;
use crate::db::{Table, number_key};
use crate::problem::{Problem, code};

impl Library {
    /// Forgets an entry. If its file is cached, the file goes, with receipt, copy of the manifest, partial file and link;
    /// a user's own file stays where it is.
    ///
    /// # Errors
    ///
    /// A transfer uses it (`in_use`), there is no such entry, or the disk's; files may be gone then, and the entry stays
    /// until the next try.
    pub fn remove(&self, id: u64, in_use: &BTreeSet<u64>) -> Result<(), Problem> {
        let row = self.row(id)?;
        if in_use.contains(&id) {
            let error = format!("{} is used by a transfer", row.name());
            let hint =
                "see which: `minimodel status`; end the transfer first, then run the same command again";
            return Err(Problem::new(code::BUSY, error, hint));
        }
        let is_active = active(&self.links()?).contains(&id);
        if is_active {
            self.remove_link(&row)?;
        }
        self.sweep(&row)?;
        self.db.change(|change| {
            change.remove(Table::Entries, &number_key(id))?;
            change.remove(Table::Manifests, &row.swarm_id)?;
            if let Some(mut link) = change.get::<Link>(Table::Active, &row.model_id)? {
                link.forget(id);
                if link == Link::default() {
                    change.remove(Table::Active, &row.model_id)?;
                } else {
                    change.put(Table::Active, &row.model_id, &link)?;
                }
            }
            Ok(())
        })
    }

    /// Evicts until the cached files hold `keep_bytes` at most, as [`plan_eviction`] says.
    ///
    /// # Errors
    ///
    /// The database's or the disk's.
    pub fn prune(&self, keep_bytes: u64, in_use: &BTreeSet<u64>) -> Result<Pruned, Problem> {
        self.evict(&plan_eviction(&self.held()?, keep_bytes, in_use), in_use)
    }

    /// Evicts these entries: their files go, and they are Available. One that may not go by now stays.
    ///
    /// # Errors
    ///
    /// The database's or the disk's; what was evicted before that is gone.
    pub fn evict(&self, ids: &[u64], in_use: &BTreeSet<u64>) -> Result<Pruned, Problem> {
        let mut pruned = Pruned::default();
        for held in self.held()?.into_iter().filter(|held| ids.contains(&held.id) && held.may_go(in_use)) {
            self.sweep(&self.row(held.id)?)?;
            self.db.change(|change| {
                let mut row = row_in(change, held.id)?;
                row.lose_file();
                put(change, &row)
            })?;
            pruned.entries.push(held.id);
            pruned.bytes = pruned.bytes.saturating_add(held.bytes);
        }
        Ok(pruned)
    }

    pub(super) fn held(&self) -> Result<Vec<Held>, Problem> {
        let active = active(&self.links()?);
        Ok(self.rows()?.iter().map(|row| row.held(active.contains(&row.id))).collect())
    }

    /// Takes away what the library keeps for an entry's swarm: the files of its stem, in its own folder and nowhere else.
    /// What someone else put there stays, and the folder with it.
    fn sweep(&self, row: &Row) -> Result<(), Problem> {
        let folder = self.swarm_folder(row)?;
        let own = row.path.as_deref().filter(|_| !row.cached);
        let failed = |path: &Path, error: io::Error| disk("remove", path, &error);
        let names = match fs::read_dir(&folder) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(&folder, error)),
        };
        let stem = format!("{}-{}", row.model_id, row.model_version);
        let (artifact, copy) = (format!("{stem}.slm"), format!("{stem}.minimodel"));
        for name in names {
            let path = name.map_err(|error| failed(&folder, error))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // `STEM.slm`, and with a dot after it: the partial file, its record, the receipt, what was not valid.
            let is_ours = [&artifact, &copy].iter().any(|ours| {
                name.strip_prefix(ours.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
            if is_ours && own != Some(&path) && !path.is_dir() {
                step("remove", || fs::remove_file(&path)).map_err(|error| failed(&path, error))?;
            }
        }
        // Not empty: what is left there is not ours.
        let _ = step("remove", || fs::remove_dir(&folder));
        if let Some(Ok(models)) = folder.parent().map(File::open) {
            let _ = step("sync_dir", || models.sync_all());
        }
        Ok(())
    }
}
