//! Chunk hashes, proofs, and the tree over them, on one core and on all.
//!
//! `cargo bench -p minimodel-benches --bench chunks`.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use minimodel_verifier::chunk::{Layout, SparseTree, Tree, hash_chunks, verify_chunk};
use minimodel_verifier::{Digest, sha256};
use rayon::ThreadPoolBuilder;

const CHUNK: usize = 1 << 20;

fn hashing(c: &mut Criterion) {
    let mut group = c.benchmark_group("chunks");
    for len in [256 << 10, CHUNK, 4 << 20] {
        let data = vec![7; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("hash one of KiB", len >> 10), |b| {
            b.iter(|| sha256(black_box(&data)));
        });
    }
    group.sample_size(10);
    let data = vec![7; 64 * CHUNK];
    let layout = Layout::new(data.len() as u64, CHUNK as u64).unwrap();
    group.throughput(Throughput::Bytes(data.len() as u64));
    for (name, threads) in [("one core", 1), ("all cores", 0)] {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        group.bench_function(BenchmarkId::new("file of 64 MiB to its tree", name), |b| {
            b.iter(|| {
                let hashes = pool.install(|| hash_chunks(&layout, data.as_slice()).unwrap());
                Tree::from_chunk_hashes(hashes)
            });
        });
    }
    group.finish();
}

fn proofs(c: &mut Criterion) {
    let mut group = c.benchmark_group("chunks");
    for count in [1_000, 100_000, 1_000_000] {
        let leaves: Vec<Digest> = (0..count).map(|i: u32| sha256(&i.to_le_bytes())).collect();
        let tree = Tree::from_chunk_hashes(leaves.clone());
        let index = count / 3 * 2;
        let (leaf, proof) = (leaves[index as usize], tree.proof(index).unwrap());
        group.bench_function(BenchmarkId::new("check a proof", count), |b| {
            b.iter(|| verify_chunk(tree.root(), count, index, &leaf, black_box(&proof)).unwrap());
        });
        group.bench_function(BenchmarkId::new("make a proof", count), |b| b.iter(|| tree.proof(index)));
        group.sample_size(10);
        // Chunks in arbitrary order, as they arrive: each proven chunk leaves less of later chunks' paths to be hashed.
        let some: Vec<u32> = (0..1_000).map(|n| (n * 7_919) % count).collect();
        let proofs: Vec<_> = some.iter().map(|&index| tree.proof(index).unwrap()).collect();
        group.bench_function(BenchmarkId::new("prove 1,000 chunks of a part", count), |b| {
            b.iter_batched(
                || SparseTree::new(count, *tree.root()),
                |mut part| {
                    for (&index, proof) in some.iter().zip(&proofs) {
                        part.insert(index, &leaves[index as usize], proof).unwrap();
                    }
                    part
                },
                BatchSize::PerIteration,
            );
        });
        for (name, threads) in [("one core", 1), ("all cores", 0)] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            group.bench_function(BenchmarkId::new(format!("tree, {name}"), count), |b| {
                b.iter_batched(
                    || leaves.clone(),
                    |leaves| pool.install(|| Tree::from_chunk_hashes(leaves)),
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
}

criterion_group! { name = benches; config = quick(); targets = hashing, proofs }
criterion_main!(benches);
