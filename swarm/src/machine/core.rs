//! The machine: its state, its three calls, and the dispatch of inputs.

use std::collections::BTreeMap;

use minimodel_wire::{Bitfield, CloseCode, Frame, PeerId};

use super::answers::Answers;
use super::bans::Bans;
use super::choker::Choker;
use super::chunk_map::ChunkMap;
use super::config::Config;
use super::dialing::Dialer;
use super::downloads::{CHECK_EVERY, Downloads};
use super::ends::Ends;
use super::events::{Conn, Event, Input, Output};
use super::exchange;
use super::expected::Expected;
use super::fault::{Breach, Charge, Consequence};
use super::found::Found;
use super::introducer::Introducer;
use super::leaves::LeafSearch;
use super::meetings::Meetings;
use super::offer_checks::OfferChecks;
use super::peer::{Arrival, Phase};
use super::picker::Picker;
use super::places::TurnedAway;
use super::reply_budgets::ReplyBudgets;
use super::sources::Sources;
use super::standing::Standings;
use super::swarm::Swarm;
use super::time::Time;
use super::view::{PeerState, Work};
use super::wasted_reads::WastedReads;

/// Progress of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Chunks that are proven and on disk.
    pub have: u32,
    /// The chunk count of the artifact.
    pub total: u32,
    /// Connected peers whose Hello and Bitfield were accepted.
    pub peers: u32,
    /// Of these, peers that have every chunk.
    pub seeds: u32,
    /// Peers that we unchoke.
    pub served: u32,
    /// Peers that unchoke us.
    pub serving: u32,
    /// Requests in flight.
    pub requests: u32,
    /// Chunks that are neither on disk nor requested.
    pub missing: u32,
    /// Of these, chunks that no connected peer has.
    pub unheld: u32,
}

impl Progress {
    /// Chunks that are requested, or being proven and written.
    pub fn in_flight(&self) -> u32 {
        self.total.saturating_sub(self.have).saturating_sub(self.missing)
    }
}

/// The peer protocol and the scheduler; the module documentation has the contract of its calls.
#[derive(Debug)]
pub struct Machine {
    pub(super) swarm: Swarm,
    pub(super) dialer: Dialer,
    pub(super) downloads: Downloads,
    pub(super) choker: Choker,
    pub(super) answers: Answers,
    pub(super) leaves: LeafSearch,
    pub(super) standings: Standings,
    pub(super) offer_checks: OfferChecks,
    pub(super) reply_budgets: ReplyBudgets,
    pub(super) wasted_reads: WastedReads,
    pub(super) turned_away: TurnedAway,
    pub(super) ends: Ends,
    pub(super) introducer: Introducer,
    pub(super) meetings: Meetings,
    pub(super) expected: Expected,
}

impl Machine {
    /// Creates a machine that has the chunks of `have` and no peers. Each key of `banned` is refused until its time.
    pub fn new(mut config: Config, have: Bitfield, banned: BTreeMap<PeerId, Time>) -> Self {
        let limits = &mut config.limits;
        limits.max_connections = limits.max_connections.min(Picker::MAX_HOLDERS);
        let rescan = config.rescan && !have.is_full();
        Self {
            expected: Expected::of(&config),
            leaves: LeafSearch::new(rescan, config.repairs && !have.is_full(), config.terms.chunk_count),
            dialer: Dialer::new(Sources::new(Bans::new(banned))),
            downloads: Downloads::default(),
            choker: Choker::new(&config),
            answers: Answers::default(),
            standings: Standings::default(),
            offer_checks: OfferChecks::default(),
            reply_budgets: ReplyBudgets::new(config.terms.chunk_count),
            wasted_reads: WastedReads::default(),
            turned_away: TurnedAway::default(),
            ends: Ends::new(have.is_full()),
            introducer: Introducer::default(),
            meetings: Meetings::default(),
            swarm: Swarm::new(config, have),
        }
    }

    /// Processes an input at `now`. Times never go back.
    pub fn handle(&mut self, now: Time, input: Input) {
        self.swarm.now = now;
        match input {
            Input::Source(offer) => self.dialer.add_source(&mut self.swarm, &offer),
            Input::Listed(offer) => self.dialer.add_listed(&self.swarm, &offer),
            Input::Earlier(peer) => self.dialer.add_earlier(&self.swarm, &peer),
            Input::Found(peer) => self.dialer.add_found(&self.swarm, &peer),
            Input::Connected { conn, peer: id, site, dialed } => {
                self.connected(conn, Arrival { id, site, dialed });
            }
            Input::DialFailed { peer, wrong_key, code } => {
                self.meetings.dial_failed(peer, wrong_key.is_some() || code.is_some());
                self.dialer.dial_failed(&mut self.swarm, peer, wrong_key, code);
            }
            Input::MeetingEnded { peer, by, sent } => {
                self.meetings.ended(&mut self.swarm, &mut self.dialer, (peer, by), sent);
            }
            Input::Closed { conn, code } => self.closed(conn, code),
            Input::Frame { conn, frame } => self.frame(conn, frame),
            Input::Broke { conn, breach } => self.breach(conn, breach),
            Input::Rtt { conn, rtt } => {
                if let Some(peer) = self.swarm.peers.get_mut(&conn) {
                    peer.down.pace.rtt = rtt;
                }
            }
            Input::Progress { req, received } => self.downloads.progressed(&mut self.swarm, req, received),
            Input::Arrived { req } => self.downloads.arrived(&mut self.swarm, req),
            Input::Failed { req, fault } => self.request_failed(req, fault),
            Input::Kept { req, outcome } => self.kept(req, outcome),
            Input::Leaves { req, outcome } => self.leaves_answered(req, outcome),
            Input::Rescanned { have } => self.rescanned(&have),
            Input::Asked { ask, conn, index } => self.asked(ask, conn, index),
            Input::AskedLeaves { ask, conn } => self.asked_leaves(ask, conn),
            Input::AskedManifest { ask, conn } => self.asked_manifest(ask, conn),
            Input::Served { ask, outcome } => self.served(ask, outcome),
            Input::ChunkLost { index } => self.chunk_lost(index),
            Input::Reread { index, is_good } => self.reread(index, is_good),
            Input::Controls(controls) => self.apply_controls(controls),
            Input::Withheld { req } => self.downloads.withheld(&mut self.swarm, req),
            Input::OfferChecked { check, verdict } => self.offer_checked(check, verdict),
            Input::OwnOffer(offer) => exchange::own_offer_renewed(&mut self.swarm, offer),
            Input::Calendar { unix } => self.set_calendar(unix),
            Input::SourceChanged => self.close_all(CloseCode::SourceChanged),
            Input::Stop(code) => self.close_all(code),
            Input::Tick => {}
        }
        self.on_time();
    }

    /// Returns the next output, in order; `None` when none is queued.
    pub fn poll(&mut self) -> Option<Output> {
        self.swarm.poll()
    }

    /// Returns when to call [`Self::handle`] with [`Input::Tick`] if no other input comes; `None`: no need.
    pub fn wakeup(&self) -> Option<Time> {
        if self.swarm.stopping {
            return None;
        }
        let mut at = self.dialer.next_dial(&self.swarm);
        let mut sooner = |time: Time| at = Some(at.map_or(time, |old: Time| old.min(time)));
        let waits = !self.downloads.requests.is_empty()
            || !self.downloads.ready.is_empty()
            || self.leaves.is_pending();
        if waits || self.swarm.peers.handshaking > 0 {
            sooner(self.downloads.next_check);
        }
        if let Some(at) = self.choker.wakeup(self.swarm.serves()) {
            sooner(at);
        }
        let (checks, look) = (self.offer_checks.wakeup(), self.swarm.chunks.lost.next_look());
        let (resume, ends) = (self.downloads.next_resume, self.ends.wakeup());
        let meets = [self.meetings.wakeup(), self.expected.wakeup()].into_iter().flatten().min();
        let times = [self.swarm.announcer.next_at(), resume, ends, checks, look, meets];
        times.into_iter().flatten().for_each(sooner);
        at
    }

    /// Returns the progress of the fetch.
    pub fn progress(&self) -> Progress {
        let ready = || self.swarm.peers.values().filter(|peer| peer.phase == Phase::Ready);
        Progress {
            have: self.swarm.chunks.have().ones(),
            total: self.swarm.config.terms.chunk_count,
            peers: ready().count() as u32,
            seeds: ready().filter(|peer| peer.announced.have.is_full()).count() as u32,
            served: ready().filter(|peer| peer.up.unchoked).count() as u32,
            serving: ready().filter(|peer| peer.may_be_asked()).count() as u32,
            requests: self.downloads.requests.len() as u32,
            missing: self.swarm.chunks.missing(),
            unheld: if self.swarm.peers.seeds() > 0 { 0 } else { self.swarm.chunks.picker.unheld() },
        }
    }

    /// Returns the map of all chunks in this many cells, or fewer ([`ChunkMap`]).
    pub fn chunk_map(&self, cells: u32) -> ChunkMap {
        ChunkMap::of(&self.swarm, cells)
    }

    /// The chunks that are here.
    pub fn have(&self) -> &Bitfield {
        self.swarm.chunks.have()
    }

    /// Returns the state of the peer of a connection; `None` if the connection is unknown.
    pub fn peer_state(&self, conn: Conn) -> Option<PeerState> {
        let peer = self.swarm.peers.get(&conn)?;
        let mut state = PeerState::of(&self.swarm, peer);
        state.requests += u32::from(self.leaves.is_asked(conn));
        state.blamed = self.standings.is_blamed(peer.id);
        state.found = match self.meetings.introducer_of(peer.id) {
            Some(by) => Found::Introduced(by),
            None if !peer.dialed => Found::Came,
            None if self.expected.has(peer.id) => Found::Named,
            None => self.dialer.sources.found(peer.id),
        };
        Some(state)
    }

    /// Returns the state of our own work.
    pub fn work(&self) -> Work {
        let requests = &self.downloads.requests;
        let asked: usize = self.swarm.peers.values().map(|peer| peer.down.requests.len()).sum();
        Work {
            storing: (requests.len() - asked) as u32,
            is_at_quota: Work::is_at_quota(&self.swarm),
            lacks_leaves: self.leaves.lacks_answerer(),
            is_out_of_budget: self.dialer.sources.is_out_of_budget(),
            has_turned_away: !self.answers.over_quota.is_empty(),
        }
    }

    /// Returns true if no connection, request or output is left.
    pub fn is_idle(&self) -> bool {
        self.swarm.peers.is_empty() && self.downloads.requests.is_empty() && self.swarm.is_silent()
    }

    /// Closes the connection from our side and forgets its peer at once.
    pub(super) fn drop_peer(&mut self, conn: Conn, code: CloseCode) {
        self.swarm.push(Output::Close { conn, code });
        self.forget_peer(conn, Some(code), false);
    }

    /// Sends Bye to every peer and closes its connection. Chunks that are being stored are still reported when they are kept.
    fn close_all(&mut self, code: CloseCode) {
        self.swarm.stopping = true;
        let conns: Vec<Conn> = self.swarm.peers.keys().copied().collect();
        for conn in conns {
            self.swarm.send(conn, Frame::Bye { code });
            self.drop_peer(conn, code);
        }
        self.downloads.ready.clear();
    }

    fn on_time(&mut self) {
        let now = self.swarm.now;
        if self.swarm.stopping {
            return;
        }
        let mut looks_around = false;
        if now >= self.downloads.next_check {
            if now.since(self.downloads.next_check) >= self.swarm.config.limits.first_byte {
                self.forgive();
            }
            self.check_deadlines();
            looks_around = true;
            self.downloads.next_check = now + CHECK_EVERY;
        }
        if now >= self.choker.next_rechoke {
            self.choker.begin_round(&mut self.swarm);
            self.reevaluate_quotas();
            self.choker.rechoke(&mut self.swarm);
            // Answers that were read slowly may have to make room by now.
            self.answer_next();
        }
        if now >= self.choker.next_look {
            self.choker.pass_idle_slots(&mut self.swarm);
        }
        if self.offer_checks.wakeup().is_some_and(|at| now >= at) {
            self.check_offers();
        }
        if self.downloads.resume(&mut self.swarm) {
            self.answer_next();
        }
        if let Some(index) = self.swarm.chunks.next_reread(now) {
            self.swarm.push(Output::Reread { index });
        }
        let (meetings, me) = (&mut self.meetings, self.swarm.config.me);
        self.dialer.dial(&mut self.swarm, |peer, by| meetings.dialed(now, me, peer, by));
        self.meetings.ask(&mut self.swarm);
        self.expected.meet(&mut self.swarm, &self.dialer.sources, &self.standings);
        self.search_leaves();
        if self.swarm.wants_chunks() && !self.leaves.holds_back() {
            self.downloads.fill(&mut self.swarm, looks_around);
        } else {
            self.downloads.pause(&mut self.swarm);
        }
        exchange::speak(&mut self.swarm);
        self.ends.report(&mut self.swarm, &self.dialer.sources);
    }

    /// Applies the consequence of a breach by the peer of this connection.
    pub(super) fn breach(&mut self, conn: Conn, breach: Breach) {
        self.blame(conn, breach.into());
    }

    /// Applies the consequence of a breach with the chunk that proves it.
    pub(super) fn blame(&mut self, conn: Conn, charge: Charge) {
        let now = self.swarm.now;
        let breach = charge.breach;
        let Some(id) = self.swarm.peers.get(&conn).map(|peer| peer.id) else { return };
        if breach == Breach::Malformed(CloseCode::UnsupportedVersion) {
            // A newer program is not to blame.
            self.refuse_peer(conn, CloseCode::UnsupportedVersion);
            return;
        }
        match breach.consequence() {
            Consequence::Close(code) => self.drop_peer(conn, code),
            Consequence::Strike(code) => {
                if self.strike(id, breach) {
                    self.drop_peer(conn, code);
                }
            }
            Consequence::Part(code) => {
                self.strike(id, breach);
                self.drop_peer(conn, code);
            }
            Consequence::Disconnect(code) => {
                let standing = self.standings.of(id, now);
                if standing.warn() {
                    self.ban(id, charge, code);
                    return;
                }
                let until = standing.shut_out(now);
                self.swarm.event(Event::Struck { peer: id, breach });
                self.drop_peer(conn, code);
                self.dialer.sources.wait_until(id, until);
            }
            Consequence::Ban(code) => self.ban(id, charge, code),
        }
    }

    /// Adds a strike to a key, connected or not; returns true if that shuts the key out.
    fn strike(&mut self, id: PeerId, breach: Breach) -> bool {
        let now = self.swarm.now;
        self.swarm.event(Event::Struck { peer: id, breach });
        let (most, window) = (self.swarm.config.limits.strikes, self.swarm.config.limits.strike_window);
        let standing = self.standings.of(id, now);
        if standing.strike(now, window) < most {
            return false;
        }
        let until = standing.shut_out(now);
        self.dialer.sources.wait_until(id, until);
        true
    }

    /// Bans a key, connected or not.
    pub(super) fn ban(&mut self, id: PeerId, charge: Charge, code: CloseCode) {
        let now = self.swarm.now;
        if self.dialer.sources.is_banned(id, now) {
            return;
        }
        let Charge { breach, index, got } = charge;
        self.dialer.sources.ban(id, index.is_some(), now);
        self.swarm.event(Event::Banned { peer: id, breach, index, got });
        for conn in self.swarm.peers.connections_of(id) {
            self.drop_peer(conn, code);
        }
    }

    /// Counts a connection that broke without a close code while chunks were on their way and none had come.
    pub(super) fn broke_off(&mut self, id: PeerId) {
        if self.standings.of(id, self.swarm.now).breaks_off() {
            self.strike(id, Breach::BrokeOff);
        }
    }

    /// Checks every invariant; the error names the one that does not hold. Meant for tests: it walks through the whole state.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.swarm.check()?;
        self.downloads.check(&self.swarm)?;
        self.choker.check(&self.swarm)?;
        if !self.offer_checks.is_bounded() {
            return Err("more offers wait, are checked or remembered than may be".to_owned());
        }
        Ok(())
    }
}
