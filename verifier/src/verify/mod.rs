//! Manifest and artifact together: one pass over the bytes, one report of named checks.
//!
//! [`verify_artifact`] is the only way by which a file is believed, whether it was on this disk before or came from
//! peers. [`inspect_artifact`] is the same pass without a manifest, for whoever writes one. [`verify_chunks`]
//! judges the chunks of a file that is not whole yet. A check that an earlier failure left undecided is not in the
//! report; none is ever reported as passed because nobody looked.

mod artifact;
mod claims;
mod follow;
mod local_chunks;
mod pass;

pub use artifact::{Inspected, Verified, inspect_artifact, verify_artifact};
pub use follow::Following;
pub use local_chunks::{ChunkAudit, ChunkVerdict, verify_chunks};

/// Raised whenever a check is added or made stricter: a file that passed the checks of another version is checked again
/// before it counts as checked.
pub const CHECKS_VERSION: u32 = 1;
