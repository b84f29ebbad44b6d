//! One tensor's entry, and how many bytes its type needs.

use super::reader::{Reader, Stop};
use super::rule::Rule;

/// A tensor's entry, in which names, dimensions and rows hold.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) name: Box<[u8]>,
    pub(super) elements: u64,
    pub(super) rank: u32,
    pub(super) kind: u32,
    /// From the beginning of all tensors, in bytes.
    pub(super) offset: u64,
    /// Its bytes without padding; `None` for a type that is not known here.
    pub(super) bytes: Option<u64>,
}

impl Tensor {
    /// Its end without padding, from the beginning of all tensors, as far as it is known.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.unwrap_or(1))
    }
}

/// Name of a type, elements in one of its blocks, and bytes of a block, by number (ggml, `ggml.h` and the C tables behind it).
pub(super) fn known(kind: u32) -> Option<(&'static str, u64, u64)> {
    Some(match kind {
        0 => ("F32", 1, 4),
        1 => ("F16", 1, 2),
        2 => ("Q4_0", 32, 18),
        3 => ("Q4_1", 32, 20),
        6 => ("Q5_0", 32, 22),
        7 => ("Q5_1", 32, 24),
        8 => ("Q8_0", 32, 34),
        9 => ("Q8_1", 32, 36),
        10 => ("Q2_K", 256, 84),
        11 => ("Q3_K", 256, 110),
        12 => ("Q4_K", 256, 144),
        13 => ("Q5_K", 256, 176),
        14 => ("Q6_K", 256, 210),
        15 => ("Q8_K", 256, 292),
        16 => ("IQ2_XXS", 256, 66),
        17 => ("IQ2_XS", 256, 74),
        18 => ("IQ3_XXS", 256, 98),
        19 => ("IQ1_S", 256, 50),
        20 => ("IQ4_NL", 32, 18),
        21 => ("IQ3_S", 256, 110),
        22 => ("IQ2_S", 256, 82),
        23 => ("IQ4_XS", 256, 136),
        24 => ("I8", 1, 1),
        25 => ("I16", 1, 2),
        26 => ("I32", 1, 4),
        27 => ("I64", 1, 8),
        28 => ("F64", 1, 8),
        29 => ("IQ1_M", 256, 56),
        30 => ("BF16", 1, 2),
        34 => ("TQ1_0", 256, 54),
        35 => ("TQ2_0", 256, 66),
        39 => ("MXFP4", 32, 17),
        _ => return None,
    })
}

/// Reads an entry.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Tensor, Stop> {
    let at = reader.offset();
    let name = reader.text()?;
    if name.len() > 127 {
        return Err((Rule::TensorName, format!("{} bytes at offset {at}", name.len())).into());
    }
    let rank = reader.u32()?;
    if rank > 4 {
        return Err((Rule::Rank, format!("{rank} in the entry at offset {at}")).into());
    }
    let mut dimensions = Vec::new();
    for _ in 0..rank {
        dimensions.push(reader.u64()?);
    }
    let (kind, offset) = (reader.u32()?, reader.u64()?);
    let elements = dimensions.iter().try_fold(1_u64, |all, side| all.checked_mul(*side));
    let Some(elements) = elements.filter(|all| (1..1 << 62).contains(all)) else {
        return Err((Rule::Dimensions, format!("{dimensions:?} in the entry at offset {at}")).into());
    };
    let mut bytes = None;
    if let Some((title, block, block_bytes)) = known(kind) {
        let row = dimensions.first().copied().unwrap_or(1);
        if row % block != 0 {
            let found =
                format!("rows of {row} in the entry at offset {at}, of {title} with blocks of {block}");
            return Err((Rule::Rows, found).into());
        }
        // What is longer than any file is found to be outside it.
        bytes = Some((elements / block).saturating_mul(block_bytes));
    }
    Ok(Tensor { name: name.into(), elements, rank, kind, offset, bytes })
}
