//! Connections of a world, and the answers in transit over them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_swarm::machine::{Bucket, Time};

use crate::peer::{LinkNo, PeerNo};
use crate::step::{Flow, Side};

pub(crate) struct Link {
    /// Here and below: what belongs to the dialer, then what belongs to the acceptor.
    pub(crate) peers: [PeerNo; 2],
    /// Process run of each peer that the handshake belongs to.
    pub(crate) runs: [u32; 2],
    /// The address at which the other sees each.
    pub(crate) seen_at: [SocketAddr; 2],
    pub(crate) open: [bool; 2],
    /// Number of ends whose handshake is not done yet.
    pub(crate) unseen: u8,
    /// One-way delay.
    pub(crate) delay: Duration,
    /// Bytes sent and not yet acknowledged, by side that sent them.
    pub(crate) on_path: [u64; 2],
    /// Nothing arrives before this time.
    pub(crate) blocked_until: Time,
    /// When the latest control frame arrives, by side that receives it.
    pub(crate) control_at: [Time; 2],
    /// Frame budget of each side, by side that sends.
    pub(crate) frames: [Option<Bucket>; 2],
}

impl Link {
    pub(crate) fn side_of(&self, no: PeerNo) -> Side {
        if self.peers[0] == no { Side::Dialer } else { Side::Acceptor }
    }

    pub(crate) fn peer(&self, side: Side) -> PeerNo {
        self.peers[side.at()]
    }

    pub(crate) fn is_open(&self, side: Side) -> bool {
        self.open[side.at()]
    }
}

/// All connections, and who can be dialed where.
#[derive(Default)]
pub(crate) struct Paths {
    pub(crate) addresses: BTreeMap<SocketAddr, PeerNo>,
    pub(crate) links: BTreeMap<LinkNo, Link>,
    pub(crate) flows: BTreeMap<u64, Flow>,
}

impl Paths {
    pub(crate) fn is_open(&self, link: LinkNo, side: Side) -> bool {
        self.links.get(&link).is_some_and(|ends| ends.is_open(side))
    }

    /// One-way delay of the path; `None` once this end is closed.
    pub(crate) fn delay(&self, link: LinkNo, side: Side) -> Option<Duration> {
        self.links.get(&link).filter(|ends| ends.is_open(side)).map(|ends| ends.delay)
    }

    /// Open connection ends of a peer.
    pub(crate) fn ends_of(&self, no: PeerNo) -> Vec<(LinkNo, Side)> {
        let mut ends = Vec::new();
        for (&link, both) in &self.links {
            for side in [Side::Dialer, Side::Acceptor] {
                if both.peer(side) == no && both.is_open(side) {
                    ends.push((link, side));
                }
            }
        }
        ends
    }
}
