//! Disks that are full, lie about a sync, or write in small pieces.

use std::io;
use std::time::Duration;

use minimodel_swarm::store::{Disk as _, DiskFile as _, MemDisk, Open, Part, Placed, RepairIf, StoreError};

use super::{ANNA, Artifact};

// Rows: E5
#[test]
fn failed_sync_stops_writing_and_unsynced_chunk_is_not_trusted() {
    let artifact = Artifact::new(4 * 16_384);
    let disk = MemDisk::new();
    let (part, _) = artifact.open(disk.clone()).unwrap();
    artifact.keep(&part, 0).unwrap();
    part.sync().unwrap();
    artifact.keep(&part, 1).unwrap();
    disk.fail_call(disk.calls(), io::ErrorKind::Other);
    let is_sync_failure = |error: &StoreError| matches!(error, StoreError::SyncFailed { path, .. } if path.ends_with("tiny-1.0.slm.part"));
    assert!(is_sync_failure(&part.sync().unwrap_err()));
    // The disk would sync now, but a failed sync is never retried.
    assert!(is_sync_failure(&part.sync().unwrap_err()));
    assert!(is_sync_failure(&part.sync_if_due(Duration::from_secs(9)).unwrap_err()));
    assert!(is_sync_failure(&artifact.keep(&part, 2).unwrap_err()));
    assert!(is_sync_failure(&part.record_blame(ANNA, 1, [0; 32], 0).unwrap_err()));
    drop(part);
    let (part, resumed) = artifact.open(disk).unwrap();
    assert_eq!(resumed.have, [0]);
    artifact.keep_missing(&part).unwrap();
    part.publish().unwrap();
}

// Rows: E6
#[test]
fn full_disk_names_the_file_and_same_part_resumes_with_room() {
    let artifact = Artifact::new(4 * 16_384);
    let disk = MemDisk::new();
    let (part, _) = artifact.open(disk.clone()).unwrap();
    disk.limit_space(Some(40_000));
    let error = part.check_space().unwrap_err();
    assert!(matches!(error, StoreError::NoSpace { needed: 65_536, free: Some(free), .. } if free < 40_000));

    artifact.keep(&part, 0).unwrap();
    artifact.keep(&part, 1).unwrap();
    let error = artifact.keep(&part, 2).unwrap_err();
    let StoreError::NoSpace { path, needed, free } = error else { panic!("{error:?}") };
    assert!(path.ends_with("tiny-1.0.slm.part"));
    assert_eq!((needed, free), (32_768, Some(0)));
    assert_eq!(part.have(), [0, 1]);

    disk.limit_space(None);
    part.check_space().unwrap();
    artifact.keep_missing(&part).unwrap();
    drop(part);
    assert_eq!(artifact.open(disk).unwrap().1.have, [0, 1, 2, 3]);
}

// Rows: E6
#[test]
fn record_that_cannot_grow_is_named_and_chunk_is_not_counted() {
    let artifact = Artifact::new(2 * 16_384);
    let disk = MemDisk::new();
    let (part, _) = artifact.open(disk.clone()).unwrap();
    let used = disk.names().iter().map(|name| disk.contents(name).unwrap().len() as u64).sum::<u64>();
    disk.limit_space(Some(used + 16_384 + 20));
    let error = artifact.keep(&part, 0).unwrap_err();
    assert!(matches!(&error, StoreError::NoSpace { path, .. } if path.ends_with("tiny-1.0.slm.part.state")));
    assert!(!part.has(0));
    disk.limit_space(None);
    artifact.keep_missing(&part).unwrap();
    drop(part);
    let (_, resumed) = artifact.open(disk).unwrap();
    assert_eq!((resumed.have, resumed.dropped_bytes), (vec![0, 1], 0));
}

// Rows: E6, E18
#[test]
fn a_receipt_without_room_is_told_and_written_by_the_next_try() {
    let artifact = Artifact::new(16_384);
    let disk = MemDisk::new();
    let (part, _) = artifact.open(disk.clone()).unwrap();
    artifact.keep_missing(&part).unwrap();
    let published = part.publish().unwrap();
    let used = disk.names().iter().map(|name| disk.contents(name).unwrap().len() as u64).sum::<u64>();
    disk.limit_space(Some(used + 10));
    let finished = published.finish(b"manifest", Some(b"a receipt that is longer"));
    assert!(matches!(finished.manifest, Placed::Written));
    assert!(matches!(finished.receipt, Some(Placed::Failed(StoreError::NoSpace { .. }))));
    assert!(!finished.is_closed);
    assert!(disk.contents("tiny-1.0.slm.receipt").is_none());
    disk.limit_space(None);
    let finished = published.finish(b"manifest", Some(b"a receipt that is longer"));
    assert!(matches!((&finished.manifest, &finished.receipt), (Placed::Same, Some(Placed::Written))));
    assert!(finished.is_closed);
    assert_eq!(disk.names(), ["tiny-1.0.minimodel", "tiny-1.0.slm", "tiny-1.0.slm.receipt"]);
}

// Rows: E7
#[test]
fn a_file_size_limit_and_a_quota_are_named_as_no_space() {
    let artifact = Artifact::new(16_384);
    for kind in [io::ErrorKind::FileTooLarge, io::ErrorKind::QuotaExceeded] {
        let disk = MemDisk::new();
        let (part, _) = artifact.open(disk.clone()).unwrap();
        disk.fail_call(disk.calls(), kind);
        assert!(matches!(artifact.keep(&part, 0).unwrap_err(), StoreError::NoSpace { needed: 16_384, .. }));
        artifact.keep(&part, 0).unwrap();
    }
}

// Rows: E15
#[test]
fn writes_in_small_pieces_and_interruptions_are_completed() {
    let artifact = Artifact::new(3 * 16_384 + 5);
    let disk = MemDisk::new();
    disk.limit_write(Some(1000));
    let (part, _) = artifact.open(disk.clone()).unwrap();
    disk.fail_call(disk.calls() + 3, io::ErrorKind::Interrupted);
    artifact.keep_missing(&part).unwrap();
    part.publish().unwrap();
    assert_eq!(disk.contents("tiny-1.0.slm").unwrap(), artifact.bytes);
}

// Rows: E8
#[test]
fn a_read_only_directory_is_named_before_anything_is_made() {
    let disk = MemDisk::new();
    disk.fail_call(0, io::ErrorKind::ReadOnlyFilesystem);
    let error = Artifact::new(16_384).open(disk.clone()).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { path } if path == disk.path("tiny-1.0.slm.part")));
    disk.fail_call(1, io::ErrorKind::PermissionDenied);
    let error = Artifact::new(16_384).open(disk.clone()).unwrap_err();
    assert!(matches!(error, StoreError::Permission { .. }));
    assert!(disk.names().is_empty());
}

// Rows: E2, E4
#[test]
fn rescanned_chunks_and_blames_are_synced_like_kept_chunks() {
    let artifact = Artifact::new(3 * 16_384);
    let disk = MemDisk::new();
    let data = disk.open("tiny-1.0.slm.part", Open::New).unwrap();
    data.write_all_at(&artifact.bytes, 0).unwrap();
    let condition = RepairIf::MostIsGood;
    let opened = Part::open_in_place(disk.clone(), &super::NAME, artifact.spec, super::OPENER, condition);
    let (part, _) = opened.unwrap();
    part.sync_if_due(Duration::from_secs(10)).unwrap();
    assert!(!part.has_unsynced());
    let leaves = (0..3).map(|index| *artifact.tree.chunk_hash(index).unwrap()).collect();
    assert_eq!(part.rescan(leaves).unwrap(), [0, 1, 2]);
    assert!(part.has_unsynced(), "the entries of what was found");
    part.sync_if_due(Duration::from_secs(12)).unwrap();
    part.record_blame(ANNA, 1, [0; 32], 7).unwrap();
    assert!(part.has_unsynced(), "the blame");
    part.sync_if_due(Duration::from_secs(14)).unwrap();
    drop(part);
    let (_, resumed) = artifact.open(disk.crashed(minimodel_swarm::store::Crash::LoseUnsynced)).unwrap();
    assert_eq!((resumed.have, resumed.blames.len()), (vec![0, 1, 2], 1));
}

#[test]
fn what_is_unsynced_is_synced_after_two_seconds_and_not_before() {
    let artifact = Artifact::new(2 * 16_384);
    let disk = MemDisk::new();
    let (part, _) = artifact.open(disk.clone()).unwrap();
    part.sync().unwrap();
    part.sync_if_due(Duration::from_secs(100)).unwrap();
    artifact.keep(&part, 0).unwrap();
    let lost = |disk: &MemDisk| {
        let after = disk.crashed(minimodel_swarm::store::Crash::LoseUnsynced);
        artifact.open(after).unwrap().1.have
    };
    part.sync_if_due(Duration::from_millis(101_999)).unwrap();
    assert_eq!(lost(&disk), [0_u32; 0]);
    part.sync_if_due(Duration::from_millis(102_000)).unwrap();
    assert_eq!(lost(&disk), [0]);
}
