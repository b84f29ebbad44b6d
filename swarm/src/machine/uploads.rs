//! Whom we serve: slots, reciprocity, and whose ask is answered next.

use minimodel_wire::{Consent, Frame, ResetCode};

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
        peer.up.interested = true;
        if serves && free && !peer.up.unchoked {
            self.unchoke(conn);
        }
    }

    pub(super) fn not_interested(&mut self, now: Time, conn: Conn) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.up.interested = false;
        }
        self.choke(conn);
        self.rechoke(now);
    }

    fn slots_used(&self) -> usize {
        self.peers.values().filter(|peer| peer.up.unchoked).count()
    }

    fn unchoke(&mut self, conn: Conn) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        if !peer.up.unchoked {
            peer.up.unchoked = true;
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
        }
        if now >= self.next_optimistic {
            self.next_optimistic = now + self.config.limits.optimistic;
            self.optimistic = None;
        }
        self.rechoke(now);
    }

    /// Deals the upload slots. Leechers favour those who give to them (BEP 3's tit for tat); a seeder favours those
    /// who got least. One slot of a leecher moves on by chance, so that newcomers can show what they have.
    pub(super) fn rechoke(&mut self, now: Time) {
        if !self.serves() || self.stopping {
            return;
        }
        let seeding = self.chunks.is_complete();
        let mut wanting: Vec<(u64, u64, Conn)> = Vec::new();
        for (&conn, peer) in &self.peers {
            if peer.phase == Phase::Ready && peer.up.interested {
                let given = if seeding { 0 } else { peer.down.given.1 };
                wanting.push((u64::MAX - given, peer.up.bytes, conn));
            }
        }
        let slots = self.config.limits.upload_slots;
        wanting.sort_unstable();
        let mut chosen: Vec<Conn> = wanting.iter().map(|&(_, _, conn)| conn).collect();
        let others = chosen.split_off(slots.min(chosen.len()));
        if !others.is_empty() && !seeding && slots > 1 {
            // With one slot alone, chance would leave nothing for those who give.
            let kept = self.optimistic.filter(|conn| others.contains(conn));
            let lucky = kept.or_else(|| others.get(self.rng.usize(..others.len())).copied());
            self.optimistic = lucky;
            chosen.pop();
            chosen.extend(lucky);
        }
        for &(_, _, conn) in &wanting {
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
        } else if is_worn || self.standings.of(peer.id, now).taken >= budget {
            ResetCode::BudgetUsed
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
        peer.up.active.remove(&ask);
        peer.up.waiting.retain(|&(waiting, _)| waiting != ask);
        match outcome {
            ServeOutcome::Done { bytes } | ServeOutcome::Cancelled { bytes } if bytes > 0 => {
                peer.up.bytes += bytes;
                let peer = peer.id;
                self.standings.of(peer, now).taken += 1;
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
        let mut active: usize = self.peers.values().map(|peer| peer.up.active.len()).sum();
        while active < most {
            let next = self
                .peers
                .values_mut()
                .filter(|peer| !peer.up.waiting.is_empty() && peer.up.active.len() < per_peer)
                .min_by_key(|peer| (peer.up.active.len(), peer.up.bytes));
            let Some(peer) = next else { return };
            let Some((ask, index)) = peer.up.waiting.pop_front() else { return };
            peer.up.active.insert(ask);
            peer.up.count(index, chunk_count);
            active += 1;
            self.push(Output::Serve { ask, index });
        }
    }
}
