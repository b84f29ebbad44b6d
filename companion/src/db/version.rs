//! Version of the database.

use redb::{Database, ReadableDatabase, TableDefinition, TableError};

use super::{DbError, Table};

/// The version that this program reads and writes.
pub(super) const VERSION: u32 = 2;

const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");
const VERSION_KEY: &str = "version";

/// Returns the version of a database; 0: nothing was written to it yet.
pub(super) fn read(database: &impl ReadableDatabase) -> Result<u32, DbError> {
    let read = database.begin_read()?;
    match read.open_table(META) {
        Ok(meta) => Ok(meta.get(VERSION_KEY)?.map_or(0, |version| version.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Creates all tables in a new database, and writes its version, in one transaction.
pub(super) fn begin(database: &Database) -> Result<(), DbError> {
    let write = database.begin_write()?;
    for table in Table::ALL {
        write.open_table(table.definition())?;
    }
    write.open_table(META)?.insert(VERSION_KEY, VERSION)?;
    write.commit()?;
    Ok(())
}
