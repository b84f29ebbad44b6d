//! A whole transfer in one process over loopback QUIC, on real files: one and three seeders to one fetcher, and one
//! seeder to four fetchers that serve each other.
//!
//! `cargo bench -p minimodel-benches --bench transfer`. All ends share the machine, so the figure is a floor.
//! Throughput counts the bytes that all fetchers together have proven at the end.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a bench fails by panicking")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ed25519_dalek::SigningKey;
use minimodel_fixtures::{ManifestOptions, ManifestText, Quantization, Shape, slm_vec};
use minimodel_swarm::driver::{
    Congestion, FetchEnd, FetchSettings, Incoming, Node, NodeSettings, SeedSettings, SessionSettings,
};
use minimodel_swarm::store::{FileSource, Opener, Part, PartSpec, RealDisk, SourceFile};
use minimodel_verifier::Manifest;
use minimodel_verifier::artifact::{ArtifactName, Format};
use minimodel_verifier::chunk::Layout;
use minimodel_verifier::verify::verify_artifact;
use minimodel_wire::{Consent, SignedOffer};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

const BYTES: u64 = 128 << 20;
const UNIX: u64 = 1_800_000_000;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// An unused key number. A seeder limits how many files it serves to one key a day, so each fetch has a key of its own.
fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1_000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn node(key: u64, serves: bool) -> Node {
    let mut secret = [7; 32];
    secret[..8].copy_from_slice(&key.to_le_bytes());
    Node::bind(NodeSettings {
        key: SigningKey::from_bytes(&secret),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        advertise: Vec::new(),
        interfaces: Default::default,
        incoming: if serves { Incoming::OneSession } else { Incoming::Ignored },
        max_datagram: None,
        congestion: Congestion::default(),
    })
    .unwrap()
}

fn layout(manifest: &Manifest) -> Layout {
    Layout::new(manifest.byte_count(), manifest.chunk_size()).unwrap()
}

fn seeder(
    key: u64,
    manifest: &Arc<Manifest>,
    path: &Path,
    stop: &watch::Receiver<bool>,
) -> (SignedOffer, JoinHandle<()>) {
    let (manifest, mut stop) = (manifest.clone(), stop.clone());
    let file = SourceFile::open(path).unwrap();
    let tree = verify_artifact(&manifest, &mut file.reader()).unwrap().tree.unwrap();
    let source = Arc::new(FileSource::new(file, layout(&manifest), Arc::new(tree)).unwrap());
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        runtime().block_on(async {
            let node = node(key, true);
            let (reports, _nobody) = mpsc::channel(1);
            let offer = node.offer(*manifest.swarm_id(), UNIX + 3600).unwrap();
            tell.send(offer.clone()).unwrap();
            let settings = SeedSettings {
                manifest,
                publish: true,
                members: Vec::new(),
                earlier: Vec::new(),
                session: SessionSettings {
                    offer: Some(offer),
                    reports,
                    ..SessionSettings::new("bench", key, UNIX)
                },
            };
            node.seed(settings, source, &mut stop).await.unwrap();
        });
    });
    (told.recv().unwrap(), thread)
}

/// Fetches into a folder of its own until the file is whole and checked; a serving fetch then keeps seeding until all
/// fetches are done. Returns the payload bytes that it sent to others.
fn fetch(
    key: u64,
    manifest: &Arc<Manifest>,
    offers: &[SignedOffer],
    folder: &Path,
    serves: Option<&watch::Receiver<bool>>,
    when_whole: impl FnOnce(),
) -> u64 {
    let out = tempfile::tempdir_in(folder).unwrap();
    let spec =
        PartSpec { swarm_id: *manifest.swarm_id(), layout: layout(manifest), root: *manifest.merkle_root() };
    let disk = RealDisk::open(out.path()).unwrap();
    let (part, resumed) =
        Part::open(disk, &ArtifactName::new("bench-1", Format::Slm), spec, Opener { pid: 1, now_unix: UNIX })
            .unwrap();
    runtime().block_on(async {
        let node = node(key, serves.is_some());
        let offer = serves.map(|_| node.offer(*manifest.swarm_id(), UNIX + 3600).unwrap());
        let consent = if serves.is_some() {
            Consent::FETCH | Consent::SERVE | Consent::PUBLISH
        } else {
            Consent::FETCH
        };
        let (reports, _nobody) = mpsc::channel(1);
        let session = SessionSettings { offer, reports, ..SessionSettings::new("bench", key, UNIX) };
        let settings = FetchSettings {
            consent,
            stall_timeout: Duration::from_secs(20),
            listening: serves.is_some(),
            ..FetchSettings::new(manifest.clone(), offers.to_vec(), session)
        };
        let (_never, mut stop) = watch::channel(false);
        let mut fetching = node.fetch(settings, Arc::new(part), &resumed).unwrap();
        match fetching.run(&mut stop).await.unwrap() {
            FetchEnd::Checked(fetched) => assert!(fetched.checks.ok()),
            other => panic!("{other:?}"),
        }
        when_whole();
        if let Some(done) = serves {
            fetching.keep_seeding(&mut done.clone()).await.unwrap().sent_bytes
        } else {
            fetching.close().await.unwrap();
            0
        }
    })
}

/// Runs four fetches at once, which learn of each other from the seeder and send each other chunks.
fn fetch_by_four(manifest: &Arc<Manifest>, offers: &[SignedOffer], folder: &Path) {
    let (tell, done) = watch::channel(false);
    let (left, given) = (AtomicU8::new(4), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (tell, done, left, given) = (&tell, &done, &left, &given);
            scope.spawn(move || {
                let gave = fetch(fresh(), manifest, offers, folder, Some(done), || {
                    if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                        tell.send_replace(true);
                    }
                });
                given.fetch_add(gave, Ordering::Relaxed);
            });
        }
    });
    let given = given.into_inner();
    assert!(given > 0, "the four took everything from the seeder");
}

fn transfer(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.slm");
    let bytes = slm_vec(&Shape::about(BYTES, Quantization::Q8_0).unwrap(), 1);
    std::fs::write(&path, &bytes).unwrap();
    let options = ManifestOptions { chunk_size: 1 << 20, ..ManifestOptions::default() };
    let manifest = Arc::new(Manifest::parse(ManifestText::of(&bytes, &options).render().as_bytes()).unwrap());
    let (end, stop) = watch::channel(false);
    let (offers, threads): (Vec<_>, Vec<_>) = (1..=3).map(|key| seeder(key, &manifest, &path, &stop)).unzip();
    let mut group = c.benchmark_group("transfer");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    for seeders in [1, 3] {
        group.bench_with_input(BenchmarkId::new("to one from", seeders), &offers[..seeders], |b, offers| {
            b.iter(|| fetch(fresh(), &manifest, offers, folder.path(), None, || {}));
        });
    }
    group.throughput(Throughput::Bytes(4 * bytes.len() as u64));
    group.bench_function("to four from one", |b| {
        b.iter(|| fetch_by_four(&manifest, &offers[..1], folder.path()));
    });
    group.finish();
    end.send_replace(true);
    for thread in threads {
        thread.join().unwrap();
    }
}

criterion_group!(benches, transfer);
criterion_main!(benches);
