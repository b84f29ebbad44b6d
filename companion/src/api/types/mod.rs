//! The bodies of the local interface, version 1: JSON and OpenAPI of the types of [`crate::model`]. Answers are made from these;
//! requests become these once they pass their checks.
//!
//! Times are RFC 3339 UTC (`..._utc`) or seconds since 1970 (`..._unix`), sizes bytes, rates payload bytes a second. Swarm ids
//! are 64 lowercase hex digits, peers their base32 ids.

mod consent;
mod form;
mod library;
mod limits;
mod problem;
mod publisher;
mod system;
mod transfer;

pub use self::consent::{Announcement, Consent, Grant, GrantState, LogEntry, LogVerdict, NewGrant, Question};
pub use self::form::Resource;
pub use self::library::{Activated, Activation, Entry, EntryState, FitCheck, Fits, NewEntry, Pruned};
pub use self::limits::{Limits, Moved, Rates, TransferLimits, Window};
pub use self::problem::Problem;
pub use self::publisher::{KnownKey, Publisher, PublisherStanding};
pub use self::system::{Event, Finding, Status};
pub use self::transfer::{Cause, Endpoint, Kind, NewFetch, NewShare, Peer, State, Transfer};
