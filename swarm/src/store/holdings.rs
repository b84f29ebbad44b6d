//! Chunks that are here, their suppliers, and the known part of the tree.

use std::collections::BTreeMap;

use minimodel_verifier::Digest;
use minimodel_verifier::chunk::{Layout, SparseTree};

use super::state::PeerKey;

/// What one peer supplied of the chunks that are here now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Supplied {
    /// Chunks.
    pub chunks: u32,
    /// Their bytes.
    pub bytes: u64,
}

/// Supplier key that is recorded for a chunk that a rescan found on this disk: its supplier is not known.
pub(super) const FOUND_HERE: PeerKey = [0; 32];

/// The chunks of one part.
///
/// Invariant: a held chunk was proven against the root, its bytes are at their place in the file, and its hash and
/// path are in the tree. The tree may know more: hashes of chunks that are not here.
#[derive(Debug)]
pub(super) struct Holdings {
    pub(super) tree: SparseTree,
    layout: Layout,
    /// For each chunk 0, or 1 + the place of its supplier in `suppliers`.
    held_from: Vec<u32>,
    suppliers: Vec<PeerKey>,
    places: BTreeMap<PeerKey, u32>,
    missing_chunks: u32,
    missing_bytes: u64,
}

impl Holdings {
    pub(super) fn new(layout: Layout, root: Digest) -> Self {
        Self {
            tree: SparseTree::new(layout.count(), root),
            layout,
            held_from: vec![0; layout.count() as usize],
            suppliers: Vec::new(),
            places: BTreeMap::new(),
            missing_chunks: layout.count(),
            missing_bytes: layout.byte_count(),
        }
    }

    pub(super) fn has(&self, index: u32) -> bool {
        self.held_from.get(index as usize).is_some_and(|&from| from != 0)
    }

    /// The chunks that are here because a peer supplied them, in order.
    pub(super) fn supplied_by_peers(&self) -> Vec<u32> {
        let here = self.places.get(&FOUND_HERE).copied().unwrap_or_default();
        let is_from_peer = |from: &u32| *from != 0 && (here == 0 || *from != here);
        (0..).zip(&self.held_from).filter(|(_, from)| is_from_peer(from)).map(|(index, _)| index).collect()
    }

    /// Marks a proven, written and recorded chunk; `false` when it was held already.
    pub(super) fn hold(&mut self, index: u32, supplier: PeerKey) -> bool {
        let suppliers = &mut self.suppliers;
        let place = *self.places.entry(supplier).or_insert_with(|| {
            suppliers.push(supplier);
            // At most one supplier a chunk, and chunks are counted in u32.
            u32::try_from(suppliers.len()).unwrap_or(u32::MAX)
        });
        match self.held_from.get_mut(index as usize) {
            Some(from) if *from == 0 => {
                *from = place;
                self.missing_chunks -= 1;
                self.missing_bytes -= u64::from(self.layout.chunk_len(index));
                true
            }
            _ => false,
        }
    }

    /// Forgets a chunk whose bytes are no longer good; `false` when it was not held.
    pub(super) fn give_up(&mut self, index: u32) -> bool {
        match self.held_from.get_mut(index as usize) {
            Some(from) if *from != 0 => {
                *from = 0;
                self.missing_chunks += 1;
                self.missing_bytes += u64::from(self.layout.chunk_len(index));
                true
            }
            _ => false,
        }
    }

    pub(super) fn missing_chunks(&self) -> u32 {
        self.missing_chunks
    }

    pub(super) fn missing_bytes(&self) -> u64 {
        self.missing_bytes
    }

    pub(super) fn held(&self) -> Vec<u32> {
        (0..self.layout.count()).filter(|&index| self.has(index)).collect()
    }

    /// All suppliers of held chunks, [`FOUND_HERE`] among them.
    pub(super) fn supplied(&self) -> BTreeMap<PeerKey, Supplied> {
        let mut all: BTreeMap<PeerKey, Supplied> = BTreeMap::new();
        for (index, &from) in (0..).zip(&self.held_from) {
            let place = (from as usize).checked_sub(1);
            if let Some(supplier) = place.and_then(|place| self.suppliers.get(place)) {
                let supplied = all.entry(*supplier).or_default();
                supplied.chunks += 1;
                supplied.bytes += u64::from(self.layout.chunk_len(index));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_follow_what_is_held_and_given_up() {
        let layout = Layout::new(40_000, 16_384).unwrap();
        let mut holdings = Holdings::new(layout, [0; 32]);
        assert_eq!((holdings.missing_chunks(), holdings.missing_bytes()), (3, 40_000));
        assert!(holdings.hold(2, [1; 32]) && holdings.hold(0, [2; 32]));
        assert!(!holdings.hold(2, [3; 32]), "a held chunk keeps its supplier");
        assert!(!holdings.hold(3, [3; 32]), "there is no such chunk");
        assert_eq!((holdings.missing_chunks(), holdings.missing_bytes()), (1, 16_384));
        assert_eq!(holdings.held(), [0, 2]);
        let last = Supplied { chunks: 1, bytes: 40_000 - 32_768 };
        assert_eq!(holdings.supplied().get(&[1; 32]), Some(&last));
        assert!(holdings.give_up(2) && !holdings.give_up(2) && !holdings.give_up(3));
        assert_eq!((holdings.missing_chunks(), holdings.held()), (2, vec![0]));
        assert_eq!(holdings.supplied().len(), 1);
    }
}
