//! Safetensors: a length, a JSON object that names tensors and their ranges, and their bytes.
//!
//! [`Scan`] holds the header, at most 100 MB as in the reference reader, and what it says of each tensor. The format is that
//! of the crate `safetensors` 0.8; where this reader is stricter, two programs could read one file in two ways. Nothing here
//! opens a model.

use crate::scan::ClaimRule;
use crate::scan::ClaimSpelling::{Counts, Number};

mod dtype;
mod header;
mod rule;
mod scan;

pub use rule::Rule;
pub use scan::Scan;

/// What a manifest claims about the inside of a file.
pub(crate) const CLAIMS: [ClaimRule; 3] = [
    ClaimRule::required("safetensors.tensor_count", Number),
    ClaimRule::required("safetensors.parameter_count", Number),
    ClaimRule::optional("safetensors.tensor_types", Counts),
];

/// Longest header, in bytes, as in the reference reader.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Most bytes of all keys and values in `__metadata__`: a limit of this implementation.
pub const MAX_METADATA_BYTES: usize = 16 << 20;

/// Bytes of the header's length, little-endian.
const LENGTH_BYTES: usize = 8;

/// True if these can be the first bytes of a file: a length of a header, and the `{` at its beginning.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk() else { return false };
    u64::from_le_bytes(*length) <= MAX_HEADER_BYTES && rest.first() == Some(&b'{')
}
