//! Databases of older and newer versions.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::problem::{Problem, code};

/// Written by the program of version 1.
const FIXTURE: &[u8] = include_bytes!("../../../tests/fixtures/companion-v1.redb");

fn older() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("companion.redb");
    fs::write(&path, FIXTURE).unwrap();
    (folder, path)
}

#[test]
fn a_database_of_version_1_is_upgraded_and_loses_nothing() {
    let (_folder, path) = older();
    let db = Db::open(&path).unwrap();
    assert!(!db.is_repaired());
    for (table, key, row) in v1::others() {
        let table = match table {
            "transfers" => Table::Transfers,
            "settings" => Table::Settings,
            _ => Table::Moved,
        };
        assert_eq!(db.get::<Value>(table, key).unwrap(), Some(row), "{table:?} {key}");
    }
    let now: Vec<(String, Value)> = db.all(Table::Entries).unwrap();
    assert_eq!(now.len(), v1::entries().len());
    for ((key, old), (key_now, now)) in v1::entries().into_iter().zip(now) {
        assert_eq!(key, key_now);
        for field in [
            "model_id",
            "model_version",
            "publisher_id",
            "swarm_id",
            "byte_count",
            "state",
            "reason",
            "path",
            "receipt",
            "pinned",
            "added_unix",
        ] {
            assert_eq!(now[field], old[field], "{key} {field}");
        }
        assert_eq!(now["used_unix"], old["added_unix"]);
        assert_eq!(now["cached"], json!(old["own"] == json!(false) && old["path"].is_string()));
        assert_eq!(now["requires"], json!({"ram_mb": 64, "vram_mb": null, "arch": ["x86_64", "aarch64"]}));
        let text: Option<Value> = db.get(Table::Manifests, old["swarm_id"].as_str().unwrap()).unwrap();
        assert_eq!(text, Some(old["manifest"].clone()));
    }
    let active: Vec<(String, Value)> = db.all(Table::Active).unwrap();
    assert_eq!(active, [("small".to_owned(), json!({"current": 1, "previous": []}))]);
}

#[test]
fn the_copy_from_before_the_upgrade_is_kept_and_can_be_gone_back_to() {
    let (folder, path) = older();
    drop(Db::open(&path).unwrap());
    drop(Db::open(&path).unwrap());
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["companion.redb", "companion.redb.v1"]);
    for name in names {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    fs::rename(folder.path().join("companion.redb.v1"), &path).unwrap();
    let again = Db::open(&path).unwrap();
    assert_eq!(again.all::<Value>(Table::Entries).unwrap().len(), 4);
}

#[test]
fn an_upgrade_that_was_stopped_before_is_begun_again_and_only_the_newest_copy_is_kept() {
    let (folder, path) = older();
    // What a crash in the middle of the copy leaves, and a copy of an earlier try.
    fs::write(folder.path().join("companion.redb.backup.new"), "half").unwrap();
    fs::write(folder.path().join("companion.redb.v1"), "an earlier try").unwrap();
    drop(Db::open(&path).unwrap());
    assert!(!folder.path().join("companion.redb.backup.new").exists());
    let copy = redb::Database::open(folder.path().join("companion.redb.v1")).unwrap();
    assert_eq!(migrate::version(&copy).unwrap(), 1);
    fs::write(folder.path().join("companion.redb.v2"), "of a later upgrade").unwrap();
    file::remove_older_backups(&path, 2);
    let is_there = |name: &str| folder.path().join(name).exists();
    assert_eq!((is_there("companion.redb.v1"), is_there("companion.redb.v2")), (false, true));
}

#[test]
fn without_room_for_the_copy_nothing_is_upgraded() {
    let (folder, path) = older();
    // A folder in the copy's place: it cannot be written.
    fs::create_dir(folder.path().join("companion.redb.v1")).unwrap();
    let error = Db::open(&path).unwrap_err();
    assert!(matches!(error, DbError::File { doing: "back up", .. }), "{error}");
    fs::remove_dir(folder.path().join("companion.redb.v1")).unwrap();
    assert!(Db::open(&path).is_ok());
    assert!(folder.path().join("companion.redb.v1").is_file());
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("companion.redb");
    let db = Db::open(&path).unwrap();
    drop(db);
    let database = redb::Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    let meta = TableDefinition::<&str, u32>::new("meta");
    write.open_table(meta).unwrap().insert("version", migrate::VERSION + 1).unwrap();
    write.commit().unwrap();
    drop(database);
    for _ in 0..2 {
        let error = Db::open(&path).unwrap_err();
        assert!(matches!(error, DbError::Newer { found: 3, known: 2 }), "{error}");
        let problem = Problem::from(error);
        assert_eq!(problem.code, code::INVALID);
        assert!(problem.hint.contains("version 3"), "{}", problem.hint);
    }
    assert!(!folder.path().join("companion.redb.v3").exists());
}

#[test]
fn a_row_of_version_1_that_cannot_be_read_ends_the_upgrade_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("companion.redb");
    let database = redb::Database::create(&path).unwrap();
    v1::write(&database);
    let write = database.begin_write().unwrap();
    let rows = TableDefinition::<&str, &[u8]>::new("entries");
    write.open_table(rows).unwrap().insert("00000000000000000009", b"{}".as_slice()).unwrap();
    write.commit().unwrap();
    drop(database);
    let error = Db::open(&path).unwrap_err();
    assert!(error.to_string().contains("00000000000000000009"), "{error}");
    let database = redb::Database::open(&path).unwrap();
    assert_eq!(migrate::version(&database).unwrap(), 1);
}
