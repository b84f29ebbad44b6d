//! The routers of the simulation, applied to packets: UDP over IPv4, everything else is dropped.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use fastrand::Rng;
use minimodel_sim::{HostNo, Internet, Transit};
use minimodel_swarm::machine::Time;

const UDP: u8 = 17;

/// Sender and receiver of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where it comes from.
    pub from: SocketAddr,
    /// Where it goes.
    pub to: SocketAddr,
    /// Where the UDP header begins.
    udp: usize,
}

impl Header {
    /// Reads it. `None`: no UDP over IPv4, or a fragment.
    #[must_use]
    pub fn of(packet: &[u8]) -> Option<Self> {
        let first = packet.first().filter(|first| **first >> 4 == 4)?;
        let udp = usize::from(first & 15) * 4;
        let is_fragment = packet.get(6)? & 0x3f != 0 || *packet.get(7)? != 0;
        if packet.len() < udp + 8 || udp < 20 || packet[9] != UDP || is_fragment {
            return None;
        }
        let at = |ip: usize, port: usize| {
            let ip = Ipv4Addr::new(packet[ip], packet[ip + 1], packet[ip + 2], packet[ip + 3]);
            SocketAddr::from((ip, u16::from_be_bytes([packet[port], packet[port + 1]])))
        };
        Some(Self { from: at(12, udp), to: at(16, udp + 2), udp })
    }

    /// Writes it to the packet that it was read from.
    fn write(&self, packet: &mut [u8]) {
        for (ip, port, address) in [(12, self.udp, self.from), (16, self.udp + 2, self.to)] {
            let SocketAddr::V4(address) = address else { return };
            let address: SocketAddrV4 = address;
            packet[ip..ip + 4].copy_from_slice(&address.ip().octets());
            packet[port..port + 2].copy_from_slice(&address.port().to_be_bytes());
        }
        // None is allowed over IPv4 (RFC 768).
        packet[self.udp + 6..self.udp + 8].fill(0);
        packet[10..12].fill(0);
        let sum = checksum(&packet[..self.udp]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

/// The checksum of an IPv4 header (RFC 1071).
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// All routers and hosts of a link.
#[derive(Debug)]
pub struct Translator {
    internet: Internet,
    rng: Rng,
}

impl Translator {
    /// Routers and hosts; the seed decides ports that are random.
    #[must_use]
    pub fn new(internet: Internet, seed: u64) -> Self {
        Self { internet, rng: Rng::with_seed(seed) }
    }

    /// A host sends a packet, which has another source from then on. `None`: it goes nowhere.
    pub fn leave(&mut self, now: Duration, host: HostNo, packet: &mut [u8]) -> Option<Transit> {
        let header = Header::of(packet)?;
        let transit = self.internet.leave(Time::after_start(now), host, header.to, &mut self.rng)?;
        Header { from: transit.from, ..header }.write(packet);
        Some(transit)
    }

    /// The packet arrives. Returns the host that gets it, with its own address as the receiver. `None`: it is not let in.
    pub fn arrive(&mut self, now: Duration, transit: Transit, packet: &mut [u8]) -> Option<HostNo> {
        let header = Header::of(packet)?;
        let (host, to) = self.internet.arrive(Time::after_start(now), transit)?;
        Header { to, ..header }.write(packet);
        Some(host)
    }
}

#[cfg(test)]
mod tests {
    use minimodel_sim::Router;

    use super::*;
    use crate::link::model::{Direction, Profile};

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// A packet of one byte.
    fn packet(from: SocketAddr, to: SocketAddr, byte: u8) -> Vec<u8> {
        let mut packet = vec![0; 29];
        (packet[0], packet[3], packet[8], packet[9], packet[25], packet[28]) = (0x45, 29, 64, UDP, 9, byte);
        Header { from, to, udp: 20 }.write(&mut packet);
        packet
    }

    #[test]
    fn header_is_read_and_written_with_a_checksum_that_holds() {
        let (from, to) = (at("192.0.2.1:5"), at("198.51.100.7:6000"));
        let mut bytes = packet(from, to, 7);
        let header = Header::of(&bytes).unwrap();
        assert_eq!((header.from, header.to, checksum(&bytes[..20])), (from, to, 0));
        assert_eq!(&bytes[20..24], [0, 5, 0x17, 0x70]);
        Header { from: at("255.255.255.255:65535"), ..header }.write(&mut bytes);
        assert_eq!((checksum(&bytes[..20]), bytes[28]), (0, 7));
    }

    #[test]
    fn what_is_no_whole_udp_packet_over_ipv4_is_dropped() {
        let good = packet(at("192.0.2.1:5"), at("198.51.100.7:6000"), 7);
        for (place, byte) in [(0, 0x60), (0, 0x44), (0, 0x4f), (9, 6), (6, 0x20), (7, 1)] {
            let mut bad = good.clone();
            bad[place] = byte;
            assert_eq!(Header::of(&bad), None, "{place}");
        }
        assert_eq!(Header::of(&good[..27]), None);
        assert_eq!(Header::of(&[]), None);
    }

    /// Two behind routers of these kinds, and one that both reach.
    fn translator(first: &str, second: &str) -> Translator {
        let mut internet = Internet::default();
        for (host, name) in [first, second].into_iter().enumerate() {
            let byte = u8::try_from(host).unwrap() + 1;
            let router = Router::named(name).unwrap()[0];
            let home = internet.add(router, [203, 0, 113, byte].into(), None);
            internet.place(host, SocketAddr::from(([192, 168, byte, 2], 4433)), Some(home));
        }
        internet.place(2, at("198.51.100.1:4433"), None);
        Translator::new(internet, 1)
    }

    /// Sends a packet at a time over a line; returns what arrives at each host, as it is seen there.
    fn carry(
        translator: &mut Translator,
        line: &mut Direction<(Transit, Vec<u8>)>,
        sent: &[(u64, HostNo, SocketAddr)],
    ) -> Vec<(Duration, HostNo, SocketAddr)> {
        let ms = Duration::from_millis;
        let mut sent: Vec<_> = sent.to_vec();
        sent.sort_by_key(|&(at, ..)| at);
        let mut got = Vec::new();
        let mut hand_out = |translator: &mut Translator, line: &mut Direction<(Transit, Vec<u8>)>, now| {
            while let Some((due, (transit, mut bytes))) = line.arrival(now) {
                if let Some(host) = translator.arrive(due, transit, &mut bytes) {
                    got.push((due, host, Header::of(&bytes).unwrap().from));
                }
            }
        };
        for (now, host, to) in sent {
            hand_out(translator, line, ms(now));
            let mut bytes = packet(at("192.168.0.1:4433"), to, 0);
            if let Some(transit) = translator.leave(ms(now), host, &mut bytes) {
                line.offer(ms(now), 29, (transit, bytes));
            }
        }
        hand_out(translator, line, Duration::MAX);
        got
    }

    #[test]
    fn packets_of_both_sides_open_their_routers_across_a_line() {
        let one_way = Duration::from_millis(25);
        let profile =
            Profile { bits_per_second: 1_000_000_000, one_way, loss: 0.0, queue_bytes: 1 << 20, mtu: 1500 };
        for (second, meets) in [("same, port", true), ("random", false)] {
            let mut translator = translator("same, port", second);
            let mut line = Direction::new(profile, 1);
            let member = at("198.51.100.1:4433");
            let seen = carry(&mut translator, &mut line, &[(0, 0, member), (0, 1, member)]);
            let [(_, 2, first), (_, 2, second)] = seen[..] else { panic!("{seen:?}") };
            assert_eq!(first, at("203.0.113.1:4433"));
            // The first packet of the second host comes before the first host has sent; its own has opened the way by then.
            let got =
                carry(&mut translator, &mut line, &[(100, 1, first), (130, 0, second), (200, 1, first)]);
            let hosts: Vec<HostNo> = got.iter().map(|&(_, host, _)| host).collect();
            assert_eq!(hosts, if meets { vec![1, 0] } else { vec![] }, "{got:?}");
            assert!(got.iter().all(|&(due, ..)| due >= Duration::from_millis(130) + one_way));
        }
    }
}
