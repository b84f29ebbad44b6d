//! Where proven chunks go: the one thing the driver needs of a partial file besides serving from it.

use minimodel_verifier::Digest;

use crate::machine::KeepOutcome;
use crate::store::{ChunkSource, Disk, KeepError, Part, StoreError};

/// A file that grows by proven chunks. Everything here blocks and is called on the blocking pool.
pub trait ChunkSink: ChunkSource {
    /// Proves the chunk against the root, writes it and records it.
    ///
    /// # Errors
    ///
    /// Only the disk's; a chunk that fails its proof is an outcome, not an error.
    fn keep(
        &self,
        index: u32,
        data: &[u8],
        proof: &[Digest],
        supplier: [u8; 32],
    ) -> Result<KeepOutcome, StoreError>;

    /// Holds what is on disk against all leaf hashes, proven by the caller; gives the chunks that are good and
    /// were not recorded.
    ///
    /// # Errors
    ///
    /// The disk's.
    fn rescan(&self, leaves: Vec<Digest>) -> Result<Vec<u32>, StoreError>;
}

impl<D: Disk> ChunkSink for Part<D> {
    fn keep(
        &self,
        index: u32,
        data: &[u8],
        proof: &[Digest],
        supplier: [u8; 32],
    ) -> Result<KeepOutcome, StoreError> {
        match Self::keep(self, index, data, proof, supplier) {
            Ok(_) => Ok(KeepOutcome::Kept),
            Err(KeepError::BadProof { got, .. }) => Ok(KeepOutcome::BadProof { got }),
            Err(KeepError::Disk(error)) => Err(error),
        }
    }

    fn rescan(&self, leaves: Vec<Digest>) -> Result<Vec<u32>, StoreError> {
        Self::rescan(self, leaves)
    }
}
