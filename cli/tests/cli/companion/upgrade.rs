//! State files of an earlier program version, of a later one, and damaged ones.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::time::{Duration, Instant};

use minimodel_fixtures::{ManifestOptions, ManifestText};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde_json::{Value, json};

use super::house::House;
use crate::home::{Home, Ran};
use crate::process::{Running, events};

/// Written by the program of version 1.
const FIXTURE: &[u8] = include_bytes!("../../../../companion/tests/fixtures/companion-v1.redb");
const DATABASE: &str = "state/companion/companion.redb";
const BACKUP: &str = "state/companion/companion.redb.v1";
/// A consent record from before the log was a hash chain.
const OLDER: &str = "{\"version\":0,\"time\":\"2026-06-01T12:00:00Z\",\"verb\":\"seed\",\"actions\":[\"serve\"],\
                     \"swarm_id\":null,\"by\":\"prompt\",\"spelled\":\"prompt\"}\n";

const ROWS: fn(&'static str) -> TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new;
const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");

/// A home of a user of version 1: the fixture database, extended by a model whose file is here, active and shared.
fn older() -> Home {
    let home = Home::with_artifact();
    DirBuilder::new().recursive(true).mode(0o700).create(home.own("state/companion")).unwrap();
    fs::write(home.own(DATABASE), FIXTURE).unwrap();
    fs::set_permissions(home.own(DATABASE), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(home.own("state/consent.log"), OLDER).unwrap();
    let artifact = home.read("a.slm");
    let manifest = ManifestText::of(&artifact, &ManifestOptions::default());
    let entry = json!({
        "model_id": "sample-model", "model_version": "1.0.0", "publisher_id": "sample-publisher",
        "swarm_id": data_encoding::HEXLOWER.encode(&manifest.swarm_id()), "byte_count": artifact.len(),
        "state": "ready", "reason": null, "path": home.path("a.slm"), "receipt": null, "own": true, "pinned": false,
        "active": true, "added_unix": 1_780_000_006, "manifest": manifest.render(),
    });
    let database = Database::open(home.own(DATABASE)).unwrap();
    let write = database.begin_write().unwrap();
    for (table, key, row) in [
        ("entries", "00000000000000000006", entry),
        ("transfers", "00000000000000000007", json!({"kind": "share", "entry": 6, "paused": false})),
        ("settings", "last-number", json!(7)),
    ] {
        let bytes = serde_json::to_vec(&row).unwrap();
        write.open_table(ROWS(table)).unwrap().insert(key, bytes.as_slice()).unwrap();
    }
    write.commit().unwrap();
    drop(database);
    home
}

/// All rows of version 1, and the database's version number.
fn rows(home: &Home, name: &str) -> Vec<(String, Vec<u8>)> {
    let database = Database::open(home.own(name)).unwrap();
    let read = database.begin_read().unwrap();
    let version = read.open_table(META).unwrap().get("version").unwrap().unwrap().value();
    let mut rows = vec![("version".to_owned(), version.to_le_bytes().to_vec())];
    for table in ["entries", "transfers", "settings", "moved"] {
        for row in read.open_table(ROWS(table)).unwrap().iter().unwrap() {
            let (key, value) = row.unwrap();
            rows.push((format!("{table} {}", key.value()), value.value().to_vec()));
        }
    }
    rows
}

/// Number, model, version and pin of each entry.
fn entries(home: &Home) -> Vec<String> {
    let listed = home.say("--json library list").exits(0);
    let told = |entry: Value| {
        let word = |key: &str| entry[key].to_string().replace('"', "");
        [word("id"), word("model_id"), word("model_version"), word("pinned")].join(" ")
    };
    events(&listed.stdout, "entry").map(told).collect()
}

const ENTRIES: [&str; 5] =
    ["1 small 1 false", "2 small 2 true", "3 small 3 false", "4 small 4 false", "6 sample-model 1.0.0 false"];

#[test]
fn the_companion_brings_a_home_of_version_1_up_to_its_own_and_nothing_is_lost() {
    let home = older();
    let before = rows(&home, DATABASE);
    assert_eq!(before.len(), 5 + 2 + 2 + 1 + 1);
    let house = House::of(home);
    assert_eq!(entries(&house.home), ENTRIES);
    assert_eq!(rows(&house.home, BACKUP), before);
    let limits = house.home.say("--json limits show").exits(0).object();
    assert_eq!(limits["limits"]["up"], 1 << 20);
    // The file is unchanged, its link is there, and its share asks for a consent, since the old log granted none.
    house.home.say("library verify sample-model").exits(0);
    assert!(
        fs::read(house.home.own("data/library/active/sample-model.slm")).unwrap() == house.home.read("a.slm")
    );
    assert_eq!(house.transfer(5)["state"], "paused");
    let share = house.transfer(7);
    assert_eq!((&share["state"], &share["model_id"]), (&"asking".into(), &"sample-model".into()));
    house.home.say("consent grant serve --model sample-model --consent serve").exits(0);
    house.transfer_when(7, "shared", |share| share["offer"].is_string());
    let verdict = house.home.say("--json consent log --verify").exits(0).object();
    assert_eq!(
        (&verdict["ok"], &verdict["older"], &verdict["entries"]),
        (&true.into(), &1.into(), &1.into())
    );
    assert!(
        house.home.say("consent log").exits(0).stdout.starts_with("-  2026-06-01T12:00:00Z  given  serve")
    );
    let new = Home::with_artifact();
    house.home.write(
        "b.minimodel",
        ManifestText::of(
            &new.read("a.slm"),
            &ManifestOptions { model_version: "2".to_owned(), ..ManifestOptions::default() },
        )
        .render(),
    );
    let added = house.home.say("--json library add b.minimodel").exits(0).object();
    assert!(added["id"].as_u64() > Some(7), "numbers go on: {added:#}");
}

/// Runs the companion until it answers, or until it ends.
fn run(home: &Home, kill_at: Option<&str>) -> Option<Running> {
    let mut command = home.command(["companion", "run", "--json"]);
    kill_at.map(|at| command.env("MINIMODEL_KILL_AT", at));
    let mut running = Running::start(&mut command);
    loop {
        if running.has_said("\"companion\"") {
            return Some(running);
        }
        if running.has_ended() {
            assert!(running.fate().is_killed());
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Asserts that the next opening completes the upgrade, wherever the previous one ended.
fn is_whole(home: &Home, at: &str) {
    assert_eq!(entries(home), ENTRIES, "{at}");
    assert_eq!(rows(home, BACKUP)[0].1, 1_u32.to_le_bytes(), "{at}");
    assert!(home.read("a.slm").len() > 40_000);
    assert!(fs::read_to_string(home.own("state/consent.log")).unwrap().starts_with(OLDER));
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "a release build cannot be told where to end")]
fn e1_an_upgrade_killed_at_each_labelled_step_is_finished_by_the_next_opening() {
    let mut kills = 0;
    for suffix in ["", "+"] {
        for nth in 1.. {
            let (home, at) = (older(), format!("{nth}{suffix}"));
            let running = run(&home, Some(&at));
            let has_survived = running.is_some();
            drop(running);
            is_whole(&home, &at);
            if has_survived {
                break;
            }
            kills += 1;
        }
    }
    // Steps of the backup: create, write, sync, rename, sync of the folder; of the link: folder, create, rename,
    // sync.
    assert!(kills >= 14, "{kills}");
}

#[test]
fn e1_an_upgrade_killed_at_random_moments_is_finished_by_the_next_opening() {
    let begun = Instant::now();
    drop(run(&older(), None));
    let whole = begun.elapsed().as_micros() as u64;
    for turn in 0..12 {
        let home = older();
        let running = Running::start(&mut home.command(["companion", "run"]));
        // Spread over the time of a whole start; the machine decides which step is hit.
        std::thread::sleep(Duration::from_micros(whole * turn / 12));
        running.kill();
        is_whole(&home, &format!("after {turn} twelfths"));
    }
}

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
            ran.stderr.contains("is of version 3, and this program knows versions up to 2"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("hint: use a newer version of this program"), "{}", ran.stderr);
    }
    home.say("library list").exits(10);
    home.say("companion start").exits(1);
}

#[test]
fn a_damaged_database_is_refused_with_what_is_lost_and_nothing_is_deleted() {
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
