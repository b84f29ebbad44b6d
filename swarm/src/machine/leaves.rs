//! Search for chunks that are on disk without a record: leaf hashes are fetched and proven, then the partial file is
//! compared with them, so that good bytes are not fetched again.

use minimodel_wire::limits::MAX_LEAVES;

use super::events::{Conn, LeavesOutcome, Output, Req};
use super::fault::Breach;
use super::peer::Peer;
use super::requests::Requests;
use super::swarm::Swarm;
use super::time::Time;

/// Peers tried before the search is given up and the chunks are fetched instead.
const TRIES: usize = 3;
/// The search, from the first range of leaf hashes to the comparison with the file.
#[derive(Debug)]
pub(super) struct LeafSearch {
    wanted: bool,
    /// No chunk is requested before the search has ended, and the search is never given up.
    must: bool,
    next: u32,
    total: u32,
    pending: Option<Pending>,
    rescanning: bool,
    /// Connections that failed to answer.
    failed: Vec<Conn>,
}

/// What an answer means for the peer that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answerer {
    /// Nothing.
    Stays,
    Broke(Breach),
    /// The peer cannot help with this repair.
    IsNoSource,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    req: Req,
    conn: Conn,
    count: u32,
    sent: Time,
}

impl LeafSearch {
    pub(super) fn new(wanted: bool, must: bool, total: u32) -> Self {
        Self {
            wanted: wanted || must,
            must,
            next: 0,
            total,
            pending: None,
            rescanning: false,
            failed: Vec::new(),
        }
    }

    /// Returns true if no chunk may be requested yet.
    pub(super) fn holds_back(&self) -> bool {
        self.is_busy() || self.must
    }

    /// Ends the rescan; returns true if chunks may be requested now. They may not if no chunk of a file to be repaired is good.
    pub(super) fn rescanned(&mut self, is_any_good: bool) -> bool {
        self.rescanning = false;
        self.must &= !is_any_good;
        !self.must
    }

    fn is_busy(&self) -> bool {
        self.pending.is_some() || self.rescanning
    }

    /// Returns true if this connection owes us leaf hashes.
    pub(super) fn is_asked(&self, conn: Conn) -> bool {
        self.pending.is_some_and(|pending| pending.conn == conn)
    }

    /// Returns true if chunk requests wait for leaf hashes and no peer is being asked for them.
    pub(super) fn lacks_answerer(&self) -> bool {
        self.must && !self.is_busy()
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Handles the end of a connection; returns true if it owed us leaf hashes.
    pub(super) fn lost(&mut self, conn: Conn) -> bool {
        let is_asked = self.is_asked(conn);
        if is_asked {
            self.fail(conn);
        }
        is_asked
    }

    fn fail(&mut self, conn: Conn) {
        self.pending = None;
        self.failed.push(conn);
        if self.must {
            // An earlier failure may be tried again when no other peer is left.
            self.failed.drain(..self.failed.len().saturating_sub(TRIES - 1));
        } else {
            self.wanted &= self.failed.len() < TRIES;
        }
    }

    /// Requests the next range of leaf hashes, if they are wanted and a peer can answer. Called in every step.
    pub(super) fn search(&mut self, swarm: &mut Swarm, requests: &mut Requests) {
        if !self.wanted || self.is_busy() || !swarm.wants_chunks() {
            return;
        }
        // A partial peer has no tree to answer from.
        let can_answer = |peer: &Peer| peer.is_source() && peer.announced.is_seed;
        let is_meant = |(conn, peer): &(&Conn, &Peer)| can_answer(peer) && !self.failed.contains(conn);
        let Some(conn) = swarm.peers.iter().find(is_meant).map(|(&conn, _)| conn) else { return };
        let first = self.next;
        let count = (self.total - first).min(MAX_LEAVES);
        let req = requests.number();
        self.pending = Some(Pending { req, conn, count, sent: swarm.now });
        swarm.push(Output::RequestLeaves { conn, req, first, count });
    }

    /// Handles an answer; returns the peer that gave it and what the answer means for the peer. `None` for an answer that is
    /// not waited for.
    pub(super) fn answered(
        &mut self,
        swarm: &mut Swarm,
        req: Req,
        outcome: LeavesOutcome,
    ) -> Option<(Conn, Answerer)> {
        let Pending { conn, count, .. } = self.pending.filter(|pending| pending.req == req)?;
        if outcome == LeavesOutcome::Proven {
            self.pending = None;
            self.next += count;
            if self.next >= self.total {
                self.wanted = false;
                self.rescanning = true;
                swarm.push(Output::Rescan);
            }
            return Some((conn, Answerer::Stays));
        }
        self.fail(conn);
        let verdict = match outcome {
            LeavesOutcome::BadProof => Answerer::Broke(Breach::BadLeaves),
            LeavesOutcome::Short => Answerer::Broke(Breach::ShortAnswer),
            // A fetch can go on without leaf hashes, a repair cannot: to it the peer is a source no more.
            LeavesOutcome::BudgetUsed if self.must => Answerer::IsNoSource,
            LeavesOutcome::BudgetUsed | LeavesOutcome::Failed | LeavesOutcome::Proven => Answerer::Stays,
        };
        Some((conn, verdict))
    }

    /// Withdraws the request for leaf hashes from a peer that the user took off the sources; returns true if there was one.
    pub(super) fn withdraw(&mut self, swarm: &mut Swarm, conn: Conn) -> bool {
        let Some(pending) = self.pending.filter(|pending| pending.conn == conn) else { return false };
        swarm.push(Output::Cancel { req: pending.req });
        self.lost(conn)
    }

    /// Withdraws an overdue request for leaf hashes and returns its peer; the deadline is that of the Hello.
    pub(super) fn overdue(&mut self, swarm: &mut Swarm) -> Option<Conn> {
        let limit = swarm.config.limits.hello;
        let late = self.pending.filter(|pending| swarm.now.since(pending.sent) >= limit)?;
        swarm.push(Output::Cancel { req: late.req });
        self.fail(late.conn);
        Some(late.conn)
    }
}

#[cfg(test)]
mod tests {
    use minimodel_wire::{CloseCode, ResetCode};

    use super::super::events::{Ask, Event, Input};
    use super::super::harness::{Harness, SEED, TAKE, having, swarm};
    use super::*;
    use minimodel_wire::Bitfield;

    #[test]
    fn an_answer_ends_the_search_or_says_what_it_means_for_its_peer() {
        let mut swarm = swarm(TAKE, having([]));
        let pending = |search: &mut LeafSearch| {
            search.pending = Some(Pending { req: Req(7), conn: Conn(1), count: 20, sent: Time::ZERO });
        };
        let mut repair = LeafSearch::new(false, true, 20);
        for (outcome, means) in [
            (LeavesOutcome::BadProof, Answerer::Broke(Breach::BadLeaves)),
            (LeavesOutcome::Short, Answerer::Broke(Breach::ShortAnswer)),
            (LeavesOutcome::BudgetUsed, Answerer::IsNoSource),
            (LeavesOutcome::Failed, Answerer::Stays),
        ] {
            pending(&mut repair);
            assert_eq!(repair.answered(&mut swarm, Req(8), outcome), None, "not the one that is waited for");
            assert_eq!(repair.answered(&mut swarm, Req(7), outcome), Some((Conn(1), means)));
            assert!(repair.lacks_answerer());
        }
        pending(&mut repair);
        repair.answered(&mut swarm, Req(7), LeavesOutcome::Proven);
        assert!(matches!(swarm.poll(), Some(Output::Rescan)) && repair.holds_back());
        assert!(repair.rescanned(true) && !repair.holds_back());
    }

    // Rows: B14
    #[test]
    fn leaf_lists_and_manifests_are_given_a_few_times_each() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.said();
        for n in 0..5 {
            harness.tell(Input::AskedLeaves { ask: Ask(n), conn: Conn(1) });
            harness.tell(Input::AskedManifest { ask: Ask(10 + n), conn: Conn(1) });
        }
        let said = harness.said();
        let answers = said
            .iter()
            .filter(|output| matches!(output, Output::ServeLeaves { .. } | Output::ServeManifest { .. }));
        assert_eq!(answers.count(), 8);
    }

    #[test]
    fn a_partial_peer_has_no_leaf_list_to_give() {
        let mut harness = Harness::new(SEED, having([1]));
        harness.join(1, TAKE, having([]));
        harness.said();
        harness.tell(Input::AskedLeaves { ask: Ask(1), conn: Conn(1) });
        assert!(matches!(harness.said()[..], [Output::Refuse { code: ResetCode::NotHave, .. }]));
    }

    // Rows: E4
    #[test]
    fn rescanned_chunk_withdraws_its_request() {
        let mut harness = Harness::with(TAKE, having([]), |config| config.rescan = true);
        harness.join(1, SEED, having(0..5));
        harness.frame(1, minimodel_wire::Frame::Unchoke);
        let asked = harness.requests();
        harness.join(2, SEED, Bitfield::full(20));
        let leaves = harness.said().iter().find_map(|output| match output {
            Output::RequestLeaves { req, .. } => Some(*req),
            _ => None,
        });
        harness.tell(Input::Leaves { req: leaves.unwrap(), outcome: LeavesOutcome::Proven });
        harness.said();
        let (_, req, index) = asked[0];
        harness.tell(Input::Rescanned { have: vec![index] });
        assert!(harness.machine.have().get(index));
        let is_withdrawn = |output: &Output| matches!(output, Output::Cancel { req: gone } if *gone == req);
        assert_eq!(harness.said().iter().filter(|output| is_withdrawn(output)).count(), 1);
    }

    // Rows: B22
    #[test]
    fn refused_leaf_hashes_end_a_repair_but_not_a_fetch() {
        for repairs in [true, false] {
            let mut harness = Harness::with(TAKE, having([]), |config| {
                config.repairs = repairs;
                config.rescan = true;
            });
            harness.join(1, SEED, Bitfield::full(20));
            harness.frame(1, minimodel_wire::Frame::Unchoke);
            let leaves = harness.said().iter().find_map(|output| match output {
                Output::RequestLeaves { req, .. } => Some(*req),
                _ => None,
            });
            harness.tell(Input::Leaves { req: leaves.unwrap(), outcome: LeavesOutcome::BudgetUsed });
            let said = harness.said();
            let is_end = |output: &&Output| {
                matches!(
                    output,
                    Output::Event(Event::Refused { code: CloseCode::BudgetUsed, by_peer: true, .. })
                )
            };
            assert_eq!(said.iter().filter(is_end).count(), usize::from(repairs));
            assert_eq!(harness.machine.progress().peers, u32::from(!repairs));
        }
    }

    // Rows: E13
    #[test]
    fn repair_requests_chunks_only_after_some_were_found_good() {
        for found in [vec![7], vec![]] {
            let mut harness = Harness::with(TAKE, having([]), |config| config.repairs = true);
            harness.join(1, SEED, having(0..5));
            harness.frame(1, minimodel_wire::Frame::Unchoke);
            harness.wait(std::time::Duration::from_secs(2));
            assert_eq!(harness.requests(), [], "nobody has the tree yet");
            harness.join(2, SEED, Bitfield::full(20));
            harness.frame(2, minimodel_wire::Frame::Unchoke);
            let leaves = harness.said().iter().find_map(|output| match output {
                Output::RequestLeaves { req, .. } => Some(*req),
                _ => None,
            });
            harness.tell(Input::Leaves { req: leaves.unwrap(), outcome: LeavesOutcome::Proven });
            assert_eq!(harness.requests(), []);
            harness.tell(Input::Rescanned { have: found.clone() });
            let said = harness.said();
            let is_request = |output: &Output| matches!(output, Output::Request { .. });
            assert_eq!(said.iter().any(is_request), !found.is_empty());
            let is_told =
                |output: &Output| matches!(output, Output::Event(super::super::events::Event::NothingGood));
            assert_eq!(said.iter().any(is_told), found.is_empty());
            harness.wait(std::time::Duration::from_secs(5));
            assert!(found.is_empty() || harness.machine.progress().requests > 0);
            assert!(!found.is_empty() || !harness.said().iter().any(is_request));
        }
    }
}
