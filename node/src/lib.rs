//! What `minimodel` is, as a library: the folders of a user, the identity, bans, records of checks, known publishers and
//! consent.
//!
//! It prints nothing, reads no environment variable and knows no exit code. A failure is an [`Error`] that carries values;
//! progress, notes and warnings are an [`Event`] that a [`Watcher`] is told.

pub mod bans;
pub mod check;
pub mod checks;
pub mod clock;
pub mod consent;
mod error;
mod event;
mod home;
pub mod identity;
pub mod input;
pub mod json;
pub mod private;
pub mod publishers;
pub mod transfer;

pub use error::Error;
pub use event::{Event, ShareCheck, Watcher};
pub use home::{Home, HomeError, HomeFolder};
pub use identity::{Identity, IdentityError};
