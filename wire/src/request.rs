//! Messages of a request stream: the request one way, the head of the answer the other.
//!
//! Fixed little-endian layouts, written by hand. A requester writes one [`Request`] and finishes its side; the answer
//! is a head, then the bytes that the head announces, then the end of the stream.

use crate::error::RequestError;
use crate::limits;

const CHUNK: u8 = 1;
const LEAVES: u8 = 2;
const MANIFEST: u8 = 3;
const DIGEST_LEN: usize = 32;

/// One request, on a stream of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// A chunk with its proof: u8 `1`, u32 index.
    Chunk {
        /// Chunk index.
        index: u32,
    },
    /// The SHA-256 values of a range of chunks with the proof of that range: u8 `2`, u32 first, u32 count.
    Leaves {
        /// First chunk.
        first: u32,
        /// Number of chunks, 1 to [`limits::MAX_LEAVES`].
        count: u32,
    },
    /// The text of the manifest: u8 `3`.
    Manifest,
}

impl Request {
    /// Bytes of the longest request.
    pub const MAX_LEN: usize = 9;

    /// The request as bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Chunk { index } => [&[CHUNK][..], &index.to_le_bytes()].concat(),
            Self::Leaves { first, count } => {
                [&[LEAVES][..], &first.to_le_bytes(), &count.to_le_bytes()].concat()
            }
            Self::Manifest => vec![MANIFEST],
        }
    }

    /// Reads a request from all the bytes of the stream.
    ///
    /// # Errors
    ///
    /// An unknown first byte, another length than its request has, or a number of leaf hashes out of bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, RequestError> {
        let (&kind, fields) = bytes.split_first().ok_or(RequestError::Empty)?;
        match kind {
            CHUNK => Ok(Self::Chunk { index: u32::from_le_bytes(exact("chunk request", fields)?) }),
            LEAVES => {
                let [a, b, c, d, e, f, g, h] = exact("leaves request", fields)?;
                let (first, count) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
                Ok(Self::Leaves { first, count: leaves_count(count)? })
            }
            MANIFEST => exact("manifest request", fields).map(|[]: [u8; 0]| Self::Manifest),
            kind => Err(RequestError::UnknownRequest { kind }),
        }
    }

    /// Checks that what is asked for lies inside an artifact of `chunk_count` chunks.
    ///
    /// # Errors
    ///
    /// [`RequestError::OutsideFile`].
    pub fn check_inside(&self, chunk_count: u32) -> Result<(), RequestError> {
        let (first, count) = match *self {
            Self::Chunk { index } => (index, 1),
            Self::Leaves { first, count } => (first, count),
            Self::Manifest => return Ok(()),
        };
        match first.checked_add(count) {
            Some(end) if end <= chunk_count => Ok(()),
            _ => Err(RequestError::OutsideFile { first, count, chunk_count }),
        }
    }
}

/// Begins the answer to [`Request::Chunk`]: u32 length of the chunk, u8 number of digests, the digests. The chunk
/// follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkHead {
    /// Bytes of the chunk, 1 to [`limits::MAX_CHUNK_LEN`].
    pub len: u32,
    /// Siblings from the leaf upward, at most [`limits::MAX_CHUNK_PROOF`].
    pub proof: Vec<[u8; 32]>,
}

impl ChunkHead {
    /// Bytes to read first; they tell how long the head is.
    pub const FIXED_LEN: usize = 5;
    /// Bytes of the longest head.
    pub const MAX_LEN: usize = Self::encoded_len(limits::MAX_CHUNK_PROOF);

    /// Bytes of a head with this many digests.
    pub const fn encoded_len(proof_count: usize) -> usize {
        Self::FIXED_LEN + proof_count * DIGEST_LEN
    }

    /// The number of digests that follow the first bytes.
    ///
    /// # Errors
    ///
    /// A chunk length or a number of digests out of bounds.
    pub fn proof_count(fixed: &[u8; Self::FIXED_LEN]) -> Result<usize, RequestError> {
        let [a, b, c, d, digests] = *fixed;
        chunk_len(u32::from_le_bytes([a, b, c, d]))?;
        digest_count(digests, limits::MAX_CHUNK_PROOF)
    }

    /// The head as bytes. Its proof must not be longer than 255 digests; the rest is not written.
    pub fn encode(&self) -> Vec<u8> {
        encode_head(self.len, &self.proof)
    }

    /// Reads a whole head: its first bytes and exactly the digests that they announce.
    ///
    /// # Errors
    ///
    /// As [`ChunkHead::proof_count`], or another length.
    pub fn decode(bytes: &[u8]) -> Result<Self, RequestError> {
        let (fixed, digests) = split_fixed("chunk head", bytes)?;
        let proof_count = Self::proof_count(fixed)?;
        let [a, b, c, d, _] = *fixed;
        let proof = decode_digests("chunk head", digests, proof_count)?;
        Ok(Self { len: u32::from_le_bytes([a, b, c, d]), proof })
    }
}

/// Begins the answer to [`Request::Leaves`]: u32 number of hashes, u8 number of digests, the digests. The hashes
/// follow, 32 bytes each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavesHead {
    /// Number of hashes, 1 to [`limits::MAX_LEAVES`].
    pub count: u32,
    /// The proof of the range, at most [`limits::MAX_RANGE_PROOF`].
    pub proof: Vec<[u8; 32]>,
}

impl LeavesHead {
    /// Bytes to read first; they tell how long the head is.
    pub const FIXED_LEN: usize = 5;
    /// Bytes of the longest head.
    pub const MAX_LEN: usize = Self::encoded_len(limits::MAX_RANGE_PROOF);

    /// Bytes of a head with this many digests.
    pub const fn encoded_len(proof_count: usize) -> usize {
        Self::FIXED_LEN + proof_count * DIGEST_LEN
    }

    /// The number of digests that follow the first bytes.
    ///
    /// # Errors
    ///
    /// A number of hashes or of digests out of bounds.
    pub fn proof_count(fixed: &[u8; Self::FIXED_LEN]) -> Result<usize, RequestError> {
        let [a, b, c, d, digests] = *fixed;
        leaves_count(u32::from_le_bytes([a, b, c, d]))?;
        digest_count(digests, limits::MAX_RANGE_PROOF)
    }

    /// The head as bytes. Its proof must not be longer than 255 digests; the rest is not written.
    pub fn encode(&self) -> Vec<u8> {
        encode_head(self.count, &self.proof)
    }

    /// Reads a whole head: its first bytes and exactly the digests that they announce.
    ///
    /// # Errors
    ///
    /// As [`LeavesHead::proof_count`], or another length.
    pub fn decode(bytes: &[u8]) -> Result<Self, RequestError> {
        let (fixed, digests) = split_fixed("leaves head", bytes)?;
        let proof_count = Self::proof_count(fixed)?;
        let [a, b, c, d, _] = *fixed;
        let proof = decode_digests("leaves head", digests, proof_count)?;
        Ok(Self { count: u32::from_le_bytes([a, b, c, d]), proof })
    }

    /// Bytes of the hashes after the head.
    pub fn hashes_len(&self) -> usize {
        self.count as usize * DIGEST_LEN
    }

    /// The hashes after the head as bytes.
    pub fn encode_hashes(hashes: &[[u8; 32]]) -> Vec<u8> {
        hashes.concat()
    }

    /// Reads the hashes after the head.
    ///
    /// # Errors
    ///
    /// Another length than [`LeavesHead::hashes_len`].
    pub fn decode_hashes(&self, bytes: &[u8]) -> Result<Vec<[u8; 32]>, RequestError> {
        decode_digests("leaf hashes", bytes, self.count as usize)
    }
}

/// Begins the answer to [`Request::Manifest`]: u32 length of the text. The text follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestHead {
    /// Bytes of the text, 1 to [`limits::MAX_MANIFEST_LEN`].
    pub len: u32,
}

impl ManifestHead {
    /// Bytes of the head.
    pub const FIXED_LEN: usize = 4;

    /// The head as bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.len.to_le_bytes().to_vec()
    }

    /// Reads the head.
    ///
    /// # Errors
    ///
    /// Another length than four bytes, or a text length out of bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, RequestError> {
        match u32::from_le_bytes(exact("manifest head", bytes)?) {
            len @ 1..=limits::MAX_MANIFEST_LEN => Ok(Self { len }),
            len => Err(RequestError::ManifestLength { len }),
        }
    }
}

fn chunk_len(len: u32) -> Result<u32, RequestError> {
    if (1..=limits::MAX_CHUNK_LEN).contains(&len) { Ok(len) } else { Err(RequestError::ChunkLength { len }) }
}

fn leaves_count(count: u32) -> Result<u32, RequestError> {
    if (1..=limits::MAX_LEAVES).contains(&count) {
        Ok(count)
    } else {
        Err(RequestError::LeavesCount { count })
    }
}

fn digest_count(got: u8, cap: usize) -> Result<usize, RequestError> {
    let got = usize::from(got);
    if got <= cap { Ok(got) } else { Err(RequestError::ProofTooLong { got, cap }) }
}

fn encode_head(number: u32, proof: &[[u8; 32]]) -> Vec<u8> {
    let digests = u8::try_from(proof.len()).unwrap_or(u8::MAX);
    let mut out = [&number.to_le_bytes()[..], &[digests]].concat();
    proof.iter().take(usize::from(digests)).for_each(|digest| out.extend_from_slice(digest));
    out
}

fn split_fixed<'a, const N: usize>(
    what: &'static str,
    bytes: &'a [u8],
) -> Result<(&'a [u8; N], &'a [u8]), RequestError> {
    bytes.split_first_chunk().ok_or(RequestError::Length { what, got: bytes.len(), need: N })
}

fn decode_digests(what: &'static str, bytes: &[u8], count: usize) -> Result<Vec<[u8; 32]>, RequestError> {
    match bytes.as_chunks::<DIGEST_LEN>() {
        (digests, []) if digests.len() == count => Ok(digests.to_vec()),
        _ => Err(RequestError::Length { what, got: bytes.len(), need: count * DIGEST_LEN }),
    }
}

fn exact<const N: usize>(what: &'static str, bytes: &[u8]) -> Result<[u8; N], RequestError> {
    bytes.try_into().map_err(|_| RequestError::Length { what, got: bytes.len(), need: N })
}
