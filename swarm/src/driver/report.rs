//! What the driver tells whoever watches: events, and now and then a picture of everything.

use std::time::Duration;

use minimodel_wire::PeerId;

use super::connection::Link;
use super::session::Session;
use crate::machine::{Conn, Event, Progress};

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
    /// Events that were not reported, since there were too many of their kind.
    pub untold: u64,
    /// Tasks of ours that ended by a panic: bugs, each of which cost one connection or one answer.
    pub panics: u64,
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

impl Session {
    /// Tells whoever watches how things stand.
    pub(super) fn report_snapshot(&mut self) {
        let (now, (received, sent)) = (self.now(), self.bytes());
        self.down_meter.add(now, received - self.down_meter.total());
        self.up_meter.add(now, sent - self.up_meter.total());
        let view = |(conn, link): (&Conn, &Link)| {
            Some(PeerView {
                peer: *self.names.get(conn)?,
                received_bytes: link.counters.received(),
                sent_bytes: link.counters.sent(),
                rtt: link.connection.rtt(),
            })
        };
        let snapshot = Snapshot {
            elapsed: self.start.elapsed(),
            progress: self.machine.progress(),
            have_bytes: self.have_bytes(),
            total_bytes: self.terms.byte_count,
            received_bytes: received,
            sent_bytes: sent,
            down_rate: self.down_meter.rate(now),
            up_rate: self.up_meter.rate(now),
            peers: self.links.iter().filter_map(view).collect(),
            untold: self.telling.untold(),
            panics: self.panics,
        };
        let _ = self.reports.try_send(Report::Snapshot(snapshot));
    }

    /// Payload bytes received and sent in this session.
    pub(super) fn bytes(&self) -> (u64, u64) {
        self.links.values().fold(self.past, |(received, sent), link| {
            (received + link.counters.received(), sent + link.counters.sent())
        })
    }

    fn have_bytes(&self) -> u64 {
        let have = self.machine.have();
        let full = u64::from(have.ones()) * u64::from(self.terms.chunk_size);
        let last = self.terms.chunk_count - 1;
        let short = u64::from(self.terms.chunk_size - self.terms.chunk_len(last));
        if have.get(last) { full - short } else { full }
    }
}
