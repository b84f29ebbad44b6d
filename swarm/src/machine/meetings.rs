//! Introductions of this member: whom it asks for one when a dial is silent, and what it does when a member names it one.
//!
//! A member that introduces may lie, and so may the peer that it names: what is sent to the address of a `Meet` is bounded for each
//! address, each network and in all, as for the addresses of passed-on offers, and is a few packets of a few bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::{Consent, Frame, Meeting, NoMeeting, PeerId};

use super::dialing::Dialer;
use super::events::{Conn, Event, Output};
use super::fault::Breach;
use super::introductions::NotMet;
use super::peer::{Peer, Phase};
use super::site::Scope;
use super::swarm::Swarm;
use super::time::Time;
use super::window::Window;

/// How long a dial is silent before a member is asked for an introduction.
const SILENT: Duration = Duration::from_millis(500);
/// How long an answer of that member may take.
const ANSWER: Duration = Duration::from_secs(3);
/// Most members that are asked for one introduction.
const MOST_ASKED: usize = 4;
/// Between the end of the first meeting and the second, without a dial between: some routers took the packets of the dial before
/// for a connection of their own, which they forget within half a minute. A member introduces a pair once a minute.
const SECOND_AFTER: Duration = Duration::from_secs(65);
/// How long a meeting lasts at most, with the question and its answers.
const LASTS: Duration = Duration::from_secs(20);
/// After this time a peer that could not be met is asked for again.
const FORGETS: Duration = Duration::from_secs(600);
/// Meetings that others ask for within a minute, by the word of members that dialed us; and the same again by that of those that we
/// dialed, whom a stranger does not choose.
const OF_OTHERS: u32 = 8;
const MINUTE: Duration = Duration::from_secs(60);
/// Meetings at one address within [`FORGETS`].
const AT_AN_ADDRESS: u32 = 2;
/// Most peers, and most addresses, that are remembered.
const MOST: usize = 256;

/// How far the introduction to one peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// It is being dialed; a member is asked at this time.
    Silent(Time),
    /// A member was asked at this time.
    Asked(Conn, Time),
    /// Both sides send.
    Meeting,
    /// The second round begins at this time.
    Waits(Time),
    /// It could not be met.
    Over,
}

/// An introduction that this member asks for.
#[derive(Debug, Clone)]
struct Wanted {
    stage: Stage,
    /// The first meeting led to nothing.
    is_second: bool,
    /// Members that were asked for this meeting.
    asked: BTreeSet<PeerId>,
    /// The last change.
    at: Time,
}

/// Introductions that this member asks for, and meetings.
#[derive(Debug, Default)]
pub(super) struct Meetings {
    wanted: BTreeMap<PeerId, Wanted>,
    /// Connected peers that a member introduced, and that member.
    introduced: BTreeMap<PeerId, PeerId>,
    /// Meetings under way: who introduces, and where.
    under_way: BTreeMap<PeerId, (PeerId, Vec<SocketAddr>)>,
    /// How often each address was met lately.
    addresses: BTreeMap<SocketAddr, Window>,
    of_others: [Window; 2],
    has_asked: bool,
}

impl Meetings {
    /// Notes that a peer is dialed: if it stays silent, a member is asked for an introduction.
    pub(super) fn dialed(&mut self, now: Time, peer: PeerId) {
        self.wanted.retain(|_, wanted| wanted.stage != Stage::Over || now.since(wanted.at) < FORGETS);
        if self.wanted.len() < MOST {
            self.wanted.entry(peer).or_insert_with(|| Wanted {
                stage: Stage::Silent(now + SILENT),
                is_second: false,
                asked: BTreeSet::new(),
                at: now,
            });
        }
    }

    /// Notes that a peer is connected, and tells who introduced it, if it was met.
    pub(super) fn connected(&mut self, swarm: &mut Swarm, dialer: &mut Dialer, peer: PeerId) {
        self.wanted.remove(&peer);
        if let Some((by, addresses)) = self.under_way.remove(&peer) {
            addresses.into_iter().for_each(|address| dialer.reach.give_back(address));
            self.introduced.insert(peer, by);
            swarm.event(Event::Met { peer, by });
        }
    }

    /// Notes that a peer is connected no more.
    pub(super) fn parted(&mut self, peer: PeerId) {
        self.introduced.remove(&peer);
    }

    /// The member that introduced a connected peer.
    pub(super) fn introducer_of(&self, peer: PeerId) -> Option<PeerId> {
        self.introduced.get(&peer).copied()
    }

    /// When something is due.
    pub(super) fn wakeup(&self) -> Option<Time> {
        let due = |wanted: &Wanted| match wanted.stage {
            Stage::Silent(at) | Stage::Waits(at) => Some(at),
            Stage::Asked(_, at) => Some(at + ANSWER),
            Stage::Meeting | Stage::Over => None,
        };
        self.wanted.values().filter_map(due).min()
    }

    /// Asks members for the introductions that are due.
    pub(super) fn ask(&mut self, swarm: &mut Swarm) {
        let now = swarm.now;
        if self.wakeup().is_none_or(|at| now < at) {
            return;
        }
        let is_due = |wanted: &Wanted| match wanted.stage {
            Stage::Silent(at) | Stage::Waits(at) => at <= now,
            Stage::Asked(_, at) => at + ANSWER <= now,
            Stage::Meeting | Stage::Over => false,
        };
        let due: Vec<PeerId> =
            self.wanted.iter().filter(|(_, wanted)| is_due(wanted)).map(|(&peer, _)| peer).collect();
        due.into_iter().for_each(|peer| self.ask_next(swarm, peer));
    }

    /// Asks the next member for an introduction to this peer.
    fn ask_next(&mut self, swarm: &mut Swarm, peer: PeerId) {
        let now = swarm.now;
        let Some(wanted) = self.wanted.get_mut(&peer) else { return };
        wanted.at = now;
        let may_ask = |one: &&Peer| {
            let publishes = one.consent.contains(Consent::PUBLISH);
            one.phase == Phase::Ready && publishes && one.id != peer && !wanted.asked.contains(&one.id)
        };
        // One that we dialed is reached by others too.
        let others = swarm.peers.iter().filter(|(_, one)| may_ask(one));
        let next = others.min_by_key(|&(&conn, one)| (!one.dialed, conn)).map(|(&conn, one)| (conn, one.id));
        match next.filter(|_| wanted.asked.len() < MOST_ASKED && swarm.wants_chunks()) {
            Some((conn, member)) => {
                wanted.asked.insert(member);
                wanted.stage = Stage::Asked(conn, now);
                self.has_asked = true;
                swarm.send(conn, Frame::Introduce { peer });
            }
            None if wanted.asked.is_empty() => {
                // Nobody can be asked yet; the next dial begins anew.
                self.wanted.remove(&peer);
            }
            None => self.give_up(swarm, peer, NotMet::NobodyKnowsIt),
        }
    }

    fn give_up(&mut self, swarm: &mut Swarm, peer: PeerId, why: NotMet) {
        if let Some(wanted) = self.wanted.get_mut(&peer) {
            (wanted.stage, wanted.at) = (Stage::Over, swarm.now);
            swarm.event(Event::NotMet { peer, why });
        }
    }

    /// Handles the answer that a member does not introduce us. One that comes too late is not heard.
    pub(super) fn not_introduced(&mut self, swarm: &mut Swarm, conn: Conn, peer: PeerId, reason: NoMeeting) {
        let Some(wanted) = self.wanted.get(&peer) else { return };
        if !matches!(wanted.stage, Stage::Asked(asked, _) if asked == conn) {
            return;
        }
        if reason == NoMeeting::NotWilling {
            self.give_up(swarm, peer, NotMet::NotWilling);
        } else {
            self.ask_next(swarm, peer);
        }
    }

    /// Handles the word of a member that another one is to be met. Returns the breach if no honest program sends it.
    pub(super) fn meet(
        &mut self,
        swarm: &mut Swarm,
        dialer: &mut Dialer,
        conn: Conn,
        meeting: &Meeting,
    ) -> Option<Breach> {
        let (now, peer) = (swarm.now, meeting.peer);
        let from = swarm.peers.get(&conn)?;
        let (by, nearest, class) = (from.id, from.site.scope(), usize::from(from.dialed));
        let is_asked = self
            .wanted
            .get(&peer)
            .is_some_and(|wanted| matches!(wanted.stage, Stage::Asked(asked, _) if asked == conn));
        let publishes = swarm.config.consent.contains(Consent::PUBLISH);
        if !publishes && !self.has_asked {
            return Some(Breach::WrongState);
        }
        let controls = &swarm.config.controls;
        let is_welcome = if is_asked { controls.may_fetch_from(peer) } else { controls.lets_in(peer) };
        if peer == swarm.config.me
            || swarm.peers.is_connected(peer)
            || self.under_way.contains_key(&peer)
            || swarm.stopping
            || !is_welcome
            || dialer.sources.is_banned(peer, now)
            // From here it would lead to another host.
            || Scope::of(meeting.address.ip()) < nearest
            || !(is_asked || (publishes && swarm.serves() && self.of_others[class].take(now, MINUTE, OF_OTHERS)))
        {
            return None;
        }
        let ports = [meeting.address.port(), meeting.offered_port];
        let addresses = ports.into_iter().filter(|&port| port != 0);
        let addresses = addresses.map(|port| SocketAddr::new(meeting.address.ip(), port));
        let may_send = |at: &SocketAddr| self.may_meet_at(now, *at) && dialer.reach.take(now, *at);
        let addresses: Vec<SocketAddr> = addresses.filter(may_send).collect();
        if addresses.is_empty() {
            return None;
        }
        if let Some(wanted) = self.wanted.get_mut(&peer).filter(|_| is_asked) {
            (wanted.stage, wanted.at) = (Stage::Meeting, now);
        }
        self.under_way.insert(peer, (by, addresses.clone()));
        swarm.push(Output::Meet {
            peer,
            addresses,
            dials: meeting.answers,
            delay: Duration::from_millis(meeting.delay.into()),
        });
        None
    }

    /// Counts a meeting at this address; returns false if there were too many.
    fn may_meet_at(&mut self, now: Time, address: SocketAddr) -> bool {
        if self.addresses.len() >= MOST {
            self.addresses.retain(|_, window| !window.is_over(now, FORGETS));
        }
        let is_room = self.addresses.len() < MOST || self.addresses.contains_key(&address);
        is_room && self.addresses.entry(address).or_default().take(now, FORGETS, AT_AN_ADDRESS)
    }

    /// Handles the end of a meeting in which neither side heard the other.
    pub(super) fn ended(&mut self, swarm: &mut Swarm, dialer: &mut Dialer, peer: PeerId) {
        let now = swarm.now;
        if self.under_way.remove(&peer).is_none() {
            return;
        }
        let Some(wanted) = self.wanted.get_mut(&peer).filter(|wanted| wanted.stage == Stage::Meeting) else {
            return;
        };
        if wanted.is_second {
            self.give_up(swarm, peer, NotMet::NothingCame);
            return;
        }
        let second = now + SECOND_AFTER;
        *wanted = Wanted { stage: Stage::Waits(second), is_second: true, asked: BTreeSet::new(), at: now };
        // Routers are to forget what came before; and no dial comes before the second meeting, either.
        dialer.sources.wait_until(peer, second + LASTS);
        swarm.event(Event::NotMet { peer, why: NotMet::NothingCame });
    }
}

#[cfg(test)]
mod tests;
