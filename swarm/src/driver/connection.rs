//! One connection: its control stream both ways, the requests that come in on it, and its end.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use minimodel_wire::{CloseCode, Decoder, Frame, Request, ResetCode};
use quinn::{Connection, ConnectionError, RecvStream, SendStream, WriteError};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::close::{close, code_of};
use super::control_stream::read_more;
use super::counters::{Counters, Totals};
use super::messages::TaskMessage;
use super::opening::{Opening, breach_of};
use super::path_sample::{PathSample, PathSampler};
use super::transport::{HANDSHAKE, WRITE_DEADLINE, drain_time};
use super::unfinished::Unfinished;
use crate::machine::{Breach, Bucket, Conn, Input, Time};

/// Control frames that may wait for a peer to read them; a peer that lets more pile up is not reading.
const WAITING_FRAMES: usize = 4_096;
/// Streams that a peer may reset before their request is whole, in a burst and per second: an honest peer that changes
/// its mind has mostly sent the request already. The burst is twice the streams that a peer may open at a time.
const ABORTED_STREAMS: (u64, u64) = (512, 16);
/// Bytes of a control stream that are read at once.
const READ_AT_ONCE: usize = 64 << 10;
/// Interval at which the path's round trip is reported to the machine.
const RTT_EVERY: Duration = Duration::from_millis(500);

/// Interval at which a closing connection checks whether the peer has received all answers.
const UNREAD_EVERY: Duration = Duration::from_millis(20);
/// Time to read what has arrived on a closed connection; the rest is dropped.
const LAST_READS: Duration = Duration::from_millis(300);

/// What all connections of a session share.
#[derive(Debug, Clone)]
pub(super) struct LinkSettings {
    /// Chunks of the artifact, the length of every bitfield.
    pub(super) chunk_count: u32,
    /// Whether the session fetches; if not, round trips are not reported.
    pub(super) fetches: bool,
    /// Receives the messages of the connections' tasks.
    pub(super) inbox: mpsc::Sender<TaskMessage>,
    /// Counts the bytes of all connections.
    pub(super) totals: Arc<Totals>,
}

/// The session's handle to a connection. Dropping it ends the connection's tasks.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) counters: Arc<Counters>,
    frames: mpsc::Sender<Vec<u8>>,
    /// Each download on this connection holds a receiver; the end of the connection is reported after theirs.
    pub(super) readers: watch::Sender<()>,
    path_sampler: PathSampler,
    _tasks: JoinSet<()>,
}

impl Link {
    /// Starts the tasks of a connection whose keys are proven. `opening`: that of an incoming connection; `None`: this node
    /// dialed, and opens the control stream.
    pub(super) fn start(
        connection: Connection,
        conn: Conn,
        opening: Option<Opening>,
        settings: &LinkSettings,
    ) -> Self {
        let LinkSettings { chunk_count, fetches, ref inbox, ref totals } = *settings;
        let (frames, waiting) = mpsc::channel(WAITING_FRAMES);
        let mut tasks = JoinSet::new();
        if fetches {
            // Only the scheduling of requests uses the round trip.
            tasks.spawn(tell_rtt(connection.clone(), conn, inbox.clone()));
        }
        let readers = watch::Sender::new(());
        let control = Control { conn, opening, chunk_count };
        tasks.spawn(run(connection.clone(), control, inbox.clone(), waiting, readers.clone()));
        let counters = Counters::new(totals.clone());
        Self { connection, counters, frames, readers, path_sampler: PathSampler::default(), _tasks: tasks }
    }

    /// Closes the connection with a code. quinn drops at once what is not sent yet: while frames or answers within a
    /// budget are still waiting, this returns a future that closes the connection when it is done or dropped.
    pub(super) fn close(self, code: CloseCode) -> Option<impl Future<Output = ()> + Send + 'static> {
        // Answers within the peer's budget must arrive before the close.
        let is_owed = code == CloseCode::BudgetUsed && self.counters.is_unread();
        let is_all_said = self.frames.capacity() == self.frames.max_capacity();
        let pending = PendingClose { link: self, code };
        if is_all_said && !is_owed {
            return None;
        }
        Some(async move {
            while is_owed && pending.link.counters.is_unread() {
                tokio::time::sleep(UNREAD_EVERY).await;
            }
            tokio::time::sleep(drain_time(pending.link.connection.rtt())).await;
        })
    }

    /// Samples the connection: what happened since the last call.
    pub(super) fn sample_path(&mut self, now: Time) -> PathSample {
        let bytes = (self.counters.received(), self.counters.sent());
        self.path_sampler.sample(now, bytes, &self.connection.stats())
    }

    /// True while an answer that was handed to QUIC has not arrived.
    pub(super) fn is_unread(&self) -> bool {
        self.counters.is_unread()
    }

    /// Queues a control frame; closes the connection if the peer does not read.
    pub(super) fn send(&self, frame: &Frame) {
        match self.frames.try_send(frame.encode()) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => close(&self.connection, CloseCode::TooSlow),
            // The connection is over; its task reports the reason to the session.
            Err(TrySendError::Closed(_)) => {}
        }
    }
}

/// A connection that is about to be closed. It keeps the whole link: without the link's tasks the control stream would
/// end before the connection does.
struct PendingClose {
    link: Link,
    code: CloseCode,
}

impl Drop for PendingClose {
    fn drop(&mut self) {
        close(&self.link.connection, self.code);
    }
}

/// True if QUIC itself found that the other side broke its rules in a way that only the holder of the connection's keys
/// can: windows and streams that were not granted, or malformed frames (RFC 9000 section 20.1).
pub(super) fn is_violation(error: &ConnectionError) -> bool {
    use quinn_proto::TransportErrorCode as Code;
    const VIOLATIONS: [Code; 6] = [
        Code::FLOW_CONTROL_ERROR,
        Code::STREAM_LIMIT_ERROR,
        Code::STREAM_STATE_ERROR,
        Code::FINAL_SIZE_ERROR,
        Code::FRAME_ENCODING_ERROR,
        Code::PROTOCOL_VIOLATION,
    ];
    matches!(error, ConnectionError::TransportError(error) if VIOLATIONS.contains(&error.code))
}

/// The control stream of a connection: what was read of it, and the length of the bitfields on it.
#[derive(Debug)]
struct Control {
    conn: Conn,
    /// `None`: this node opens it.
    opening: Option<Opening>,
    chunk_count: u32,
}

async fn run(
    connection: Connection,
    control: Control,
    inbox: mpsc::Sender<TaskMessage>,
    frames: mpsc::Receiver<Vec<u8>>,
    readers: watch::Sender<()>,
) {
    let Control { conn, opening, chunk_count } = control;
    let mut tasks = JoinSet::new();
    let mut opening = match opening {
        Some(opening) => opening,
        None => Opening::dial(&connection).await,
    };
    if opening.is_late {
        let _ = inbox.send(TaskMessage::Input(Input::Broke { conn, breach: Breach::NoHello })).await;
    } else if let Some((send, recv)) = opening.control.take() {
        let mut decoder = Decoder::new(Some(chunk_count));
        decoder.push(&std::mem::take(&mut opening.read));
        tasks.spawn(write_frames(connection.clone(), conn, send, frames, inbox.clone()));
        tasks.spawn(read_frames(conn, recv, decoder, inbox.clone()));
        tasks.spawn(accept_requests(connection.clone(), conn, inbox.clone()));
    }
    let code = loop {
        tokio::select! {
            error = connection.closed() => {
                if is_violation(&error) {
                    let breach = Breach::Malformed(CloseCode::ProtocolViolation);
                    let _ = inbox.send(TaskMessage::Input(Input::Broke { conn, breach })).await;
                }
                break code_of(&error);
            }
            Some(ended) = tasks.join_next() => {
                if ended.is_err_and(|error| error.is_panic()) {
                    // A bug of this program, whatever the peer did: only this connection ends.
                    let _ = inbox.send(TaskMessage::Panicked).await;
                    close(&connection, CloseCode::Internal);
                    break Some(CloseCode::Internal);
                }
            }
        }
    };
    // A chunk that had arrived when the connection ended is read to its end, an incomplete one is not. That takes a
    // moment, unless a local rate limit holds it up.
    let _ = tokio::time::timeout(LAST_READS, readers.closed()).await;
    // An error means that the session is gone and needs no report.
    let _ = inbox.send(TaskMessage::Input(Input::Closed { conn, code })).await;
}

async fn write_frames(
    connection: Connection,
    conn: Conn,
    mut send: SendStream,
    mut frames: mpsc::Receiver<Vec<u8>>,
    inbox: mpsc::Sender<TaskMessage>,
) {
    // Control goes before chunks: a Have or a Choke that waits behind megabytes is of no use.
    let _ = send.set_priority(1);
    let mut stopped = std::pin::pin!(send.stopped());
    loop {
        let mut bytes = tokio::select! {
            bytes = frames.recv() => match bytes {
                Some(bytes) => bytes,
                None => return,
            },
            // Without this branch a stopped stream would only show at the next frame.
            ended = &mut stopped => {
                if ended.is_ok_and(|code| code.is_some()) {
                    let breach = Breach::EndedControl(CloseCode::StateViolation);
                    let _ = inbox.send(TaskMessage::Input(Input::Broke { conn, breach })).await;
                }
                return;
            }
        };
        while let Ok(more) = frames.try_recv() {
            bytes.extend_from_slice(&more);
        }
        match tokio::time::timeout(WRITE_DEADLINE, send.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(WriteError::Stopped(_))) => {
                let breach = Breach::EndedControl(CloseCode::StateViolation);
                let _ = inbox.send(TaskMessage::Input(Input::Broke { conn, breach })).await;
                return;
            }
            Ok(Err(_)) => return,
            Err(_) => return close(&connection, CloseCode::TooSlow),
        }
    }
}

/// Reads frames until the stream ends. `decoder`: holds the bytes that were read before.
async fn read_frames(
    conn: Conn,
    mut recv: RecvStream,
    mut decoder: Decoder,
    inbox: mpsc::Sender<TaskMessage>,
) {
    loop {
        let breach = match decoder.next() {
            Ok(Some(frame)) => {
                if inbox.send(TaskMessage::Input(Input::Frame { conn, frame })).await.is_err() {
                    return;
                }
                None
            }
            Ok(None) => match read_more(&mut recv, &mut decoder, READ_AT_ONCE).await {
                Ok(more) => more.err(),
                Err(_) => return,
            },
            Err(error) => Some(breach_of(&error)),
        };
        if let Some(breach) = breach {
            let _ = inbox.send(TaskMessage::Input(Input::Broke { conn, breach })).await;
            return;
        }
    }
}

async fn accept_requests(connection: Connection, conn: Conn, inbox: mpsc::Sender<TaskMessage>) {
    let start = Instant::now();
    let mut aborted = Bucket::new(Time::ZERO, ABORTED_STREAMS.1, ABORTED_STREAMS.0);
    let mut readers = JoinSet::new();
    loop {
        tokio::select! {
            stream = connection.accept_bi() => {
                let Ok((send, recv)) = stream else { return };
                readers.spawn(read_request(conn, Unfinished::new(send), recv, inbox.clone()));
            }
            Some(read) = readers.join_next() => match read {
                Ok(true) => {}
                Ok(false) => {
                    if !aborted.try_take(Time::after_start(start.elapsed()), 1) {
                        let breach = Breach::StreamChurn;
                        let _ = inbox.send(TaskMessage::Input(Input::Broke { conn, breach })).await;
                        return;
                    }
                }
                Err(error) => {
                    if let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
    }
}

/// Reads one request. Returns false if the stream was reset before the request was whole.
async fn read_request(
    conn: Conn,
    send: Unfinished,
    mut recv: RecvStream,
    inbox: mpsc::Sender<TaskMessage>,
) -> bool {
    let broke = |breach| TaskMessage::Input(Input::Broke { conn, breach });
    let read = tokio::time::timeout(HANDSHAKE, recv.read_to_end(Request::MAX_LEN)).await;
    let message = match read {
        Ok(Ok(bytes)) => match Request::decode(&bytes) {
            Ok(request) => TaskMessage::Asked { conn, request, send },
            Err(error) => {
                send.refuse(ResetCode::Malformed);
                broke(Breach::Malformed(error.close_code()))
            }
        },
        Ok(Err(quinn::ReadToEndError::TooLong)) => {
            send.refuse(ResetCode::Malformed);
            broke(Breach::Malformed(CloseCode::Malformed))
        }
        // The peer withdrew the request before it was whole, or the connection is gone.
        Ok(Err(_)) => return false,
        Err(_) => broke(Breach::UnendedRequest),
    };
    let _ = inbox.send(message).await;
    true
}

async fn tell_rtt(connection: Connection, conn: Conn, inbox: mpsc::Sender<TaskMessage>) {
    let mut told = Duration::ZERO;
    loop {
        let rtt = connection.rtt();
        // Only what would change a decision is worth a wakeup.
        if rtt.abs_diff(told) > told / 8 {
            told = rtt;
            if inbox.send(TaskMessage::Input(Input::Rtt { conn, rtt })).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(RTT_EVERY).await;
    }
}
