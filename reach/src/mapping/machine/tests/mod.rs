//! The machine in virtual time, against answers written by hand.

mod held;
mod probe;
mod random;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use super::super::limits;
use super::super::pcp::{self, MapRequest};
use super::super::settings::{Gateway, MapperSettings};
use super::super::state::{Mapping, MappingProtocol, MappingState, NoMapping};
use super::io::{Input, Output, Random, Report, Service, ServiceKind, Task};
use super::{Machine, io};

const PORT: u16 = 4242;
const NONCE: pcp::Nonce = [7; 12];
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const PUBLIC: Ipv4Addr = Ipv4Addr::new(8, 8, 4, 4);

/// A machine, its time, and what it gave since the last look.
struct World {
    machine: Machine,
    began: Instant,
    now: Instant,
    outputs: Vec<Output>,
}

impl World {
    /// Before the router was found.
    fn new() -> Self {
        let now = Instant::now();
        let random = Random { nonce: NONCE, other_ports: [50_001, 50_002, 50_003, 50_004] };
        let machine = Machine::new(now, MapperSettings::new(PORT), random);
        let mut world = Self { machine, began: now, now, outputs: Vec::new() };
        world.drain();
        assert_eq!(world.take(), [Output::FindRouter]);
        world
    }

    /// A probe has begun, and its first requests are out.
    fn probing() -> Self {
        let mut world = Self::new();
        world.tell(Input::Router(Ok(gateway(ROUTER))));
        let first = world.take();
        assert!(matches!(first.first(), Some(Output::Upnp(1, Task::Find))), "{first:?}");
        assert_eq!(first[1..], [Output::Send(map_request(0, 3_600)), Output::Send(vec![0, 0])]);
        world
    }

    /// PCP has mapped, for so many seconds.
    fn held_by_pcp(lifetime: u32) -> Self {
        let mut world = Self::probing();
        world.tell(Input::Datagram(&Pcp { lifetime, ..Pcp::GRANT }.bytes()));
        assert!(world.take_states().iter().any(|state| matches!(state, MappingState::Mapped(_))));
        world
    }

    fn tell(&mut self, input: Input<'_>) {
        self.machine.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll() {
            self.outputs.push(output);
        }
        // A wakeup that is due at once would come again and again.
        assert!(self.machine.wakeup().is_none_or(|at| at > self.now), "{:?}", self.machine);
    }

    /// Lets time go on; lookups of the router find the one of [`Self::probing`].
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.machine.wakeup().filter(|&at| at <= end) {
            self.now = at;
            self.tell(Input::Wakeup);
            while let Some(index) = self.outputs.iter().position(|output| *output == Output::FindRouter) {
                self.outputs.remove(index);
                self.tell(Input::Router(Ok(gateway(ROUTER))));
            }
        }
        self.now = end;
    }

    /// Lets time go on until there is such an output, and returns how long after the beginning. Within two days.
    fn until(&mut self, wanted: impl Fn(&Output) -> bool) -> Duration {
        while !self.outputs.iter().any(&wanted) {
            assert!(self.now < self.began + Duration::from_secs(200_000), "it never comes");
            let at = self.machine.wakeup().expect("a wakeup");
            self.pass(at.saturating_duration_since(self.now));
        }
        self.now - self.began
    }

    fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    fn take_states(&mut self) -> Vec<MappingState> {
        let states = self.take().into_iter().filter_map(|output| match output {
            Output::State(state) => Some(state),
            _ => None,
        });
        states.collect()
    }
}

fn gateway(router: Ipv4Addr) -> Gateway {
    Gateway {
        router: IpAddr::V4(router),
        own: IpAddr::from([192, 168, 1, 7]),
        pmp: SocketAddr::from((router, 5351)),
        ssdp: SocketAddr::from((router, 1900)),
    }
}

fn map_request(suggested: u32, lifetime: u32) -> Vec<u8> {
    let port = if lifetime == 0 { 0 } else { PORT };
    let suggested = SocketAddrV4::new(suggested.into(), port);
    let own = Ipv4Addr::new(192, 168, 1, 7);
    MapRequest { nonce: NONCE, own, internal_port: PORT, suggested, lifetime }.encode()
}

/// An answer to MAP by PCP.
#[derive(Clone, Copy)]
struct Pcp {
    result: u8,
    lifetime: u32,
    epoch: u32,
    nonce: pcp::Nonce,
    port: u16,
    external: Ipv4Addr,
}

impl Pcp {
    const GRANT: Self =
        Self { result: 0, lifetime: 3_600, epoch: 1_000, nonce: NONCE, port: PORT, external: PUBLIC };

    fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![2, 0x81, 0, self.result];
        bytes.extend(self.lifetime.to_be_bytes());
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend([0; 12]);
        bytes.extend(self.nonce);
        bytes.extend([17, 0, 0, 0]);
        bytes.extend(PORT.to_be_bytes());
        bytes.extend(self.port.to_be_bytes());
        bytes.extend(self.external.to_ipv6_mapped().octets());
        bytes
    }
}

/// The bytes of an answer to ANNOUNCE.
fn announced(epoch: u32) -> Vec<u8> {
    let mut bytes = vec![2, 0x80, 0, 0, 0, 0, 0, 0];
    bytes.extend(epoch.to_be_bytes());
    bytes.extend([0; 12]);
    bytes
}

fn pmp_external(external: Ipv4Addr) -> Vec<u8> {
    [&[0, 128, 0, 0, 0, 0, 0, 9][..], &external.octets()].concat()
}

fn pmp_mapped(port: u16, lifetime: u32) -> Vec<u8> {
    let mut bytes = vec![0, 129, 0, 0, 0, 0, 0, 9];
    bytes.extend(PORT.to_be_bytes());
    bytes.extend(port.to_be_bytes());
    bytes.extend(lifetime.to_be_bytes());
    bytes
}

/// NAT-PMP's answer to a version that it does not speak.
const NOT_PCP: [u8; 8] = [0, 129, 0, 1, 0, 0, 0, 9];

fn service() -> Service {
    Service { kind: ServiceKind::Ip1, at: SocketAddrV4::new(ROUTER, 5000), path: "/ctl".to_owned() }
}

fn found(external: Ipv4Addr) -> Input<'static> {
    Input::Upnp(1, Report::Found { service: service(), external })
}

fn mapped(port: u16) -> Input<'static> {
    Input::Upnp(1, Report::Mapped { service: service(), port })
}

fn mapping(by: MappingProtocol, port: u16, lifetime: u64) -> MappingState {
    let external = SocketAddr::from((PUBLIC, port));
    let lifetime = Duration::from_secs(lifetime);
    MappingState::Mapped(Mapping { external, by, router: IpAddr::V4(ROUTER), lifetime })
}

fn is_state(output: &Output) -> bool {
    matches!(output, Output::State(_))
}

fn is_map_by_pcp(output: &Output) -> bool {
    matches!(output, Output::Send(bytes) if bytes.len() == 60 && bytes[4..8] != [0; 4])
}

fn is_removal_by_pcp(output: &Output) -> bool {
    *output == Output::Send(map_request(0, 0))
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const SILENT: NoMapping = NoMapping::Silent { router: IpAddr::V4(ROUTER) };
