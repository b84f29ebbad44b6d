//! Frames of the control stream after Hello and Bitfield, our chunks that come and go, and the controls of the user.

use minimodel_wire::{CloseCode, Consent, Frame, ResetCode};

use super::chunks::ChunkState;
use super::core::Machine;
use super::downloads::Downloads;
use super::events::{Ask, Conn, Output};
use super::exchange;
use super::fault::Breach;
use super::peer::{Peer, Phase};
use super::reply_budgets::Reply;
use super::slot_count::usual_slots;
use super::user_controls::Controls;

impl Machine {
    pub(super) fn frame(&mut self, conn: Conn, frame: Frame) {
        let now = self.swarm.now;
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if !peer.control.try_take(now, 1) {
            self.breach(conn, Breach::ControlFlood);
            return;
        }
        let ready = peer.phase == Phase::Ready;
        match frame {
            Frame::Ignored { .. } => {}
            Frame::Bye { code } => self.bye(conn, code),
            Frame::Hello(hello) => self.hello(conn, &hello),
            Frame::ManifestOnly(asked) => self.manifest_only(conn, &asked),
            Frame::Bitfield(have) => self.bitfield(conn, have),
            _ if !ready => self.breach(conn, Breach::WrongState),
            Frame::Have { indexes } => self.has(conn, &indexes),
            Frame::DontHave { index } => self.has_not(conn, index),
            Frame::Choke => self.downloads.choked(&mut self.swarm, conn),
            Frame::Unchoke => {
                peer.down.choked = false;
                self.downloads.mark_ready(&mut self.swarm, conn);
            }
            Frame::Interested => {
                if let Some(breach) = self.choker.interested(&mut self.swarm, conn) {
                    self.breach(conn, breach);
                }
            }
            Frame::NotInterested => self.choker.not_interested(&mut self.swarm, conn),
            Frame::Peers { offers } => self.offers(conn, &offers),
            Frame::Introduce { peer } => {
                let breach = self.introducer.introduce(&mut self.swarm, &self.standings, conn, peer);
                breach.into_iter().for_each(|breach| self.breach(conn, breach));
            }
            Frame::Meet(meeting) => {
                let Self { meetings, swarm, dialer, standings, .. } = self;
                let breach = meetings.meet(swarm, (dialer, standings), conn, &meeting);
                breach.into_iter().for_each(|breach| self.breach(conn, breach));
            }
            Frame::NoMeet { peer, .. } => self.meetings.not_introduced(&mut self.swarm, conn, peer),
            Frame::Observed { address, nat } => {
                // Nobody asked for the word of a peer that takes no part in the exchange of addresses.
                if exchange::exchanges_addresses(&self.swarm, conn) {
                    if let Some(peer) = self.swarm.peers.get_mut(&conn) {
                        peer.announced.nat = nat;
                    }
                    self.swarm.push(Output::Observed { conn, address: address.get() });
                }
            }
        }
    }

    fn bye(&mut self, conn: Conn, code: CloseCode) {
        self.swarm.push(Output::Close { conn, code: CloseCode::Done });
        self.forget_peer(conn, Some(code), true);
    }

    fn has(&mut self, conn: Conn, indexes: &[u32]) {
        let count = self.swarm.config.terms.chunk_count;
        if indexes.iter().any(|&index| index >= count) {
            self.breach(conn, Breach::BadIndex);
            return;
        }
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        for &index in indexes {
            if peer.announced.have.set(index) {
                // A seed has every bit set, so this peer is partial and counted in the picker.
                self.swarm.chunks.picker.gained(index);
                peer.announced.useful += u32::from(!self.swarm.chunks.have().get(index));
            }
        }
        self.swarm.update_interest(conn);
        self.downloads.mark_ready(&mut self.swarm, conn);
        self.leave_if_useless(conn);
    }

    fn has_not(&mut self, conn: Conn, index: u32) {
        if index >= self.swarm.config.terms.chunk_count {
            self.breach(conn, Breach::BadIndex);
            return;
        }
        if !self.may_take_claim_back(conn) {
            self.drop_peer(conn, CloseCode::Busy);
            return;
        }
        self.forget_claim(conn, index);
        self.refusal_explained(conn, index);
        self.downloads.take_back_chunk(&mut self.swarm, conn, index);
    }

    /// Returns true if the peer may take back that it has a chunk. For a seed the cost is that of a bitfield: its chunks
    /// are counted one by one from then on.
    pub(super) fn may_take_claim_back(&mut self, conn: Conn) -> bool {
        let is_seed = self.swarm.peers.get(&conn).is_some_and(|peer| peer.announced.is_seed);
        !is_seed || self.reply_budgets.grants(&self.swarm, &self.standings, conn, Reply::Bitfield)
    }

    /// Records that the peer does not have the chunk any more.
    pub(super) fn forget_claim(&mut self, conn: Conn, index: u32) {
        let was_seed = self.swarm.peers.count_as_partial(conn);
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if was_seed {
            for held in peer.announced.have.iter_ones() {
                self.swarm.chunks.picker.gained(held);
            }
        }
        if peer.announced.have.clear(index) {
            self.swarm.chunks.picker.lost(index);
            peer.announced.useful -= u32::from(!self.swarm.chunks.have().get(index));
            self.swarm.update_interest(conn);
        }
    }

    /// Marks a chunk as ours: updates counts and interest, and announces it.
    pub(super) fn mark_have(&mut self, index: u32) {
        let now = self.swarm.now;
        self.swarm.chunks.set(index, ChunkState::Have);
        let (serves, complete) = (self.swarm.serves(), self.swarm.chunks.is_complete());
        let delay = self.swarm.config.limits.have_delay;
        let (mut changed, mut told) = (Vec::new(), Vec::new());
        for (&conn, peer) in self.swarm.peers.iter_mut() {
            if peer.phase == Phase::Hello || peer.phase == Phase::ManifestOnly {
                continue;
            }
            let had =
                peer.phase == Phase::Ready && (peer.announced.is_seed || peer.announced.have.get(index));
            if had {
                peer.announced.useful -= 1;
            } else if serves {
                peer.outbox.have(now, index, delay);
                told.push(conn);
            }
            if complete || (had && peer.announced.useful == 0) {
                changed.push(conn);
            }
        }
        for conn in told {
            self.swarm.announcer.has_word(conn);
        }
        for conn in changed {
            self.swarm.update_interest(conn);
            self.leave_if_useless(conn);
        }
        if complete {
            // Peers over quota that were kept only as sources are closed.
            self.reevaluate_quotas();
        }
    }

    pub(super) fn chunk_lost(&mut self, index: u32) {
        let now = self.swarm.now;
        if !self.swarm.chunks.have().get(index) {
            return;
        }
        self.swarm.chunks.lose(now, index);
        self.ends.chunk_lost();
        let conns: Vec<Conn> = self.swarm.peers.keys().copied().collect();
        for conn in conns {
            let Some(peer) = self.swarm.peers.get_mut(&conn) else { continue };
            if peer.phase != Phase::Ready && peer.phase != Phase::Bitfield {
                continue;
            }
            peer.outbox.dont_have(index);
            if peer.phase == Phase::Ready && peer.announced.have.get(index) {
                peer.announced.useful += 1;
            }
            self.swarm.update_interest(conn);
            self.swarm.announcer.has_word(conn);
            self.downloads.mark_ready(&mut self.swarm, conn);
        }
        self.refuse_waiting_for(index);
    }

    /// Handles the outcome of [`Output::Reread`].
    pub(super) fn reread(&mut self, index: u32, is_good: bool) {
        let now = self.swarm.now;
        let failures = self.swarm.chunks.lost.failures(index);
        if !self.swarm.chunks.reread(now, index, is_good) {
            return;
        }
        self.mark_have(index);
        self.swarm.chunks.lost.keep_failures(index, failures);
        if !self.swarm.config.consent.contains(Consent::FETCH) && self.swarm.chunks.is_complete() {
            self.ends.share_is_whole();
        }
    }

    /// Applies new controls of the user.
    pub(super) fn apply_controls(&mut self, controls: Controls) {
        let slots_before = usual_slots(&self.swarm.config);
        let version_before = self.swarm.config.controls.quota_version;
        self.swarm.config.controls = controls;
        if self.swarm.stopping {
            return;
        }
        self.expected.follow(&self.swarm.config, self.swarm.now);
        self.close_who_may_not_come();
        self.follow_allow();
        self.follow_sources();
        if usual_slots(&self.swarm.config) != slots_before {
            self.choker.set_slots(&mut self.swarm);
        }
        self.reevaluate_quotas();
        if self.swarm.config.controls.quota_version != version_before {
            Downloads::quotas_changed(&mut self.swarm);
        }
        self.downloads.mark_all_ready();
        self.answer_next();
    }

    fn close_who_may_not_come(&mut self) {
        let controls = &self.swarm.config.controls;
        let is_out = |peer: &Peer| !peer.dialed && !controls.lets_in(peer.id);
        let out: Vec<Conn> =
            self.swarm.peers.iter().filter(|(_, peer)| is_out(peer)).map(|(&conn, _)| conn).collect();
        for conn in out {
            self.swarm.send(conn, Frame::Bye { code: CloseCode::NotAllowed });
            self.drop_peer(conn, CloseCode::NotAllowed);
        }
    }

    /// Chokes peers that the user no longer lets us serve and ends answers under way to them; lets others be served again.
    fn follow_allow(&mut self) {
        let mut is_changed = false;
        let conns: Vec<Conn> = self.swarm.peers.keys().copied().collect();
        for conn in conns {
            let Some(peer) = self.swarm.peers.get_mut(&conn) else { continue };
            let is_disallowed = !self.swarm.config.controls.lets_in(peer.id);
            if std::mem::replace(&mut peer.up.disallowed, is_disallowed) == is_disallowed {
                continue;
            }
            is_changed = true;
            if is_disallowed {
                let active: Vec<Ask> = peer.up.active.keys().copied().collect();
                self.choker.choke(&mut self.swarm, conn);
                for ask in active {
                    self.answers.end(&mut self.swarm, &mut self.standings, ask, ResetCode::Choked);
                }
            }
        }
        if is_changed {
            self.choker.rechoke(&mut self.swarm);
        }
    }

    fn follow_sources(&mut self) {
        let conns: Vec<Conn> = self.swarm.peers.keys().copied().collect();
        for conn in conns {
            let Some(peer) = self.swarm.peers.get_mut(&conn) else { continue };
            let is_disallowed = !self.swarm.config.controls.may_fetch_from(peer.id);
            if std::mem::replace(&mut peer.down.disallowed, is_disallowed) == is_disallowed {
                continue;
            }
            if is_disallowed {
                self.downloads.take_back(&mut self.swarm, conn, |_, _| true);
                if self.leaves.withdraw(&mut self.swarm, conn) {
                    self.downloads.mark_all_ready();
                }
            }
            self.swarm.update_interest(conn);
            self.downloads.mark_ready(&mut self.swarm, conn);
        }
        self.dialer.sources.look_again();
    }
}

#[cfg(test)]
mod tests;
