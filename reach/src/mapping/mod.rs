//! A port mapping for one UDP port at the user's own router: PCP (RFC 6887), NAT-PMP (RFC 6886) and, with the feature `upnp`, UPnP
//! IGD 1 and 2.
//!
//! [`Mapper::start`] asks in all protocols at once, keeps one mapping, renews it and removes it at the end; [`Mapper::state`] tells
//! what there is. IPv4 only: IPv6 has no ports to map.
//!
//! What it does not do: it asks nobody but the router, believes no external address beyond its form, and never says that the port
//! is reachable; only an incoming connection proves that.
//!
//! Invariants:
//! - Packets go to the default gateway's private address and, for UPnP discovery alone, to 239.255.255.250. Answers from any other
//!   address or port are dropped. HTTP is spoken to that address alone.
//! - Nothing that a router says is used as a size or a time without a bound (`limits`).
//! - Decisions are made by `machine`, without a clock, a socket or randomness; `driver` performs them.

mod address;
mod driver;
mod limits;
mod machine;
mod mapper;
mod nat_pmp;
mod pcp;
mod router;
mod settings;
mod state;
#[cfg(feature = "upnp")]
mod upnp;

pub use mapper::Mapper;
pub use settings::{Gateway, Gateways, MapperSettings};
pub use state::{Mapping, MappingProtocol, MappingState, NoMapping};
