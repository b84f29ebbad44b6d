//! ONNX: a protobuf message with a graph, whose nodes and tensors are messages in it.
//!
//! [`Scan`] walks the fields of all messages in their order, and holds the open messages, at most [`MAX_DEPTH`], and one short text at
//! a time. Field numbers are those of `onnx.proto` 1.20. No operator is looked at but for its domain, and nothing here opens a
//! model.

use crate::scan::ClaimRule;
use crate::scan::ClaimSpelling::{Counts, Number};

mod field;
mod message;
mod rule;
mod scan;
mod tensor;

pub use rule::Rule;
pub use scan::Scan;

/// What a manifest claims about the inside of a file.
pub(crate) const CLAIMS: [ClaimRule; 5] = [
    ClaimRule::required("onnx.ir_version", Number),
    ClaimRule::optional("onnx.opset_version", Number),
    ClaimRule::required("onnx.tensor_count", Number),
    ClaimRule::required("onnx.parameter_count", Number),
    ClaimRule::optional("onnx.tensor_types", Counts),
];

/// Most messages inside one another: a limit of this implementation.
pub const MAX_DEPTH: usize = 64;

/// Longest text that is looked at, in bytes: a limit of this implementation.
pub const MAX_TEXT_BYTES: u64 = 64 << 10;

/// The name of a data type, by its number in a file (`TensorProto.DataType`), if it is known here.
pub fn type_name(number: u64) -> Option<&'static str> {
    tensor::known(number).map(|(name, _)| name)
}

/// True if these can be the first bytes of a file: `ir_version` in one byte, and another field of the model.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    matches!(bytes, [0x08, 1..=0x7f, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42, ..])
}
