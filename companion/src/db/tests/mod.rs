//! Tests of the database: rows, versions, crashes and damage.

mod crash;
mod damage;
mod disk;
mod failure;
mod versions;

use super::*;

#[test]
fn rows_survive_reopening_and_a_failed_change_leaves_none() {
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
        Err(DbError::OtherVersion { found: 9, known: 1 })
    });
    assert!(refused.is_err());
    drop(db);
    let db = Db::open(&path).unwrap();
    assert_eq!(db.all::<String>(Table::Entries).unwrap(), [(number_key(1), "one".to_owned())]);
    assert_eq!(db.get::<String>(Table::Entries, &number_key(2)).unwrap(), None);
    let wrong = db.get::<u64>(Table::Entries, &number_key(1)).unwrap_err();
    assert!(wrong.to_string().contains("Entries"), "{wrong}");
}
