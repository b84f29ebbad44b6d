//! Where served chunks come from: one trait for a complete file and for a part.

use bytes::Bytes;
use minimodel_verifier::Digest;
use minimodel_verifier::chunk::Layout;

use super::disk::Disk;
use super::error::SourceError;
use super::part::Part;

/// A chunk as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkBytes {
    /// The chunk.
    pub bytes: Bytes,
    /// Its audit path, siblings from the leaf upward.
    pub proof: Vec<Digest>,
}

/// A source of chunks with their proofs. All calls may block on the disk.
pub trait ChunkSource: Send + Sync + 'static {
    /// Sizes of the artifact.
    fn layout(&self) -> &Layout;

    /// Whether the chunk can be served.
    fn has(&self, index: u32) -> bool;

    /// Reads a chunk back; the errors say whether the chunk, or the whole source, is no longer good.
    fn chunk(&self, index: u32) -> Result<ChunkBytes, SourceError>;

    /// SHA-256 of a chunk, where it is known (whether or not the chunk is here).
    fn chunk_hash(&self, index: u32) -> Option<Digest>;

    /// SHA-256 values of `count` chunks from `first` on, with the proof of that range; `None` when not all are known.
    fn leaves(&self, first: u32, count: u32) -> Option<(Vec<Digest>, Vec<Digest>)>;

    /// Reports a peer's complaint: from now on every chunk is hashed again before it is served.
    fn suspect(&self);
}

impl<D: Disk> ChunkSource for Part<D> {
    fn layout(&self) -> &Layout {
        &self.spec.layout
    }

    fn has(&self, index: u32) -> bool {
        Self::has(self, index)
    }

    fn chunk(&self, index: u32) -> Result<ChunkBytes, SourceError> {
        let mut bytes = self.buffers.take();
        self.read_chunk_into(index, &mut bytes)?;
        // The proof of a held chunk is always known.
        let proof = self.proof(index).ok_or(SourceError::NotHave { index })?;
        Ok(ChunkBytes { bytes: self.buffers.lend(bytes), proof })
    }

    fn chunk_hash(&self, index: u32) -> Option<Digest> {
        Self::chunk_hash(self, index)
    }

    fn leaves(&self, first: u32, count: u32) -> Option<(Vec<Digest>, Vec<Digest>)> {
        let holdings = self.holdings();
        let end = first.checked_add(count).filter(|&end| end <= self.spec.layout.count())?;
        let hashes: Option<Vec<Digest>> =
            (first..end).map(|index| holdings.tree.chunk_hash(index).copied()).collect();
        Some((hashes?, holdings.tree.range_proof(first, count)?))
    }

    fn suspect(&self) {
        self.trust.suspect();
    }
}
