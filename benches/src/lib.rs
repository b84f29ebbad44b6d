//! What the measuring programs of this crate share. Criterion benches live in `benches/benches`.

pub mod link;
