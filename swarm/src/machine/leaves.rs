//! Search for chunks that are on disk without a record: leaf hashes are fetched and proven, then the partial file is
//! compared with them, so that good bytes are not fetched again.

use minimodel_wire::{CloseCode, ResetCode, limits::MAX_LEAVES};

use super::core::Machine;
use super::early::Early;
use super::events::{Ask, Conn, LeavesOutcome, Output, Req};
use super::fault::Breach;
use super::peer::{Peer, Phase};
use super::reply_budgets::Reply;
use super::time::Time;

/// Peers tried before the search is given up and the chunks are fetched instead.
const TRIES: usize = 3;
/// Answers of leaf hashes that one connection may get, in multiples of the whole list.
const MAX_LISTS: u64 = 4;
/// Manifests that one connection may get.
const MAX_MANIFESTS: u64 = 4;
/// Daily limits of one key over all its connections: leaf hashes in multiples of the limit of one connection, for as many
/// files as the upload budget; and manifests. More is refused without a strike: the program may be one that is started
/// every half hour.
const DAYS_LISTS: u64 = 4;
const DAYS_MANIFESTS: u64 = 64;

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
}

/// Returns true once the peer's Hello was accepted. Its Bitfield may still be on its way: streams have no order.
fn is_greeted(peer: &Peer) -> bool {
    matches!(peer.phase, Phase::Bitfield | Phase::Ready)
}

impl Machine {
    pub(super) fn search_leaves(&mut self, now: Time) {
        if !self.leaves.wanted || self.leaves.is_busy() || !self.swarm.wants_chunks() {
            return;
        }
        // A partial peer has no tree to answer from.
        let can_answer = |peer: &Peer| peer.is_source() && peer.is_seed;
        let failed = &self.leaves.failed;
        let Some(conn) = self
            .swarm
            .peers
            .iter()
            .find(|(conn, peer)| can_answer(peer) && !failed.contains(conn))
            .map(|(&conn, _)| conn)
        else {
            return;
        };
        let first = self.leaves.next;
        let count = (self.leaves.total - first).min(MAX_LEAVES);
        let req = self.downloads.requests.number();
        self.leaves.pending = Some(Pending { req, conn, count, sent: now });
        self.swarm.push(Output::RequestLeaves { conn, req, first, count });
    }

    pub(super) fn leaves_answered(&mut self, now: Time, req: Req, outcome: LeavesOutcome) {
        let Some(Pending { conn, count, .. }) = self.leaves.pending.filter(|pending| pending.req == req)
        else {
            return;
        };
        match outcome {
            LeavesOutcome::Proven => {
                self.leaves.pending = None;
                self.leaves.next += count;
                if self.leaves.next >= self.leaves.total {
                    self.leaves.wanted = false;
                    self.leaves.rescanning = true;
                    self.swarm.push(Output::Rescan);
                }
            }
            LeavesOutcome::BadProof => {
                self.leaves.fail(conn);
                self.breach(now, conn, Breach::BadLeaves);
            }
            LeavesOutcome::Short => {
                self.leaves.fail(conn);
                self.breach(now, conn, Breach::ShortAnswer);
            }
            LeavesOutcome::BudgetUsed => {
                self.leaves.fail(conn);
                // A fetch can go on without leaf hashes, a repair cannot: to it the peer is a source no more.
                if self.leaves.must
                    && let Some(peer) = self.swarm.peers.get(&conn).map(|peer| peer.id)
                {
                    self.refused_by(peer, CloseCode::BudgetUsed);
                    self.drop_peer(now, conn, CloseCode::Done);
                }
            }
            LeavesOutcome::Failed => self.leaves.fail(conn),
        }
        self.downloads.mark_all_ready();
    }

    /// Withdraws the request for leaf hashes from a peer that the user took off the sources.
    pub(super) fn withdraw_leaves(&mut self, conn: Conn) {
        if let Some(pending) = self.leaves.pending.filter(|pending| pending.conn == conn) {
            self.swarm.push(Output::Cancel { req: pending.req });
            self.leaves.lost(conn);
            self.downloads.mark_all_ready();
        }
    }

    /// Withdraws an overdue request for leaf hashes and strikes its peer; the deadline is that of the Hello.
    pub(super) fn check_leaves(&mut self, now: Time) {
        let limit = self.swarm.config.limits.hello;
        let Some(late) = self.leaves.pending.filter(|pending| now.since(pending.sent) >= limit) else {
            return;
        };
        self.swarm.push(Output::Cancel { req: late.req });
        self.leaves.fail(late.conn);
        self.breach(now, late.conn, Breach::NoAnswer);
        self.downloads.mark_all_ready();
    }

    pub(super) fn asked_leaves(&mut self, now: Time, ask: Ask, conn: Conn) {
        let serves = self.swarm.serves();
        let most = u64::from(self.swarm.config.terms.chunk_count.div_ceil(MAX_LEAVES)) * MAX_LISTS;
        let Some(peer) = self.swarm.peers.get_mut(&conn) else {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::Cancelled });
            return;
        };
        if peer.phase == Phase::Hello {
            self.ask_early(now, conn, ask, Early::Leaves);
            return;
        }
        if !serves || peer.up.disallowed || !is_greeted(peer) {
            self.turn_down(now, conn, ask, ResetCode::NotPermitted);
            return;
        }
        peer.up.leaf_lists += 1;
        let (id, lists) = (peer.id, peer.up.leaf_lists);
        if lists > most {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::BudgetUsed });
            self.breach(now, conn, Breach::AskFlood);
        } else if !self.swarm.chunks.is_complete() {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::NotHave });
        } else if self.standings.of(id, now).leaf_lists(now) > most * DAYS_LISTS {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::BudgetUsed });
        } else if self.grants_reply(now, conn, Reply::Leaves) {
            self.swarm.push(Output::ServeLeaves { ask });
        } else {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::Busy });
        }
    }

    pub(super) fn asked_manifest(&mut self, now: Time, ask: Ask, conn: Conn) {
        let serves = self.swarm.serves();
        let Some(peer) = self.swarm.peers.get_mut(&conn) else {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::Cancelled });
            return;
        };
        if peer.phase == Phase::Hello {
            self.ask_early(now, conn, ask, Early::Manifest);
            return;
        }
        if !serves || peer.up.disallowed {
            self.turn_down(now, conn, ask, ResetCode::NotPermitted);
            return;
        }
        peer.up.manifests += 1;
        let (id, manifests) = (peer.id, peer.up.manifests);
        if manifests > MAX_MANIFESTS {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::BudgetUsed });
            self.breach(now, conn, Breach::AskFlood);
        } else if self.standings.of(id, now).manifests(now) > DAYS_MANIFESTS {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::BudgetUsed });
        } else if self.grants_reply(now, conn, Reply::Manifest) {
            self.swarm.push(Output::ServeManifest { ask });
        } else {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::Busy });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::events::{Event, Input};
    use super::super::harness::{Harness, SEED, TAKE, having};
    use super::*;
    use minimodel_wire::Bitfield;

    #[test]
    fn b14_leaf_lists_and_manifests_are_given_a_few_times_each() {
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

    #[test]
    fn e4_what_a_rescan_finds_is_not_fetched_though_it_was_asked_for_before() {
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

    #[test]
    fn b22_a_source_without_leaf_hashes_for_us_today_ends_a_repair_and_not_a_fetch() {
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

    #[test]
    fn e13_a_file_to_be_repaired_is_asked_for_only_after_some_of_it_was_found_good() {
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
