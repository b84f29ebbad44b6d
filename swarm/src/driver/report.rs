//! What the driver tells whoever watches: events, and now and then a picture of everything.

use std::collections::BTreeMap;
use std::time::Duration;

use minimodel_wire::{PeerId, SignedOffer};

use super::idle::Idle;
use super::judge::Seen;
use super::session::Session;
use crate::machine::{Event, Progress};

/// One thing to show.
#[derive(Debug, Clone)]
pub enum Report {
    /// Something happened.
    Event(Event),
    /// How things stand.
    Snapshot(Snapshot),
    /// Our own offer was signed anew, since half of its time was over.
    Offer(SignedOffer),
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
    /// Why no payload byte moved since the picture before this one; `None` while bytes move. Judged by what comes in as
    /// long as chunks are missing, and by what goes out otherwise.
    pub idle: Option<Idle>,
    /// How long each cause held since the session began.
    pub idle_time: BTreeMap<Idle, Duration>,
    /// How long bytes moved; with `idle_time` it makes up `elapsed`.
    pub busy_time: Duration,
    /// Connected peers.
    pub peers: Vec<PeerView>,
    /// Answers that are being sent, or that a peer has not read to their end; also of peers that we parted with.
    pub unread: u32,
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
    /// Payload bytes a second from it, smoothed.
    pub down_rate: u64,
    /// Payload bytes a second to it, smoothed.
    pub up_rate: u64,
    /// Round trip as QUIC measures it.
    pub rtt: Duration,
    /// It does not let us ask for chunks now.
    pub choking_us: bool,
    /// We do not let it ask for chunks now.
    pub we_choke: bool,
    /// It wants chunks that we have.
    pub interested: bool,
    /// Our requests that it has not answered whole.
    pub requests: u32,
    /// Its requests that we have not answered whole.
    pub asks: u32,
    /// Chunks that it has.
    pub have: u32,
    /// Why it sent nothing since the picture before this one, while chunks are missing; `no-source`: it has none for us.
    pub idle: Option<Idle>,
}

impl Session {
    /// Tells whoever watches how things stand.
    pub(super) fn report_snapshot(&mut self) {
        let (now, (received, sent)) = (self.now(), self.bytes());
        self.down_meter.add(now, received - self.down_meter.total());
        self.up_meter.add(now, sent - self.up_meter.total());
        let view = |seen: &Seen| {
            let (link, state) = (self.links.get(&seen.conn)?, seen.state);
            Some(PeerView {
                peer: *self.names.get(&seen.conn)?,
                received_bytes: link.counters.received(),
                sent_bytes: link.counters.sent(),
                down_rate: seen.beat.down_rate,
                up_rate: seen.beat.up_rate,
                rtt: link.connection.rtt(),
                choking_us: state.choking_us,
                we_choke: state.we_choke,
                interested: state.interested,
                requests: state.requests,
                asks: state.asks,
                have: state.have,
                idle: seen.idle,
            })
        };
        let snapshot = Snapshot {
            elapsed: self.looks.at.saturating_duration_since(self.start),
            progress: self.machine.progress(),
            have_bytes: self.have_bytes(),
            total_bytes: self.terms.byte_count,
            received_bytes: received,
            sent_bytes: sent,
            down_rate: self.down_meter.rate(now),
            up_rate: self.up_meter.rate(now),
            idle: self.looks.idle,
            idle_time: self.looks.idle_time.clone(),
            busy_time: self.looks.busy_time,
            peers: self.looks.peers.iter().filter_map(view).collect(),
            unread: self.answers.values().filter(|answer| answer.abort.is_some()).count() as u32
                + self.totals.unread(),
            untold: self.telling.untold(),
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
