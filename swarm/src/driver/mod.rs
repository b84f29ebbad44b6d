//! QUIC, tokio and the clock: carries out what the machine decides, and reports to it what happened.
//!
//! One task (`session.rs`) owns the machine and the tables that go with it. Every other task handles one stream or one
//! connection and sends the session notes over a bounded channel; no task shares a lock with the session. Chunks are
//! hashed and written by two threads (`keeper.rs`); other disk work runs on the blocking pool. The runtime may be
//! single-threaded: nothing here blocks it.
//!
//! - [`Node::bind`]: a socket with the node's key; knows its addresses and can sign an offer for them.
//! - [`Node::seed`]: serves a complete file until the user stops it.
//! - [`Node::fetch`]: fetches into a [`crate::store::Part`], serving what it has if the user agreed.
//! - [`Node::fetch_manifest`]: fetches the manifest, the only request that an offer alone permits.

mod accept;
mod arrivals;
mod bans;
mod calendar;
mod congestion;
mod connection;
mod controls;
mod counters;
mod dial;
mod download;
mod error;
mod fetch;
mod fetched;
mod gate;
mod idle;
mod judge;
mod keeper;
mod limiter;
mod manifest;
mod node;
mod notes;
mod perform;
mod pulse;
mod renewal;
mod report;
mod routes;
mod seed;
mod serve;
mod session;
mod sink;
mod socket;
mod telling;
mod throttle;
mod tls;
mod transport;
mod workers;

#[cfg(test)]
mod tests;

pub use crate::machine::Controls;
pub use bans::{BAN, Ban, Bans};
pub use congestion::Congestion;
pub use controls::steady;
pub use error::DriverError;
pub use fetch::Fetching;
pub use fetched::{FetchEnd, FetchSettings, Fetched, PeerShare};
pub use gate::{Account, Gate, Held, Way};
pub use idle::Idle;
pub use node::{Node, NodeSettings};
pub use report::{PeerView, Report, Snapshot};
pub use seed::{SeedEnd, SeedSettings};
pub use sink::ChunkSink;
pub use socket::{BatchRuntime, MAX_DATAGRAM};
pub use throttle::Throttle;
pub use transport::LEAST_DATAGRAM;
