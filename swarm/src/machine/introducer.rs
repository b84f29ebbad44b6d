//! Introductions by this member: two peers that are connected to it and not to each other each hear at which address it sees the
//! other, so that both send there at once and each opens its router for the other (the idea of BEP 55, by key instead of address).
//!
//! Nothing but these addresses is passed on, and an address only if its owner has proved it to this member: the sender of
//! `Introduce` cannot have packets sent to a third party.

use std::time::Duration;

use minimodel_wire::{Consent, Frame, NoMeeting, PeerId, limits};

use super::budget::{Budget, HOUR, MINUTE};
use super::events::{Conn, Output};
use super::fault::Breach;
use super::introductions::Side;
use super::peer::{Peer, Phase};
use super::site::Network;
use super::standing::Standings;
use super::swarm::Swarm;
use super::time::Time;

/// Introductions to members of one network that one key may ask for within a minute and within an hour. Those that it is led to ask
/// for elsewhere, by offers that are worth nothing, take none of them.
const OF_A_KEY: [u32; 2] = [4, 32];
/// Questions of one key within a minute, whatever the answer.
const QUESTIONS: u32 = 32;
/// Introductions to one member within a minute, by keys that moved nothing. Those that did have as many of their own, here and in the
/// next three, so that neither use up those of the others.
const TO_A_MEMBER: u32 = 8;
/// Of these for keys of one network, so that those of one host leave some to others.
const TO_A_MEMBER_OF_A_NETWORK: u32 = 2;
/// All introductions within a minute, and those for keys of one network.
const OF_ALL: u32 = 256;
const OF_A_NETWORK: u32 = 64;
/// Most keys of which it is remembered what they asked for.
const MAX_KEYS: usize = 1_024;

/// One that asks.
#[derive(Debug, Clone, Copy)]
struct Asker {
    id: PeerId,
    network: Network,
    has_moved: bool,
}

/// The introductions that this member made lately.
#[derive(Debug)]
pub(super) struct Introducer {
    questions: Budget<PeerId>,
    /// By the asker, and the network of whom it asks for.
    asked: Budget<(PeerId, Network), 2>,
    pairs: Budget<(PeerId, PeerId)>,
    /// Here and below: also by whether the asker moved something.
    members: Budget<(PeerId, bool)>,
    /// To each member, by the network of the asker.
    shares: Budget<(PeerId, Network, bool)>,
    networks: Budget<(Network, bool)>,
    all: Budget<bool>,
}

impl Default for Introducer {
    fn default() -> Self {
        Self {
            questions: Budget::new([MINUTE], MAX_KEYS),
            asked: Budget::new([MINUTE, HOUR], MAX_KEYS),
            pairs: Budget::new([MINUTE], MAX_KEYS),
            members: Budget::new([MINUTE], MAX_KEYS),
            shares: Budget::new([MINUTE], MAX_KEYS),
            networks: Budget::new([MINUTE], MAX_KEYS),
            all: Budget::new([MINUTE], 2),
        }
    }
}

impl Introducer {
    /// Answers an `Introduce`. Returns the breach if no honest program sends it: it asks nobody for its own key, either, but may have
    /// been given an offer of it.
    pub(super) fn introduce(
        &mut self,
        swarm: &mut Swarm,
        standings: &Standings,
        conn: Conn,
        wanted: PeerId,
    ) -> Option<Breach> {
        let asker = swarm.peers.get(&conn)?;
        if !swarm.config.consent.contains(Consent::PUBLISH) || wanted == swarm.config.me {
            return Some(Breach::WrongState);
        }
        let has_moved = standings.moved(asker.id) >= swarm.config.terms.least_use();
        let (one, scope) =
            (Asker { id: asker.id, network: asker.site.allocation(), has_moved }, asker.site.scope());
        // Who is here without the consent to be found is not told; and an address within one network leads to another host elsewhere.
        let may_be_found = |peer: &Peer| {
            let publishes = peer.consent.contains(Consent::PUBLISH);
            peer.phase == Phase::Ready && publishes && peer.site.scope() == scope
        };
        let found = swarm.peers.primary(wanted).filter(|_| wanted != one.id);
        let found = found.and_then(|target| Some((target, swarm.peers.get(&target)?)));
        let verdict = match found.filter(|(_, peer)| may_be_found(peer)) {
            _ if !self.questions.take(swarm.now, one.id, [QUESTIONS]) => Err(NoMeeting::Limit),
            None => Err(NoMeeting::NotConnected),
            Some((_, peer)) if !self.take(swarm.now, one, (wanted, peer.site.network())) => {
                Err(NoMeeting::Limit)
            }
            Some((conn, _)) => Ok(conn),
        };
        match verdict {
            Ok(target) => {
                let sides = sides_of(swarm, [conn, target])?;
                swarm.push(Output::Introduce { sides });
            }
            Err(reason) => swarm.send(conn, Frame::NoMeet { peer: wanted, reason }),
        }
        None
    }

    /// Counts an introduction to the member `wanted`, which is in the network `at`; returns false if there were too many.
    fn take(&mut self, now: Time, asker: Asker, (wanted, at): (PeerId, Network)) -> bool {
        let Asker { id, network, has_moved } = asker;
        let pair = (id.min(wanted), id.max(wanted));
        let may = self.pairs.may(now, pair, [1])
            && self.asked.may(now, (id, at), OF_A_KEY)
            && self.members.may(now, (wanted, has_moved), [TO_A_MEMBER])
            && self.shares.may(now, (wanted, network, has_moved), [TO_A_MEMBER_OF_A_NETWORK])
            && self.networks.may(now, (network, has_moved), [OF_A_NETWORK])
            && self.all.may(now, has_moved, [OF_ALL]);
        if may {
            self.pairs.add(now, pair);
            self.asked.add(now, (id, at));
            self.members.add(now, (wanted, has_moved));
            self.shares.add(now, (wanted, network, has_moved));
            self.networks.add(now, (network, has_moved));
            self.all.add(now, has_moved);
        }
        may
    }
}

/// The asker and the one that it asks for.
fn sides_of(swarm: &Swarm, conns: [Conn; 2]) -> Option<[Side; 2]> {
    let [asker, target] = [swarm.peers.get(&conns[0])?, swarm.peers.get(&conns[1])?];
    let [first, second] = delays(asker.down.pace.rtt, target.down.pace.rtt);
    let side = |conn, peer: &Peer, delay| Side {
        conn,
        peer: peer.id,
        offered: peer.offer.as_ref().map(|offer| offer.offer().addresses.clone()).unwrap_or_default(),
        answers: peer.consent.contains(Consent::SERVE),
        delay,
        nat: peer.announced.nat,
    };
    Some([side(conns[0], asker, first), side(conns[1], target, second)])
}

/// How long each side waits, in milliseconds, the asker first. Their packets cross, so that neither arrives before the other side
/// has sent its own: some routers take an early one for a connection of their own, and translate to another port from then on.
fn delays(asker: Duration, target: Duration) -> [u16; 2] {
    // Both are told now, and hear it after half their round trips.
    let (asker, target) = (asker / 2, target / 2);
    let both = [target.saturating_sub(asker), asker.saturating_sub(target)];
    both.map(|delay| u16::try_from(delay.as_millis()).unwrap_or(u16::MAX).min(limits::MAX_MEET_DELAY))
}

#[cfg(test)]
mod tests {
    use minimodel_wire::{Bitfield, Meeting, Nat, WireAddress};

    use super::super::events::Event;
    use super::super::harness::{Harness, SEED, TAKE, all, having, id};
    use super::super::site::Site;
    use super::*;

    /// What a member answers and does when the first of its peers asks for the second.
    fn asked(
        consent: Consent,
        of_second: Consent,
        second_at: [u8; 4],
        wanted: PeerId,
    ) -> (Harness, Vec<Output>) {
        let mut harness = Harness::new(consent, Bitfield::full(20));
        harness.join(1, all(), having([]));
        harness.join_from(2, second_at, of_second, having([]));
        harness.said();
        harness.frame(1, Frame::Introduce { peer: wanted });
        let said = harness.said();
        (harness, said)
    }

    fn refusal(said: &[Output]) -> Option<NoMeeting> {
        said.iter().find_map(|output| match output {
            Output::Send { frame: Frame::NoMeet { reason, .. }, .. } => Some(*reason),
            _ => None,
        })
    }

    /// One that asks from the network of this number.
    fn from(network: u8, id: PeerId, has_moved: bool) -> Asker {
        Asker { id, network: Site::of([8, 8, network, 8].into()).network(), has_moved }
    }

    /// A member that is asked for, in one network with all others.
    fn to(id: PeerId) -> (PeerId, Network) {
        (id, Site::of([9, 9, 9, 9].into()).network())
    }

    // Rows: H14
    #[test]
    fn keys_of_one_host_leave_introductions_to_those_of_others() {
        let mut introducer = Introducer::default();
        let now = Time::after_start(Duration::from_secs(5));
        let mut take = |network, asker| introducer.take(now, from(network, id(asker), false), to(id(1)));
        let crowd = (10..30).filter(|&n| take(1, n)).count();
        assert_eq!(crowd, TO_A_MEMBER_OF_A_NETWORK as usize);
        assert!(take(2, 40) && take(3, 41));
    }

    // Rows: H14
    #[test]
    fn key_that_asks_for_many_hears_no_more_than_its_questions() {
        let mut harness = Harness::new(MEMBER | Consent::PUBLISH, Bitfield::full(20));
        harness.join(1, all(), having([]));
        harness.said();
        let answers: Vec<_> = (0..60)
            .filter_map(|n| {
                harness.frame(1, Frame::Introduce { peer: id(150 + n) });
                refusal(&harness.said())
            })
            .collect();
        let heard = answers.iter().filter(|&&reason| reason == NoMeeting::NotConnected).count();
        assert_eq!((answers.len(), heard), (60, QUESTIONS as usize));
        harness.wait(MINUTE);
        harness.said();
        harness.frame(1, Frame::Introduce { peer: id(9) });
        assert_eq!(refusal(&harness.said()), Some(NoMeeting::NotConnected));
    }

    const MEMBER: Consent = SEED;
    const NEAR: [u8; 4] = [10, 2, 0, 1];

    // Rows: H14
    #[test]
    fn two_members_are_told_of_each_other_and_nobody_else_is() {
        let (_, said) = asked(MEMBER | Consent::PUBLISH, all(), NEAR, id(2));
        let sides = said.iter().find_map(|output| match output {
            Output::Introduce { sides } => Some(sides.clone()),
            _ => None,
        });
        let sides = sides.expect("an introduction");
        assert_eq!(sides.clone().map(|side| (side.conn, side.peer)), [(Conn(1), id(1)), (Conn(2), id(2))]);
        let seen = WireAddress::seen("203.0.113.9:4433".parse().unwrap()).unwrap();
        let [asker, target] = sides;
        let told = asker.told_of(&target, seen);
        let expected = Meeting {
            peer: id(2),
            address: seen,
            offered_port: 0,
            answers: true,
            delay: 0,
            nat: Nat::Unknown,
        };
        assert_eq!(told, Frame::Meet(expected));
        let mapped = Side { offered: vec!["203.0.113.9:1".parse().unwrap()], ..target };
        assert!(matches!(asker.told_of(&mapped, seen), Frame::Meet(Meeting { offered_port: 1, .. })));
        // A port of another host is none of its own.
        let elsewhere = Side { offered: vec!["203.0.113.8:1".parse().unwrap()], ..mapped };
        assert!(matches!(asker.told_of(&elsewhere, seen), Frame::Meet(Meeting { offered_port: 0, .. })));
    }

    // Rows: H14
    #[test]
    fn unknown_unwilling_or_distant_member_is_not_introduced() {
        let publishes = MEMBER | Consent::PUBLISH;
        let cases = [
            (all(), NEAR, id(3), NoMeeting::NotConnected),
            // As if it were not there.
            (TAKE, NEAR, id(2), NoMeeting::NotConnected),
            // An offer of the asker's own key may have been given to it.
            (all(), NEAR, id(1), NoMeeting::NotConnected),
            // An address of another scope would lead it elsewhere.
            (all(), [8, 8, 4, 4], id(2), NoMeeting::NotConnected),
        ];
        for (consent, at, wanted, reason) in cases {
            let (_, said) = asked(publishes, consent, at, wanted);
            assert_eq!(refusal(&said), Some(reason));
            assert!(!said.iter().any(|output| matches!(output, Output::Event(Event::Struck { .. }))));
            assert!(!said.iter().any(|output| matches!(output, Output::Introduce { .. })));
        }
    }

    // Rows: H14
    #[test]
    fn question_that_no_honest_program_asks_ends_the_connection() {
        let publishes = MEMBER | Consent::PUBLISH;
        for (consent, wanted) in [(MEMBER, id(2)), (publishes, id(100))] {
            let (_, said) = asked(consent, all(), NEAR, wanted);
            let struck = |output: &Output| {
                matches!(output, Output::Event(Event::Struck { breach: Breach::WrongState, .. }))
            };
            assert!(said.iter().any(struck), "{consent:?} {wanted}");
        }
    }

    // Rows: H14
    #[test]
    fn a_pair_is_introduced_once_a_minute_and_a_key_asks_four_times() {
        let mut introducer = Introducer::default();
        let at = |second| Time::after_start(Duration::from_secs(second));
        let mut take = |second, asker, wanted| {
            introducer.take(at(second), from(asker, id(asker), false), to(id(wanted)))
        };
        assert_eq!([take(0, 1, 2), take(0, 1, 2), take(0, 2, 1)], [true, false, false]);
        assert_eq!([3, 4, 5, 6].map(|wanted| take(0, 1, wanted)), [true, true, true, false]);
        assert!(take(60, 2, 1) && take(60, 1, 6));
        let hour = (2..60).flat_map(|minute| (0..4).map(move |n| (minute, n)));
        let introduced = hour.filter(|&(minute, n)| take(minute * 60, 1, 10 + n)).count();
        assert_eq!(introduced, OF_A_KEY[1] as usize - 5);
    }

    // Rows: H14
    #[test]
    fn questions_for_one_network_leave_a_key_those_for_others() {
        let mut introducer = Introducer::default();
        let at = |minute: u64| Time::after_start(Duration::from_secs(60 * minute));
        let mut take = |minute, wanted| introducer.take(at(minute), from(1, id(1), false), wanted);
        let spent = (0..60).flat_map(|minute| (0..9).map(move |n| (minute, n)));
        let spent = spent.filter(|&(minute, n)| take(minute, to(id(10 + n)))).count();
        assert_eq!(spent, OF_A_KEY[1] as usize);
        assert!(take(59, (id(2), Site::of([8, 8, 4, 4].into()).network())));
    }

    // Rows: H14
    #[test]
    fn a_thousand_that_ask_at_once_are_bounded() {
        let mut introducer = Introducer::default();
        let key = |n: u32| {
            let mut key = [1; 32];
            key[..4].copy_from_slice(&n.to_le_bytes());
            PeerId(key)
        };
        let now = Time::after_start(Duration::from_secs(5));
        let mut take = |n: u32, asker, wanted, has_moved| {
            introducer.take(now, from(n as u8, asker, has_moved), to(wanted))
        };
        let to_one = (1..1_000).filter(|&n| take(n, key(n), key(0), false)).count();
        assert_eq!(to_one, TO_A_MEMBER as usize);
        let in_all = (0..5_000).filter(|&n| take(n, key(10_000 + n), key(20_000 + n), false)).count();
        assert_eq!(in_all + to_one, OF_ALL as usize);
        assert!(take(0, key(90_000), key(0), true), "one that moved bytes");
        assert!(introducer.asked.count() <= MAX_KEYS && introducer.pairs.count() <= MAX_KEYS);
    }

    // Rows: H14
    #[test]
    fn keys_of_an_attacker_do_not_keep_others_from_asking() {
        let mut introducer = Introducer::default();
        let key = |n: u64| {
            let mut key = [1; 32];
            key[..8].copy_from_slice(&n.to_le_bytes());
            PeerId(key)
        };
        for n in 0..3_000 {
            let now = Time::after_start(Duration::from_millis(5_000 + n * 300));
            assert!(introducer.take(now, from(n as u8, key(n), false), to(key(10_000 + n))), "{n}");
        }
        let later = Time::after_start(Duration::from_secs(2_000));
        assert!(introducer.take(later, from(7, key(90_000), false), to(key(90_001))));
        assert!(introducer.take(later, from(7, key(90_002), true), to(key(90_003))));
        assert!(introducer.asked.count() <= MAX_KEYS);
    }

    #[test]
    fn packets_of_both_sides_cross_whatever_their_distance() {
        let ms = Duration::from_millis;
        assert_eq!(delays(ms(40), ms(40)), [0, 0]);
        assert_eq!(delays(ms(20), ms(120)), [50, 0]);
        assert_eq!(delays(ms(120), ms(20)), [0, 50]);
        assert_eq!(delays(ms(10), ms(60_000)), [limits::MAX_MEET_DELAY, 0]);
    }
}
