//! A link between network namespaces with routers on the way, through a TUN device in each. Needs root, as [`super::tun`] does.
//!
//! The devices take all packets to addresses from 128.0.0.0 on, and hand them to this process alone: nothing leaves the machine.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use minimodel_sim::{HostNo, Internet, Transit};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tun_rs::SyncDevice;

use super::emulator::{Ends, Taken, Way};
use super::translate::{Header, Translator};
use super::tun::Namespace;

/// Most addresses of which it is remembered when they were first sent to.
const MOST_NOTED: usize = 1_024;

/// The devices of several hosts, and the routers in between.
pub struct Routed {
    devices: Vec<SyncDevice>,
    translator: Translator,
    since: Instant,
    /// The device whose turn it is.
    next: usize,
    first_sent: BTreeMap<(HostNo, SocketAddr), Instant>,
    copy: Vec<u8>,
}

impl std::fmt::Debug for Routed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routed").field("translator", &self.translator).finish_non_exhaustive()
    }
}

impl Routed {
    /// Joins namespaces, each with the address of its host, which begins with 128 or more. Host `n` of `internet` is the one of
    /// `hosts[n]`.
    ///
    /// # Errors
    /// A device cannot be made.
    pub fn join(hosts: &[(&Namespace, Ipv4Addr)], internet: Internet, seed: u64) -> io::Result<Self> {
        let devices = hosts.iter().map(|(namespace, address)| namespace.device_to_half(*address));
        Ok(Self {
            devices: devices.collect::<io::Result<_>>()?,
            translator: Translator::new(internet, seed),
            since: Instant::now(),
            next: 0,
            first_sent: BTreeMap::new(),
            copy: Vec::new(),
        })
    }

    /// Says why no such device can be made here.
    ///
    /// # Errors
    /// None can be made.
    pub fn is_possible() -> io::Result<()> {
        Namespace::new()?.device_to_half(Ipv4Addr::new(192, 168, 1, 2)).map(drop)
    }

    /// When a host first sent to each address.
    pub fn first_sent(&self) -> impl Iterator<Item = (HostNo, SocketAddr, Instant)> {
        self.first_sent.iter().map(|(&(host, to), &at)| (host, to, at))
    }
}

impl Ends for Routed {
    type Route = Transit;

    fn take(&mut self, buffer: &mut [u8]) -> io::Result<Option<Taken<Transit>>> {
        let mut quiet = 0;
        while quiet < self.devices.len() {
            let host = self.next;
            match self.devices[host].recv(buffer) {
                Ok(length) => {
                    let packet = &mut buffer[..length];
                    let Some(header) = Header::of(packet) else { continue };
                    if self.first_sent.len() < MOST_NOTED {
                        self.first_sent.entry((host, header.to)).or_insert_with(Instant::now);
                    }
                    let Some(route) = self.translator.leave(self.since.elapsed(), host, packet) else {
                        continue;
                    };
                    self.next = (host + 1) % self.devices.len();
                    let way = if host == 0 { Way::Down } else { Way::Up };
                    let wire_bytes = u32::try_from(length).unwrap_or(u32::MAX);
                    return Ok(Some(Taken { way, flow: 0, route, length, wire_bytes }));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    quiet += 1;
                    self.next = (host + 1) % self.devices.len();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn deliver(&mut self, _way: Way, route: &Transit, packet: &[u8]) {
        self.copy.clear();
        self.copy.extend_from_slice(packet);
        let now = self.since.elapsed();
        if let Some(host) = self.translator.arrive(now, *route, &mut self.copy)
            && let Some(device) = self.devices.get(host)
        {
            // A packet that the device cannot take is lost, as on any link.
            let _ = device.send(&self.copy);
        }
    }

    fn wait(&self, at_most: Timespec) -> io::Result<()> {
        let mut fds: Vec<PollFd<'_>> =
            self.devices.iter().map(|device| PollFd::new(device, PollFlags::IN)).collect();
        match poll(&mut fds, Some(&at_most)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
