//! A link between two sides, emulated in user space: rate, one-way delay, random loss and a drop-tail queue in each
//! direction. Kernels without `netem` offer nothing of the sort.
//!
//! [`model`] decides what happens to a packet and knows no clock and no socket. [`emulator`] is the one loop that
//! moves packets by it, between [`tun`] devices of two network namespaces (needs root) or through a UDP [`relay`].
//! [`routed`] puts the routers of the simulation between the devices of several namespaces; [`translate`] applies them to packets.

pub mod emulator;
pub mod model;
pub mod payload;
pub mod relay;
#[cfg(target_os = "linux")]
pub mod routed;
pub mod stats;
pub mod translate;
#[cfg(target_os = "linux")]
pub mod tun;
