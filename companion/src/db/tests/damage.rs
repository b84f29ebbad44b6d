//! Files that differ from what was written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::problem::{Problem, code};

/// A closed database of two commits, and its bytes.
fn sample() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("companion.redb");
    let db = Db::open(&path).unwrap();
    for number in [1, 2] {
        db.change::<_, DbError>(|change| {
            change.put(Table::Entries, &number_key(number), &format!("row {number}"))
        })
        .unwrap();
    }
    drop(db);
    let bytes = fs::read(&path).unwrap();
    (folder, path, bytes)
}

/// Reads a database file: its rows, and whether a commit was given up.
fn taken_for(path: &Path, bytes: &[u8]) -> Result<(Vec<String>, bool), DbError> {
    fs::write(path, bytes).unwrap();
    let db = Db::open(path)?;
    let rows = db.all::<String>(Table::Entries)?.into_iter().map(|(_, row)| row).collect();
    db.change::<_, DbError>(|change| change.put(Table::Settings, "written", &true))?;
    Ok((rows, db.is_repaired()))
}

#[test]
fn flipped_byte_is_an_error_harmless_or_a_told_lost_commit() {
    let (_folder, path, bytes) = sample();
    let all = ["row 1".to_owned(), "row 2".to_owned()];
    // Places to flip: the sizes in the header, where a flip makes them huge, parts of its two commits, the rows, and some of the
    // other pages.
    let head = (0..32).chain((32..320).filter(|&at| bytes[at] != 0).step_by(4));
    let rows = (0..bytes.len() - 5).filter(|&at| bytes[at..].starts_with(b"row "));
    let pages: Vec<usize> = (320..bytes.len()).filter(|&at| bytes[at] != 0).collect();
    let places: Vec<usize> = head
        .chain(rows.flat_map(|at| at..at + 5))
        .chain(pages.iter().copied().step_by(pages.len() / 10))
        .collect();
    let (mut errors, mut wholes) = (0, 0);
    for at in places {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        match taken_for(&path, &damaged) {
            Err(DbError::Damaged { .. }) => errors += 1,
            Err(other) => panic!("byte {at}: {other}"),
            Ok((rows, _)) if rows == all => wholes += 1,
            Ok((rows, is_repaired)) => {
                assert!(is_repaired && rows == all[..1], "byte {at}: {rows:?}, repaired {is_repaired}");
            }
        }
    }
    assert!(errors > 0 && wholes > 0, "{errors} errors, {wholes} whole");
}

#[test]
fn cut_empty_zeroed_or_foreign_file_is_damaged_with_a_hint() {
    let (_folder, path, bytes) = sample();
    let half = bytes[..bytes.len() / 2].to_vec();
    let mut no_pages = bytes.clone();
    no_pages[4096..].fill(0);
    let zeros = vec![0; bytes.len()];
    for bytes in [half, bytes[..100].to_vec(), no_pages, zeros, Vec::new(), b"models: none\n".to_vec()] {
        let error = taken_for(&path, &bytes).unwrap_err();
        assert!(matches!(error, DbError::Damaged { .. }), "{error}");
        let problem = Problem::from(error);
        assert_eq!(problem.code, code::INVALID);
        assert!(
            problem.hint.contains("stay") && problem.hint.contains("companion.redb.damaged"),
            "{problem:?}"
        );
    }
}

#[test]
fn a_file_of_another_database_is_not_taken_for_ours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("companion.redb");
    let database = redb::Database::create(&path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(TableDefinition::<u64, u64>::new("entries")).unwrap().insert(1, 1).unwrap();
    write.commit().unwrap();
    drop(database);
    let error = Db::open(&path).unwrap_err();
    assert!(matches!(error, DbError::Damaged { .. }), "{error}");
}

#[test]
fn one_of_several_simultaneous_creators_has_the_database() {
    for _ in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("companion.redb");
        let all: Vec<_> = std::thread::scope(|scope| {
            let open = || Db::open(&path);
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (mut have, busy): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
        assert_eq!((have.len(), busy.len()), (1, 3));
        assert!(busy.iter().all(|result| matches!(result, Err(DbError::Busy(_)))), "{busy:?}");
        let db = have.remove(0).unwrap();
        db.change::<_, DbError>(|change| change.put(Table::Settings, "a", &1)).unwrap();
        drop(db);
        assert_eq!(Db::open(&path).unwrap().get::<u8>(Table::Settings, "a").unwrap(), Some(1));
    }
}

#[test]
fn database_is_private_and_a_half_made_one_is_started_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("companion.redb");
    // What a crash in the first moments leaves.
    fs::write(folder.path().join("companion.redb.new"), vec![0; 5000]).unwrap();
    drop(Db::open(&path).unwrap());
    assert!(!folder.path().join("companion.redb.new").exists());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let db = Db::open(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(db.all::<Value>(Table::Entries).unwrap(), []);
}
