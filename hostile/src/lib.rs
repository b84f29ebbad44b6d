//! A peer that keeps every rule of `minimodel/1` but one, chosen by name: what the project's tests attack itself with.
//!
//! It stands on quinn, rustls and the crate `wire`, and not on the swarm: a mistake of the driver is not made here a
//! second time. As a client it attacks whoever seeds ([`attack`]), as a server whoever fetches ([`Server`]); [`Trick`]
//! lists what it can do, each with its row of the catalogue in `docs/faults.md`. Nothing that is shipped depends on it.
//! It talks to the addresses it is given and to no others.

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
