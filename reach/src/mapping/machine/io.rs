//! What goes into a machine, and what comes out.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::super::limits;
use super::super::pcp::Nonce;
use super::super::settings::Gateway;
use super::super::state::{MappingState, NoMapping};

/// What happened.
#[derive(Debug)]
pub(in super::super) enum Input<'a> {
    /// The answer to [`Output::FindRouter`]: a router whose address is one of a router, or why there is none.
    Router(Result<Gateway, NoMapping>),
    /// A datagram from the router's port of PCP and NAT-PMP.
    Datagram(&'a [u8]),
    /// The end of a [`Task`], with the number that it had.
    Upnp(u32, Report),
    /// The network changed, or may have.
    NetworkChanged,
    /// The mapping is to be removed.
    End,
    /// It is the time of [`Machine::wakeup`](super::Machine::wakeup).
    Wakeup,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Output {
    /// Find the router; answered by [`Input::Router`].
    FindRouter,
    /// Send this to the router's port of PCP and NAT-PMP.
    Send(Vec<u8>),
    /// Do this by UPnP at the router; answered by [`Input::Upnp`] with the same number.
    Upnp(u32, Task),
    /// Tell the user of the mapper.
    State(MappingState),
    /// Everything is removed, or time is up.
    Ended,
}

/// Work at the router by UPnP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Task {
    /// Find a service that maps ports, and the external address.
    Find,
    /// Make or renew a mapping, at one of these external ports. The lifetime is in seconds.
    Map { service: Service, ports: Vec<u16>, internal_port: u16, lifetime: u32 },
    /// Remove the mapping of this external port.
    Remove { service: Service, port: u16 },
}

/// How a [`Task`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "upnp"),
    allow(dead_code, reason = "only Report::Nothing is made, but tests make all")
)]
pub(in super::super) enum Report {
    /// A service, and the external address that it names.
    Found { service: Service, external: Ipv4Addr },
    /// A mapping at this external port.
    Mapped { service: Service, port: u16 },
    /// The mapping is gone.
    Removed,
    /// The router refused, with this code.
    Refused { code: u16 },
    /// No usable answer.
    Nothing,
}

/// A service of the router that maps ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Service {
    pub(in super::super) kind: ServiceKind,
    /// Where it is: the router's address, and a port.
    pub(in super::super) at: SocketAddrV4,
    /// The path of its control URL, with query.
    pub(in super::super) path: String,
}

/// A kind of service, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    not(feature = "upnp"),
    allow(dead_code, reason = "made by the reader of descriptions, and by tests")
)]
pub(in super::super) enum ServiceKind {
    /// WANIPConnection:2.
    Ip2,
    /// WANIPConnection:1.
    Ip1,
    /// WANPPPConnection:1.
    Ppp1,
}

/// What is random in a machine.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Random {
    /// Names our mapping to the router in PCP.
    pub(in super::super) nonce: Nonce,
    /// External ports for UPnP when the wanted one is taken.
    pub(in super::super) other_ports: [u16; limits::OTHER_PORTS],
}
