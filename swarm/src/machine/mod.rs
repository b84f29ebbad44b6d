//! The peer protocol and the scheduler: a deterministic state machine.
//!
//! The contract is three calls. [`Machine::handle`] takes an [`Input`] and the time; [`Machine::poll`] gives
//! [`Output`]s until it returns `None`; [`Machine::wakeup`] says when to come back although nothing happened.
//! Outputs are queued, so no order of calls is forbidden.
//!
//! Nothing in this folder reads a clock, touches a file or a network, starts a thread or iterates in an order
//! that differs from run to run. Time, the seed of all random choices and every limit are arguments. Hashing,
//! signatures and disk are outputs ([`Output::Keep`]) that come back as inputs ([`Input::Kept`]). So a simulation is just
//! another driver, and a run is replayed from its seed.
//!
//! [`Machine`] holds parts, each a type of its own file that is told what happened and decides about its own question:
//!
//! | part | question |
//! | --- | --- |
//! | `downloads`, `scheduling`, `deadlines` | which peer is asked next, for how many chunks, and when it is late |
//! | `select`, `picker` | which chunk: order, random first, hedging, endgame |
//! | `choker` | which peers hold an upload slot |
//! | `answers` | which request of a peer is answered next, and what its daily budget and memory allow |
//! | `dialing`, `sources`, `reach` | which peer is dialed next, and at which addresses |
//! | `introducer`, `meetings`, `meeting_bounds` | which peers are introduced to each other, and who is asked for an introduction |
//! | `leaves` | which peer is asked for leaf hashes |
//! | `offer_checks`, `exchange` | which offers are checked, and which are passed on |
//! | `standing`, `reply_budgets`, `wasted_reads` | what a key and a site did before, and what they may cost |
//! | `ends` | when the fetch is complete or exhausted |
//!
//! The parts share one `Swarm`: the connected peers, our chunks, the configuration, the time of the step and the
//! queue of outputs. None holds another, and imports go one way. What concerns several is up to the machine, in six files:
//! `core` (the three calls, breaches), `connections` (admission, Hello, end), `control` (frames, our chunks, the user's
//! controls), `fetching`, `uploads` and `offers`. A test holds the bounds (`swarm/tests/swarm/structure.rs`).
//!
//! Invariants, checked by [`Machine::check_invariants`] after every step of every test:
//! - each chunk is in exactly one state: missing, in flight, storing or have;
//! - a chunk in flight has one or two requests, to different peers; one that is being stored has one more at most;
//! - bytes requested and not yet stored stay within the memory budget, and a complete file has no open requests;
//! - no chunk is requested from a peer that chokes us, did not announce it, did not consent to serve, or that the user
//!   does not allow as a source.

mod announcer;
mod answers;
mod bans;
mod budget;
mod choker;
mod chunk_map;
mod chunks;
mod config;
mod connections;
mod contacts;
mod control;
mod core;
mod deadlines;
mod dialing;
mod downloads;
mod early;
mod ends;
mod events;
mod eviction;
mod exchange;
mod expected;
mod fault;
mod fetching;
mod found;
#[cfg(test)]
mod harness;
mod hello;
mod introducer;
mod introducers;
mod introductions;
mod leaves;
mod lost;
mod meetings;
mod names;
mod offer_checks;
mod offers;
mod outbox;
mod outcomes;
mod peer;
mod peer_download;
mod peer_table;
mod peer_upload;
mod picker;
mod places;
mod rate;
mod reach;
mod ready_queue;
mod refusals;
mod reply_budgets;
mod reports;
mod requests;
mod scheduling;
mod select;
mod shares;
mod site;
mod site_buckets;
mod slot_count;
mod slot_reservation;
mod source;
mod sources;
mod standing;
mod swarm;
mod time;
mod turns;
mod uploads;
mod user_controls;
mod view;
mod wasted_reads;

pub use bans::BAN;
pub use chunk_map::ChunkMap;
pub use chunks::ChunkState;
pub use config::{Config, Limits, Order, Terms};
pub use core::{Machine, Progress};
pub use events::{
    Ask, Check, Conn, EarlierPeer, Event, Input, KeepOutcome, LeavesOutcome, OfferVerdict, Output,
    QuotaRefusal, Req, RequestFault, ServeOutcome,
};
pub use fault::{Breach, Consequence};
pub use found::{Found, FoundPeer, Way};
pub use introductions::{Attempt, NotMet, Sent, Side};
pub use picker::Picker;
pub use rate::{Bucket, Meter};
pub use site::{Network, Scope, Site};
pub use time::Time;
pub use user_controls::Controls;
pub use view::{PeerState, Work};
