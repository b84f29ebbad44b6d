//! Introductions of this member: whom it asks for one when a dial is silent, and what it does when a member names it one.
//!
//! A member that introduces may lie, and so may the peer that it names: what is sent to the address of a `Meet` is a few packets of a
//! few bytes, and bounded with the dials of passed-on offers (`introducers.rs`, `reach.rs`).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use minimodel_wire::{Consent, Frame, Meeting, Nat, PeerId};

use super::dialing::Dialer;
use super::events::{Conn, Event, Output};
use super::fault::Breach;
use super::introducers::{Counted, Introducers};
use super::introductions::{Attempt, NotMet, Sent};
use super::peer::{Peer, Phase};
use super::reach::{BroughtBy, Reach};
use super::site::{Network, Scope, Site};
use super::standing::Standings;
use super::swarm::Swarm;
use super::time::Time;

/// How long a dial is silent before a member is asked for an introduction.
const SILENT: Duration = Duration::from_millis(500);
/// How long an answer of that member may take.
const ANSWER: Duration = Duration::from_secs(3);
/// Most members that are asked for one introduction.
const MOST_ASKED: usize = 4;
/// Where no member can be asked yet, it is looked again so often while the dial may still be silent.
const LOOKS_AGAIN: Duration = Duration::from_millis(250);
/// How long a dial is silent at most.
const DIAL: Duration = Duration::from_millis(4_500);
/// Between the end of the first meeting and the second, without a dial between: some routers took the packets of the dial before
/// for a connection of their own, which they forget within half a minute. A member introduces a pair once a minute.
const SECOND_AFTER: Duration = Duration::from_secs(65);
/// How long a meeting lasts at most, with the question and its answers.
const LASTS: Duration = Duration::from_secs(20);
/// After this time a peer that could not be met is asked for again.
const FORGETS: Duration = Duration::from_secs(600);
/// The same for one that no member was connected to: it may only have come a moment too late.
const MAY_COME: Duration = Duration::from_secs(60);
/// Most peers that are remembered.
const MOST: usize = 256;

/// How far the introduction to one peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// It is being dialed; a member is asked at this time.
    Silent(Time),
    /// A member was asked at this time.
    Asked(Conn, Time),
    /// Both sides send, by the word of this member.
    Meeting(PeerId),
    /// The second round begins at this time.
    Waits(Time),
    /// It could not be met, and is not asked for until this time.
    Over(Time),
}

/// An introduction that this member asks for.
#[derive(Debug, Clone)]
struct Wanted {
    stage: Stage,
    /// When it was to be dialed.
    since: Time,
    /// Who passed on its offer: a member that is connected to it, if it is honest.
    by: BroughtBy,
    /// The first meeting led to nothing.
    is_second: bool,
    /// Members that were asked for this meeting, and for the first: one that lies is not the first to be asked again.
    asked: BTreeSet<PeerId>,
    asked_before: BTreeSet<PeerId>,
}

/// A meeting under way.
#[derive(Debug)]
struct Trial {
    counted: Counted,
    /// How routers translate the other side's address, by its own word.
    nat: Nat,
}

/// Introductions that this member asks for, and meetings.
#[derive(Debug, Default)]
pub(super) struct Meetings {
    wanted: BTreeMap<PeerId, Wanted>,
    /// Connected peers that a member introduced, and that member.
    introduced: BTreeMap<PeerId, PeerId>,
    /// Meetings under way, of a peer by the word of a member.
    under_way: BTreeMap<(PeerId, PeerId), Trial>,
    introducers: Introducers,
    has_asked: bool,
}

impl Meetings {
    /// Notes that a peer is dialed, or that it may not be dialed now: if nothing comes, a member is asked for an introduction, which
    /// leads to where the peer is and not to where others say it is. Never for our own key, which is dialed too if the user has an
    /// offer of it.
    pub(super) fn dialed(&mut self, now: Time, me: PeerId, peer: PeerId, by: BroughtBy) {
        self.wanted.retain(|_, wanted| !matches!(wanted.stage, Stage::Over(until) if until <= now));
        if peer == me
            || (self.wanted.len() >= MOST && !self.wanted.contains_key(&peer) && !self.make_room(by))
        {
            return;
        }
        self.wanted.entry(peer).or_insert_with(|| Wanted {
            stage: Stage::Silent(now + SILENT),
            since: now,
            by,
            is_second: false,
            asked: BTreeSet::new(),
            asked_before: BTreeSet::new(),
        });
    }

    /// Makes room for a peer that was brought by `by`, if others brought more: what one brings keeps out what no other does.
    fn make_room(&mut self, by: BroughtBy) -> bool {
        let mut held: BTreeMap<BroughtBy, usize> = BTreeMap::new();
        for wanted in self.wanted.values() {
            *held.entry(wanted.by).or_default() += 1;
        }
        let own = held.get(&by).copied().unwrap_or(0);
        let Some((&most, _)) =
            held.iter().filter(|(_, held)| **held > own + 1).max_by_key(|(_, held)| **held)
        else {
            return false;
        };
        let rests = |wanted: &Wanted| matches!(wanted.stage, Stage::Over(_) | Stage::Silent(_));
        let evicted = self.wanted.iter().find(|(_, wanted)| wanted.by == most && rests(wanted));
        let evicted = evicted.map(|(&peer, _)| peer);
        evicted.and_then(|peer| self.wanted.remove(&peer)).is_some()
    }

    /// Notes that a peer is connected from or at `site`, and tells who introduced it, if it was met.
    pub(super) fn connected(&mut self, swarm: &mut Swarm, reach: &mut Reach, peer: PeerId, site: Site) {
        let asked = self.wanted.get(&peer).map(|wanted| wanted.stage.clone());
        let met = self.forget(reach, swarm.now, peer, site);
        // Of several, the one that was asked.
        let by = met.iter().find(|&&by| asked == Some(Stage::Meeting(by))).or(met.first()).copied();
        if let Some(by) = by {
            self.introduced.insert(peer, by);
            swarm.event(Event::Met { peer, by });
        }
    }

    /// Ends all meetings of a peer, which answered at `site`, and returns who introduced it. Its connection may not have been taken:
    /// the driver tells of no other end of its meeting.
    pub(super) fn forget(&mut self, reach: &mut Reach, now: Time, peer: PeerId, site: Site) -> Vec<PeerId> {
        self.wanted.remove(&peer);
        let met: Vec<PeerId> =
            self.under_way.keys().filter(|(met, _)| *met == peer).map(|&(_, by)| by).collect();
        for &by in &met {
            if let Some(trial) = self.under_way.remove(&(peer, by)) {
                self.introducers.led_to_a_peer(reach, now, &trial.counted, site);
            }
        }
        met
    }

    /// Notes that a dial failed. If something answered there, an introduction would change nothing; a meeting under way goes on.
    pub(super) fn dial_failed(&mut self, peer: PeerId, has_answered: bool) {
        let is_silent = |it: &Wanted| matches!(it.stage, Stage::Silent(_));
        if has_answered && self.wanted.get(&peer).is_some_and(is_silent) {
            self.wanted.remove(&peer);
        }
    }

    /// Returns true if a member has named the peer, which we are to meet.
    pub(super) fn is_under_way(&self, peer: PeerId) -> bool {
        self.under_way.keys().any(|&(met, _)| met == peer)
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
            Stage::Meeting(_) | Stage::Over(_) => None,
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
            Stage::Meeting(_) | Stage::Over(_) => false,
        };
        let due: Vec<PeerId> =
            self.wanted.iter().filter(|(_, wanted)| is_due(wanted)).map(|(&peer, _)| peer).collect();
        due.into_iter().for_each(|peer| self.ask_next(swarm, peer));
    }

    /// Asks the next member for an introduction to this peer.
    fn ask_next(&mut self, swarm: &mut Swarm, peer: PeerId) {
        let now = swarm.now;
        if !swarm.wants_chunks() {
            self.wanted.remove(&peer);
            return;
        }
        let Some(wanted) = self.wanted.get_mut(&peer) else { return };
        if let Stage::Asked(conn, at) = wanted.stage
            && at + ANSWER <= now
            && let Some(mute) = swarm.peers.get(&conn)
        {
            self.introducers.led_to_nothing(mute.site.allocation());
        }
        let may_ask = |one: &&Peer| {
            let publishes = one.consent.contains(Consent::PUBLISH);
            one.phase == Phase::Ready && publishes && one.id != peer && !wanted.asked.contains(&one.id)
        };
        // One of each network before a second of any. Whoever passed on the offer is connected to its peer; then those whose word led
        // to peers before; one that we dialed is reached by others too.
        let Swarm { peers, rng, .. } = swarm;
        let networks_of = |asked: &BTreeSet<PeerId>| -> BTreeSet<Network> {
            let those = peers.values().filter(|one| asked.contains(&one.id));
            those.map(|one| one.site.allocation()).collect()
        };
        let (before, now_asked) = (networks_of(&wanted.asked_before), networks_of(&wanted.asked));
        let mut rank = |one: &Peer| {
            let network = one.site.allocation();
            let (lied, is_second) = (before.contains(&network), now_asked.contains(&network));
            let score = self.introducers.score(network);
            let is_bringer = wanted.by == Some(one.site.allocation());
            (lied, is_second, !is_bringer, Reverse(score), !one.dialed, rng.u32(..))
        };
        let next = peers.iter().filter(|(_, one)| may_ask(one)).min_by_key(|(_, one)| rank(one));
        let next = next.map(|(&conn, one)| (conn, one.id));
        match next.filter(|_| wanted.asked.len() < MOST_ASKED) {
            Some((conn, member)) => {
                wanted.asked.insert(member);
                wanted.stage = Stage::Asked(conn, now);
                self.has_asked = true;
                swarm.send(conn, Frame::Introduce { peer });
            }
            None if wanted.asked.is_empty() && now < wanted.since + DIAL => {
                // A member that is being dialed too may be ready in a moment.
                wanted.stage = Stage::Silent(now + LOOKS_AGAIN);
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
            let rests = if why == NotMet::NobodyKnowsIt { MAY_COME } else { FORGETS };
            wanted.stage = Stage::Over(swarm.now + rests);
            swarm.event(Event::NotMet { peer, why });
        }
    }

    /// Handles the answer that a member does not introduce us. One that comes too late is not heard.
    pub(super) fn not_introduced(&mut self, swarm: &mut Swarm, conn: Conn, peer: PeerId) {
        let Some(wanted) = self.wanted.get(&peer) else { return };
        if !matches!(wanted.stage, Stage::Asked(asked, _) if asked == conn) {
            return;
        }
        self.ask_next(swarm, peer);
    }

    /// Handles the word of a member that another one is to be met. Returns the breach if no honest program sends it.
    pub(super) fn meet(
        &mut self,
        swarm: &mut Swarm,
        (dialer, standings): (&mut Dialer, &Standings),
        conn: Conn,
        meeting: &Meeting,
    ) -> Option<Breach> {
        let (now, peer, at) = (swarm.now, meeting.peer, meeting.address.get());
        let from = swarm.peers.get(&conn)?;
        let (by, site) = (from.id, from.site);
        let asks = |wanted: &Wanted| matches!(wanted.stage, Stage::Asked(asked, _) if asked == conn);
        let is_asked = self.wanted.get(&peer).is_some_and(asks);
        let config = &swarm.config;
        let publishes = config.consent.contains(Consent::PUBLISH);
        if !publishes && !self.has_asked {
            return Some(Breach::WrongState);
        }
        let may_come = publishes && swarm.serves() && config.controls.lets_in(peer);
        if peer == config.me
            || swarm.peers.is_connected(peer)
            || self.under_way.contains_key(&(peer, by))
            || swarm.stopping
            || !config.may_dial(peer)
            || !(is_asked || may_come)
            || dialer.sources.is_banned(peer, now)
            || standings.is_shut_out(peer, now)
            // From here it would lead to another host.
            || Scope::of(at.ip()) < site.scope()
        {
            return None;
        }
        let ports = [at.port(), meeting.offered_port];
        let addresses = ports.into_iter().filter(|&port| port != 0);
        let addresses: Vec<_> = addresses.map(|port| SocketAddr::new(at.ip(), port)).collect();
        let told = (site.allocation(), is_asked);
        let counted = self.introducers.take(&mut dialer.reach, now, told, &addresses)?;
        if let Some(wanted) = self.wanted.get_mut(&peer).filter(|_| is_asked) {
            wanted.stage = Stage::Meeting(by);
        }
        let addresses = counted.addresses.clone();
        self.under_way.insert((peer, by), Trial { counted, nat: meeting.nat });
        swarm.push(Output::Meet {
            peer,
            by,
            addresses,
            dials: meeting.answers,
            delay: Duration::from_millis(meeting.delay.into()),
        });
        None
    }

    /// Handles the end of a meeting in which neither side heard the other.
    pub(super) fn ended(
        &mut self,
        swarm: &mut Swarm,
        dialer: &mut Dialer,
        (peer, by): (PeerId, PeerId),
        ours: Sent,
    ) {
        let now = swarm.now;
        let Some(Trial { nat: theirs, counted }) = self.under_way.remove(&(peer, by)) else { return };
        self.introducers.led_to_nothing(counted.by);
        let why = NotMet::NothingCame(Attempt { by, ours, theirs });
        let wanted = self.wanted.get_mut(&peer).filter(|wanted| wanted.stage == Stage::Meeting(by));
        let Some(wanted) = wanted else { return };
        if wanted.is_second {
            self.give_up(swarm, peer, why);
            return;
        }
        let second = now + SECOND_AFTER;
        let asked_before = std::mem::take(&mut wanted.asked);
        (wanted.stage, wanted.is_second, wanted.asked_before) = (Stage::Waits(second), true, asked_before);
        // Routers are to forget what came before; and no dial comes before the second meeting, either.
        dialer.sources.rest_until(peer, second + LASTS);
        swarm.event(Event::NotMet { peer, why });
    }
}

#[cfg(test)]
mod tests;
