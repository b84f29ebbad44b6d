//! The link between two network namespaces, through a TUN device in each. Needs root, `unshare` and `nsenter`
//! (util-linux).
//!
//! The namespaces have no names: each lives as long as a `cat` that reads a pipe from this process, and the kernel
//! ends it when this process is gone, however it ended. Nothing is left to clean up.

use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tun_rs::{DeviceBuilder, SyncDevice};

use super::emulator::{Ends, Taken, Way};
use super::payload::MTU;

/// Where the serving programs listen.
pub const SERVING: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
/// The fetching side.
pub const FETCHING: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
/// Packets that a device keeps for a busy emulator, more than a congestion window of 6 MB.
const DEVICE_QUEUE: u32 = 4000;
/// Packets read from one device before the other gets its turn.
const TURN: usize = 16;
const UDP: u8 = 17;

/// A network namespace of its own.
#[derive(Debug)]
pub struct Namespace {
    holder: Child,
}

impl Namespace {
    /// Makes a namespace.
    ///
    /// # Errors
    /// It is not permitted, or `unshare` is not there.
    pub fn new() -> io::Result<Self> {
        let mut command = Command::new("unshare");
        // The shell prints a line end once it is inside.
        command.args(["--net", "--", "sh", "-c", "echo; exec cat >/dev/null"]);
        let mut holder =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut answer = [0; 1];
        let is_inside = holder.stdout.take().map(|mut stdout| stdout.read_exact(&mut answer));
        let made = Self { holder };
        match is_inside {
            Some(Ok(())) => Ok(made),
            _ => Err(io::Error::new(io::ErrorKind::PermissionDenied, "no network namespace can be made")),
        }
    }

    /// The namespace's file, for `nsenter --net=FILE`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.proc("ns/net")
    }

    /// A file of `/proc` as seen from inside, such as `net/dev`.
    #[must_use]
    pub fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.holder.id())).join(name)
    }

    /// Makes a device or a socket in it, which is then usable from anywhere.
    ///
    /// # Errors
    /// The error of `make`, or the namespace cannot be entered.
    pub fn inside<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let space = File::open(self.path())?;
        // A namespace belongs to a thread: only this thread enters the other namespace, and it ends there.
        let enter = move || {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))?;
            make()
        };
        std::thread::spawn(enter)
            .join()
            .map_err(|_| io::Error::other("the thread in a namespace panicked"))?
    }

    /// A TUN device in it, with this address and the other as its peer.
    fn device(&self, address: Ipv4Addr, peer: Ipv4Addr) -> io::Result<SyncDevice> {
        self.build(move || DeviceBuilder::new().ipv4(address, 32, Some(peer)))
    }

    /// A TUN device in it, with this address, that takes all packets to addresses of the same half of all.
    pub(super) fn device_to_half(&self, address: Ipv4Addr) -> io::Result<SyncDevice> {
        self.build(move || DeviceBuilder::new().ipv4(address, 1, None))
    }

    fn build(&self, builder: impl FnOnce() -> DeviceBuilder + Send + 'static) -> io::Result<SyncDevice> {
        self.inside(move || {
            let mtu = u16::try_from(MTU).unwrap_or(u16::MAX);
            let device = builder().mtu(mtu);
            let device = device.tx_queue_len(DEVICE_QUEUE).build_sync()?;
            device.set_nonblocking(true)?;
            Ok(device)
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Closing the pipe ends the holder.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// The devices of two namespaces.
pub struct TunPair {
    serving: SyncDevice,
    fetching: SyncDevice,
    /// UDP ports of the serving programs; a port's index is the number of its flow.
    ports: Vec<u16>,
    reads_serving: bool,
    turn: usize,
}

impl std::fmt::Debug for TunPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TunPair").field("ports", &self.ports).finish_non_exhaustive()
    }
}

impl TunPair {
    /// Joins two namespaces: the serving programs at [`SERVING`] and these UDP ports, the others at [`FETCHING`].
    ///
    /// # Errors
    /// A device cannot be made.
    pub fn join(serving: &Namespace, fetching: &Namespace, ports: &[u16]) -> io::Result<Self> {
        Ok(Self {
            serving: serving.device(SERVING, FETCHING)?,
            fetching: fetching.device(FETCHING, SERVING)?,
            ports: ports.to_vec(),
            reads_serving: true,
            turn: 0,
        })
    }

    fn change_turns(&mut self) {
        self.reads_serving = !self.reads_serving;
        self.turn = 0;
    }
}

impl Ends for TunPair {
    type Route = ();

    fn take(&mut self, buffer: &mut [u8]) -> io::Result<Option<Taken<()>>> {
        let mut quiet = 0;
        while quiet < 2 {
            let (device, way) = match self.reads_serving {
                true => (&self.serving, Way::Down),
                false => (&self.fetching, Way::Up),
            };
            match device.recv(buffer) {
                Ok(length) => {
                    self.turn += 1;
                    if self.turn >= TURN {
                        self.change_turns();
                    }
                    // The kernel sends IPv6 packets on a new device by itself; they are skipped.
                    let Some(port) = server_port(&buffer[..length], way) else { continue };
                    let flow = self.ports.iter().position(|known| *known == port).unwrap_or(usize::MAX);
                    let wire_bytes = u32::try_from(length).unwrap_or(u32::MAX);
                    return Ok(Some(Taken { way, flow, route: (), length, wire_bytes }));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    quiet += 1;
                    self.change_turns();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn deliver(&mut self, way: Way, _route: &(), packet: &[u8]) {
        let device = match way {
            Way::Down => &self.fetching,
            Way::Up => &self.serving,
        };
        // A packet that the device cannot take is lost, as on any link.
        let _ = device.send(packet);
    }

    fn wait(&self, at_most: Timespec) -> io::Result<()> {
        let mut fds = [&self.serving, &self.fetching].map(|device| PollFd::new(device, PollFlags::IN));
        match poll(&mut fds, Some(&at_most)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The serving side's UDP port in an IPv4 packet, 0 where it is not UDP; none where it is not IPv4.
fn server_port(packet: &[u8], way: Way) -> Option<u16> {
    let head = packet.first().filter(|first| **first >> 4 == 4)?;
    if packet.get(9) != Some(&UDP) {
        return Some(0);
    }
    let udp = usize::from(head & 15) * 4;
    let at = match way {
        Way::Down => udp,
        Way::Up => udp + 2,
    };
    let port = packet.get(at..at + 2)?;
    Some(u16::from_be_bytes([port[0], port[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_behind_a_header_with_and_without_options() {
        let mut packet = vec![0; 40];
        packet[0] = 0x45;
        packet[9] = UDP;
        packet[20..24].copy_from_slice(&[0x0f, 0xa1, 0x12, 0x34]);
        assert_eq!(server_port(&packet, Way::Down), Some(4001));
        assert_eq!(server_port(&packet, Way::Up), Some(0x1234));
        packet[0] = 0x46;
        packet[24..26].copy_from_slice(&[0x0f, 0xa2]);
        assert_eq!(server_port(&packet, Way::Down), Some(4002));
        packet[9] = 6;
        assert_eq!(server_port(&packet, Way::Down), Some(0));
        packet[0] = 0x60;
        assert_eq!(server_port(&packet, Way::Down), None);
        assert_eq!(server_port(&[0x45, 0, 0, 0, 0, 0, 0, 0, 0, UDP], Way::Down), None);
        assert_eq!(server_port(&[], Way::Down), None);
    }
}
