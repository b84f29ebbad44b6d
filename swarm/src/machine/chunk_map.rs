//! The map of chunks: what is here, on its way and missing, in a bounded number of cells.
//!
//! A map costs one pass over the words of two bitfields, and one over the holder counts of missing chunks, whatever the number
//! of peers: the picker has counted them.

use std::ops::Range;

use minimodel_wire::Bitfield;

use super::swarm::Swarm;

/// The chunks of a file in cells of about equal size, in the order of the file. Each list has one byte a cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChunkMap {
    /// Chunks of the file.
    pub chunks: u32,
    /// Bytes of a chunk; the last one may be shorter.
    pub chunk_bytes: u32,
    /// The part of the cell's chunks that are proven and on disk, in 255ths: 0 only if none is, 255 only if all are.
    pub have: Vec<u8>,
    /// In the same way the part that is requested, or being proven and written.
    pub in_flight: Vec<u8>,
    /// How many connected peers have the rarest missing chunk of the cell, at most [`Self::MOST_HOLDERS`];
    /// [`Self::NONE_MISSING`]: no chunk of the cell is missing.
    pub least_holders: Vec<u8>,
}

impl ChunkMap {
    /// Most cells of a map.
    pub const MAX_CELLS: u32 = 4_096;
    /// Numbers of holders are cut to this.
    pub const MOST_HOLDERS: u8 = 254;
    /// Stands for the number of holders where no chunk is missing.
    pub const NONE_MISSING: u8 = 255;

    /// The map of a file that no session moves: no chunk is on its way, and no peer is connected.
    pub fn at_rest(have: &Bitfield, chunk_bytes: u32, cells: u32) -> Self {
        let holders = |range: Range<u32>| (have.count_in(range.clone()) < range.len() as u32).then_some(0);
        Self::new((have, chunk_bytes), cells, |range| range.len() as u32 - have.count_in(range), holders)
    }

    /// The map of a running session.
    pub(super) fn of(swarm: &Swarm, cells: u32) -> Self {
        let (chunks, seeds) = (&swarm.chunks, swarm.peers.seeds());
        let picker = &chunks.picker;
        let holders = |range| picker.least_holders_in(range).map(|partial| partial.saturating_add(seeds));
        let file = (chunks.have(), swarm.config.terms.chunk_size);
        Self::new(file, cells, |range| picker.missing_in(range), holders)
    }

    /// `missing` counts the missing chunks of a range; `holders` counts the peers that have the rarest of them.
    fn new(
        (have, chunk_bytes): (&Bitfield, u32),
        cells: u32,
        missing: impl Fn(Range<u32>) -> u32,
        holders: impl Fn(Range<u32>) -> Option<u32>,
    ) -> Self {
        let mut map = Self { chunks: have.count(), chunk_bytes, ..Self::default() };
        for range in ranges(have.count(), cells) {
            let (all, here) = (range.len() as u32, have.count_in(range.clone()));
            let in_flight = all.saturating_sub(here).saturating_sub(missing(range.clone()));
            map.have.push(part(here, all));
            map.in_flight.push(part(in_flight, all));
            let least = holders(range).map(|least| least.min(Self::MOST_HOLDERS.into()) as u8);
            map.least_holders.push(least.unwrap_or(Self::NONE_MISSING));
        }
        map
    }
}

/// The chunks of each cell: as many cells as are asked for, at least one, and none without a chunk.
fn ranges(chunks: u32, cells: u32) -> impl Iterator<Item = Range<u32>> {
    let cells = cells.clamp(1, ChunkMap::MAX_CELLS).min(chunks);
    let begin = move |cell: u32| (u64::from(cell) * u64::from(chunks) / u64::from(cells.max(1))) as u32;
    (0..cells).map(move |cell| begin(cell)..begin(cell + 1))
}

/// `some` of `all` in 255ths: 0 only for none, 255 only for all.
fn part(some: u32, all: u32) -> u8 {
    match some {
        0 => 0,
        some if some >= all => u8::MAX,
        some => (u64::from(some) * u64::from(u8::MAX) / u64::from(all)).clamp(1, 254) as u8,
    }
}

#[cfg(test)]
mod tests;
