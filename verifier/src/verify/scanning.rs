//! The scan of a file whose format is known only when it runs.

use crate::artifact::{self, Format};
use crate::manifest::FormatClaims;
use crate::report::Report;
use crate::scan::{Scan, Scanned};
use crate::slm::{self, SlmFacts, SlmOutcome};

/// A scan of any format.
#[derive(Debug)]
pub(super) enum Scanning {
    Slm(Box<slm::Scan>),
    Other(Format, Box<dyn Scan>),
}

/// What it found.
#[derive(Debug)]
pub(super) struct Found {
    /// The rules of the format.
    pub(super) rules: Report,
    /// What a `.slm` file is, if its header, tokenizer and directory are valid.
    pub(super) facts: Option<SlmFacts>,
    /// What a manifest claims of it, if its header is valid.
    pub(super) claims: Option<FormatClaims>,
}

impl Scanning {
    pub(super) fn new(format: Format, byte_count: u64) -> Self {
        match format {
            Format::Slm => Self::Slm(Box::new(slm::Scan::new(byte_count))),
            _ => Self::Other(format, artifact::scan(format, byte_count)),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Slm(scan) => scan.push(bytes),
            Self::Other(_, scan) => scan.push(bytes),
        }
    }

    pub(super) fn finish(self) -> Found {
        match self {
            Self::Slm(scan) => {
                let SlmOutcome { report: rules, facts, .. } = (*scan).finish();
                let claims = facts.as_ref().map(|facts| FormatClaims::Slm(facts.into()));
                Found { rules, facts, claims }
            }
            Self::Other(format, scan) => {
                let Scanned { report: rules, header } = scan.finish();
                let claims = header.claims;
                let claims = (!claims.is_empty()).then_some(FormatClaims::Listed(format, claims));
                Found { rules, facts: None, claims }
            }
        }
    }
}
