//! Bounded reading of what has come of the header so far.

use super::rule::Rule;
use super::{MAX_HEADER_BYTES, MAX_TEXT_BYTES};
use crate::scan::rule::Fault;

/// Why a record was not read.
#[derive(Debug)]
pub(super) enum Stop {
    /// Its bytes have not all come.
    More,
    /// It breaks a rule.
    Broken(Fault<Rule>),
}

impl From<Fault<Rule>> for Stop {
    fn from(fault: Fault<Rule>) -> Self {
        Self::Broken(fault)
    }
}

/// Reads one record from its beginning.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` begins in the file.
    base: u64,
    file_bytes: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], base: u64, file_bytes: u64) -> Self {
        Self { bytes, at: 0, base, file_bytes }
    }

    /// Bytes that were read.
    pub(super) fn len(&self) -> usize {
        self.at
    }

    /// Where the next byte is in the file.
    pub(super) fn offset(&self) -> u64 {
        self.base.saturating_add(self.at as u64)
    }

    pub(super) fn take(&mut self, count: u64) -> Result<&'a [u8], Stop> {
        let offset = self.offset();
        if count > self.file_bytes.saturating_sub(offset) {
            let found = format!("{count} bytes from {offset} on, in a file of {}", self.file_bytes);
            return Err((Rule::HeaderLength, found).into());
        }
        if offset.saturating_add(count) > MAX_HEADER_BYTES {
            return Err((Rule::HeaderLimit, format!("{count} bytes from {offset} on")).into());
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = usize::try_from(count).ok().and_then(|count| rest.get(..count)).ok_or(Stop::More)?;
        self.at += taken.len();
        Ok(taken)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Stop> {
        Ok(self.take(4)?.first_chunk().copied().map_or(0, u32::from_le_bytes))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Stop> {
        Ok(self.take(8)?.first_chunk().copied().map_or(0, u64::from_le_bytes))
    }

    /// A length and as many bytes.
    pub(super) fn text(&mut self) -> Result<&'a [u8], Stop> {
        let (offset, length) = (self.offset(), self.u64()?);
        if length > MAX_TEXT_BYTES {
            return Err((Rule::TextLimit, format!("{length} bytes at offset {offset}")).into());
        }
        self.take(length)
    }
}
