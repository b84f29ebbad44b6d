//! Power cuts at any moment of an upgrade.

use std::collections::BTreeMap;
use std::path::Path;

use redb::{Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableHandle as _};

use super::disk::{Disk, Unsynced};
use super::{guarded, migrate, v1};
use crate::db::DbError;

fn open(disk: &Disk) -> Database {
    Builder::new().create_with_backend(disk.clone()).unwrap()
}

/// Returns all rows of all tables.
fn picture(database: &Database) -> BTreeMap<String, Vec<(String, Vec<u8>)>> {
    let read = database.begin_read().unwrap();
    let names: Vec<String> = read.list_tables().unwrap().map(|table| table.name().to_owned()).collect();
    let rows_of = |name: &str| {
        if name == "meta" {
            let rows = read.open_table(TableDefinition::<&str, u32>::new("meta")).unwrap();
            let version = rows.get("version").unwrap().unwrap().value();
            return vec![("version".to_owned(), version.to_le_bytes().to_vec())];
        }
        let rows = read.open_table(TableDefinition::<&str, &[u8]>::new(name)).unwrap();
        let rows = rows.iter().unwrap().map(|row| {
            let (key, value) = row.unwrap();
            (key.value().to_owned(), value.value().to_vec())
        });
        rows.collect()
    };
    names.into_iter().map(|name| (name.clone(), rows_of(&name))).collect()
}

#[test]
fn e1_e2_an_upgrade_that_stops_at_any_write_leaves_the_old_version_whole_or_the_new_one() {
    let begin = Disk::default();
    v1::write(&open(&begin));
    let old = begin.bytes();
    let before = picture(&open(&Disk::with(old.clone(), None)));
    let whole = Disk::with(old.clone(), None);
    let database = open(&whole);
    let opening = whole.calls();
    migrate::run(&database).unwrap();
    let after = picture(&database);
    assert_ne!(before, after);
    drop(database);
    let (mut kept_old, mut have_new) = (0, 0);
    for stop in 0..=whole.calls() {
        let disk = Disk::with(old.clone(), Some(stop));
        // The failure may come at any call: while it is opened, upgraded or closed.
        let _ = guarded(Path::new("companion.redb"), || {
            let engine = Builder::new().create_with_backend(disk.clone());
            migrate::run(&engine.map_err(|error| DbError::Engine(error.into()))?)
        });
        for unsynced in Unsynced::ALL {
            let mut again = open(&Disk::with(disk.after(unsynced), None));
            // A crash is not damage, and none is reported.
            assert!(again.check_integrity().unwrap(), "stopped at call {stop}, {unsynced:?}");
            let found = picture(&again);
            assert!(found == before || found == after, "stopped at call {stop}, {unsynced:?}: {found:?}");
            *(if found == before { &mut kept_old } else { &mut have_new }) += 1;
            // In both cases the next start upgrades it.
            migrate::run(&again).unwrap();
            assert_eq!(picture(&again), after);
        }
    }
    assert!(whole.calls() > opening + 3, "the upgrade wrote in {} calls", whole.calls() - opening);
    assert!(kept_old > 0 && have_new > 0, "{kept_old} old, {have_new} new");
}
