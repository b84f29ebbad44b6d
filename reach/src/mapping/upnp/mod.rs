//! UPnP Internet Gateway Device 1 and 2: discovery, and the three calls of a mapping. IPv4 only.
//!
//! The only part of the program that speaks HTTP beyond this machine, and only to the router's own address: a `LOCATION`, a
//! `URLBase` or a control URL with a name, another host or another scheme is refused, and redirects are not followed.

mod calls;
mod description;
mod http;
mod search;
mod soap;
mod ssdp;
mod url;
mod xml;

pub(super) use self::calls::{Scope, perform};
