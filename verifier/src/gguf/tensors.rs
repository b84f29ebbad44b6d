//! Where the tensors are, in the order of their entries.

use std::collections::{BTreeMap, VecDeque};

use super::rule::Rule;
use super::tensor::{self, Tensor};
use crate::scan::rule::Fault;
use crate::scan::{show_counts, spell_counts};

/// The entries that were read. All places are counted from the beginning of all tensors, in bytes.
#[derive(Debug, Default)]
pub(super) struct Tensors {
    /// Entries that are still to come.
    pub(super) left: u64,
    /// Elements of all tensors.
    pub(super) elements: u64,
    /// Tensors of each type.
    kinds: BTreeMap<u32, u64>,
    /// End of the last tensor, as far as it is known.
    end: u64,
    /// Whether the end is not known, as the type is not.
    is_open: bool,
    /// Begin and end of the padding between them.
    padding: VecDeque<(u64, u64)>,
}

impl Tensors {
    /// Checks that a tensor is where the one before it ends, and can be inside the file.
    pub(super) fn check(&self, tensor: &Tensor, alignment: u64, file_bytes: u64) -> Result<(), Fault<Rule>> {
        let name = || String::from_utf8_lossy(&tensor.name);
        let due = self.end.next_multiple_of(alignment);
        let is_there = if self.is_open { tensor.offset >= due } else { tensor.offset == due };
        if !is_there || !tensor.offset.is_multiple_of(alignment) {
            return Err((Rule::Offset, format!("{} in {:?}, where {due} is due", tensor.offset, name())));
        }
        let end = tensor.end();
        if end > file_bytes {
            return Err((Rule::Range, format!("{:?} up to {end}, in a file of {file_bytes} bytes", name())));
        }
        Ok(())
    }

    /// Adds a tensor that was checked.
    pub(super) fn add(&mut self, tensor: &Tensor, alignment: u64) {
        (self.end, self.is_open) = (tensor.end(), tensor.bytes.is_none());
        let padded = self.end.next_multiple_of(alignment);
        if !self.is_open && padded > self.end {
            self.padding.push_back((self.end, padded));
        }
        self.elements = self.elements.saturating_add(tensor.elements);
        *self.kinds.entry(tensor.kind).or_insert(0) += 1;
        self.left = self.left.saturating_sub(1);
    }

    /// Places all tensors behind a header of so many bytes, and returns the padding in the file.
    pub(super) fn place(
        &mut self,
        header_end: u64,
        alignment: u64,
        file_bytes: u64,
    ) -> Result<VecDeque<(u64, u64)>, Fault<Rule>> {
        let begin = header_end.next_multiple_of(alignment);
        let end = if self.kinds.is_empty() { header_end } else { begin.saturating_add(self.end) };
        if end > file_bytes {
            return Err((Rule::Range, format!("tensors up to {end}, in a file of {file_bytes} bytes")));
        }
        if !self.is_open && file_bytes > end.next_multiple_of(alignment) {
            return Err((Rule::DataEnd, format!("{file_bytes} bytes, of which {end} have a name")));
        }
        let mut padding = std::mem::take(&mut self.padding);
        for range in &mut padding {
            *range = (begin.saturating_add(range.0), begin.saturating_add(range.1).min(file_bytes));
        }
        padding.push_front((header_end, begin));
        Ok(padding)
    }
}

impl Tensors {
    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.kinds.values().sum()
    }

    /// How many there are of each type, as a manifest claims it: by number, since a name may be given to it only later.
    pub(super) fn types(&self) -> String {
        spell_counts(self.kinds.iter().map(|(kind, count)| (kind, *count)))
    }

    /// How many there are, and how many of each type, for people.
    pub(super) fn shown(&self) -> String {
        show_counts(self.kinds.iter().map(|(&kind, &count)| {
            let name = tensor::known(kind).map(|(title, ..)| title.to_owned());
            (name.unwrap_or_else(|| format!("type {kind}")), count)
        }))
    }
}
