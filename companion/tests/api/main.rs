//! The local interface over real loopback sockets: server and client against each other, and arbitrary bytes from others.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so by failing"
)]

mod access;
mod bodies;
mod boundary;
mod calls;
mod chunks;
mod contract;
mod documents;
mod events;
mod example;
mod folders;
mod memory;
mod metrics;
mod page_places;
mod proof;
mod running;
mod safety;
mod server_limits;
mod sessions;
mod shapes;
mod two_companions;
