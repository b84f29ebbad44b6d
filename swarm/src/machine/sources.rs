//! Where peers may be found: the user's offers, offers passed on by members, and when to dial each again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use minimodel_wire::{CloseCode, Consent, Frame, OfferError, PeerId, SignedOffer};

use super::config::Limits;
use super::core::Machine;
use super::events::{Conn, Event, Output};
use super::fault::{Breach, is_final};
use super::peer::Phase;
use super::time::Time;

/// Offers in one Peers frame; the wire's own cap.
const OFFERS_PER_FRAME: usize = 16;
/// The larger key waits this long for the smaller to dial, so that both do not dial at once.
const POLITE_DELAY: Duration = Duration::from_secs(1);
/// Tries after which a passed-on offer is forgotten; the user's own are tried for ever.
const MAX_TRIES: u32 = 4;
/// All sources must be at their end for this long, so that two that are named one after the other both count.
pub(super) const EXHAUSTED_AFTER: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be dialed at this time.
    Waiting(Time),
    Dialing,
    Connected,
    /// Refused for good, banned, or another key lives there.
    Ended,
}

#[derive(Debug, Clone)]
struct Source {
    addresses: Vec<SocketAddr>,
    expires_unix: u64,
    by_user: bool,
    state: State,
    /// Tries in a row that brought nothing.
    tries: u32,
    /// It is shut out until then.
    not_before: Time,
}

/// All known peers, connected or not.
#[derive(Debug)]
pub(super) struct Sources {
    known: BTreeMap<PeerId, Source>,
    banned: BTreeSet<PeerId>,
    /// Nobody is to be dialed before this.
    soonest: Time,
}

impl Sources {
    pub(super) fn new(banned: BTreeSet<PeerId>) -> Self {
        Self { known: BTreeMap::new(), banned, soonest: Time::ZERO }
    }

    pub(super) fn is_banned(&self, peer: PeerId) -> bool {
        self.banned.contains(&peer)
    }

    pub(super) fn ban(&mut self, peer: PeerId) {
        self.banned.insert(peer);
        self.refused(peer);
    }

    pub(super) fn refused(&mut self, peer: PeerId) {
        if let Some(source) = self.known.get_mut(&peer) {
            source.state = State::Ended;
        }
    }

    pub(super) fn connected(&mut self, peer: PeerId) {
        if let Some(source) = self.known.get_mut(&peer) {
            source.state = State::Connected;
        }
    }

    /// The peer was of use: if it goes, it may soon be dialed again.
    pub(super) fn was_useful(&mut self, peer: PeerId) {
        if let Some(source) = self.known.get_mut(&peer) {
            source.tries = 0;
        }
    }

    /// The peer is not dialed before `until`.
    pub(super) fn wait_until(&mut self, peer: PeerId, until: Time) {
        let Some(source) = self.known.get_mut(&peer) else { return };
        source.not_before = until;
        if let State::Waiting(at) = source.state {
            source.state = State::Waiting(at.max(until));
        }
    }

    pub(super) fn disconnected(&mut self, now: Time, peer: PeerId, limits: &Limits, rng: &mut fastrand::Rng) {
        let Some(source) = self.known.get_mut(&peer) else { return };
        if source.state == State::Ended {
            return;
        }
        source.tries += 1;
        if !source.by_user && source.tries > MAX_TRIES {
            self.known.remove(&peer);
            return;
        }
        let doubled = limits.dial_backoff.saturating_mul(1 << source.tries.min(16).saturating_sub(1));
        let pause = doubled.min(limits.dial_backoff_max);
        // Some chance, so that peers which lost the same seeder do not come back in one burst.
        let at = (now + pause.mul_f64(0.75 + rng.f64() / 2.0)).max(source.not_before);
        source.state = State::Waiting(at);
        self.soonest = self.soonest.min(at);
    }

    /// No source is left that could ever help.
    pub(super) fn is_exhausted(&self) -> bool {
        self.known.values().all(|source| source.state == State::Ended)
    }

    pub(super) fn next_dial(&self, free: usize) -> Option<Time> {
        if free == 0 {
            return None;
        }
        self.known
            .values()
            .filter_map(|source| if let State::Waiting(at) = source.state { Some(at) } else { None })
            .min()
    }

    fn dialing(&self) -> usize {
        self.known.values().filter(|source| source.state == State::Dialing).count()
    }

    fn tries(&self, peer: PeerId) -> u32 {
        self.known.get(&peer).map_or(0, |source| source.tries)
    }

    fn due(&mut self, now: Time, unix: u64) -> Option<(PeerId, Vec<SocketAddr>)> {
        self.known.retain(|_, source| {
            source.by_user || source.state == State::Connected || source.expires_unix > unix
        });
        let (peer, source) = self
            .known
            .iter_mut()
            .filter(|(_, source)| matches!(source.state, State::Waiting(at) if at <= now))
            .min_by_key(|(_, source)| source.tries)?;
        source.state = State::Dialing;
        Some((*peer, source.addresses.clone()))
    }

    fn add(&mut self, peer: PeerId, addresses: &[SocketAddr], expires_unix: u64, by_user: bool, at: Time) {
        let state = if self.banned.contains(&peer) { State::Ended } else { State::Waiting(at) };
        let fresh = Source {
            addresses: addresses.to_vec(),
            expires_unix,
            by_user,
            state,
            tries: 0,
            not_before: Time::ZERO,
        };
        self.soonest = self.soonest.min(at);
        let source = self.known.entry(peer).or_insert(fresh);
        source.by_user |= by_user;
        source.expires_unix = source.expires_unix.max(expires_unix);
        for address in addresses {
            if !source.addresses.contains(address) && source.addresses.len() < 16 {
                source.addresses.push(*address);
            }
        }
    }

    /// Makes room for one more passed-on offer, at the cost of one that is of no use; whether there is room.
    fn has_room(&mut self, most: usize) -> bool {
        if self.known.len() >= most {
            let useless =
                self.known.iter().find(|(_, source)| !source.by_user && source.state == State::Ended);
            useless.map(|(&peer, _)| peer).and_then(|peer| self.known.remove(&peer));
        }
        self.known.len() < most
    }
}

impl Machine {
    pub(super) fn free_dials(&self) -> usize {
        if !self.wants_chunks() {
            return 0;
        }
        let limits = &self.config.limits;
        let places = limits.max_connections.saturating_sub(self.peers.len());
        limits.max_dials.saturating_sub(self.sources.dialing()).min(places)
    }

    fn unix(&self, now: Time) -> u64 {
        self.config.unix_at_start + now.since_start().as_secs()
    }

    /// An offer of our own key is one of our user's other process: seed and fetch on one machine.
    pub(super) fn add_source(&mut self, now: Time, offer: &SignedOffer) {
        let offer = offer.offer();
        self.sources.add(offer.peer, &offer.addresses, offer.expires_unix, true, now);
        if self.sources.is_banned(offer.peer) {
            self.event(Event::Refused { peer: offer.peer, code: CloseCode::Banned, by_peer: false });
        }
    }

    pub(super) fn dial(&mut self, now: Time) {
        if now < self.sources.soonest {
            return;
        }
        let unix = self.unix(now);
        while self.free_dials() > 0 {
            let Some((peer, addresses)) = self.sources.due(now, unix) else { break };
            if self.by_id.contains_key(&peer) {
                // It came to us in the meantime.
                self.sources.connected(peer);
                continue;
            }
            self.push(Output::Dial { peer, addresses });
        }
        self.sources.soonest = self.sources.next_dial(usize::MAX).unwrap_or(Time::MAX);
    }

    pub(super) fn dial_failed(
        &mut self,
        now: Time,
        peer: PeerId,
        wrong_key: Option<PeerId>,
        code: Option<CloseCode>,
    ) {
        if self.by_id.contains_key(&peer) {
            self.sources.connected(peer);
            return;
        }
        if let Some(found) = wrong_key {
            self.sources.refused(peer);
            self.event(Event::WrongKey { expected: peer, found });
        } else if let Some(code) = code.filter(|&code| is_final(code)) {
            self.sources.refused(peer);
            self.event(Event::Refused { peer, code, by_peer: true });
        } else {
            self.sources.disconnected(now, peer, &self.config.limits, &mut self.rng);
            self.event(Event::Unreachable { peer, tries: self.sources.tries(peer) });
        }
    }

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
                self.pass_on(conn, &signed);
            }
            self.learn(now, &signed, own);
        }
    }

    fn learn(&mut self, now: Time, signed: &SignedOffer, own: bool) {
        let offer = signed.offer();
        if !self.config.consent.contains(Consent::PUBLISH) {
            return;
        }
        if !self.sources.known.contains_key(&offer.peer) && !self.sources.has_room(self.config.limits.max_known) {
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
        if !self.takes_part(conn) {
            return;
        }
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

    fn pass_on(&mut self, from: Conn, offer: &SignedOffer) {
        let others: Vec<Conn> =
            self.peers.keys().copied().filter(|&conn| conn != from && self.takes_part(conn)).collect();
        for conn in others {
            self.send(conn, Frame::Peers { offers: vec![Bytes::from(offer.to_bytes())] });
        }
    }

    fn takes_part(&self, conn: Conn) -> bool {
        self.peers
            .get(&conn)
            .is_some_and(|peer| peer.phase == Phase::Ready && peer.consent.contains(Consent::PUBLISH))
    }
}
