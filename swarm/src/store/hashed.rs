//! A chunk that is hashed while it arrives, so that nothing is left to hash when its last byte is there.

use minimodel_verifier::Digest;
use sha2::{Digest as _, Sha256};

/// Bytes of one chunk so far, and the hash of them.
#[derive(Clone, Debug, Default)]
pub struct IncomingChunk {
    bytes: Vec<u8>,
    hasher: Sha256,
}

/// The bytes of a chunk and their SHA-256. Only [`IncomingChunk`] makes one, so the two belong together.
#[derive(Clone, Debug)]
pub struct HashedChunk {
    bytes: Vec<u8>,
    sha256: Digest,
}

impl IncomingChunk {
    /// Starts with the memory of `buffer`; what is in it is forgotten.
    pub fn new(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self { bytes: buffer, hasher: Sha256::new() }
    }

    /// Takes in the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes taken in so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was taken in yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Closes the hash.
    pub fn finish(self) -> HashedChunk {
        HashedChunk { bytes: self.bytes, sha256: self.hasher.finalize().into() }
    }
}

impl HashedChunk {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the bytes.
    pub fn sha256(&self) -> &Digest {
        &self.sha256
    }

    /// The memory, for the next chunk.
    pub fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }
}
