//! Reports of the driver: events, and periodic snapshots of the session.

use std::collections::BTreeMap;
use std::time::Duration;

use minimodel_wire::{PeerId, SignedOffer};

use super::idle::Idle;
use super::samples::PeerSample;
use super::session::Session;
use crate::machine::{Event, Progress};

/// One report to the observer of a session.
#[derive(Debug, Clone)]
pub enum Report {
    /// The machine reported an event.
    Event(Event),
    /// A periodic snapshot of the session.
    Snapshot(Snapshot),
    /// The node's own offer was renewed, mostly because half of its time was over.
    Offer(SignedOffer),
}

/// State of a session at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Time since the session began.
    pub elapsed: Duration,
    /// Counts of chunks and peers.
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
    /// Why no payload byte moved since the previous snapshot; `None` while bytes move. Judged by received bytes as long
    /// as chunks are missing, and by sent bytes otherwise.
    pub idle: Option<Idle>,
    /// How long each cause held since the session began.
    pub idle_time: BTreeMap<Idle, Duration>,
    /// How long bytes moved; with `idle_time` it makes up `elapsed`.
    pub busy_time: Duration,
    /// Connected peers.
    pub peers: Vec<PeerView>,
    /// Answers that are being sent, or that a peer has not acknowledged; also those to peers that are disconnected.
    pub unread: u32,
    /// Events that were not reported, since there were too many of their kind.
    pub untold: u64,
    /// Tasks that ended by a panic: bugs, each of which cost one connection or one answer.
    pub panics: u64,
}

/// One connected peer.
#[derive(Debug, Clone)]
pub struct PeerView {
    /// The peer.
    pub peer: PeerId,
    /// Payload bytes received from the peer in this session.
    pub received_bytes: u64,
    /// Payload bytes sent to the peer in this session.
    pub sent_bytes: u64,
    /// Payload bytes a second from it, smoothed.
    pub down_rate: u64,
    /// Payload bytes a second to it, smoothed.
    pub up_rate: u64,
    /// Round trip as QUIC measures it.
    pub rtt: Duration,
    /// The peer chokes this node.
    pub choking_us: bool,
    /// This node chokes the peer.
    pub we_choke: bool,
    /// The peer is interested in chunks of this node.
    pub interested: bool,
    /// Requests to the peer that are not answered whole.
    pub requests: u32,
    /// Requests of the peer that are not answered whole.
    pub asks: u32,
    /// Chunks that the peer has.
    pub have: u32,
    /// Why the peer sent nothing since the previous snapshot, while chunks are missing; `no-source`: it has no wanted
    /// chunk.
    pub idle: Option<Idle>,
}

impl Session {
    /// Sends a snapshot to the observer.
    pub(super) fn report_snapshot(&mut self) {
        let (now, (received, sent)) = (self.now(), self.bytes());
        self.down_meter.add(now, received - self.down_meter.total());
        self.up_meter.add(now, sent - self.up_meter.total());
        let view = |sample: &PeerSample| {
            let (link, state) = (self.links.get(&sample.conn)?, sample.state);
            Some(PeerView {
                peer: *self.names.get(&sample.conn)?,
                received_bytes: link.counters.received(),
                sent_bytes: link.counters.sent(),
                down_rate: sample.path.down_rate,
                up_rate: sample.path.up_rate,
                rtt: link.connection.rtt(),
                choking_us: state.choking_us,
                we_choke: state.we_choke,
                interested: state.interested,
                requests: state.requests,
                asks: state.asks,
                have: state.have,
                idle: sample.idle,
            })
        };
        let snapshot = Snapshot {
            elapsed: self.samples.at.saturating_duration_since(self.start),
            progress: self.machine.progress(),
            have_bytes: self.have_bytes(),
            total_bytes: self.terms.byte_count,
            received_bytes: received,
            sent_bytes: sent,
            down_rate: self.down_meter.rate(now),
            up_rate: self.up_meter.rate(now),
            idle: self.samples.idle,
            idle_time: self.samples.idle_time.clone(),
            busy_time: self.samples.busy_time,
            peers: self.samples.peers.iter().filter_map(view).collect(),
            unread: self.answers.values().filter(|answer| answer.abort.is_some()).count() as u32
                + self.totals.unread(),
            untold: self.event_limiter.untold(),
            panics: self.panics,
        };
        let _ = self.reports.try_send(Report::Snapshot(snapshot));
    }

    /// Payload bytes received and sent in this session.
    pub(super) fn bytes(&self) -> (u64, u64) {
        self.totals.bytes()
    }

    fn have_bytes(&self) -> u64 {
        let have = self.machine.have();
        let full = u64::from(have.ones()) * u64::from(self.terms.chunk_size);
        let last = self.terms.chunk_count - 1;
        let short = u64::from(self.terms.chunk_size - self.terms.chunk_len(last));
        if have.get(last) { full - short } else { full }
    }
}
