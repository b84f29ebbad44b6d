//! The local interface: its resources, and the server that answers for them.

pub mod types;
