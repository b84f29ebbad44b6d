//! Integration tests of the ways: one binary, one module a question. Those that need sockets run in a network of their own.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking and says what it measured"
)]

#[cfg(any(feature = "lan", feature = "dht"))]
mod alone;
#[cfg(feature = "dht")]
mod dht;
#[cfg(feature = "lan")]
mod dns;
#[cfg(feature = "lan")]
mod lan;
