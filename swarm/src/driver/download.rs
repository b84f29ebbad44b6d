//! Requests to one peer: a chunk, leaf hashes, or the manifest, each on a stream of its own.
//!
//! Dropping such a task withdraws its request: quinn then sends STOP_SENDING.

use std::sync::Arc;
use std::time::{Duration, Instant};

use minimodel_verifier::Digest;
use minimodel_wire::{ChunkHead, LeavesHead, ManifestHead, Request, ResetCode};
use quinn::{Connection, ReadError, ReadExactError, ReadToEndError, RecvStream};
use tokio::sync::{mpsc, watch};

use super::counters::Counters;
use super::limiter::Limiter;
use super::messages::TaskMessage;
use super::quota::Reservation;
use super::unfinished::Unfinished;
use crate::machine::{Input, Req, RequestFault};

/// Interval of `Input::Withheld`, the report that bytes wait for a local rate limit and the peer is not silent.
const WITHHELD_EVERY: Duration = Duration::from_secs(1);
/// Bytes between two progress reports to the machine; after `TELL_AFTER` fewer are reported, so that a slow peer does
/// not count as silent.
const TELL_EVERY: u64 = 256 << 10;
/// Longest time between two progress reports while bytes arrive.
const TELL_AFTER: Duration = Duration::from_millis(500);
/// Deadline for leaf hashes and manifests, which are small: a peer that takes longer has failed.
const SMALL_DEADLINE: Duration = Duration::from_secs(20);

/// A request for one chunk: its expected sizes, and where its bytes are counted.
#[derive(Debug)]
pub(super) struct ChunkRequest {
    pub(super) req: Req,
    pub(super) index: u32,
    pub(super) len: u32,
    pub(super) reservation: Reservation,
    pub(super) proof_len: usize,
    pub(super) buffer: Vec<u8>,
    pub(super) counters: Arc<Counters>,
    pub(super) limiter: Limiter,
    /// Held until the outcome is reported to the session.
    pub(super) reading: watch::Receiver<()>,
}

/// Fetches one chunk into memory and reports the outcome to the session.
pub(super) async fn chunk(connection: Connection, request: ChunkRequest, inbox: mpsc::Sender<TaskMessage>) {
    let (req, _reading) = (request.req, request.reading.clone());
    let message = match receive_chunk(&connection, request, &inbox).await {
        Ok((data, proof)) => TaskMessage::Arrived { req, data, proof },
        Err(fault) => TaskMessage::Input(Input::Failed { req, fault }),
    };
    let _ = inbox.send(message).await;
}

async fn receive_chunk(
    connection: &Connection,
    request: ChunkRequest,
    inbox: &mpsc::Sender<TaskMessage>,
) -> Result<(Vec<u8>, Vec<Digest>), RequestFault> {
    let ChunkRequest { req, index, len, mut reservation, proof_len, mut buffer, counters, limiter, .. } =
        request;
    let mut recv = ask(connection, &Request::Chunk { index }).await?;
    let mut head = vec![0; ChunkHead::encoded_len(proof_len)];
    read_exact(&mut recv, &mut head[..ChunkHead::FIXED_LEN]).await?;
    let mut fixed = [0; ChunkHead::FIXED_LEN];
    fixed.copy_from_slice(&head[..ChunkHead::FIXED_LEN]);
    if ChunkHead::proof_count(&fixed) != Ok(proof_len) {
        return Err(RequestFault::Malformed);
    }
    read_exact(&mut recv, &mut head[ChunkHead::FIXED_LEN..]).await?;
    let head = ChunkHead::decode(&head).map_err(|_| RequestFault::Malformed)?;
    if head.len != len {
        return Err(RequestFault::Malformed);
    }
    buffer.resize(len as usize, 0);
    let mut filled = 0;
    let (mut told, mut told_at) = (0, Instant::now());
    while filled < buffer.len() {
        let end = buffer.len().min(filled.saturating_add(limiter.piece().unwrap_or(usize::MAX)));
        let read = recv.read(&mut buffer[filled..end]).await.map_err(|error| fault_of(&error))?;
        let Some(count) = read else { return Err(RequestFault::Short) };
        filled += count;
        counters.add_received(count as u64);
        reservation.moved(count as u64);
        let received = filled as u64;
        if received >= told + TELL_EVERY || told == 0 || told_at.elapsed() >= TELL_AFTER {
            (told, told_at) = (received, Instant::now());
            let _ = inbox.send(TaskMessage::Input(Input::Progress { req, received })).await;
        }
        if limiter.piece().is_some() {
            take_slowly(&limiter, count as u64, req, inbox).await;
        }
    }
    if recv.read(&mut [0]).await.map_err(|error| fault_of(&error))?.is_some() {
        return Err(RequestFault::Malformed);
    }
    Ok((buffer, head.proof))
}

/// Waits for the local rate limit, after the progress report. Reports `Input::Withheld` meanwhile, so that the peer
/// does not count as silent, however long the wait.
async fn take_slowly(limiter: &Limiter, bytes: u64, req: Req, inbox: &mpsc::Sender<TaskMessage>) {
    let mut taking = std::pin::pin!(limiter.take(bytes));
    while tokio::time::timeout(WITHHELD_EVERY, &mut taking).await.is_err() {
        let _ = inbox.send(TaskMessage::Input(Input::Withheld { req })).await;
    }
}

/// A request for a range of leaf hashes.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeafRequest {
    pub(super) req: Req,
    pub(super) first: u32,
    pub(super) count: u32,
}

/// Fetches a range of leaf hashes with a proof of `proof_len` hashes; nothing is proven yet.
pub(super) async fn leaves(
    connection: Connection,
    request: LeafRequest,
    proof_len: usize,
    inbox: mpsc::Sender<TaskMessage>,
) {
    let received = tokio::time::timeout(SMALL_DEADLINE, receive_leaves(&connection, request, proof_len));
    let answer = received.await.unwrap_or(Err(RequestFault::Lost));
    let LeafRequest { req, first, .. } = request;
    let _ = inbox.send(TaskMessage::LeavesArrived { req, first, answer }).await;
}

async fn receive_leaves(
    connection: &Connection,
    request: LeafRequest,
    proof_len: usize,
) -> Result<(Vec<Digest>, Vec<Digest>), RequestFault> {
    let LeafRequest { first, count, .. } = request;
    let mut recv = ask(connection, &Request::Leaves { first, count }).await?;
    let mut head = vec![0; LeavesHead::encoded_len(proof_len)];
    read_exact(&mut recv, &mut head[..LeavesHead::FIXED_LEN]).await?;
    let mut fixed = [0; LeavesHead::FIXED_LEN];
    fixed.copy_from_slice(&head[..LeavesHead::FIXED_LEN]);
    if LeavesHead::proof_count(&fixed) != Ok(proof_len) {
        return Err(RequestFault::Malformed);
    }
    read_exact(&mut recv, &mut head[LeavesHead::FIXED_LEN..]).await?;
    let head = LeavesHead::decode(&head).map_err(|_| RequestFault::Malformed)?;
    if head.count != count {
        return Err(RequestFault::Malformed);
    }
    let bytes = read_rest(&mut recv, head.hashes_len()).await?;
    let hashes = head.decode_hashes(&bytes).map_err(|_| RequestFault::Malformed)?;
    Ok((hashes, head.proof))
}

/// Fetches the text of the manifest; nothing is checked yet.
pub(super) async fn manifest(connection: &Connection) -> Result<Vec<u8>, RequestFault> {
    let received = tokio::time::timeout(SMALL_DEADLINE, async {
        let mut recv = ask(connection, &Request::Manifest).await?;
        let mut head = [0; ManifestHead::FIXED_LEN];
        read_exact(&mut recv, &mut head).await?;
        let head = ManifestHead::decode(&head).map_err(|_| RequestFault::Malformed)?;
        read_rest(&mut recv, head.len as usize).await
    });
    received.await.unwrap_or(Err(RequestFault::Lost))
}

async fn ask(connection: &Connection, request: &Request) -> Result<RecvStream, RequestFault> {
    let (send, recv) = connection.open_bi().await.map_err(|_| RequestFault::Lost)?;
    let mut send = Unfinished::new(send);
    send.stream().write_all(&request.encode()).await.map_err(|_| RequestFault::Lost)?;
    drop(send.finish().map_err(|_| RequestFault::Lost)?);
    Ok(recv)
}

async fn read_exact(recv: &mut RecvStream, buffer: &mut [u8]) -> Result<(), RequestFault> {
    recv.read_exact(buffer).await.map_err(|error| match error {
        ReadExactError::FinishedEarly(_) => RequestFault::Short,
        ReadExactError::ReadError(error) => fault_of(&error),
    })
}

/// Reads the rest of an answer after its head: exactly `len` bytes, and the end of the stream.
async fn read_rest(recv: &mut RecvStream, len: usize) -> Result<Vec<u8>, RequestFault> {
    match recv.read_to_end(len).await {
        Ok(bytes) if bytes.len() == len => Ok(bytes),
        Ok(_) => Err(RequestFault::Short),
        Err(ReadToEndError::TooLong) => Err(RequestFault::Malformed),
        Err(ReadToEndError::Read(error)) => Err(fault_of(&error)),
    }
}

fn fault_of(error: &ReadError) -> RequestFault {
    match error {
        ReadError::Reset(code) => {
            // A code of a later version says no more than that no answer comes.
            RequestFault::Reset(ResetCode::try_from(code.into_inner()).unwrap_or(ResetCode::Cancelled))
        }
        _ => RequestFault::Lost,
    }
}
