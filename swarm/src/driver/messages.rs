//! Messages between a session, its tasks and its runner.

use std::net::SocketAddr;

use minimodel_verifier::Digest;
use minimodel_wire::{PeerId, Request};
use quinn::Connection;

use super::newcomers::Place;
use super::opening::Opening;
use super::unfinished::Unfinished;
use crate::machine::{Ask, Conn, Event, Input, KeepOutcome, Req, RequestFault, ServeOutcome};
use crate::store::StoreError;

/// A message from a task to the session.
#[derive(Debug)]
pub(super) enum TaskMessage {
    /// An input for the machine, passed on unchanged.
    Input(Input),
    /// A handshake is done. `from`: the peer's address in it, which it has proved; the connection's own may be changed later by
    /// a packet whose source is forged, until QUIC has validated the new path (RFC 9000 section 9).
    Connected { connection: Connection, from: SocketAddr, peer: PeerId, origin: Origin },
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

/// Which side opened a connection.
#[derive(Debug)]
pub(super) enum Origin {
    /// This node.
    Dialed,
    /// The peer, which has a newcomer's place until it is introduced.
    Accepted { opening: Opening, place: Place },
}

impl Origin {
    /// Returns true if this node dialed.
    pub(super) fn is_dialed(&self) -> bool {
        matches!(self, Self::Dialed)
    }
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
