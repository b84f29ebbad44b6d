//! The state of each chunk. Each chunk is in exactly one state.

use minimodel_wire::Bitfield;

/// The state of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkState {
    /// Not on disk and not requested.
    Missing,
    /// Requested from one or two peers.
    InFlight,
    /// Received once; being proven and written.
    Storing,
    /// Proven, written, recorded.
    Have,
}

/// The states of all chunks, with the bitfield and the number of missing chunks kept up to date.
#[derive(Debug, Clone)]
pub(super) struct Chunks {
    states: Vec<ChunkState>,
    have: Bitfield,
    missing: u32,
}

impl Chunks {
    pub(super) fn new(have: Bitfield) -> Self {
        let states = (0..have.count())
            .map(|index| if have.get(index) { ChunkState::Have } else { ChunkState::Missing })
            .collect();
        let missing = have.count() - have.ones();
        Self { states, have, missing }
    }

    /// The state of a chunk; `Have` for an index that does not exist, so that it is never requested.
    pub(super) fn state(&self, index: u32) -> ChunkState {
        self.states.get(index as usize).copied().unwrap_or(ChunkState::Have)
    }

    pub(super) fn have(&self) -> &Bitfield {
        &self.have
    }

    pub(super) fn missing(&self) -> u32 {
        self.missing
    }

    pub(super) fn is_complete(&self) -> bool {
        self.have.is_full()
    }

    pub(super) fn set(&mut self, index: u32, state: ChunkState) {
        let Some(slot) = self.states.get_mut(index as usize) else { return };
        let before = std::mem::replace(slot, state);
        if before == ChunkState::Missing {
            self.missing -= 1;
        }
        match state {
            ChunkState::Missing => {
                self.missing += 1;
                self.have.clear(index);
            }
            ChunkState::Have => {
                self.have.set(index);
            }
            ChunkState::InFlight | ChunkState::Storing => {
                self.have.clear(index);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, ChunkState)> + '_ {
        (0u32..).zip(self.states.iter().copied())
    }
}
