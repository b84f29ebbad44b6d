//! How everything stands, for people: the picture of a moment, and what changed between two.

mod changes;
mod fit;
mod picture;
#[cfg(test)]
mod samples;
mod words;

pub(crate) use changes::changes;
pub(crate) use picture::picture;
pub(crate) use words::{about, kind, state};
