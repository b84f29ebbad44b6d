//! Payload bytes that moved under each grant, in the database.

use std::collections::BTreeMap;

use crate::db::{Change, Db, DbError, Table};

const PREFIX: &str = "grant-used/";

fn key(grant: u64) -> String {
    format!("{PREFIX}{grant}")
}

/// Stores all payload bytes ever moved under a grant.
///
/// # Errors
///
/// As [`Change::put`].
pub fn put_used(change: &mut Change<'_>, grant: u64, bytes: u64) -> Result<(), DbError> {
    change.put(Table::Settings, &key(grant), &bytes)
}

/// Returns the payload bytes moved by grant; a grant under which none moved has no entry.
///
/// # Errors
///
/// As [`Db::get`].
pub fn used(db: &Db) -> Result<BTreeMap<u64, u64>, DbError> {
    let rows = db.all::<serde_json::Value>(Table::Settings)?;
    let numbers = rows.iter().filter_map(|(key, _)| key.strip_prefix(PREFIX)?.parse::<u64>().ok());
    // Read again by key, so that a row that is not a number is an error that names it.
    numbers.map(|grant| Ok((grant, db.get(Table::Settings, &key(grant))?.unwrap_or(0)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_bytes_per_grant_survive_reopening_beside_other_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let db = Db::open(&path).unwrap();
        db.change::<_, DbError>(|change| {
            change.put(Table::Settings, "limits", &"text")?;
            put_used(change, 7, 5)?;
            put_used(change, 12, u64::MAX)
        })
        .unwrap();
        drop(db);
        let db = Db::open(&path).unwrap();
        db.change(|change| put_used(change, 7, 9)).unwrap();
        assert_eq!(used(&db).unwrap(), BTreeMap::from([(7, 9), (12, u64::MAX)]));
    }
}
