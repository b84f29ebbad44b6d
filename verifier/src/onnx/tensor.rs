//! What the fields of one tensor say together.

use super::rule::Rule;
use crate::scan::rule::Fault;

/// A tensor whose message is open.
#[derive(Debug)]
pub(super) struct Tensor {
    /// The product of its dimensions.
    elements: u64,
    data_type: Option<u64>,
    raw_bytes: Option<u64>,
    /// Keys of `external_data` so far.
    external: Vec<&'static str>,
}

/// Keys of `external_data`.
const EXTERNAL_KEYS: [&str; 4] = ["location", "offset", "length", "checksum"];

/// Name, and bits of an element in `raw_data`, by `TensorProto.DataType`; 0 bits where an element has no one length.
const TYPES: [(&str, u64); 27] = [
    ("UNDEFINED", 0),
    ("FLOAT", 32),
    ("UINT8", 8),
    ("INT8", 8),
    ("UINT16", 16),
    ("INT16", 16),
    ("INT32", 32),
    ("INT64", 64),
    ("STRING", 0),
    ("BOOL", 8),
    ("FLOAT16", 16),
    ("DOUBLE", 64),
    ("UINT32", 32),
    ("UINT64", 64),
    ("COMPLEX64", 64),
    ("COMPLEX128", 128),
    ("BFLOAT16", 16),
    ("FLOAT8E4M3FN", 8),
    ("FLOAT8E4M3FNUZ", 8),
    ("FLOAT8E5M2", 8),
    ("FLOAT8E5M2FNUZ", 8),
    ("UINT4", 4),
    ("INT4", 4),
    ("FLOAT4E2M1", 4),
    ("FLOAT8E8M0", 8),
    ("UINT2", 2),
    ("INT2", 2),
];

/// Name and bits of a type that is known here.
pub(super) fn known(data_type: u64) -> Option<(&'static str, u64)> {
    usize::try_from(data_type).ok().and_then(|number| TYPES.get(number)).copied()
}

impl Tensor {
    pub(super) fn new() -> Self {
        Self { elements: 1, data_type: None, raw_bytes: None, external: Vec::new() }
    }

    pub(super) fn dimension(&mut self, side: u64) -> Result<(), Fault<Rule>> {
        let elements = self.elements.checked_mul(side).filter(|elements| elements.max(&side) < &(1 << 63));
        self.elements =
            elements.ok_or_else(|| (Rule::Shape, format!("{} x {}", self.elements, side.cast_signed())))?;
        Ok(())
    }

    pub(super) fn data_type(&mut self, number: u64) -> Result<(), Fault<Rule>> {
        let before = self.data_type.replace(number);
        before
            .map_or(Ok(()), |before| Err((Rule::TensorDuplicate, format!("data_type {before} and {number}"))))
    }

    pub(super) fn raw_data(&mut self, bytes: u64) -> Result<(), Fault<Rule>> {
        let before = self.raw_bytes.replace(bytes);
        before.map_or(Ok(()), |before| {
            Err((Rule::TensorDuplicate, format!("raw_data of {before} and {bytes} bytes")))
        })
    }

    /// Takes a key and its value.
    pub(super) fn external(&mut self, key: &[u8], value: &[u8]) -> Result<(), Fault<Rule>> {
        let known = EXTERNAL_KEYS.into_iter().find(|known| known.as_bytes() == key);
        let known = known.filter(|known| !self.external.contains(known));
        let shown = |text: &[u8]| crate::shown::printable(text, 64).to_string();
        self.external.push(known.ok_or_else(|| (Rule::ExternalKey, shown(key)))?);
        if known == Some("location") && !is_relative(value) {
            return Err((Rule::ExternalPath, shown(value)));
        }
        Ok(())
    }

    /// Checks it at its end; returns its data type and the number of its elements.
    pub(super) fn end(&self) -> Result<(u64, u64), Fault<Rule>> {
        let data_type = self.data_type.unwrap_or_default();
        if let (Some(raw_bytes), Some((_, bits @ 1..))) = (self.raw_bytes, known(data_type)) {
            let needed = self.elements.checked_mul(bits).map(|bits| bits.div_ceil(8));
            if needed != Some(raw_bytes) {
                let found = format!("{raw_bytes} bytes for {} elements of type {data_type}", self.elements);
                return Err((Rule::TensorLength, found));
            }
        }
        Ok((data_type, self.elements))
    }

    /// How long its numbers are is not known here.
    pub(super) fn is_of_unknown_type(&self) -> bool {
        self.data_type.is_none_or(|number| number == 0 || known(number).is_none())
    }
}

/// A path below the folder of the file.
fn is_relative(path: &[u8]) -> bool {
    let is_separator = |byte: &u8| matches!(byte, b'/' | b'\\');
    let mut parts = path.split(is_separator);
    !path.is_empty()
        && !path.contains(&b':')
        && !path.contains(&0)
        && parts.all(|part| !part.is_empty() && part != b"..")
}
