//! Status for people: a snapshot as a page, and the changes between two.

mod changes;
mod fit;
mod picture;
#[cfg(test)]
mod samples;
mod words;

pub(crate) use changes::changes;
pub(crate) use picture::picture;
pub(crate) use words::{about, kind, state};
