//! The embedded database: everything the companion remembers but the consent log and the model files.
//!
//! Rows are JSON under a key of text, so that a field may come without a new version of the whole; what cannot be read as
//! such is moved by a migration ([`migrate`]), all steps in one transaction: a crash leaves the old version or the new.

mod migrate;

use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A table of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Shares and fetches, by number.
    Transfers,
    /// The library, by number.
    Entries,
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
            Self::Settings => "settings",
            Self::Moved => "moved",
        })
    }
}

/// What went wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Another process has it open.
    #[error("another process has the database {} open", .0.display())]
    Busy(PathBuf),
    /// It was written by a newer version of this program.
    #[error("the database is of version {found}, and this program knows versions up to {known}")]
    Newer {
        /// Its version.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// A row is not what its table holds.
    #[error("a row of the database cannot be read: {table:?} {key}: {source}")]
    Row {
        /// Where.
        table: Table,
        /// Which.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The database itself.
    #[error("the database failed: {0}")]
    Engine(#[from] redb::Error),
}

macro_rules! engine {
    ($($error:ty),*) => {
        $(impl From<$error> for DbError {
            fn from(error: $error) -> Self {
                Self::Engine(error.into())
            }
        })*
    };
}
engine!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError);

/// The open database; one process at a time.
#[derive(Debug)]
pub struct Db {
    database: Database,
}

impl Db {
    /// Opens or creates the database at `path`, and brings an older one up to this version.
    ///
    /// # Errors
    ///
    /// Another process has it, it is newer than this program, or the disk's.
    pub fn open(path: &Path) -> Result<Self, DbError> {
        let database = Database::create(path).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => DbError::Busy(path.to_owned()),
            error => DbError::Engine(error.into()),
        })?;
        migrate::run(&database)?;
        Ok(Self { database })
    }

    /// One row.
    ///
    /// # Errors
    ///
    /// The disk's, or a row that cannot be read.
    pub fn get<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, DbError> {
        let read = self.database.begin_read()?;
        let rows = read.open_table(table.definition())?;
        let row = rows.get(key)?;
        row.map(|row| parse(table, key, row.value())).transpose()
    }

    /// All rows of a table in the order of their keys.
    ///
    /// # Errors
    ///
    /// As [`Db::get`].
    pub fn all<T: DeserializeOwned>(&self, table: Table) -> Result<Vec<(String, T)>, DbError> {
        let read = self.database.begin_read()?;
        let rows = read.open_table(table.definition())?;
        let mut all = Vec::new();
        for row in rows.iter()? {
            let (key, value) = row?;
            all.push((key.value().to_owned(), parse(table, key.value(), value.value())?));
        }
        Ok(all)
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
        let write = self.database.begin_write().map_err(DbError::from)?;
        let answer = work(&mut Change { write: &write })?;
        write.commit().map_err(DbError::from)?;
        Ok(answer)
    }
}

/// A transaction that writes.
pub struct Change<'t> {
    write: &'t WriteTransaction,
}

impl Change<'_> {
    /// One row, as this transaction sees it.
    ///
    /// # Errors
    ///
    /// As [`Db::get`].
    pub fn get<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, DbError> {
        let rows = self.write.open_table(table.definition())?;
        let row = rows.get(key)?;
        row.map(|row| parse(table, key, row.value())).transpose()
    }

    /// Writes a row.
    ///
    /// # Errors
    ///
    /// The disk's.
    pub fn put<T: Serialize>(&mut self, table: Table, key: &str, row: &T) -> Result<(), DbError> {
        let bytes =
            serde_json::to_vec(row).map_err(|source| DbError::Row { table, key: key.to_owned(), source })?;
        self.write.open_table(table.definition())?.insert(key, bytes.as_slice())?;
        Ok(())
    }

    /// Removes a row, if it is there.
    ///
    /// # Errors
    ///
    /// The disk's.
    pub fn remove(&mut self, table: Table, key: &str) -> Result<(), DbError> {
        self.write.open_table(table.definition())?.remove(key)?;
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_over_a_reopening_and_a_failed_change_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let db = Db::open(&path).unwrap();
        assert!(matches!(Db::open(&path), Err(DbError::Busy(_))));
        db.change::<_, DbError>(|change| {
            let number = change.next_number()?;
            change.put(Table::Entries, &number_key(number), &"one")
        })
        .unwrap();
        let refused = db.change::<(), DbError>(|change| {
            change.put(Table::Entries, &number_key(2), &"two")?;
            Err(DbError::Newer { found: 9, known: 1 })
        });
        assert!(refused.is_err());
        drop(db);
        let db = Db::open(&path).unwrap();
        assert_eq!(db.all::<String>(Table::Entries).unwrap(), [(number_key(1), "one".to_owned())]);
        assert_eq!(db.get::<String>(Table::Entries, &number_key(2)).unwrap(), None);
        let wrong = db.get::<u64>(Table::Entries, &number_key(1)).unwrap_err();
        assert!(wrong.to_string().contains("Entries"), "{wrong}");
    }
}
