//! Serves one request: a chunk with its proof, leaf hashes, or the manifest.

use std::sync::Arc;

use bytes::Bytes;
use minimodel_verifier::sha256;
use minimodel_wire::{ChunkHead, LeavesHead, ManifestHead, ResetCode};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::blocking::BlockingPart;
use super::counters::{Counters, Unread};
use super::limiter::{Limiter, Tally};
use super::messages::TaskMessage;
use super::quota::Reservation;
use super::rate_limit::RateLimit;
use super::transport::WRITE_DEADLINE;
use super::unfinished::Unfinished;
use crate::machine::{Ask, Input, ServeOutcome};
use crate::store::{ChunkSource, SourceError};

/// Bytes handed to QUIC at a time: few enough for a smooth rate, enough to cost nothing.
const PIECE: usize = 64 << 10;

/// Rate of leaf hashes and manifests, in bytes a second to all peers of a session together, while a rate limit holds
/// payload back: a manifest of the largest size takes a second, and no user's line is filled by it.
pub(super) const ASIDE: u64 = 64 << 10;

/// What all answers of a session share.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) source: Arc<dyn ChunkSource>,
    pub(super) limiter: Limiter,
    /// Rate limit of leaf hashes and manifests, to which the payload rate does not apply.
    pub(super) aside: RateLimit,
    /// Chunks that are being read.
    pub(super) reading: Tally,
    /// Limits the chunks that are read at once over all peers, withdrawn requests included.
    pub(super) reads: Arc<Semaphore>,
    pub(super) blocking: BlockingPart,
    pub(super) inbox: mpsc::Sender<TaskMessage>,
}

/// An answer: to which request, on which stream, and where its bytes are counted.
pub(super) struct Reply {
    pub(super) ask: Ask,
    pub(super) send: Unfinished,
    pub(super) counters: Arc<Counters>,
}

/// Chunks that may be read at once: 32 MiB of them, at least two, so that one peer's next chunk is read while the one
/// before it is sent.
pub(super) fn reads_at_once(chunk_size: u32) -> usize {
    ((32 << 20) / chunk_size.max(1) as usize).clamp(2, 64)
}

/// Sends one chunk and reports the outcome to the session.
pub(super) async fn chunk(server: Server, reply: Reply, index: u32, reservation: Reservation) {
    let Reply { ask, mut send, counters } = reply;
    // A request that is withdrawn before its turn is not read.
    let withdrawn = send.stream().stopped();
    let permit = tokio::select! {
        biased;
        _ = withdrawn => None,
        permit = server.reads.clone().acquire_owned() => permit.ok(),
    };
    let Some(permit) = permit else {
        send.refuse(ResetCode::Cancelled);
        let _ = server.inbox.send(TaskMessage::Served { ask, outcome: ServeOutcome::Withdrawn }).await;
        return;
    };
    let source = server.source.clone();
    let read = {
        let _reading = server.reading.one();
        let read = server.blocking.run(move || {
            // Held until the read has ended, even if its task is aborted: the chunk is in memory until then.
            let _permit = permit;
            source.chunk(index)
        });
        read.await
    };
    let outcome = match read {
        Ok(Ok(chunk)) => {
            let head = ChunkHead { len: chunk.bytes.len() as u32, proof: chunk.proof };
            // Earlier requests are completed first, and their lost bytes go ahead of the rest: otherwise all chunks in
            // flight would be complete at once, and nothing be requested meanwhile.
            let _ = send.stream().set_priority(-((ask.0 % (1 << 30)) as i32));
            send_all(&server, send, head.encode(), Body::Payload(chunk.bytes, reservation), &counters).await
        }
        Ok(Err(error)) => {
            let (code, input) = verdict(&error, index);
            send.refuse(code);
            if let Some(input) = input {
                let _ = server.inbox.send(TaskMessage::Input(input)).await;
            }
            ServeOutcome::Withdrawn
        }
        Err(error) => {
            send.refuse(ResetCode::Cancelled);
            if error.is_panic() {
                let _ = server.inbox.send(TaskMessage::Panicked).await;
            }
            ServeOutcome::Withdrawn
        }
    };
    let _ = server.inbox.send(TaskMessage::Served { ask, outcome }).await;
}

/// True if the chunk can be read whole and has its hash.
pub(super) fn is_good(source: &dyn ChunkSource, index: u32) -> bool {
    let expected = source.chunk_hash(index);
    source.chunk(index).is_ok_and(|chunk| expected == Some(sha256(&chunk.bytes)))
}

/// The reset code for the requesting peer, and the input for the machine.
fn verdict(error: &SourceError, index: u32) -> (ResetCode, Option<Input>) {
    match error {
        SourceError::Changed { .. } => (ResetCode::SourceChanged, Some(Input::SourceChanged)),
        SourceError::NotHave { .. } => (ResetCode::NotHave, None),
        // The code that blames no peer: the chunk was announced, and it was there.
        _ => (ResetCode::SourceChanged, Some(Input::ChunkLost { index })),
    }
}

/// Body of an answer, after its head.
enum Body {
    /// Bytes of the model, to which counts, quotas and budgets apply, and their reservation.
    Payload(Bytes, Reservation),
    /// Leaf hashes or the manifest.
    Other(Bytes),
}

async fn send_all(
    server: &Server,
    mut send: Unfinished,
    head: Vec<u8>,
    body: Body,
    counters: &Arc<Counters>,
) -> ServeOutcome {
    let mut sent = 0;
    let (mut rest, mut reservation) = match body {
        Body::Payload(bytes, reservation) => (bytes, Some(reservation)),
        Body::Other(bytes) => (bytes, None),
    };
    let mut next = Bytes::from(head);
    loop {
        match timeout(WRITE_DEADLINE, send.stream().write_chunk(next)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return ServeOutcome::Cancelled { bytes: sent },
            Err(_) => return ServeOutcome::TooSlow,
        }
        if rest.is_empty() {
            break;
        }
        let piece = if reservation.is_some() { server.limiter.piece() } else { None };
        next = rest.split_to(rest.len().min(piece.unwrap_or(PIECE)));
        let bytes = next.len() as u64;
        sent += bytes;
        match &mut reservation {
            Some(reservation) => {
                server.limiter.take(bytes).await;
                counters.add_sent(bytes);
                reservation.moved(bytes);
            }
            None if server.limiter.piece().is_some() => {
                server.aside.take(bytes).await;
            }
            None => {}
        }
    }
    let unread = Unread::new(counters);
    match send.finish() {
        Ok(arrived) => {
            // Until then the connection is not closed for want of a budget: answers within it must arrive.
            tokio::spawn(async move {
                let _ = timeout(WRITE_DEADLINE, arrived).await;
                drop(unread);
            });
            ServeOutcome::Done { bytes: sent }
        }
        Err(_) => ServeOutcome::Cancelled { bytes: sent },
    }
}

/// Sends leaf hashes with their proof.
pub(super) async fn leaves(server: Server, reply: Reply, first: u32, count: u32) {
    let Reply { ask, send, counters } = reply;
    let source = server.source.clone();
    let found = server.blocking.run(move || source.leaves(first, count)).await.ok().flatten();
    let outcome = match found {
        Some((hashes, proof)) => {
            let head = LeavesHead { count: hashes.len() as u32, proof };
            let body = LeavesHead::encode_hashes(&hashes).into();
            send_all(&server, send, head.encode(), Body::Other(body), &counters).await
        }
        None => {
            send.refuse(ResetCode::NotHave);
            ServeOutcome::Cancelled { bytes: 0 }
        }
    };
    let _ = server.inbox.send(TaskMessage::Served { ask, outcome }).await;
}

/// Sends the manifest.
pub(super) async fn manifest(server: Server, reply: Reply, text: Bytes) {
    let Reply { ask, send, counters } = reply;
    let head = ManifestHead { len: text.len() as u32 };
    let outcome = send_all(&server, send, head.encode().to_vec(), Body::Other(text), &counters).await;
    let _ = server.inbox.send(TaskMessage::Served { ask, outcome }).await;
}
