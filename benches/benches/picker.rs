//! Which chunk to ask for: one pick, one have, one arrival and departure, and the picks of a whole fetch.
//!
//! `cargo bench -p minimodel-benches --bench picker`. Peers are random: a quarter each has 1, 10, 50 and 99 % of
//! the chunks (5 % on average at a million chunks, so that setting up takes seconds). "Commonest" is the worst case of
//! a rarest-first order: a peer that has nothing but the chunks that most others have as well.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use minimodel_swarm::machine::Picker;
use minimodel_wire::Bitfield;

/// Peers that take turns in one bench, so that no single bitfield stays in the cache.
const POOL: usize = 32;

struct Swarm {
    picker: Picker,
    /// Partial holders of each chunk, counted independently of the picker.
    holders: Vec<u32>,
    rng: fastrand::Rng,
}

fn random(count: u32, share: f64, rng: &mut fastrand::Rng) -> Bitfield {
    let mut have = Bitfield::new(count);
    for index in 0..count {
        if rng.f64() < share {
            have.set(index);
        }
    }
    have
}

/// A contiguous run of chunks, as held by a peer that fetches in file order.
fn clustered(count: u32, share: f64, rng: &mut fastrand::Rng) -> Bitfield {
    let len = (f64::from(count) * share) as u32;
    let first = rng.u32(0..=count - len);
    let mut have = Bitfield::new(count);
    for index in first..first + len {
        have.set(index);
    }
    have
}

impl Swarm {
    fn new(count: u32, peers: u32) -> Self {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut picker = Picker::new(&Bitfield::new(count), &mut rng);
        let mut holders = vec![0; count as usize];
        let shares: &[f64] = if count > 100_000 { &[0.01, 0.09] } else { &[0.01, 0.1, 0.5, 0.99] };
        for share in shares.iter().cycle().take(peers as usize) {
            for index in random(count, *share, &mut rng).iter_ones() {
                picker.gained(index);
                holders[index as usize] += 1;
            }
        }
        Self { picker, holders, rng }
    }

    /// The picker of this swarm when only `left` chunks are still missing.
    fn near_the_end(&self, left: usize) -> Picker {
        let (mut picker, mut rng) = (self.picker.clone(), self.rng.clone());
        let mut indexes: Vec<u32> = (0..self.holders.len() as u32).collect();
        rng.shuffle(&mut indexes);
        indexes[left..].iter().for_each(|&index| picker.remove(index));
        picker
    }

    fn pool(&mut self, mut make: impl FnMut(u32, &mut fastrand::Rng) -> Bitfield) -> Vec<Bitfield> {
        let count = self.holders.len() as u32;
        (0..POOL).map(|_| make(count, &mut self.rng)).collect()
    }

    /// A peer that has the `share` of the chunks that most others have.
    fn commonest(&self, share: f64) -> Bitfield {
        let mut indexes: Vec<u32> = (0..self.holders.len() as u32).collect();
        indexes.sort_by_key(|&index| std::cmp::Reverse(self.holders[index as usize]));
        let mut have = Bitfield::new(indexes.len() as u32);
        for &index in &indexes[..(indexes.len() as f64 * share) as usize] {
            have.set(index);
        }
        have
    }
}

fn pick(c: &mut Criterion, size: &str, name: &str, picker: &Picker, pool: &[Bitfield]) {
    let (mut picker, mut peers) = (picker.clone(), pool.iter().cycle());
    c.benchmark_group(format!("picker/{size}")).bench_function(BenchmarkId::new("pick", name), |b| {
        b.iter(|| peers.next().map(|peer| picker.rarest(black_box(peer), !peer.is_full())));
    });
}

fn picks(c: &mut Criterion, size: &str, swarm: &mut Swarm) {
    let count = swarm.holders.len() as u32;
    let seed = vec![Bitfield::full(count)];
    let half = swarm.near_the_end(count as usize / 2);
    let end = swarm.near_the_end(64);
    for percent in [1, 10, 50, 99] {
        let share = f64::from(percent) / 100.0;
        let pool = swarm.pool(|count, rng| random(count, share, rng));
        pick(c, size, &format!("random {percent} %"), &swarm.picker, &pool);
        pick(c, size, &format!("random {percent} %, half missing"), &half, &pool);
        pick(c, size, &format!("random {percent} %, 64 missing"), &end, &pool);
        let pool = swarm.pool(|count, rng| clustered(count, share, rng));
        pick(c, size, &format!("clustered {percent} %"), &swarm.picker, &pool);
        let pool = vec![swarm.commonest(share)];
        pick(c, size, &format!("commonest {percent} %"), &swarm.picker, &pool);
    }
    let nothing = swarm.pool(|count, rng| random(count, 0.0005, rng));
    pick(c, size, "random 0.05 %", &swarm.picker, &nothing);
    pick(c, size, "seed", &swarm.picker, &seed);
    pick(c, size, "seed, 64 missing", &end, &seed);
}

/// Changes of the picker: a have, a request that is withdrawn, a peer that arrives and leaves.
fn changes(c: &mut Criterion, size: &str, swarm: &mut Swarm) {
    let count = swarm.holders.len() as u32;
    let mut group = c.benchmark_group(format!("picker/{size}"));
    let (mut picker, mut rng) = (swarm.picker.clone(), swarm.rng.clone());
    group.bench_function("have", |b| b.iter(|| picker.gained(rng.u32(0..count))));
    let mut picker = swarm.picker.clone();
    group.bench_function("asked and missing again", |b| {
        b.iter(|| {
            let index = rng.u32(0..count);
            picker.remove(index);
            picker.insert(index);
        });
    });
    let mut picker = swarm.picker.clone();
    for percent in [1, 50] {
        let peer = random(count, f64::from(percent) / 100.0, &mut rng);
        let name = format!("a peer with {percent} % arrives and leaves");
        group.throughput(Throughput::Elements(u64::from(peer.ones())));
        group.bench_function(name, |b| {
            b.iter(|| {
                peer.iter_ones().for_each(|index| picker.gained(index));
                peer.iter_ones().for_each(|index| picker.lost(index));
            });
        });
    }
    group.finish();
}

/// Picks every chunk once, from the peers in turn, as in a fetch that asks all peers at once.
fn whole(c: &mut Criterion) {
    let mut swarm = Swarm::new(100_000, 1_000);
    let mut peers = Vec::new();
    for share in [0.01, 0.1, 0.5, 0.99] {
        peers.extend(swarm.pool(|count, rng| random(count, share, rng)));
        peers.extend(swarm.pool(|count, rng| clustered(count, share, rng)));
    }
    peers.push(Bitfield::full(100_000));
    let mut group = c.benchmark_group("picker/100000 x 1000");
    group.throughput(Throughput::Elements(100_000)).sample_size(10);
    group.bench_function("a whole fetch", |b| {
        b.iter_batched(
            || swarm.picker.clone(),
            |mut picker| {
                let mut left = 100_000;
                for peer in peers.iter().cycle() {
                    if let Some(index) = picker.rarest(peer, !peer.is_full()) {
                        picker.remove(index);
                        left -= 1;
                    }
                    if left == 0 {
                        return;
                    }
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn picker(c: &mut Criterion) {
    for (count, peers) in
        [(1_000, 10), (1_000, 1_000), (100_000, 10), (100_000, 1_000), (1_000_000, 10), (1_000_000, 1_000)]
    {
        let size = format!("{count} x {peers}");
        let mut swarm = Swarm::new(count, peers);
        if (count, peers) == (100_000, 1_000) {
            picks(c, &size, &mut swarm);
        } else {
            let pool = swarm.pool(|count, rng| random(count, 0.1, rng));
            pick(c, &size, "random 10 %", &swarm.picker, &pool);
            let pool = vec![swarm.commonest(0.5)];
            pick(c, &size, "commonest 50 %", &swarm.picker, &pool);
        }
        changes(c, &size, &mut swarm);
    }
    whole(c);
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
}

criterion_group! { name = benches; config = quick(); targets = picker }
criterion_main!(benches);
