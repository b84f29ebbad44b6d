//! Ways to be found and reached beyond offers: the network at hand, the public DHT, and a mapping of the user's router. Each is off
//! until its user agreed to it by name.
//!
//! What is found is an address. Nothing there is believed, and nothing of this user but an address is shown, before it proved that it
//! knows the swarm ([`knocking`]).

mod bounds;
#[cfg(feature = "dht")]
mod dht;
#[cfg(not(feature = "dht"))]
#[path = "without_dht.rs"]
mod dht;
#[cfg(feature = "dht")]
mod dht_jobs;
mod event;
mod hub;
mod knocking;
#[cfg(feature = "lan")]
mod lan;
#[cfg(not(feature = "lan"))]
#[path = "without_lan.rs"]
mod lan;
mod mapping;
mod settings;
mod wanted;

pub use event::{WayEvent, WayFault};
pub use settings::{LocalWays, Ways, WaysSettings};

pub(super) use hub::{Hub, Member, Membership};
