//! The `.slm` check, and its rolling checksum alone.
//!
//! `cargo bench -p minimodel-benches --bench slm`.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use minimodel_fixtures::{Quantization, Shape, slm_vec};
use minimodel_verifier::slm::{Rolling, Scan};

fn slm(c: &mut Criterion) {
    let mut group = c.benchmark_group("slm");
    for (name, quantization) in [("f32", Quantization::F32), ("q8_0", Quantization::Q8_0)] {
        let bytes = slm_vec(&Shape::about(16 << 20, quantization).unwrap(), 1);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("check {name}"), |b| {
            b.iter(|| {
                let mut scan = Scan::new(bytes.len() as u64);
                bytes.chunks(1 << 20).for_each(|piece| scan.push(piece));
                assert!(scan.finish().report.ok());
            });
        });
        group.bench_function(format!("rolling checksum {name}"), |b| {
            b.iter(|| {
                let mut rolling = Rolling::new();
                rolling.push(black_box(&bytes));
                rolling.finish()
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

criterion_group! { name = benches; config = quick(); targets = slm }
criterion_main!(benches);
