//! Messages between a session, its tasks and its runner.

use std::sync::Arc;

use bytes::Bytes;
use minimodel_verifier::Digest;
use minimodel_wire::{Bitfield, PeerId, Request};
use quinn::Connection;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use super::bans::Bans;
use super::chunk_writer::Follow;
use super::newcomers::Place;
use super::quota::QuotaGate;
use super::rate_limit::RateLimit;
use super::report::Report;
use super::sink::ChunkSink;
use super::unfinished::Unfinished;
use crate::machine::{
    Ask, Config, Conn, Controls, Event, Input, KeepOutcome, Req, RequestFault, ServeOutcome,
};
use crate::store::{ChunkSource, StoreError};

/// A message from a task to the session.
#[derive(Debug)]
pub(super) enum TaskMessage {
    /// An input for the machine, passed on unchanged.
    Input(Input),
    /// A handshake is done.
    Connected { connection: Connection, peer: PeerId, dialed: bool, place: Option<Place> },
    /// A peer sent a request.
    Asked { conn: Conn, request: Request, send: Unfinished },
    /// A chunk is in memory, unproven.
    Arrived { req: Req, data: Vec<u8>, proof: Vec<Digest> },
    /// Leaf hashes and the proof of their range, unproven.
    LeavesArrived { req: Req, first: u32, answer: Result<(Vec<Digest>, Vec<Digest>), RequestFault> },
    /// Serving a request ended.
    Served { ask: Ask, outcome: ServeOutcome },
    /// The verdict on a chunk; its buffer comes back.
    Kept { req: Req, outcome: Result<KeepOutcome, StoreError>, buffer: Vec<u8> },
    /// A rescan compared the partial file with the leaf hashes.
    Rescanned { have: Result<Vec<u32>, StoreError> },
    /// A task of a connection ended by a panic.
    Panicked,
    /// A thread that the session cannot work without ended by a panic.
    WorkerLost { doing: &'static str },
}

/// A session event for its runner.
#[derive(Debug)]
pub(super) enum SessionEvent {
    /// The machine reported an event.
    Machine(Event),
    /// The local disk failed.
    Disk(StoreError),
    /// The file that is served is no longer the artifact.
    SourceChanged,
    /// A worker thread is gone, and the session is of no use without it.
    WorkerLost(&'static str),
    /// Time for the runner's periodic work: syncs and the check for a stall.
    Periodic,
}

pub(super) struct Download {
    pub(super) abort: AbortHandle,
    /// Bytes and proof, once all of them are here.
    pub(super) arrived: Option<(Vec<u8>, Vec<Digest>)>,
}

pub(super) struct Answer {
    pub(super) conn: Conn,
    pub(super) request: Request,
    /// The stream of the request, until a task answers on it.
    pub(super) send: Option<Unfinished>,
    pub(super) abort: Option<AbortHandle>,
}

/// Inputs of a new session.
pub(super) struct SessionInputs {
    pub(super) config: Config,
    pub(super) have: Bitfield,
    pub(super) bans: Bans,
    pub(super) source: Arc<dyn ChunkSource>,
    pub(super) sink: Option<Arc<dyn ChunkSink>>,
    pub(super) follow: Option<Follow>,
    pub(super) root: Digest,
    pub(super) manifest_text: Bytes,
    pub(super) controls: watch::Receiver<Controls>,
    pub(super) up: Vec<RateLimit>,
    pub(super) down: Vec<RateLimit>,
    pub(super) gate: Option<Arc<dyn QuotaGate>>,
    pub(super) reports: mpsc::Sender<Report>,
}
