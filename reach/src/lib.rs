//! Ways to be found and to be reached, with no server of ours: mappings that a router makes for one port ([`mapping`]), members on
//! the network at hand ([`lan`]), and the public DHT ([`dht`]).
//!
//! Nothing here knows a swarm's protocol, a consent or a file: the caller asks for one thing by name after its user agreed to it, is
//! told addresses, and believes none of them. Each part is pure where it decides (codecs, state machines, derivations), with a thin
//! driver beside it.

#[cfg(feature = "dht")]
pub mod dht;
#[cfg(feature = "lan")]
pub mod lan;
pub mod mapping;
mod os;
