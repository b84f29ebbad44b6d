//! Names, sizes and times from a manifest, and their effect on the disk.

use std::fs;

use super::stage::{Listener, STATE, hint, is_unchanged, manifest, model, names, snapshot, stage};
use crate::process::{Running, event};

// Rows: D6
#[test]
fn no_name_from_a_manifest_leaves_the_folder_or_hides_in_it() {
    let (home, listener) = (stage(), Listener::new());
    let long = "a".repeat(129);
    let ids = [
        "../up",
        "..",
        ".",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "c:x",
        ".hidden",
        "-rf",
        "a..b",
        "UPPER",
        "a b",
        "~",
        "a*",
        "a\u{e4}",
        "",
        &long,
    ];
    let versions = ["../1", "..", "1/2", ".1", "-1", "1\\2", "1 2", "", &long[..65], "1;rm"];
    let cases =
        ids.map(|id| ("model.id", id)).into_iter().chain(versions.map(|version| ("model.version", version)));
    for (key, value) in cases {
        let bad = manifest().with(key, value);
        let before = snapshot(home.path("").parent().unwrap());
        home.write("bad.minimodel", bad.render());
        let offer = listener.offer(bad.swarm_id());
        let line = ["fetch", "bad.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
        let ran = home.run(line).exits(10);
        names(&ran, &["bad.minimodel"]);
        fs::remove_file(home.path("bad.minimodel")).unwrap();
        is_unchanged(&before, home.path("").parent().unwrap());
    }
    assert!(!listener.was_dialed());
}

// Rows: D6, E17
#[test]
fn fetch_works_with_the_longest_names_a_manifest_may_have() {
    let home = stage();
    let long = manifest().with("model.id", &"a".repeat(128)).with("model.version", &"1".repeat(64));
    home.write("long.minimodel", long.render());
    let seeder = Running::seed(&home, ["long.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "long.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let stem = format!("out/{}-{}", "a".repeat(128), "1".repeat(64));
    // A damaged record is put aside under the longest name of all.
    fs::create_dir(home.path("out")).unwrap();
    home.write(format!("{stem}.slm.part.state"), "damaged");
    home.write(format!("{stem}.slm.part.state.damaged"), "an older one");
    assert_eq!(home.run(line).exits(0).stdout, format!("{stem}.slm\n"));
    assert_eq!(home.read(format!("{stem}.slm")), model());
    assert_eq!(home.read(format!("{stem}.slm.part.state.damaged.2")), b"damaged");
}

// Rows: D6
#[test]
fn names_reserved_by_other_systems_are_fetched_like_any_other() {
    let home = stage();
    for id in ["con", "nul", "aux.h", "lpt1", "index.html"] {
        let text = manifest().with("model.id", id);
        home.write(format!("{id}.minimodel"), text.render());
        let seeder = Running::seed(&home, [&format!("{id}.minimodel"), "model.slm"]);
        let offer = seeder.offer();
        let name = format!("{id}.minimodel");
        let line = ["fetch", &name, "--peer", &offer, "-o", id, "--consent", "fetch,import"];
        home.run(line).exits(0);
        assert_eq!(home.read(format!("{id}/{id}-1.0.0.slm")), model());
    }
}

// Rows: D11
#[test]
fn file_of_100_tib_is_shown_with_its_size_and_refused_undialed() {
    let (home, listener) = (stage(), Listener::new());
    let bytes = 100_u64 << 40;
    let bomb = manifest()
        .with("artifact.byte_count", &bytes.to_string())
        .with("chunk.size", "16777216")
        .with("chunk.count", &(bytes >> 24).to_string());
    home.write("bomb.minimodel", bomb.render());
    let offer = listener.offer(bomb.swarm_id());
    let line = ["fetch", "bomb.minimodel", "--peer", &offer, "-o", "out"];
    let before = snapshot(&home.path(""));
    home.run(line).exits(5);
    is_unchanged(&before, &home.path(""));

    let fetch = Running::start(&mut home.command([&line[..], &["--consent", "fetch,import"]].concat()));
    fetch.wait_until_said("100.0 TiB (109951162777600 bytes)");
    let pid = fetch.pid();
    let peak = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(str::trim).map(str::to_owned);
        line.and_then(|line| line.split(' ').next().and_then(|kib| kib.parse::<u64>().ok())).unwrap_or(0)
    };
    let memory_kib = peak();
    let ran = fetch.end().exits(9);
    names(&ran, &["out/", "no space", "109951162777600"]);
    assert!(hint(&ran).contains("make 100.0 TiB of space"), "{}", ran.stderr);
    assert!(!listener.was_dialed());
    println!("figure: bomb_memory_kib={memory_kib}");
    assert!(memory_kib < 1 << 20, "{memory_kib} KiB");
    let part = fs::metadata(home.path("out").join("sample-model-1.0.0.slm.part")).unwrap();
    assert_eq!(part.len(), 0, "nothing is laid out in advance");
}

// Rows: D15
#[test]
fn older_manifest_of_same_name_is_called_older_replaces_nothing() {
    let home = stage();
    let newer = manifest().with("manifest.created_utc", "2026-03-01T00:00:00Z");
    let older = manifest().with("manifest.created_utc", "2026-02-28T23:59:59.5Z");
    home.write("newer.minimodel", newer.render());
    home.write("older.minimodel", older.render());
    let seeder = Running::seed(&home, ["newer.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "newer.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let ran = home.run(line).exits(0);
    assert!(!ran.stderr.contains("is another manifest of this name"), "{}", ran.stderr);

    let listener = Listener::new();
    let before = snapshot(&home.path("out"));
    let created = manifest().value("manifest.created_utc").unwrap().to_owned();
    let which = if created.as_str() < "2026-03-01" { "older" } else { "newer" };
    let (old, new) = (listener.offer(older.swarm_id()), listener.offer(manifest().swarm_id()));
    for (file, offer, which) in [("older.minimodel", &old, "older"), ("model.minimodel", &new, which)] {
        // No consent that was given for the other manifest counts.
        home.run(["fetch", file, "--peer", offer, "-o", "out"]).exits(5);
        let ran =
            home.run(["fetch", file, "--peer", offer, "-o", "out", "--consent", "fetch,import"]).exits(13);
        let told = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            told.contains("is another manifest of this name, made 2026-03-01T00:00:00Z; this one,"),
            "{told}"
        );
        assert!(told.contains(&format!("is {which}")), "{told}");
        names(&ran, &["another receipt is already at"]);
        is_unchanged(&before, &home.path("out"));
    }
    assert!(!listener.was_dialed());
}

// Rows: G6
#[test]
fn a_record_of_another_version_is_named_and_left_alone() {
    for version in [0_u32, 2, 0x7fff_ffff] {
        let (home, listener) = (stage(), Listener::new());
        let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
        let offer = seeder.offer();
        let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
        let fetch = Running::start(&mut home.command([&line[..], &["--down", "256KiB"]].concat()));
        super::disk::wait_for_record(&home, "out");
        drop(fetch);
        let state = home.path("out").join(STATE);
        let good = fs::read(&state).unwrap();
        let mut other = good.clone();
        other[8..12].copy_from_slice(&version.to_le_bytes());
        let sum = minimodel_verifier::sha256(&other[..60]);
        other[60..68].copy_from_slice(&sum[..8]);
        fs::write(&state, &other).unwrap();

        let dead = listener.offer(manifest().swarm_id());
        let before = snapshot(&home.path("out"));
        let ran =
            home.run(["fetch", "model.minimodel", "--peer", &dead, "-o", "out", "--consent", "fetch,import"]);
        let ran = ran.exits(13);
        names(&ran, &[STATE, &format!("version {version}"), "version 1"]);
        assert!(hint(&ran).contains("left alone"), "{}", ran.stderr);
        is_unchanged(&before, &home.path("out"));
        assert!(!listener.was_dialed());
        fs::write(&state, good).unwrap();
        let ran = home.run([&line[..], &["--json"]].concat()).exits(0);
        assert!(event(&ran.stdout, "resumed")["have"].as_u64().unwrap() > 0);
    }
}
