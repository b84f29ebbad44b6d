//! A UDP socket that drops datagrams on purpose.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime as _, TokioRuntime, UdpPoller};

/// The datagrams that are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing.
    None,
    /// Every second datagram sent after the first few, so that the target has to buffer across gaps.
    Gaps,
    /// Every datagram received but a Retry: a handshake that never ends.
    AllButRetry,
}

/// Datagrams that a handshake needs.
const HANDSHAKE: u64 = 8;

pub(crate) fn bind(address: SocketAddr, loss: Loss) -> io::Result<Arc<dyn AsyncUdpSocket>> {
    Ok(counted(address, loss)?.0)
}

/// Binds a socket with counters of what is received, and a switch that drops everything sent.
pub(crate) fn counted(address: SocketAddr, loss: Loss) -> io::Result<(Arc<dyn AsyncUdpSocket>, Arc<Line>)> {
    let inner = TokioRuntime.wrap_udp_socket(UdpSocket::bind(address)?)?;
    let line = Arc::new(Line::default());
    let socket = Lossy { inner, loss, sent: AtomicU64::new(0), line: line.clone() };
    Ok((Arc::new(socket), line))
}

/// The counters and the switch of a socket.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Received buffers, dropped on purpose or not; several datagrams may come in one.
    pub(crate) received: AtomicU64,
    seen: Mutex<Seen>,
    /// Whether every datagram sent is dropped.
    pub(crate) is_mute: AtomicBool,
}

/// Connections of this socket, by the id that this side chose for them.
#[derive(Debug, Default)]
struct Seen {
    retried: BTreeSet<Vec<u8>>,
    answered: BTreeSet<Vec<u8>>,
}

impl Line {
    /// Connections that the target asked to prove their address.
    pub(crate) fn retried(&self) -> usize {
        self.seen().retried.len()
    }

    /// Connections whose handshake the target has taken up.
    pub(crate) fn answered(&self) -> usize {
        self.seen().answered.len()
    }

    /// Connections whose handshake the target has taken up without asking for a proof of address.
    pub(crate) fn unproven(&self) -> usize {
        let seen = self.seen();
        seen.answered.difference(&seen.retried).count()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, datagram: &[u8]) {
        let Some(id) = long_header_id(datagram) else { return };
        let mut seen = self.seen();
        let place = if is_retry(datagram) { &mut seen.retried } else { &mut seen.answered };
        place.insert(id.to_vec());
    }
}

struct Lossy {
    inner: Arc<dyn AsyncUdpSocket>,
    loss: Loss,
    sent: AtomicU64,
    line: Arc<Line>,
}

impl fmt::Debug for Lossy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lossy").field(&self.loss).finish()
    }
}

/// A long header (0x80), the fixed bit (0x40), and the type Retry (RFC 9000 section 17.2.5).
fn is_retry(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0xf0 == 0xf0)
}

/// The destination connection id of a datagram with a long header, which begins with one byte, the version and the id's
/// length (RFC 9000 section 17.2).
fn long_header_id(datagram: &[u8]) -> Option<&[u8]> {
    let (&[first, _, _, _, _, len], rest) = datagram.split_first_chunk()?;
    if first & 0x80 == 0 { None } else { rest.get(..len.into()) }
}

impl AsyncUdpSocket for Lossy {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if self.line.is_mute.load(Ordering::Relaxed) {
            return Ok(());
        }
        if self.loss == Loss::Gaps {
            let sent = self.sent.fetch_add(1, Ordering::Relaxed);
            if sent > HANDSHAKE && sent.is_multiple_of(2) {
                return Ok(());
            }
        }
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(self.inner.poll_recv(cx, buffers, meta))?;
        for (meta, buffer) in meta.iter_mut().zip(buffers.iter()).take(count) {
            self.line.received.fetch_add(1, Ordering::Relaxed);
            // One buffer may hold several datagrams of one length.
            let piece = buffer.get(..meta.len).unwrap_or_default();
            piece.chunks(meta.stride.max(1)).for_each(|datagram| self.line.note(datagram));
            if self.loss == Loss::AllButRetry && !is_retry(buffer) {
                meta.len = 0;
            }
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}
