//! Power cuts at any moment of a change.

use std::path::Path;

use redb::{Builder, Database};

use super::disk::{Disk, Unsynced};
use super::{guarded, version};
use crate::db::engine::Engine;
use crate::db::file::Opened;
use crate::db::{Db, DbError, Table};

const KEYS: [&str; 3] = ["a", "b", "c"];

fn open(disk: &Disk) -> Result<Database, DbError> {
    Builder::new().create_with_backend(disk.clone()).map_err(|error| DbError::Engine(error.into()))
}

fn db(database: Database) -> Db {
    let path = Path::new("companion.redb");
    let reopen = |_: &Path| Err(DbError::Engine(redb::Error::PreviousIo));
    Db { engine: Engine::new(Opened::of(database, path), path, Box::new(reopen)) }
}

/// Writes all rows in one transaction.
fn change(db: &Db, value: u64) -> Result<(), DbError> {
    db.change(|change| {
        KEYS.iter().try_for_each(|key| change.put(Table::Entries, key, &value))?;
        change.put(Table::Active, "model", &value)
    })
}

fn rows(db: &Db) -> Vec<u64> {
    let rows = [Table::Entries, Table::Active].map(|table| db.all::<u64>(table).unwrap());
    rows.into_iter().flatten().map(|(_, value)| value).collect()
}

// Rows: E1, E2
#[test]
fn change_stopped_at_any_write_leaves_all_old_or_all_new_rows() {
    let begin = Disk::default();
    let first = open(&begin).unwrap();
    version::begin(&first).unwrap();
    let first = db(first);
    change(&first, 1).unwrap();
    drop(first);
    let old = begin.bytes();
    let (before, after) = (vec![1; KEYS.len() + 1], vec![2; KEYS.len() + 1]);
    let whole = Disk::with(old.clone(), None);
    let database = open(&whole).unwrap();
    let opening = whole.calls();
    change(&db(database), 2).unwrap();
    let (mut kept_old, mut have_new) = (0, 0);
    for stop in 0..=whole.calls() {
        let disk = Disk::with(old.clone(), Some(stop));
        // The failure may come at any call: while it is opened, changed or closed.
        let _ = guarded(Path::new("companion.redb"), || change(&db(open(&disk)?), 2));
        for unsynced in Unsynced::ALL {
            let mut again = open(&Disk::with(disk.after(unsynced), None)).unwrap();
            // A crash is not damage, and none is reported.
            assert!(again.check_integrity().unwrap(), "stopped at call {stop}, {unsynced:?}");
            assert_eq!(version::read(&again).unwrap(), version::VERSION);
            let again = db(again);
            let found = rows(&again);
            assert!(found == before || found == after, "stopped at call {stop}, {unsynced:?}: {found:?}");
            *(if found == before { &mut kept_old } else { &mut have_new }) += 1;
            // In both cases the same change can be made again.
            change(&again, 2).unwrap();
            assert_eq!(rows(&again), after);
        }
    }
    assert!(whole.calls() > opening + 3, "the change wrote in {} calls", whole.calls() - opening);
    assert!(kept_old > 0 && have_new > 0, "{kept_old} old, {have_new} new");
}
