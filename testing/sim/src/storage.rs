//! Storage of a simulated peer: only the numbers of its chunks, or real bytes in the real store.

use std::collections::BTreeSet;

use crate::failing_disk::FailingDisk;
use crate::store::Store;

/// The disk of a peer.
pub enum Storage {
    /// Chunk numbers only, for large worlds: a chunk is right unless it is marked as corrupt in transit.
    Numbers(BTreeSet<u32>),
    /// Bytes and proofs in the real store, on a disk that fails.
    Store(Box<Store>),
}

impl Storage {
    pub(crate) fn has(&self, index: u32) -> bool {
        match self {
            Self::Numbers(chunks) => chunks.contains(&index),
            Self::Store(store) => store.has(index),
        }
    }

    pub(crate) fn store(&mut self) -> Option<&mut Store> {
        match self {
            Self::Numbers(_) => None,
            Self::Store(store) => Some(store),
        }
    }

    pub(crate) fn numbers(&mut self) -> Option<&mut BTreeSet<u32>> {
        match self {
            Self::Numbers(chunks) => Some(chunks),
            Self::Store(_) => None,
        }
    }

    /// The disk below the real store; `None` where only numbers are stored.
    pub fn disk(&mut self) -> Option<&mut FailingDisk> {
        self.store().map(|store| &mut store.disk)
    }
}
