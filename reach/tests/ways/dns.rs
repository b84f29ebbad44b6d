//! mDNS messages as bytes, and a listener of the group: what others send, and what anybody can see.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const SERVICE: [&str; 3] = ["_minimodel", "_udp", "local"];

/// An announcement of one service instance.
#[derive(Clone)]
pub(crate) struct Announced {
    pub(crate) instance: String,
    pub(crate) port: u16,
    pub(crate) txt: Vec<String>,
    pub(crate) addresses: Vec<Ipv4Addr>,
    pub(crate) seconds_to_live: u32,
}

impl Announced {
    /// The response that announces it: PTR, SRV, TXT and A records.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let records = u16::try_from(3 + self.addresses.len()).unwrap();
        let mut bytes = vec![0, 0, 0x84, 0, 0, 0];
        bytes.extend(records.to_be_bytes());
        bytes.extend([0; 4]);
        let service = name(&SERVICE);
        let instance = [label(&self.instance), service.clone()].concat();
        let host = name(&[&self.instance, "local"]);
        let srv = [vec![0; 4], self.port.to_be_bytes().to_vec(), host.clone()].concat();
        let txt = self.txt.iter().flat_map(|text| label(text)).collect();
        // Shared records have class 1, others tell caches to flush what they had (0x8001).
        self.push(&mut bytes, &service, (12, 1), &instance);
        self.push(&mut bytes, &instance, (33, 0x8001), &srv);
        self.push(&mut bytes, &instance, (16, 0x8001), &txt);
        for address in &self.addresses {
            self.push(&mut bytes, &host, (1, 0x8001), &address.octets().to_vec());
        }
        bytes
    }

    fn push(&self, bytes: &mut Vec<u8>, name: &[u8], (kind, class): (u16, u16), value: &Vec<u8>) {
        bytes.extend(name);
        bytes.extend(kind.to_be_bytes());
        bytes.extend(class.to_be_bytes());
        bytes.extend(self.seconds_to_live.to_be_bytes());
        bytes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        bytes.extend(value);
    }
}

/// The one question of a query that carries nothing else: its name and its type.
pub(crate) fn only_question(packet: &[u8]) -> Option<(String, u16)> {
    let header = packet.first_chunk::<12>()?;
    if header[2..] != [0, 0, 0, 1, 0, 0, 0, 0, 0, 0] {
        return None;
    }
    let mut rest = &packet[12..];
    let mut labels = Vec::new();
    loop {
        let (length, after) = rest.split_first()?;
        let (label, after) = after.split_at_checked(usize::from(*length))?;
        rest = after;
        if label.is_empty() {
            break;
        }
        labels.push(String::from_utf8(label.to_vec()).ok()?);
    }
    let [high, low, _, _] = *rest else { return None };
    Some((labels.join("."), u16::from_be_bytes([high, low])))
}

/// Returns true if `packet` is a response.
pub(crate) fn is_response(packet: &[u8]) -> bool {
    packet.get(2).is_some_and(|flags| flags & 0x80 != 0)
}

/// Somebody in the group of mDNS.
pub(crate) struct Member {
    socket: UdpSocket,
    port: u16,
}

impl Member {
    pub(crate) fn join(port: u16) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into()).unwrap();
        let socket = UdpSocket::from(socket);
        socket.join_multicast_v4(&GROUP, &Ipv4Addr::LOCALHOST).unwrap();
        Self { socket, port }
    }

    /// Every packet of the group in the next `time`.
    pub(crate) fn hear(&self, time: Duration) -> Vec<Vec<u8>> {
        let end = Instant::now() + time;
        let mut packets = Vec::new();
        let mut buffer = [0; 9000];
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            self.socket.set_read_timeout(Some(left)).unwrap();
            if let Ok(length) = self.socket.recv(&mut buffer) {
                packets.push(buffer[..length].to_vec());
            }
        }
        packets
    }

    /// Waits for the first query: whoever sent it hears answers.
    pub(crate) fn wait_for_query(&self) {
        self.socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut buffer = [0; 9000];
        loop {
            let length = self.socket.recv(&mut buffer).expect("a query");
            if only_question(&buffer[..length]).is_some() {
                return;
            }
        }
    }

    /// Sends to the group on loopback.
    pub(crate) fn say(&self, packet: &[u8]) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.send_to(packet, (GROUP, self.port)).unwrap();
    }

    /// As [`Self::say`], for many packets: a burst of 300 is more than the receive buffer of a listener holds.
    pub(crate) fn say_and_rest(&self, packet: &[u8]) {
        self.say(packet);
        thread::sleep(Duration::from_millis(1));
    }
}

fn name(labels: &[&str]) -> Vec<u8> {
    labels.iter().flat_map(|text| label(text)).chain([0]).collect()
}

fn label(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    [vec![length], text.as_bytes().to_vec()].concat()
}
