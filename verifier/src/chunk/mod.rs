//! `fixed-size-merkle-v0`: the artifact in chunks of one size, and the tree that ties each of them to one root.
//!
//! The tree is that of RFC 6962 over the SHA-256 values of the chunks; `docs/chunks.md` specifies it. With the root, the
//! count and a proof, a verifier knows that a chunk is the publisher's and stands at its index: another index, or a path of
//! another length, never verifies. The count itself is bound by the manifest, not by the root. This module does not ban
//! peers and keeps no file open.

mod layout;
mod proof;
mod read_at;
mod sparse;
mod tree;

pub mod list;

pub use layout::{Layout, LayoutError, MAX_CHUNK_BYTES, MAX_CHUNK_COUNT, MIN_CHUNK_BYTES, auto_chunk_size};
pub use list::ListError;
pub use proof::{ProofError, leaf, node, proof_len, range_proof_len, verify_chunk, verify_range};
pub use read_at::{ReadAt, hash_chunk, hash_chunks};
pub use sparse::SparseTree;
pub use tree::Tree;
