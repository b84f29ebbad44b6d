//! What every look at the structure of a model file has in common.

mod claim;
pub(crate) mod rule;

pub use claim::{ClaimRule, ClaimSpelling, Claims};
pub(crate) use claim::{show_counts, spell_counts};

use std::fmt::Debug;

use crate::report::Report;

/// Checks the structure of a file that is pushed in order, in slices of any size.
pub trait Scan: Debug + Send {
    /// Checks the next bytes of the file.
    fn push(&mut self, bytes: &[u8]);

    /// What the header says, once it was read and is valid; always `None` for a `.slm` file, whose header says nothing of its kind.
    fn header(&self) -> Option<Header>;

    /// The verdicts, once the file has ended.
    fn finish(self: Box<Self>) -> Scanned;
}

/// What a scan found.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// The rules of the format that were decided, in their order.
    pub report: Report,
    /// What the header says; empty where it is not valid.
    pub header: Header,
}

/// What the header of a file says. Its texts are those of the file, whatever they hold.
#[derive(Clone, Debug, Default)]
pub struct Header {
    /// Labels and values, both for people.
    pub summary: Vec<(&'static str, String)>,
    /// What a manifest of version 1 claims of such a file; empty for `.slm`.
    pub claims: Claims,
    /// What it says of the model.
    pub model: Described,
}

/// What a file says of the model in it, each part where it says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// The name of the model.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// How most numbers are stored, as people call it: `Q4_K_M`.
    pub quantization: Option<&'static str>,
    /// The name of the license.
    pub license: Option<String>,
    /// Where the text of the license is.
    pub license_link: Option<String>,
    /// The model that it was made from.
    pub base_model: Option<String>,
    /// The version of that model.
    pub base_version: Option<String>,
}

/// Bytes checked between two branches; the loop over them has none and compiles to vector instructions.
pub(crate) const STRIDE_BYTES: usize = 4096;

/// The first byte that is not zero, and where.
pub(crate) fn first_not_zero(bytes: &[u8]) -> Option<(usize, u8)> {
    bytes.chunks(STRIDE_BYTES).enumerate().find_map(|(stride, bytes)| {
        if bytes.iter().fold(0, |any, byte| any | byte) == 0 {
            return None;
        }
        let (place, byte) = bytes.iter().enumerate().find(|(_, byte)| **byte != 0)?;
        Some((stride * STRIDE_BYTES + place, *byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_is_not_zero_is_found() {
        let mut bytes = vec![0; 10_000];
        assert_eq!(first_not_zero(&bytes), None);
        assert_eq!(first_not_zero(&[]), None);
        bytes[9_999] = 3;
        assert_eq!(first_not_zero(&bytes), Some((9_999, 3)));
        bytes[4_096] = 1;
        assert_eq!(first_not_zero(&bytes), Some((4_096, 1)));
    }
}
