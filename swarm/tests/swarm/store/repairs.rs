//! Repair of a file that may be another one: what has little in common with the artifact is not written to unasked.

use std::fs;
use std::path::Path;

use minimodel_swarm::store::{Part, RealDisk, RepairIf, Resumed, Similarity, StoreError};

use super::{Artifact, CHUNK, NAME, OPENER, real};

const PART: &str = "tiny-1.0.slm.part";
const FOUND: &str = "tiny-1.0.slm.part.found";

/// A repair changes the user's own file in place, and only after some of its chunks were found good.
// Rows: H8
#[test]
fn a_repair_goes_on_with_the_file_that_it_was_given() {
    let artifact = Artifact::new(3 * CHUNK as usize);
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path();
    let mut bytes = artifact.bytes.clone();
    bytes[5] ^= 1;
    fs::write(folder.join(PART), &bytes).unwrap();
    let (part, resumed) = repair(&artifact, folder, RepairIf::MostIsGood);
    assert!(resumed.put_aside.is_none() && !folder.join(FOUND).exists());
    assert_eq!(part.rescan(artifact.tree.chunk_hashes().to_vec()).unwrap(), [1, 2]);
    assert_eq!(fs::read(folder.join(PART)).unwrap(), bytes);
}

fn similarity(good: u64, other: u64, total: u64, cut_bytes: u64) -> Option<Similarity> {
    Some(Similarity { good, other, total, cut_bytes })
}

pub(super) fn repair(artifact: &Artifact, folder: &Path, condition: RepairIf) -> (Part<RealDisk>, Resumed) {
    Part::open_in_place(real(folder), &NAME, artifact.spec, OPENER, condition).unwrap()
}

/// An unrelated file of the user may have a chunk in common with the artifact. The store neither announces nor
/// records such a chunk, so that the next fetch or repair does not take the file for a partial file.
// Rows: H8
#[test]
fn file_unlike_the_artifact_is_repaired_only_if_user_says_so() {
    let size = CHUNK as usize;
    let artifact = Artifact::new(6 * size);
    let leaves = artifact.tree.chunk_hashes().to_vec();
    let other = |good: &[usize], length: usize| {
        let mut bytes = vec![7; length];
        for &index in good {
            let place = index * size..(index + 1) * size;
            bytes[place.clone()].copy_from_slice(&artifact.bytes[place]);
        }
        bytes
    };
    let mut hollow = vec![0; 6 * size];
    hollow[..size].copy_from_slice(&artifact.bytes[..size]);
    let holes = hollow.clone();
    hollow[4 * size + 9] = 1;
    let all: Vec<usize> = (0..6).collect();
    let mut zeros_behind = artifact.bytes.clone();
    zeros_behind.resize(12 * size, 0);
    let cut = artifact.bytes[..size + 100].to_vec();
    let cases = [
        (other(&[2], 6 * size), similarity(1, 5, 6, 0)),
        (other(&[2, 3], 6 * size), similarity(2, 4, 6, 0)),
        (other(&[2, 3, 4], 6 * size), None),
        // The rest is holes, which count neither for the file nor against it; one chunk would be lost.
        (hollow, similarity(1, 1, 6, 0)),
        (holes, None),
        (cut, similarity(1, 1, 6, 0)),
        (artifact.bytes[..2 * size].to_vec(), None),
        // An archive that begins with the artifact.
        (other(&all, 13 * size), similarity(6, 7, 13, 7 * u64::from(CHUNK))),
        // No chunk is wrong, and one byte is appended; appended zeros do not count.
        (other(&all, 6 * size + 1), similarity(6, 1, 7, 1)),
        (zeros_behind, None),
    ];
    for (bytes, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path();
        fs::write(folder.join(PART), &bytes).unwrap();
        let (part, _) = repair(&artifact, folder, RepairIf::MostIsGood);
        let rescanned = part.rescan(leaves.clone());
        assert_eq!(part.unlike(), expected);
        let Some(similarity) = expected else {
            assert!(!rescanned.unwrap().is_empty());
            continue;
        };
        assert!(
            matches!(rescanned, Err(StoreError::Unlike { similarity: found, .. }) if found == similarity)
        );
        assert!(part.have().is_empty());
        drop(part);
        // As after a kill: the file is still taken for no partial file.
        assert!(repair(&artifact, folder, RepairIf::MostIsGood).0.rescan(leaves.clone()).is_err());
        let (part, resumed) = artifact.open(real(folder)).unwrap();
        assert_eq!(resumed.put_aside.as_deref(), Some(folder.join(FOUND).as_path()));
        assert_eq!(fs::read(folder.join(FOUND)).unwrap(), bytes);
        drop(part);
        fs::rename(folder.join(FOUND), folder.join(PART)).unwrap();
        let (part, _) = repair(&artifact, folder, RepairIf::AnyIsGood);
        assert_eq!(part.rescan(leaves.clone()).unwrap().len() as u64, similarity.good);
        // Once it holds a chunk from a peer, the next run resumes the repair.
        let Some(missing) = (0..6).find(|&index| !part.has(index)) else { continue };
        artifact.keep(&part, missing).unwrap();
        drop(part);
        let (part, _) = repair(&artifact, folder, RepairIf::MostIsGood);
        assert_eq!(part.rescan(leaves.clone()).unwrap(), [0_u32; 0]);
        assert_eq!(part.unlike(), None);
    }
}

/// Chunks of zeros in the artifact: equal zeros in a file are no evidence.
// Rows: H8
#[test]
fn chunks_of_zeros_alone_are_no_evidence_of_what_a_file_is() {
    let size = CHUNK as usize;
    let mut bytes = vec![0; 8 * size];
    bytes[..2 * size].fill(3);
    let artifact = Artifact::of(bytes);
    let mut mine = vec![0; 8 * size];
    mine[..size].fill(9);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(PART), &mine).unwrap();
    for condition in [RepairIf::MostIsGood, RepairIf::AnyIsGood] {
        let (part, _) = repair(&artifact, directory.path(), condition);
        assert!(part.rescan(artifact.tree.chunk_hashes().to_vec()).is_err());
        assert_eq!(part.unlike(), similarity(0, 1, 2, 0));
    }
    assert_eq!(fs::read(directory.path().join(PART)).unwrap(), mine);
}
