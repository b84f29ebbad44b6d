//! Benches live in `benches/benches`; here is what its programs share.

pub mod plot;
