//! Chunks that are kept or refused, from several threads, and read back in order.

use std::io::Read as _;
use std::sync::Arc;
use std::thread;

use minimodel_swarm::store::{
    ChunkSource as _, KeepError, Kept, MemDisk, NotProven, PrefixAborted, SourceError, Supplied,
};
use minimodel_verifier::chunk::{ProofError, verify_chunk, verify_range};
use minimodel_verifier::sha256;
use proptest::prelude::*;

use super::{ANNA, Artifact, BERT, real};

// Rows: B1, B3, B4
#[test]
fn chunk_failing_its_proof_is_named_with_hash_and_not_written() {
    let artifact = Artifact::new(4 * 16_384 + 100);
    let disk = MemDisk::new();
    let (part, _) = artifact.open(disk.clone()).unwrap();
    let before = disk.contents("tiny-1.0.slm.part.state");
    let (good, proof) = (artifact.chunk(1), artifact.proof(1));
    let mut rotten = good.to_vec();
    rotten[9] ^= 1;
    let root = NotProven::Proof(ProofError::Root);
    let length = |found, expected| NotProven::Proof(ProofError::Length { found, expected });
    for (index, data, proof, expected) in [
        (1, rotten.as_slice(), proof.as_slice(), root),
        (2, good, &proof, root),
        (1, good, &proof[1..], length(2, 3)),
        (4, artifact.chunk(4), &proof, length(3, 1)),
        (1, &good[1..], &proof, NotProven::Length { expected: 16_384, got: 16_383 }),
        (4, good, &proof, NotProven::Length { expected: 100, got: 16_384 }),
        (5, good, &proof, NotProven::Proof(ProofError::Index { index: 5, count: 5 })),
    ] {
        let error = part.keep(index, data, proof, ANNA).unwrap_err();
        let KeepError::BadProof { index: named, got, reason } = error else { panic!("{error:?}") };
        assert_eq!((named, got, reason), (index, sha256(data), expected));
    }
    assert_eq!(part.have(), [0_u32; 0]);
    assert_eq!(disk.contents("tiny-1.0.slm.part").unwrap(), b"");
    assert_eq!(disk.contents("tiny-1.0.slm.part.state"), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Rows: B2
    #[test]
    fn no_changed_proof_is_kept(index in 0_u32..5, node in any::<prop::sample::Index>(), bit in 0_usize..256) {
        let artifact = Artifact::new(4 * 16_384 + 100);
        let (part, _) = artifact.open(MemDisk::new()).unwrap();
        // With neighbours known the tree compares instead of hashing: that path must be as strict.
        artifact.keep(&part, (index + 1) % 5).unwrap();
        let mut proof = artifact.proof(index);
        let node = node.index(proof.len());
        proof[node][bit / 8] ^= 1 << (bit % 8);
        let refused = part.keep(index, artifact.chunk(index), &proof, ANNA);
        let is_refused = matches!(refused, Err(KeepError::BadProof { .. }));
        prop_assert!(is_refused);
        prop_assert!(!part.has(index));
    }
}

// Rows: B12
#[test]
fn chunk_kept_twice_is_written_once_for_its_first_supplier() {
    let artifact = Artifact::new(2 * 16_384 + 1);
    let (part, _) = artifact.open(MemDisk::new()).unwrap();
    assert_eq!(part.keep(2, artifact.chunk(2), &artifact.proof(2), ANNA).unwrap(), Kept::Stored);
    assert_eq!(part.keep(2, artifact.chunk(2), &artifact.proof(2), BERT).unwrap(), Kept::Already);
    assert_eq!(part.keep(0, artifact.chunk(0), &artifact.proof(0), BERT).unwrap(), Kept::Stored);
    let suppliers = part.suppliers();
    assert_eq!(suppliers.get(&ANNA), Some(&Supplied { chunks: 1, bytes: 1 }));
    assert_eq!(suppliers.get(&BERT), Some(&Supplied { chunks: 1, bytes: 16_384 }));
    assert_eq!((part.missing_bytes(), part.is_complete()), (16_384, false));
}

#[test]
fn chunks_kept_by_four_threads_are_read_back_in_order_meanwhile() {
    let artifact = Arc::new(Artifact::new(60 * 16_384 + 3));
    let directory = tempfile::tempdir().unwrap();
    let (part, _) = artifact.open(real(directory.path())).unwrap();
    let part = Arc::new(part);
    let mut reader = part.prefix_reader();
    let whole = thread::spawn(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map(|_| bytes)
    });
    let keepers: Vec<_> = (0..4_u32)
        .map(|thread| {
            let (artifact, part) = (artifact.clone(), part.clone());
            // In descending order, and each chunk from two threads.
            thread::spawn(move || {
                for index in (0..61).rev().filter(|index| index % 2 == thread % 2) {
                    artifact.keep(&part, index).unwrap();
                    part.sync_if_due(std::time::Duration::from_secs(u64::from(61 - index))).unwrap();
                }
            })
        })
        .collect();
    keepers.into_iter().for_each(|keeper| keeper.join().unwrap());
    assert!(whole.join().unwrap().unwrap() == artifact.bytes);
    assert_eq!(part.suppliers().get(&ANNA).unwrap().chunks, 61);
    drop(part);
    let (_, resumed) = artifact.open(real(directory.path())).unwrap();
    assert_eq!((resumed.have.len(), resumed.lost, resumed.dropped_bytes), (61, 0, 0));
}

// Rows: B12, E4
#[test]
fn first_supplier_of_a_chunk_is_the_same_in_memory_and_record() {
    let artifact = Artifact::new(200 * 16_384);
    let disk = MemDisk::new();
    let (part, _) = artifact.open(disk.clone()).unwrap();
    let leaves: Vec<_> = (0..200).map(|index| sha256(artifact.chunk(index))).collect();
    let fetch = |supplier| {
        for index in 0..200 {
            part.keep(index, artifact.chunk(index), &artifact.proof(index), supplier).unwrap();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| fetch(ANNA));
        scope.spawn(|| fetch(BERT));
        // The chunk's bytes may be on disk before its record entry.
        scope.spawn(|| (0..20).for_each(|_| drop(part.rescan(leaves.clone()).unwrap())));
    });
    let (suppliers, found) = (part.suppliers(), part.found_here());
    drop(part);
    let (_, resumed) = artifact.open(disk).unwrap();
    assert_eq!((resumed.suppliers, resumed.found_here), (suppliers, found));
}

#[test]
fn a_reader_that_waits_is_woken_by_an_abort() {
    let artifact = Artifact::new(3 * 16_384);
    let (part, _) = artifact.open(MemDisk::new()).unwrap();
    let part = Arc::new(part);
    artifact.keep(&part, 0).unwrap();
    let mut reader = part.prefix_reader();
    let waiting = thread::spawn(move || {
        let mut bytes = Vec::new();
        let error = reader.read_to_end(&mut bytes).unwrap_err();
        (bytes.len(), error.get_ref().and_then(|cause| cause.downcast_ref::<PrefixAborted>()).copied())
    });
    part.abort_prefix();
    let (read, cause) = waiting.join().unwrap();
    assert!(read == 0 || read == 16_384, "{read}");
    assert_eq!(cause, Some(PrefixAborted));
}

// Rows: E12
#[test]
fn a_search_of_the_disk_that_is_given_up_reads_no_further() {
    let artifact = Artifact::new(3 * 16_384);
    let disk = MemDisk::new();
    let (part, _) = artifact.open(disk.clone()).unwrap();
    artifact.keep(&part, 0).unwrap();
    part.abort_prefix();
    let error = part.rescan(artifact.tree.chunk_hashes().to_vec()).unwrap_err();
    assert!(error.to_string().contains("given up"), "{error}");
    drop(part);
    assert_eq!(artifact.open(disk).unwrap().1.have, [0]);
}

#[test]
fn a_part_serves_what_it_has_with_proofs_after_a_resume_too() {
    let artifact = Artifact::new(6 * 16_384 + 100);
    let disk = MemDisk::new();
    let (part, _) = artifact.open(disk.clone()).unwrap();
    for index in [1, 2, 3] {
        artifact.keep(&part, index).unwrap();
    }
    drop(part);
    let (part, _) = artifact.open(disk).unwrap();
    let (root, count) = (&artifact.spec.root, part.layout().count());
    for index in [1, 2, 3] {
        let chunk = part.chunk(index).unwrap();
        verify_chunk(root, count, index, &sha256(&chunk.bytes), &chunk.proof).unwrap();
    }
    assert!(matches!(part.chunk(0), Err(SourceError::NotHave { index: 0 })));
    assert!(matches!(part.chunk(7), Err(SourceError::NoSuchChunk { index: 7, count: 7 })));
    let (hashes, proof) = part.leaves(1, 3).unwrap();
    verify_range(root, count, 1, &hashes, &proof).unwrap();
    for (first, count) in [(0, 2), (3, 2), (u32::MAX, 2), (1, u32::MAX), (1, 0)] {
        assert_eq!(part.leaves(first, count), None);
    }
}
