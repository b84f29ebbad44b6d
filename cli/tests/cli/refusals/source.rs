//! A file that changes while it is seeded: the share stops and reports it, and the fetcher loses nothing.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use super::disk::{only_the_rest_comes, wait_for_record};
use super::stage::{PART, TARGET, hint, model, names, stage};
use crate::home::Home;
use crate::process::{Running, event};

/// Changes the file during a fetch, checks the end of both sides, then completes the fetch from an honest seeder.
#[track_caller]
fn change(change: impl FnOnce(&Home)) {
    let home = stage();
    home.write("source.slm", model());
    let seeder = Running::seed(&home, ["model.minimodel", "source.slm"]);
    let offer = seeder.offer();
    let line = ["fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    // Slow enough that the change comes in time on a machine with other work.
    let slowly = ["--down", "64KiB", "--stall-timeout", "3s"];
    let fetch = Running::start(&mut home.command([&line[..], &slowly].concat()));
    wait_for_record(&home, "out");
    change(&home);

    let seeded = seeder.end().exits(4);
    names(&seeded, &["source changed, stopped sharing", "`source.slm`"]);
    assert!(hint(&seeded).contains("put the artifact back"), "{}", seeded.stderr);
    let fetched = fetch.end().exits(7);
    names(&fetched, &["nothing came from any peer"]);
    assert!(hint(&fetched).contains("it resumes"), "{}", fetched.stderr);
    assert_eq!(fetched.stdout, "");
    assert!(!home.path("out").join(TARGET).exists() && home.path("out").join(PART).exists());

    let honest = Running::seed(&home, ["model.minimodel", "model.slm"]);
    assert!(only_the_rest_comes(&home, "out", &honest.offer()) > 0);
}

// Rows: E14
#[test]
fn source_overwritten_in_place_ends_the_share_and_loses_nothing() {
    change(|home| {
        let file = OpenOptions::new().write(true).open(home.path("source.slm")).unwrap();
        file.write_all_at(&vec![0xa5; model().len()], 0).unwrap();
    });
}

// Rows: E14
#[test]
fn a_source_that_is_truncated_ends_the_share_and_loses_nothing() {
    change(|home| {
        let file = OpenOptions::new().write(true).open(home.path("source.slm")).unwrap();
        file.set_len(model().len() as u64 / 2).unwrap();
    });
}

// Rows: E14
#[test]
fn a_source_that_grows_ends_the_share_and_loses_nothing() {
    change(|home| {
        let mut file = OpenOptions::new().append(true).open(home.path("source.slm")).unwrap();
        file.write_all(b"one more line").unwrap();
    });
}

// Rows: E14
#[test]
fn a_source_that_is_emptied_ends_the_share_and_loses_nothing() {
    change(|home| drop(File::create(home.path("source.slm")).unwrap()));
}

/// Changes the name or times of the file during a fetch, which must not notice.
#[track_caller]
fn does_not_matter(change: impl FnOnce(&Home)) {
    let home = stage();
    home.write("source.slm", model());
    let seeder = Running::seed(&home, ["model.minimodel", "source.slm"]);
    let offer = seeder.offer();
    let line =
        ["--json", "fetch", "model.minimodel", "--peer", &offer, "-o", "out", "--consent", "fetch,import"];
    let fetch = Running::start(&mut home.command([&line[..], &["--down", "256KiB"]].concat()));
    wait_for_record(&home, "out");
    change(&home);
    let fetched = fetch.end().exits(0);
    assert_eq!(event(&fetched.stdout, "done")["received_bytes"], model().len() as u64);
    assert_eq!(home.read(format!("out/{TARGET}")), model());
    seeder.stop().exits(0);
}

// Rows: E14
#[test]
fn a_source_that_is_replaced_by_rename_goes_on() {
    does_not_matter(|home| {
        home.write("other.slm", vec![0xa5; model().len()]);
        fs::rename(home.path("other.slm"), home.path("source.slm")).unwrap();
    });
}

// Rows: E14
#[test]
fn a_source_that_is_unlinked_goes_on() {
    does_not_matter(|home| fs::remove_file(home.path("source.slm")).unwrap());
}

// Rows: E14
#[test]
fn source_touched_or_rewritten_with_same_bytes_is_still_shared() {
    does_not_matter(|home| {
        let file = OpenOptions::new().write(true).open(home.path("source.slm")).unwrap();
        file.write_all_at(model(), 0).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    });
}
