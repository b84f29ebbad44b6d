//! Introductions by this member: two peers that are connected to it and not to each other each hear at which address it sees the
//! other, so that both send there at once and each opens its router for the other (the idea of BEP 55, by key instead of address).
//!
//! Nothing but these addresses is passed on, and an address only if its owner has proved it to this member: the sender of
//! `Introduce` cannot have packets sent to a third party.

use std::collections::BTreeMap;
use std::time::Duration;

use minimodel_wire::{Consent, Frame, NoMeeting, PeerId, limits};

use super::events::{Conn, Output};
use super::fault::Breach;
use super::introductions::Side;
use super::peer::{Peer, Phase};
use super::site::Network;
use super::standing::Standings;
use super::swarm::Swarm;
use super::time::Time;
use super::window::{Window, Windows};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// Introductions that one key may ask for within a minute and within an hour.
const OF_A_KEY: [u32; 2] = [4, 32];
/// Questions of one key within a minute, whatever the answer.
const QUESTIONS: u32 = 32;
/// Introductions to one member within a minute, by keys that moved nothing; and the same again for those that did, so that
/// throwaway keys use up nobody's.
const TO_A_MEMBER: u32 = 8;
/// Of these for keys of one network, so that those of one host leave some to others.
const TO_A_MEMBER_OF_A_NETWORK: u32 = 2;
/// All introductions within a minute; counted likewise.
const OF_ALL: u32 = 256;
/// Most keys of which it is remembered what they asked for. Beyond it the one that began first is forgotten: keys cost nothing, and
/// those of an attacker must not keep others from asking.
const MAX_KEYS: usize = 1_024;

/// What a key asked for lately.
#[derive(Debug, Clone, Copy, Default)]
struct Asked {
    minute: Window,
    hour: Window,
    questions: Window,
}

/// The introductions for keys that moved nothing, or for others.
#[derive(Debug)]
struct Budget {
    all: Window,
    /// To each member. The rate of all bounds this and the next.
    members: Windows<PeerId>,
    /// To each member, by the network of the asker.
    shares: Windows<(PeerId, Network)>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            all: Window::default(),
            members: Windows::new(MINUTE, TO_A_MEMBER, MAX_KEYS),
            shares: Windows::new(MINUTE, TO_A_MEMBER_OF_A_NETWORK, MAX_KEYS),
        }
    }
}

/// One that asks.
#[derive(Debug, Clone, Copy)]
struct Asker {
    id: PeerId,
    network: Network,
    has_moved: bool,
}

/// The introductions that this member made lately.
#[derive(Debug, Default)]
pub(super) struct Introducer {
    asked: BTreeMap<PeerId, Asked>,
    /// Of keys that moved nothing, and of others.
    budgets: [Budget; 2],
    /// When each pair was introduced. The rate of all bounds this.
    pairs: BTreeMap<(PeerId, PeerId), Time>,
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
        let has_moved = standings.has_moved_bytes(asker);
        let (one, scope) =
            (Asker { id: asker.id, network: asker.site.network(), has_moved }, asker.site.scope());
        // Whoever asks does not learn who is here without the consent to be found.
        let may_be_found =
            |peer: &Peer| peer.phase == Phase::Ready && peer.consent.contains(Consent::PUBLISH);
        let found = swarm.peers.primary(wanted).filter(|_| wanted != one.id);
        let found = found.and_then(|target| Some((target, swarm.peers.get(&target)?)));
        let verdict = match found.filter(|(_, peer)| may_be_found(peer)) {
            _ if !self.may_ask(swarm.now, one.id) => Err(NoMeeting::Limit),
            None => Err(NoMeeting::NotConnected),
            // An address within one network leads to another host elsewhere.
            Some((_, target)) if target.site.scope() != scope => Err(NoMeeting::NoAddress),
            Some(_) if !self.take(swarm.now, one, wanted) => Err(NoMeeting::Limit),
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

    /// Counts a question; returns false if there were too many.
    fn may_ask(&mut self, now: Time, asker: PeerId) -> bool {
        self.forget(now);
        self.asked.entry(asker).or_default().questions.take(now, MINUTE, QUESTIONS)
    }

    /// Counts an introduction; returns false if there were too many.
    fn take(&mut self, now: Time, asker: Asker, wanted: PeerId) -> bool {
        self.forget(now);
        let Asker { id, network, has_moved } = asker;
        let pair = (id.min(wanted), id.max(wanted));
        let budget = &mut self.budgets[usize::from(has_moved)];
        let mut asked = self.asked.get(&id).copied().unwrap_or_default();
        let may = !self.pairs.contains_key(&pair)
            && asked.minute.take(now, MINUTE, OF_A_KEY[0])
            && asked.hour.take(now, HOUR, OF_A_KEY[1])
            && budget.all.may(now, MINUTE, OF_ALL)
            && budget.members.may(now, wanted)
            && budget.shares.may(now, (wanted, network));
        if may {
            budget.all.add(now, MINUTE);
            budget.members.add(now, wanted);
            budget.shares.add(now, (wanted, network));
            self.asked.insert(id, asked);
            self.pairs.insert(pair, now);
        }
        may
    }

    /// Forgets what is over, and one key where there are too many.
    fn forget(&mut self, now: Time) {
        self.pairs.retain(|_, at| now.since(*at) < MINUTE);
        let is_over = |asked: &Asked| asked.hour.is_over(now, HOUR) && asked.questions.is_over(now, MINUTE);
        if self.asked.len() >= MAX_KEYS {
            self.asked.retain(|_, asked| !is_over(asked));
        }
        if self.asked.len() >= MAX_KEYS {
            let first =
                self.asked.iter().min_by_key(|(_, asked)| asked.hour.since().max(asked.questions.since()));
            let first = first.map(|(&key, _)| key);
            first.and_then(|key| self.asked.remove(&key));
        }
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

    // Rows: H14
    #[test]
    fn keys_of_one_host_leave_introductions_to_those_of_others() {
        let mut introducer = Introducer::default();
        let now = Time::after_start(Duration::from_secs(5));
        let mut take = |network, asker| introducer.take(now, from(network, id(asker), false), id(1));
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
            (all(), [8, 8, 4, 4], id(2), NoMeeting::NoAddress),
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
        let mut take =
            |second, asker, wanted| introducer.take(at(second), from(asker, id(asker), false), id(wanted));
        assert_eq!([take(0, 1, 2), take(0, 1, 2), take(0, 2, 1)], [true, false, false]);
        assert_eq!([3, 4, 5, 6].map(|wanted| take(0, 1, wanted)), [true, true, true, false]);
        assert!(take(60, 2, 1) && take(60, 1, 6));
        let hour = (2..60).flat_map(|minute| (0..4).map(move |n| (minute, n)));
        let introduced = hour.filter(|&(minute, n)| take(minute * 60, 1, 10 + n)).count();
        assert_eq!(introduced, OF_A_KEY[1] as usize - 5);
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
        let mut take =
            |n: u32, asker, wanted, has_moved| introducer.take(now, from(n as u8, asker, has_moved), wanted);
        let to_one = (1..1_000).filter(|&n| take(n, key(n), key(0), false)).count();
        assert_eq!(to_one, TO_A_MEMBER as usize);
        let in_all = (0..5_000).filter(|&n| take(n, key(10_000 + n), key(20_000 + n), false)).count();
        assert_eq!(in_all + to_one, OF_ALL as usize);
        assert!(take(0, key(90_000), key(0), true), "one that moved bytes");
        assert!(introducer.asked.len() <= MAX_KEYS && introducer.pairs.len() <= 2 * OF_ALL as usize);
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
            assert!(introducer.take(now, from(7, key(n), false), key(10_000 + n)), "{n}");
        }
        let later = Time::after_start(Duration::from_secs(2_000));
        assert!(introducer.take(later, from(7, key(90_000), false), key(90_001)));
        assert!(introducer.take(later, from(7, key(90_002), true), key(90_003)));
        assert!(introducer.asked.len() <= MAX_KEYS);
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
