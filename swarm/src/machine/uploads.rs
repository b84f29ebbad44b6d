//! Whom we serve: slots, reciprocity, and whose ask is answered next.

use minimodel_wire::{CloseCode, Consent, Frame, ResetCode};

use super::core::Machine;
use super::events::{Ask, Conn, Event, Output, ServeOutcome};
use super::fault::Breach;
use super::peer::Phase;
use super::time::Time;

/// How often one peer may have one chunk again: a hedge, a crash, a bad disk; not a habit.
const MAX_REPEATS: u8 = 8;
/// Chunks of which one peer may have more than one copy.
const MAX_REPEATED: usize = 1_024;
/// Chunks beyond the budget in files, for small files.
const SPARE_CHUNKS: u64 = 64;

impl Machine {
    pub(super) fn interested(&mut self, now: Time, conn: Conn) {
        let serves = self.serves();
        let free = self.slots_used() < self.config.limits.upload_slots;
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if !peer.consent.contains(Consent::FETCH) {
            self.breach(now, conn, Breach::WrongState);
            return;
        }
        self.askers += u32::from(!std::mem::replace(&mut peer.up.interested, true));
        if serves && free && !peer.up.unchoked {
            self.unchoke(conn);
        }
    }

    pub(super) fn not_interested(&mut self, conn: Conn) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            self.askers -= u32::from(std::mem::replace(&mut peer.up.interested, false));
        }
        self.choke(conn);
        self.rechoke();
    }

    fn slots_used(&self) -> usize {
        self.unchoked.len()
    }

    fn unchoke(&mut self, conn: Conn) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if !peer.up.unchoked {
            peer.up.unchoked = true;
            self.unchoked.insert(conn);
            self.send(conn, Frame::Unchoke);
        }
    }

    /// Ends the peer's turn: what runs is finished, what waits is refused.
    fn choke(&mut self, conn: Conn) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if !peer.up.unchoked {
            return;
        }
        peer.up.unchoked = false;
        self.unchoked.remove(&conn);
        let waiting: Vec<Ask> = peer.up.waiting.drain(..).map(|(ask, _)| ask).collect();
        self.send(conn, Frame::Choke);
        for ask in waiting {
            self.refuse(ask, ResetCode::Choked);
        }
    }

    fn refuse(&mut self, ask: Ask, code: ResetCode) {
        self.asks.remove(&ask);
        self.push(Output::Refuse { ask, code });
    }

    /// Deals the upload slots anew because it is time: what each gave since the last time fades by half.
    pub(super) fn rechoke_on_time(&mut self, now: Time) {
        for peer in self.peers.values_mut() {
            let total = peer.down.meter.total();
            let (before, given) = peer.down.given;
            peer.down.given = (total, given / 2 + (total - before));
            let moved = peer.up.bytes != std::mem::replace(&mut peer.up.bytes_before, peer.up.bytes);
            if moved {
                peer.up.idle_rounds = 0;
            } else if peer.up.unchoked && peer.up.active.is_empty() {
                // It holds a slot and asks for nothing.
                peer.up.idle_rounds = peer.up.idle_rounds.saturating_add(1);
            }
        }
        if now >= self.next_optimistic {
            self.next_optimistic = now + self.config.limits.optimistic;
            self.optimistic = None;
        }
        self.rechoke();
    }

    /// Deals the upload slots. Leechers favour those who give to them (BEP 3's tit for tat); a seeder favours those
    /// who got least. Whoever held a slot for a round and asked for nothing goes last. One slot of a leecher moves on by
    /// chance, so that newcomers can show what they have.
    pub(super) fn rechoke(&mut self) {
        if !self.serves() || self.stopping {
            return;
        }
        let seeding = self.chunks.is_complete();
        let mut wanting: Vec<(u32, u64, u64, Conn)> = Vec::new();
        for (&conn, peer) in &self.peers {
            if peer.phase == Phase::Ready && peer.up.interested {
                let given = if seeding { 0 } else { peer.down.given.1 };
                wanting.push((peer.up.idle_rounds, u64::MAX - given, peer.up.bytes, conn));
            }
        }
        let slots = self.config.limits.upload_slots;
        wanting.sort_unstable();
        let mut chosen: Vec<Conn> = wanting.iter().map(|&(_, _, _, conn)| conn).collect();
        let others = chosen.split_off(slots.min(chosen.len()));
        if !others.is_empty() && !seeding && slots > 1 {
            // With one slot alone, chance would leave nothing for those who give.
            let kept = self.optimistic.filter(|conn| others.contains(conn));
            let lucky = kept.or_else(|| others.get(self.rng.usize(..others.len())).copied());
            self.optimistic = lucky;
            chosen.pop();
            chosen.extend(lucky);
        }
        for &(_, _, _, conn) in &wanting {
            if !chosen.contains(&conn) {
                self.choke(conn);
            }
        }
        for conn in chosen {
            self.unchoke(conn);
        }
    }

    pub(super) fn asked(&mut self, now: Time, ask: Ask, conn: Conn, index: u32) {
        let serves = self.serves();
        let Some(peer) = self.peers.get_mut(&conn).filter(|peer| serves && peer.phase == Phase::Ready) else {
            self.push(Output::Refuse { ask, code: ResetCode::NotPermitted });
            self.breach(now, conn, Breach::WrongState);
            return;
        };
        if index >= self.config.terms.chunk_count {
            self.push(Output::Refuse { ask, code: ResetCode::Malformed });
            self.breach(now, conn, Breach::BadIndex);
            return;
        }
        let limits = &self.config.limits;
        let budget = u64::from(self.config.terms.chunk_count) * limits.upload_budget_files + SPARE_CHUNKS;
        let repeats = peer.up.repeats.get(&index).copied().unwrap_or(0);
        let is_repeat = peer.up.sent.as_ref().is_some_and(|sent| sent.get(index));
        let is_worn = repeats >= MAX_REPEATS || (is_repeat && peer.up.repeats.len() >= MAX_REPEATED);
        let code = if peer.up.waiting.len() + peer.up.active.len() >= limits.max_asks {
            ResetCode::Busy
        } else if !peer.up.unchoked {
            ResetCode::Choked
        } else if !self.chunks.have().get(index) {
            if self.lost.contains(&index) { ResetCode::SourceChanged } else { ResetCode::NotHave }
        } else if is_worn {
            ResetCode::BudgetUsed
        } else if self.standings.of(peer.id, now).taken(now) >= budget {
            // Said with a code that ends its tries: nothing more comes from us today.
            self.push(Output::Refuse { ask, code: ResetCode::BudgetUsed });
            self.send(conn, Frame::Bye { code: CloseCode::BudgetUsed });
            self.drop_peer(now, conn, CloseCode::BudgetUsed);
            return;
        } else {
            peer.up.waiting.push_back((ask, index));
            self.asks.insert(ask, conn);
            self.answer_next();
            return;
        };
        let is_flood = !peer.up.in_vain.try_take(now, 1);
        self.push(Output::Refuse { ask, code });
        if is_flood {
            self.breach(now, conn, Breach::AskFlood);
        }
    }

    pub(super) fn served(&mut self, now: Time, ask: Ask, outcome: ServeOutcome) {
        let Some(conn) = self.asks.remove(&ask) else { return };
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        self.answering -= usize::from(peer.up.active.remove(&ask));
        peer.up.waiting.retain(|&(waiting, _)| waiting != ask);
        match outcome {
            ServeOutcome::Done { bytes } | ServeOutcome::Cancelled { bytes } if bytes > 0 => {
                peer.up.bytes += bytes;
                let peer = peer.id;
                self.standings.of(peer, now).took(now);
                self.event(Event::Uploaded { peer, bytes });
            }
            ServeOutcome::Done { .. } | ServeOutcome::Cancelled { .. } => {}
            ServeOutcome::TooSlow => self.breach(now, conn, Breach::NotReading),
        }
        self.answer_next();
    }

    pub(super) fn refuse_waiting_for(&mut self, index: u32) {
        let mut refused = Vec::new();
        for peer in self.peers.values_mut() {
            peer.up.waiting.retain(|&(ask, waiting)| {
                if waiting == index {
                    refused.push(ask);
                }
                waiting != index
            });
        }
        for ask in refused {
            self.refuse(ask, ResetCode::SourceChanged);
        }
    }

    /// Answers those first who got least, so that shares are fair by key.
    pub(super) fn answer_next(&mut self) {
        let per_peer = self.config.limits.active_asks(self.config.terms.chunk_size);
        let most = self.config.limits.upload_slots * per_peer;
        let chunk_count = self.config.terms.chunk_count;
        while self.answering < most {
            // Only who holds a slot may wait.
            let next = self
                .unchoked
                .iter()
                .filter_map(|conn| Some((conn, &self.peers.get(conn)?.up)))
                .filter(|(_, up)| !up.waiting.is_empty() && up.active.len() < per_peer)
                .min_by_key(|(_, up)| (up.active.len(), up.bytes));
            let Some((&conn, _)) = next else { return };
            let Some(peer) = self.peers.get_mut(&conn) else { return };
            let Some((ask, index)) = peer.up.waiting.pop_front() else { return };
            peer.up.active.insert(ask);
            peer.up.count(index, chunk_count);
            self.answering += 1;
            self.push(Output::Serve { ask, index });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::desk::{Desk, SEED, TAKE, both, having, id};
    use super::super::events::Input;
    use super::*;
    use minimodel_wire::Bitfield;

    fn refusals(desk: &mut Desk) -> Vec<(u64, ResetCode)> {
        let refusal =
            |output| if let Output::Refuse { ask, code } = output { Some((ask.0, code)) } else { None };
        desk.said().into_iter().filter_map(refusal).collect()
    }

    #[test]
    fn a_choke_refuses_what_waits_and_lets_what_runs_end() {
        let mut desk = Desk::new(SEED, Bitfield::full(20));
        desk.join(1, TAKE, having([]));
        desk.frame(1, Frame::Interested);
        assert!(desk.frames(1).contains(&Frame::Unchoke));
        for n in 0..10 {
            desk.ask(1, n, n as u32);
        }
        let served = desk.said().iter().filter(|output| matches!(output, Output::Serve { .. })).count();
        assert_eq!(served, 8);
        desk.frame(1, Frame::NotInterested);
        assert_eq!(refusals(&mut desk), [(8, ResetCode::Choked), (9, ResetCode::Choked)]);
        desk.tell(Input::Served { ask: Ask(0), outcome: ServeOutcome::Done { bytes: 5 } });
        assert_eq!(desk.events(), [Event::Uploaded { peer: id(1), bytes: 5 }]);
    }

    #[test]
    fn slots_go_to_those_who_got_least() {
        let mut desk = Desk::with(SEED, Bitfield::full(20), |config| config.limits.upload_slots = 2);
        for n in 1..=4 {
            desk.join(n, TAKE, having([]));
            desk.frame(n.into(), Frame::Interested);
        }
        let unchoked = |desk: &Desk| -> Vec<u64> {
            desk.machine.peers.iter().filter(|(_, peer)| peer.up.unchoked).map(|(conn, _)| conn.0).collect()
        };
        assert_eq!(unchoked(&desk), [1, 2]);
        for n in [1, 2] {
            desk.ask(n, n, 0);
            desk.tell(Input::Served { ask: Ask(n), outcome: ServeOutcome::Done { bytes: 100 } });
        }
        desk.wait(Duration::from_secs(11));
        assert_eq!(unchoked(&desk), [3, 4]);
    }

    #[test]
    fn asks_in_vain_are_a_flood_only_beyond_what_a_choke_can_cause() {
        let mut desk = Desk::new(SEED, Bitfield::full(20));
        desk.join(1, TAKE, having([]));
        desk.said();
        for n in 0..128 {
            desk.ask(1, n, 0);
        }
        assert_eq!(desk.events(), []);
        for n in 128..131 {
            desk.ask(1, n, 0);
        }
        assert_eq!(desk.machine.progress().peers, 0, "struck three times");
    }

    #[test]
    fn e14_a_chunk_that_was_lost_is_refused_without_a_lie() {
        let mut desk = Desk::new(both(), Bitfield::full(20));
        desk.join(1, TAKE, having([]));
        desk.frame(1, Frame::Interested);
        desk.said();
        desk.tell(Input::ChunkLost { index: 3 });
        assert_eq!(desk.frames(1), [Frame::DontHave { index: 3 }]);
        desk.ask(1, 0, 3);
        assert_eq!(refusals(&mut desk), [(0, ResetCode::SourceChanged)]);
    }

    #[test]
    fn b22_a_key_that_took_the_file_too_often_is_told_so_and_gets_no_more_today() {
        let mut desk = Desk::new(SEED, Bitfield::full(20));
        desk.join(1, TAKE, having([]));
        desk.frame(1, Frame::Interested);
        let budget = 20 * desk.machine.config.limits.upload_budget_files + SPARE_CHUNKS;
        for _ in 0..budget {
            desk.machine.standings.of(id(1), Time::ZERO).took(Time::ZERO);
        }
        desk.said();
        desk.ask(1, 0, 3);
        assert_eq!(desk.closes(), [(1, CloseCode::BudgetUsed)]);
    }

    #[test]
    fn b18_peers_that_hold_every_slot_and_ask_nothing_do_not_starve_one_that_asks() {
        let mut desk = Desk::new(SEED, Bitfield::full(20));
        let slots = desk.machine.config.limits.upload_slots as u8;
        for n in 1..=slots {
            desk.join(n, TAKE, having([]));
            desk.frame(u64::from(n), Frame::Interested);
        }
        let late = slots + 1;
        desk.join(late, TAKE, having([]));
        desk.frame(u64::from(late), Frame::Interested);
        desk.said();
        let mut served = 0;
        for round in 0..60 {
            desk.wait(Duration::from_secs(10));
            let conn = Conn(u64::from(late));
            if desk.machine.peers.get(&conn).is_some_and(|peer| peer.up.unchoked) {
                desk.ask(u64::from(late), round, (round % 20) as u32);
                desk.tell(Input::Served { ask: Ask(round), outcome: ServeOutcome::Done { bytes: 100 } });
                served += 1;
            }
        }
        assert!(served > 50, "served in {served} of 60 rounds");
    }

    #[test]
    fn b14_the_same_chunk_is_sent_nine_times_and_then_no_more() {
        let mut desk = Desk::new(SEED, Bitfield::full(20));
        desk.join(1, TAKE, having([]));
        desk.frame(1, Frame::Interested);
        for n in 0..9 {
            desk.ask(1, n, 3);
            desk.tell(Input::Served { ask: Ask(n), outcome: ServeOutcome::Done { bytes: 100 } });
        }
        desk.said();
        desk.ask(1, 9, 3);
        assert_eq!(refusals(&mut desk), [(9, ResetCode::BudgetUsed)]);
    }
}
