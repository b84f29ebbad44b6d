//! The swarm: the peer protocol, the choice of chunks and peers, uploads, congestion control, and the partial file.
//!
//! - [`machine`]: the peer protocol and the scheduler as one deterministic state machine. Events in, actions out.
//! - [`congestion`]: the congestion controller, which limits the bytes in flight to one peer; the driver hands it to quinn.
//! - [`store`]: the partial file and its record; synchronous, crash-safe, one seam ([`store::Disk`]).
//! - [`os`]: what differs by system, in one small interface.
//! - `driver`: quinn and tokio, the only async code; behind the feature `driver`, so that the compiler proves
//!   that the others need no network.
//!
//! `driver` uses the others; they do not know each other, but for `store`, which goes through `os`.

pub mod congestion;
#[cfg(feature = "driver")]
pub mod driver;
pub mod machine;
pub mod os;
pub mod store;
