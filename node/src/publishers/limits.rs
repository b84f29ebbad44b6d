//! Bounds of the record of known publishers.

/// Most publishers in the record. None is evicted for another: an evicted publisher would be new again.
pub const MAX_PUBLISHERS: usize = 4_096;
/// Most keys of one publisher. An honest publisher changes its key a few times in its life.
pub const MAX_KEYS: usize = 8;
