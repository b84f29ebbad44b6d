//! What the measuring programs of this crate share: the emulated link and the plots. The programs live in `src/bin`:
//!
//! - `compare`: this and other programs on the same work;
//! - `rawquinn`: bytes from memory to nowhere over quinn, the limit that `compare` holds others against;
//! - `paths`: transfers over slow and lossy links;
//! - `reach`: whether two behind routers are connected, and when;
//! - `scale`: large swarms, simulated.
//!
//! Criterion's benches live in `benches/benches`. `cargo bench -p minimodel-benches` runs all of them in less than
//! five minutes on two cores; `--bench NAME` runs one:
//!
//! - `wire`: frames to bytes and back;
//! - `chunks`: chunk hashes, proofs, the tree on one core and on all;
//! - `slm`: the `.slm` check;
//! - `picker`: which chunk to ask for, at up to a million chunks and a thousand peers;
//! - `machine`: what one input costs the whole scheduler with up to a thousand peers connected;
//! - `store`: proving, writing and recording chunks, and resuming;
//! - `transfer`: whole transfers over loopback QUIC, one to one, three to one, one to four.
//!
//! Figures are for comparing two runs on one quiet machine. Samples are few and short: differences below ten percent
//! say nothing.

pub mod link;
pub mod plot;
pub mod plot_bars;
