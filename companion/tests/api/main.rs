//! The local interface over real loopback sockets: server and client against each other, and strangers' bytes.

mod access;
mod bounds;
mod calls;
mod documents;
mod events;
mod memory;
mod metrics;
mod proof;
mod running;
mod safety;
mod shapes;
