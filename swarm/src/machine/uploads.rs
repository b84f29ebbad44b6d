//! Answers to upload requests: which are answered, and in which order.

use minimodel_wire::{CloseCode, ResetCode};

use super::core::Machine;
use super::downloads::QUOTA_WAIT;
use super::early::Early;
use super::events::{Ask, Conn, Event, Output, ServeOutcome};
use super::fault::Breach;
use super::peer::{Peer, Phase, QuotaWait};
use super::time::Time;

/// How often one peer may get one chunk again: for a hedge, a crash, a bad disk; not as a habit.
const MAX_REPEATS: u8 = 8;
/// Chunks of which one peer may get more than one copy.
const MAX_REPEATED: usize = 1_024;
/// Chunks that the daily budget has beyond its multiple of the file, for small files.
pub(super) const SPARE_CHUNKS: u64 = 64;
impl Machine {
    /// Refuses a request of a kind that an honest peer makes a few times at most.
    pub(super) fn turn_down(&mut self, now: Time, conn: Conn, ask: Ask, code: ResetCode) {
        self.swarm.push(Output::Refuse { ask, code });
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if !peer.up.wasted_asks.try_take(now, 1) {
            self.breach(now, conn, Breach::AskFlood);
        }
    }

    pub(super) fn asked(&mut self, now: Time, ask: Ask, conn: Conn, index: u32) {
        let serves = self.swarm.serves();
        let Some(peer) = self.swarm.peers.get_mut(&conn) else {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::Cancelled });
            return;
        };
        if index >= self.swarm.config.terms.chunk_count {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::Malformed });
            self.breach(now, conn, Breach::BadIndex);
            return;
        }
        match peer.phase {
            Phase::Hello => {
                self.ask_early(now, conn, ask, Early::Chunk(index));
                return;
            }
            Phase::ManifestOnly => {
                self.turn_down(now, conn, ask, ResetCode::NotPermitted);
                return;
            }
            // Before its Bitfield a peer is choked, like any new peer.
            Phase::Bitfield | Phase::Ready => {}
        }
        if !serves {
            self.turn_down(now, conn, ask, ResetCode::NotPermitted);
            return;
        }
        let limits = &self.swarm.config.limits;
        let repeats = peer.up.repeats.get(&index).copied().unwrap_or(0);
        let is_repeat = peer.up.sent.as_ref().is_some_and(|sent| sent.get(index));
        let is_worn = repeats >= MAX_REPEATS || (is_repeat && peer.up.repeats.len() >= MAX_REPEATED);
        let code = if peer.up.waiting.len() + peer.up.active.len() >= limits.max_asks {
            ResetCode::Busy
        } else if !peer.up.unchoked {
            ResetCode::Choked
        } else if !self.swarm.chunks.have().get(index) {
            if self.swarm.chunks.lost.contains(index) { ResetCode::SourceChanged } else { ResetCode::NotHave }
        } else if is_worn {
            ResetCode::BudgetUsed
        } else {
            peer.up.waiting.push_back((ask, index));
            self.choker.begin_turn(peer, now);
            self.swarm.asks.insert(ask, conn);
            self.answer_next();
            self.refuse_if_over_quota(now, conn);
            return;
        };
        if code == ResetCode::Choked {
            peer.outbox.refused_as_choked();
            if peer.up.crossing > 0 {
                peer.up.crossing -= 1;
                self.swarm.push(Output::Refuse { ask, code });
                return;
            }
        }
        self.turn_down(now, conn, ask, code);
    }

    pub(super) fn served(&mut self, now: Time, ask: Ask, outcome: ServeOutcome) {
        let Some(conn) = self.swarm.asks.remove(&ask) else { return };
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        let was_begun = peer.up.active.remove(&ask).is_some();
        peer.up.waiting.retain(|&(waiting, _)| waiting != ask);
        peer.up.early.retain(|&(early, _)| early != ask);
        match outcome {
            ServeOutcome::Done { bytes } | ServeOutcome::Cancelled { bytes } if bytes > 0 => {
                peer.up.bytes += bytes;
                self.choker.sent(bytes);
                let peer = peer.id;
                self.standings.of(peer, now).took(now, 1);
                self.answers.gave(&self.swarm, &mut self.standings, peer, bytes);
                if matches!(outcome, ServeOutcome::Done { .. }) {
                    self.standings.of(peer, now).moved(bytes);
                    self.swarm.event(Event::Uploaded { peer, bytes });
                    self.choker.count_turn(&mut self.swarm, conn);
                }
            }
            ServeOutcome::Cancelled { .. } if was_begun => self.count_wasted_read(now, conn),
            ServeOutcome::Done { .. } | ServeOutcome::Cancelled { .. } | ServeOutcome::Withdrawn => {}
            ServeOutcome::TooSlow => self.breach(now, conn, Breach::NotReading),
            ServeOutcome::HeldBack { index, is_used_up } => {
                self.wait_for_quota(now, (conn, ask, index), is_used_up);
            }
        }
        self.refuse_if_over_quota(now, conn);
        self.answer_next();
    }

    /// Puts a request back into the queue, since a shared quota did not let its chunk pass; see [`QuotaWait`].
    fn wait_for_quota(&mut self, now: Time, (conn, ask, index): (Conn, Ask, u32), is_used_up: bool) {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        peer.up.uncount(index);
        // The peer was choked or the chunk was lost meanwhile; waiting requests were refused then.
        let refusal = match (peer.up.unchoked, self.swarm.chunks.have().get(index)) {
            (true, true) => None,
            (false, _) => Some(ResetCode::Choked),
            (true, false) => Some(ResetCode::SourceChanged),
        };
        if let Some(code) = refusal {
            self.swarm.refuse(ask, code);
            return;
        }
        let place = peer.up.waiting.partition_point(|&(waiting, _)| waiting < ask);
        peer.up.waiting.insert(place, (ask, index));
        self.swarm.asks.insert(ask, conn);
        let until = now + QUOTA_WAIT;
        peer.up.quota_wait = Some(if is_used_up { QuotaWait::UsedUp } else { QuotaWait::Until(until) });
        if !is_used_up {
            self.downloads.resume_at(until);
        }
    }

    pub(super) fn refuse_waiting_for(&mut self, index: u32) {
        let mut refused = Vec::new();
        for peer in self.swarm.peers.values_mut() {
            peer.up.waiting.retain(|&(ask, waiting)| {
                if waiting == index {
                    refused.push(ask);
                }
                waiting != index
            });
        }
        for ask in refused {
            self.swarm.refuse(ask, ResetCode::SourceChanged);
        }
    }

    /// Starts answers as far as slots, memory and quotas allow.
    pub(super) fn answer_next(&mut self) {
        self.answers.begin(&mut self.swarm, &self.choker, &mut self.standings);
    }

    /// Refuses a peer whose next request exceeds a quota.
    pub(super) fn refuse_if_over_quota(&mut self, now: Time, conn: Conn) {
        if let Some(len) = self.answers.exceeded(&self.swarm, &self.standings, conn) {
            self.refuse_over_quota(now, conn, len);
        }
    }

    /// Refuses peers whose next request no longer fits the allowance of all peers together, since another peer took the rest.
    pub(super) fn refuse_all_over_quota(&mut self, now: Time) {
        if self.swarm.config.controls.serve_allowance.is_some() {
            let conns: Vec<Conn> = self.choker.unchoked.iter().copied().collect();
            for conn in conns {
                self.refuse_if_over_quota(now, conn);
            }
        }
    }

    /// Stops serving a peer whose quota is used up: with a close code that ends its retries or, if it is a source that we
    /// want, with a choke. `len`: bytes of the chunk that did not fit.
    fn refuse_over_quota(&mut self, now: Time, conn: Conn, len: u32) {
        self.answers.stop(&mut self.swarm, conn, len);
        if self.swarm.peers.get(&conn).is_some_and(|peer| self.swarm.is_wanted_source(peer)) {
            self.choker.choke(&mut self.swarm, conn);
            self.choker.fill_slots(&mut self.swarm);
            return;
        }
        // Sends no Bye, which would overtake the chunks that the driver still delivers before it closes.
        self.drop_peer(now, conn, CloseCode::BudgetUsed);
    }

    /// Re-evaluates peers over quota: those with allowance again may be unchoked; those kept only as sources are closed
    /// once they are sources no more.
    pub(super) fn reevaluate_quotas(&mut self, now: Time) {
        // Only a new attempt tells whether a quota shared with other sessions has room again.
        self.swarm.peers.values_mut().for_each(|peer| peer.up.quota_wait = None);
        self.answers.reevaluate(&self.swarm, &self.standings);
        let is_over_quota = |(&conn, peer): (&Conn, &Peer)| Some((conn, peer.id, peer.up.over_quota?));
        let conns: Vec<_> = self.swarm.peers.iter().filter_map(is_over_quota).collect();
        let mut is_changed = false;
        for (conn, id, len) in conns {
            let may_have = self.answers.may_have(&self.swarm, &self.standings, id, len);
            let Some(peer) = self.swarm.peers.get(&conn) else { continue };
            if may_have {
                is_changed = true;
                if let Some(peer) = self.swarm.peers.get_mut(&conn) {
                    peer.up.over_quota = None;
                }
            } else if !self.swarm.is_wanted_source(peer) {
                self.drop_peer(now, conn, CloseCode::BudgetUsed);
            }
        }
        if is_changed {
            self.choker.fill_slots(&mut self.swarm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::events::Input;
    use super::super::harness::{Harness, SEED, TAKE, both, having, id};
    use super::*;
    use minimodel_wire::{Bitfield, CloseCode, Frame};

    fn refusals(harness: &mut Harness) -> Vec<(u64, ResetCode)> {
        let refusal =
            |output| if let Output::Refuse { ask, code } = output { Some((ask.0, code)) } else { None };
        harness.said().into_iter().filter_map(refusal).collect()
    }

    #[test]
    fn a_choke_refuses_what_waits_and_lets_what_runs_end() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.frame(1, Frame::Interested);
        assert!(harness.frames(1).contains(&Frame::Unchoke));
        for n in 0..10 {
            harness.ask(1, n, n as u32);
        }
        let served = harness.said().iter().filter(|output| matches!(output, Output::Serve { .. })).count();
        assert_eq!(served, 8);
        harness.frame(1, Frame::NotInterested);
        assert_eq!(refusals(&mut harness), [(8, ResetCode::Choked), (9, ResetCode::Choked)]);
        harness.tell(Input::Served { ask: Ask(0), outcome: ServeOutcome::Done { bytes: 5 } });
        assert_eq!(harness.events(), [Event::Uploaded { peer: id(1), bytes: 5 }]);
    }

    #[test]
    fn b14_asks_in_vain_are_a_flood_only_beyond_what_a_choke_can_cause() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.said();
        for n in 0..320 {
            harness.ask(1, n, 0);
        }
        assert_eq!(harness.events(), []);
        for n in 320..323 {
            harness.ask(1, n, 0);
        }
        assert_eq!(harness.machine.progress().peers, 0, "struck three times");
    }

    #[test]
    fn e14_a_chunk_that_was_lost_is_refused_without_a_lie() {
        let mut harness = Harness::new(both(), Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.frame(1, Frame::Interested);
        harness.said();
        harness.tell(Input::ChunkLost { index: 3 });
        assert_eq!(harness.frames(1), [Frame::DontHave { index: 3 }]);
        harness.ask(1, 0, 3);
        assert_eq!(refusals(&mut harness), [(0, ResetCode::SourceChanged)]);
    }

    #[test]
    fn b22_a_key_that_took_the_file_too_often_is_told_so_and_gets_no_more_today() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.frame(1, Frame::Interested);
        let budget = 20 * harness.machine.swarm.config.limits.upload_budget_files + SPARE_CHUNKS;
        harness.machine.standings.of(id(1), Time::ZERO).took(Time::ZERO, budget);
        harness.said();
        harness.ask(1, 0, 3);
        assert_eq!(harness.closes(), [(1, CloseCode::BudgetUsed)]);
    }

    /// A busy seeder has many requests waiting before it has sent the first of them: only answers use up the budget.
    #[test]
    fn b22_requests_that_came_before_the_first_answer_are_held_to_the_budget_too() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.frame(1, Frame::Interested);
        let budget = harness.machine.swarm.config.day_budget();
        harness.machine.standings.of(id(1), Time::ZERO).took(Time::ZERO, budget - 3);
        harness.said();
        (0..10).for_each(|n| harness.ask(1, n, n as u32));
        let served = |said: &[Output]| said.iter().filter(|out| matches!(out, Output::Serve { .. })).count();
        assert_eq!(served(&harness.said()), 3);
        for n in 0..3 {
            assert_eq!(harness.closes(), []);
            harness.tell(Input::Served { ask: Ask(n), outcome: ServeOutcome::Done { bytes: 100 } });
        }
        let said = harness.said();
        assert_eq!(served(&said), 0);
        assert!(said.iter().any(|out| matches!(out, Output::Close { code: CloseCode::BudgetUsed, .. })));
    }

    /// Otherwise a key that leaves just before the driver reports its chunks as sent would take chunks without end.
    #[test]
    fn b22_what_was_being_answered_when_a_peer_left_counts_for_its_day() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.frame(1, Frame::Interested);
        for n in 0..10 {
            harness.ask(1, n, n as u32);
        }
        harness.tell(Input::Served { ask: Ask(0), outcome: ServeOutcome::Done { bytes: 100 } });
        harness.tell(Input::Closed { conn: super::super::events::Conn(1), code: Some(CloseCode::Done) });
        // One chunk was sent whole and eight were begun; the last request waited.
        assert_eq!(harness.machine.standings.taken(id(1), Time::ZERO), 9);
    }

    #[test]
    fn b14_the_same_chunk_is_sent_nine_times_and_then_no_more() {
        let mut harness = Harness::new(SEED, Bitfield::full(20));
        harness.join(1, TAKE, having([]));
        harness.frame(1, Frame::Interested);
        for n in 0..9 {
            harness.ask(1, n, 3);
            harness.tell(Input::Served { ask: Ask(n), outcome: ServeOutcome::Done { bytes: 100 } });
        }
        harness.said();
        harness.ask(1, 9, 3);
        assert_eq!(refusals(&mut harness), [(9, ResetCode::BudgetUsed)]);
    }

    #[test]
    fn b17_what_others_were_given_when_fewer_were_served_and_do_not_read_keeps_nobody_waiting() {
        let mut harness = Harness::with(SEED, Bitfield::full(20), |config| {
            config.terms.chunk_size = 256 << 10;
            config.terms.byte_count = 20 * (256 << 10);
        });
        let mut ask = 0;
        let mut ask_much = |harness: &mut Harness, n: u8| {
            harness.join(n, TAKE, having([]));
            harness.frame(n.into(), Frame::Interested);
            for index in 0..20 {
                ask += 1;
                harness.ask(n.into(), ask, index);
            }
        };
        for n in 1..=8 {
            ask_much(&mut harness, n);
        }
        let honest = &harness.peer(8).up;
        assert!(!honest.active.is_empty(), "seven that read nothing hold all that may run");
    }

    #[test]
    fn the_more_are_served_the_fewer_answers_run_for_each() {
        let running = |peers: u8| {
            let mut harness = Harness::with(SEED, Bitfield::full(20), |config| {
                config.terms.chunk_size = 1 << 20;
                config.terms.byte_count = 20 << 20;
            });
            for n in 1..=peers {
                harness.join(n, TAKE, having([]));
                harness.frame(n.into(), Frame::Interested);
            }
            for index in 0..6 {
                for n in 1..=peers {
                    harness.ask(n.into(), 100 * u64::from(n) + u64::from(index), index);
                }
            }
            // Answers from the time when fewer peers were served end first.
            for index in 0..3 {
                for n in 1..=peers {
                    let ask = Ask(100 * u64::from(n) + index);
                    harness.tell(Input::Served { ask, outcome: ServeOutcome::Done { bytes: 1 << 20 } });
                }
            }
            harness.machine.swarm.peers.values().map(|peer| peer.up.active.len()).max()
        };
        assert_eq!([1, 2, 8].map(running), [Some(3), Some(3), Some(1)]);
    }
}
