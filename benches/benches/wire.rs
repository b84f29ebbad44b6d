//! Frames to bytes and back: the frames that come often, and the largest.
//!
//! `cargo bench -p minimodel-benches --bench wire`. Throughput counts encoded bytes.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ed25519_dalek::SigningKey;
use minimodel_wire::{
    Bitfield, ChunkHead, Consent, Decoder, Frame, Hello, Offer, PeerId, Request, SignedOffer,
};

const CHUNKS: u32 = 1_000_000;

fn hello() -> Frame {
    Frame::Hello(Hello {
        version: 1,
        swarm_id: [1; 32],
        artifact_sha256: [2; 32],
        license_sha256: [3; 32],
        evidence_sha256: [4; 32],
        chunk_size: 1 << 20,
        chunk_count: CHUNKS,
        consent: Consent::FETCH | Consent::SERVE,
        software: "bench/1".into(),
    })
}

fn offer() -> SignedOffer {
    let key = SigningKey::from_bytes(&[7; 32]);
    let offer = Offer {
        swarm_id: [1; 32],
        peer: PeerId(key.verifying_key().to_bytes()),
        addresses: vec!["192.0.2.1:4433".parse().unwrap(), "[2001:db8::1]:4433".parse().unwrap()],
        expires_unix: 1_900_000_000,
    };
    SignedOffer::sign(offer, &key).unwrap()
}

fn frames(c: &mut Criterion) {
    let half = {
        let mut have = Bitfield::new(CHUNKS);
        (0..CHUNKS).step_by(2).for_each(|index| {
            have.set(index);
        });
        have
    };
    let cases = [
        ("hello", hello()),
        ("have of 1", Frame::Have { indexes: vec![7] }),
        ("have of 256", Frame::Have { indexes: (0..256).collect() }),
        ("bitfield of 1,000,000, half", Frame::Bitfield(half)),
        ("bitfield of 1,000,000, all", Frame::Bitfield(Bitfield::full(CHUNKS))),
        ("unchoke", Frame::Unchoke),
        ("16 offers", Frame::Peers { offers: vec![Bytes::from(offer().to_bytes()); 16] }),
    ];
    let mut group = c.benchmark_group("wire");
    for (name, frame) in cases {
        let bytes = frame.encode();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("encode {name}"), |b| b.iter(|| black_box(&frame).encode()));
        group.bench_function(format!("decode {name}"), |b| {
            b.iter(|| {
                let mut decoder = Decoder::new(Some(CHUNKS));
                decoder.push(black_box(&bytes));
                decoder.next().unwrap()
            });
        });
    }
    let stream: Vec<u8> = (0..1_000).flat_map(|n| Frame::Have { indexes: vec![n] }.encode()).collect();
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("decode a thousand haves in datagrams", |b| {
        b.iter(|| {
            let mut decoder = Decoder::new(Some(CHUNKS));
            let mut frames = 0;
            for datagram in stream.chunks(1_200) {
                decoder.push(datagram);
                while decoder.next().unwrap().is_some() {
                    frames += 1;
                }
            }
            assert_eq!(frames, 1_000);
        });
    });
    group.finish();
}

fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("wire");
    let request = Request::Chunk { index: 77 }.encode();
    group.bench_function("decode request", |b| b.iter(|| Request::decode(black_box(&request)).unwrap()));
    let head = ChunkHead { len: 1 << 20, proof: vec![[5; 32]; 20] }.encode();
    group.bench_function("decode chunk head of 20 digests", |b| {
        b.iter(|| ChunkHead::decode(black_box(&head)).unwrap());
    });
    let offer = offer().to_bytes();
    group.bench_function("check offer", |b| b.iter(|| SignedOffer::from_bytes(black_box(&offer)).unwrap()));
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
}

criterion_group! { name = benches; config = quick(); targets = frames, requests }
criterion_main!(benches);
