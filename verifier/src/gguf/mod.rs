//! GGUF, version 2 and 3: keys with values, a directory of tensors, and their bytes.
//!
//! [`Scan`] takes the bytes in order and holds one record of the header at a time, beside the names of keys and tensors and the
//! ranges of padding. A number of the file sizes an allocation or a loop only after the bytes that it stands for were found
//! to lie inside the file. The format is that of `docs/gguf.md` in ggml, and where that is silent, of its reader. Nothing here
//! opens a model.

use crate::scan::ClaimRule;
use crate::scan::ClaimSpelling::{Counts, Number, Word};

mod reader;
mod rule;
mod said;
mod scan;
mod tensor;
mod tensors;
mod value;

pub use rule::Rule;
pub use scan::Scan;

/// First bytes of a file.
pub(crate) const MAGIC: &[u8] = b"GGUF";

/// What a manifest claims about the inside of a file.
pub(crate) const CLAIMS: [ClaimRule; 6] = [
    ClaimRule::required("gguf.version", Number),
    ClaimRule::optional("gguf.architecture", Word),
    ClaimRule::optional("gguf.context_length", Number),
    ClaimRule::required("gguf.tensor_count", Number),
    ClaimRule::required("gguf.parameter_count", Number),
    ClaimRule::optional("gguf.tensor_types", Counts),
];

/// Longest header, up to the last tensor's entry, in bytes: a limit of this implementation.
pub const MAX_HEADER_BYTES: u64 = 128 << 20;

/// Longest text, in bytes: a limit of this implementation.
pub const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Most keys: a limit of this implementation.
pub const MAX_KEYS: u64 = 1 << 16;

/// Most tensors: a limit of this implementation.
pub const MAX_TENSORS: u64 = 1 << 17;

/// The name of a tensor type, by its number in a file (`enum ggml_type`), if it is known here.
pub fn type_name(number: u32) -> Option<&'static str> {
    tensor::known(number).map(|(name, ..)| name)
}
