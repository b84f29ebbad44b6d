//! Library: the user's models, where their files are, and which version of each is active.
//!
//! An entry is one manifest, so one swarm. Its file is either the user's own, anywhere, and only read; or cached: in a folder of
//! the library, one per swarm, from which it may be evicted. Entries and links are rows of the database; where a row and the disk
//! differ after a crash, [`Library::settle`] and [`Library::refresh`] repair it. Only the caller knows which entries transfers
//! use: `in_use`.

pub mod evict;
mod file;
pub mod fits;
mod link;
mod room;
mod row;
mod sweep;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use minimodel::publishers::{KnownPublishers, Publishers};
use minimodel_verifier::Manifest;
use minimodel_verifier::digest::{hex, parse_hex};

use crate::db::{Change, Db, DbError, Table, number_key};
use crate::model::{Entry, EntryState, Fits};
use crate::problem::{Problem, code};
use fits::{Machine, Requires};
use row::{Link, Row};

/// The library of one data folder.
#[derive(Debug)]
pub struct Library {
    db: Arc<Db>,
    folder: PathBuf,
    machine: Machine,
    publishers: Option<Publishers>,
}

impl Library {
    /// Creates a library whose own folder is `folder`; no folder is created before it is needed.
    pub fn new(db: Arc<Db>, folder: PathBuf) -> Self {
        Self { db, folder, machine: Machine::look(), publishers: None }
    }

    /// Adds the known publishers, so that each entry shows how its manifest's signature compares with them.
    pub fn knowing(self, publishers: Publishers) -> Self {
        Self { publishers: Some(publishers), ..self }
    }

    /// Returns all entries in the order of their numbers.
    ///
    /// # Errors
    ///
    /// A database error.
    pub fn list(&self) -> Result<Vec<Entry>, Problem> {
        let active = row::active(&self.links()?);
        let rows = self.rows()?;
        let known = self.known();
        let entry = |row: &Row| row.entry(active.contains(&row.id), &self.machine, known.as_deref());
        Ok(rows.iter().map(entry).collect())
    }

    /// Returns one entry.
    ///
    /// # Errors
    ///
    /// There is no such entry, or a database error.
    pub fn get(&self, id: u64) -> Result<Entry, Problem> {
        let row = self.row(id)?;
        let link: Option<Link> = self.db.get(Table::Active, &row.model_id)?;
        let is_active = link.is_some_and(|link| link.current == Some(id));
        Ok(row.entry(is_active, &self.machine, self.known().as_deref()))
    }

    fn known(&self) -> Option<Arc<KnownPublishers>> {
        self.publishers.as_ref()?.read().ok()
    }

    /// Returns the entry of a swarm (64 lowercase hex digits), if there is one.
    ///
    /// # Errors
    ///
    /// A database error.
    pub fn find(&self, swarm_id: &str) -> Result<Option<Entry>, Problem> {
        let row = self.rows()?.into_iter().find(|row| row.swarm_id == swarm_id);
        row.map(|row| self.get(row.id)).transpose()
    }

    /// Adds a manifest as Available and returns its entry's number; an existing entry stays as it is.
    ///
    /// # Errors
    ///
    /// A database error.
    pub fn add_manifest(&self, manifest: &Manifest, now_unix: u64) -> Result<u64, Problem> {
        self.db.change(|change| {
            let swarm_id = hex(manifest.swarm_id());
            if let Some(row) = rows_in(change)?.into_iter().find(|row| row.swarm_id == swarm_id) {
                return Ok(row.id);
            }
            let id = change.next_number()?;
            change.put(Table::Manifests, &swarm_id, &manifest.text())?;
            change.put(Table::Entries, &number_key(id), &Row::of(manifest, now_unix))?;
            Ok(id)
        })
    }

    /// Returns the text of an entry's manifest, checked against its swarm id.
    ///
    /// # Errors
    ///
    /// There is no such entry, the text is not what it was, or a database error.
    pub fn manifest(&self, id: u64) -> Result<String, Problem> {
        Ok(self.parsed_manifest(id)?.text())
    }

    /// Returns an entry's manifest, as [`Library::manifest`].
    ///
    /// # Errors
    ///
    /// As [`Library::manifest`].
    pub fn parsed_manifest(&self, id: u64) -> Result<Manifest, Problem> {
        let row = self.row(id)?;
        let text: Option<String> = self.db.get(Table::Manifests, &row.swarm_id)?;
        let broken = |cause: String| {
            let hint = format!(
                "remove the entry and add the manifest again from where you have it: `minimodel library remove {}`",
                row.name()
            );
            Problem::new(code::INVALID, format!("the manifest of entry {id} is not what it was"), hint)
                .because(cause)
        };
        let text = text.ok_or_else(|| broken("it is not there".to_owned()))?;
        let manifest = Manifest::parse(text.as_bytes()).map_err(|error| broken(error.to_string()))?;
        let found = hex(manifest.swarm_id());
        if found != row.swarm_id {
            return Err(broken(format!("its swarm id is {found}, and the entry's {}", row.swarm_id)));
        }
        Ok(manifest)
    }

    /// Sets an entry's state, whatever is on the disk; `reason` is for Failed. Fetches use [`Library::begin_fetch`],
    /// [`Library::fetch_failed`] and [`Library::fetch_dropped`] instead.
    ///
    /// # Errors
    ///
    /// There is no such entry, or a database error.
    pub fn set_state(&self, id: u64, state: EntryState, reason: Option<String>) -> Result<Entry, Problem> {
        self.update(id, |row| {
            (row.state, row.reason, row.is_going) = (state, reason, false);
            Ok(())
        })
    }

    /// Returns the folder for a cached fetch of this entry: one per swarm, so that two publishers with the same `model.id` never
    /// collide. It need not exist.
    ///
    /// # Errors
    ///
    /// There is no such entry, or a database error.
    pub fn folder_of(&self, id: u64) -> Result<PathBuf, Problem> {
        self.swarm_folder(&self.row(id)?)
    }

    /// Pins an entry, which keeps it from eviction, or unpins it.
    ///
    /// # Errors
    ///
    /// There is no such entry, or a database error.
    pub fn pin(&self, id: u64, pinned: bool) -> Result<Entry, Problem> {
        self.update(id, |row| {
            row.pinned = pinned;
            Ok(())
        })
    }

    /// Compares a manifest's requirements with this machine.
    pub fn fits(&self, manifest: &Manifest) -> Fits {
        fits::fits(&Requires::of(manifest), &self.machine)
    }

    fn rows(&self) -> Result<Vec<Row>, Problem> {
        Ok(numbered(self.db.all(Table::Entries)?)?)
    }

    fn links(&self) -> Result<Vec<(String, Link)>, Problem> {
        Ok(self.db.all(Table::Active)?)
    }

    fn row(&self, id: u64) -> Result<Row, Problem> {
        let row: Option<Row> = self.db.get(Table::Entries, &number_key(id))?;
        row.map(|row| Row { id, ..row }).ok_or_else(|| no_such(id))
    }

    fn update(&self, id: u64, work: impl FnOnce(&mut Row) -> Result<(), Problem>) -> Result<Entry, Problem> {
        self.db.change(|change| {
            let mut row = row_in(change, id)?;
            work(&mut row)?;
            put(change, &row)
        })?;
        self.get(id)
    }

    fn swarm_folder(&self, row: &Row) -> Result<PathBuf, Problem> {
        // Evictions remove files below this folder, so a corrupt row must not name another place.
        if parse_hex(&row.swarm_id).is_none() {
            let error = format!("entry {} has no valid swarm id: `{}`", row.id, row.swarm_id);
            return Err(Problem::new(
                code::INVALID,
                error,
                "this is a fault of the program: please report it",
            ));
        }
        Ok(self.folder.join("models").join(&row.swarm_id))
    }
}

fn rows_in(change: &Change<'_>) -> Result<Vec<Row>, DbError> {
    numbered(change.all(Table::Entries)?)
}

fn row_in(change: &Change<'_>, id: u64) -> Result<Row, Problem> {
    let row: Option<Row> = change.get(Table::Entries, &number_key(id))?;
    row.map(|row| Row { id, ..row }).ok_or_else(|| no_such(id))
}

fn put(change: &mut Change<'_>, row: &Row) -> Result<(), Problem> {
    Ok(change.put(Table::Entries, &number_key(row.id), row)?)
}

fn numbered(rows: Vec<(String, Row)>) -> Result<Vec<Row>, DbError> {
    let number = |(key, row): (String, Row)| match key.parse() {
        Ok(id) => Ok(Row { id, ..row }),
        Err(error) => {
            let source = serde::de::Error::custom(format!("its key is no number: {error}"));
            Err(DbError::Row { table: Table::Entries, key, source })
        }
    };
    rows.into_iter().map(number).collect()
}

fn no_such(id: u64) -> Problem {
    let hint = "see what there is: `minimodel library list`";
    Problem::new(code::NOT_FOUND, format!("the library has no entry {id}"), hint)
}

/// Builds the problem for a disk error at `path` while `doing`.
fn disk(doing: &str, path: &Path, error: &std::io::Error) -> Problem {
    use std::io::ErrorKind;
    let is_full =
        matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge);
    let (code, hint) = if is_full {
        (code::DISK_FULL, "make space on that disk, then run the same command again")
    } else {
        (code::IO, "check that the folder is yours and may be written to, then run the same command again")
    };
    Problem::new(code, format!("cannot {doing} `{}`", path.display()), hint).because(error)
}
