//! The store: a chunk proven, written and recorded, and the scan that resumes a partial file.
//!
//! `cargo bench -p minimodel-benches --bench store`. "Files" are in the folder for temporary files (`TMPDIR` moves
//! it: to a tmpfs or to a disk), "memory" is the disk of the tests. Nothing is synced within a measurement but by
//! `sync`, which has a bench of its own.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use minimodel_swarm::store::{Disk, MemDisk, Opener, Part, PartSpec, RealDisk};
use minimodel_verifier::artifact::{ArtifactName, Format};
use minimodel_verifier::chunk::{Layout, Tree};
use minimodel_verifier::sha256;
use tempfile::TempDir;

const CHUNK: usize = 1 << 20;
const OPENER: Opener = Opener { pid: 1, now_unix: 1 };

struct Artifact {
    data: Vec<u8>,
    chunk: usize,
    tree: Tree,
}

impl Artifact {
    fn new(bytes: usize, chunk: usize) -> Self {
        let mut data = vec![0; bytes];
        fastrand::Rng::with_seed(5).fill(&mut data);
        let tree = Tree::from_chunk_hashes(data.chunks(chunk).map(sha256).collect());
        Self { data, chunk, tree }
    }

    fn open<D: Disk>(&self, disk: D) -> Part<D> {
        let layout = Layout::new(self.data.len() as u64, self.chunk as u64).unwrap();
        let spec = PartSpec { swarm_id: [1; 32], layout, root: *self.tree.root() };
        Part::open(disk, &ArtifactName::new("bench-1", Format::Slm), spec, OPENER).unwrap().0
    }

    fn keep_all<D: Disk>(&self, part: &Part<D>) {
        for (index, chunk) in (0..).zip(self.data.chunks(self.chunk)) {
            part.keep(index, chunk, &self.tree.proof(index).unwrap(), [5; 32]).unwrap();
        }
    }
}

fn keeping(c: &mut Criterion) {
    let mut group = c.benchmark_group("store");
    for chunk in [64 << 10, CHUNK, 4 << 20] {
        let artifact = Artifact::new(64 << 20, chunk);
        let size = format!("64 MiB in KiB/{}", chunk >> 10);
        group.throughput(Throughput::Bytes(artifact.data.len() as u64));
        group.bench_function(BenchmarkId::new("keep in memory", &size), |b| {
            b.iter_batched(
                || artifact.open(MemDisk::new()),
                |part| artifact.keep_all(&part),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("keep in files", &size), |b| {
            b.iter_batched(
                || {
                    let folder = tempfile::tempdir().unwrap();
                    let part = artifact.open(RealDisk::open(folder.path()).unwrap());
                    (folder, part)
                },
                |(folder, part)| {
                    artifact.keep_all(&part);
                    (folder, part)
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("keep in files and sync", &size), |b| {
            b.iter_batched(
                || {
                    let folder = tempfile::tempdir().unwrap();
                    let part = artifact.open(RealDisk::open(folder.path()).unwrap());
                    (folder, part)
                },
                |(folder, part)| {
                    artifact.keep_all(&part);
                    part.sync().unwrap();
                    (folder, part)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// A partial file is opened again: every recorded chunk is read, hashed on all cores, and proven.
fn resuming(c: &mut Criterion) {
    let mut group = c.benchmark_group("store");
    for (bytes, chunk) in [(64 << 20, CHUNK), (64 << 20, 16 << 10)] {
        let artifact = Artifact::new(bytes, chunk);
        let folder: TempDir = tempfile::tempdir().unwrap();
        artifact.keep_all(&artifact.open(RealDisk::open(folder.path()).unwrap()));
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("resume 64 MiB, chunks", bytes / chunk), |b| {
            b.iter(|| {
                let part = artifact.open(RealDisk::open(folder.path()).unwrap());
                assert!(part.is_complete());
            });
        });
    }
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = quick(); targets = keeping, resuming }
criterion_main!(benches);
