//! Received offers: which are read, which signatures are checked, and what follows.
//!
//! A signature costs much more to check than to send, and its sender may use a new key each time. So an offer is read
//! only if there is a use for it, and its signature is checked only if the same bytes were not checked before. Checks are
//! outputs, and their rate is limited over all connections (see `offer_checks`).

use std::time::Duration;

use bytes::Bytes;
use minimodel_wire::{Consent, OfferError, PeerId, SignedOffer, UncheckedOffer};

use super::core::Machine;
use super::events::{Check, Conn, Event, OfferVerdict, Output};
use super::exchange;
use super::fault::Breach;
use super::offer_checks::{Bringer, Due};
use super::reach;
use super::site::Site;
use super::source::Heard;

/// How long the peer with the larger key waits for the other to dial, so that both do not dial at once.
const POLITE_DELAY: Duration = Duration::from_secs(1);

impl Machine {
    /// Handles a Peers frame. The sender's own offer is kept to be passed on; offers of others are dialed if the user
    /// consented to publish. An offer of no use for either is not read.
    pub(super) fn offers(&mut self, conn: Conn, offers: &[Bytes]) {
        let now = self.swarm.now;
        let unix = self.swarm.unix();
        let dials = self.dials_offers();
        let Some(peer) = self.swarm.peers.get(&conn) else { return };
        let (id, publishes) = (peer.id, peer.consent.contains(Consent::PUBLISH));
        let bringer = Bringer { conn, site: peer.site };
        for bytes in offers {
            if !dials && !publishes {
                return;
            }
            let offer = match UncheckedOffer::read(bytes.clone()) {
                Ok(offer) if offer.claim().swarm_id == self.swarm.config.terms.swarm_id => offer,
                // An offer of a later version is skipped without blame.
                Err(OfferError::Version { .. }) => continue,
                _ => {
                    self.breach(conn, Breach::ForgedOffer);
                    return;
                }
            };
            let claim = offer.claim();
            if claim.peer == self.swarm.config.me || claim.check_fresh(unix).is_err() {
                continue;
            }
            if claim.peer != id {
                self.passed_on_offer(bringer, id, offer);
            } else if publishes {
                match self.offer_checks.good(now, &offer).cloned() {
                    Some(signed) => self.believe(bringer, &signed),
                    None => self.offer_checks.wait_own(now, bringer, offer),
                }
            }
        }
        self.check_offers();
    }

    /// Handles an offer that another peer than its signer sent.
    fn passed_on_offer(&mut self, bringer: Bringer, from: PeerId, offer: UncheckedOffer) {
        let now = self.swarm.now;
        let named = offer.claim().peer;
        let is_good = self.offer_checks.good(now, &offer).is_some();
        let sources = &self.dialer.sources;
        if is_good && sources.is_known(named) && !sources.waits_elsewhere(named, bringer.site, now) {
            return;
        }
        // Both paths from here cost more than sending the same bytes again, so they share one limit.
        let most = self.swarm.config.limits.max_offers_per_peer;
        if !self.is_news(named, bringer.site) || self.standings.of(from, now).told_of_one(now) > most {
            return;
        }
        match self.offer_checks.good(now, &offer).cloned() {
            Some(signed) => self.believe(bringer, &signed),
            None => self.offer_checks.wait(now, bringer, offer),
        }
    }

    /// Returns true if offers of other peers are of use to us.
    fn dials_offers(&self) -> bool {
        self.swarm.config.consent.contains(Consent::PUBLISH) && self.swarm.wants_chunks()
    }

    /// Returns true if an offer of the peer `named`, passed on from the site `from`, could add anything to the table.
    fn is_news(&mut self, named: PeerId, from: Site) -> bool {
        let most = self.swarm.config.limits.max_known;
        self.dials_offers()
            && (self.dialer.sources.is_known(named) || self.dialer.sources.may_make_room(most, from))
    }

    /// Requests signature checks as far as the rate limits allow.
    pub(super) fn check_offers(&mut self) {
        let now = self.swarm.now;
        let (peers, standings) = (&self.swarm.peers, &self.standings);
        // Keys are free: an attacker could be any number of all other peers.
        let has_moved_bytes =
            |conn: Conn| peers.get(&conn).is_some_and(|peer| standings.has_moved_bytes(peer));
        let due: Vec<Due> = std::iter::from_fn(|| self.offer_checks.next(now, has_moved_bytes)).collect();
        for Due { check, offer } in due {
            self.swarm.push(Output::CheckOffer { check, offer });
        }
    }

    /// Handles the verdict on a signature.
    pub(super) fn offer_checked(&mut self, check: Check, verdict: OfferVerdict) {
        let now = self.swarm.now;
        let good = if let OfferVerdict::Good(signed) = &verdict { Some(signed) } else { None };
        if let Some(bringer) = self.offer_checks.ended(now, check, good) {
            match verdict {
                OfferVerdict::Good(signed) => self.believe(bringer, &signed),
                OfferVerdict::Forged => self.breach(bringer.conn, Breach::ForgedOffer),
                OfferVerdict::Unknown => {}
            }
        }
        self.check_offers();
    }

    /// Acts on an offer whose signature is right. The peer that brought it may be gone; its site has the same share of
    /// the table as if the peer had stayed, or leaving at once would keep an offer in the table for good.
    fn believe(&mut self, Bringer { conn, site }: Bringer, signed: &SignedOffer) {
        if signed.check_fresh(self.swarm.unix()).is_err() {
            return;
        }
        let offer = signed.offer();
        let mut own = false;
        if let Some(peer) = self.swarm.peers.get_mut(&conn).filter(|peer| peer.id == offer.peer) {
            own = true;
            if peer.offer.as_ref() != Some(signed) {
                peer.offer = Some(signed.clone());
                exchange::pass_on(&mut self.swarm, conn);
                if self.swarm.config.consent.contains(Consent::PUBLISH) {
                    self.swarm.event(Event::Offered(signed.clone()));
                }
            }
        }
        self.learn(signed, site, own);
    }

    fn learn(&mut self, signed: &SignedOffer, bringer: Site, own: bool) {
        let now = self.swarm.now;
        let offer = signed.offer();
        let addresses = reach::pex_addresses(&offer.addresses, bringer.scope());
        let tries = self.dialer.reach.failures(now, offer.peer);
        if addresses.is_empty() || tries >= reach::MAX_FAILURES || !self.dials_offers() {
            return;
        }
        // A banned peer would be the first to be evicted again, so that two of them could take turns for ever.
        if self.dialer.sources.is_banned(offer.peer, now) {
            return;
        }
        let most = self.swarm.config.limits.max_known;
        if !self.dialer.sources.is_known(offer.peer) && !self.dialer.sources.make_room(most, bringer) {
            return;
        }
        let at = if self.swarm.config.me < offer.peer { now } else { now + POLITE_DELAY };
        self.dialer.sources.hear(offer.peer, addresses, offer.expires_unix, Heard { tries, bringer }, at);
        if own || self.swarm.peers.is_connected(offer.peer) {
            self.dialer.sources.connected(offer.peer);
        }
    }

    /// Sets the calendar, and drops offers that have expired by it.
    pub(super) fn set_calendar(&mut self, unix: u64) {
        self.swarm.set_calendar(unix);
        for peer in self.swarm.peers.values_mut() {
            peer.offer.take_if(|offer| offer.check_fresh(unix).is_err());
        }
        self.offer_checks.drop_expired(unix);
    }
}

#[cfg(test)]
mod tests;
