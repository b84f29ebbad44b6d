//! A database of version 1 as that version of the program wrote it. Frozen: it uses no present type.

use redb::{Database, TableDefinition};
use serde_json::{Value, json};

type Rows = TableDefinition<'static, &'static str, &'static [u8]>;

/// A manifest's text as an entry's row held it; only the fields that the upgrade reads.
pub(super) fn manifest(model: &str, version: &str) -> String {
    format!("model.id={model}\nmodel.version={version}\nrequires.arch=x86_64,aarch64\nrequires.ram_mb=64\n")
}

/// Key and row of each entry: a user's own active file, a cached one, a missing one, a failed one.
pub(super) fn entries() -> Vec<(String, Value)> {
    let entry = |number: u64, version: &str, state: &str, file: Option<&str>, own: bool, active: bool| {
        let row = json!({
            "model_id": "small", "model_version": version, "publisher_id": "lab",
            "swarm_id": format!("{number:064x}"), "byte_count": 1000 + number, "state": state,
            "reason": (state == "failed").then_some("it vanished"), "path": file,
            "receipt": file.map(|file| format!("{file}.receipt")), "own": own, "pinned": number == 2,
            "active": active, "added_unix": 1_780_000_000 + number, "manifest": manifest("small", version),
        });
        (format!("{number:020}"), row)
    };
    vec![
        entry(1, "1", "ready", Some("/models/small-1.slm"), true, true),
        entry(2, "2", "ready", Some("/library/small-2.slm"), false, false),
        entry(3, "3", "available", None, false, false),
        entry(4, "4", "failed", Some("/models/small-4.slm"), true, false),
    ]
}

/// Rows of the tables that version 2 did not change.
pub(super) fn others() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("transfers", "00000000000000000005", json!({"kind": "share", "entry": 1, "paused": true})),
        ("settings", "last-number", json!(5)),
        ("settings", "limits", json!({"up": 1_048_576, "down": null})),
        ("moved", "2026-11-20 peer swarm", json!({"sent_bytes": 7, "received_bytes": 11})),
    ]
}

/// Writes all rows.
pub(super) fn write(database: &Database) {
    let write = database.begin_write().unwrap();
    for name in ["transfers", "entries", "settings", "moved"] {
        write.open_table(Rows::new(name)).unwrap();
    }
    for (key, row) in entries() {
        put(&write, "entries", &key, &row);
    }
    for (table, key, row) in others() {
        put(&write, table, key, &row);
    }
    write.open_table(TableDefinition::<&str, u32>::new("meta")).unwrap().insert("version", 1).unwrap();
    write.commit().unwrap();
}

fn put(write: &redb::WriteTransaction, table: &'static str, key: &str, row: &Value) {
    let bytes = serde_json::to_vec(row).unwrap();
    write.open_table(Rows::new(table)).unwrap().insert(key, bytes.as_slice()).unwrap();
}
