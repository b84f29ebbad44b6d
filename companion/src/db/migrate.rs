//! Migrations of the database from one version to the next.
//!
//! A step is frozen once it is released: it names its tables and fields itself and uses no present type. Version 1 kept the text
//! of a manifest in each row of the library and no history of active versions; version 2 has tables for manifests and links.

use redb::{Database, ReadableDatabase, ReadableTable as _, TableDefinition, TableError, WriteTransaction};
use serde_json::{Map, Value, json};

use super::{DbError, Table};

/// The version that this program writes.
pub(super) const VERSION: u32 = 2;

/// A table as in every version so far: JSON by text key.
type Rows = TableDefinition<'static, &'static str, &'static [u8]>;

const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");
const VERSION_KEY: &str = "version";

/// The migration from the version before to `to`.
struct Step {
    to: u32,
    run: fn(&WriteTransaction) -> Result<(), DbError>,
}

/// All steps in order; a new database runs them all.
const STEPS: [Step; 2] = [Step { to: 1, run: to_1 }, Step { to: VERSION, run: to_2 }];

/// Returns the version of a database; 0: nothing was written to it yet.
pub(super) fn version(database: &impl ReadableDatabase) -> Result<u32, DbError> {
    let read = database.begin_read()?;
    match read.open_table(META) {
        Ok(meta) => Ok(meta.get(VERSION_KEY)?.map_or(0, |version| version.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Upgrades the database to [`VERSION`] in one transaction: a crash leaves the old version or the new one.
pub(super) fn run(database: &Database) -> Result<(), DbError> {
    let found = version(database)?;
    if found > VERSION {
        return Err(DbError::Newer { found, known: VERSION });
    }
    let mut write = database.begin_write()?;
    // One more sync: the old version is not given up before all of the new one is on the disk.
    write.set_two_phase_commit(true);
    for step in STEPS.iter().filter(|step| step.to > found) {
        (step.run)(&write)?;
        write.open_table(META)?.insert(VERSION_KEY, step.to)?;
    }
    write.commit()?;
    Ok(())
}

fn to_1(write: &WriteTransaction) -> Result<(), DbError> {
    for name in ["transfers", "entries", "settings", "moved"] {
        write.open_table(Rows::new(name))?;
    }
    Ok(())
}

/// Moves manifests from the entries to `manifests`, and active versions to `active`; replaces `own` by its opposite, `cached`;
/// starts the time of last use at the time of adding.
fn to_2(write: &WriteTransaction) -> Result<(), DbError> {
    let mut entries = write.open_table(Rows::new("entries"))?;
    let mut manifests = write.open_table(Rows::new("manifests"))?;
    let mut active = write.open_table(Rows::new("active"))?;
    let mut old = Vec::new();
    for row in entries.iter()? {
        let (key, value) = row?;
        old.push((key.value().to_owned(), value.value().to_vec()));
    }
    for (key, bytes) in old {
        let failed = |source| DbError::Row { table: Table::Entries, key: key.clone(), source };
        let mut row: Map<String, Value> = serde_json::from_slice(&bytes).map_err(failed)?;
        let text_of = |row: &Map<String, Value>, name: &str| {
            row.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| failed(missing(name)))
        };
        let (swarm_id, manifest) = (text_of(&row, "swarm_id")?, text_of(&row, "manifest")?);
        let model_id = text_of(&row, "model_id")?;
        let number: u64 = key.parse().map_err(|_| failed(missing("number")))?;
        let is_own = row.remove("own").and_then(|own| own.as_bool()).unwrap_or(true);
        let has_file = row.get("path").is_some_and(Value::is_string);
        row.insert("cached".to_owned(), Value::Bool(has_file && !is_own));
        let added = row.get("added_unix").cloned().unwrap_or(json!(0));
        row.insert("used_unix".to_owned(), added);
        row.insert("requires".to_owned(), requires(&manifest));
        row.remove("manifest");
        manifests.insert(swarm_id.as_str(), serde_json::to_vec(&manifest).map_err(failed)?.as_slice())?;
        if row.remove("active").and_then(|active| active.as_bool()) == Some(true) {
            // Entries come in the order of their numbers: if two are marked active, the newer one becomes active, and the older
            // its history.
            let before = active.get(model_id.as_str())?.map(|row| row.value().to_vec());
            let before: Option<Value> =
                before.map(|row| serde_json::from_slice(&row)).transpose().map_err(failed)?;
            let previous: Vec<Value> =
                before.into_iter().filter_map(|row| row.get("current").cloned()).collect();
            let link = json!({"current": number, "previous": previous});
            active.insert(model_id.as_str(), serde_json::to_vec(&link).map_err(failed)?.as_slice())?;
        }
        entries.insert(key.as_str(), serde_json::to_vec(&row).map_err(failed)?.as_slice())?;
    }
    Ok(())
}

/// Reads `requires.*` from a manifest's text.
fn requires(manifest: &str) -> Value {
    let value = |key: &str| {
        let mut fields = manifest.lines().filter_map(|line| line.split_once('='));
        fields.find(|(name, _)| *name == key).map(|(_, value)| value.trim_matches(' '))
    };
    let number = |key: &str| value(key).and_then(|text| text.parse::<u64>().ok());
    let arch: Vec<&str> = value("requires.arch").map_or_else(Vec::new, |words| words.split(',').collect());
    json!({"ram_mb": number("requires.ram_mb"), "vram_mb": number("requires.vram_mb"), "arch": arch})
}

fn missing(what: &str) -> serde_json::Error {
    serde::de::Error::custom(format!("it has no `{what}`"))
}
