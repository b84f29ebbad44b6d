//! Dialing: which peer to dial next, and what follows from the outcome.

use std::time::Duration;

use minimodel_wire::{CloseCode, PeerId, SignedOffer};

use super::core::Machine;
use super::events::{Event, Output};
use super::fault::is_final;
use super::reach::MAX_FAILURES;
use super::site::Site;
use super::time::Time;

/// Every source must have ended for this long before `Exhausted` is reported, so that sources named one after the other
/// all count.
pub(super) const EXHAUSTED_AFTER: Duration = Duration::from_millis(500);

/// How long a peer is put off whose passed-on addresses are over their dial limits.
const LATER: Duration = Duration::from_secs(600);

impl Machine {
    fn free_dials(&self) -> usize {
        if !self.swarm.wants_chunks() {
            return 0;
        }
        let limits = &self.swarm.config.limits;
        let places = limits.max_connections.saturating_sub(self.places_taken());
        limits.max_dials.saturating_sub(self.sources.dialing.len()).min(places)
    }

    /// Returns true if only peers that the user named are dialed: enough peers are connected or being dialed that the
    /// other places are for incoming connections, or half of the dials are for passed-on offers already.
    fn dials_named_alone(&self) -> bool {
        let limits = &self.swarm.config.limits;
        self.places_taken() + self.sources.dialing.len() >= limits.enough_peers
            || self.sources.dialing_on_hearsay() >= limits.max_dials.div_ceil(2)
    }

    /// When the next dial is due; `None` if no peer is to be dialed, or no dial is free.
    pub(super) fn next_dial(&self) -> Option<Time> {
        let soonest =
            if self.dials_named_alone() { self.sources.soonest_by_user } else { self.sources.soonest };
        (soonest < Time::MAX && self.free_dials() > 0).then_some(soonest)
    }

    /// Adds a source that the user named. An offer with our own key is of another process of the same user: seed and
    /// fetch on one machine.
    pub(super) fn add_source(&mut self, now: Time, offer: &SignedOffer) {
        let offer = offer.offer();
        self.sources.name(offer.peer, &offer.addresses, now);
        if self.sources.is_banned(offer.peer, now) {
            self.swarm.event(Event::Refused { peer: offer.peer, code: CloseCode::Banned, by_peer: false });
        }
    }

    pub(super) fn dial(&mut self, now: Time) {
        while self.next_dial().is_some_and(|at| at <= now) {
            let by_user = self.dials_named_alone();
            let unix = self.swarm.unix();
            let only = self.swarm.config.controls.sources.as_ref();
            let Some(peer) = self.sources.due(now, unix, by_user, only) else {
                let next = self.sources.next_dial(by_user, only);
                *self.sources.soonest(by_user) = next;
                continue;
            };
            if self.swarm.peers.is_connected(peer) {
                // The peer has connected to us in the meantime.
                self.sources.connected(peer);
                continue;
            }
            let reach = &mut self.reach;
            let (addresses, pex_addresses) =
                self.sources.addresses(peer, unix, |&address| reach.take(now, address));
            if addresses.is_empty() && pex_addresses.is_empty() {
                self.sources.put_off(peer, now + LATER);
                continue;
            }
            self.swarm.push(Output::Dial { peer, addresses, pex_addresses });
        }
    }

    /// Notes that a dial connected at `site`. Its addresses before that one did not answer and stay counted against the
    /// dial limits; that one, and those after it, which were not dialed, are not counted.
    pub(super) fn dial_ended_at(&mut self, peer: PeerId, site: Site) {
        self.reach.forgive(peer);
        let tried = self.sources.tried(peer);
        let there = tried.iter().position(|address| Site::of(address.ip()) == site);
        tried.into_iter().skip(there.unwrap_or(0)).for_each(|address| self.reach.give_back(address));
    }

    /// Ends a source that refused us for good.
    pub(super) fn refused_by(&mut self, peer: PeerId, code: CloseCode) {
        if code == CloseCode::BudgetUsed {
            self.sources.out_of_budget(peer);
        } else {
            self.sources.refused(peer);
        }
        self.swarm.event(Event::Refused { peer, code, by_peer: true });
    }

    pub(super) fn dial_failed(
        &mut self,
        now: Time,
        peer: PeerId,
        wrong_key: Option<PeerId>,
        code: Option<CloseCode>,
    ) {
        drop(self.sources.tried(peer));
        if self.swarm.peers.is_connected(peer) {
            self.sources.connected(peer);
            return;
        }
        let is_over = wrong_key.is_some() || code.is_some_and(is_final);
        // A peer that refuses for now, as for want of a place, is reachable.
        if !self.sources.is_by_user(peer) && (is_over || code.is_none()) {
            self.reach.failed(now, peer, if is_over { MAX_FAILURES } else { 1 });
        }
        if let Some(found) = wrong_key {
            self.sources.refused(peer);
            self.swarm.event(Event::WrongKey { expected: peer, found });
        } else if let Some(code) = code.filter(|&code| is_final(code)) {
            self.refused_by(peer, code);
        } else {
            let tries = self.sources.tries(peer) + 1;
            self.sources.disconnected(now, peer, &self.swarm.config.limits, &mut self.swarm.rng);
            self.swarm.event(Event::Unreachable { peer, tries });
        }
    }
}

#[cfg(test)]
mod tests;
