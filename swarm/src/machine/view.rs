//! State of peers and of our own work, for reports on why no bytes move.

use super::found::Found;
use super::peer::{Peer, Phase};
use super::swarm::Swarm;

/// The state of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerState {
    /// The peer has a chunk that we want, consented to serve, and the user lets us fetch from it.
    pub useful: bool,
    /// The peer chokes us.
    pub choking_us: bool,
    /// We choke the peer.
    pub we_choke: bool,
    /// The peer is interested in our chunks.
    pub interested: bool,
    /// The peer may have a slot: neither [`super::Controls::allow`] nor a quota prevents it.
    pub may_be_served: bool,
    /// The peer has chunks that we want, and a quota does not let us request one.
    pub at_quota: bool,
    /// Our requests that the peer has not answered whole.
    pub requests: u32,
    /// The peer's requests that wait or are being answered.
    pub asks: u32,
    /// The peer's requests that are being answered.
    pub answering: u32,
    /// Chunks that the peer has.
    pub have: u32,
    /// The peer's key broke a rule in this session.
    pub blamed: bool,
    /// By which way it was found.
    pub found: Found,
}

/// The state of our own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Chunks that arrived and are being proven and written.
    pub storing: u32,
    /// More would be requested if a quota did not prevent it.
    pub is_at_quota: bool,
    /// Chunk requests wait for leaf hashes, and no connected peer can be asked for them.
    pub lacks_leaves: bool,
    /// No known peer can help any more, and at least one of them refused because our budget with it is used.
    pub is_out_of_budget: bool,
    /// Peers were refused for a used-up quota, and may have no more yet.
    pub has_turned_away: bool,
}

impl PeerState {
    /// The state of a peer without what other parts know: requests for leaf hashes to it, what its key did, how it was found.
    pub(super) fn of(swarm: &Swarm, peer: &Peer) -> Self {
        let useful = swarm.is_wanted_source(peer) && peer.announced.useful > 0;
        Self {
            useful,
            choking_us: peer.down.choked,
            we_choke: !peer.up.unchoked,
            interested: peer.up.interested,
            may_be_served: peer.may_be_served(),
            at_quota: useful && peer.down.is_at_quota(swarm.now),
            requests: peer.down.requests.len() as u32,
            asks: (peer.up.waiting.len() + peer.up.active.len()) as u32,
            answering: peer.up.active.len() as u32,
            have: if peer.phase == Phase::Ready { peer.announced.have.ones() } else { 0 },
            blamed: false,
            found: Found::Came,
        }
    }
}

impl Work {
    /// Returns true if quotas keep us from requesting: every useful peer is at its quota, or one of those that do not
    /// choke us is. A choking peer counts in the first case only: it may choke us because we request nothing.
    pub(super) fn is_at_quota(swarm: &Swarm) -> bool {
        let is_useful = |peer: &&Peer| swarm.is_wanted_source(peer) && peer.announced.useful > 0;
        let state = |peer: &Peer| (peer.down.is_at_quota(swarm.now), peer.may_be_asked());
        let useful: Vec<(bool, bool)> = swarm.peers.values().filter(is_useful).map(state).collect();
        let is_all = !useful.is_empty() && useful.iter().all(|&(is_full, _)| is_full);
        is_all || useful.contains(&(true, true))
    }
}

#[cfg(test)]
mod tests {
    use minimodel_wire::{Bitfield, CloseCode, Frame};

    use super::super::events::{Conn, Input};
    use super::super::harness::{CHUNKS, Harness, SEED, TAKE, both, having, id, offer};

    #[test]
    fn what_each_side_wants_of_the_other_is_seen() {
        let mut harness = Harness::with(both(), having(0..10), |config| config.controls.slots = Some(1));
        harness.join(1, SEED, Bitfield::full(CHUNKS));
        harness.join(2, TAKE, having([0]));
        harness.frame(2, Frame::Interested);
        harness.frame(1, Frame::Unchoke);
        harness.ask(2, 7, 3);
        let first = harness.machine.peer_state(Conn(1)).unwrap();
        assert!(first.useful && !first.choking_us && first.we_choke && !first.interested);
        assert_eq!((first.requests, first.asks, first.have), (2, 0, CHUNKS));
        let second = harness.machine.peer_state(Conn(2)).unwrap();
        assert!(!second.useful && second.choking_us && !second.we_choke && second.interested);
        assert_eq!((second.requests, second.asks, second.answering, second.have), (0, 1, 1, 1));
        let asked = harness.requests();
        harness.tell(Input::Arrived { req: asked[0].1 });
        assert_eq!(harness.machine.work().storing, 1);
        assert_eq!(harness.machine.peer_state(Conn(9)), None);
    }

    #[test]
    fn fetch_is_out_of_budget_once_every_other_source_is_lost() {
        let mut harness = Harness::new(TAKE, having([]));
        for n in [1, 2] {
            harness.tell(Input::Source(offer(n, [1; 32], 1_000_000)));
        }
        harness.join(1, SEED, Bitfield::full(CHUNKS));
        harness.tell(Input::Closed { conn: Conn(1), code: Some(CloseCode::BudgetUsed) });
        assert!(!harness.machine.work().is_out_of_budget, "another may help");
        harness.tell(Input::DialFailed { peer: id(2), wrong_key: None, code: Some(CloseCode::NotAllowed) });
        assert!(harness.machine.work().is_out_of_budget);
    }
}
