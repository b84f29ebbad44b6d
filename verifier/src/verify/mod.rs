//! Manifest and artifact together: one pass over the bytes, one report of named checks.
//!
//! [`verify_artifact`] decides whether a file is trusted, whether it was on this disk before or came from peers;
//! [`Following`] is its incremental form. [`inspect_artifact`] is the same pass without a manifest, for publishers who
//! write one. [`verify_chunks`] checks the chunks of an incomplete file. A check that an earlier failure left undecided is
//! not in the report; no check is reported as passed unless it was made.

mod artifact;
mod claims;
mod follow;
mod local_chunks;
mod pass;
mod scanning;

pub use artifact::{Inspected, Verified, inspect_artifact, verify_artifact};
pub use follow::Following;
pub use local_chunks::{ChunkAudit, ChunkVerdict, verify_chunks};

/// Version of the checks, raised whenever one is added or made stricter: a file that passed the checks of another version
/// is checked again before it counts as checked.
pub const CHECKS_VERSION: u32 = 1;
