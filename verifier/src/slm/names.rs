//! Names of tensors, of entries of the directory and of ranges of the file, as messages say them.

use std::fmt::{self, Write as _};

/// The role of a tensor, in the whole model or in one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the tensor of the format page whose name ends in it")]
pub enum Part {
    TokEmbeddings,
    Norm,
    Output,
    AttnNorm,
    FfnNorm,
    Wq,
    Wk,
    Wv,
    Wo,
    W1,
    W2,
    W3,
}

impl Part {
    pub(super) const OF_LAYER: [Self; 9] =
        [Self::AttnNorm, Self::FfnNorm, Self::Wq, Self::Wk, Self::Wv, Self::Wo, Self::W1, Self::W2, Self::W3];

    fn as_str(self) -> &'static str {
        match self {
            Self::TokEmbeddings => "tok_embeddings",
            Self::Norm => "norm",
            Self::Output => "output",
            Self::AttnNorm => "attn_norm",
            Self::FfnNorm => "ffn_norm",
            Self::Wq => "wq",
            Self::Wk => "wk",
            Self::Wv => "wv",
            Self::Wo => "wo",
            Self::W1 => "w1",
            Self::W2 => "w2",
            Self::W3 => "w3",
        }
    }
}

/// The name of a required tensor, such as `layers.3.wq.weight`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TensorName {
    /// The layer, `None` for the tensors of the whole model.
    pub layer: Option<u32>,
    /// The role.
    pub part: Part,
}

impl fmt::Display for TensorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(layer) = self.layer {
            write!(f, "layers.{layer}.")?;
        }
        write!(f, "{}.weight", self.part.as_str())
    }
}

impl TensorName {
    /// FNV-1a 64 of the name.
    pub(super) fn hash(self) -> u64 {
        let mut hash = Fnv1a(0xcbf2_9ce4_8422_2325);
        // This writer never fails.
        let _ = write!(hash, "{self}");
        hash.0
    }
}

struct Fnv1a(u64);

impl fmt::Write for Fnv1a {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}

/// A required shape; the last number is the row length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One row.
    Vector([u32; 1]),
    /// Rows and their length.
    Matrix([u32; 2]),
}

impl Shape {
    pub(super) fn dims(&self) -> &[u32] {
        match self {
            Self::Vector(dims) => dims,
            Self::Matrix(dims) => dims,
        }
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dims().fmt(f)
    }
}

/// An entry of the directory, and the tensor that its hash names, if it names a required one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryName {
    /// Place in the directory, from 0.
    pub entry: u32,
    /// Offset of the entry in the file, in bytes.
    pub offset: u64,
    /// The name hash as stored.
    pub hash: u64,
    /// The required tensor with this hash.
    pub tensor: Option<TensorName>,
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} at offset {}", self.entry, self.offset)?;
        match self.tensor {
            Some(tensor) => write!(f, " ({tensor})"),
            None => write!(f, " (hash {:016x})", self.hash),
        }
    }
}

/// A payload or scale block, as messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeName {
    /// The tensor it belongs to.
    pub tensor: TensorName,
    /// True for the scales, false for the payload.
    pub is_scales: bool,
}

impl fmt::Display for RangeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_scales { "scales" } else { "payload" };
        write!(f, "the {kind} of {}", self.tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_hashes_are_those_of_the_format() {
        let name = TensorName { layer: Some(12), part: Part::Wq };
        assert_eq!(name.to_string(), "layers.12.wq.weight");
        // Published FNV-1a 64 values.
        let hash_of = |text: &str| {
            let mut hash = Fnv1a(0xcbf2_9ce4_8422_2325);
            hash.write_str(text).unwrap();
            hash.0
        };
        assert_eq!((hash_of(""), hash_of("a")), (0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c));
        assert_eq!(hash_of("foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(name.hash(), hash_of("layers.12.wq.weight"));
    }
}
