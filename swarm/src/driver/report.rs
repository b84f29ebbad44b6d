//! What the driver tells whoever watches: events, and now and then a picture of everything.

use std::time::Duration;

use minimodel_wire::PeerId;

use crate::machine::{Event, Progress};

/// One thing to show.
#[derive(Debug, Clone)]
pub enum Report {
    /// Something happened.
    Event(Event),
    /// How things stand.
    Snapshot(Snapshot),
}

/// How things stand at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Since the session began.
    pub elapsed: Duration,
    /// Chunks and peers.
    pub progress: Progress,
    /// Bytes that are proven and on disk.
    pub have_bytes: u64,
    /// Bytes of the artifact.
    pub total_bytes: u64,
    /// Payload bytes received in this session, good or not.
    pub received_bytes: u64,
    /// Payload bytes sent in this session.
    pub sent_bytes: u64,
    /// Payload bytes a second coming in, smoothed.
    pub down_rate: u64,
    /// Payload bytes a second going out, smoothed.
    pub up_rate: u64,
    /// Connected peers.
    pub peers: Vec<PeerView>,
}

/// One connected peer.
#[derive(Debug, Clone)]
pub struct PeerView {
    /// Who.
    pub peer: PeerId,
    /// Payload bytes it sent us in this session.
    pub received_bytes: u64,
    /// Payload bytes we sent it in this session.
    pub sent_bytes: u64,
    /// Round trip as QUIC measures it.
    pub rtt: Duration,
}
