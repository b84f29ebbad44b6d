//! Beginning and end of a connection: admission, Hello, Bitfield, close.

use minimodel_wire::{Bitfield, CloseCode, Consent, Frame, Hello, ManifestOnly, PeerId, ResetCode};

use super::contacts;
use super::core::Machine;
use super::events::{Ask, Conn, Event, Output};
use super::exchange;
use super::fault::{Breach, is_final};
use super::hello::judge;
use super::peer::{Admission, Arrival, Peer, Phase};
use super::peer_table::Place;
use super::places::{Claim, Holder, Newcomer, to_evict};
use super::reply_budgets::Reply;
use super::site::Site;

impl Machine {
    pub(super) fn connected(&mut self, conn: Conn, arrival: Arrival) {
        let now = self.swarm.now;
        let Arrival { id, site, dialed } = arrival;
        let is_kept_away = self.is_kept_away(id, site, dialed);
        // No peer is evicted for a key that is kept away.
        let lacks_place = self.is_full_for(id, dialed) && !is_kept_away;
        if lacks_place && self.refusal(id, dialed, is_kept_away) == Some(CloseCode::Busy) {
            self.make_room(id, site, dialed);
            if self.is_full_for(id, dialed) && !dialed {
                self.turned_away.add(now, id, site);
            }
        }
        let refusal = self.refusal(id, dialed, is_kept_away);
        let may_wait = !dialed && !is_kept_away && refusal == Some(CloseCode::Busy);
        let is_guest = may_wait && self.may_be_guest(site);
        if let Some(code) = refusal.filter(|_| !is_guest) {
            self.swarm.push(Output::Close { conn, code });
            if dialed {
                self.meetings.forget(&mut self.dialer.reach, now, id, site);
                self.dialer.disconnected(&mut self.swarm, id);
            }
            return;
        }
        let (place, duplicate) = self.swarm.peers.find_place(now, id, dialed, self.swarm.config.me);
        if let Some(duplicate) = duplicate {
            self.drop_peer(duplicate, CloseCode::Duplicate);
        }
        if place == Place::Nowhere {
            self.meetings.forget(&mut self.dialer.reach, now, id, site);
            self.swarm.push(Output::Close { conn, code: CloseCode::Duplicate });
            return;
        }
        self.dialer.sources.connected(id);
        if dialed {
            self.dialer.dial_ended_at(now, id, site, self.meetings.is_under_way(id));
        }
        let mut peer = Peer::new(arrival, now, &self.swarm.config.terms, &self.swarm.config.limits);
        if is_guest {
            peer.admission = Admission::Guest;
        } else if self.turned_away.take(id) {
            peer.admission = Admission::Returned;
        }
        peer.down.disallowed = !self.swarm.config.controls.may_fetch_from(id);
        peer.up.disallowed = !self.swarm.config.controls.lets_in(id);
        self.meetings.connected(&mut self.swarm, &mut self.dialer.reach, id, site);
        self.swarm.peers.insert(conn, peer, place);
        if dialed {
            self.say_hello(conn);
        }
    }

    /// Sends our Hello. The dialer sends its own first, so that a stranger that merely connects learns nothing, not even
    /// which file this is about.
    fn say_hello(&mut self, conn: Conn) {
        let hello = self.swarm.config.terms.hello(self.swarm.config.consent, &self.swarm.config.software);
        self.swarm.send(conn, Frame::Hello(hello));
    }

    /// Returns true if the key is shut out for a while, or has moved no chunk and comes from a site for which too many
    /// chunks were read in vain.
    fn is_kept_away(&mut self, id: PeerId, site: Site, dialed: bool) -> bool {
        let now = self.swarm.now;
        let is_unknown = self.standings.moved(id) < self.swarm.config.terms.least_use();
        self.standings.is_shut_out(id, now)
            || (!dialed && is_unknown && self.wasted_reads.is_used_up(now, site))
    }

    /// Returns the close code for a key that may not connect. Lasting reasons go before `Busy`, after which a peer tries again.
    fn refusal(&self, id: PeerId, dialed: bool, is_kept_away: bool) -> Option<CloseCode> {
        let now = self.swarm.now;
        if self.swarm.stopping {
            return Some(CloseCode::ShuttingDown);
        }
        if self.dialer.sources.is_banned(id, now) {
            return Some(CloseCode::Banned);
        }
        if !dialed && !self.swarm.config.controls.lets_in(id) {
            return Some(CloseCode::NotAllowed);
        }
        if dialed && !self.swarm.config.may_dial(id) {
            // The user took the peer off the list while it was being dialed.
            return Some(CloseCode::Done);
        }
        if self.is_full_for(id, dialed) || is_kept_away {
            return Some(CloseCode::Busy);
        }
        None
    }

    pub(super) fn hello(&mut self, conn: Conn, hello: &Hello) {
        let now = self.swarm.now;
        let verdict = judge(&self.swarm.config, hello);
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if peer.phase != Phase::Hello {
            self.breach(conn, Breach::WrongState);
            return;
        }
        if let Err(code) = verdict {
            self.refuse_peer(conn, code);
            return;
        }
        let ours = self.swarm.chunks.have();
        if !ours.is_full()
            && !ours.is_empty()
            && !self.reply_budgets.grants(&self.swarm, &self.standings, conn, Reply::Bitfield)
        {
            self.drop_peer(conn, CloseCode::Busy);
            return;
        }
        if !self.settle(conn) {
            return;
        }
        let ours = self.swarm.chunks.have().clone();
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        peer.phase = Phase::Bitfield;
        peer.since = now;
        peer.consent = hello.consent;
        peer.software.clone_from(&hello.software);
        let (is_guest, dialed) = (peer.is_guest(), peer.dialed);
        if !dialed {
            self.say_hello(conn);
        }
        self.swarm.send(conn, Frame::Bitfield(ours));
        exchange::pass_on_own_offer(&mut self.swarm, conn);
        exchange::tell_observed(&mut self.swarm, conn);
        self.answer_early(conn);
        if is_guest {
            exchange::send_on(&mut self.swarm, conn);
            self.drop_peer(conn, CloseCode::Busy);
        }
    }

    /// Chooses between the connections of a key when a Hello on one of them was accepted. Returns true if this connection
    /// stays; it is the primary one then.
    fn settle(&mut self, conn: Conn) -> bool {
        let now = self.swarm.now;
        let Some(id) = self.swarm.peers.get(&conn).map(|peer| peer.id) else { return false };
        if self.standings.is_shut_out(id, now) {
            // The key was shut out for a breach on another connection meanwhile.
            self.drop_peer(conn, CloseCode::Busy);
            return false;
        }
        let settled = self.swarm.peers.settle(conn, self.swarm.config.me);
        if let Some(duplicate) = settled.closes {
            self.drop_peer(duplicate, CloseCode::Duplicate);
        }
        settled.stays
    }

    /// Closes, without blame, a connection over which neither side can help the other.
    pub(super) fn refuse_peer(&mut self, conn: Conn, code: CloseCode) {
        let Some(id) = self.swarm.peers.get(&conn).map(|peer| peer.id) else { return };
        self.dialer.sources.refused(id);
        self.swarm.event(Event::Refused { peer: id, code, by_peer: false });
        self.swarm.send(conn, Frame::Bye { code });
        self.drop_peer(conn, code);
    }

    pub(super) fn manifest_only(&mut self, conn: Conn, asked: &ManifestOnly) {
        let now = self.swarm.now;
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if peer.phase != Phase::Hello || peer.dialed {
            // Only the dialer may ask for the manifest alone.
            self.breach(conn, Breach::WrongState);
            return;
        }
        let code = if asked.version != minimodel_wire::PROTOCOL_VERSION {
            CloseCode::UnsupportedVersion
        } else if asked.swarm_id != self.swarm.config.terms.swarm_id {
            CloseCode::WrongSwarm
        } else if !self.swarm.config.consent.contains(Consent::SERVE) {
            CloseCode::NoConsent
        } else {
            peer.phase = Phase::ManifestOnly;
            peer.since = now;
            self.answer_early(conn);
            return;
        };
        self.drop_peer(conn, code);
    }

    pub(super) fn bitfield(&mut self, conn: Conn, have: Bitfield) {
        let ours = self.swarm.chunks.have();
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        if peer.phase != Phase::Bitfield || have.count() != ours.count() {
            self.breach(conn, Breach::WrongState);
            return;
        }
        let is_mixed = !have.is_full() && !have.is_empty();
        if is_mixed && !self.reply_budgets.grants(&self.swarm, &self.standings, conn, Reply::Bitfield) {
            self.drop_peer(conn, CloseCode::Busy);
            return;
        }
        self.swarm.peers.introduce(conn, have, self.swarm.chunks.have());
        let Some(peer) = self.swarm.peers.get(&conn) else { return };
        if !peer.announced.is_seed {
            for index in peer.announced.have.iter_ones() {
                self.swarm.chunks.picker.gained(index);
            }
        }
        let joined =
            Event::Joined { peer: peer.id, software: peer.software.clone(), seed: peer.announced.is_seed };
        self.swarm.event(joined);
        self.swarm.update_interest(conn);
        self.leave_if_useless(conn);
        exchange::pass_on_offers_to(&mut self.swarm, conn);
    }

    /// Closes the connection if both sides have every chunk, unless it is kept for introductions.
    pub(super) fn leave_if_useless(&mut self, conn: Conn) {
        let Some(gone) = contacts::keep(&mut self.swarm, conn) else { return };
        let Some(peer) = self.swarm.peers.get(&gone) else { return };
        let (id, may_return) = (peer.id, contacts::may_be_contact(&self.swarm, peer));
        self.part(id, may_return);
        self.swarm.send(gone, Frame::Bye { code: CloseCode::Done });
        self.drop_peer(gone, CloseCode::Done);
    }

    /// Dials a peer no more that neither side needs; one that may be a host again, later.
    fn part(&mut self, id: PeerId, may_return: bool) {
        if may_return {
            self.dialer.sources.wait_until(id, self.swarm.now + contacts::CHANGES);
        } else {
            self.dialer.sources.refused(id);
        }
    }

    pub(super) fn closed(&mut self, conn: Conn, code: Option<CloseCode>) {
        self.forget_peer(conn, code, true);
    }

    pub(super) fn forget_peer(&mut self, conn: Conn, code: Option<CloseCode>, by_peer: bool) {
        let now = self.swarm.now;
        let Some(peer) = self.swarm.peers.remove(conn) else { return };
        self.choker.forget(conn, &peer);
        if peer.offer.is_some() {
            self.swarm.peers.values_mut().for_each(|other| other.outbox.forget(conn));
        }
        self.offer_checks.forget(conn);
        if peer.phase == Phase::Ready && !peer.announced.is_seed {
            for index in peer.announced.have.iter_ones() {
                self.swarm.chunks.picker.lost(index);
            }
        }
        let was_cut = peer.down.was_cut || !peer.down.requests.is_empty();
        self.downloads.forget(&mut self.swarm, &peer);
        if by_peer && code.is_none() && was_cut && peer.down.proven == 0 {
            self.broke_off(peer.id);
        }
        if self.leaves.lost(conn) {
            self.downloads.mark_all_ready();
        }
        let asks: Vec<Ask> =
            self.swarm.asks.iter().filter(|&(_, &asker)| asker == conn).map(|(&ask, _)| ask).collect();
        for ask in asks {
            self.swarm.asks.remove(&ask);
            self.swarm.push(Output::Refuse { ask, code: ResetCode::Cancelled });
        }
        if !peer.up.active.is_empty() {
            let active = peer.up.active.len() as u32;
            let all = self.answers.charge(&self.swarm, &mut self.standings, peer.id, active);
            if self.standings.moved(peer.id) < self.swarm.config.terms.least_use() {
                self.wasted_reads.charge(now, peer.site, all);
            }
        }
        if by_peer && code == Some(CloseCode::Done) && self.swarm.chunks.is_complete() {
            // It keeps no more contacts for now.
            self.part(peer.id, contacts::may_be_contact(&self.swarm, &peer));
        }
        if by_peer && let Some(code) = code.filter(|&code| is_final(code)) {
            self.dialer.refused_by(&mut self.swarm, peer.id, code);
        }
        if now.since(peer.connected_at) >= self.swarm.config.limits.dial_backoff_max {
            self.dialer.sources.was_useful(peer.id);
        }
        if !self.swarm.peers.is_connected(peer.id) {
            self.meetings.parted(peer.id);
            self.dialer.disconnected(&mut self.swarm, peer.id);
        }
        if peer.phase == Phase::Ready {
            self.swarm.event(Event::Left { peer: peer.id, code });
        }
        if peer.up.unchoked {
            self.choker.fill_slots(&mut self.swarm);
        }
        self.answer_next();
    }

    /// Returns true if there is no place for this key.
    fn is_full_for(&self, id: PeerId, dialed: bool) -> bool {
        // Incoming connections never take the places that our own dials need.
        let limits = &self.swarm.config.limits;
        let kept = if dialed || !self.swarm.wants_chunks() { 0 } else { limits.max_dials };
        let places = limits.max_connections.saturating_sub(kept).max(1);
        self.swarm.peers.places_taken() >= places && !self.swarm.peers.is_connected(id)
    }

    /// Returns true if an incoming peer without a place may stay as a guest, to be sent the offers of others. A guest of
    /// a site with more than its share is closed for it.
    fn may_be_guest(&mut self, site: Site) -> bool {
        if self.swarm.stopping {
            return false;
        }
        if self.swarm.peers.guests() >= self.swarm.config.limits.max_guests {
            let guests = self.swarm.peers.iter().filter(|(_, peer)| peer.is_guest());
            let holder = |(&conn, peer): (&Conn, &Peer)| Holder {
                conn,
                site: peer.site,
                claim: Claim::New,
                is_idle: false,
            };
            let guests: Vec<Holder> = guests.map(holder).collect();
            if let Some(conn) = to_evict(&guests, 0, Newcomer { site, claim: Claim::New }) {
                self.drop_peer(conn, CloseCode::Busy);
            }
        }
        self.swarm.peers.guests() < self.swarm.config.limits.max_guests
    }

    /// Evicts a peer for a newcomer, if one may be evicted. Of peers that we dialed, one that gives nothing gives way to another that
    /// we dial.
    fn make_room(&mut self, id: PeerId, site: Site, dialed: bool) {
        let now = self.swarm.now;
        let newcomer = Newcomer { site, claim: self.claim_of(id, self.turned_away.has(id)) };
        let holders = self.swarm.peers.iter().filter(|(_, peer)| !peer.dialed && peer.has_place());
        let holder = |(&conn, peer): (&Conn, &Peer)| {
            let claim = self.claim_of(peer.id, peer.admission == Admission::Returned);
            Holder { conn, site: peer.site, claim, is_idle: peer.does_nothing() }
        };
        let holders: Vec<Holder> = holders.map(holder).collect();
        if let Some(conn) = to_evict(&holders, self.swarm.config.limits.max_connections / 2, newcomer) {
            let turned_away = self.swarm.peers.get(&conn).map(|peer| (peer.id, peer.site));
            if let Some((id, site)) = turned_away {
                self.turned_away.add(now, id, site);
            }
            self.drop_peer(conn, CloseCode::Busy);
        } else if dialed {
            let useless = self.swarm.peers.iter().filter(|(_, peer)| peer.dialed && !peer.is_giver(now));
            let longest = useless.min_by_key(|(_, peer)| peer.connected_at).map(|(&conn, _)| conn);
            longest.into_iter().for_each(|conn| self.drop_peer(conn, CloseCode::Busy));
        }
    }

    fn claim_of(&self, id: PeerId, has_returned: bool) -> Claim {
        let used = self.standings.moved(id);
        if self.is_named(id) {
            Claim::Named
        } else if used >= self.swarm.config.terms.least_use() {
            Claim::Used(used)
        } else if has_returned {
            Claim::Returned
        } else {
            Claim::New
        }
    }

    /// Returns true if the user named the peer as a source. The list of peers that may come is not looked at: every
    /// incoming peer is on it, so that it gives none a claim over the others.
    fn is_named(&self, id: PeerId) -> bool {
        let sources = self.swarm.config.controls.sources.as_ref();
        self.dialer.sources.is_by_user(id) || sources.is_some_and(|sources| sources.contains(&id))
    }
}

#[cfg(test)]
mod tests;
