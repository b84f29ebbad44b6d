//! The pass over the file: the length, the header, and the bytes of the tensors, which are counted alone.

use std::collections::BTreeMap;

use super::header::{self, Tensor};
use super::rule::Rule;
use super::{LENGTH_BYTES, MAX_HEADER_BYTES, MAX_METADATA_BYTES, dtype};
use crate::scan::rule::{Fault, Verdicts};
use crate::scan::{self, ClaimSpelling, Claims, Header, Scanned, show_counts, spell_counts};

/// Checks a safetensors file that is pushed in order, in slices of any size.
#[derive(Debug)]
pub struct Scan {
    byte_count: u64,
    position: u64,
    /// Bytes of the length and the header, until both were read.
    held: Vec<u8>,
    /// Where the tensors begin, once the length is known and holds.
    data_begin: Option<u64>,
    verdicts: Verdicts<Rule>,
    /// What the header says, once it was read and holds.
    said: Option<Header>,
    is_read: bool,
}

impl Scan {
    /// A scan of a file of `byte_count` bytes, as the caller says.
    pub fn new(byte_count: u64) -> Self {
        Self {
            byte_count,
            position: 0,
            held: Vec::new(),
            data_begin: None,
            verdicts: Verdicts::new(),
            said: None,
            is_read: false,
        }
    }

    fn look(&mut self) -> Result<(), Fault<Rule>> {
        let Some((length, rest)) = self.held.split_first_chunk::<LENGTH_BYTES>() else { return Ok(()) };
        if self.data_begin.is_none() {
            let length = u64::from_le_bytes(*length);
            let room = self.byte_count.saturating_sub(LENGTH_BYTES as u64);
            if length < 2 || length > MAX_HEADER_BYTES.min(room) {
                let found = format!("{length} bytes in a file of {}", self.byte_count);
                return Err((Rule::HeaderLength, found));
            }
            self.data_begin = Some(length.saturating_add(LENGTH_BYTES as u64));
        }
        let (Some(begin), Some(&first)) = (self.data_begin, rest.first()) else { return Ok(()) };
        if first != b'{' {
            return Err((Rule::HeaderBegin, format!("{:#04x}", first)));
        }
        if (self.held.len() as u64) < begin {
            return Ok(());
        }
        self.is_read = true;
        let header = rest.get(..usize::try_from(begin).unwrap_or_default().saturating_sub(LENGTH_BYTES));
        let header = serde_json::from_slice::<header::Header>(header.unwrap_or_default())
            .map_err(|error| (Rule::HeaderJson, error.to_string()))?;
        self.held = Vec::new();
        self.check(header, self.byte_count.saturating_sub(begin))
    }

    /// Checks what the header says, with so many bytes behind it.
    fn check(&mut self, mut header: header::Header, data_bytes: u64) -> Result<(), Fault<Rule>> {
        if let Some(key) = header.doubled_key {
            return Err((Rule::MetadataDuplicate, format!("{key:?} twice")));
        }
        let metadata_bytes: usize = header.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        if metadata_bytes > MAX_METADATA_BYTES {
            return Err((Rule::MetadataLimit, format!("{metadata_bytes} bytes")));
        }
        if let Some(name) = header.doubled_tensor {
            return Err((Rule::TensorDuplicate, format!("{name:?} twice")));
        }
        let mut elements = 0_u64;
        let mut stored = BTreeMap::new();
        for Tensor { name, entry } in &header.tensors {
            if let Some(field) = &entry.unknown {
                self.verdicts.warn(Rule::TensorFields, format!("{field:?} in {name:?}"));
            }
            let (begin, end) = entry.data_offsets;
            if begin > end || end > data_bytes {
                let found = format!("{begin} to {end} in {name:?}, with {data_bytes} bytes of tensors");
                return Err((Rule::Range, found));
            }
            let count = entry.shape.iter().try_fold(1_u64, |all, &side| all.checked_mul(side));
            elements = elements.saturating_add(count.unwrap_or_default());
            *stored.entry(entry.dtype.clone()).or_insert(0_u64) += 1;
            let Some(bits) = dtype::bits(&entry.dtype) else {
                self.verdicts.warn(Rule::Dtype, format!("{:?} in {name:?}", entry.dtype));
                continue;
            };
            let needed = count.and_then(|count| count.checked_mul(bits)).filter(|bits| bits % 8 == 0);
            if needed != Some((end - begin).saturating_mul(8)) {
                let found =
                    format!("{} bytes in {name:?}, {} of {:?}", end - begin, entry.dtype, entry.shape);
                return Err((Rule::Length, found));
            }
        }
        header.tensors.sort_unstable_by_key(|tensor| tensor.entry.data_offsets);
        let mut position = 0;
        for Tensor { name, entry } in &header.tensors {
            if entry.data_offsets.0 != position {
                let found = format!("{name:?} at {}, where {position} was due", entry.data_offsets.0);
                return Err((Rule::Contiguous, found));
            }
            position = entry.data_offsets.1;
        }
        if position != data_bytes {
            return Err((
                Rule::DataEnd,
                format!("{data_bytes} bytes of tensors, of which {position} have a name"),
            ));
        }
        let mut claims = Claims::from([
            ("safetensors.tensor_count", header.tensors.len().to_string()),
            ("safetensors.parameter_count", elements.to_string()),
        ]);
        // A name that is no word here is none that is known.
        let types = spell_counts(stored.iter().map(|(dtype, count)| (dtype, *count)));
        if ClaimSpelling::Counts.accepts(&types) {
            claims.insert("safetensors.tensor_types", types);
        }
        let mut summary = vec![("parameters", elements.to_string()), ("tensors", show_counts(stored))];
        if !header.metadata.is_empty() {
            let keys: Vec<_> = header.metadata.iter().take(16).map(|(key, _)| key.as_str()).collect();
            summary.push(("metadata", format!("{}: {}", header.metadata.len(), keys.join(", "))));
        }
        self.said = Some(Header { summary, claims, model: header.model() });
        Ok(())
    }
}

impl scan::Scan for Scan {
    fn push(&mut self, bytes: &[u8]) {
        self.position = self.position.saturating_add(bytes.len() as u64);
        if self.is_read || self.verdicts.has_failed() {
            return;
        }
        // Beyond the header nothing is held.
        let most = self.data_begin.unwrap_or(LENGTH_BYTES as u64 + MAX_HEADER_BYTES);
        let room = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(self.held.len());
        self.held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if let Err(fault) = self.look() {
            self.verdicts.fail(fault);
        }
        if self.verdicts.has_failed() {
            self.held = Vec::new();
        }
    }

    fn header(&self) -> Option<Header> {
        self.said.clone()
    }

    fn finish(mut self: Box<Self>) -> Scanned {
        if self.position != self.byte_count {
            self.verdicts.fail((Rule::FileLength, format!("{} bytes of {}", self.position, self.byte_count)));
        } else if !self.is_read {
            self.verdicts.fail((Rule::HeaderLength, format!("a file of {} bytes", self.byte_count)));
        }
        Scanned { report: self.verdicts.report(), header: self.said.unwrap_or_default() }
    }
}
