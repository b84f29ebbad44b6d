//! One number a layer: frames, proofs, the `.slm` check, the scheduler, the store.
//!
//! `cargo bench -p minimodel-benches --bench layers`. Figures are for comparing two runs on one machine.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use minimodel_fixtures::{Quantization, Shape, slm_vec};
use minimodel_swarm::machine::{
    Config, Conn, Input, KeepOutcome, Limits, Machine, Order, Output, Terms, Time,
};
use minimodel_swarm::store::{MemDisk, Opener, Part, PartSpec};
use minimodel_verifier::chunk::{Layout, Tree, verify_chunk};
use minimodel_verifier::slm::{Rolling, Scan};
use minimodel_verifier::{Digest, sha256};
use minimodel_wire::{Bitfield, Consent, Decoder, Frame, PeerId};

const CHUNK: usize = 1 << 20;

fn wire(c: &mut Criterion) {
    let have = Frame::Have { indexes: (0..256).collect() }.encode();
    c.bench_function("wire/decode have of 256", |b| {
        b.iter(|| {
            let mut decoder = Decoder::new(Some(100_000));
            decoder.push(black_box(&have));
            decoder.next().unwrap()
        });
    });
    let bitfield = Frame::Bitfield(Bitfield::new(100_000));
    c.bench_function("wire/encode bitfield of 100,000", |b| b.iter(|| black_box(&bitfield).encode()));
}

fn chunks(c: &mut Criterion) {
    let data = vec![7; CHUNK];
    let mut group = c.benchmark_group("chunks");
    group.throughput(Throughput::Bytes(CHUNK as u64));
    group.bench_function("hash 1 MiB", |b| b.iter(|| sha256(black_box(&data))));
    group.finish();
    let leaves: Vec<Digest> = (0..100_000u32).map(|i| sha256(&i.to_le_bytes())).collect();
    let tree = Tree::from_chunk_hashes(leaves.clone());
    let proof = tree.proof(77_777).unwrap();
    c.bench_function("chunks/verify a proof of 100,000", |b| {
        b.iter(|| verify_chunk(tree.root(), 100_000, 77_777, &leaves[77_777], black_box(&proof)));
    });
    c.bench_function("chunks/tree of 100,000", |b| {
        b.iter_batched(|| leaves.clone(), Tree::from_chunk_hashes, BatchSize::LargeInput);
    });
}

fn slm(c: &mut Criterion) {
    let bytes = slm_vec(&Shape::about(16 << 20, Quantization::F32).unwrap(), 1);
    let mut group = c.benchmark_group("slm");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("scan f32", |b| {
        b.iter(|| {
            let mut scan = Scan::new(bytes.len() as u64);
            bytes.chunks(CHUNK).for_each(|piece| scan.push(piece));
            assert!(scan.finish().report.ok());
        });
    });
    group.bench_function("rolling checksum", |b| {
        b.iter(|| {
            let mut rolling = Rolling::new();
            rolling.push(black_box(&bytes));
            rolling.finish()
        });
    });
    group.finish();
}

fn machine_of(count: u32) -> Machine {
    let terms = Terms {
        swarm_id: [1; 32],
        artifact_sha256: [2; 32],
        license_sha256: [3; 32],
        evidence_sha256: [4; 32],
        byte_count: u64::from(count) << 20,
        chunk_size: 1 << 20,
        chunk_count: count,
    };
    let config = Config {
        me: PeerId([9; 32]),
        terms,
        consent: Consent::FETCH | Consent::PUBLISH,
        software: "bench".into(),
        allow: None,
        offer: None,
        order: Order::Rarest,
        rescan: false,
        listening: false,
        seed: 1,
        unix_at_start: 1_800_000_000,
        limits: Limits::default(),
    };
    Machine::new(config, Bitfield::new(count), BTreeSet::new())
}

/// A machine with one seed that serves it, and the requests that it made so far.
fn served(count: u32) -> (Machine, Vec<Output>) {
    let mut machine = machine_of(count);
    let (conn, now) = (Conn(1), Time::ZERO);
    machine.handle(now, Input::Connected { conn, peer: PeerId([5; 32]), dialed: true });
    let mut hello = None;
    while let Some(output) = machine.poll() {
        if let Output::Send { frame: Frame::Hello(ours), .. } = output {
            hello = Some(ours);
        }
    }
    let mut hello = hello.unwrap();
    hello.consent = Consent::SERVE;
    for frame in [Frame::Hello(hello), Frame::Bitfield(Bitfield::full(count)), Frame::Unchoke] {
        machine.handle(now, Input::Frame { conn, frame });
    }
    let outputs = std::iter::from_fn(|| machine.poll()).collect();
    (machine, outputs)
}

fn machine(c: &mut Criterion) {
    // One turn: a chunk arrives, is kept, is announced, and the next one is picked and asked for.
    c.bench_function("machine/one chunk of 100,000", |b| {
        let (mut machine, mut outputs) = served(100_000);
        let mut now = Time::ZERO;
        b.iter(|| {
            now = now + std::time::Duration::from_micros(100);
            let req = outputs.iter().find_map(|output| match output {
                Output::Request { req, .. } => Some(*req),
                _ => None,
            });
            let Some(req) = req else {
                (machine, outputs) = served(100_000);
                return;
            };
            outputs.retain(|output| !matches!(output, Output::Request { req: asked, .. } if *asked == req));
            machine.handle(now, Input::Arrived { req });
            machine.handle(now, Input::Kept { req, outcome: KeepOutcome::Kept });
            while let Some(output) = machine.poll() {
                if let Output::Request { .. } = output {
                    outputs.push(output);
                }
            }
        });
    });
}

fn store(c: &mut Criterion) {
    let count = 64u32;
    let data: Vec<u8> = (0..count as usize * CHUNK).map(|i| (i >> 12) as u8).collect();
    let tree = Tree::from_chunk_hashes(data.chunks(CHUNK).map(sha256).collect());
    let spec = PartSpec {
        swarm_id: [1; 32],
        layout: Layout::new(data.len() as u64, CHUNK as u64).unwrap(),
        root: *tree.root(),
    };
    let mut group = c.benchmark_group("store");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(data.len() as u64));
    group.bench_function("prove, write and record 64 MiB", |b| {
        b.iter_batched(
            || Part::open(MemDisk::new(), "bench-1", spec, Opener { pid: 1, now_unix: 1 }).unwrap().0,
            |part| {
                for (index, chunk) in (0..count).zip(data.chunks(CHUNK)) {
                    part.keep(index, chunk, &tree.proof(index).unwrap(), [5; 32]).unwrap();
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, wire, chunks, slm, machine, store);
criterion_main!(benches);
