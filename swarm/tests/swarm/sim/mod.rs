//! The simulation: many machines, virtual time, one seed. Just another driver.
//!
//! [`world`] holds what is true, [`queue`] says what happens next, [`carry`] executes what machines want
//! done, [`pipes`] moves bytes at the rate of links, [`mischief`] is what hostile peers do instead. Nothing sleeps and
//! nothing is random but by the seed, so a failure replays: the message of a failing run names the line.
//!
//! Checked after every step: the machine's own invariants, that it never asks to be called back in the past, that
//! it asks for nothing it has, that it serves nothing it lacks, and that what it believes to have is really there.

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
