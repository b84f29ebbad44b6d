//! The state of each chunk. Each chunk is in exactly one state, and the picker knows those that are missing.

use minimodel_wire::Bitfield;

use super::lost::Lost;
use super::picker::Picker;
use super::time::Time;

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

/// The states of all chunks; the bitfield, the number of missing chunks, the picker and the lost chunks follow each change.
#[derive(Debug)]
pub(super) struct Chunks {
    states: Vec<ChunkState>,
    have: Bitfield,
    missing: u32,
    /// The missing chunks, and how many partial peers have each.
    pub(super) picker: Picker,
    /// Chunks that could not be read back from our disk.
    pub(super) lost: Lost,
}

impl Chunks {
    /// Takes one number from `rng`, for the picker.
    pub(super) fn new(have: Bitfield, rng: &mut fastrand::Rng) -> Self {
        let picker = Picker::new(&have, rng);
        let states = (0..have.count())
            .map(|index| if have.get(index) { ChunkState::Have } else { ChunkState::Missing })
            .collect();
        let missing = have.count() - have.ones();
        Self { states, have, missing, picker, lost: Lost::default() }
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
        if state == ChunkState::Missing {
            self.picker.insert(index);
        } else {
            self.picker.remove(index);
        }
        match state {
            ChunkState::Missing => {
                self.missing += 1;
                self.have.clear(index);
            }
            ChunkState::Have => {
                self.have.set(index);
                self.lost.forget(index);
            }
            ChunkState::InFlight | ChunkState::Storing => {
                self.have.clear(index);
            }
        }
    }

    /// Notes that a chunk of ours could not be read back; it is missing now.
    pub(super) fn lose(&mut self, now: Time, index: u32) {
        self.set(index, ChunkState::Missing);
        self.lost.insert(now, index);
    }

    /// Returns the lost chunk that is to be read once more now.
    pub(super) fn next_reread(&mut self, now: Time) -> Option<u32> {
        while let Some(index) = self.lost.due(now) {
            if self.state(index) == ChunkState::Missing {
                self.lost.looks_at(index);
                return Some(index);
            }
            // The chunk is being fetched from a peer.
            self.lost.insert(now, index);
        }
        None
    }

    /// Handles the outcome of a second read; returns true if the chunk is good and still missing.
    pub(super) fn reread(&mut self, now: Time, index: u32, is_good: bool) -> bool {
        if !self.lost.looked_at(index) {
            return false;
        }
        let is_back = is_good && self.state(index) == ChunkState::Missing;
        if !is_back {
            self.lost.insert(now, index);
        }
        is_back
    }

    /// Checks the invariants; the error names the one that does not hold.
    pub(super) fn check(&self) -> Result<(), String> {
        self.picker.check()?;
        let mut missing = 0;
        for (index, state) in self.iter() {
            missing += u32::from(state == ChunkState::Missing);
            if self.have.get(index) != (state == ChunkState::Have) {
                return Err(format!("chunk {index} is {state:?}, the bitfield says otherwise"));
            }
        }
        if missing != self.missing {
            return Err(format!("{missing} missing, counted {}", self.missing));
        }
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, ChunkState)> + '_ {
        (0u32..).zip(self.states.iter().copied())
    }
}
