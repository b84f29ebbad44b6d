//! Status for people: a snapshot as a page, and the changes between two.

mod changes;
mod fit;
mod page;
#[cfg(test)]
mod samples;
mod words;

pub(crate) use changes::changes;
pub(crate) use page::page;
pub(crate) use words::{about, kind, state, unheld};
