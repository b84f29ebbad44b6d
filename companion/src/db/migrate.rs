//! Versions of the database, and the steps from one to the next.

use redb::{Database, ReadableTable as _, TableDefinition};

use super::{DbError, Table};

/// The version that this program writes.
pub(super) const VERSION: u32 = 1;

const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");
const VERSION_KEY: &str = "version";

/// Brings the database up to [`VERSION`] in one transaction.
pub(super) fn run(database: &Database) -> Result<(), DbError> {
    let write = database.begin_write()?;
    {
        let mut meta = write.open_table(META)?;
        let found = meta.get(VERSION_KEY)?.map(|version| version.value());
        if let Some(found) = found.filter(|&found| found > VERSION) {
            return Err(DbError::Newer { found, known: VERSION });
        }
        for table in [Table::Transfers, Table::Entries, Table::Settings, Table::Moved] {
            write.open_table(table.definition())?;
        }
        meta.insert(VERSION_KEY, VERSION)?;
    }
    write.commit()?;
    Ok(())
}
