//! Integration tests of the swarm: one binary, one module a question.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod congestion;
mod sim;
mod store;
mod tidy;
