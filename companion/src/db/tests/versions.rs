//! Databases of another version.

use std::fs;

use super::*;
use crate::problem::{Problem, code};

// Rows: G6
#[test]
fn a_database_of_another_version_is_refused_and_left_alone() {
    for (other, words) in [(version::VERSION + 1, "a newer version"), (1, "an earlier version")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("companion.redb");
        drop(Db::open(&path).unwrap());
        let database = redb::Database::open(&path).unwrap();
        let write = database.begin_write().unwrap();
        let meta = TableDefinition::<&str, u32>::new("meta");
        write.open_table(meta).unwrap().insert("version", other).unwrap();
        write.commit().unwrap();
        drop(database);
        let before = fs::read(&path).unwrap();
        for _ in 0..2 {
            let error = Db::open(&path).unwrap_err();
            let is_named = matches!(error, DbError::OtherVersion { found, known: 2 } if found == other);
            assert!(is_named, "{error}");
            let problem = Problem::from(error);
            assert_eq!(problem.code, code::INVALID);
            assert!(problem.hint.contains(words), "{}", problem.hint);
            assert!(problem.hint.contains(&format!("version {other}")), "{}", problem.hint);
        }
        assert!(fs::read(&path).unwrap() == before, "it is left as it is");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
