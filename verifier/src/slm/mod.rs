//! `.slm` v1, the artifact: every rule of the format, checked while the file streams past once.
//!
//! [`Scan`] takes the bytes in order, in slices of any size, and holds no more than the tokenizer section and the tensor
//! directory, both under a limit. A number of the file sizes an allocation or a loop only after its range was proven to lie
//! inside the file. [`Rolling`] is the header's checksum, a type of its own because it is slow. `docs/slm.md` describes the
//! rules; [`Rule`] lists them. Nothing here runs or opens a model.

mod board;
mod directory;
mod entry;
mod error;
mod floats;
mod header;
mod names;
mod placement;
mod rolling;
mod rule;
mod scan;
mod tensor;
mod tokenizer;

pub(crate) use header::MAGIC;

pub use directory::Quantization;
pub use error::SlmError;
pub use header::Header;
pub use names::{EntryName, Part, RangeName, Shape, TensorName};
pub use rolling::Rolling;
pub use rule::Rule;
pub use scan::{Scan, SlmFacts, SlmOutcome};

/// The largest tokenizer section that is read: 64 MiB. A limit of this implementation; vocabularies of a million
/// tokens stay below it.
pub const MAX_TOKENIZER_BYTES: u64 = 64 << 20;

/// The largest number of tensors that is read. A limit of this implementation: more than 14,000 layers, and a
/// directory of 8 MiB.
pub const MAX_TENSOR_COUNT: u32 = 1 << 17;

/// Sections, payloads and scales begin on a multiple of this many bytes, and the file ends on one.
const ALIGNMENT: u64 = 64;

/// Bytes of one entry of the tensor directory.
const ENTRY_BYTES: u64 = 64;
