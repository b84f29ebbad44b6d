//! Proofs against a second, naive reading of RFC 6962: every index at every count up to 257, ranges, and forgeries.

use minimodel_verifier::chunk::{
    ProofError, SparseTree, Tree, leaf, node, proof_len, range_proof_len, verify_chunk, verify_range,
};
use minimodel_verifier::digest::{Digest, sha256, tagged};
use proptest::prelude::*;

/// RFC 6962, section 2.1, word for word: the Merkle tree hash.
fn naive_root(chunks: &[Digest]) -> Digest {
    if let [only] = chunks {
        return sha256(&[&[0], only.as_slice()].concat());
    }
    let (left, right) = chunks.split_at(largest_power_of_two_below(chunks.len()));
    sha256(&[&[1], naive_root(left).as_slice(), &naive_root(right)].concat())
}

/// RFC 6962, section 2.1.1: the audit path, and on which side of the path each sibling stands.
fn naive_path(index: usize, chunks: &[Digest]) -> Vec<(Side, Digest)> {
    if chunks.len() == 1 {
        return Vec::new();
    }
    let k = largest_power_of_two_below(chunks.len());
    let (left, right) = chunks.split_at(k);
    let (mut path, last) = if index < k {
        (naive_path(index, left), (Side::Right, naive_root(right)))
    } else {
        (naive_path(index - k, right), (Side::Left, naive_root(left)))
    };
    path.push(last);
    path
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// The sides alone, without hashing: what a proof's shape says about its index and count.
fn naive_sides(index: usize, count: usize) -> Vec<Side> {
    if count == 1 {
        return Vec::new();
    }
    let k = largest_power_of_two_below(count);
    let (mut sides, last) = if index < k {
        (naive_sides(index, k), Side::Right)
    } else {
        (naive_sides(index - k, count - k), Side::Left)
    };
    sides.push(last);
    sides
}

fn largest_power_of_two_below(n: usize) -> usize {
    n.next_power_of_two() / 2
}

fn chunk_hashes(count: usize) -> Vec<Digest> {
    (0..count as u32).map(|i| sha256(&i.to_le_bytes())).collect()
}

fn tree(count: usize) -> Tree {
    Tree::from_chunk_hashes(chunk_hashes(count))
}

#[test]
fn roots_computed_outside_of_this_project_are_reproduced() {
    let expected = [
        (1, "D9DE27625445003D8A9739A851E3FF8D41C0683630B4D63A88327A6AAA37C409"),
        (2, "604D540F09268B91672AB011394D5266CCD7D4484D0D109411A55848126A1B2C"),
        (3, "D1F13800048F5909D4043FC0C152F6643280CBA608B672715E56CE159A20629F"),
        (7, "BEE2275DB16667589A4515F63E0D053A2FA602C1D9F9703E98920A5BDAD59BAF"),
    ];
    for (count, root) in expected {
        let chunks = (0..count).map(|i: u8| sha256(&[i])).collect();
        assert_eq!(tagged(Tree::from_chunk_hashes(chunks).root()), format!("sha256:{root}"));
    }
    assert_eq!(*Tree::from_chunk_hashes(Vec::new()).root(), sha256(b""));
}

// Rows: B4
#[test]
fn every_index_up_to_count_257_has_the_rfc_audit_path() {
    for count in 1..=257 {
        let chunks = chunk_hashes(count);
        let tree = Tree::from_chunk_hashes(chunks.clone());
        assert_eq!(*tree.root(), naive_root(&chunks));
        let sparse = SparseTree::new(count as u32, *tree.root());
        assert_eq!((tree.count(), sparse.count(), sparse.root()), (count as u32, count as u32, tree.root()));
        for (index, chunk) in chunks.iter().enumerate() {
            let (n, i) = (count as u32, index as u32);
            let proof = tree.proof(i).unwrap();
            assert_eq!(naive_sides(index, count).len(), proof.len());
            if count <= 40 || index % 16 == 0 {
                let path: Vec<_> = naive_path(index, &chunks).into_iter().map(|(_, digest)| digest).collect();
                assert_eq!(proof, path);
            }
            assert_eq!(proof_len(n, i), proof.len());
            assert_eq!(verify_chunk(tree.root(), n, i, chunk, &proof), Ok(()));
        }
        assert_eq!(tree.proof(count as u32), None);
        assert_eq!(tree.chunk_hash(count as u32), None);
    }
}

// Rows: B3
#[test]
fn a_proof_fails_at_every_other_index() {
    for count in 2..=257_u32 {
        let tree = tree(count as usize);
        for index in 0..count {
            let (chunk, proof) = (tree.chunk_hash(index).unwrap(), tree.proof(index).unwrap());
            let others = (0..count + 2).filter(|&other| other != index);
            // All others in small trees; in large ones those that differ in one bit of the place.
            for other in others.filter(|other| count <= 40 || (other ^ index).is_power_of_two()) {
                let expected = if other >= count {
                    ProofError::Index { index: other, count }
                } else if proof_len(count, other) == proof.len() {
                    ProofError::Root
                } else {
                    ProofError::Length { found: proof.len(), expected: proof_len(count, other) }
                };
                assert_eq!(verify_chunk(tree.root(), count, other, chunk, &proof), Err(expected));
            }
        }
    }
}

// Rows: B5
#[test]
fn a_proof_made_for_another_count_fails() {
    for count in 1..=64_u32 {
        let whole = tree(count as usize);
        for other_count in (1..=66).filter(|&other| other != count) {
            let other_tree = tree(other_count as usize);
            assert_ne!(whole.root(), other_tree.root());
            for index in 0..count.min(other_count) {
                let (chunk, proof) = (whole.chunk_hash(index).unwrap(), other_tree.proof(index).unwrap());
                // The same chunks, a longer or shorter file: its proofs are worth nothing under this root ...
                if proof != whole.proof(index).unwrap() {
                    assert!(verify_chunk(whole.root(), count, index, chunk, &proof).is_err());
                }
                // ... and a count that gives the path another shape is seen at once. Where the shape is the same the
                // count is bound by the manifest alone, as docs/chunks.md says.
                let same_shape = naive_sides(index as usize, count as usize)
                    == naive_sides(index as usize, other_count as usize);
                let own = whole.proof(index).unwrap();
                let verdict = verify_chunk(whole.root(), other_count, index, chunk, &own);
                assert_eq!(verdict.is_ok(), same_shape, "{index} of {count} taken for one of {other_count}");
            }
        }
    }
}

// Rows: B4
#[test]
fn truncated_and_extended_proofs_are_refused_by_their_length() {
    for count in 1..=257_u32 {
        let tree = tree(count as usize);
        for index in 0..count {
            let (chunk, proof) = (tree.chunk_hash(index).unwrap(), tree.proof(index).unwrap());
            let expected = proof.len();
            for wrong in
                [&proof[..proof.len().saturating_sub(1)], &[proof.as_slice(), &[*tree.root()]].concat()]
            {
                if wrong.len() != expected {
                    let error = ProofError::Length { found: wrong.len(), expected };
                    assert_eq!(verify_chunk(tree.root(), count, index, chunk, wrong), Err(error));
                }
            }
        }
    }
}

// Rows: B2
#[test]
fn every_flipped_bit_of_chunk_proof_or_root_is_seen() {
    for count in [1, 2, 3, 5, 8, 13, 100, 257_u32] {
        let tree = tree(count as usize);
        for index in (0..count).step_by(1 + count as usize / 5) {
            let (chunk, proof) = (*tree.chunk_hash(index).unwrap(), tree.proof(index).unwrap());
            for bit in 0..256 * (proof.len() + 2) {
                let (digest, byte, mask) = (bit / 256, bit % 256 / 8, 1 << (bit % 8));
                let (mut root, mut chunk, mut proof) = (*tree.root(), chunk, proof.clone());
                match digest {
                    0 => root[byte] ^= mask,
                    1 => chunk[byte] ^= mask,
                    _ => proof[digest - 2][byte] ^= mask,
                }
                assert_eq!(verify_chunk(&root, count, index, &chunk, &proof), Err(ProofError::Root));
            }
        }
    }
}

// Rows: B2
#[test]
fn swapped_siblings_and_inner_nodes_as_leaves_are_refused() {
    let tree = tree(8);
    let proof = tree.proof(3).unwrap();
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let mut swapped = proof.clone();
        swapped.swap(a, b);
        assert_eq!(
            verify_chunk(tree.root(), 8, 3, tree.chunk_hash(3).unwrap(), &swapped),
            Err(ProofError::Root)
        );
    }
    // The node above chunks 0 and 1, presented as the first chunk of a tree half as large.
    let inner = node(&leaf(tree.chunk_hash(0).unwrap()), &leaf(tree.chunk_hash(1).unwrap()));
    assert_eq!(verify_chunk(tree.root(), 4, 0, &inner, &tree.proof(0).unwrap()[1..]), Err(ProofError::Root));
}

// Rows: B3
#[test]
fn every_range_up_to_count_40_verifies_only_at_its_place() {
    for count in 1..=40_u32 {
        let tree = tree(count as usize);
        for first in 0..count {
            for n in 1..=count - first {
                let hashes = &tree.chunk_hashes()[first as usize..(first + n) as usize];
                let proof = tree.range_proof(first, n).unwrap();
                assert_eq!(range_proof_len(count, first, n), proof.len());
                assert_eq!(verify_range(tree.root(), count, first, hashes, &proof), Ok(()));
                if n == 1 {
                    assert_eq!(Some(&proof), tree.proof(first).as_ref());
                }
                if n == count {
                    assert_eq!(proof, Vec::<Digest>::new());
                }
                for other in (0..count).filter(|&other| other != first) {
                    assert!(verify_range(tree.root(), count, other, hashes, &proof).is_err());
                }
                let mut wrong = hashes.to_vec();
                wrong.reverse();
                if n > 1 {
                    assert_eq!(
                        verify_range(tree.root(), count, first, &wrong, &proof),
                        Err(ProofError::Root)
                    );
                }
            }
            assert_eq!(tree.range_proof(first, count - first + 1), None);
            assert_eq!(tree.range_proof(first, 0), None);
        }
    }
}

#[test]
fn range_proof_lists_siblings_level_by_level_left_before_right() {
    let tree = tree(7);
    let leaves: Vec<Digest> = tree.chunk_hashes().iter().map(leaf).collect();
    // Chunks 3 and 4 of 7: leaf 2 left, leaf 5 right; then the node of 0 and 1 left, leaf 6 (moved up) right.
    let expected = [leaves[2], leaves[5], node(&leaves[0], &leaves[1]), leaves[6]];
    assert_eq!(tree.range_proof(3, 2).unwrap(), expected);
}

// Rows: A7
#[test]
fn ranges_outside_the_tree_are_named() {
    let tree = tree(5);
    let root = tree.root();
    let range = |first, n| ProofError::Range { first, n, count: 5 };
    assert_eq!(verify_range(root, 5, 0, &[], &[]), Err(range(0, 0)));
    assert_eq!(verify_range(root, 5, 4, &[*root; 2], &[]), Err(range(4, 2)));
    assert_eq!(verify_range(root, 5, u32::MAX, &[*root; 2], &[]), Err(range(u32::MAX, 2)));
    assert_eq!(range_proof_len(5, u32::MAX, u32::MAX), 0);
    assert_eq!(verify_chunk(root, 0, 0, root, &[]), Err(ProofError::Index { index: 0, count: 0 }));
    assert_eq!((proof_len(0, 0), proof_len(5, 5), proof_len(u32::MAX, 0)), (0, 0, 32));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Rows: B2
    #[test]
    fn larger_trees_prove_ranges_and_see_forgeries(
        count in 41..3000_u32, first in any::<u32>(), n in any::<u32>(), pick in any::<usize>(), bit in 0..256_usize,
    ) {
        let tree = tree(count as usize);
        let first = first % count;
        let n = 1 + n % (count - first).min(200);
        let mut hashes = tree.chunk_hashes()[first as usize..][..n as usize].to_vec();
        let mut proof = tree.range_proof(first, n).unwrap();
        prop_assert_eq!(range_proof_len(count, first, n), proof.len());
        prop_assert_eq!(verify_range(tree.root(), count, first, &hashes, &proof), Ok(()));
        let pick = pick % (hashes.len() + proof.len());
        let digest = hashes.iter_mut().chain(&mut proof).nth(pick).unwrap();
        digest[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(verify_range(tree.root(), count, first, &hashes, &proof), Err(ProofError::Root));
    }

    // Rows: B2, B4
    #[test]
    fn sparse_tree_accepts_what_verify_chunk_accepts_and_proves_it(
        count in 1..600_u32, seed in any::<u64>(), steps in 1..120_u32,
    ) {
        let tree = tree(count as usize);
        let mut sparse = SparseTree::new(count, *tree.root());
        let mut random = seed;
        let mut next = |below: u32| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as u32 % below
        };
        let mut inserted = std::collections::BTreeSet::new();
        for _ in 0..steps {
            let index = next(count);
            let (mut chunk, mut proof) = (*tree.chunk_hash(index).unwrap(), tree.proof(index).unwrap());
            match next(6) {
                0 => chunk[next(32) as usize] ^= 1 << next(8),
                1 if !proof.is_empty() => {
                    let at = next(proof.len() as u32) as usize;
                    proof[at][next(32) as usize] ^= 1 << next(8);
                }
                2 => proof.truncate(next(proof.len() as u32 + 1) as usize),
                3 => proof.push(chunk),
                4 => {
                    let n = 1 + next(count - index);
                    let hashes = &tree.chunk_hashes()[index as usize..][..n as usize];
                    let range_proof = tree.range_proof(index, n).unwrap();
                    if n < 20 {
                        prop_assert_eq!(sparse.insert_range(index, hashes, &range_proof), Ok(()));
                        inserted.extend(index..index + n);
                    }
                }
                _ => (),
            }
            let expected = verify_chunk(tree.root(), count, index, &chunk, &proof);
            prop_assert_eq!(sparse.insert(index, &chunk, &proof), expected);
            if expected.is_ok() {
                inserted.insert(index);
            }
        }
        prop_assert_eq!(sparse.known_count() as usize, inserted.len());
        for index in 0..count {
            prop_assert_eq!(sparse.is_known(index), inserted.contains(&index));
            if inserted.contains(&index) {
                prop_assert_eq!(sparse.chunk_hash(index), tree.chunk_hash(index));
                prop_assert_eq!(sparse.proof(index), tree.proof(index));
            }
        }
        prop_assert_eq!(sparse.insert(count, tree.root(), &[]), Err(ProofError::Index { index: count, count }));
    }
}

// Rows: B2
#[test]
fn a_sparse_tree_keeps_nothing_of_what_it_refused() {
    let tree = tree(100);
    let mut sparse = SparseTree::new(100, *tree.root());
    let mut proof = tree.proof(7).unwrap();
    proof[3][0] ^= 1;
    assert_eq!(sparse.insert(7, tree.chunk_hash(7).unwrap(), &proof), Err(ProofError::Root));
    let hashes = &tree.chunk_hashes()[8..12];
    assert_eq!(sparse.insert_range(9, hashes, &tree.range_proof(9, 4).unwrap()), Err(ProofError::Root));
    assert_eq!((sparse.known_count(), sparse.proof(7), sparse.proof(6)), (0, None, None));
    // A sibling that a proof brought along is a proven node, and not a known chunk.
    assert_eq!(sparse.insert(7, tree.chunk_hash(7).unwrap(), &tree.proof(7).unwrap()), Ok(()));
    assert_eq!((sparse.is_known(7), sparse.is_known(6), sparse.known_count()), (true, false, 1));
    assert_eq!(sparse.proof(6), tree.proof(6));
    assert_eq!(sparse.range_proof(6, 2), tree.range_proof(6, 2));
}
