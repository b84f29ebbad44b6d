//! The swarm: who has which chunk, whom to ask, whom to serve, and where the bytes land.
//!
//! - [`machine`]: the peer protocol and the scheduler as one deterministic state machine. Events in, actions out.
//! - [`congestion`]: how much may be under way to one peer; the driver hands it to quinn.
//! - [`store`]: the partial file and its record; synchronous, crash-safe, one seam ([`store::Disk`]).
//! - `driver`: quinn and tokio, the only async code; behind the feature `driver`, so that the compiler proves
//!   that the others need no network.
//!
//! `driver` uses the others; they do not know each other.

pub mod congestion;
#[cfg(feature = "driver")]
pub mod driver;
pub mod machine;
pub mod store;
