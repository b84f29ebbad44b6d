//! The record of a full check: when `seed` trusts it, and above all when not. The `checked` event says whether the
//! file was read; where it matters, the test counts the bytes that the process read.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};
use minimodel_verifier::sha256;
use serde_json::Value;

use crate::home::{Home, artifact};
use crate::process::{Running, event};

const SEED: [&str; 3] = ["--json", "a.minimodel", "a.slm"];

/// Waits past the two seconds within which a change could leave the same file times as an earlier change.
fn settle() {
    std::thread::sleep(Duration::from_millis(2_100));
}

/// A home whose `a.slm` is old enough for a record, and no record yet.
fn settled() -> Home {
    let home = Home::with_artifact();
    settle();
    home
}

/// A home whose `a.slm` has been checked and recorded.
fn recorded() -> Home {
    let home = settled();
    let read = checked(&home, &SEED);
    assert_eq!((&read["read"], read["because"].as_str()), (&true.into(), Some(NONE)), "{read}");
    assert_eq!(records(&home).len(), 1);
    home
}

const NONE: &str = "there is no record of an earlier check";

/// Seeds until the offer is printed, stops, and returns the `checked` event.
#[track_caller]
fn checked(home: &Home, arguments: &[&str]) -> Value {
    let seeder = Running::seed(home, arguments);
    let ran = seeder.stop().exits(0);
    event(&ran.stdout, "checked")
}

/// A seed that must fail the check of the file.
#[track_caller]
fn refused(home: &Home) {
    let mut command = home.command(["seed", "--consent", "serve", "--listen", "127.0.0.1:0"]);
    let ran = Running::start(command.args(SEED)).end().exits(4);
    assert!(ran.stderr.contains("verify-artifact"), "{}", ran.stderr);
    assert!(!ran.stdout.contains("mm1"), "{}", ran.stdout);
}

#[track_caller]
fn is_read_because(home: &Home, why: &str) {
    let found = checked(home, &SEED);
    assert_eq!(found["read"], true, "{found}");
    assert!(found["because"].as_str().unwrap().contains(why), "{found}");
}

#[track_caller]
fn is_not_read(home: &Home) {
    let found = checked(home, &SEED);
    assert_eq!((&found["read"], &found["because"]), (&false.into(), &Value::Null), "{found}");
    assert!(found["checked_utc"].as_str().unwrap().ends_with('Z'), "{found}");
}

fn records(home: &Home) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.own("state/checked")).map_or_else(|_| Vec::new(), Iterator::collect);
    entries.into_iter().map(|entry| entry.unwrap().path()).collect()
}

/// Bytes that the process has read so far, as the kernel counts them.
fn bytes_read(process: &Running) -> u64 {
    let io = fs::read_to_string(format!("/proc/{}/io", process.pid())).unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[test]
fn checked_and_unchanged_file_is_not_read_again() {
    let home = recorded();
    let record = &records(&home)[0];
    assert_eq!(fs::metadata(record).unwrap().permissions().mode() & 0o777, 0o600);
    let seeder = Running::seed(&home, ["a.minimodel", "a.slm"]);
    seeder.wait_until_said("unchanged since its full check on ");
    seeder.wait_until_said("not read again (--recheck reads it)");
    let read = bytes_read(&seeder);
    let offer = seeder.offer();
    // The unread file is served.
    let line = ["fetch", "a.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    home.run(line).exits(0);
    assert_eq!(home.read("out/sample-model-1.0.0.slm"), artifact());
    seeder.stop().exits(0);
    // Without `--recheck` the seeder reads the manifest, the record and the libraries' files; with it also the whole
    // model.
    let whole = Running::seed(&home, ["a.minimodel", "a.slm", "--recheck"]);
    let read_whole = bytes_read(&whole);
    whole.stop().exits(0);
    assert!(read_whole > read + artifact().len() as u64 / 2, "{read_whole} against {read}");
    is_not_read(&home);
}

#[test]
fn recheck_reads_the_file_whatever_the_record_says() {
    let home = recorded();
    let found = checked(&home, &["--json", "a.minimodel", "a.slm", "--recheck"]);
    assert_eq!((&found["read"], &found["by"]), (&true.into(), &"full check".into()), "{found}");
    assert!(found["because"].as_str().unwrap().contains("--recheck"), "{found}");
}

#[test]
fn every_full_check_that_passes_is_recorded() {
    let home = settled();
    home.say("verify-artifact a.minimodel a.slm").exits(0);
    is_not_read(&home);
    fs::remove_dir_all(home.own("state/checked")).unwrap();
    home.say("write-import-receipt a.minimodel a.slm a.receipt").exits(0);
    is_not_read(&home);
    // Another manifest of the same file has its own record, from its creation.
    let create = "manifest create a.slm -o b.minimodel --model-id b --model-version 1 --publisher-id me \
                  --license-route /l --model-card-route /c";
    home.say(create).exits(0);
    assert_eq!(records(&home).len(), 2);
    assert_eq!(checked(&home, &["--json", "b.minimodel", "a.slm"])["read"], false);
    is_not_read(&home);
}

#[test]
fn a_check_that_fails_is_not_recorded() {
    let home = Home::with_artifact();
    let mut other = artifact();
    let last = other.len() - 1;
    other[last] ^= 1;
    home.write("a.slm", other);
    settle();
    home.say("verify-artifact a.minimodel a.slm").exits(4);
    refused(&home);
    assert!(records(&home).is_empty());
}

#[test]
fn a_record_is_of_one_manifest() {
    let home = recorded();
    let options = ManifestOptions { chunk_size: 32_768, ..ManifestOptions::default() };
    home.write("a.minimodel", ManifestText::of(&artifact(), &options).render());
    is_read_because(&home, NONE);
    assert_eq!(records(&home).len(), 2);
    is_not_read(&home);
}

#[test]
fn in_place_change_is_found_even_with_mtime_restored() {
    let home = recorded();
    let file = OpenOptions::new().write(true).open(home.path("a.slm")).unwrap();
    let before = file.metadata().unwrap();
    let last = before.len() - 1;
    file.write_all_at(&[!artifact()[last as usize]], last).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    let now = file.metadata().unwrap();
    assert_eq!((now.len(), now.mtime_nsec(), now.ino()), (before.len(), before.mtime_nsec(), before.ino()));
    refused(&home);
    // Writing the right bytes again is another change, which the old record does not cover.
    file.write_all_at(&[artifact()[last as usize]], last).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    is_read_because(&home, "its change time is another than at its last check");
}

#[test]
fn a_file_that_was_touched_grown_or_replaced_is_read() {
    let home = recorded();
    let touch = |seconds| {
        let file = OpenOptions::new().write(true).open(home.path("a.slm")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    };
    touch(1_000_000_000);
    is_read_because(&home, "its modification time is another");
    // Another file under the name, with the times of the first: the record of the first is not found. The first file
    // is held open, so that no later file can get its inode.
    let _first = fs::File::open(home.path("a.slm")).unwrap();
    let wrong = slm_vec(&Shape::about(45_000, Quantization::Q4_0).unwrap(), 8);
    home.write("b.slm", &wrong);
    let file = OpenOptions::new().write(true).open(home.path("b.slm")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    settle();
    fs::rename(home.path("b.slm"), home.path("a.slm")).unwrap();
    refused(&home);
    home.write("b.slm", artifact());
    fs::rename(home.path("b.slm"), home.path("a.slm")).unwrap();
    is_read_because(&home, NONE);
    // A longer file, which is refused.
    home.write("a.slm", [artifact(), vec![0; 64]].concat());
    refused(&home);
}

#[test]
fn check_of_a_file_changed_just_before_it_is_not_recorded() {
    let home = Home::with_artifact();
    let file = OpenOptions::new().write(true).open(home.path("a.slm")).unwrap();
    // A user can set the modification time back, but not the change time.
    for _ in 0..50 {
        let changed = Instant::now();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
        let ran = home.say("-v verify-artifact a.minimodel a.slm").exits(0);
        if changed.elapsed() < Duration::from_millis(1_900) {
            let why = "is not recorded: it had changed just before it was read";
            assert!(ran.stderr.contains(why), "{}", ran.stderr);
            assert!(records(&home).is_empty());
            // A modification time in the future is not recorded either.
            settle();
            file.set_modified(SystemTime::now() + Duration::from_secs(3_600)).unwrap();
            settle();
            is_read_because(&home, NONE);
            assert!(records(&home).is_empty());
            return;
        }
        // A machine so slow that the file had settled: its check may be recorded.
        let _ = fs::remove_dir_all(home.own("state/checked"));
    }
    panic!("no check ended within two seconds of the change");
}

#[test]
fn a_damaged_record_costs_a_check_and_is_replaced() {
    let home = recorded();
    let record = records(&home).remove(0);
    let good = fs::read(&record).unwrap();
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let damages = [
        (Vec::new(), "cut short"),
        (good[..good.len() - 1].to_vec(), "cut short"),
        ([&good[..], &[0; 32]].concat(), "cut short, or longer"),
        (with(0, b'X'), "no record of a check"),
        (with(8, 9), "format version 9"),
        (with(good.len() - 40, !good[good.len() - 40]), "checksum is wrong"),
        (vec![0xa5; 1 << 20], "no record of a check"),
    ];
    for (bytes, why) in damages {
        fs::write(&record, bytes).unwrap();
        is_read_because(&home, why);
        is_not_read(&home);
    }
    fs::remove_file(&record).unwrap();
    std::os::unix::fs::symlink(home.path("a.slm"), &record).unwrap();
    is_read_because(&home, "cannot be read");
    is_not_read(&home);
    assert_eq!(home.read("a.slm"), artifact());
    assert_eq!(records(&home).len(), 1);
}

/// Changes a record and makes its checksum right again, as any process can that may write to the folder.
fn forge(home: &Home, change: impl FnOnce(&mut Vec<u8>)) {
    let record = records(home).remove(0);
    let mut bytes = fs::read(&record).unwrap();
    bytes.truncate(bytes.len() - 32);
    change(&mut bytes);
    let sum = sha256(&bytes);
    bytes.extend_from_slice(&sum);
    fs::write(record, bytes).unwrap();
}

#[test]
fn record_with_altered_hashes_check_version_or_sum_is_refused() {
    type Change = fn(&mut Vec<u8>);
    let changes: [(Change, &str); 4] = [
        (|bytes| *bytes.last_mut().unwrap() ^= 1, "another file or manifest"),
        (|bytes| bytes[16] ^= 1, "another file or manifest"),
        (|bytes| bytes[12] ^= 0x40, "another version of the checks"),
        (
            |bytes| {
                // One chunk fewer, with a count that agrees.
                bytes[120] -= 1;
                bytes.truncate(bytes.len() - 32);
            },
            "another file or manifest",
        ),
    ];
    let home = recorded();
    for (change, why) in changes {
        forge(&home, change);
        is_read_because(&home, why);
        is_not_read(&home);
    }
}

// Rows: E14
#[test]
fn bytes_that_changed_without_a_trace_are_never_sent() {
    // As on a failing disk: the record gets the times that the file has after the change.
    let home = recorded();
    let file = OpenOptions::new().write(true).open(home.path("a.slm")).unwrap();
    let at = 20_000;
    file.write_all_at(&[!artifact()[at as usize]], at).unwrap();
    let now = file.metadata().unwrap();
    let nanoseconds = |seconds: i64, part: i64| i128::from(seconds) * 1_000_000_000 + i128::from(part);
    forge(&home, |bytes| {
        bytes[72..88].copy_from_slice(&nanoseconds(now.mtime(), now.mtime_nsec()).to_le_bytes());
        bytes[88..104].copy_from_slice(&nanoseconds(now.ctime(), now.ctime_nsec()).to_le_bytes());
    });
    let seeder = Running::seed(&home, SEED);
    let offer = seeder.offer();
    let line = ["--json", "fetch", "a.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let fetch = Running::start(home.command(line).args(["--stall-timeout", "1500ms"]));
    let seeded = seeder.end().exits(4);
    assert!(seeded.stderr.contains("source changed, stopped sharing"), "{}", seeded.stderr);
    assert_eq!(event(&seeded.stdout, "checked")["read"], false);
    // The fetcher saw no wrong chunk and blames no peer.
    let fetched = fetch.end().exits(7);
    assert!(!fetched.stdout.contains("peer-banned"), "{}", fetched.stdout);
    // The record is gone, so it does not vouch for the file a second time.
    assert!(records(&home).is_empty());
    refused(&home);
}

#[test]
fn a_fetched_file_is_not_read_again_before_it_is_seeded() {
    let home = Home::with_artifact();
    let seeder = Running::seed(&home, ["a.minimodel", "a.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "a.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    home.run(line).exits(0);
    seeder.stop().exits(0);
    let fetched = ["--json", "a.minimodel", "out/sample-model-1.0.0.slm"];
    let found = checked(&home, &fetched);
    assert_eq!((&found["read"], &found["by"]), (&false.into(), &"fetch".into()), "{found}");
    // A second fetch reads the file that is there.
    let again = Running::seed(&home, ["a.minimodel", "a.slm"]);
    let offer = again.offer();
    let line = ["-v", "fetch", "a.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let ran = home.run(line).exits(0);
    assert!(ran.stderr.contains("already here, and every check passed"), "{}", ran.stderr);
    again.stop().exits(0);
    // After a change of its times the file is read.
    let file = OpenOptions::new().write(true).open(home.path("out/sample-model-1.0.0.slm")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(checked(&home, &fetched)["read"], true);
}

#[test]
fn a_folder_that_takes_no_record_is_no_failure() {
    let home = settled();
    fs::create_dir_all(home.own("state")).unwrap();
    fs::write(home.own("state/checked"), "in the way").unwrap();
    for _ in 0..2 {
        is_read_because(&home, NONE);
    }
    let ran = home.say("verify-artifact a.minimodel a.slm").exits(0);
    assert_eq!(ran.stderr, "");
    let ran = home.say("-v verify-artifact a.minimodel a.slm").exits(0);
    assert!(ran.stderr.contains("is not recorded"), "{}", ran.stderr);
    assert_eq!(fs::read(home.own("state/checked")).unwrap(), b"in the way");
    // Nor does a folder without write permission, where permissions bind this user at all.
    fs::remove_file(home.own("state/checked")).unwrap();
    fs::create_dir(home.own("state/checked")).unwrap();
    fs::set_permissions(home.own("state/checked"), fs::Permissions::from_mode(0o500)).unwrap();
    home.say("verify-artifact a.minimodel a.slm").exits(0);
}

#[test]
fn without_a_home_a_check_is_a_check() {
    let home = settled();
    let mut command = home.command(["-v", "verify-artifact", "a.minimodel", "a.slm"]);
    let ran = Running::start(command.env_remove("MINIMODEL_HOME")).end().exits(0);
    assert!(
        ran.stderr.contains("is not recorded: the state folder of minimodel is not known"),
        "{}",
        ran.stderr
    );
    assert_eq!(home.names(), ["a.minimodel", "a.slm"]);
}
