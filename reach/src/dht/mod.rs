//! The public DHT of BitTorrent: who has a swarm, and where a known peer is now.
//!
//! Off unless its user asked for it: storing nodes see the address of this machine and hashes that change daily, and whoever has the
//! manifest of a public model can list all who announce it. IPv4 alone: the library knows no other.
//!
//! - Who has S (BEP 5): [`info_hash`] of S and the UTC day; the value is an IPv4 address and the port that the caller names.
//! - Where is K now (BEP 44): a signed item under a key that only those derive who know K and S; its value is K's offer, sealed and padded.
//!
//! Results are suggestions. Nobody can forge an offer in it, but who knows K and S can overwrite the item, and anybody can plant addresses.
//! The caller proves what it finds by a handshake.
//!
//! A node lives for one call, 15 s, and never longer than the library takes to finish one request after it. It answers nobody.

mod calls;
mod derive;
mod error;
mod round;
mod schedule;
mod seal;

pub use calls::{Dht, MAX_FOUND, Place};
pub use derive::{day, days_to_try, info_hash};
pub use error::DhtError;
pub use round::{Cancel, DhtSettings};
pub use schedule::{Schedule, Task};
pub use seal::MAX_OFFER;
