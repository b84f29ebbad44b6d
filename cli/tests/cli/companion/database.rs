//! Databases of a later program version, and damaged ones.

use std::fs;

use redb::{Database, TableDefinition};

use super::house::House;
use crate::home::{Home, Ran};

const DATABASE: &str = "state/companion/companion.redb";
const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");

#[track_caller]
fn refused(home: &Home) -> Ran {
    let before = fs::read(home.own(DATABASE)).unwrap();
    let ran = home.say("companion run").exits(10);
    assert!(ran.stderr.contains("the companion's database cannot be used"), "{}", ran.stderr);
    assert!(fs::read(home.own(DATABASE)).unwrap() == before, "it is left as it is");
    assert_eq!(home.names(), ["a.minimodel", "a.slm"]);
    ran
}

/// A home of the current version, with an entry.
fn today() -> Home {
    let home = Home::with_artifact();
    home.say("library add a.minimodel a.slm").exits(0);
    home.say("consent grant cache --consent cache").exits(0);
    home
}

// Rows: G6
#[test]
fn a_newer_database_is_refused_in_plain_words_and_left_alone() {
    let home = today();
    let database = Database::open(home.own(DATABASE)).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(META).unwrap().insert("version", 3).unwrap();
    write.commit().unwrap();
    drop(database);
    for _ in 0..2 {
        let ran = refused(&home);
        assert!(
            ran.stderr.contains("is of version 3, and this program knows version 2 only"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("hint: use a newer version of this program"), "{}", ran.stderr);
    }
    home.say("library list").exits(10);
    home.say("companion start").exits(1);
}

#[test]
fn damaged_database_is_refused_naming_the_loss_without_deleting() {
    let home = today();
    let whole = fs::read(home.own(DATABASE)).unwrap();
    let log = fs::read(home.own("state/consent.log")).unwrap();
    let zeroed = [&whole[..4096], &vec![0; whole.len() - 4096]].concat();
    for damaged in [&zeroed[..], &whole[..whole.len() / 2], b"", b"no database at all"] {
        fs::write(home.own(DATABASE), damaged).unwrap();
        let ran = refused(&home);
        for words in [
            "damaged",
            "Model files, receipts, the identity and the consent log are not in it",
            "hint:",
            "mv ",
        ] {
            assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        }
        assert!(fs::read(home.own("state/consent.log")).unwrap() == log);
    }
    // As the hint says: the user moves the database away, and the companion starts anew with what the log grants.
    fs::rename(home.own(DATABASE), home.own("state/companion/companion.redb.damaged")).unwrap();
    let house = House::of(home);
    house.home.say("library add a.minimodel a.slm").exits(0);
    assert!(house.home.say("consent list").exits(0).stdout.contains("cache  active"));
}
