//! HTTP connections: their number, their time limits, and graceful shutdown.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet, yield_now};
use tokio::time::{Sleep, sleep};

use crate::api::answer::Connection;
use crate::api::server_limits::ServerLimits;
use crate::api::standing::{Rank, Standing};

/// Largest request head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Most header lines of a request.
const MAX_HEADERS: usize = 64;

/// Connections that the system keeps for us until they are accepted. With the 128 of the standard library, a few hundred
/// clients without the token fill it, and the system drops the first packet of the user's own.
const WAITING_CONNECTIONS: i32 = 1_024;

/// Attempts to find a port that is free for both families.
const ATTEMPTS: usize = 16;

/// Binds 127.0.0.1 and `[::1]` at the same port; 0 takes one that is free for both. Without IPv6 it is 127.0.0.1 alone.
///
/// # Errors
///
/// As the system says: mostly that another program has the port.
pub fn bind(port: u16) -> io::Result<Vec<std::net::TcpListener>> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let first = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let found = first.local_addr()?.port();
        match std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, found)) {
            Ok(second) => return Ok(vec![first, second]),
            // Another program has this port on IPv6: clients that connect to `localhost` might reach it instead.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if port != 0 || attempt == ATTEMPTS {
                    return Err(error);
                }
            }
            // No such address: a machine without IPv6.
            Err(_) => return Ok(vec![first]),
        }
    }
}

/// Registers listeners with the runtime; refuses a listener that is not at loopback.
pub(crate) fn adopt(listeners: Vec<std::net::TcpListener>) -> io::Result<Vec<(TcpListener, SocketAddr)>> {
    let adopt = |listener: std::net::TcpListener| {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            let fault = format!("{address} is no loopback address; the interface is for this machine alone");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, fault));
        }
        SockRef::from(&listener).listen(WAITING_CONNECTIONS)?;
        listener.set_nonblocking(true)?;
        Ok((TcpListener::from_std(listener)?, address))
    };
    listeners.into_iter().map(adopt).collect()
}

/// Serves until `stop` becomes true, then lets open requests finish.
pub(crate) async fn run(
    listeners: Vec<(TcpListener, SocketAddr)>,
    router: &Router,
    limits: &ServerLimits,
    stop: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    let mut open = OpenConnections::new();
    let mut stopped = pin!(stopped(stop.clone()));
    loop {
        let (local, accepted) = tokio::select! {
            () = &mut stopped => break,
            // Finished tasks are joined, or the set would keep them for ever.
            Some(_) = tasks.join_next() => continue,
            accepted = accept(&listeners) => accepted,
        };
        let Ok((stream, client)) = accepted else {
            // Usually out of file descriptors: a client that has the token waits behind those that have shown none.
            let fewer = open.len();
            if has_room(&mut open, &mut tasks, fewer, limits).await {
                // Until the task has closed its socket.
                yield_now().await;
            } else {
                sleep(Duration::from_millis(100)).await;
            }
            continue;
        };
        if !has_room(&mut open, &mut tasks, limits.connections, limits).await {
            continue;
        }
        let connection = Connection { local, client, standing: Arc::default() };
        let (standing, heard, since) = (connection.standing.clone(), Arc::default(), Instant::now());
        let stream = Timed { stream, heard: Arc::clone(&heard), allowed: limits.write_time, deadline: None };
        let task = serve(stream, router.clone(), connection, limits.head_time, stop.clone());
        open.push_back(OpenConnection { standing, heard, since, task: tasks.spawn(task) });
    }
    // New connections are refused from here on.
    drop(listeners);
    let end = async { while tasks.join_next().await.is_some() {} };
    // Connections that do not end in time are aborted when the set is dropped.
    let _ = tokio::time::timeout(limits.end_time, end).await;
}

/// Connections in the order of their arrival.
type OpenConnections = VecDeque<OpenConnection>;

struct OpenConnection {
    standing: Arc<Standing>,
    /// Whether it has sent a byte.
    heard: Arc<AtomicBool>,
    since: Instant,
    task: AbortHandle,
}

impl OpenConnection {
    /// Time until it gives way to another connection; `None` if it does not. `many_pages`: more connections than may keep their
    /// places are the page's.
    fn gives_way_in(&self, many_pages: bool, limits: &ServerLimits) -> Option<Duration> {
        match self.standing.rank() {
            Rank::Owner => return None,
            Rank::Page if !many_pages => return None,
            Rank::Page | Rank::Anyone => {}
        }
        let time = if self.heard.load(Ordering::Relaxed) { limits.grace } else { limits.silence };
        Some(time.saturating_sub(self.since.elapsed()))
    }
}

/// Waits until fewer than `most` connections are open, and returns false if all keep their places. One that has not presented the
/// token is ended once it has had its time for that, and so is one of the page beyond its number; one that ends by itself makes room
/// at once.
///
/// Without that time, connections that come in quick succession would push out a client between its connect and its request.
async fn has_room(
    open: &mut OpenConnections,
    tasks: &mut JoinSet<()>,
    most: usize,
    limits: &ServerLimits,
) -> bool {
    loop {
        open.retain(|one| !one.task.is_finished());
        if open.len() < most {
            return true;
        }
        let pages = open.iter().filter(|one| one.standing.rank() == Rank::Page).count();
        let many_pages = pages > limits.page.connections;
        let waits = open.iter().enumerate();
        let waits = waits.filter_map(|(place, one)| Some((one.gives_way_in(many_pages, limits)?, place)));
        // Of those whose time is up, the oldest.
        let Some((left, place)) = waits.min() else { return false };
        if left.is_zero() {
            let ended = open.remove(place).inspect(|one| one.task.abort());
            return ended.is_some();
        }
        tokio::select! {
            () = sleep(left) => {}
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Resolves when `stop` becomes true or its sender is gone.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits for the next connection; returns which of our addresses it came to, and its stream with the client's address.
async fn accept(
    listeners: &[(TcpListener, SocketAddr)],
) -> (SocketAddr, io::Result<(TcpStream, SocketAddr)>) {
    poll_fn(|context| {
        for (listener, address) in listeners {
            if let Poll::Ready(accepted) = listener.poll_accept(context) {
                return Poll::Ready((*address, accepted));
            }
        }
        Poll::Pending
    })
    .await
}

async fn serve(
    stream: Timed,
    router: Router,
    connection: Connection,
    head_time: Duration,
    stop: watch::Receiver<bool>,
) {
    // Without it only latency suffers.
    let _ = stream.stream.set_nodelay(true);
    let io = TokioIo::new(stream);
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(connection.clone());
        let answer = inner.call(request);
        async move { answer.await as Result<Response, Infallible> }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    let mut served = pin!(http.serve_connection(io, service));
    let mut stopped = pin!(stopped(stop));
    // The client notices an error of its connection; the server need not report it.
    tokio::select! {
        _ = &mut served => return,
        () = &mut stopped => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}

/// A stream that tells when the client has sent something, and whose writes fail when it reads nothing for too long.
struct Timed {
    stream: TcpStream,
    heard: Arc<AtomicBool>,
    allowed: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    fn timed<T>(&mut self, polled: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.deadline = None;
            return polled;
        }
        let allowed = self.allowed;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(allowed)));
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.heard.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.timed(polled, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.timed(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.timed(polled, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.timed(polled, context)
    }
}
