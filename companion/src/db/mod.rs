//! Embedded database: everything that the companion remembers, except the consent log and the model files.
//!
//! Rows are JSON by text key, so a new field needs no new version. A database of another version (`version`) is refused and is
//! never changed.

mod engine;
mod error;
mod file;
#[cfg(test)]
mod tests;
mod version;

use std::path::Path;

use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use engine::Engine;
pub use error::DbError;
#[cfg(test)]
use file::guarded;

/// The database's file in the companion's folder.
pub(crate) const DATABASE: &str = "companion.redb";

/// Returns true if a process has the database of a companion's folder open now.
pub(crate) fn is_held(folder: &Path) -> bool {
    let file = std::fs::File::open(folder.join(DATABASE));
    file.is_ok_and(|file| file.try_lock().is_err())
}

/// A table of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Shares and fetches, by number.
    Transfers,
    /// The library, by number.
    Entries,
    /// The texts of manifests, by swarm id.
    Manifests,
    /// The active version of a model and the earlier ones, by `model.id`.
    Active,
    /// Single values, by name.
    Settings,
    /// Bytes moved, by day, peer and swarm.
    Moved,
}

impl Table {
    const ALL: [Self; 6] =
        [Self::Transfers, Self::Entries, Self::Manifests, Self::Active, Self::Settings, Self::Moved];

    const fn definition(self) -> TableDefinition<'static, &'static str, &'static [u8]> {
        TableDefinition::new(match self {
            Self::Transfers => "transfers",
            Self::Entries => "entries",
            Self::Manifests => "manifests",
            Self::Active => "active",
            Self::Settings => "settings",
            Self::Moved => "moved",
        })
    }
}

/// The open database; only one process has it open at a time.
#[derive(Debug)]
pub struct Db {
    engine: Engine,
}

impl Db {
    /// Opens or creates the database at `path` (mode 0600) and verifies it.
    ///
    /// # Errors
    ///
    /// Another process has it open; it is of another version; it is damaged; or a disk error.
    pub fn open(path: &Path) -> Result<Self, DbError> {
        Ok(Self { engine: Engine::open(path)? })
    }

    /// Returns true if the last commit was damaged on the disk and the one before it was restored.
    pub fn is_repaired(&self) -> bool {
        self.engine.is_repaired()
    }

    /// Returns one row.
    ///
    /// # Errors
    ///
    /// A disk error, or a row that cannot be parsed.
    pub fn get<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, DbError> {
        self.engine.with(|database| {
            let read = database.begin_read()?;
            let rows = read.open_table(table.definition())?;
            let row = rows.get(key)?;
            row.map(|row| parse(table, key, row.value())).transpose()
        })
    }

    /// Returns all rows of a table in the order of their keys.
    ///
    /// # Errors
    ///
    /// As [`Db::get`].
    pub fn all<T: DeserializeOwned>(&self, table: Table) -> Result<Vec<(String, T)>, DbError> {
        self.engine.with(|database| {
            let read = database.begin_read()?;
            let rows = read.open_table(table.definition())?;
            let mut all = Vec::new();
            for row in rows.iter()? {
                let (key, value) = row?;
                all.push((key.value().to_owned(), parse(table, key.value(), value.value())?));
            }
            Ok(all)
        })
    }

    /// Runs `work` in one transaction, all or nothing; durable when this returns.
    ///
    /// # Errors
    ///
    /// The error of `work`, and then nothing has changed; or a disk error.
    pub fn change<R, E: From<DbError>>(
        &self,
        work: impl FnOnce(&mut Change<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let engine = &self.engine;
        // Held until the transaction has ended.
        let opened = engine.lease()?;
        let write = engine.within(|| opened.with(|database| Ok(database.begin_write()?)))?;
        let answer = work(&mut Change { write: &write, engine });
        match answer {
            Ok(answer) => {
                engine.within(|| Ok(write.commit()?))?;
                Ok(answer)
            }
            Err(error) => {
                // The error of `work` matters more than a failed abort.
                let _ = engine.within(|| write.abort().map_err(|error| DbError::Engine(error.into())));
                Err(error)
            }
        }
    }
}

/// A write transaction.
pub struct Change<'t> {
    write: &'t WriteTransaction,
    engine: &'t Engine,
}

impl Change<'_> {
    /// Returns one row as this transaction sees it.
    ///
    /// # Errors
    ///
    /// As [`Db::get`].
    pub fn get<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, DbError> {
        self.engine.within(|| {
            let rows = self.write.open_table(table.definition())?;
            let row = rows.get(key)?;
            row.map(|row| parse(table, key, row.value())).transpose()
        })
    }

    /// Returns all rows of a table in the order of their keys, as this transaction sees them.
    ///
    /// # Errors
    ///
    /// As [`Db::get`].
    pub fn all<T: DeserializeOwned>(&self, table: Table) -> Result<Vec<(String, T)>, DbError> {
        self.engine.within(|| {
            let rows = self.write.open_table(table.definition())?;
            let mut all = Vec::new();
            for row in rows.iter()? {
                let (key, value) = row?;
                all.push((key.value().to_owned(), parse(table, key.value(), value.value())?));
            }
            Ok(all)
        })
    }

    /// Writes a row.
    ///
    /// # Errors
    ///
    /// A disk error.
    pub fn put<T: Serialize>(&mut self, table: Table, key: &str, row: &T) -> Result<(), DbError> {
        let bytes =
            serde_json::to_vec(row).map_err(|source| DbError::Row { table, key: key.to_owned(), source })?;
        self.engine.within(|| {
            self.write.open_table(table.definition())?.insert(key, bytes.as_slice())?;
            Ok(())
        })
    }

    /// Removes a row if it exists.
    ///
    /// # Errors
    ///
    /// A disk error.
    pub fn remove(&mut self, table: Table, key: &str) -> Result<(), DbError> {
        self.engine.within(|| {
            self.write.open_table(table.definition())?.remove(key)?;
            Ok(())
        })
    }

    /// Returns a number never returned before, for a row's key.
    ///
    /// # Errors
    ///
    /// A disk error.
    pub fn next_number(&mut self) -> Result<u64, DbError> {
        let last: u64 = self.get(Table::Settings, LAST_NUMBER)?.unwrap_or(0);
        self.put(Table::Settings, LAST_NUMBER, &(last + 1))?;
        Ok(last + 1)
    }
}

const LAST_NUMBER: &str = "last-number";

/// Formats a number as a key, so that keys sort in the order of the numbers.
pub fn number_key(number: u64) -> String {
    format!("{number:020}")
}

fn parse<T: DeserializeOwned>(table: Table, key: &str, bytes: &[u8]) -> Result<T, DbError> {
    serde_json::from_slice(bytes).map_err(|source| DbError::Row { table, key: key.to_owned(), source })
}
