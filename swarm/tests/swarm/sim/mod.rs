//! The simulation: many machines, virtual time, one seed. Just another driver.
//!
//! [`world`] holds the state, [`queue`] orders the events, [`carry`] executes the outputs of the machines, [`pipes`]
//! moves bytes at the rate of links, [`mischief`] makes hostile peers misbehave. Nothing sleeps and all randomness
//! comes from the seed, so a failure replays: the message of a failing run names the command line.
//!
//! Checked after every step: the machine's own invariants, that it never asks to be called back in the past, that it
//! requests no chunk it has, that it serves no chunk it lacks, and that each chunk it believes to have is really
//! there.

mod artifact;
mod asks;
mod cargo;
mod carry;
mod connections;
mod mischief;
mod peer;
mod pipes;
mod process;
mod queue;
mod record;
mod shelf;
mod step;
mod weather;
mod world;

mod endgame;
mod figures;
mod hostile;
mod introductions;
mod leavers;
mod leechers;
mod liars;
mod mixes;
mod movers;
mod offers;
mod points;
mod random;
mod rescan;
mod rows;
mod scenario;
mod siege;
mod third_parties;
mod throughput;
mod transfer;
mod uploads;
