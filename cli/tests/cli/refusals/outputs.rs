//! Obstacles at output names, and names that change during a run: refused, named in the error, never written through.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use minimodel_skipped::skipped;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use super::disk::wait_for_record;
use super::folders::{OBSTACLES, put};
use super::stage::{
    Listener, PART, STATE, TARGET, hint, is_unchanged, manifest, model, names, snapshot, stage,
};
use crate::home::Home;
use crate::process::Running;

const COPY: &str = "sample-model-1.0.0.minimodel";

/// [`put`], and the null device where the test may create one.
fn put_any(home: &Home, obstacle: &str, path: &Path) -> bool {
    if obstacle != "device" {
        put(home, obstacle, path);
        return true;
    }
    let made = mknodat(CWD, path, FileType::CharacterDevice, Mode::RUSR | Mode::WUSR, makedev(1, 3));
    made.inspect_err(|error| {
        skipped(format_args!("a device at an output; none can be made here (root may): {error}"));
    })
    .is_ok()
}

fn obstacles() -> impl Iterator<Item = &'static str> {
    OBSTACLES.into_iter().map(|(obstacle, _)| obstacle).chain(["device"])
}

// Rows: E9, E11
#[test]
fn no_verb_writes_through_or_over_what_stands_at_its_output() {
    let listener = Listener::new();
    let offer = listener.offer(manifest().swarm_id());
    let lines = [
        "sample out.file --bytes 64KiB",
        "manifest create model.slm --model-id m --model-version 1 --publisher-id p --license-route /l \
         --model-card-route /c -o out.file",
        "manifest sign model.minimodel -o out.file",
        "write-import-receipt model.minimodel model.slm out.file",
        "seed model.minimodel model.slm --listen 127.0.0.1:0 --consent serve --offer-out out.file",
        &format!("fetch model.minimodel --peer {offer} -o folder --receipt out.file --consent fetch,import"),
    ];
    for obstacle in obstacles() {
        let home = stage();
        home.say("id new").exits(0);
        if !put_any(&home, obstacle, &home.path("out.file")) {
            continue;
        }
        for line in lines {
            let before = snapshot(&home.path(""));
            let ran = home.run(line.split_whitespace()).exits(13);
            names(&ran, &["`out.file`"]);
            assert_eq!(ran.stdout, "", "{obstacle}: {line}");
            is_unchanged(&before, &home.path(""));
        }
    }
    assert!(!listener.was_dialed());
}

// Rows: E9
#[test]
fn obstacle_at_receipt_or_manifest_copy_is_named_before_dialing() {
    let (home, listener) = (stage(), Listener::new());
    let dead = listener.offer(manifest().swarm_id());
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    for name in [&format!("{TARGET}.receipt"), COPY] {
        for obstacle in obstacles() {
            let out = format!("{name}-{}", obstacle.replace(' ', "-"));
            let path = home.path(&out).join(name);
            fs::create_dir(home.path(&out)).unwrap();
            if !put_any(&home, obstacle, &path) {
                continue;
            }
            let line = |offer| {
                let line = ["fetch", "model.minimodel", "--peer", offer, "-o", &out];
                home.run([&line[..], &["--consent", "fetch,import"]].concat())
            };
            if (name, obstacle) == (COPY, "hard link") {
                // The file can be read, and is another manifest: that is a warning.
                let ran = line(&offer).exits(0);
                assert!(ran.stderr.contains("warning: another manifest"), "{ran:?}");
                continue;
            }
            let before = snapshot(&home.path(&out));
            let ran = line(&dead).exits(13);
            names(&ran, &[name]);
            assert!(hint(&ran).contains("move it away"), "{}", ran.stderr);
            is_unchanged(&before, &home.path(&out));
            assert_eq!(home.read("precious"), b"not to be touched", "{name} {obstacle}");
            assert!(!home.path("nowhere").exists());

            move_away(&home, &path);
            if obstacle == "fifo" {
                line(&offer).exits(0);
            }
        }
    }
    assert!(!listener.was_dialed());
}

/// A place where no receipt can be written is reported before any dial, by a fetch and by a repair.
// Rows: E9, E11
#[test]
fn unusable_receipt_path_is_refused_before_any_dial() {
    let home = stage();
    let listener = Listener::new();
    let offer = listener.offer(manifest().swarm_id());
    let bytes = [&[1][..], &model()[1..]].concat();
    fs::create_dir(home.path("repaired")).unwrap();
    home.write(format!("repaired/{TARGET}"), &bytes);
    fs::create_dir(home.path("out")).unwrap();
    symlink("out", home.path("link")).unwrap();
    home.write("file", "a file");
    let own = [TARGET, PART, STATE, COPY, &format!("{PART}.found"), &format!("{TARGET}.invalid.2")];
    let mut places: Vec<(String, String, i32, &str)> = Vec::new();
    for name in own {
        for (out, folder) in
            [("out", "out"), ("out", "link"), ("new/er", "./new/er"), ("repaired", "repaired")]
        {
            places.push((out.to_owned(), format!("{folder}/{name}"), 2, "have that name"));
        }
    }
    for out in ["out", "repaired"] {
        places.push((out.to_owned(), format!("{out}/no/such/r"), 13, "No such file"));
        places.push((out.to_owned(), "file/r".to_owned(), 13, "Not a directory"));
        places.push((out.to_owned(), "file".to_owned(), 13, "there already"));
    }
    for (out, receipt, code, words) in places {
        let ran = if out == "repaired" {
            let file = format!("repaired/{TARGET}");
            let line = ["verify-artifact", "model.minimodel", &file, "--repair", "--peer", &offer];
            home.run([&line[..], &["--consent", "fetch,import", "--receipt", &receipt]].concat())
        } else {
            let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", &out];
            home.run([&line[..], &["--consent", "fetch,import", "--receipt", &receipt]].concat())
        };
        names(&ran.exits(code), &[words, Path::new(&receipt).file_name().unwrap().to_str().unwrap()]);
        assert!(fs::read_dir(home.path("out")).unwrap().next().is_none(), "{receipt}");
        assert_eq!(fs::read_dir(home.path("repaired")).unwrap().count(), 1, "{receipt}");
    }
    assert!(!listener.was_dialed());
    assert_eq!(home.read(format!("repaired/{TARGET}")), bytes);
    // A valid place: in the folder that the fetch creates.
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "new/er", "--receipt", "new/r"];
    home.run([&line[..], &["--consent", "fetch,import"]].concat()).exits(0);
    assert!(home.read("new/r").starts_with(b"receipt."));
}

/// The folder of the receipt vanishes during the fetch.
// Rows: E9, E18
#[test]
fn receipt_that_cannot_be_written_names_cause_and_fitting_hint() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    fs::create_dir(home.path("r")).unwrap();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--receipt", "r/r"];
    let line = [&line[..], &["--consent", "fetch,import"]].concat();
    let fetch = Running::start(&mut home.command([&line[..], &["--down", "256KiB"]].concat()));
    wait_for_record(&home, "out");
    fs::remove_dir(home.path("r")).unwrap();
    let ran = fetch.end().exits(13);
    names(&ran, &["No such file", "in place and checked", "r/r"]);
    assert!(
        !hint(&ran).contains("move away") && hint(&ran).contains("run the same command again"),
        "{ran:?}"
    );
    fs::create_dir(home.path("r")).unwrap();
    home.run(&line).exits(0);
    assert!(home.read("r/r").starts_with(b"receipt."));
}

fn move_away(home: &Home, path: &Path) {
    fs::rename(path, home.path("moved")).unwrap();
    let moved = home.path("moved");
    if moved.is_dir() && !moved.is_symlink() { fs::remove_dir(moved) } else { fs::remove_file(moved) }
        .unwrap();
}

// Rows: E9, E18
#[test]
fn obstacle_appearing_during_fetch_is_named_and_its_hint_works() {
    let theirs = stage();
    let seeder = Running::seed(&theirs, ["model.minimodel", "model.slm"]);
    let offer = &seeder.offer();
    let receipt = &format!("{TARGET}.receipt");
    let cases = [
        (receipt.as_str(), "symlink", &[][..]),
        (receipt, "directory", &[]),
        (receipt, "fifo", &[]),
        (receipt, "hard link", &[]),
        (COPY, "dangling", &[]),
        (COPY, "directory", &[]),
        ("../elsewhere", "symlink", &["--receipt", "elsewhere"]),
        ("../elsewhere", "directory", &["--receipt", "elsewhere"]),
    ];
    std::thread::scope(|scope| {
        for (name, obstacle, more) in cases {
            scope.spawn(move || obstacle_appears(offer, name, obstacle, more));
        }
    });
}

/// One fetch at whose output an obstacle appears while it runs.
fn obstacle_appears(offer: &str, name: &str, obstacle: &str, more: &[&str]) {
    let home = stage();
    let line = ["fetch", "model.minimodel", "--peer", offer, "-o", "out", "--consent", "fetch,import"];
    let line = [&line[..], more].concat();
    let fetch = Running::start(&mut home.command([&line[..], &["--down", "256KiB"]].concat()));
    wait_for_record(&home, "out");
    let path = home.path("out").join(name);
    put(&home, obstacle, &path);
    let ran = fetch.end().exits(13);
    let file_name = name.trim_start_matches("../");
    names(&ran, &[file_name, "in place and checked", &format!("out/{TARGET}")]);
    let told = hint(&ran);
    for words in ["move", "away", "run the same command again"] {
        assert!(told.contains(words), "{name} {obstacle}: {words}: {}", ran.stderr);
    }
    assert_eq!(home.read(Path::new("out").join(TARGET)), model(), "{name} {obstacle}");
    assert_eq!(home.read("precious"), b"not to be touched", "{name} {obstacle}");
    assert!(!home.path("nowhere").exists() && home.path("out").join(STATE).exists());
    // The same command alone does not help while the obstacle is there, and reports it again.
    names(&home.run(&line).exits(13), &[file_name]);

    move_away(&home, &path);
    home.run(&line).exits(0);
    let receipt = if more.is_empty() { format!("out/{TARGET}.receipt") } else { "elsewhere".to_owned() };
    assert!(home.read(receipt).starts_with(b"receipt."));
    assert_eq!(home.read(Path::new("out").join(COPY)), manifest().canonical().into_bytes());
    assert!(!home.path("out").join(STATE).exists());
}

/// Moves a link to the user's file in and out of each name while real fetches run, thousands of times.
// Rows: E10
#[test]
fn swapped_in_symlink_at_any_output_name_is_never_followed() {
    const FETCHES: u32 = 40;
    let home = stage();
    let seed = || Running::seed(&home, ["model.minimodel", "model.slm"]);
    let mut seeder = seed();
    let targets = [PART, STATE, TARGET, COPY, &format!("{TARGET}.receipt"), &format!("{STATE}.new")];
    home.write("precious", "not to be touched");
    let (is_over, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut codes = Vec::new();
    std::thread::scope(|scope| {
        for (number, name) in targets.into_iter().enumerate() {
            let (home, is_over, swaps) = (&home, &is_over, &swaps);
            scope.spawn(move || {
                // Each link moves at a pace of its own; an existing file at a name is left alone.
                let (away, at) = (home.path(format!("link-{number}")), home.path("out").join(name));
                symlink(home.path("precious"), &away).unwrap();
                while !is_over.load(Ordering::Relaxed) {
                    let swap = rustix::fs::RenameFlags::NOREPLACE;
                    if rustix::fs::renameat_with(CWD, &away, CWD, &at, swap).is_ok() {
                        swaps.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(std::time::Duration::from_micros(20));
                        // Only the link: the process may have put its own file there.
                        if at.is_symlink() {
                            let _ = fs::rename(&at, &away);
                        }
                        if !away.is_symlink() {
                            let _ = fs::remove_file(&away);
                            symlink(home.path("precious"), &away).unwrap();
                        }
                    }
                    std::thread::sleep(std::time::Duration::from_micros(300 << number));
                }
            });
        }
        for number in 1..=FETCHES {
            if number % 12 == 0 {
                // A seeder gives one key only so many files.
                seeder = seed();
            }
            let offer = seeder.offer();
            let line =
                ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
            let ran = home.run(line);
            assert!([0, 11, 13].contains(&ran.code), "{ran:?}");
            codes.push(ran.code);
            let target = home.path("out").join(TARGET);
            if target.symlink_metadata().is_ok_and(|there| there.is_file()) {
                assert_eq!(fs::read(&target).unwrap(), model());
            }
            if ran.code == 0 {
                let _ = fs::remove_file(target);
            }
            assert_eq!(home.read("precious"), b"not to be touched");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let swaps = swaps.into_inner();
    println!("figure: swaps={swaps} fetches={FETCHES} followed=0 codes={codes:?}");
    assert!(swaps > 500, "{swaps}");
    assert_eq!(home.read("precious"), b"not to be touched");
}

// Rows: E10
#[test]
fn fetch_keeps_writing_to_its_opened_folder_after_a_swap() {
    let home = stage();
    let seeder = Running::seed(&home, ["model.minimodel", "model.slm"]);
    let offer = seeder.offer();
    fs::create_dir(home.path("elsewhere")).unwrap();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let fetch = Running::start(&mut home.command([&line[..], &["--down", "256KiB"]].concat()));
    wait_for_record(&home, "out");
    fs::rename(home.path("out"), home.path("moved")).unwrap();
    symlink("elsewhere", home.path("out")).unwrap();
    fetch.end().exits(0);
    // The fetch writes into the folder that it opened, wherever its name leads now.
    assert_eq!(fs::read_dir(home.path("elsewhere")).unwrap().count(), 0);
    assert_eq!(home.read(format!("moved/{TARGET}")), model());
    assert!(home.read(format!("moved/{TARGET}.receipt")).starts_with(b"receipt."));
}
