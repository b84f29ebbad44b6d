//! The UDP socket under quinn: cuts batches that are too long for one system call, drops what cannot be answered, and looks up the MTU
//! of a route.

use std::fmt::Debug;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};

use super::seen_address::canonical;
use crate::os;

/// The longest payload of UDP over IPv4, whatever the MTU; also the most that one segmented send may carry.
pub const MAX_DATAGRAM: u16 = u16::MAX - UDP_HEADER - IPV4_HEADER;
const UDP_HEADER: u16 = 8;
const IPV4_HEADER: u16 = 20;
const IPV6_HEADER: u16 = 40;

/// Tokio, with sockets that take batches of any length.
#[derive(Debug)]
pub struct BatchRuntime;

impl Runtime for BatchRuntime {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        TokioRuntime.spawn(future);
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let inner = TokioRuntime.wrap_udp_socket(socket)?;
        Ok(Arc::new(BatchSocket { inner, begun: Mutex::default() }))
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }
}

/// quinn puts up to ten datagrams in one segmented send (UDP_SEGMENT), and the kernel takes 64 KiB: with datagrams of
/// more than 6,550 bytes a batch is too long. Fewer segments a batch would slow down the usual small datagrams, so
/// long batches are cut here.
#[derive(Debug)]
struct BatchSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    begun: Mutex<Option<Begun>>,
}

/// A batch of which a part is sent; quinn offers all of it again when the socket has room.
#[derive(Debug)]
struct Begun {
    /// The first bytes of the batch: those of a protected packet, so that no two batches are alike.
    head: [u8; HEAD],
    len: usize,
    sent: usize,
}

const HEAD: usize = 32;

fn head_of(contents: &[u8]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let len = contents.len().min(HEAD);
    head[..len].copy_from_slice(&contents[..len]);
    head
}

impl BatchSocket {
    /// Returns how many bytes of this batch are sent already.
    fn take_begun(&self, contents: &[u8]) -> usize {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let same = begun.take_if(|begun| begun.len == contents.len() && begun.head == head_of(contents));
        same.map_or(0, |begun| begun.sent)
    }
}

impl AsyncUdpSocket for BatchSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if transmit.destination.port() == 0 {
            // No system sends there, and quinn would take the error for one of segmentation and send without it from then on.
            return Ok(());
        }
        let contents = transmit.contents;
        let Some(segment) = transmit.segment_size.filter(|_| contents.len() > usize::from(MAX_DATAGRAM))
        else {
            return self.inner.try_send(transmit);
        };
        let batch = (usize::from(MAX_DATAGRAM) / segment.max(1)).max(1) * segment.max(1);
        let mut sent = self.take_begun(contents);
        while let Some(rest) = contents.get(sent..).filter(|rest| !rest.is_empty()) {
            let piece = rest.get(..batch).unwrap_or(rest);
            let part = Transmit {
                destination: transmit.destination,
                ecn: transmit.ecn,
                contents: piece,
                segment_size: (piece.len() > segment).then_some(segment),
                src_ip: transmit.src_ip,
            };
            if let Err(error) = self.inner.try_send(&part) {
                if error.kind() == io::ErrorKind::WouldBlock && sent > 0 {
                    let begun = Begun { head: head_of(contents), len: contents.len(), sent };
                    *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
                }
                return Err(error);
            }
            sent += piece.len();
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = ready!(self.inner.poll_recv(cx, buffers, meta))?;
        // A datagram from port 0 cannot be answered. Without bytes it is passed over, and counts as read.
        meta.iter_mut().take(received).filter(|one| one.addr.port() == 0).for_each(|one| one.len = 0);
        Poll::Ready(Ok(received))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

/// The largest UDP payload that the first hop towards `remote` takes, as the kernel knows it; `None` where it does not
/// say. Sends nothing: connecting a UDP socket only looks up the route.
pub(super) fn route_payload(remote: SocketAddr) -> Option<u16> {
    let remote = canonical(remote);
    let (any, header): (IpAddr, u16) = match remote {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), IPV4_HEADER),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), IPV6_HEADER),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(remote).ok()?;
    let mtu = os::route_mtu(&socket, remote.is_ipv4())?;
    let payload = mtu.checked_sub(u32::from(header + UDP_HEADER))?;
    Some(u16::try_from(payload).unwrap_or(u16::MAX).min(MAX_DATAGRAM))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// A socket that takes `room` sends and then none.
    #[derive(Debug, Default)]
    struct Narrow {
        room: Mutex<usize>,
        taken: Mutex<Vec<(Vec<u8>, Option<usize>)>>,
    }

    impl AsyncUdpSocket for Narrow {
        fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
            unreachable!("nobody polls here")
        }

        fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
            let mut room = self.room.lock().unwrap();
            *room = room.checked_sub(1).ok_or(io::ErrorKind::WouldBlock)?;
            self.taken.lock().unwrap().push((transmit.contents.to_vec(), transmit.segment_size));
            Ok(())
        }

        fn poll_recv(
            &self,
            _: &mut Context<'_>,
            _: &mut [IoSliceMut<'_>],
            meta: &mut [RecvMeta],
        ) -> Poll<io::Result<usize>> {
            for (one, port) in meta.iter_mut().zip([7, 0, 9]) {
                (one.addr, one.len) = (SocketAddr::from(([127, 0, 0, 1], port)), 100);
            }
            Poll::Ready(Ok(3))
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            Ok(SocketAddr::from(([127, 0, 0, 1], 1)))
        }
    }

    fn joined(taken: &[(Vec<u8>, Option<usize>)]) -> Vec<u8> {
        taken.iter().flat_map(|(piece, _)| piece.clone()).collect()
    }

    fn batch(contents: &[u8], segment: usize) -> Transmit<'_> {
        Transmit {
            destination: SocketAddr::from(([127, 0, 0, 1], 9)),
            ecn: None,
            contents,
            segment_size: Some(segment),
            src_ip: None,
        }
    }

    #[test]
    fn a_batch_is_cut_at_segments_and_no_piece_is_too_long() {
        for segment in [1_200, 1_452, 6_551, 8_972, 9_000, 30_000, 40_000, usize::from(MAX_DATAGRAM)] {
            let contents: Vec<u8> = (0..segment * 9 + 77).map(|n| (n / 3) as u8).collect();
            let inner = Arc::new(Narrow { room: Mutex::new(100), ..Narrow::default() });
            let socket = BatchSocket { inner: inner.clone(), begun: Mutex::default() };
            socket.try_send(&batch(&contents, segment)).unwrap();
            let taken = inner.taken.lock().unwrap();
            assert_eq!(joined(&taken), contents);
            for (index, (piece, size)) in taken.iter().enumerate() {
                assert!(piece.len() <= usize::from(MAX_DATAGRAM), "segments of {segment}");
                assert!(index + 1 == taken.len() || piece.len().is_multiple_of(segment));
                assert_eq!(*size, (piece.len() > segment).then_some(segment));
            }
        }
    }

    #[test]
    fn what_is_sent_of_a_batch_is_not_sent_again_when_there_is_room() {
        let contents: Vec<u8> = (0..80_000u32).map(|n| (n / 7) as u8).collect();
        let inner = Arc::new(Narrow { room: Mutex::new(3), ..Narrow::default() });
        let socket = BatchSocket { inner: inner.clone(), begun: Mutex::default() };
        let full = socket.try_send(&batch(&contents, 8_000)).map_err(|error| error.kind());
        assert_eq!(full, Ok(()), "two sends are enough for 80,000 bytes");
        let long: Vec<u8> = (0..300_000u32).map(|n| (n / 5) as u8).collect();
        let first = socket.try_send(&batch(&long, 30_000)).map_err(|error| error.kind());
        assert_eq!(first, Err(io::ErrorKind::WouldBlock));
        *inner.room.lock().unwrap() = 100;
        socket.try_send(&batch(&long, 30_000)).unwrap();
        let taken = inner.taken.lock().unwrap();
        assert_eq!(joined(&taken)[80_000..], long);
    }

    #[test]
    fn another_batch_of_the_same_length_is_sent_from_its_beginning() {
        let inner = Arc::new(Narrow { room: Mutex::new(1), ..Narrow::default() });
        let socket = BatchSocket { inner: inner.clone(), begun: Mutex::default() };
        let (one, two) = (vec![1; 150_000], vec![2; 150_000]);
        assert!(socket.try_send(&batch(&one, 50_000)).is_err());
        *inner.room.lock().unwrap() = 100;
        socket.try_send(&batch(&two, 50_000)).unwrap();
        assert_eq!(joined(&inner.taken.lock().unwrap())[50_000..], two);
    }

    // Rows: H14
    #[test]
    fn datagrams_from_port_0_are_dropped_and_none_is_sent_there() {
        let inner = Arc::new(Narrow { room: Mutex::new(100), ..Narrow::default() });
        let socket = BatchSocket { inner: inner.clone(), begun: Mutex::default() };
        let mut meta = [RecvMeta::default(); 4];
        let received = socket.poll_recv(&mut Context::from_waker(Waker::noop()), &mut [], &mut meta);
        assert!(matches!(received, Poll::Ready(Ok(3))));
        assert_eq!(meta.map(|one| one.len), [100, 0, 100, 0]);
        let to_0 = Transmit { destination: SocketAddr::from(([127, 0, 0, 1], 0)), ..batch(&[1; 10], 10) };
        socket.try_send(&to_0).unwrap();
        assert_eq!(*inner.taken.lock().unwrap(), []);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn loopback_takes_datagrams_of_any_size() {
        assert_eq!(route_payload(SocketAddr::from(([127, 0, 0, 1], 9))), Some(MAX_DATAGRAM));
        let mapped = SocketAddr::new(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), 9);
        assert_eq!(route_payload(mapped), Some(MAX_DATAGRAM));
    }
}
