//! The map of chunks compared with one that looks at each chunk and each peer.

use minimodel_wire::Frame;
use proptest::prelude::*;

use super::super::chunks::{ChunkState, Chunks};
use super::super::harness::{CHUNKS, Harness, SEED, TAKE, having};
use super::*;

/// Chunks in these states, of which peers have those of each bitfield.
fn chunks_of(states: &[ChunkState], peers: &[Vec<bool>]) -> Chunks {
    let count = states.len() as u32;
    let mut chunks = Chunks::new(Bitfield::new(count), &mut fastrand::Rng::with_seed(3));
    for (index, &state) in (0u32..).zip(states) {
        chunks.set(index, state);
        for _ in peers.iter().filter(|peer| peer[index as usize]) {
            chunks.picker.gained(index);
        }
    }
    chunks
}

fn map_of(chunks: &Chunks, seeds: u32, cells: u32) -> ChunkMap {
    let picker = &chunks.picker;
    let holders = |range| picker.least_holders_in(range).map(|partial| partial + seeds);
    ChunkMap::new((chunks.have(), 64), cells, |range| picker.missing_in(range), holders)
}

fn states() -> impl Strategy<Value = Vec<ChunkState>> {
    let state = prop_oneof![
        3 => Just(ChunkState::Have),
        3 => Just(ChunkState::Missing),
        1 => Just(ChunkState::InFlight),
        1 => Just(ChunkState::Storing),
    ];
    // Long stretches in one state as well, so that whole words are equal.
    let stretch = (state, prop_oneof![1usize..4, 60usize..200]);
    prop::collection::vec(stretch, 1..12).prop_map(|stretches| {
        stretches.into_iter().flat_map(|(state, len)| std::iter::repeat_n(state, len)).collect()
    })
}

proptest! {
    #[test]
    fn chunk_map_equals_one_that_looks_at_each_chunk(
        states in states(),
        cells in prop_oneof![0u32..200, Just(u32::MAX)],
        seeds in 0u32..300,
        peers in prop::collection::vec(prop::collection::vec(any::<bool>(), 2_400), 0..4),
    ) {
        let chunks = chunks_of(&states, &peers);
        let map = map_of(&chunks, seeds, cells);
        let count = states.len() as u32;
        prop_assert_eq!(map.chunks, count);
        prop_assert_eq!(map.have.len() as u32, cells.clamp(1, ChunkMap::MAX_CELLS).min(count));
        prop_assert_eq!((map.in_flight.len(), map.least_holders.len()), (map.have.len(), map.have.len()));
        let mut begin = 0;
        for (cell, range) in ranges(count, cells).enumerate() {
            prop_assert!(range.start == begin && !range.is_empty());
            begin = range.end;
            let of = |states: &[ChunkState]| -> Vec<u32> {
                range.clone().filter(|&index| states.contains(&chunks.state(index))).collect()
            };
            let all = range.len();
            let (have, missing) = (of(&[ChunkState::Have]), of(&[ChunkState::Missing]));
            let flying = all - have.len() - missing.len();
            for (told, some) in [(map.have[cell], have.len()), (map.in_flight[cell], flying)] {
                prop_assert_eq!(told == 0, some == 0);
                prop_assert_eq!(told == 255, some == all);
                prop_assert!((f64::from(told) / 255.0 - some as f64 / all as f64).abs() < 1.0 / 200.0);
            }
            let held = |index: &u32| peers.iter().filter(|peer| peer[*index as usize]).count() as u32;
            let least = missing.iter().map(held).min().map(|least| (least + seeds).min(254) as u8);
            prop_assert_eq!(map.least_holders[cell], least.unwrap_or(255));
        }
        prop_assert_eq!(begin, count);
    }
}

#[test]
fn chunk_map_of_a_session_shows_seeds_requests_and_unheld() {
    let mut harness = Harness::new(TAKE, having(0..5));
    let map = harness.machine.chunk_map(4);
    assert_eq!((map.chunks, map.chunk_bytes), (CHUNKS, 1 << 16));
    assert_eq!(map.have, [255, 0, 0, 0]);
    assert_eq!((map.in_flight, map.least_holders), (vec![0; 4], vec![255, 0, 0, 0]));
    let progress = harness.machine.progress();
    assert_eq!((progress.missing, progress.unheld), (15, 15));
    // A peer that chokes us, so that nothing is requested of it.
    harness.join(1, SEED, having(5..12));
    assert_eq!(harness.machine.chunk_map(4).least_holders, [255, 1, 0, 0]);
    assert_eq!(harness.machine.progress().unheld, 8);
    harness.join(2, SEED, Bitfield::full(CHUNKS));
    assert_eq!(harness.machine.chunk_map(4).least_holders, [255, 2, 1, 1]);
    assert_eq!(harness.machine.progress().unheld, 0);
    harness.frame(2, Frame::Unchoke);
    let asked = harness.requests().len() as u32;
    assert!(asked > 0);
    let (progress, map) = (harness.machine.progress(), harness.machine.chunk_map(CHUNKS));
    assert_eq!(progress.missing, 15 - asked);
    assert_eq!(map.in_flight.iter().filter(|&&cell| cell == 255).count() as u32, asked);
}

#[test]
fn chunk_map_of_a_full_or_empty_file_at_rest_has_no_peer() {
    let full = ChunkMap::at_rest(&Bitfield::full(10), 64, 3);
    assert_eq!((full.have, full.least_holders), (vec![255; 3], vec![255; 3]));
    let empty = ChunkMap::at_rest(&Bitfield::new(10), 64, 3);
    assert_eq!((empty.have, empty.in_flight, empty.least_holders), (vec![0; 3], vec![0; 3], vec![0; 3]));
    let mut some = Bitfield::new(10);
    some.set(0);
    let some = ChunkMap::at_rest(&some, 64, 20);
    assert_eq!((some.have.len(), some.have[0], some.least_holders[0]), (10, 255, 255));
    assert_eq!(some.least_holders[1..], [0; 9]);
}

/// The greatest file of the protocol; `cargo bench -p minimodel-benches --bench machine -- map` has what it costs.
#[test]
fn chunk_map_of_sixteen_million_chunks_has_4096_cells() {
    let count = minimodel_wire::limits::MAX_CHUNK_COUNT;
    let mut have = Bitfield::new(count);
    for index in (0..count).step_by(4_099) {
        have.set(index);
    }
    let chunks = Chunks::new(have, &mut fastrand::Rng::with_seed(3));
    let map = map_of(&chunks, 64, u32::MAX);
    assert_eq!(map.have.len() as u32, ChunkMap::MAX_CELLS);
    assert!(map.least_holders.iter().all(|&least| least == 64) && map.have.iter().all(|&part| part < 2));
}
