//! Offers that members pass on: how leechers who know only one seeder find each other.
//!
//! An offer is passed on first-hand only, by whoever is connected to the peer that signed it, and only when that peer
//! consented to publish. Offers are read from every member, and dialed only when our own user consented to publish.

use std::time::Duration;

use bytes::Bytes;
use minimodel_wire::{CloseCode, Consent, Frame, OfferError, PeerId, SignedOffer};

use super::core::Machine;
use super::events::Conn;
use super::fault::Breach;
use super::outbox::OFFERS_PER_FRAME;
use super::peer::Phase;
use super::time::Time;

/// The larger key waits this long for the smaller to dial, so that both do not dial at once.
const POLITE_DELAY: Duration = Duration::from_secs(1);

impl Machine {
    /// Offers from a member: its own is kept to be passed on, others' are dialed, if our user agreed to take
    /// part in that exchange.
    pub(super) fn offers(&mut self, now: Time, conn: Conn, offers: &[Bytes]) {
        let unix = self.unix(now);
        for bytes in offers {
            let Some(peer) = self.peers.get_mut(&conn) else { return };
            // Counted first: a signature costs more to check than to send.
            peer.offers_read += 1;
            if peer.offers_read > self.config.limits.max_offers_per_peer {
                return;
            }
            // What was read before, or would find no room, teaches nothing: no signature is checked for it. Of itself a
            // peer is always heard, so that its offer can be passed on.
            if let Some((named, mark)) = SignedOffer::glance(bytes)
                && named != peer.id
                && !self.is_news(named, mark)
            {
                continue;
            }
            let signed = match SignedOffer::from_bytes(bytes) {
                Ok(signed) if signed.offer().swarm_id == self.config.terms.swarm_id => signed,
                // One of a later version was passed on unread.
                Err(OfferError::Version { .. }) => continue,
                _ => {
                    self.breach(now, conn, Breach::ForgedOffer);
                    return;
                }
            };
            let offer = signed.offer();
            let Some(peer) = self.peers.get_mut(&conn) else { return };
            if offer.peer == self.config.me || signed.check_fresh(unix).is_err() {
                continue;
            }
            let own = offer.peer == peer.id;
            if own && peer.consent.contains(Consent::PUBLISH) {
                peer.offer = Some(signed.clone());
                self.pass_on(conn);
            }
            self.learn(now, &signed, own);
            if let Some((peer, mark)) = SignedOffer::glance(bytes) {
                self.sources.mark(peer, mark);
            }
        }
    }

    /// Whether an offer that names this peer could teach us anything.
    fn is_news(&mut self, named: PeerId, mark: u64) -> bool {
        self.config.consent.contains(Consent::PUBLISH)
            && match self.sources.mark_of(named) {
                Some(read) => read != mark,
                None => self.sources.has_room(self.config.limits.max_known),
            }
    }

    fn learn(&mut self, now: Time, signed: &SignedOffer, own: bool) {
        let offer = signed.offer();
        if !self.config.consent.contains(Consent::PUBLISH) {
            return;
        }
        if !self.sources.is_known(offer.peer) && !self.sources.has_room(self.config.limits.max_known) {
            return;
        }
        let at = if self.config.me < offer.peer { now } else { now + POLITE_DELAY };
        self.sources.add(offer.peer, &offer.addresses, offer.expires_unix, false, at);
        if own || self.by_id.contains_key(&offer.peer) {
            self.sources.connected(offer.peer);
        }
    }

    pub(super) fn pass_on_own_offer(&mut self, conn: Conn) {
        if !self.config.consent.contains(Consent::PUBLISH) {
            return;
        }
        if let Some(offer) = &self.config.offer {
            let offers = vec![Bytes::from(offer.to_bytes())];
            self.send(conn, Frame::Peers { offers });
        }
    }

    /// Tells a newcomer of the members that agreed to be told of.
    pub(super) fn pass_on_offers_to(&mut self, conn: Conn) {
        if self.takes_part(conn) {
            self.send_offers(conn);
        }
    }

    /// There is no place for this peer, but a word: who the others are, and goodbye. So a newcomer finds its way into a
    /// swarm although the only member that it knows is full.
    pub(super) fn send_on(&mut self, now: Time, conn: Conn) {
        if self.peers.get(&conn).is_some_and(|peer| peer.consent.contains(Consent::PUBLISH)) {
            self.send_offers(conn);
        }
        self.send(conn, Frame::Bye { code: CloseCode::Busy });
        self.drop_peer(now, conn, CloseCode::Busy);
    }

    fn send_offers(&mut self, conn: Conn) {
        let mut offers: Vec<Bytes> = self
            .peers
            .iter()
            .filter(|&(&other, _)| other != conn)
            .filter_map(|(_, peer)| peer.offer.as_ref())
            .map(|offer| Bytes::from(offer.to_bytes()))
            .collect();
        self.rng.shuffle(&mut offers);
        offers.truncate(OFFERS_PER_FRAME);
        if !offers.is_empty() {
            self.send(conn, Frame::Peers { offers });
        }
    }

    /// The offer of this member goes to all others, when the next offers go.
    fn pass_on(&mut self, from: Conn) {
        let others: Vec<Conn> =
            self.peers.keys().copied().filter(|&conn| conn != from && self.takes_part(conn)).collect();
        for conn in others {
            if let Some(peer) = self.peers.get_mut(&conn) {
                peer.outbox.pass_on(from);
            }
            self.has_word(conn);
        }
    }

    /// Passes on the offers of these members, as they are now.
    pub(super) fn send_offers_of(&mut self, conn: Conn, members: &[Conn]) {
        let offer = |member| self.peers.get(member)?.offer.as_ref();
        let offers: Vec<Bytes> =
            members.iter().filter_map(offer).map(|offer| Bytes::from(offer.to_bytes())).collect();
        if !offers.is_empty() {
            self.send(conn, Frame::Peers { offers });
        }
    }

    fn takes_part(&self, conn: Conn) -> bool {
        self.peers
            .get(&conn)
            .is_some_and(|peer| peer.phase == Phase::Ready && peer.consent.contains(Consent::PUBLISH))
    }
}

#[cfg(test)]
mod tests {
    use super::super::desk::{Desk, TAKE, all, having, id, offer};
    use super::*;

    const LATE: u64 = 1_000_000;

    #[test]
    fn b21_i5_a_passed_on_offer_is_dialed_only_by_who_consented_to_publish() {
        for (consent, expected) in [(TAKE, vec![]), (all(), vec![id(9)])] {
            let mut desk = Desk::new(consent, having([0]));
            desk.join(1, all(), having([1]));
            desk.said();
            let offers = vec![Bytes::from(offer(9, [1; 32], LATE).to_bytes())];
            desk.frame(1, Frame::Peers { offers });
            desk.wait(Duration::from_secs(2));
            assert_eq!(desk.dialed(), expected);
        }
    }

    #[test]
    fn b21_c4_an_offer_for_another_swarm_or_with_another_signature_disconnects_and_an_expired_one_does_not() {
        let bytes = |signed: SignedOffer| signed.to_bytes();
        let mut forged = bytes(offer(9, [1; 32], LATE));
        forged[40] ^= 1;
        let mut later = bytes(offer(9, [1; 32], LATE));
        later[0] = 2;
        let cases = [
            (bytes(offer(9, [7; 32], LATE)), 0),
            (forged, 0),
            (bytes(offer(9, [1; 32], 1)), 1),
            (later, 1),
            (bytes(offer(9, [1; 32], LATE)), 1),
        ];
        for (offer, left) in cases {
            let mut desk = Desk::new(all(), having([0]));
            desk.join(1, all(), having([1]));
            desk.frame(1, Frame::Peers { offers: vec![Bytes::from(offer)] });
            assert_eq!(desk.machine.progress().peers, left);
        }
    }

    #[test]
    fn b19_one_peer_cannot_fill_the_table_of_known_peers() {
        let mut desk = Desk::with(all(), having([0]), |config| config.limits.max_offers_per_peer = 20);
        desk.join(1, all(), having([1]));
        for n in 2..60 {
            desk.frame(1, Frame::Peers { offers: vec![Bytes::from(offer(n, [1; 32], LATE).to_bytes())] });
        }
        assert_eq!(desk.machine.sources.count(), 20);
        desk.machine.config.limits.max_known = 20;
        desk.join(70, all(), having([1]));
        desk.frame(70, Frame::Peers { offers: vec![Bytes::from(offer(80, [1; 32], LATE).to_bytes())] });
        assert_eq!(desk.machine.sources.count(), 20);
        desk.machine.sources.ban(id(5), Time::ZERO);
        desk.frame(70, Frame::Peers { offers: vec![Bytes::from(offer(81, [1; 32], LATE).to_bytes())] });
        assert!(desk.machine.sources.is_known(id(81)), "a banned one made room");
    }

    #[test]
    fn an_offer_that_was_read_before_costs_no_signature_check_and_a_renewed_one_is_read() {
        let mut desk = Desk::new(all(), having([0]));
        desk.join(1, all(), having([1]));
        let mut bytes = offer(9, [1; 32], LATE).to_bytes();
        desk.frame(1, Frame::Peers { offers: vec![Bytes::from(bytes.clone())] });
        // The same but for the very end of its signature: whoever checked it would part.
        *bytes.last_mut().unwrap() ^= 1;
        desk.frame(1, Frame::Peers { offers: vec![Bytes::from(bytes)] });
        assert_eq!(desk.machine.progress().peers, 1);
        desk.frame(1, Frame::Peers { offers: vec![Bytes::from(offer(9, [1; 32], LATE + 1).to_bytes())] });
        let renewed = SignedOffer::glance(&offer(9, [1; 32], LATE + 1).to_bytes()).unwrap();
        assert_eq!(desk.machine.sources.mark_of(id(9)), Some(renewed.1));
    }
}
