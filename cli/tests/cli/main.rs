//! The real binary, run as a user runs it, in folders of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so by failing")]

mod failures;
mod home;
mod hostile;
mod identity;
mod inspect;
mod manifest;
mod streams;
mod verify;
