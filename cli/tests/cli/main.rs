//! The real binary, run as a user runs it, in folders of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by failing")]

mod catalogue;
mod checked;
mod companion;
mod consent;
mod failures;
mod floors;
mod home;
mod hostile;
mod hostile_peers;
mod identity;
mod inspect;
mod manifest;
mod process;
mod publishers;
mod questions;
mod refusals;
mod streams;
mod swarm;
mod verify;
