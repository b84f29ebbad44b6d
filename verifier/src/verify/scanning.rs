//! The scan of a file whose format is known only when it runs.

use crate::artifact::{self, Format};
use crate::report::Report;
use crate::scan::{Claims, Scan};
use crate::slm::{self, SlmFacts};

/// A scan of any format.
#[derive(Debug)]
pub(super) enum Scanning {
    Slm(Box<slm::Scan>),
    Other(Box<dyn Scan>),
}

/// What it found.
#[derive(Debug)]
pub(super) struct Found {
    /// The rules of the format.
    pub(super) rules: Report,
    /// What a `.slm` file is, if its header, tokenizer and directory are valid.
    pub(super) facts: Option<SlmFacts>,
    /// What a file of any other format says of itself.
    pub(super) claims: Claims,
}

impl Scanning {
    pub(super) fn new(format: Format, byte_count: u64) -> Self {
        match format {
            Format::Slm => Self::Slm(Box::new(slm::Scan::new(byte_count))),
            _ => Self::Other(artifact::scan(format, byte_count)),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Slm(scan) => scan.push(bytes),
            Self::Other(scan) => scan.push(bytes),
        }
    }

    pub(super) fn finish(self) -> Found {
        match self {
            Self::Slm(scan) => {
                let outcome = (*scan).finish();
                Found { rules: outcome.report, facts: outcome.facts, claims: Claims::new() }
            }
            Self::Other(scan) => {
                let outcome = scan.finish();
                Found { rules: outcome.report, facts: None, claims: outcome.claims }
            }
        }
    }
}
