//! Dials and meetings between peers behind routers, packet by packet.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_swarm::machine::{NotMet, Time};
use minimodel_wire::PeerId;

use crate::internet::Internet;
use crate::peer::PeerNo;

/// When a dial sends its first packets, in milliseconds: at once, and as QUIC repeats them at the first round trip that it assumes.
pub(crate) const DIALS: [u64; 3] = [0, 1_000, 3_000];
/// The same in a meeting.
pub(crate) const MEETS: [u64; 4] = [0, 300, 900, 2_100];
/// Packets that only open a router, and their distance.
pub(crate) const PUNCHES: u64 = 16;
pub(crate) const BETWEEN_PUNCHES: u64 = 125;
/// When a dial, and a meeting, is given up.
pub(crate) const DIAL_ENDS: Duration = Duration::from_millis(4_500);
pub(crate) const MEETING_ENDS: Duration = Duration::from_millis(4_300);

/// A dial or a meeting that is under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) no: PeerNo,
    pub(crate) run: u32,
    pub(crate) peer: PeerId,
    pub(crate) to: SocketAddr,
    /// Who introduces the two; `None`: it is a dial.
    pub(crate) by: Option<PeerId>,
}

/// The routers of a world, and what is tried through them.
#[derive(Default)]
pub(crate) struct Attempts {
    pub(crate) internet: Internet,
    pub(crate) under_way: BTreeMap<u64, Attempt>,
    pub(crate) ended: BTreeMap<PeerNo, Vec<Met>>,
}

/// The end of an introduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// The other side.
    pub peer: PeerId,
    /// Why the two are not connected; `None`: they are.
    pub why_not: Option<NotMet>,
    /// When.
    pub at: Time,
}

impl Attempts {
    /// Notes the end of an introduction of this peer.
    pub(crate) fn end(&mut self, no: PeerNo, met: Met) {
        self.ended.entry(no).or_default().push(met);
    }
}
