//! One entry of the tensor directory, and the rules that it decides together with the header.

use super::board::Board;
use super::error::SlmError;
use super::header::{Header, field};
use super::names::{EntryName, RangeName, TensorName};
use super::placement::FileRange;
use super::rule::Rule;
use super::tensor::Required;
use super::{ALIGNMENT, ENTRY_BYTES};

/// How the elements of a tensor are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dtype {
    F32,
    Q8_0,
    Q4_0,
}

/// The numbers of an entry as stored in the file. The last four bytes are reserved and ignored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) name: EntryName,
    dtype: u32,
    rank: u32,
    dims: [u32; 4],
    byte_offset: u64,
    byte_length: u64,
    scale_offset: u64,
    block_size: u32,
}

/// Where payloads and scales may lie.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// The header's tensor_data_offset.
    data: u64,
    /// Length of the file in bytes.
    file: u64,
}

/// Byte lengths of a tensor, as dtype and shape require. Saturated: no file is so large.
struct Needed {
    payload: u64,
    scales: u64,
}

impl Entry {
    pub(super) fn read(bytes: &[u8], entry: u32, directory_offset: u64, required: &Required) -> Self {
        let word = |offset| u32::from_le_bytes(field(bytes, offset));
        let long = |offset| u64::from_le_bytes(field(bytes, offset));
        let hash = long(0);
        let offset = directory_offset.saturating_add(u64::from(entry) * ENTRY_BYTES);
        Self {
            name: EntryName { entry, offset, hash, tensor: required.by_hash(hash) },
            dtype: word(8),
            rank: word(12),
            dims: [word(16), word(20), word(24), word(28)],
            byte_offset: long(32),
            byte_length: long(40),
            scale_offset: long(48),
            block_size: word(56),
        }
    }

    pub(super) fn dtype(&self) -> Option<Dtype> {
        match self.dtype {
            1 => Some(Dtype::F32),
            2 => Some(Dtype::Q8_0),
            3 => Some(Dtype::Q4_0),
            _ => None,
        }
    }

    /// The dims that the rank counts; none for a rank outside the rule.
    fn used_dims(&self) -> &[u32] {
        self.dims.get(..self.rank as usize).unwrap_or_default()
    }

    /// Elements of the tensor, saturated.
    pub(super) fn elements(&self) -> u64 {
        self.used_dims().iter().fold(1, |product, dim| product.saturating_mul(u64::from(*dim)))
    }

    /// Decides what can be decided of this entry, and adds its ranges when they lie inside the data section.
    pub(super) fn check(&self, header: &Header, file: u64, board: &mut Board, ranges: &mut Vec<FileRange>) {
        let entry = self.name;
        if self.dtype().is_none() {
            board.fail(SlmError::Dtype { entry, found: self.dtype });
        }
        if self.used_dims().is_empty() {
            board.fail(SlmError::Rank { entry, found: self.rank });
            board.skip(&[Rule::UnusedDims]);
        } else if let Some(&found) = self.dims.iter().skip(self.rank as usize).find(|dim| **dim > 1) {
            board.fail(SlmError::UnusedDims { entry, found });
        }
        if self.offsets_hold(board)
            && let Some(tensor) = entry.tensor
            && self.shape_holds(tensor, header, board)
            && let Some(needed) = self.needed(board)
        {
            let bounds = Bounds { data: header.tensor_data_offset, file };
            let payload = RangeName { tensor, is_scales: false };
            let scales = RangeName { tensor, is_scales: true };
            if self.byte_length != needed.payload {
                let (found, expected) = (self.byte_length, needed.payload);
                board.fail(SlmError::PayloadLength { entry, found, expected });
                board.skip(&[Rule::PayloadRange, Rule::ScalesRange]);
            } else if needed.scales == 0 {
                ranges.extend(self.range(payload, needed.payload, bounds, board));
            } else {
                ranges.extend(self.range(payload, needed.payload, bounds, board));
                ranges.extend(self.range(scales, needed.scales, bounds, board));
            }
        } else {
            board.skip(&[Rule::TensorShape, Rule::BlockSize, Rule::PayloadLength]);
            board.skip(&[Rule::PayloadRange, Rule::ScalesRange]);
        }
    }

    /// Checks the rules about the two offsets that depend on the dtype alone.
    fn offsets_hold(&self, board: &mut Board) -> bool {
        let (entry, payload, scales) = (self.name, self.byte_offset, self.scale_offset);
        let payload_is_aligned = payload.is_multiple_of(ALIGNMENT);
        if !payload_is_aligned {
            board.fail(SlmError::PayloadAlignment { entry, found: payload });
        }
        match self.dtype() {
            None => board.skip(&[Rule::ScalesOffset, Rule::ScalesAlignment]),
            Some(Dtype::F32) if scales != 0 => board.fail(SlmError::ScalesOffset { entry, found: scales }),
            Some(Dtype::Q8_0 | Dtype::Q4_0) if !scales.is_multiple_of(ALIGNMENT) => {
                board.fail(SlmError::ScalesAlignment { entry, found: scales });
            }
            Some(_) => return payload_is_aligned,
        }
        false
    }

    fn shape_holds(&self, tensor: TensorName, header: &Header, board: &mut Board) -> bool {
        let expected = tensor.shape(header);
        let holds = self.used_dims() == expected.dims();
        if !holds && !self.used_dims().is_empty() {
            board.fail(SlmError::TensorShape {
                entry: self.name,
                rank: self.rank,
                dims: self.dims,
                expected,
            });
        }
        holds
    }

    /// The exact lengths; `None` if the block size of a q4_0 tensor breaks its rule.
    fn needed(&self, board: &mut Board) -> Option<Needed> {
        let row = *self.used_dims().last()?;
        let elements = self.elements();
        match self.dtype()? {
            Dtype::F32 => Some(Needed { payload: elements.saturating_mul(4), scales: 0 }),
            Dtype::Q8_0 => {
                let rows = elements.checked_div(u64::from(row))?;
                Some(Needed { payload: elements, scales: rows.saturating_mul(4) })
            }
            Dtype::Q4_0 => {
                let found = self.block_size;
                if found == 0 || !found.is_multiple_of(2) || !row.is_multiple_of(found) {
                    board.fail(SlmError::BlockSize { entry: self.name, found, row });
                    return None;
                }
                let blocks = elements.checked_div(u64::from(found))?;
                Some(Needed { payload: elements / 2, scales: blocks.saturating_mul(4) })
            }
        }
    }

    /// A payload or scale block, if it lies inside the file and behind the directory.
    fn range(&self, name: RangeName, length: u64, bounds: Bounds, board: &mut Board) -> Option<FileRange> {
        let entry = self.name;
        let offset = if name.is_scales { self.scale_offset } else { self.byte_offset };
        let Some(end) = offset.checked_add(length).filter(|end| *end <= bounds.file) else {
            board.fail(if name.is_scales {
                SlmError::ScalesRange { entry, offset, length }
            } else {
                SlmError::PayloadRange { entry, offset, length }
            });
            return None;
        };
        if offset < bounds.data {
            board.fail(SlmError::Overlap { range: name, offset, earlier: None, end: bounds.data });
            return None;
        }
        Some(FileRange { offset, end, name, holds_f32: name.is_scales || self.dtype() == Some(Dtype::F32) })
    }
}
