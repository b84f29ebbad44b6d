//! Peers that the user expects: both users gave each other their offers, and each side sends to the other until one is let in.
//!
//! A member that is shut off by its router or firewall lets in answers to what it sent. So it sends to the addresses of each
//! expected peer, which dials it meanwhile, and dials it in turn. No third member is needed, and no consent but that to serve or to
//! fetch: the user named the peer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::PeerId;

use super::config::Config;
use super::events::Output;
use super::sources::Sources;
use super::standing::Standings;
use super::swarm::Swarm;
use super::time::Time;

/// Between two rounds: routers keep what they let in open for half a minute and more.
const EVERY: Duration = Duration::from_secs(10);
/// An expected peer that did not come within this time is given up.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// Most peers that are expected.
const MOST: usize = 16;

/// How far we are with one expected peer.
#[derive(Debug)]
struct Round {
    addresses: Vec<SocketAddr>,
    next: Time,
    until: Time,
}

/// The peers that the user expects.
#[derive(Debug, Default)]
pub(super) struct Expected {
    rounds: BTreeMap<PeerId, Round>,
    /// How often the user had named one.
    times_named: u64,
}

impl Expected {
    /// The user's list at the start.
    pub(super) fn of(config: &Config) -> Self {
        let mut expected = Self::default();
        expected.follow(config, Time::ZERO);
        expected
    }

    /// Follows the user's list, which may have changed.
    pub(super) fn follow(&mut self, config: &Config, now: Time) {
        let listed = || config.controls.expected.iter().map(|signed| signed.offer()).take(MOST);
        let times = config.controls.expected_named;
        let grown = times.saturating_sub(std::mem::replace(&mut self.times_named, times));
        let named = || listed().take(usize::try_from(grown).unwrap_or(MOST));
        self.rounds.retain(|peer, round| {
            let is_over = round.next >= round.until;
            let is_listed = listed().any(|offer| offer.peer == *peer && offer.addresses == round.addresses);
            is_listed && !(is_over && named().any(|offer| offer.peer == *peer))
        });
        for offer in listed().filter(|offer| offer.swarm_id == config.terms.swarm_id) {
            self.rounds.entry(offer.peer).or_insert_with(|| Round {
                addresses: offer.addresses.clone(),
                next: now,
                until: now + PATIENCE,
            });
        }
    }

    /// Whether the user expects this peer.
    pub(super) fn has(&self, peer: PeerId) -> bool {
        self.rounds.contains_key(&peer)
    }

    /// When the next round begins.
    pub(super) fn wakeup(&self) -> Option<Time> {
        self.rounds.values().filter(|round| round.next < round.until).map(|round| round.next).min()
    }

    /// Begins the rounds that are due, with peers that are not here and may come.
    pub(super) fn meet(&mut self, swarm: &mut Swarm, sources: &Sources, standings: &Standings) {
        let now = swarm.now;
        if self.wakeup().is_none_or(|at| now < at) || swarm.stopping {
            return;
        }
        let me = swarm.config.me;
        for (&peer, round) in
            self.rounds.iter_mut().filter(|(_, round)| round.next <= now && round.next < round.until)
        {
            round.next = now + EVERY;
            let is_kept_away = sources.is_banned(peer, now) || standings.is_shut_out(peer, now);
            let may_come = peer != me && swarm.config.controls.lets_in(peer) && !is_kept_away;
            if may_come && !swarm.peers.is_connected(peer) {
                let addresses = round.addresses.clone();
                swarm.push(Output::Meet { peer, by: me, addresses, dials: true, delay: Duration::ZERO });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use minimodel_wire::{Bitfield, SignedOffer};

    use super::super::events::Input;
    use super::super::harness::{CHUNKS, Harness, SEED, TAKE, having, id, offer_at};
    use super::super::user_controls::Controls;
    use super::*;

    fn expecting(offers: Vec<SignedOffer>) -> Harness {
        let mut harness = Harness::new(SEED, Bitfield::full(CHUNKS));
        harness.tell(Input::Controls(Controls { expected: offers, ..Controls::default() }));
        harness
    }

    fn met(harness: &mut Harness) -> Vec<PeerId> {
        let meets = harness.said().into_iter();
        meets
            .filter_map(|output| if let Output::Meet { peer, .. } = output { Some(peer) } else { None })
            .collect()
    }

    #[test]
    fn expected_peer_is_sent_to_every_ten_seconds_until_it_is_here() {
        let mut harness = expecting(vec![offer_at(9, "8.8.4.4:1", 1_000_000)]);
        assert_eq!(met(&mut harness), [id(9)]);
        harness.tell(Input::MeetingEnded {
            peer: id(9),
            by: harness.machine.swarm.config.me,
            sent: Default::default(),
        });
        harness.wait(EVERY - Duration::from_secs(1));
        assert_eq!(met(&mut harness), []);
        harness.wait(Duration::from_secs(1));
        assert_eq!(met(&mut harness), [id(9)]);
        harness.join(9, TAKE, having([]));
        harness.wait(3 * EVERY);
        assert_eq!(met(&mut harness), []);
    }

    // Rows: H14
    #[test]
    fn expected_peer_is_given_up_after_half_an_hour_or_by_user() {
        let mut harness = expecting(vec![offer_at(9, "8.8.4.4:1", 1_000_000)]);
        harness.wait(PATIENCE);
        assert_eq!(met(&mut harness).len(), 180);
        harness.wait(PATIENCE);
        assert_eq!(met(&mut harness), []);
        let mut forgets = expecting(vec![offer_at(9, "8.8.4.4:1", 1_000_000)]);
        forgets.tell(Input::Controls(Controls::default()));
        met(&mut forgets);
        forgets.wait(EVERY);
        assert_eq!(met(&mut forgets), []);
    }

    // Rows: H14
    #[test]
    fn who_may_not_come_is_not_sent_to_though_expected() {
        let mut harness = Harness::new(SEED, Bitfield::full(CHUNKS));
        harness.machine.dialer.sources.ban(id(8), false, Time::ZERO);
        let expected = vec![offer_at(8, "8.8.4.4:1", 1_000_000), offer_at(9, "8.8.4.4:2", 1_000_000)];
        let allow = Some([id(8)].into());
        harness.tell(Input::Controls(Controls { expected, allow, ..Controls::default() }));
        harness.wait(EVERY);
        assert_eq!(met(&mut harness), []);
        // One that is kept away may come after that.
        let mut harness = expecting(vec![]);
        harness.machine.standings.of(id(9), Time::ZERO).shut_out(Time::ZERO);
        let expected = vec![offer_at(9, "8.8.4.4:2", 1_000_000)];
        harness.tell(Input::Controls(Controls { expected, ..Controls::default() }));
        harness.wait(EVERY);
        assert_eq!(met(&mut harness), []);
        harness.wait(6 * EVERY);
        assert_ne!(met(&mut harness), []);
    }

    #[test]
    fn peer_that_was_given_up_is_expected_anew_if_named_again() {
        let (one, other) = (offer_at(8, "8.8.4.4:1", 1_000_000), offer_at(9, "8.8.4.4:2", 1_000_000));
        let controls = |expected_named, first: &SignedOffer, second: &SignedOffer| {
            let expected = vec![first.clone(), second.clone()];
            Input::Controls(Controls { expected, expected_named, ..Controls::default() })
        };
        let mut harness = Harness::new(SEED, Bitfield::full(CHUNKS));
        harness.tell(controls(2, &one, &other));
        harness.wait(PATIENCE);
        harness.said();
        harness.tell(controls(2, &other, &one));
        assert_eq!(met(&mut harness), [], "another control has changed");
        harness.tell(controls(3, &other, &one));
        assert_eq!(met(&mut harness), [id(9)]);
        harness.wait(EVERY);
        assert_eq!(met(&mut harness), [id(9)]);
    }
}
