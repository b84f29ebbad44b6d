//! Real files: obstacles at the store's names, the lock, and the last steps of an import.

use std::fs;
use std::sync::Barrier;
use std::thread;

use minimodel_swarm::store::{Placed, Published, StoreError};

use minimodel_verifier::artifact::{ArtifactName, Format};

use super::{Artifact, NAME, OPENER, real};

const STATE: &str = "tiny-1.0.slm.part.state";
const PART: &str = "tiny-1.0.slm.part";
const TARGET: &str = "tiny-1.0.slm";

// Rows: E12
#[test]
fn a_second_opener_is_told_who_holds_the_part() {
    let artifact = Artifact::new(2 * 16_384);
    let directory = tempfile::tempdir().unwrap();
    let (part, _) = artifact.open(real(directory.path())).unwrap();
    let error = artifact.open(real(directory.path())).unwrap_err();
    let StoreError::Busy { path, pid } = error else { panic!("{error:?}") };
    assert_eq!((path, pid), (directory.path().join(STATE), Some(OPENER.pid)));
    drop(part);
    artifact.open(real(directory.path())).unwrap();
}

// Rows: E12
#[test]
fn of_two_that_begin_at_once_one_gets_the_part() {
    let artifact = Artifact::new(2 * 16_384);
    for _ in 0..100 {
        let directory = tempfile::tempdir().unwrap();
        let start = Barrier::new(2);
        let open = || {
            start.wait();
            artifact.open(real(directory.path()))
        };
        let both = thread::scope(|scope| {
            let threads = [scope.spawn(open), scope.spawn(open)];
            threads.map(|thread| thread.join().unwrap())
        });
        let [one, other] = both.each_ref().map(Result::is_ok);
        assert!(one != other, "{both:?}");
        let busy = both.iter().filter(|answer| matches!(answer, Err(StoreError::Busy { .. }))).count();
        assert_eq!(busy, 1);
    }
}

// Rows: E11
#[test]
fn a_target_that_is_there_is_not_touched() {
    let artifact = Artifact::new(2 * 16_384);
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join(TARGET);
    let (part, _) = artifact.open(real(directory.path())).unwrap();
    artifact.keep_missing(&part).unwrap();
    fs::write(&target, b"somebody's").unwrap();
    let error = part.publish().unwrap_err();
    assert!(matches!(&error, StoreError::TargetExists { path } if *path == target));
    drop(part);
    assert!(matches!(artifact.open(real(directory.path())).unwrap_err(), StoreError::TargetExists { .. }));
    assert_eq!(fs::read(&target).unwrap(), b"somebody's");
    fs::remove_file(&target).unwrap();
    let (part, resumed) = artifact.open(real(directory.path())).unwrap();
    assert_eq!(resumed.have, [0, 1]);
    // Publishing twice changes nothing: the caller may try again after an error.
    part.publish().unwrap();
    let published = part.publish().unwrap();
    assert_eq!(published.path(), target);
    assert!(published.finish(b"m", Some(b"r")).is_closed);
    let left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

// Rows: E11
#[test]
fn copies_that_differ_are_left_alone_and_told() {
    let artifact = Artifact::new(16_384);
    let directory = tempfile::tempdir().unwrap();
    let receipt = directory.path().join("tiny-1.0.slm.receipt");
    fs::write(&receipt, b"older").unwrap();
    let (part, _) = artifact.open(real(directory.path())).unwrap();
    artifact.keep_missing(&part).unwrap();
    let published = part.publish().unwrap();
    let finished = published.finish(b"m", Some(b"r"));
    assert!(matches!(&finished.receipt, Some(Placed::Different { path }) if *path == receipt));
    assert!(matches!(finished.manifest, Placed::Written) && !finished.is_closed);
    assert_eq!(fs::read(&receipt).unwrap(), b"older");
    assert!(directory.path().join(STATE).exists());
    published.close().unwrap();
    assert!(!directory.path().join(STATE).exists());
}

// Rows: D14
#[test]
fn a_whole_but_invalid_file_is_put_aside_and_never_over_another() {
    let artifact = Artifact::new(16_384);
    let directory = tempfile::tempdir().unwrap();
    for name in ["tiny-1.0.slm.invalid", "tiny-1.0.slm.invalid.2"] {
        let (part, _) = artifact.open(real(directory.path())).unwrap();
        assert!(matches!(part.quarantine().unwrap_err(), StoreError::Incomplete { missing: 1, .. }));
        artifact.keep_missing(&part).unwrap();
        assert_eq!(part.quarantine().unwrap(), directory.path().join(name));
        assert!(!directory.path().join(PART).exists() && !directory.path().join(STATE).exists());
    }
    assert!(Published::resume(real(directory.path()), &NAME, &artifact.spec).unwrap().is_none());
}

#[test]
fn a_rename_that_a_crash_cut_in_half_is_completed() {
    let artifact = Artifact::new(2 * 16_384);
    let directory = tempfile::tempdir().unwrap();
    let (part, _) = artifact.open(real(directory.path())).unwrap();
    artifact.keep_missing(&part).unwrap();
    part.sync().unwrap();
    drop(part);
    // State between link and unlink, where the file system has no rename without replacing.
    fs::hard_link(directory.path().join(PART), directory.path().join(TARGET)).unwrap();
    let (published, _) = Published::resume(real(directory.path()), &NAME, &artifact.spec).unwrap().unwrap();
    assert!(!directory.path().join(PART).exists());
    assert!(published.finish(b"m", None).is_closed);
    assert_eq!(fs::read(directory.path().join(TARGET)).unwrap(), artifact.bytes);
}

#[test]
fn a_longer_file_of_an_earlier_artifact_is_cut() {
    let artifact = Artifact::new(2 * 16_384);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(PART), vec![7; 100_000]).unwrap();
    let (part, resumed) = artifact.open(real(directory.path())).unwrap();
    assert!(resumed.data_without_record);
    artifact.keep_missing(&part).unwrap();
    part.publish().unwrap();
    assert_eq!(fs::read(directory.path().join(TARGET)).unwrap(), artifact.bytes);
}

// Rows: D6
#[test]
fn a_stem_with_a_slash_is_no_name() {
    let directory = tempfile::tempdir().unwrap();
    for stem in ["", "../x", "a/b", "a\0b"] {
        let artifact = Artifact::new(16_384);
        let name = ArtifactName::new(stem, Format::Slm);
        let opened = minimodel_swarm::store::Part::open(real(directory.path()), &name, artifact.spec, OPENER);
        assert!(matches!(opened.unwrap_err(), StoreError::BadName { .. }));
    }
}
