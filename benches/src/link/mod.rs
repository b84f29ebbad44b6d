//! A link between two sides, emulated in user space: rate, one-way delay, random loss and a drop-tail queue in each
//! direction. Kernels without `netem` offer nothing of the sort.
//!
//! [`model`] decides what happens to a packet and knows no clock and no socket. [`emulator`] is the one loop that
//! moves packets by it, between [`tun`] devices of two network namespaces (needs root) or through a UDP [`relay`].

pub mod emulator;
pub mod model;
pub mod payload;
pub mod relay;
pub mod stats;
#[cfg(target_os = "linux")]
pub mod tun;
