//! Table of known peers: their addresses, and when to dial each again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::PeerId;

use super::bans::Bans;
use super::config::Limits;
use super::eviction::Evictions;
use super::found::Found;
use super::reach::{BroughtBy, MAX_FAILURES};
use super::site::{Network, Site};
use super::source::{Source, State};
use super::time::Time;

mod learned;

/// Failed tries after which a peer from a passed-on offer is forgotten. Peers that brought chunks are tried until their
/// offers expire, and peers that the user named without end.
const MAX_TRIES: u32 = MAX_FAILURES - 1;
/// After these a peer of a user's list is tried so often.
const LISTED_EVERY: Duration = Duration::from_secs(600);
/// Most bringers whose last turn is remembered.
const MAX_TURNS: usize = 256;

/// Peers that the user lets us dial; `None`: every peer.
pub(super) type Only<'c> = Option<&'c BTreeSet<PeerId>>;

fn may_dial(only: Only<'_>, peer: &PeerId) -> bool {
    only.is_none_or(|only| only.contains(peer))
}

/// All known peers, connected or not.
#[derive(Debug)]
pub(super) struct Sources {
    known: BTreeMap<PeerId, Source>,
    bans: Bans,
    /// Some entries may have ended for good and can be dropped to make room.
    may_drop: bool,
    pub(super) evictions: Evictions,
    /// When the peers of each bringer had their last turn.
    turns: BTreeMap<BroughtBy, u64>,
    /// Likewise of the networks that passed-on offers lead to: the many offers of one do not stand before those of others.
    turns_at: BTreeMap<Network, u64>,
    /// The number of the last dial.
    turn: u64,
    /// Peers that are being dialed.
    pub(super) dialing: BTreeSet<PeerId>,
    /// No peer is due before this time, and no peer that the user named before the second time.
    pub(super) soonest: Time,
    pub(super) soonest_by_user: Time,
}

impl Sources {
    pub(super) fn new(bans: Bans) -> Self {
        Self {
            known: BTreeMap::new(),
            bans,
            may_drop: false,
            evictions: Evictions::default(),
            turns: BTreeMap::new(),
            turns_at: BTreeMap::new(),
            turn: 0,
            dialing: BTreeSet::new(),
            soonest: Time::MAX,
            soonest_by_user: Time::MAX,
        }
    }

    /// The entry of a peer, to change what decides about eviction.
    fn change(&mut self, peer: PeerId) -> Option<&mut Source> {
        let source = self.known.get_mut(&peer)?;
        self.evictions.forget();
        Some(source)
    }

    fn remove(&mut self, peer: PeerId) {
        self.evictions.forget();
        self.known.remove(&peer);
    }

    pub(super) fn is_banned(&self, peer: PeerId, now: Time) -> bool {
        self.bans.has(peer, now)
    }

    pub(super) fn ban(&mut self, peer: PeerId, is_for_chunk: bool, now: Time) {
        self.bans.add(peer, is_for_chunk, now);
        self.refused(peer);
    }

    pub(super) fn refused(&mut self, peer: PeerId) {
        self.dialing.remove(&peer);
        if let Some(source) = self.change(peer) {
            source.state = State::Ended;
            self.may_drop = true;
        }
    }

    /// Ends a source that refused us because our budget with it is used.
    pub(super) fn out_of_budget(&mut self, peer: PeerId) {
        self.refused(peer);
        if let Some(source) = self.known.get_mut(&peer) {
            source.is_out_of_budget = true;
        }
    }

    /// Returns true if no source is left and at least one ended because our budget with it is used.
    pub(super) fn is_out_of_budget(&self) -> bool {
        self.is_exhausted() && self.known.values().any(|source| source.is_out_of_budget)
    }

    pub(super) fn connected(&mut self, peer: PeerId) {
        self.dialing.remove(&peer);
        if let Some(source) = self.change(peer) {
            (source.state, source.answered.is_fresh) = (State::Connected, false);
        }
    }

    /// Resets the failed tries of a useful peer: after a disconnect it is soon dialed again.
    pub(super) fn was_useful(&mut self, peer: PeerId) {
        if let Some(source) = self.known.get_mut(&peer) {
            source.tries = 0;
        }
    }

    /// Marks a peer that brought a proven chunk: its entry is not evicted, nor dropped for failed tries.
    pub(super) fn brought_a_chunk(&mut self, peer: PeerId) {
        self.was_useful(peer);
        if self.known.get(&peer).is_some_and(|source| source.has_brought) {
            return;
        }
        if let Some(source) = self.change(peer) {
            source.has_brought = true;
        }
    }

    /// Delays the next dial of the peer until `until`.
    pub(super) fn wait_until(&mut self, peer: PeerId, until: Time) {
        let Some(source) = self.known.get_mut(&peer) else { return };
        source.not_before = source.not_before.max(until);
        if let State::Waiting(at) = source.state {
            source.state = State::Waiting(at.max(until));
        }
    }

    /// Leaves the peer alone until `until`, for its own sake: what is found of it meanwhile is tried all the same.
    pub(super) fn rest_until(&mut self, peer: PeerId, until: Time) {
        let Some(source) = self.known.get_mut(&peer) else { return };
        source.rests_until = source.rests_until.max(until);
        if let State::Waiting(at) = source.state
            && !source.answered.is_fresh
        {
            source.state = State::Waiting(at.max(until));
        }
    }

    pub(super) fn disconnected(&mut self, now: Time, peer: PeerId, limits: &Limits, rng: &mut fastrand::Rng) {
        self.dialing.remove(&peer);
        let Some(source) = self.change(peer) else { return };
        if source.state == State::Ended {
            return;
        }
        source.tries += 1;
        // A peer that gave us chunks and has no place now may be the only one with the rest.
        if !source.by_user && !source.has_brought && !source.answered.is_fresh && source.tries > MAX_TRIES {
            if source.found != Found::Named {
                self.remove(peer);
                return;
            }
            source.not_before = now + LISTED_EVERY;
        }
        let doubled = limits.dial_backoff.saturating_mul(1 << source.tries.min(16).saturating_sub(1));
        let pause = doubled.min(limits.dial_backoff_max);
        // Jitter, so that peers which lost the same seeder do not come back in one burst.
        let after_pause = (now + pause.mul_f64(0.75 + rng.f64() / 2.0)).max(source.rests_until);
        let at = if source.answered.is_fresh { now } else { after_pause }.max(source.not_before);
        source.state = State::Waiting(at);
        let by_user = source.by_user;
        self.expect(at, by_user);
    }

    /// Returns true if no source is left that could ever help.
    pub(super) fn is_exhausted(&self) -> bool {
        self.known.values().all(|source| source.state == State::Ended)
    }

    /// When the next dial is due; `by_user`: only of peers that the user named.
    pub(super) fn next_dial(&self, by_user: bool, only: Only<'_>) -> Time {
        let is_meant =
            |(peer, source): &(&PeerId, &Source)| (source.by_user || !by_user) && may_dial(only, peer);
        let meant = self.known.iter().filter(is_meant).map(|(_, source)| source);
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

    /// Looks for due dials again, since the user may allow other peers now.
    pub(super) fn look_again(&mut self) {
        (self.soonest, self.soonest_by_user) = (Time::ZERO, Time::ZERO);
    }

    pub(super) fn soonest(&mut self, by_user: bool) -> &mut Time {
        if by_user { &mut self.soonest_by_user } else { &mut self.soonest }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    pub(super) fn tries(&self, peer: PeerId) -> u32 {
        self.known.get(&peer).map_or(0, |source| source.tries)
    }

    /// Returns the next peer to dial now; `by_user`: only of peers that the user named.
    pub(super) fn due(&mut self, now: Time, unix: u64, by_user: bool, only: Only<'_>) -> Option<PeerId> {
        let before = self.known.len();
        self.known.retain(|_, source| {
            source.by_user || source.state == State::Connected || source.expires_unix > unix
        });
        if self.known.len() < before {
            self.evictions.forget();
        }
        let (peer, source) = self
            .known
            .iter_mut()
            .filter(|(peer, source)| (source.by_user || !by_user) && may_dial(only, peer))
            .filter(|(_, source)| matches!(source.state, State::Waiting(at) if at <= now))
            .min_by_key(|(_, source)| {
                let turn = self.turns.get(&source.brought_by()).copied().unwrap_or(0);
                let at = source.leads_to().and_then(|at| self.turns_at.get(&at)).copied().unwrap_or(0);
                (turn, source.tries, at, source.found != Found::Earlier)
            })?;
        self.turn += 1;
        if self.turns.len() >= MAX_TURNS {
            self.turns.clear();
        }
        if self.turns_at.len() >= MAX_TURNS {
            self.turns_at.clear();
        }
        self.turns.insert(source.brought_by(), self.turn);
        self.turns_at.extend(source.leads_to().map(|at| (at, self.turn)));
        (source.state, source.answered.is_fresh) = (State::Dialing, false);
        self.evictions.forget();
        self.dialing.insert(*peer);
        Some(*peer)
    }

    /// Addresses at which to dial the peer that is due: those that the user named, and the passed-on ones that `may_try`
    /// lets pass.
    pub(super) fn addresses(
        &mut self,
        peer: PeerId,
        unix: u64,
        may_try: impl FnMut(&SocketAddr) -> bool,
    ) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
        let Some(source) = self.known.get_mut(&peer) else { return Default::default() };
        let own = source.own_addresses();
        let pex_addresses = source.pex_addresses.iter().filter(|address| !own.contains(address));
        let pex_addresses = pex_addresses.filter(|_| source.expires_unix > unix).copied();
        source.on_trial = pex_addresses.filter(may_try).collect();
        (own, source.on_trial.clone())
    }

    /// Returns true if the peer is dialed at passed-on addresses alone.
    pub(super) fn tries_hearsay_alone(&self, peer: PeerId) -> bool {
        self.known.get(&peer).is_some_and(|source| source.own_addresses().is_empty())
    }

    /// Takes the passed-on addresses that were being dialed, after the dial has ended.
    pub(super) fn tried(&mut self, peer: PeerId) -> Vec<SocketAddr> {
        self.known.get_mut(&peer).map(|source| std::mem::take(&mut source.on_trial)).unwrap_or_default()
    }

    /// Puts off the dial of the peer that is due; this is not a try.
    pub(super) fn put_off(&mut self, peer: PeerId, at: Time) {
        self.dialing.remove(&peer);
        if let Some(source) = self.change(peer) {
            source.state = State::Waiting(at);
            let by_user = source.by_user;
            self.expect(at, by_user);
        }
    }

    /// The number of peers being dialed that are known from passed-on offers alone.
    pub(super) fn dialing_on_hearsay(&self) -> usize {
        self.dialing.iter().filter(|peer| !self.is_by_user(**peer)).count()
    }

    /// Returns true if the user named the peer.
    pub(super) fn is_by_user(&self, peer: PeerId) -> bool {
        self.known.get(&peer).is_some_and(|source| source.by_user)
    }

    /// By which way we learned of a peer that we dialed.
    pub(super) fn found(&self, peer: PeerId) -> Found {
        self.known.get(&peer).map_or(Found::PassedOn, Source::learned)
    }

    /// Who brought the addresses of a peer.
    pub(super) fn brought_by(&self, peer: PeerId) -> BroughtBy {
        self.known.get(&peer).and_then(Source::brought_by)
    }

    pub(super) fn is_known(&self, peer: PeerId) -> bool {
        self.known.contains_key(&peer)
    }

    /// Returns true if there is room for one more passed-on offer; an entry that has ended is dropped for it.
    pub(super) fn has_room(&mut self, most: usize) -> bool {
        if self.known.len() >= most && self.may_drop {
            let useless =
                self.known.iter().find(|(_, source)| !source.by_user && source.state == State::Ended);
            let useless = useless.map(|(&peer, _)| peer);
            self.may_drop = useless.is_some();
            if let Some(peer) = useless {
                self.remove(peer);
            }
        }
        self.known.len() < most
    }

    /// Returns true if there is room, or an entry to evict, for an offer that a member at `bringer` passed on.
    pub(super) fn may_make_room(&mut self, most: usize, bringer: Site) -> bool {
        self.has_room(most) || self.eviction_candidate(bringer).is_some()
    }

    /// Makes room for a good offer that a member at `bringer` passed on, by evicting if necessary, so that the first
    /// member with many offers does not keep out those of others. Returns true if there is room.
    pub(super) fn make_room(&mut self, most: usize, bringer: Site) -> bool {
        if self.has_room(most) {
            return true;
        }
        let least = self.eviction_candidate(bringer);
        if let Some(peer) = least {
            self.remove(peer);
        }
        least.is_some()
    }

    fn eviction_candidate(&mut self, bringer: Site) -> Option<PeerId> {
        let told = || {
            let told = self.known.iter().filter(|(_, source)| source.may_be_evicted());
            told.filter_map(|(&peer, source)| Some((peer, source.bringer?, source.tries)))
        };
        self.evictions.candidate(bringer, told)
    }
}
