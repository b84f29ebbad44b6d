//! Where the processes run and what joins them: two namespaces and a TUN link, or loopback and a relay.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use minimodel_benches::link::emulator::{Ends, Outcome, Running, Taken, Way};
use minimodel_benches::link::model::Profile;
use minimodel_benches::link::relay::{self, Relay};
#[cfg(target_os = "linux")]
use minimodel_benches::link::tun::{FETCHING, Namespace, SERVING, TunPair};
use rustix::event::Timespec;
use tokio::process::Command;

use crate::args::LinkChoice;

/// The first UDP port of the serving programs in their namespace.
#[cfg(target_os = "linux")]
const FIRST_PORT: u16 = 4001;

/// A side of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Serving,
    Fetching,
}

/// Either kind of ends.
pub(crate) enum AnyEnds {
    #[cfg(target_os = "linux")]
    Tun(TunPair),
    Relay(Relay),
}

impl Ends for AnyEnds {
    /// Only the relay needs a route.
    type Route = Option<relay::Route>;

    fn take(&mut self, buffer: &mut [u8]) -> io::Result<Option<Taken<Self::Route>>> {
        fn with<R, S>(taken: Option<Taken<R>>, route: impl FnOnce(R) -> S) -> Option<Taken<S>> {
            let Taken { way, flow, route: old, length, wire_bytes } = taken?;
            Some(Taken { way, flow, route: route(old), length, wire_bytes })
        }
        match self {
            #[cfg(target_os = "linux")]
            Self::Tun(pair) => Ok(with(pair.take(buffer)?, |()| None)),
            Self::Relay(relay) => Ok(with(relay.take(buffer)?, Some)),
        }
    }

    fn deliver(&mut self, way: Way, route: &Self::Route, packet: &[u8]) {
        match (self, route) {
            #[cfg(target_os = "linux")]
            (Self::Tun(pair), _) => pair.deliver(way, &(), packet),
            (Self::Relay(relay), Some(route)) => relay.deliver(way, route, packet),
            (Self::Relay(_), None) => {}
        }
    }

    fn wait(&self, at_most: Timespec) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Tun(pair) => pair.wait(at_most),
            Self::Relay(relay) => relay.wait(at_most),
        }
    }
}

/// Where a serving program listens, and which address stands in its offer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) listen: SocketAddr,
    pub(crate) advertise: SocketAddr,
}

/// What joins the sides.
pub(crate) struct Site {
    kind: Kind,
    ends: Option<AnyEnds>,
    places: Vec<Place>,
}

enum Kind {
    #[cfg(target_os = "linux")]
    Tun {
        serving: Namespace,
        fetching: Namespace,
    },
    Relay,
}

/// Packets that got lost in this machine rather than on the emulated link, since it was started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Strays {
    /// A TUN device's queue was full because the emulator was late.
    pub(crate) device: u64,
    /// A program's socket buffer was full.
    pub(crate) socket: u64,
}

impl Site {
    /// A site for this many serving programs.
    pub(crate) fn new(choice: LinkChoice, servers: usize) -> Result<Self> {
        if choice == LinkChoice::Relay {
            return Self::relay(servers);
        }
        match Self::tun(servers) {
            Err(_) if choice == LinkChoice::Auto => Self::relay(servers),
            made => made.context("no TUN link can be made (it needs root); try --link relay"),
        }
    }

    #[cfg(target_os = "linux")]
    fn tun(servers: usize) -> Result<Self> {
        let (serving, fetching) = (Namespace::new()?, Namespace::new()?);
        let ports: Vec<u16> = (FIRST_PORT..).take(servers).collect();
        let ends = Some(AnyEnds::Tun(TunPair::join(&serving, &fetching, &ports)?));
        let place = |port| Place { listen: (SERVING, port).into(), advertise: (SERVING, port).into() };
        let places = ports.into_iter().map(place).collect();
        Ok(Self { kind: Kind::Tun { serving, fetching }, ends, places })
    }

    #[cfg(not(target_os = "linux"))]
    fn tun(_servers: usize) -> Result<Self> {
        bail!("there is no such thing here")
    }

    fn relay(servers: usize) -> Result<Self> {
        // All sockets stay open until all ports are known, so that the ports differ.
        let sockets = (0..servers).map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
        let sockets = sockets.collect::<io::Result<Vec<_>>>()?;
        let listen = sockets.iter().map(UdpSocket::local_addr).collect::<io::Result<Vec<_>>>()?;
        let relay = Relay::bind(&listen)?;
        let place = |(flow, listen)| Ok(Place { listen, advertise: relay.front(flow)? });
        let places = listen.into_iter().enumerate().map(place).collect::<io::Result<_>>()?;
        Ok(Self { kind: Kind::Relay, ends: Some(AnyEnds::Relay(relay)), places })
    }

    /// The link's name in reports.
    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            #[cfg(target_os = "linux")]
            Kind::Tun { .. } => "two network namespaces joined through TUN devices",
            Kind::Relay => "a UDP relay on loopback",
        }
    }

    /// The place of server number `flow`.
    pub(crate) fn place(&self, flow: usize) -> Result<Place> {
        self.places.get(flow).copied().context("no such server")
    }

    /// A command that runs `program` on a side. On Linux it ends with this process, however that ends.
    pub(crate) fn command(&self, side: Side, program: &Path) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        // Each of these programs executes the next: the process ID stays, and so does the signal.
        if cfg!(target_os = "linux") {
            words.extend(["setpriv", "--pdeathsig", "KILL", "--"].map(OsString::from));
        }
        match &self.kind {
            #[cfg(target_os = "linux")]
            Kind::Tun { serving, fetching } => {
                let mut net = OsString::from("--net=");
                net.push(if side == Side::Serving { serving } else { fetching }.path());
                words.extend(["nsenter".into(), net, "--".into()]);
            }
            Kind::Relay => {}
        }
        words.push(program.into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }

    /// A UDP socket on a side: where server number 0 listens, or on any port of the fetching side.
    pub(crate) fn socket(&self, side: Side) -> Result<UdpSocket> {
        let listen = self.place(0)?.listen;
        match &self.kind {
            #[cfg(target_os = "linux")]
            Kind::Tun { serving, .. } if side == Side::Serving => {
                Ok(serving.inside(move || UdpSocket::bind(listen))?)
            }
            #[cfg(target_os = "linux")]
            Kind::Tun { fetching, .. } => Ok(fetching.inside(|| UdpSocket::bind((FETCHING, 0)))?),
            Kind::Relay if side == Side::Serving => Ok(UdpSocket::bind(listen)?),
            Kind::Relay => Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?),
        }
    }

    /// Starts the link.
    pub(crate) fn start(&mut self, profile: Profile, seed: u64) -> Result<Running<AnyEnds>> {
        let Some(ends) = self.ends.take() else { bail!("the link runs already, or broke") };
        Ok(Running::start(ends, profile, self.places.len(), seed)?)
    }

    /// Stops the link, which can be started again.
    pub(crate) fn stop(&mut self, running: Running<AnyEnds>) -> Result<Outcome> {
        let (ends, outcome) = running.stop().context("the link broke")?;
        self.ends = Some(ends);
        Ok(outcome)
    }

    /// Packets lost in this machine so far; a counter that cannot be read counts as 0.
    pub(crate) fn strays(&self) -> Strays {
        let spaces: Vec<PathBuf> = match &self.kind {
            #[cfg(target_os = "linux")]
            Kind::Tun { serving, fetching } => vec![serving.proc("net"), fetching.proc("net")],
            Kind::Relay => vec![PathBuf::from("/proc/self/net")],
        };
        let mut strays = Strays::default();
        for space in spaces {
            let read = |name| std::fs::read_to_string(space.join(name)).unwrap_or_default();
            if !matches!(self.kind, Kind::Relay) {
                strays.device += device_drops(&read("dev"));
            }
            strays.socket += socket_drops(&read("snmp"));
        }
        strays
    }
}

/// Packets that `tun` devices could not keep for their reader, of `/proc/net/dev`.
fn device_drops(text: &str) -> u64 {
    let device = |line: &str| {
        let (name, counts) = line.split_once(':')?;
        // Eight columns of receiving, then bytes, packets, errors and drops of sending.
        if name.trim().starts_with("tun") {
            counts.split_whitespace().nth(11)?.parse::<u64>().ok()
        } else {
            None
        }
    };
    text.lines().filter_map(device).sum()
}

/// `RcvbufErrors` of UDP, of `/proc/net/snmp`: a line of names, then one of numbers.
fn socket_drops(text: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (Some(names), Some(numbers)) = (lines.next(), lines.next()) else { return 0 };
    let mut columns = names.split_whitespace().zip(numbers.split_whitespace());
    columns.find(|(name, _)| *name == "RcvbufErrors").and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_read_from_the_kernels_tables() {
        let dev = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes\n    \
                   lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  tun0: 1 2 3 4 5 6 7 8 9 10 11 77 13 14 15 16\n";
        assert_eq!(device_drops(dev), 77);
        let snmp = "Ip: Forwarding\nIp: 1\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\n\
                    Udp: 9 8 7 6 5 4\nUdpLite: InDatagrams\nUdpLite: 0\n";
        assert_eq!(socket_drops(snmp), 5);
        assert_eq!((device_drops(""), socket_drops("")), (0, 0));
    }
}
