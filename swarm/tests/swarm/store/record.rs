//! The record between runs: damage, other owners, loss, and the rescan that finds chunks without it.

use minimodel_swarm::store::{
    Blame, ChunkSource as _, Disk as _, DiskFile as _, MAX_BLAMES, MemDisk, Open, Published, SourceError,
    StoreError, Supplied,
};
use minimodel_verifier::chunk::{Layout, ProofError};
use proptest::prelude::*;

use super::{ANNA, Artifact, BERT, NAME};

const STATE: &str = "tiny-1.0.slm.part.state";
const PART: &str = "tiny-1.0.slm.part";

/// A disk with chunks 0 to 3 of five kept and synced.
fn four_of_five() -> (Artifact, MemDisk) {
    let artifact = Artifact::new(4 * 16_384 + 100);
    let disk = MemDisk::new();
    let (part, _) = artifact.open(disk.clone()).unwrap();
    for index in 0..4 {
        artifact.keep(&part, index).unwrap();
    }
    part.sync().unwrap();
    (artifact, disk)
}

fn overwrite(disk: &MemDisk, name: &str, bytes: &[u8], offset: u64) {
    disk.open(name, Open::Existing).unwrap().write_all_at(bytes, offset).unwrap();
}

// Rows: E3
#[test]
fn a_record_of_other_content_is_named_and_left_alone() {
    let (artifact, disk) = four_of_five();
    let before = disk.contents(STATE);
    let mut other = artifact.spec;
    other.swarm_id = [7; 32];
    let error = minimodel_swarm::store::Part::open(disk.clone(), &NAME, other, super::OPENER).unwrap_err();
    let StoreError::ForeignSwarm { path, found, expected } = error else { panic!("{error:?}") };
    assert_eq!((path, found, expected), (disk.path(STATE), artifact.spec.swarm_id, [7; 32]));

    let mut other = artifact.spec;
    other.layout = Layout::new(artifact.spec.layout.byte_count(), 32_768).unwrap();
    let error = minimodel_swarm::store::Part::open(disk.clone(), &NAME, other, super::OPENER).unwrap_err();
    assert!(matches!(error, StoreError::ForeignLayout { found, expected, .. }
        if (found.chunk_count, expected.chunk_count) == (5, 3)));
    assert_eq!(disk.contents(STATE), before);
}

// Rows: E3, E4
#[test]
fn damaged_header_is_kept_aside_and_rescan_finds_good_chunks() {
    let (artifact, disk) = four_of_five();
    overwrite(&disk, STATE, &[0xFF], 20);
    overwrite(&disk, PART, &[1, 2, 3], 2 * 16_384);
    let (part, resumed) = artifact.open(disk.clone()).unwrap();
    assert!(resumed.have.is_empty() && resumed.damaged && resumed.data_without_record);
    assert!(disk.names().contains(&format!("{STATE}.damaged")));
    assert_eq!(part.rescan(artifact.tree.chunk_hashes().to_vec()).unwrap(), [0, 1, 3]);
    assert_eq!(part.rescan(artifact.tree.chunk_hashes().to_vec()).unwrap(), [0_u32; 0]);
    assert_eq!(part.found_here(), Supplied { chunks: 3, bytes: 3 * 16_384 });
    assert!(part.suppliers().is_empty(), "nobody is credited with what was found here");
    drop(part);
    let (part, resumed) = artifact.open(disk).unwrap();
    assert_eq!((resumed.have, resumed.found_here.chunks, resumed.damaged), (vec![0, 1, 3], 3, false));
    artifact.keep_missing(&part).unwrap();
    part.publish().unwrap();
}

// Rows: E4
#[test]
fn a_lost_record_is_told_and_wrong_leaf_hashes_are_refused() {
    let (artifact, disk) = four_of_five();
    disk.remove(STATE).unwrap();
    let (part, resumed) = artifact.open(disk).unwrap();
    assert!(resumed.have.is_empty() && resumed.data_without_record && !resumed.damaged);
    let mut leaves = artifact.tree.chunk_hashes().to_vec();
    leaves[3][0] ^= 1;
    let error = part.rescan(leaves.clone()).unwrap_err();
    assert!(matches!(error, StoreError::ForeignLeaves { reason: ProofError::Root, .. }));
    leaves.pop();
    assert!(matches!(part.rescan(leaves).unwrap_err(), StoreError::ForeignLeaves { .. }));
    assert!(part.have().is_empty());
}

// Rows: E3
#[test]
fn damaged_middle_is_told_and_record_goes_on_after_good_entries() {
    let artifact = Artifact::new(40 * 16_384);
    let disk = MemDisk::new();
    let (part, _) = artifact.open(disk.clone()).unwrap();
    artifact.keep_missing(&part).unwrap();
    drop(part);
    // Header, session entry, and then chunk entries of 271 bytes.
    overwrite(&disk, STATE, &[0xEE], 68 + 23 + 10 * 271 + 100);
    let (part, resumed) = artifact.open(disk.clone()).unwrap();
    assert_eq!(resumed.have, (0..10).collect::<Vec<_>>());
    assert!(resumed.damaged && resumed.data_without_record);
    let found = part.rescan(artifact.tree.chunk_hashes().to_vec()).unwrap();
    assert_eq!(found, (10..40).collect::<Vec<_>>());
    drop(part);
    let (_, resumed) = artifact.open(disk).unwrap();
    assert_eq!((resumed.have.len(), resumed.damaged, resumed.dropped_bytes), (40, false, 0));
    assert_eq!((resumed.suppliers.get(&ANNA).unwrap().chunks, resumed.found_here.chunks), (10, 30));
}

// Rows: E13
#[test]
fn a_record_without_its_bytes_is_a_missing_chunk() {
    let (artifact, disk) = four_of_five();
    overwrite(&disk, PART, b"rot", 16_384 + 5);
    disk.open(PART, Open::Existing).unwrap().set_len(4 * 16_384 - 1).unwrap();
    let (part, resumed) = artifact.open(disk.clone()).unwrap();
    assert_eq!((resumed.have, resumed.lost, resumed.damaged), (vec![0, 2], 2, false));
    artifact.keep_missing(&part).unwrap();
    part.publish().unwrap();
    assert_eq!(disk.contents("tiny-1.0.slm").unwrap(), artifact.bytes);
}

// Rows: E13
#[test]
fn rot_is_found_by_a_recheck_and_after_a_complaint() {
    let (artifact, disk) = four_of_five();
    let (part, _) = artifact.open(disk.clone()).unwrap();
    overwrite(&disk, PART, b"rot", 16_384 + 5);
    overwrite(&disk, PART, b"rot", 3 * 16_384);
    part.suspect();
    assert!(matches!(part.chunk(1), Err(SourceError::Rotten { index: 1, .. })));
    assert!(matches!(part.chunk(1), Err(SourceError::NotHave { index: 1 })));
    assert_eq!(part.chunk(0).unwrap().bytes, artifact.chunk(0));
    assert_eq!(part.recheck().unwrap(), [3]);
    assert_eq!(part.have(), [0, 2]);
    artifact.keep_missing(&part).unwrap();
    assert!(part.is_complete());
    assert_eq!(part.recheck().unwrap(), [0_u32; 0]);
}

#[test]
fn blames_outlive_the_session_and_do_not_grow_without_bound() {
    let (artifact, disk) = four_of_five();
    let (part, _) = artifact.open(disk.clone()).unwrap();
    part.record_blame(BERT, 1, [9; 32], 77).unwrap();
    part.record_blame(BERT, 4, [8; 32], 78).unwrap();
    let known = artifact.tree.chunk_hash(1).copied().unwrap();
    let blames = [
        Blame { peer: BERT, index: 1, expected: known, got: [9; 32], at_unix: 77 },
        Blame { peer: BERT, index: 4, expected: artifact.spec.root, got: [8; 32], at_unix: 78 },
    ];
    assert_eq!(part.blames(), blames);
    for _ in 0..MAX_BLAMES {
        part.record_blame(BERT, 4, [8; 32], 78).unwrap();
    }
    let length = disk.contents(STATE).unwrap().len();
    part.record_blame(BERT, 4, [8; 32], 78).unwrap();
    assert_eq!(disk.contents(STATE).unwrap().len(), length);
    drop(part);
    let (_, resumed) = artifact.open(disk).unwrap();
    assert_eq!((resumed.blames.len(), &resumed.blames[..2]), (MAX_BLAMES, &blames[..]));
}

// Rows: E18
#[test]
fn a_published_file_without_receipt_is_resumed_with_its_history() {
    let (artifact, disk) = four_of_five();
    let (part, _) = artifact.open(disk.clone()).unwrap();
    part.record_blame(BERT, 4, [8; 32], 78).unwrap();
    artifact.keep_missing(&part).unwrap();
    drop(part.publish().unwrap());
    let error = Published::resume(disk.clone(), &NAME, &artifact.spec).unwrap_err();
    assert!(matches!(error, StoreError::Busy { pid: Some(4242), .. }), "the part still holds the lock");
    drop(part);
    assert!(matches!(artifact.open(disk.clone()).unwrap_err(), StoreError::TargetExists { .. }));
    let (published, history) = Published::resume(disk.clone(), &NAME, &artifact.spec).unwrap().unwrap();
    assert_eq!(history.suppliers.get(&ANNA), Some(&Supplied { chunks: 5, bytes: 4 * 16_384 + 100 }));
    assert_eq!(history.blames.len(), 1);
    assert_eq!(published.receipt().unwrap(), None);
    assert!(published.finish(b"m", Some(b"r")).is_closed);
    assert_eq!(published.receipt().unwrap().unwrap(), b"r");
    let (_, history) = Published::resume(disk, &NAME, &artifact.spec).unwrap().unwrap();
    assert_eq!(history, Default::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// However the record is changed, every chunk that the part then claims to have is really there.
    // Rows: E3
    #[test]
    fn no_change_of_the_record_makes_a_chunk_believed(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (artifact, disk) = four_of_five();
        overwrite(&disk, PART, b"rot", 5);
        let length = disk.contents(STATE).unwrap().len();
        for (place, byte) in changes {
            overwrite(&disk, STATE, &[byte], place.index(length) as u64);
        }
        if let Some(cut) = cut {
            disk.open(STATE, Open::Existing).unwrap().set_len(cut.index(length) as u64).unwrap();
        }
        match artifact.open(disk) {
            Ok((part, resumed)) => {
                prop_assert!(!resumed.have.contains(&0));
                for index in resumed.have {
                    prop_assert_eq!(part.read_chunk(index).unwrap(), artifact.chunk(index));
                }
            }
            Err(error) => prop_assert!(false, "a header with a wrong checksum is nobody's: {error}"),
        }
    }
}

/// The user downloads the file elsewhere and puts it in place while a fetch of it is unfinished.
// Rows: H8
#[test]
fn a_record_beside_its_part_says_nothing_of_a_file_put_in_place() {
    let (artifact, disk) = four_of_five();
    let target = disk.open("tiny-1.0.slm", Open::New).unwrap();
    target.write_all_at(&artifact.bytes, 0).unwrap();
    let (published, history) = Published::resume(disk.clone(), &NAME, &artifact.spec).unwrap().unwrap();
    assert_eq!(history, Default::default());
    assert!(published.finish(b"m", Some(b"r")).is_closed);
    drop(published);
    disk.remove("tiny-1.0.slm").unwrap();
    assert_eq!(artifact.open(disk).unwrap().1.have, [0, 1, 2, 3], "part and record are left as they were");
}
