//! What transfers want of the network at hand and of the public DHT, whether the program was built with these or not.

use minimodel_wire::PeerId;

/// Swarms that are announced, and those that are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) announced: Vec<[u8; 32]>,
    pub(super) sought: Vec<[u8; 32]>,
}

/// A transfer that uses the DHT.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "dht"), expect(dead_code, reason = "nothing is looked for without it"))]
pub(super) struct DhtMember {
    pub(super) swarm: [u8; 32],
    /// Others may find it: it is announced, and looks again and again.
    pub(super) publishes: bool,
    pub(super) fetches: bool,
    /// Peers of which the user has an offer, which may be old.
    pub(super) named: Vec<PeerId>,
}
