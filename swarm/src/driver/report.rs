//! Reports of the driver: events, and periodic snapshots of the session.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::{Bitfield, PeerId, SignedOffer};

use super::idle::Idle;
use super::observed::Reach;
use crate::machine::{Event, Found, Progress, Scope, Terms};

/// One report to the observer of a session.
#[derive(Debug, Clone)]
pub enum Report {
    /// The machine reported an event.
    Event(Event),
    /// A periodic snapshot of the session.
    Snapshot(Box<Snapshot>),
    /// The node's own offer was renewed: half of its time was over, or the node's addresses are others now.
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
    /// How far the node can be reached, as far as other members have shown.
    pub reach: Reach,
    /// What was left out or lost.
    pub losses: Losses,
}

/// What a session left out or lost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Events that were not reported, since there were too many of their kind.
    pub untold: u64,
    /// Tasks that ended by a panic: bugs, each of which cost one connection or one answer.
    pub panics: u64,
}

impl Snapshot {
    /// Returns the time until every byte is here ([`time_left`]).
    pub fn time_left(&self) -> Option<Duration> {
        let missing_bytes = self.total_bytes.saturating_sub(self.have_bytes);
        time_left(missing_bytes, self.down_rate, self.progress.unheld)
    }

    /// Bytes of the chunks in `have`, of which the last may be shorter than the others.
    pub(super) fn have_bytes(terms: &Terms, have: &Bitfield) -> u64 {
        let full = u64::from(have.ones()) * u64::from(terms.chunk_size);
        let last = terms.chunk_count - 1;
        let short = u64::from(terms.chunk_size - terms.chunk_len(last));
        if have.get(last) { full - short } else { full }
    }
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
    /// The way to the peer.
    pub path: PeerPath,
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
    /// The peer broke a rule in this session.
    pub blamed: bool,
}

/// The way to a connected peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerPath {
    /// The address at which it is connected.
    pub address: SocketAddr,
    /// Round trip as QUIC measures it.
    pub rtt: Duration,
    /// By which way it was found.
    pub found: Found,
    /// Over what the packets go.
    pub over: Over,
}

/// Over what the packets of a connection go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Over {
    /// Within one machine or one network.
    Local,
    /// IPv6, which no router translates.
    Ipv6,
    /// IPv4, through the port that this machine's router was asked to let others in at.
    Mapped,
    /// IPv4, through routers that both sides opened at once.
    Punched,
    /// IPv4, to an address that answers.
    #[default]
    Direct,
}

impl Over {
    /// `address`: the peer's; `is_mapped`: this machine has a mapping.
    pub(super) fn of(address: SocketAddr, found: Found, is_mapped: bool) -> Self {
        match (Scope::of(address.ip()), found) {
            (Scope::Loopback | Scope::Link | Scope::Private, _) => Self::Local,
            (Scope::Public, _) if address.is_ipv6() => Self::Ipv6,
            (Scope::Public, Found::Introduced(_)) => Self::Punched,
            (Scope::Public, Found::Came) if is_mapped => Self::Mapped,
            (Scope::Public, _) => Self::Direct,
        }
    }
}

/// Returns the time in which missing bytes come at a rate in bytes a second. `None` if that is not known: nothing comes, or
/// `unheld` missing chunks are with no connected peer, and no rate says when a peer with them comes.
pub fn time_left(missing_bytes: u64, bytes_per_second: u64, unheld: u32) -> Option<Duration> {
    let seconds = (unheld == 0 && bytes_per_second > 0).then(|| missing_bytes.div_ceil(bytes_per_second));
    seconds.map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_known_while_bytes_come_and_each_chunk_is_held() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(time_left(1_000, 100, 0), seconds(10));
        assert_eq!(time_left(1_001, 100, 0), seconds(11));
        assert_eq!(time_left(0, 100, 0), seconds(0));
        assert_eq!(time_left(1_000, 0, 0), None);
        assert_eq!(time_left(1_000, 100, 1), None, "no rate says when a peer with it comes");
        assert_eq!(time_left(u64::MAX, 1, 0), seconds(u64::MAX));
        let progress = Progress { unheld: 7, ..Progress::default() };
        let mut now = Snapshot { total_bytes: 500, have_bytes: 100, down_rate: 100, ..Snapshot::default() };
        assert_eq!(now.time_left(), seconds(4));
        now.progress = progress;
        assert_eq!(now.time_left(), None);
    }

    #[test]
    fn the_last_chunk_counts_with_its_own_length() {
        let terms = Terms {
            swarm_id: [0; 32],
            artifact_sha256: [0; 32],
            license_sha256: [0; 32],
            evidence_sha256: [0; 32],
            byte_count: 250,
            chunk_size: 100,
            chunk_count: 3,
        };
        let mut have = Bitfield::new(3);
        assert_eq!(Snapshot::have_bytes(&terms, &have), 0);
        have.set(0);
        assert_eq!(Snapshot::have_bytes(&terms, &have), 100);
        have.set(2);
        assert_eq!(Snapshot::have_bytes(&terms, &have), 150);
    }
}
