//! The network at hand: members of a swarm that announce themselves by mDNS.
//!
//! A member that the user agreed to publish registers one `_minimodel._udp.local.` service. Its names are random for each run, and its TXT
//! record holds no swarm id, but keyed digests of it under a salt ([`digest`]): whoever has the manifest recognises the swarm, nobody
//! else does. A fetch that looks sends queries for the service type and nothing else.
//!
//! What is found is an address and a claim. The caller proves it by a handshake; nothing here is believed.
//!
//! Traffic: a search sends seven queries in its first 63 s and two every half hour; between these it only listens. An announcement is two
//! packets, and one answer to each query.

mod driver;
mod error;
mod guard;
mod interfaces;
mod matcher;
mod record;
mod search;

pub use driver::{Lan, LanSettings};
pub use error::LanError;
pub use interfaces::LanInterfaces;
pub use matcher::LanFound;
pub use record::{MAX_DIGESTS, digest};
