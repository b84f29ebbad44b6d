//! What the benches and the comparison share. The benches themselves live in `benches/benches`, the comparison in
//! `benches/src/bin/compare`.

pub mod plot_bars;
