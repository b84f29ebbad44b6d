//! The seeding side on a bad disk: every read fails once, and bytes go bad under a file that is shared.

use std::io::ErrorKind;
use std::sync::Arc;

use minimodel_swarm::store::{
    Change, ChunkSource, Disk as _, DiskFile as _, FileSource, MemDisk, MemFile, Open, Part, SourceError,
    SourceFile,
};
use minimodel_verifier::chunk::verify_chunk;
use minimodel_verifier::sha256;

use super::{Artifact, NAME, OPENER};

const FILE: &str = "tiny-1.0.slm";

fn disk_with(artifact: &Artifact) -> MemDisk {
    let disk = MemDisk::new();
    disk.open(FILE, Open::New).unwrap().write_all_at(&artifact.bytes, 0).unwrap();
    disk
}

fn shared(artifact: &Artifact, disk: &MemDisk, is_unread: bool) -> Result<FileSource<MemFile>, SourceError> {
    let file = SourceFile::in_disk(disk, FILE)?;
    let begin = if is_unread { FileSource::unread } else { FileSource::new };
    begin(file, artifact.spec.layout, Arc::new(artifact.tree.clone()))
}

/// Reads every chunk: it is right, or the error is one of the seeder's own disk. Returns the number of failures.
fn failures_of(artifact: &Artifact, source: &dyn ChunkSource, case: &str) -> u32 {
    let mut failures = 0;
    for index in 0..artifact.spec.layout.count() {
        match source.chunk(index) {
            Ok(chunk) => {
                let count = artifact.spec.layout.count();
                verify_chunk(&artifact.spec.root, count, index, &sha256(&chunk.bytes), &chunk.proof)
                    .unwrap_or_else(|error| {
                        panic!("{case}: chunk {index} was handed out and is wrong: {error}")
                    });
            }
            Err(SourceError::Disk(_)) => failures += 1,
            Err(error) => panic!("{case}: {error}"),
        }
    }
    failures
}

// Rows: E14, E15
#[test]
fn each_failing_read_is_one_error_and_the_share_goes_on() {
    let artifact = Artifact::new(3 * 16_384 + 9);
    for error in [ErrorKind::Other, ErrorKind::Interrupted, ErrorKind::PermissionDenied] {
        for is_unread in [false, true] {
            let quiet = disk_with(&artifact);
            let start = quiet.calls();
            failures_of(&artifact, &shared(&artifact, &quiet, is_unread).unwrap(), "nothing fails");
            for number in start..quiet.calls() {
                let disk = disk_with(&artifact);
                disk.fail_call(number, error);
                let case = format!("{error} at call {number}");
                let Ok(source) = shared(&artifact, &disk, is_unread) else { continue };
                let failures = failures_of(&artifact, &source, &case);
                assert!(failures <= 1, "{case}: {failures} failures");
                assert_eq!(failures_of(&artifact, &source, &case), 0, "{case}: it goes on");
                assert_eq!(source.change(), None, "{case}: a failed read is no change of the file");
            }
        }
    }
}

// Rows: E15
#[test]
fn short_or_interrupted_reads_are_completed_when_seeding() {
    let artifact = Artifact::new(3 * 16_384 + 9);
    let disk = disk_with(&artifact);
    disk.limit_read(Some(1_000));
    let source = shared(&artifact, &disk, true).unwrap();
    // Every second read between the two checks of the file that surround each chunk is interrupted (EINTR).
    let reads = disk.calls() + 1..disk.calls() + 17;
    reads.step_by(2).for_each(|number| disk.fail_call(number, ErrorKind::Interrupted));
    assert_eq!(source.chunk(0).unwrap().bytes, artifact.chunk(0));
    assert_eq!(failures_of(&artifact, &source, "short reads"), 0);
}

// Rows: E14
#[test]
fn bit_rot_is_found_before_unread_or_suspected_chunk_is_sent() {
    let artifact = Artifact::new(3 * 16_384 + 9);
    for index in 0..artifact.spec.layout.count() {
        for is_unread in [false, true] {
            let disk = disk_with(&artifact);
            let source = shared(&artifact, &disk, is_unread).unwrap();
            if !is_unread {
                // No file time changed: only a peer's complaint can reveal the rot.
                source.suspect();
            }
            assert!(disk.rot(FILE, artifact.spec.layout.offset(index) + 8, 0x10));
            let Err(SourceError::Changed { what, .. }) = source.chunk(index) else { panic!("chunk {index}") };
            assert_eq!(what, Change::Content { index });
            assert!((0..4).all(|other| source.chunk(other).is_err()), "the share is over");
        }
    }
}

// Rows: E14
#[test]
fn share_cut_or_overwritten_while_serving_ends_with_the_change() {
    let artifact = Artifact::new(3 * 16_384);
    let disk = disk_with(&artifact);
    let writer = disk.open(FILE, Open::Existing).unwrap();
    let source = shared(&artifact, &disk, false).unwrap();
    source.chunk(0).unwrap();
    writer.write_all_at(&[9; 5], 16_384).unwrap();
    // The file times changed: the source is suspicious from here on, and an unchanged chunk is still served.
    source.chunk(2).unwrap();
    assert!(matches!(source.chunk(1), Err(SourceError::Changed { what: Change::Content { index: 1 }, .. })));

    let source = shared(&artifact, &disk_with(&artifact), false).unwrap();
    source.chunk(0).unwrap();
    let disk = disk_with(&artifact);
    let source_of_cut = shared(&artifact, &disk, false).unwrap();
    disk.open(FILE, Open::Existing).unwrap().set_len(20_000).unwrap();
    let cut = Change::Length { was: 49_152, now: 20_000 };
    assert!(matches!(source_of_cut.chunk(0), Err(SourceError::Changed { what, .. }) if what == cut));
}

// Rows: E13, E14
#[test]
fn rotten_chunk_of_a_served_part_is_given_up_once_suspected() {
    let artifact = Artifact::new(3 * 16_384 + 9);
    let disk = MemDisk::new();
    let (part, _) = Part::open(disk.clone(), &NAME, artifact.spec, OPENER).unwrap();
    artifact.keep_missing(&part).unwrap();
    assert!(disk.rot("tiny-1.0.slm.part", 16_384 + 1, 1));
    part.suspect();
    assert!(matches!(part.chunk(1), Err(SourceError::Rotten { index: 1, .. })));
    assert!(!part.has(1) && part.has(0) && part.chunk(0).is_ok());
    artifact.keep(&part, 1).unwrap();
    assert_eq!(part.chunk(1).unwrap().bytes, artifact.chunk(1));
    part.publish().unwrap();
}
