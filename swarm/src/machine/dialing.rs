//! Dialing: which peer to dial next, and what follows from the outcome.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::{CloseCode, PeerId, SignedOffer};

use super::contacts;
use super::events::{EarlierPeer, Event, Output};
use super::fault::is_final;
use super::found::{Found, FoundPeer};
use super::reach::{BroughtBy, MAX_FAILURES, Reach, Told, pex_addresses};
use super::site::{Scope, Site};
use super::source::{FoundPlace, Heard};
use super::sources::Sources;
use super::swarm::Swarm;
use super::time::Time;

/// How long a peer is put off whose passed-on addresses are over their dial limits.
const LATER: Duration = Duration::from_secs(600);
/// Time between two dials where many peers are connected and few of them give us anything, and where no place is free.
const BEYOND_ENOUGH: Duration = Duration::from_secs(4);
const BEYOND_ALL: Duration = Duration::from_secs(60);

fn free_places(swarm: &Swarm) -> usize {
    swarm.config.limits.max_connections.saturating_sub(swarm.peers.places_taken())
}

/// The known peers and where they may be, and the limits on dialing them.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) sources: Sources,
    pub(super) reach: Reach,
    /// When the next peer is dialed where many are connected.
    next_beyond: Time,
}

impl Dialer {
    pub(super) fn new(sources: Sources) -> Self {
        Self { sources, reach: Reach::default(), next_beyond: Time::ZERO }
    }

    fn free_dials(&self, swarm: &Swarm) -> usize {
        let limits = &swarm.config.limits;
        let most = if swarm.wants_chunks() { limits.max_dials } else { contacts::hosts_wanted(swarm) };
        most.saturating_sub(self.sources.dialing.len()).min(free_places(swarm))
    }

    /// Connected peers beyond which passed-on offers are dialed slowly.
    fn is_crowded(&self, swarm: &Swarm) -> bool {
        swarm.peers.places_taken() + self.sources.dialing.len() >= swarm.config.limits.enough_peers
    }

    /// When peers that the user did not name may be dialed; `Time::MAX`: not before one of the dials for such peers ends, which take
    /// half of all. Where many peers are connected it is only now and then, but never not at all: they may give us little.
    fn dials_others_at(&self, swarm: &Swarm) -> Time {
        if self.sources.dialing_on_hearsay() >= swarm.config.limits.max_dials.div_ceil(2) {
            Time::MAX
        } else if self.is_crowded(swarm) {
            self.next_beyond
        } else {
            Time::ZERO
        }
    }

    /// When it is to be looked for the next dial; `None` if no peer is to be dialed, or no dial is free.
    pub(super) fn next_dial(&self, swarm: &Swarm) -> Option<Time> {
        let soonest = self.sources.soonest;
        if soonest > swarm.now {
            // No known peer is due, as in most steps of a transfer: nothing is counted before one is.
            return (soonest < Time::MAX).then_some(soonest);
        }
        let others = self.dials_others_at(swarm);
        let soonest = if others <= soonest { soonest } else { others.min(self.sources.soonest_by_user) };
        // Where no place is free, a peer that gives nothing gives way.
        let may_replace = swarm.wants_chunks() && self.sources.dialing.is_empty();
        let at = match self.free_dials(swarm) {
            0 if may_replace => soonest.max(self.next_beyond),
            0 if !self.sources.dialing.is_empty() || free_places(swarm) == 0 => return None,
            0 => soonest.max(contacts::hosts_change_at(swarm)?),
            _ => soonest,
        };
        (at < Time::MAX).then_some(at)
    }

    /// Adds a source that the user named. An offer with our own key is of another process of the same user: seed and
    /// fetch on one machine.
    pub(super) fn add_source(&mut self, swarm: &mut Swarm, offer: &SignedOffer) {
        let (now, offer) = (swarm.now, offer.offer());
        self.sources.name(offer.peer, &offer.addresses, now);
        if self.sources.is_banned(offer.peer, now) {
            swarm.event(Event::Refused { peer: offer.peer, code: CloseCode::Banned, by_peer: false });
        }
    }

    /// Adds a peer of an earlier run. One that the user had not named is believed no more than then: only its public addresses are
    /// dialed, within the limits for passed-on offers.
    pub(super) fn add_earlier(&mut self, swarm: &Swarm, peer: &EarlierPeer) {
        let (now, offer) = (swarm.now, peer.offer.offer());
        if offer.peer == swarm.config.me || self.sources.is_banned(offer.peer, now) {
            return;
        }
        let passed_on = || pex_addresses(&offer.addresses, Scope::Public);
        let (named, passed_on) =
            if peer.was_named { (offer.addresses.clone(), Vec::new()) } else { (Vec::new(), passed_on()) };
        self.sources.recall(offer, Found::Earlier, (named, passed_on), now);
    }

    /// Adds a peer of a list or a link whose first offers the user named. Its maker may have written down whom it likes, so the
    /// addresses are dialed within the limits for passed-on offers; for some time without an answer, and then now and then.
    pub(super) fn add_listed(&mut self, swarm: &Swarm, offer: &SignedOffer) {
        let (now, offer) = (swarm.now, offer.offer());
        if offer.peer != swarm.config.me && !self.sources.is_banned(offer.peer, now) {
            let addresses = pex_addresses(&offer.addresses, Scope::Loopback);
            self.sources.recall(offer, Found::Named, (Vec::new(), addresses), now);
        }
    }

    /// Adds a peer that was found where no member and no user named it. The address at which it answered is dialed as one that the
    /// user named; the others of its offer as those of passed-on offers: the public ones, within their limits.
    pub(super) fn add_found(&mut self, swarm: &Swarm, found: &FoundPeer) {
        let (now, offer, limits) = (swarm.now, found.offer.offer(), &swarm.config.limits);
        let terms = &swarm.config.terms;
        if offer.peer == swarm.config.me
            || offer.swarm_id != terms.swarm_id
            || offer.check_fresh(swarm.unix()).is_err()
            || self.sources.is_banned(offer.peer, now)
        {
            return;
        }
        let others = pex_addresses(&offer.addresses, Scope::Public);
        let Some(first) = found.at.or(others.first().copied()) else { return };
        let bringer = Site::of(first.ip());
        let tries = self.reach.failures(now, offer.peer);
        let is_tried = found.at.is_none() && tries >= MAX_FAILURES;
        if is_tried
            || (!self.sources.is_known(offer.peer) && !self.sources.make_room(limits.max_known, bringer))
        {
            return;
        }
        let place = FoundPlace { way: found.way, direct: found.at, others, expires_unix: offer.expires_unix };
        self.sources.find(offer.peer, place, Heard { tries, bringer }, now);
    }

    /// How long after this dial the next one is, where many peers are connected. Where the peers of many networks give us chunks, the
    /// other places are for incoming connections; keys of one host are no reason, as they cost an attacker nothing.
    fn pause_beyond(&self, swarm: &Swarm) -> Duration {
        let givers = swarm.peers.values().filter(|peer| peer.is_giver(swarm.now));
        let networks: BTreeSet<_> = givers.map(|peer| peer.site.allocation()).collect();
        let is_enough = networks.len() >= swarm.config.limits.enough_peers;
        if is_enough || free_places(swarm) == 0 { BEYOND_ALL } else { BEYOND_ENOUGH }
    }

    /// Dials the peers that are due, and tells of each and of who brought its offer, also of those that may not be dialed now.
    pub(super) fn dial(&mut self, swarm: &mut Swarm, mut tell: impl FnMut(PeerId, BroughtBy)) {
        let now = swarm.now;
        while self.next_dial(swarm).is_some_and(|at| at <= now) {
            let by_user = self.dials_others_at(swarm) > now;
            let unix = swarm.unix();
            let only = swarm.config.dials();
            let Some(peer) = self.sources.due(now, unix, by_user, only) else {
                let next = self.sources.next_dial(by_user, only);
                *self.sources.soonest(by_user) = next;
                continue;
            };
            if swarm.peers.is_connected(peer) {
                // The peer has connected to us in the meantime.
                self.sources.connected(peer);
                continue;
            }
            let (reach, by) = (&mut self.reach, self.sources.brought_by(peer));
            let (addresses, pex_addresses) =
                self.sources.addresses(peer, unix, |&address| reach.take(now, Told::Unasked(by), address));
            tell(peer, by);
            if addresses.is_empty() && pex_addresses.is_empty() {
                self.sources.put_off(peer, now + LATER);
                continue;
            }
            if self.is_crowded(swarm) {
                self.next_beyond = now + self.pause_beyond(swarm);
            }
            swarm.push(Output::Dial { peer, addresses, pex_addresses });
        }
    }

    /// Notes that we connected to a peer at `site`. Of the passed-on addresses that were being dialed, those before that one did not
    /// answer and stay counted against the dial limits; that one is not counted, and those after it are not, either, as they were
    /// not dialed: unless a meeting was under way, or the peer's own addresses were dialed, which may have led there while they were.
    /// If it is none of them, they led nowhere.
    pub(super) fn dial_ended_at(&mut self, now: Time, peer: PeerId, site: Site, is_meeting: bool) {
        let by = self.sources.brought_by(peer);
        let is_alone = self.sources.tries_hearsay_alone(peer) && !is_meeting;
        let tried = self.sources.tried(peer);
        let is_there = |address: &SocketAddr| Site::of(address.ip()) == site;
        if let Some(there) = tried.iter().position(is_there) {
            self.reach.forgive(peer);
            let not_counted = tried.into_iter().skip(there).filter(|address| is_alone || is_there(address));
            not_counted.for_each(|address| self.reach.give_back(now, Told::Unasked(by), address));
        }
    }

    /// Ends a source that refused us for good.
    pub(super) fn refused_by(&mut self, swarm: &mut Swarm, peer: PeerId, code: CloseCode) {
        if code == CloseCode::BudgetUsed {
            self.sources.out_of_budget(peer);
        } else {
            self.sources.refused(peer);
        }
        swarm.event(Event::Refused { peer, code, by_peer: true });
    }

    pub(super) fn dial_failed(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        wrong_key: Option<PeerId>,
        code: Option<CloseCode>,
    ) {
        let now = swarm.now;
        let is_alone = self.sources.tries_hearsay_alone(peer);
        // A peer that refuses is at the one address that was dialed.
        if let ([address], true) = (&*self.sources.tried(peer), code.is_some() && is_alone) {
            self.reach.give_back(now, Told::Unasked(self.sources.brought_by(peer)), *address);
        }
        if swarm.peers.is_connected(peer) {
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
            swarm.event(Event::WrongKey { expected: peer, found });
        } else if let Some(code) = code.filter(|&code| is_final(code)) {
            self.refused_by(swarm, peer, code);
        } else {
            let tries = self.sources.tries(peer) + 1;
            self.disconnected(swarm, peer);
            swarm.event(Event::Unreachable { peer, tries });
        }
    }

    /// Notes that a connection of the peer has ended, or was not accepted, so that the peer is dialed again in time.
    pub(super) fn disconnected(&mut self, swarm: &mut Swarm, peer: PeerId) {
        self.sources.disconnected(swarm.now, peer, &swarm.config.limits, &mut swarm.rng);
    }
}

#[cfg(test)]
mod tests;
