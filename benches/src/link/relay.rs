//! The link as a UDP relay on loopback, where network namespaces cannot be made: each serving program has an address
//! at the relay (its front), which stands in its offer, and each program that fetches has a socket of its own towards
//! each serving program (its back), as with a NAT.
//!
//! Both programs see a loopback path: datagrams that would not fit the emulated link's MTU are not carried, and path MTU
//! discovery finds the limit.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;

use super::emulator::{Ends, Taken, Way};
use super::payload::IP_UDP;

/// Bytes of the socket buffers; the kernel grants less where `net.core.rmem_max` is lower.
const SOCKET_BUFFER: usize = 16 << 20;
/// Datagrams read from one socket before the others get their turn.
const TURN: usize = 16;
/// Most backs: programs that fetch, times serving programs. Datagrams of further ones are not carried.
const MOST_BACKS: usize = 256;

/// Sockets of a relay.
#[derive(Debug)]
pub struct Relay {
    doors: Vec<Door>,
    backs: HashMap<(usize, SocketAddr), usize>,
    servers: Vec<SocketAddr>,
    cursor: usize,
    turn: usize,
}

/// A socket, its flow, and for a back the program behind it.
#[derive(Debug)]
struct Door {
    socket: UdpSocket,
    flow: usize,
    /// The fetching program of a back; none of a front.
    client: Option<SocketAddr>,
}

/// The socket through which a datagram leaves, and its destination.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    door: usize,
    to: SocketAddr,
}

impl Relay {
    /// A relay in front of `servers`; each is a flow, numbered in this order.
    ///
    /// # Errors
    /// A socket cannot be opened.
    pub fn bind(servers: &[SocketAddr]) -> io::Result<Self> {
        let doors = (0..servers.len()).map(|flow| Ok(Door { socket: open()?, flow, client: None }));
        let doors = doors.collect::<io::Result<_>>()?;
        Ok(Self { doors, backs: HashMap::new(), servers: servers.to_vec(), cursor: 0, turn: 0 })
    }

    /// The front address of server number `flow`.
    ///
    /// # Errors
    /// There is no such server.
    pub fn front(&self, flow: usize) -> io::Result<SocketAddr> {
        let door = self.doors.get(flow).filter(|door| door.client.is_none());
        door.ok_or_else(|| io::Error::other("no such server"))?.socket.local_addr()
    }

    /// The route of a datagram that came in at `door` from `from`; none if its sender is not expected there or all backs are
    /// used.
    fn route(&mut self, door: usize, from: SocketAddr) -> io::Result<Option<(Way, usize, Route)>> {
        let Door { flow, client, .. } = self.doors[door];
        let server = self.servers[flow];
        let Some(client) = client else {
            return Ok(self.back(flow, from)?.map(|back| (Way::Up, flow, Route { door: back, to: server })));
        };
        Ok((from == server).then_some((Way::Down, flow, Route { door: flow, to: client })))
    }

    fn back(&mut self, flow: usize, client: SocketAddr) -> io::Result<Option<usize>> {
        if let Some(back) = self.backs.get(&(flow, client)) {
            return Ok(Some(*back));
        }
        if self.backs.len() == MOST_BACKS {
            return Ok(None);
        }
        self.doors.push(Door { socket: open()?, flow, client: Some(client) });
        let back = self.doors.len() - 1;
        self.backs.insert((flow, client), back);
        Ok(Some(back))
    }

    fn next_door(&mut self) {
        self.cursor = (self.cursor + 1) % self.doors.len();
        self.turn = 0;
    }
}

impl Ends for Relay {
    type Route = Route;

    fn take(&mut self, buffer: &mut [u8]) -> io::Result<Option<Taken<Route>>> {
        let mut quiet = 0;
        while quiet < self.doors.len() {
            let door = self.cursor;
            match self.doors[door].socket.recv_from(buffer) {
                Ok((length, from)) => {
                    self.turn += 1;
                    if self.turn >= TURN {
                        self.next_door();
                    }
                    let Some((way, flow, route)) = self.route(door, from)? else { continue };
                    let wire_bytes = u32::try_from(length).unwrap_or(u32::MAX).saturating_add(IP_UDP);
                    return Ok(Some(Taken { way, flow, route, length, wire_bytes }));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    quiet += 1;
                    self.next_door();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn deliver(&mut self, _way: Way, route: &Route, packet: &[u8]) {
        // A full socket buffer loses the datagram, as any receiver may.
        let _ = self.doors[route.door].socket.send_to(packet, route.to);
    }

    fn wait(&self, at_most: Timespec) -> io::Result<()> {
        let mut fds: Vec<_> =
            self.doors.iter().map(|door| PollFd::new(&door.socket, PollFlags::IN)).collect();
        match poll(&mut fds, Some(&at_most)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn open() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    let options = SockRef::from(&socket);
    options.set_recv_buffer_size(SOCKET_BUFFER)?;
    options.set_send_buffer_size(SOCKET_BUFFER)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::link::emulator::Running;
    use crate::link::model::Profile;

    const PROFILE: Profile = Profile {
        bits_per_second: 10_000_000,
        one_way: Duration::from_millis(20),
        loss: 0.0,
        queue_bytes: 1 << 20,
        mtu: 1500,
    };

    fn socket() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    #[test]
    fn relay_keeps_packet_order_rate_and_delay_and_routes_replies() {
        let ((server, serves_at), (client, _)) = (socket(), socket());
        let relay = Relay::bind(&[serves_at]).unwrap();
        let front = relay.front(0).unwrap();
        let running = Running::start(relay, PROFILE, 1, 7).unwrap();
        let mut buffer = [0; 2048];

        let asked = Instant::now();
        client.send_to(b"give", front).unwrap();
        let (length, back) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"give");
        assert!(asked.elapsed() >= PROFILE.one_way, "{:?}", asked.elapsed());

        let sent = Instant::now();
        for number in 0..100_u8 {
            let mut packet = [number; 1222];
            packet[0] = !number;
            server.send_to(&packet, back).unwrap();
        }
        for number in 0..100_u8 {
            let (length, from) = client.recv_from(&mut buffer).unwrap();
            assert_eq!((length, from), (1222, front));
            assert_eq!((buffer[0], buffer[1221]), (!number, number));
        }
        // 1,250 bytes of IP take a millisecond each.
        assert!(sent.elapsed() >= Duration::from_millis(119), "{:?}", sent.elapsed());

        let (_, outcome) = running.stop().unwrap();
        assert_eq!((outcome.down.packets, outcome.down.arrived, outcome.down.bytes), (100, 100, 125_000));
        assert_eq!((outcome.up.packets, outcome.up.arrived), (1, 1));
        assert_eq!(outcome.flows[0].total(), 125_000);
    }

    #[test]
    fn relay_ignores_strangers_and_keeps_two_clients_apart() {
        let ((server, serves_at), (first, _), (second, _)) = (socket(), socket(), socket());
        let relay = Relay::bind(&[serves_at]).unwrap();
        let front = relay.front(0).unwrap();
        let running = Running::start(relay, PROFILE, 1, 7).unwrap();
        let mut buffer = [0; 2048];
        let mut back_of = |client: &UdpSocket| {
            client.send_to(b"give", front).unwrap();
            server.recv_from(&mut buffer).unwrap().1
        };
        let (back, other) = (back_of(&first), back_of(&second));
        assert_ne!(back, other);
        assert_eq!(back_of(&first), back);

        second.send_to(b"forged", back).unwrap();
        server.send_to(b"for the first", back).unwrap();
        server.send_to(b"for the second", other).unwrap();
        let mut read = |client: &UdpSocket| {
            let length = client.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        assert_eq!(read(&first), "for the first");
        assert_eq!(read(&second), "for the second");
        let (_, outcome) = running.stop().unwrap();
        assert_eq!(outcome.down.packets, 2);
    }

    #[test]
    fn what_exceeds_the_mtu_is_not_carried() {
        let ((server, serves_at), (client, _)) = (socket(), socket());
        let relay = Relay::bind(&[serves_at]).unwrap();
        let front = relay.front(0).unwrap();
        let running = Running::start(relay, PROFILE, 1, 7).unwrap();
        client.send_to(&[1; 1473], front).unwrap();
        client.send_to(&[2; 1472], front).unwrap();
        let mut buffer = [0; 2048];
        let (length, _) = server.recv_from(&mut buffer).unwrap();
        assert_eq!((length, buffer[0]), (1472, 2));
        let (_, outcome) = running.stop().unwrap();
        assert_eq!((outcome.up.too_large, outcome.up.packets), (1, 1));
    }
}
