//! Real files with what only Unix lets every user make: symbolic links, named pipes, modes, folders that go while they are open.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use minimodel_swarm::store::{Disk as _, DiskFile as _, Open, RealDisk, Refusal, SourceFile, StoreError};

use super::{Artifact, real};

const STATE: &str = "tiny-1.0.slm.part.state";
const PART: &str = "tiny-1.0.slm.part";
const TARGET: &str = "tiny-1.0.slm";

// Rows: E9
#[test]
fn symlink_pipe_directory_and_hard_link_are_refused_by_kind() {
    let artifact = Artifact::new(16_384);
    type Plant = fn(&Path);
    let plant: [(Refusal, Plant); 5] = [
        (Refusal::Symlink, |path| symlink(path.with_file_name("elsewhere"), path).unwrap()),
        (Refusal::Symlink, |path| symlink("/nonexistent/x", path).unwrap()),
        (Refusal::Directory, |path| fs::create_dir(path).unwrap()),
        (Refusal::Fifo, |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        (Refusal::HardLink, |path| fs::hard_link(path.with_file_name("elsewhere"), path).unwrap()),
    ];
    for name in [PART, STATE] {
        for (expected, plant) in plant {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join("elsewhere"), b"precious").unwrap();
            plant(&directory.path().join(name));
            let error = artifact.open(real(directory.path())).unwrap_err();
            let StoreError::Refused { path, found } = error else { panic!("{name}: {error:?}") };
            assert_eq!((path, found), (directory.path().join(name), expected));
            assert_eq!(fs::read(directory.path().join("elsewhere")).unwrap(), b"precious");
        }
    }
}

// Rows: E10
#[test]
fn a_symlink_that_comes_and_goes_is_never_written_through() {
    let directory = tempfile::tempdir().unwrap();
    let (name, precious) = (directory.path().join(PART), directory.path().join("precious"));
    fs::write(&precious, b"precious").unwrap();
    symlink("precious", directory.path().join("link")).unwrap();
    let disk = real(directory.path());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                fs::rename(directory.path().join("link"), &name).unwrap();
                fs::rename(&name, directory.path().join("link")).unwrap();
            }
        });
        for _ in 0..10_000 {
            let made = disk.open(PART, Open::New).or_else(|_| disk.open(PART, Open::Existing));
            if let Ok(file) = made {
                file.write_all_at(b"written", 0).unwrap();
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read(&precious).unwrap(), b"precious");
}

// Rows: E10
#[test]
fn a_part_that_was_swapped_is_never_given_the_final_name() {
    let artifact = Artifact::new(2 * 16_384);
    let directory = tempfile::tempdir().unwrap();
    let (part, _) = artifact.open(real(directory.path())).unwrap();
    artifact.keep_missing(&part).unwrap();
    fs::rename(directory.path().join(PART), directory.path().join("moved")).unwrap();
    symlink("moved", directory.path().join(PART)).unwrap();
    assert!(matches!(part.publish().unwrap_err(), StoreError::Replaced { .. }));
    assert!(!directory.path().join(TARGET).exists());
    fs::rename(directory.path().join("moved"), directory.path().join(PART)).unwrap();
    part.publish().unwrap();
}

// Rows: E8
#[test]
fn missing_and_forbidden_directories_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let gone = directory.path().join("gone");
    assert!(matches!(RealDisk::open(&gone).unwrap_err(), StoreError::Vanished { path } if path == gone));
    fs::create_dir(&gone).unwrap();
    let artifact = Artifact::new(16_384);
    let disk = real(&gone);
    fs::remove_dir(&gone).unwrap();
    assert!(matches!(artifact.open(disk).unwrap_err(), StoreError::Vanished { .. }));

    let closed = directory.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    // No permission binds root.
    if !rustix::process::geteuid().is_root() {
        assert!(matches!(artifact.open(real(&closed)).unwrap_err(), StoreError::Permission { .. }));
    }
    assert!(fs::read_dir(&closed).unwrap().next().is_none() || rustix::process::geteuid().is_root());
}

// Rows: E9
#[test]
fn what_is_no_plain_file_is_not_seeded() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    symlink("x", &link).unwrap();
    assert!(matches!(SourceFile::open(&link), Err(StoreError::Refused { found: Refusal::Symlink, .. })));
    let found = SourceFile::open(directory.path());
    assert!(matches!(found, Err(StoreError::Refused { found: Refusal::Directory, .. })));
    assert!(matches!(SourceFile::open(&directory.path().join("no")), Err(StoreError::Vanished { .. })));
}
