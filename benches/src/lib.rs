//! What the measuring programs of this crate share: the emulated link and the plots. The programs live in `src/bin`,
//! criterion's benches in `benches/benches`.

pub mod link;
pub mod plot_bars;
