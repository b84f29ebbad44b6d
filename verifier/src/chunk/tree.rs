//! The whole tree in memory: what a seeder holds.

use super::proof::{collect_siblings, leaf, node};
use crate::digest::{Digest, sha256};

/// Every chunk's SHA-256 and every node above the leaves: about two digests a chunk.
///
/// Leaves are one hash away from the chunk values, so they are computed when a proof needs one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    chunks: Vec<Digest>,
    /// `above[0]` pairs the leaves, the last level is the root alone; empty for a single chunk.
    above: Vec<Vec<Digest>>,
    root: Digest,
    count: u32,
}

impl Tree {
    /// Builds the tree over the SHA-256 values of the chunks, in order. As in RFC 6962, the root of a tree without chunks
    /// is the SHA-256 of nothing; an artifact has at least one chunk.
    pub fn from_chunk_hashes(chunks: Vec<Digest>) -> Self {
        #[expect(clippy::expect_used, reason = "2^32 digests are 128 GiB; a layout ends at 2^24 chunks")]
        let count = u32::try_from(chunks.len()).expect("fewer than 2^32 chunks");
        let mut above: Vec<Vec<Digest>> = Vec::new();
        if chunks.len() > 1 {
            above.push(chunks.chunks(2).map(pair_of_chunks).collect());
        }
        while let Some(level) = above.last().filter(|level| level.len() > 1) {
            let next = level.chunks(2).map(pair_of_nodes).collect();
            above.push(next);
        }
        let root = match (above.last(), chunks.first()) {
            (Some(top), _) => pair_of_nodes(top),
            (None, Some(only)) => leaf(only),
            (None, None) => sha256(b""),
        };
        Self { chunks, above, root, count }
    }

    /// The root that a manifest names.
    pub fn root(&self) -> &Digest {
        &self.root
    }

    /// Number of chunks.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// SHA-256 values of all chunks, in order.
    pub fn chunk_hashes(&self) -> &[Digest] {
        &self.chunks
    }

    /// SHA-256 of chunk `index`.
    pub fn chunk_hash(&self, index: u32) -> Option<&Digest> {
        self.chunks.get(usize::try_from(index).ok()?)
    }

    /// The audit path of chunk `index`, siblings from the leaf upward.
    pub fn proof(&self, index: u32) -> Option<Vec<Digest>> {
        self.range_proof(index, 1)
    }

    /// The proof of the `n` chunks from `first` on, in the order that [`super::verify_range`] describes; `None` when
    /// the range is empty or leaves the artifact.
    pub fn range_proof(&self, first: u32, n: u32) -> Option<Vec<Digest>> {
        collect_siblings(self.count, first, n, |level, place| self.node_at(level, place))
    }

    fn node_at(&self, level: usize, place: u32) -> Option<Digest> {
        let place = usize::try_from(place).ok()?;
        match level.checked_sub(1) {
            None => self.chunks.get(place).map(leaf),
            Some(above) => self.above.get(above)?.get(place).copied(),
        }
    }
}

fn pair_of_chunks(pair: &[Digest]) -> Digest {
    match pair {
        [left, right] => node(&leaf(left), &leaf(right)),
        _ => pair.first().map_or([0; 32], leaf),
    }
}

fn pair_of_nodes(pair: &[Digest]) -> Digest {
    match pair {
        [left, right] => node(left, right),
        _ => pair.first().copied().unwrap_or_default(),
    }
}
