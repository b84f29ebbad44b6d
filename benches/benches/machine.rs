//! One turn of the machine: what an input costs while many peers are connected.
//!
//! `cargo bench -p minimodel-benches --bench machine`. One peer in eight is a seed, the others have half of the
//! chunks, all serve us and we serve them; each turn is followed by [`Machine::wakeup`], as in the driver. Time goes on by
//! 20 microseconds a turn, so what is done now and then (deadlines, slots, announcements) is in the figures. "Memory for
//! all" is a budget that lets every peer be busy; the default budget is 64 chunks.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use minimodel_swarm::machine::{
    Ask, Config, Conn, Input, KeepOutcome, Limits, Machine, Output, Req, ServeOutcome, Site, Time,
};
use minimodel_wire::{Bitfield, Consent, Frame, PeerId};

const CHUNK: u32 = 1 << 20;
const TURN: Duration = Duration::from_micros(20);

/// A machine under load, with its open requests and the peers' asks.
struct Harness {
    machine: Machine,
    now: Time,
    chunks: u32,
    requests: VecDeque<Req>,
    asks: VecDeque<Ask>,
    next: u64,
}

fn config(count: u32, consent: Consent, limits: Limits) -> Config {
    let terms = minimodel_sim::terms(u64::from(count) * u64::from(CHUNK), CHUNK);
    Config { limits, ..minimodel_sim::config(PeerId([9; 32]), terms, consent) }
}

/// Limits that admit all peers of a bench and every frame that they send.
fn limits(memory: u64) -> Limits {
    Limits {
        max_connections: 4_096,
        control_burst: u32::MAX,
        control_per_second: u32::MAX,
        upload_budget_files: u64::MAX >> 32,
        memory_budget_bytes: memory,
        ..Limits::default()
    }
}

fn id(n: u64) -> PeerId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&n.to_be_bytes());
    PeerId(id)
}

impl Harness {
    fn fetching(chunks: u32, peers: u64, memory: u64) -> Self {
        let all = Consent::FETCH | Consent::SERVE | Consent::PUBLISH;
        let mut harness = Self::new(config(chunks, all, limits(memory)), Bitfield::new(chunks));
        let mut rng = fastrand::Rng::with_seed(3);
        for n in 0..peers {
            let mut have = Bitfield::full(chunks);
            if n % 8 != 0 {
                (0..chunks).filter(|_| rng.bool()).for_each(|index| {
                    have.clear(index);
                });
            }
            harness.join(n, all, have);
        }
        harness
    }

    fn seeding(chunks: u32, peers: u64) -> Self {
        let limits = Limits { upload_slots: 64, ..limits(64 << 20) };
        let mut harness = Self::new(config(chunks, Consent::SERVE, limits), Bitfield::full(chunks));
        for n in 0..peers {
            harness.join(n, Consent::FETCH, Bitfield::new(chunks));
            harness.turn(Input::Frame { conn: Conn(n), frame: Frame::Interested });
        }
        harness
    }

    fn new(config: Config, have: Bitfield) -> Self {
        let chunks = config.terms.chunk_count;
        let machine = Machine::new(config, have, BTreeMap::new());
        let (requests, asks) = (VecDeque::new(), VecDeque::new());
        Self { machine, now: Time::ZERO, chunks, requests, asks, next: 0 }
    }

    fn join(&mut self, n: u64, consent: Consent, have: Bitfield) {
        let conn = Conn(n);
        let site = Site::of([10, 0, 0, 1].into());
        self.machine.handle(self.now, Input::Connected { conn, peer: id(n + 1), site, dialed: false });
        let mut hello = None;
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Send { conn: to, frame: Frame::Hello(ours) } if to == conn => hello = Some(ours),
                output => self.carry_out(&output),
            }
        }
        let mut hello = hello.expect("every peer is greeted");
        hello.consent = consent;
        for frame in [Frame::Hello(hello), Frame::Bitfield(have), Frame::Unchoke] {
            self.turn(Input::Frame { conn, frame });
        }
    }

    fn turn(&mut self, input: Input) {
        self.now = self.now + TURN;
        self.machine.handle(self.now, input);
        while let Some(output) = self.machine.poll() {
            self.carry_out(&output);
        }
        if black_box(self.machine.wakeup()).is_some_and(|at| at <= self.now) {
            self.machine.handle(self.now, Input::Tick);
        }
    }

    fn carry_out(&mut self, output: &Output) {
        match output {
            Output::Request { req, .. } => self.requests.push_back(*req),
            Output::Cancel { req } => self.requests.retain(|asked| asked != req),
            Output::Serve { ask, .. } => self.asks.push_back(*ask),
            _ => {}
        }
    }

    /// Reports received bytes of the oldest request, and moves that request to the end of the queue.
    fn progress(&mut self) {
        let req = self.requests.pop_front().expect("something is asked for");
        self.requests.push_back(req);
        self.next += 1;
        self.turn(Input::Progress { req, received: self.next });
    }

    /// A chunk arrives and is kept: two inputs, after which the machine picks the next chunk.
    fn chunk(&mut self) -> bool {
        let Some(req) = self.requests.pop_front() else { return false };
        self.turn(Input::Arrived { req });
        self.turn(Input::Kept { req, outcome: KeepOutcome::Kept });
        true
    }

    fn have(&mut self, peers: u64) {
        self.next += 1;
        let index = (self.next / peers) as u32 % self.chunks;
        let frame = Frame::Have { indexes: vec![index] };
        self.turn(Input::Frame { conn: Conn(self.next % peers), frame });
    }

    /// One of the served peers asks for a chunk, gets it, and asks for the next.
    fn serve(&mut self, peers: u64) {
        self.next += 1;
        let (ask, index) = (Ask(self.next), (self.next / peers) as u32 % self.chunks);
        self.turn(Input::Asked { ask, conn: Conn(self.next % peers.min(64)), index });
        if let Some(ask) = self.asks.pop_front() {
            self.turn(Input::Served { ask, outcome: ServeOutcome::Done { bytes: CHUNK.into() } });
        }
    }
}

fn fetching(c: &mut Criterion) {
    let mut group = c.benchmark_group("machine");
    for (chunks, peers) in [(100_000, 1), (100_000, 64), (100_000, 1_000), (1_000, 64)] {
        let size = format!("{chunks} x {peers}");
        let mut harness = Harness::fetching(chunks, peers, 64 << 20);
        group.bench_function(BenchmarkId::new("progress", &size), |b| b.iter(|| harness.progress()));
        group.bench_function(BenchmarkId::new("have", &size), |b| b.iter(|| harness.have(peers)));
        for (name, memory) in [("chunk", 64 << 20), ("chunk, memory for all", 64 << 30)] {
            let mut harness = Harness::fetching(chunks, peers, memory);
            group.bench_function(BenchmarkId::new(name, &size), |b| {
                b.iter(|| {
                    if !harness.chunk() {
                        harness = Harness::fetching(chunks, peers, memory);
                    }
                });
            });
        }
    }
    group.finish();
}

fn serving(c: &mut Criterion) {
    let mut group = c.benchmark_group("machine");
    for peers in [1, 64, 1_000] {
        let size = format!("100000 x {peers}");
        let mut harness = Harness::seeding(100_000, peers);
        group.bench_function(BenchmarkId::new("serve a chunk", &size), |b| b.iter(|| harness.serve(peers)));
    }
    group.finish();
}

/// A peer from its Hello to its close, while a thousand others are connected.
fn joining(c: &mut Criterion) {
    let mut group = c.benchmark_group("machine/join and leave");
    for chunks in [1_000, 100_000] {
        let mut harness = Harness::fetching(chunks, 1_000, 64 << 20);
        let mut half = Bitfield::full(chunks);
        (0..chunks).step_by(2).for_each(|index| {
            half.clear(index);
        });
        for (name, have) in [("a seed", Bitfield::full(chunks)), ("a peer with 50 %", half)] {
            group.bench_function(BenchmarkId::new(name, format!("{chunks} x 1000")), |b| {
                b.iter(|| {
                    harness.next += 1;
                    let n = 1_000_000 + harness.next;
                    harness.join(n, Consent::SERVE, have.clone());
                    harness.turn(Input::Closed { conn: Conn(n), code: None });
                });
            });
        }
    }
    group.finish();
}

/// The map of chunks that a page shows, of the greatest file that there may be.
fn mapping(c: &mut Criterion) {
    let mut group = c.benchmark_group("machine");
    for chunks in [100_000, 1 << 24] {
        let harness = Harness::fetching(chunks, 64, 64 << 20);
        let size = format!("{chunks} x 64");
        group.bench_function(BenchmarkId::new("map of chunks", &size), |b| {
            b.iter(|| black_box(harness.machine.chunk_map(4_096)));
        });
    }
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
}

criterion_group! { name = benches; config = quick(); targets = fetching, serving, joining, mapping }
criterion_main!(benches);
