//! The decisions of a mapper: a deterministic state machine.
//!
//! [`Machine::handle`] takes an [`Input`] and the time, [`Machine::poll`] gives [`Output`]s until it returns `None`, and
//! [`Machine::wakeup`] says when to come back although nothing happened. Nothing here reads a clock, touches a socket or draws a
//! random number.
//!
//! A machine is in one of these states:
//! - looking: it waits for the router's address;
//! - probing: all protocols are asked; ends within `limits::PROBE`;
//! - held: one mapping is kept, renewed and watched;
//! - resting: there is none, and the next probe is due after a pause;
//! - ending, ended: what was mapped is removed.

mod ask;
mod core;
mod epoch;
mod held;
mod io;
mod probe;
mod removal;
mod retry;
#[cfg(test)]
mod tests;

pub(super) use self::core::Machine;
pub(super) use self::io::{Input, Output, Random, Report, Task};
#[cfg(feature = "upnp")]
pub(super) use self::io::{Service, ServiceKind};
