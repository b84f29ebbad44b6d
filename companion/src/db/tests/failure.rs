//! A disk that fails and works again while the database is open.

use std::path::Path;

use redb::Builder;

use super::disk::Disk;
use crate::db::engine::Engine;
use crate::db::file::Opened;
use crate::db::{Db, DbError, Table, version};
use crate::problem::{Problem, code};

fn open(disk: &Disk, path: &Path) -> Result<Opened, DbError> {
    let database = Builder::new().create_with_backend(disk.clone());
    let database = database.map_err(|error| DbError::Engine(error.into()))?;
    version::begin(&database)?;
    Ok(Opened::of(database, path))
}

fn db(disk: &Disk) -> Db {
    let (path, again) = (Path::new("companion.redb"), disk.clone());
    let engine = Engine::new(open(disk, path).unwrap(), path, Box::new(move |path| open(&again, path)));
    Db { engine }
}

fn put(db: &Db, value: u64) -> Result<(), DbError> {
    db.change(|change| change.put(Table::Settings, "a", &value))
}

// Rows: E6
#[test]
fn database_works_again_without_restart_after_any_disk_failure() {
    let disk = Disk::default();
    let before = db(&disk);
    let calls = disk.calls();
    put(&before, 1).unwrap();
    let calls = disk.calls() - calls;
    drop(before);
    assert!(calls > 2, "{calls}");
    for stop in 0..calls {
        let disk = Disk::default();
        let db = db(&disk);
        put(&db, 1).unwrap();
        disk.stop_after(Some(stop));
        put(&db, 2).unwrap_err();
        // Calls fail as long as the disk fails.
        assert!(put(&db, 3).is_err(), "{stop}");
        let read = db.get::<u64>(Table::Settings, "a");
        assert!(read.as_ref().map_or(true, |value| *value == Some(1)), "{stop} {read:?}");
        disk.stop_after(None);
        let read = db.get::<u64>(Table::Settings, "a").unwrap();
        // A commit whose last sync failed may be there or not.
        assert!(read == Some(1) || (read == Some(2) && stop + 1 == calls), "{stop} {read:?}");
        put(&db, 4).unwrap();
        assert_eq!(db.get::<u64>(Table::Settings, "a").unwrap(), Some(4));
    }
}

#[test]
fn database_failed_under_a_transaction_stays_open_with_a_hint() {
    let disk = Disk::default();
    let db = db(&disk);
    put(&db, 1).unwrap();
    let lease = db.engine.lease().unwrap();
    disk.stop_after(Some(0));
    put(&db, 2).unwrap_err();
    disk.stop_after(None);
    let error = put(&db, 3).unwrap_err();
    assert!(matches!(error, DbError::Engine(redb::Error::PreviousIo)), "{error}");
    let problem = Problem::from(error);
    assert_eq!(problem.code, code::IO);
    assert!(problem.hint.contains("has room") && problem.hint.contains("start it again"), "{problem:?}");
    drop(lease);
    put(&db, 4).unwrap();
    assert_eq!(db.get::<u64>(Table::Settings, "a").unwrap(), Some(4));
}
