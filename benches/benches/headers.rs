//! Headers of model files: how long a scan takes for each byte, beside SHA-256 of the same bytes.
//!
//! `cargo bench -p minimodel-benches --bench headers`.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use minimodel_fixtures::{protobuf_bytes as bytes, protobuf_number as number};
use minimodel_verifier::artifact::{Format, scan};
use minimodel_verifier::sha256;

/// Bytes pushed at a time.
const BLOCK: usize = 1 << 18;

fn text(file: &mut Vec<u8>, text: &str) {
    file.extend((text.len() as u64).to_le_bytes());
    file.extend(text.as_bytes());
}

/// A GGUF file of so many tokens, and of so many tensors of one number each.
fn gguf(tokens: u64, tensors: u64) -> Vec<u8> {
    let mut file = b"GGUF".to_vec();
    file.extend(3_u32.to_le_bytes());
    file.extend([tensors, 1].map(u64::to_le_bytes).concat());
    text(&mut file, "tokenizer.ggml.tokens");
    file.extend([9_u32, 8].map(u32::to_le_bytes).concat());
    file.extend(tokens.to_le_bytes());
    (0..tokens).for_each(|token| text(&mut file, &format!("a token of {token}")));
    for tensor in 0..tensors {
        text(&mut file, &format!("blk.{tensor}.weight"));
        file.extend(1_u32.to_le_bytes());
        file.extend(1_u64.to_le_bytes());
        file.extend(0_u32.to_le_bytes());
        file.extend((32 * tensor).to_le_bytes());
    }
    file.resize(file.len().next_multiple_of(32), 0);
    let end = file.len() as u64 + 32 * tensors;
    file.resize(usize::try_from(end).unwrap_or_default(), 0);
    file
}

/// A safetensors file of so many tensors of one byte each.
fn safetensors(tensors: u64) -> Vec<u8> {
    let entry =
        |n| format!(r#""blk.{n}.weight":{{"dtype":"U8","shape":[1],"data_offsets":[{n},{}]}}"#, n + 1);
    let entries: Vec<String> = (0..tensors).map(entry).collect();
    let json = format!("{{{}}}", entries.join(","));
    let data = vec![0; usize::try_from(tensors).unwrap_or_default()];
    [&(json.len() as u64).to_le_bytes(), json.as_bytes(), &data].concat()
}

/// An ONNX file of so many tensors of one float each.
fn onnx(tensors: usize) -> Vec<u8> {
    let tensor = bytes(5, [number(1, 1), number(2, 1), bytes(9, [0; 4])].concat());
    [number(1, 8), bytes(7, tensor.repeat(tensors))].concat()
}

fn headers(c: &mut Criterion) {
    let mut group = c.benchmark_group("headers");
    group.sample_size(10);
    let files = [
        (Format::Gguf, "339 tensors, 152,064 tokens", gguf(152_064, 339)),
        (Format::Gguf, "10,000 tensors", gguf(0, 10_000)),
        (Format::Gguf, "100,000 tensors", gguf(0, 100_000)),
        (Format::Gguf, "1,000,000 tokens", gguf(1_000_000, 0)),
        (Format::Safetensors, "100,000 tensors", safetensors(100_000)),
        (Format::Safetensors, "1,000,000 tensors", safetensors(1_000_000)),
        (Format::Onnx, "100,000 tensors", onnx(100_000)),
        (Format::Onnx, "1,000,000 tensors", onnx(1_000_000)),
    ];
    for (format, name, file) in files {
        group.throughput(Throughput::Bytes(file.len() as u64));
        group.bench_function(BenchmarkId::new(format.title(), name), |b| {
            b.iter(|| {
                let mut scan = scan(format, file.len() as u64);
                file.chunks(BLOCK).for_each(|block| scan.push(black_box(block)));
                let report = scan.finish().report;
                assert!(report.ok(), "{report:?}");
            });
        });
        group.bench_function(BenchmarkId::new(format!("SHA-256 of {}", format.title()), name), |b| {
            b.iter(|| sha256(black_box(&file)));
        });
    }
    group.finish();
}

criterion_group!(benches, headers);
criterion_main!(benches);
