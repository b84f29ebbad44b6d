//! Where peers may be found, and when to dial each again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::{CloseCode, PeerId, SignedOffer};

use super::bans::Bans;
use super::config::Limits;
use super::core::Machine;
use super::events::{Event, Output};
use super::fault::is_final;
use super::time::Time;

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
    /// The beginning of the signature of the offer that was read last.
    mark: u64,
}

/// All known peers, connected or not.
#[derive(Debug)]
pub(super) struct Sources {
    known: BTreeMap<PeerId, Source>,
    bans: Bans,
    /// Some of the known may have ended for good, and could make room.
    may_drop: bool,
    /// Who is being dialed.
    dialing: BTreeSet<PeerId>,
    /// Nobody is to be dialed before this, and nobody whom the user named before that.
    soonest: Time,
    soonest_by_user: Time,
}

impl Sources {
    pub(super) fn new(bans: Bans) -> Self {
        Self {
            known: BTreeMap::new(),
            bans,
            may_drop: false,
            dialing: BTreeSet::new(),
            soonest: Time::MAX,
            soonest_by_user: Time::MAX,
        }
    }

    pub(super) fn is_banned(&self, peer: PeerId, now: Time) -> bool {
        self.bans.has(peer, now)
    }

    pub(super) fn ban(&mut self, peer: PeerId, now: Time) {
        self.bans.add(peer, now);
        self.refused(peer);
    }

    pub(super) fn refused(&mut self, peer: PeerId) {
        self.dialing.remove(&peer);
        if let Some(source) = self.known.get_mut(&peer) {
            source.state = State::Ended;
            self.may_drop = true;
        }
    }

    pub(super) fn connected(&mut self, peer: PeerId) {
        self.dialing.remove(&peer);
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
        self.dialing.remove(&peer);
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
        let by_user = source.by_user;
        self.expect(at, by_user);
    }

    /// No source is left that could ever help.
    pub(super) fn is_exhausted(&self) -> bool {
        self.known.values().all(|source| source.state == State::Ended)
    }

    /// When the next dial is due, by the user's word alone or by anybody's.
    fn next_dial(&self, by_user: bool) -> Time {
        let meant = self.known.values().filter(|source| source.by_user || !by_user);
        meant
            .filter_map(|source| if let State::Waiting(at) = source.state { Some(at) } else { None })
            .min()
            .unwrap_or(Time::MAX)
    }

    fn expect(&mut self, at: Time, by_user: bool) {
        self.soonest = self.soonest.min(at);
        if by_user {
            self.soonest_by_user = self.soonest_by_user.min(at);
        }
    }

    fn soonest(&mut self, by_user: bool) -> &mut Time {
        if by_user { &mut self.soonest_by_user } else { &mut self.soonest }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    fn tries(&self, peer: PeerId) -> u32 {
        self.known.get(&peer).map_or(0, |source| source.tries)
    }

    /// Whom to dial now, of those whom the user named or of all.
    fn due(&mut self, now: Time, unix: u64, by_user: bool) -> Option<(PeerId, Vec<SocketAddr>)> {
        self.known.retain(|_, source| {
            source.by_user || source.state == State::Connected || source.expires_unix > unix
        });
        let (peer, source) = self
            .known
            .iter_mut()
            .filter(|(_, source)| source.by_user || !by_user)
            .filter(|(_, source)| matches!(source.state, State::Waiting(at) if at <= now))
            .min_by_key(|(_, source)| source.tries)?;
        source.state = State::Dialing;
        self.dialing.insert(*peer);
        Some((*peer, source.addresses.clone()))
    }

    pub(super) fn add(
        &mut self,
        peer: PeerId,
        addresses: &[SocketAddr],
        expires_unix: u64,
        by_user: bool,
        at: Time,
    ) {
        let state = if self.is_banned(peer, at) { State::Ended } else { State::Waiting(at) };
        self.may_drop |= state == State::Ended;
        let fresh = Source {
            addresses: addresses.to_vec(),
            expires_unix,
            by_user,
            state,
            tries: 0,
            not_before: Time::ZERO,
            mark: 0,
        };
        self.expect(at, by_user);
        let source = self.known.entry(peer).or_insert(fresh);
        source.by_user |= by_user;
        source.expires_unix = source.expires_unix.max(expires_unix);
        for address in addresses {
            if !source.addresses.contains(address) && source.addresses.len() < 16 {
                source.addresses.push(*address);
            }
        }
    }

    pub(super) fn is_known(&self, peer: PeerId) -> bool {
        self.known.contains_key(&peer)
    }

    /// How the offer of this peer that was read last is recognised; `None` for a peer that is not known.
    pub(super) fn mark_of(&self, peer: PeerId) -> Option<u64> {
        self.known.get(&peer).map(|source| source.mark)
    }

    pub(super) fn mark(&mut self, peer: PeerId, mark: u64) {
        if let Some(source) = self.known.get_mut(&peer) {
            source.mark = mark;
        }
    }

    /// Makes room for one more passed-on offer, at the cost of one that is of no use; whether there is room.
    pub(super) fn has_room(&mut self, most: usize) -> bool {
        if self.known.len() >= most && self.may_drop {
            let useless =
                self.known.iter().find(|(_, source)| !source.by_user && source.state == State::Ended);
            let useless = useless.map(|(&peer, _)| peer);
            self.may_drop = useless.is_some();
            useless.and_then(|peer| self.known.remove(&peer));
        }
        self.known.len() < most
    }
}

impl Machine {
    fn free_dials(&self) -> usize {
        if !self.wants_chunks() {
            return 0;
        }
        let limits = &self.config.limits;
        let places = limits.max_connections.saturating_sub(self.peers.len());
        limits.max_dials.saturating_sub(self.sources.dialing.len()).min(places)
    }

    /// Whether there are so many peers that passed-on offers may wait; the other places are for those who come.
    fn has_enough_peers(&self) -> bool {
        self.peers.len() + self.sources.dialing.len() >= self.config.limits.enough_peers
    }

    /// When somebody is to be dialed.
    pub(super) fn next_dial(&self) -> Option<Time> {
        let soonest =
            if self.has_enough_peers() { self.sources.soonest_by_user } else { self.sources.soonest };
        (soonest < Time::MAX && self.free_dials() > 0).then_some(soonest)
    }

    pub(super) fn unix(&self, now: Time) -> u64 {
        self.config.unix_at_start + now.since_start().as_secs()
    }

    /// An offer of our own key is one of our user's other process: seed and fetch on one machine.
    pub(super) fn add_source(&mut self, now: Time, offer: &SignedOffer) {
        let offer = offer.offer();
        self.sources.add(offer.peer, &offer.addresses, offer.expires_unix, true, now);
        if self.sources.is_banned(offer.peer, now) {
            self.event(Event::Refused { peer: offer.peer, code: CloseCode::Banned, by_peer: false });
        }
    }

    pub(super) fn dial(&mut self, now: Time) {
        while self.next_dial().is_some_and(|at| at <= now) {
            let by_user = self.has_enough_peers();
            let unix = self.unix(now);
            let Some((peer, addresses)) = self.sources.due(now, unix, by_user) else {
                let next = self.sources.next_dial(by_user);
                *self.sources.soonest(by_user) = next;
                continue;
            };
            if self.by_id.contains_key(&peer) {
                // It came to us in the meantime.
                self.sources.connected(peer);
                continue;
            }
            self.push(Output::Dial { peer, addresses });
        }
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
}

#[cfg(test)]
mod tests {
    use super::super::desk::{Desk, SEED, TAKE, all, having, id, offer};
    use super::super::events::Input;
    use super::*;
    use bytes::Bytes;
    use minimodel_wire::{Bitfield, Frame};

    const LATE: u64 = 1_000_000;

    #[test]
    fn a_passed_on_peer_is_tried_five_times_and_a_user_s_for_ever() {
        let mut desk = Desk::new(all(), having([0]));
        desk.tell(Input::Source(offer(8, [1; 32], LATE)));
        desk.join(1, all(), having([1]));
        desk.frame(1, Frame::Peers { offers: vec![Bytes::from(offer(9, [1; 32], LATE).to_bytes())] });
        let mut tries = BTreeMap::new();
        for _ in 0..600 {
            for peer in desk.dialed() {
                *tries.entry(peer).or_insert(0) += 1;
                desk.tell(Input::DialFailed { peer, wrong_key: None, code: None });
            }
            desk.wait(Duration::from_secs(1));
        }
        assert_eq!(tries[&id(9)], 5);
        assert!((10..=20).contains(&tries[&id(8)]), "{tries:?}");
    }

    #[test]
    fn a_banned_source_named_first_does_not_end_a_fetch_that_has_a_second() {
        let mut desk = Desk::new(TAKE, having([]));
        desk.machine.sources.ban(id(1), Time::ZERO);
        desk.tell(Input::Source(offer(1, [1; 32], LATE)));
        desk.tell(Input::Source(offer(2, [1; 32], LATE)));
        desk.wait(Duration::from_secs(2));
        assert!(!desk.events().contains(&Event::Exhausted));
        desk.tell(Input::DialFailed { peer: id(2), wrong_key: Some(id(3)), code: None });
        desk.wait(Duration::from_secs(2));
        assert_eq!(desk.events().iter().filter(|&event| *event == Event::Exhausted).count(), 1);
    }

    #[test]
    fn a_connected_peer_that_does_not_serve_is_no_hope() {
        let mut desk = Desk::new(all(), having([0]));
        desk.join(1, TAKE, having([1]));
        desk.wait(Duration::from_secs(2));
        assert!(desk.events().contains(&Event::Exhausted));
        desk.join(2, SEED, Bitfield::full(20));
        desk.wait(Duration::from_secs(2));
        assert!(!desk.events().contains(&Event::Exhausted));
    }

    #[test]
    fn passed_on_offers_wait_while_there_are_enough_peers_and_a_user_s_do_not() {
        let mut desk = Desk::with(all(), having([0]), |config| config.limits.enough_peers = 3);
        desk.join(1, all(), having([1]));
        desk.join(2, all(), having([1]));
        let offers = (5..9).map(|n| Bytes::from(offer(n, [1; 32], LATE).to_bytes())).collect();
        desk.frame(1, Frame::Peers { offers });
        desk.wait(Duration::from_secs(2));
        let dialed = desk.dialed();
        assert_eq!(dialed.len(), 1, "two are here and one is enough");
        desk.tell(Input::Source(offer(9, [1; 32], LATE)));
        assert_eq!(desk.dialed(), [id(9)]);
        for peer in [dialed[0], id(9)] {
            desk.tell(Input::DialFailed { peer, wrong_key: None, code: None });
        }
        desk.wait(Duration::from_millis(1));
        assert_eq!(desk.dialed().len(), 1, "somebody else's turn");
    }
}
