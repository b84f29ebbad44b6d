//! Answers to upload requests: which are answered, and in which order.

use minimodel_wire::limits::MAX_LEAVES;
use minimodel_wire::{CloseCode, ResetCode};

use super::answers::Answers;
use super::core::Machine;
use super::downloads::QUOTA_WAIT;
use super::early::{Early, MAX_EARLY};
use super::events::{Ask, Conn, Event, Output, QuotaRefusal, ServeOutcome};
use super::fault::Breach;
use super::peer::{Peer, Phase};
use super::peer_upload::{QuotaWait, UsedQuota};
use super::reply_budgets::Reply;

/// Answers of leaf hashes that one connection may get, in multiples of the whole list.
const MAX_LISTS: u64 = 4;
/// Manifests that one connection may get.
const MAX_MANIFESTS: u64 = 4;
/// Daily limits of one key over all its connections: leaf hashes in multiples of the limit of one connection, for as many
/// files as the upload budget; and manifests. More is refused without a strike: the program may be one that is started
/// every half hour.
const DAYS_LISTS: u64 = 4;
const DAYS_MANIFESTS: u64 = 64;

/// Returns true once the peer's Hello was accepted. Its Bitfield may still be on its way: streams have no order.
fn is_greeted(peer: &Peer) -> bool {
    matches!(peer.phase, Phase::Bitfield | Phase::Ready)
}

impl Machine {
    /// Refuses a request of a kind that an honest peer makes a few times at most.
    pub(super) fn turn_down(&mut self, conn: Conn, ask: Ask, code: ResetCode) {
        let now = self.swarm.now;
        self.swarm.push(Output::Refuse { ask, code });
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if !peer.up.wasted_asks.try_take(now, 1) {
            self.breach(conn, Breach::AskFlood);
        }
    }

    pub(super) fn asked(&mut self, ask: Ask, conn: Conn, index: u32) {
        let now = self.swarm.now;
        let serves = self.swarm.serves();
        let Some(peer) = self.swarm.peers.get_mut(&conn) else {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::Cancelled });
            return;
        };
        if index >= self.swarm.config.terms.chunk_count {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::Malformed });
            self.breach(conn, Breach::BadIndex);
            return;
        }
        match peer.phase {
            Phase::Hello => {
                self.ask_early(conn, ask, Early::Chunk(index));
                return;
            }
            Phase::ManifestOnly => {
                self.turn_down(conn, ask, ResetCode::NotPermitted);
                return;
            }
            // Before its Bitfield a peer is choked, like any new peer.
            Phase::Bitfield | Phase::Ready => {}
        }
        if !serves {
            self.turn_down(conn, ask, ResetCode::NotPermitted);
            return;
        }
        let limits = &self.swarm.config.limits;
        let code = if peer.up.waiting.len() + peer.up.active.len() >= limits.max_asks {
            ResetCode::Busy
        } else if !peer.up.unchoked {
            ResetCode::Choked
        } else if !self.swarm.chunks.have().get(index) {
            if self.swarm.chunks.lost.contains(index) { ResetCode::SourceChanged } else { ResetCode::NotHave }
        } else if peer.up.copies.is_worn(index) {
            ResetCode::BudgetUsed
        } else {
            peer.up.waiting.push_back((ask, index));
            self.choker.begin_turn(peer, now);
            self.swarm.asks.insert(ask, conn);
            self.answer_next();
            self.refuse_if_over_quota(conn);
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
        self.turn_down(conn, ask, code);
    }

    pub(super) fn ask_early(&mut self, conn: Conn, ask: Ask, early: Early) {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if peer.up.early.len() >= MAX_EARLY {
            self.turn_down(conn, ask, ResetCode::Busy);
            return;
        }
        peer.up.early.push((ask, early));
        self.swarm.asks.insert(ask, conn);
    }

    /// Answers or refuses the early requests, once the Hello or the ManifestOnly was accepted.
    pub(super) fn answer_early(&mut self, conn: Conn) {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        for (ask, early) in std::mem::take(&mut peer.up.early) {
            // If one of them ended the connection, the others were refused with it.
            if self.swarm.asks.remove(&ask).is_none() {
                continue;
            }
            match early {
                Early::Chunk(index) => self.asked(ask, conn, index),
                Early::Leaves => self.asked_leaves(ask, conn),
                Early::Manifest => self.asked_manifest(ask, conn),
            }
        }
    }

    pub(super) fn asked_leaves(&mut self, ask: Ask, conn: Conn) {
        let now = self.swarm.now;
        let serves = self.swarm.serves();
        let most = u64::from(self.swarm.config.terms.chunk_count.div_ceil(MAX_LEAVES)) * MAX_LISTS;
        let Some(peer) = self.swarm.peers.get_mut(&conn) else {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::Cancelled });
            return;
        };
        if peer.phase == Phase::Hello {
            self.ask_early(conn, ask, Early::Leaves);
            return;
        }
        if !serves || peer.up.disallowed || !is_greeted(peer) {
            self.turn_down(conn, ask, ResetCode::NotPermitted);
            return;
        }
        peer.up.replies.leaf_lists += 1;
        let (id, lists) = (peer.id, peer.up.replies.leaf_lists);
        if lists > most {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::BudgetUsed });
            self.breach(conn, Breach::AskFlood);
        } else if !self.swarm.chunks.is_complete() {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::NotHave });
        } else if self.standings.of(id, now).leaf_lists(now) > most * DAYS_LISTS {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::BudgetUsed });
        } else if self.reply_budgets.grants(&self.swarm, &self.standings, conn, Reply::Leaves) {
            self.swarm.push(Output::ServeLeaves { ask });
        } else {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::Busy });
        }
    }

    pub(super) fn asked_manifest(&mut self, ask: Ask, conn: Conn) {
        let now = self.swarm.now;
        let serves = self.swarm.serves();
        let Some(peer) = self.swarm.peers.get_mut(&conn) else {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::Cancelled });
            return;
        };
        if peer.phase == Phase::Hello {
            self.ask_early(conn, ask, Early::Manifest);
            return;
        }
        if !serves || peer.up.disallowed {
            self.turn_down(conn, ask, ResetCode::NotPermitted);
            return;
        }
        peer.up.replies.manifests += 1;
        let (id, manifests) = (peer.id, peer.up.replies.manifests);
        if manifests > MAX_MANIFESTS {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::BudgetUsed });
            self.breach(conn, Breach::AskFlood);
        } else if self.standings.of(id, now).manifests(now) > DAYS_MANIFESTS {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::BudgetUsed });
        } else if self.reply_budgets.grants(&self.swarm, &self.standings, conn, Reply::Manifest) {
            self.swarm.push(Output::ServeManifest { ask });
        } else {
            self.swarm.push(Output::Refuse { ask, code: ResetCode::Busy });
        }
    }

    pub(super) fn served(&mut self, ask: Ask, outcome: ServeOutcome) {
        let now = self.swarm.now;
        let Some(conn) = self.swarm.asks.remove(&ask) else { return };
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        let was_begun = peer.up.active.remove(&ask).is_some();
        peer.up.waiting.retain(|&(waiting, _)| waiting != ask);
        peer.up.early.retain(|&(early, _)| early != ask);
        if matches!(peer.up.quota_wait, Some(QuotaWait::Until(_))) {
            // What was in flight to the peer itself may have taken the room.
            peer.up.quota_wait = None;
        }
        match outcome {
            ServeOutcome::Done { bytes } | ServeOutcome::Cancelled { bytes } if bytes > 0 => {
                peer.up.bytes += bytes;
                self.choker.slots.sent(bytes);
                let peer = peer.id;
                self.standings.of(peer, now).took(now, 1);
                self.answers.gave(&self.swarm, &mut self.standings, peer, bytes);
                if matches!(outcome, ServeOutcome::Done { .. }) {
                    self.standings.of(peer, now).moved(bytes);
                    self.swarm.event(Event::Uploaded { peer, bytes });
                    self.choker.count_turn(&mut self.swarm, conn);
                }
            }
            ServeOutcome::Cancelled { .. } if was_begun => self.count_wasted_read(conn),
            ServeOutcome::Done { .. } | ServeOutcome::Cancelled { .. } | ServeOutcome::Withdrawn => {}
            ServeOutcome::TooSlow => self.breach(conn, Breach::NotReading),
            ServeOutcome::HeldBack { index, refusal } => self.wait_for_quota(conn, ask, index, refusal),
        }
        self.refuse_if_over_quota(conn);
        self.answer_next();
    }

    /// Puts a request back into the queue, since a quota did not let its chunk pass; see [`QuotaWait`].
    fn wait_for_quota(&mut self, conn: Conn, ask: Ask, index: u32, refusal: QuotaRefusal) {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        peer.up.copies.uncount(index);
        // The peer was choked or the chunk was lost meanwhile; waiting requests were refused then.
        let moot = match (peer.up.unchoked, self.swarm.chunks.have().get(index)) {
            (true, true) => None,
            (false, _) => Some(ResetCode::Choked),
            (true, false) => Some(ResetCode::SourceChanged),
        };
        if let Some(code) = moot {
            self.swarm.refuse(ask, code);
            return;
        }
        let place = peer.up.waiting.partition_point(|&(waiting, _)| waiting < ask);
        peer.up.waiting.insert(place, (ask, index));
        self.swarm.asks.insert(ask, conn);
        let until = self.swarm.now + QUOTA_WAIT;
        peer.up.quota_wait = Some(match refusal {
            QuotaRefusal::UsedUp => QuotaWait::UsedUp,
            QuotaRefusal::InFlight => QuotaWait::Until(until),
        });
        if refusal == QuotaRefusal::InFlight {
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
    pub(super) fn refuse_if_over_quota(&mut self, conn: Conn) {
        if let Some(quota) = Answers::exceeded(&self.swarm, &self.standings, conn) {
            self.refuse_over_quota(conn, quota);
        }
    }

    /// Stops serving a peer whose quota is used up: with a close code that ends its retries or, if it is a source that we
    /// want, with a choke.
    fn refuse_over_quota(&mut self, conn: Conn, quota: UsedQuota) {
        self.answers.stop(&mut self.swarm, conn, quota);
        if self.swarm.peers.get(&conn).is_some_and(|peer| self.swarm.is_wanted_source(peer)) {
            self.choker.choke(&mut self.swarm, conn);
            self.choker.fill_slots(&mut self.swarm);
            return;
        }
        // Sends no Bye, which would overtake the chunks that the driver still delivers before it closes.
        self.drop_peer(conn, CloseCode::BudgetUsed);
    }

    /// Re-evaluates peers over quota: those that may have chunks again may be unchoked; those kept only as sources are
    /// closed once they are sources no more.
    pub(super) fn reevaluate_quotas(&mut self) {
        // Only a new attempt tells whether a quota has room again.
        self.swarm.peers.values_mut().for_each(|peer| peer.up.quota_wait = None);
        self.answers.reevaluate(&self.swarm, &self.standings);
        let is_over_quota = |(&conn, peer): (&Conn, &Peer)| Some((conn, peer.id, peer.up.over_quota?));
        let conns: Vec<_> = self.swarm.peers.iter().filter_map(is_over_quota).collect();
        let mut is_changed = false;
        for (conn, id, quota) in conns {
            let is_used_up = quota.is_used_up(&self.swarm, &self.standings, id);
            let Some(peer) = self.swarm.peers.get(&conn) else { continue };
            if !is_used_up {
                is_changed = true;
                if let Some(peer) = self.swarm.peers.get_mut(&conn) {
                    peer.up.over_quota = None;
                }
            } else if !self.swarm.is_wanted_source(peer) {
                self.drop_peer(conn, CloseCode::BudgetUsed);
            }
        }
        if is_changed {
            self.choker.fill_slots(&mut self.swarm);
        }
    }

    /// Handles an answer that its peer withdrew before a byte of it was sent. It counts as a chunk of the key's day and
    /// as a refused request; an unknown key whose site has used up its share is closed.
    pub(super) fn count_wasted_read(&mut self, conn: Conn) {
        let now = self.swarm.now;
        let chunk = u64::from(self.swarm.config.terms.chunk_size);
        let is_unknown = self
            .swarm
            .peers
            .get(&conn)
            .is_some_and(|peer| self.standings.moved(peer.id) < self.swarm.config.terms.least_use());
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        let (id, site) = (peer.id, peer.site);
        let is_flood = !peer.up.wasted_asks.try_take(now, 1);
        self.standings.of(id, now).took(now, 1);
        if is_unknown {
            self.wasted_reads.charge(now, site, chunk);
        }
        if is_flood {
            self.breach(conn, Breach::AskFlood);
        }
        if is_unknown && self.wasted_reads.is_used_up(now, site) {
            self.drop_peer(conn, CloseCode::Busy);
        }
    }
}

#[cfg(test)]
mod tests;
