//! The simulation: many machines, virtual time, one seed. Just another driver.
//!
//! [`World`] holds the parts: the events in their order (`queue`), the connections (`paths`), what the network does to them
//! (`network`), routers (`nat`, `internet`, `attempts`), the peers, and the log (`record`). Five files carry out its steps: the inputs and outputs of the machines
//! (`carry`), connections, requests (`asks`), bytes at the rate of links (`pipes`) and processes. `hostile` says what hostile peers
//! send instead. Nothing sleeps and all randomness comes from the seed, so a failure replays: the message of a failing run
//! names the command line.
//!
//! Checked after every step: the machine's own invariants, that it never asks to be called back in the past, that it
//! requests no chunk it has, that it serves no chunk it lacks, and that each chunk it believes to have is really
//! there.
//!
//! ```
//! use minimodel_sim::{KIB, MIB, Plan, World, secs};
//!
//! let mut world = World::new(MIB, 64 * KIB, 1);
//! let seeder = world.add(Plan::seeder());
//! let leecher = world.add(Plan::leecher().knows(&[seeder]));
//! world.must_run(secs(10), |world| world.is_complete(leecher));
//! ```

#![allow(clippy::panic, clippy::expect_used, reason = "a broken invariant ends the run")]

mod artifact;
mod asks;
mod attempts;
mod carry;
mod config;
mod connections;
mod failing_disk;
mod hostile;
mod internet;
mod keys;
mod nat;
mod network;
mod paths;
mod peer;
mod pipes;
mod plan;
mod process;
mod queue;
mod record;
mod step;
mod storage;
mod store;
mod world;

pub use artifact::ARTIFACTS;
pub use attempts::Met;
pub use config::{UNIX_AT_START, config, hello, terms};
pub use failing_disk::FailingDisk;
pub use internet::{HostNo, Internet, RouterNo, Transit};
pub use keys::{address_of, id_of, key, offer_of, renewed_offer_of, site_of};
pub use nat::{Filter, Mapping, Router};
pub use network::{Faults, Network, Turns};
pub use peer::{Peer, PeerNo, Tally};
pub use pipes::ideal;
pub use plan::{Behaviour, Have, MBIT, Other, Plan};
pub use record::{Counts, Record, Summary};
pub use step::Scripted;
pub use storage::Storage;
pub use store::Store;
pub use world::{KIB, MIB, Settings, World, ms, secs};
