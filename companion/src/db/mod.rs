//! The embedded database: everything the companion remembers but the consent log and the model files.
//!
//! Rows are JSON under a key of text, so that a field may come without a new version of the whole; what cannot be read as
//! such is moved by a migration (`migrate`), all steps in one transaction: a crash leaves the old version or the new.
//! Before an upgrade from version N the file is copied to `companion.redb.vN`.

mod engine;
mod error;
mod file;
mod migrate;
#[cfg(test)]
mod tests;

use std::path::Path;

use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use engine::Engine;
pub use error::DbError;
#[cfg(test)]
use file::guarded;

/// A table of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Shares and fetches, by number.
    Transfers,
    /// The library, by number.
    Entries,
    /// The texts of manifests, by swarm id.
    Manifests,
    /// Which version of a model is active and which were before, by `model.id`.
    Active,
    /// Single values, by name.
    Settings,
    /// What moved, by day, peer and swarm.
    Moved,
}

impl Table {
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

/// The open database; one process at a time.
#[derive(Debug)]
pub struct Db {
    engine: Engine,
}

impl Db {
    /// Opens or creates the database at `path` (mode 0600), checks it, and brings an older one up to this version.
    ///
    /// # Errors
    ///
    /// Another process has it, it is newer than this program, it is damaged, or the disk's.
    pub fn open(path: &Path) -> Result<Self, DbError> {
        Ok(Self { engine: file::open(path)? })
    }

    /// Whether the last change was damaged on the disk, so that the state before it was gone back to.
    pub fn is_repaired(&self) -> bool {
        self.engine.is_repaired()
    }

    /// One row.
    ///
    /// # Errors
    ///
    /// The disk's, or a row that cannot be read.
    pub fn get<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, DbError> {
        self.engine.with(|database| {
            let read = database.begin_read()?;
            let rows = read.open_table(table.definition())?;
            let row = rows.get(key)?;
            row.map(|row| parse(table, key, row.value())).transpose()
        })
    }

    /// All rows of a table in the order of their keys.
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

    /// Changes that happen together or not at all; durable when this returns.
    ///
    /// # Errors
    ///
    /// What `work` gives, and then nothing has changed; or the disk's.
    pub fn change<R, E: From<DbError>>(
        &self,
        work: impl FnOnce(&mut Change<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let engine = &self.engine;
        // Until the transaction has ended.
        let opened = engine.lease()?;
        let write = engine.within(|| opened.with(|database| Ok(database.begin_write()?)))?;
        let answer = work(&mut Change { write: &write, engine });
        match answer {
            Ok(answer) => {
                engine.within(|| Ok(write.commit()?))?;
                Ok(answer)
            }
            Err(error) => {
                // What `work` says matters more than a transaction that cannot even be given up.
                let _ = engine.within(|| write.abort().map_err(|error| DbError::Engine(error.into())));
                Err(error)
            }
        }
    }
}

/// A transaction that writes.
pub struct Change<'t> {
    write: &'t WriteTransaction,
    engine: &'t Engine,
}

impl Change<'_> {
    /// One row, as this transaction sees it.
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

    /// All rows of a table in the order of their keys, as this transaction sees them.
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
    /// The disk's.
    pub fn put<T: Serialize>(&mut self, table: Table, key: &str, row: &T) -> Result<(), DbError> {
        let bytes =
            serde_json::to_vec(row).map_err(|source| DbError::Row { table, key: key.to_owned(), source })?;
        self.engine.within(|| {
            self.write.open_table(table.definition())?.insert(key, bytes.as_slice())?;
            Ok(())
        })
    }

    /// Removes a row, if it is there.
    ///
    /// # Errors
    ///
    /// The disk's.
    pub fn remove(&mut self, table: Table, key: &str) -> Result<(), DbError> {
        self.engine.within(|| {
            self.write.open_table(table.definition())?.remove(key)?;
            Ok(())
        })
    }

    /// A number that was never given before, for a row's key.
    ///
    /// # Errors
    ///
    /// The disk's.
    pub fn next_number(&mut self) -> Result<u64, DbError> {
        let last: u64 = self.get(Table::Settings, LAST_NUMBER)?.unwrap_or(0);
        self.put(Table::Settings, LAST_NUMBER, &(last + 1))?;
        Ok(last + 1)
    }
}

const LAST_NUMBER: &str = "last-number";

/// A number as a key, so that keys are in the order of the numbers.
pub fn number_key(number: u64) -> String {
    format!("{number:020}")
}

fn parse<T: DeserializeOwned>(table: Table, key: &str, bytes: &[u8]) -> Result<T, DbError> {
    serde_json::from_slice(bytes).map_err(|source| DbError::Row { table, key: key.to_owned(), source })
}
