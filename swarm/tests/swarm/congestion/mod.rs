//! The congestion controller on a simulated bottleneck: throughput, wasted packets, fairness, and paths that change.
//! The figures are printed: `cargo test -p minimodel-swarm --test swarm congestion -- --nocapture`.

#![allow(clippy::print_stdout, reason = "figures are worth reading when the tests pass, too")]

mod changes;
mod cubic;
mod link;
mod network;
mod one;
mod receiver;
mod sender;
mod two;

use std::time::Duration;

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
