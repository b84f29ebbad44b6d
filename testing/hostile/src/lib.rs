//! A peer that keeps every rule of `minimodel/1` but one, chosen by name, for attacks in the project's own tests.
//!
//! It is built on quinn, rustls and the crate `wire`, and not on the swarm, so that a mistake of the driver is not made
//! here a second time. As a client it attacks a seeder ([`attack`]), as a server a fetcher ([`Server`]); [`Trick`] lists
//! what it can do, each with its row of the catalogue in `docs/faults.md`. Nothing that is shipped depends on it. It talks
//! only to the addresses that it is given.

mod client;
pub mod crowd;
mod model;
mod net;
mod relay;
mod seen;
mod server;
mod session;
pub mod siege;
mod socket;
mod tls;
mod trick;

pub use client::{attack, comes_back};
pub use model::Model;
pub use net::Target;
pub use relay::Relay;
pub use seen::{Ended, Seen};
pub use server::Server;
pub use tls::Identity;
pub use trick::{Side, Trick};
