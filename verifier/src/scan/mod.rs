//! What every look at the structure of a model file has in common.

pub(crate) mod rule;

use std::fmt::Debug;

use crate::report::Report;

/// Checks the structure of a file that is pushed in order, in slices of any size.
pub trait Scan: Debug + Send {
    /// Checks the next bytes of the file.
    fn push(&mut self, bytes: &[u8]);

    /// The verdicts, once the file has ended.
    fn finish(self: Box<Self>) -> Scanned;
}

/// What a scan found.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// The rules of the format that were decided, in their order.
    pub report: Report,
    /// What the file says of itself, as labels and values, both for people; values may hold any text of the file. Empty where
    /// its header is not valid.
    pub summary: Vec<(&'static str, String)>,
}
