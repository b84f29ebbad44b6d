//! Where proven chunks are written: all that the driver needs of a partial file besides serving from it.

use std::io;

use minimodel_verifier::Digest;

use crate::machine::KeepOutcome;
use crate::store::{ChunkSource, Disk, KeepError, Part, StoreError};

/// A file that grows by proven chunks. All calls block, and are made on threads for blocking work.
pub trait ChunkSink: ChunkSource {
    /// Proves the chunk, whose SHA-256 is `got`, against the root, writes it and records it.
    ///
    /// # Errors
    ///
    /// Only the disk's; a chunk that fails its proof is an outcome, not an error.
    fn keep(
        &self,
        index: u32,
        data: &[u8],
        got: Digest,
        proof: &[Digest],
        supplier: [u8; 32],
    ) -> Result<KeepOutcome, StoreError>;

    /// Fills `piece` with the bytes of the file from `offset` on.
    ///
    /// # Errors
    ///
    /// The disk's.
    fn read_back(&self, offset: u64, piece: &mut [u8]) -> io::Result<()>;

    /// Compares what is on disk with all leaf hashes, proven by the caller; returns the chunks that are good and were
    /// not recorded.
    ///
    /// # Errors
    ///
    /// The disk's.
    fn rescan(&self, leaves: Vec<Digest>) -> Result<Vec<u32>, StoreError>;

    /// The chunks that are proven and on disk, in ascending order.
    fn held(&self) -> Vec<u32>;
}

impl<D: Disk> ChunkSink for Part<D> {
    fn keep(
        &self,
        index: u32,
        data: &[u8],
        got: Digest,
        proof: &[Digest],
        supplier: [u8; 32],
    ) -> Result<KeepOutcome, StoreError> {
        match self.keep_hashed(index, data, got, proof, supplier) {
            Ok(_) => Ok(KeepOutcome::Kept),
            Err(KeepError::BadProof { got, .. }) => Ok(KeepOutcome::BadProof { got }),
            Err(KeepError::Disk(error)) => Err(error),
        }
    }

    fn read_back(&self, offset: u64, piece: &mut [u8]) -> io::Result<()> {
        Self::read_back(self, offset, piece)
    }

    fn rescan(&self, leaves: Vec<Digest>) -> Result<Vec<u32>, StoreError> {
        Self::rescan(self, leaves)
    }

    fn held(&self) -> Vec<u32> {
        self.have()
    }
}
