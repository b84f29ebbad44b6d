//! Chunks and proofs, changed at random: every false claim is refused, and every true one is accepted.
//!
//! The verifier's own tests go through every index at every count up to 257 (`b4_every_index...`, `b3_...`, and
//! `b4_truncated...` in `verifier/tests/verifier/chunks.rs`); here each proof is also checked at every other place.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures of a run")]

use minimodel_fuzz::{Claim, Source};
use minimodel_verifier::chunk::{Tree, verify_chunk};
use minimodel_verifier::sha256;

/// Mutations, and as many honest claims.
const MUTATIONS: u64 = 100_000;

fn mutations() -> u64 {
    std::env::var("MINIMODEL_MUTATIONS").map_or(MUTATIONS, |text| text.parse().expect("a number"))
}

// Rows: B2, B3, B4, B5, D10
#[test]
fn no_changed_chunk_or_proof_verifies_and_every_honest_one_does() {
    let count = mutations();
    let seed = std::env::var("MINIMODEL_FUZZ_SEED").map_or(1, |text| text.parse().expect("a number"));
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut changed, mut false_accepts, mut honest, mut false_rejects) = (0, 0, 0, 0);
    while changed < count {
        let mut bytes = [0; 16];
        rng.fill(&mut bytes);
        let mut source = Source::new(&bytes);
        let mut claim = Claim::honest(&mut source);
        if honest < count {
            honest += 1;
            false_rejects += u64::from(!claim.is_believed());
        }
        for _ in 0..1 + rng.u32(..4) {
            claim.change(&mut source);
        }
        // Changes without an effect, or that undo each other, are no mutation.
        if claim.is_true() {
            continue;
        }
        changed += 1;
        if claim.is_believed() {
            false_accepts += 1;
            println!("believed: {claim:?}");
        }
    }
    println!(
        "figure: mutations={changed} false_accepts={false_accepts} honest={honest} false_rejects={false_rejects} seed={seed}"
    );
    assert_eq!((false_accepts, false_rejects), (0, 0));
    assert_eq!((changed, honest), (count, count));
}

/// For every count up to 257, every index and every other index: a proof is accepted only at its own place, and only with
/// the length of that place.
// Rows: B3, B4
#[test]
fn index_and_length_confusion_is_exhaustive_up_to_257_leaves() {
    let hashes: Vec<_> = (0..257_u32).map(|index| sha256(&index.to_le_bytes())).collect();
    let (mut places, mut lengths) = (0_u64, 0_u64);
    for count in 1..=257_u32 {
        let tree = Tree::from_chunk_hashes(hashes[..count as usize].to_vec());
        for index in 0..count {
            let (hash, proof) = (&hashes[index as usize], tree.proof(index).unwrap());
            for other in 0..count + 2 {
                let verdict = verify_chunk(tree.root(), count, other, hash, &proof);
                assert_eq!(verdict.is_ok(), other == index, "{index} of {count} as {other}");
                places += 1;
            }
            for len in (0..=proof.len() + 3).filter(|&len| len != proof.len()) {
                let mut wrong = proof.clone();
                wrong.resize(len, *tree.root());
                assert!(verify_chunk(tree.root(), count, index, hash, &wrong).is_err(), "{index} of {count}");
                lengths += 1;
            }
        }
    }
    println!("{places} places and {lengths} lengths, none but the own accepted");
}
