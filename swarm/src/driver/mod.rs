//! QUIC, tokio and the clock: carries out what the machine decides, and reports to it what happened.
//!
//! One task (`session.rs`) owns the machine, and parts that each keep one kind of state: `links.rs`, `downloading.rs`,
//! `serving.rs`, `samples.rs`, `silence.rs`, `observer.rs`, `workers.rs`. Every other task handles one stream or one
//! connection and sends the session its messages over a bounded channel; no task shares a lock with the session. Chunks are
//! hashed and written by two threads (`chunk_writer.rs`); other work that blocks runs on threads of which
//! each session has a bounded part (`blocking.rs`). The runtime may be
//! single-threaded: nothing here blocks it.
//!
//! - [`Node::bind`]: a socket with the node's key; knows its addresses and can sign an offer for them. One accept loop
//!   (`accept.rs`) serves all sessions of a node and hands each connection to one of them (`registrations.rs`).
//! - [`Node::seed`]: serves a complete file until the user stops it.
//! - [`Node::fetch`]: fetches into a [`crate::store::Part`], serving what it has if the user agreed.
//! - [`Node::fetch_manifest`]: fetches the manifest, the only request that an offer alone permits.

mod accept;
mod arrivals;
mod bans;
mod blocking;
mod calendar;
mod chunk_maps;
mod chunk_writer;
mod close;
mod congestion;
mod connection;
mod control_stream;
mod control_updates;
mod counters;
mod dial;
mod dialed_sites;
mod door;
mod download;
mod downloading;
mod error;
mod event_limiter;
mod fetch;
mod fetched;
mod found_peers;
mod idle;
mod knock;
mod knocked;
mod leaf_hashes;
mod limiter;
mod links;
mod manifest;
mod meeting;
mod messages;
mod newcomers;
mod node;
mod observed;
mod observer;
mod opening;
mod outside;
mod own_addresses;
mod path_sample;
mod perform;
mod periodic;
mod puncher;
mod quota;
mod rate_limit;
mod registrations;
mod renewal;
mod report;
mod routes;
mod samples;
mod seed;
mod seen_address;
mod serve;
mod serving;
mod session;
mod settings;
mod silence;
mod sink;
mod socket;
mod tls;
mod transport;
mod unfinished;
mod workers;

#[cfg(test)]
mod tests;

pub use crate::machine::{ChunkMap, Controls, Found, FoundPeer, QuotaRefusal, Way};
pub use bans::{BAN, Ban, Bans};
pub use chunk_maps::{ChunkMapAsker, ChunkMapQuestions, chunk_maps};
pub use congestion::Congestion;
pub use control_updates::steady;
pub use door::Knocks;
pub use error::DriverError;
pub use fetch::Fetching;
pub use fetched::{FetchEnd, FetchSettings, Fetched, PeerShare, STALL_TIMEOUT};
pub use found_peers::{FoundPeers, FoundPeersSender, found_peers};
pub use idle::Idle;
pub use knock::KnockFailed;
pub use node::{Incoming, Node, NodeSettings};
pub use observed::{Reach, Translation, Visit};
pub use own_addresses::Interfaces;
pub use quota::{Account, Direction, QuotaGate};
pub use rate_limit::RateLimit;
pub use report::{Losses, Over, PeerPath, PeerView, Report, Snapshot, time_left};
pub use seed::{SeedSettings, Seeding, Served};
pub use settings::{SessionLimits, SessionSettings};
pub use sink::ChunkSink;
pub use socket::{BatchRuntime, MAX_DATAGRAM};
pub use transport::LEAST_DATAGRAM;
