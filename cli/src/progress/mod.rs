//! Progress of long work, in proven bytes: a bar on a terminal, a line every ten seconds elsewhere, JSON objects, or
//! nothing. Progress is for people: it never carries an answer.

mod estimate;
mod sink;
mod tracker;

pub(crate) use tracker::{Counter, Progress};
