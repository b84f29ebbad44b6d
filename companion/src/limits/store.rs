//! Storage of the limits in the database.

use crate::db::{Db, DbError, Table};
use crate::model::Limits;

const KEY: &str = "limits";

/// Loads the saved limits; before the first save nothing is limited.
///
/// # Errors
///
/// A database error.
pub fn load(db: &Db) -> Result<Limits, DbError> {
    Ok(db.get(Table::Settings, KEY)?.unwrap_or_default())
}

/// Saves limits that passed [`super::schedule::validate`]; durable when this returns.
///
/// # Errors
///
/// A database error.
pub fn save(db: &Db, limits: &Limits) -> Result<(), DbError> {
    db.change(|change| change.put(Table::Settings, KEY, limits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Window;

    #[test]
    fn limits_are_kept_over_a_reopening_and_are_none_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let limits = Limits {
            up: Some(1 << 20),
            slots: Some(3),
            schedule: vec![Window { from: 22, to: 7, ..Window::default() }],
            ..Limits::default()
        };
        let db = Db::open(&path).unwrap();
        assert_eq!(load(&db).unwrap(), Limits::default());
        save(&db, &limits).unwrap();
        drop(db);
        assert_eq!(load(&Db::open(&path).unwrap()).unwrap(), limits);
    }
}
