//! The machine: its state, its three calls, and the dispatch of inputs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use minimodel_wire::{Bitfield, CloseCode, Consent, Frame, PeerId};

use super::bans::Bans;
use super::chunks::Chunks;
use super::config::Config;
use super::dialing::EXHAUSTED_AFTER;
use super::events::{Ask, Conn, Event, Input, Output, Req};
use super::leaves::LeafSearch;
use super::lost::Lost;
use super::offer_checks::OfferChecks;
use super::peer::{Peer, Phase};
use super::picker::Picker;
use super::places::TurnedAway;
use super::rate::Outflow;
use super::reach::Reach;
use super::reply_budgets::ReplyBudgets;
use super::requests::Request;
use super::scheduling::ReadyQueue;
use super::sources::Sources;
use super::standing::Standings;
use super::time::Time;
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
}

/// The peer protocol and the scheduler; the module documentation has the contract of its calls.
#[derive(Debug)]
pub struct Machine {
    pub(super) config: Config,
    pub(super) chunks: Chunks,
    pub(super) picker: Picker,
    pub(super) rng: fastrand::Rng,
    pub(super) peers: BTreeMap<Conn, Peer>,
    /// The primary connection of each key, and a second one that is not introduced; see `pairs`.
    pub(super) by_id: BTreeMap<PeerId, Conn>,
    pub(super) beside: BTreeMap<PeerId, Conn>,
    pub(super) sources: Sources,
    pub(super) reach: Reach,
    pub(super) requests: BTreeMap<Req, Request>,
    pub(super) next_req: u64,
    /// The one or two requests for each chunk that is in flight or being stored.
    pub(super) copies: BTreeMap<u32, Vec<Req>>,
    /// Bytes requested and not yet stored.
    pub(super) in_flight_bytes: u64,
    /// Bytes received or requested.
    pub(super) promised: u64,
    /// Bytes received, by key.
    pub(super) received_of: BTreeMap<PeerId, u64>,
    /// Payload bytes sent to all peers.
    pub(super) given: u64,
    /// Keys refused for a used-up quota, and the length of the chunk that did not fit.
    pub(super) over_quota: BTreeMap<PeerId, u32>,
    /// Requests whose chunk may be requested from a second peer as well.
    pub(super) hedged: BTreeSet<Req>,
    /// Bytes that duplicate requests are expected to bring twice.
    pub(super) twice: u64,
    pub(super) ready_queue: ReadyQueue,
    /// Open requests of doubtful peers: those that never delivered, and stalled ones.
    pub(super) doubted: u32,
    /// When the first backoff of a peer ends.
    pub(super) next_resume: Option<Time>,
    /// The connection that made each open upload request.
    pub(super) asks: BTreeMap<Ask, Conn>,
    pub(super) leaves: LeafSearch,
    pub(super) standings: Standings,
    pub(super) offer_checks: OfferChecks,
    pub(super) reply_budgets: ReplyBudgets,
    pub(super) wasted_reads: WastedReads,
    /// The last calendar time that the driver reported, and when.
    pub(super) calendar: (u64, Time),
    pub(super) turned_away: TurnedAway,
    /// Chunks that could not be read back from our disk.
    pub(super) lost: Lost,
    /// Peers with an optimistic unchoke.
    pub(super) optimistic: Vec<Conn>,
    pub(super) partial_peers: u32,
    /// Connections whose peer is not introduced: Hello or Bitfield is missing, or it asks for the manifest only.
    pub(super) handshaking: u32,
    /// Peers that are interested in our chunks.
    pub(super) interested_peers: u32,
    /// Peers that hold an upload slot.
    pub(super) unchoked: BTreeSet<Conn>,
    /// Set while a call checks deadlines: idle peers may then take over requests of slow ones.
    pub(super) looks_around: bool,
    pub(super) next_check: Time,
    pub(super) next_rechoke: Time,
    pub(super) next_optimistic: Time,
    pub(super) next_look: Time,
    /// The number of upload slots now, and the total upload rate.
    pub(super) slots: usize,
    pub(super) outflow: Outflow,
    /// Chunks that were sent whole.
    pub(super) chunks_served: u64,
    /// Peers with control frames to send, and when the first frame is due.
    pub(super) unsaid: BTreeSet<Conn>,
    pub(super) next_word: Option<Time>,
    pub(super) stopping: bool,
    pub(super) complete_said: bool,
    exhausted_since: Option<Time>,
    exhausted_said: bool,
    outputs: VecDeque<Output>,
}

impl Machine {
    /// Creates a machine that has the chunks of `have` and no peers. Each key of `banned` is refused until its time.
    pub fn new(mut config: Config, have: Bitfield, banned: BTreeMap<PeerId, Time>) -> Self {
        let limits = &mut config.limits;
        limits.max_connections = limits.max_connections.min(Picker::MAX_HOLDERS);
        let mut rng = fastrand::Rng::with_seed(config.seed);
        let picker = Picker::new(&have, &mut rng);
        let rescan = config.rescan && !have.is_full();
        let complete = have.is_full();
        let mut machine = Self {
            leaves: LeafSearch::new(rescan, config.repairs && !have.is_full(), config.terms.chunk_count),
            sources: Sources::new(Bans::new(banned)),
            reach: Reach::default(),
            chunks: Chunks::new(have),
            picker,
            rng,
            peers: BTreeMap::new(),
            by_id: BTreeMap::new(),
            beside: BTreeMap::new(),
            requests: BTreeMap::new(),
            next_req: 0,
            copies: BTreeMap::new(),
            in_flight_bytes: 0,
            promised: 0,
            received_of: BTreeMap::new(),
            given: 0,
            over_quota: BTreeMap::new(),
            hedged: BTreeSet::new(),
            twice: 0,
            ready_queue: ReadyQueue::default(),
            doubted: 0,
            next_resume: None,
            asks: BTreeMap::new(),
            standings: Standings::default(),
            offer_checks: OfferChecks::default(),
            reply_budgets: ReplyBudgets::new(config.terms.chunk_count),
            wasted_reads: WastedReads::default(),
            calendar: (config.unix_at_start, Time::ZERO),
            turned_away: TurnedAway::default(),
            lost: Lost::default(),
            optimistic: Vec::new(),
            partial_peers: 0,
            handshaking: 0,
            interested_peers: 0,
            unchoked: BTreeSet::new(),
            looks_around: false,
            next_check: Time::ZERO,
            next_rechoke: Time::ZERO,
            next_optimistic: Time::ZERO,
            next_look: Time::ZERO,
            slots: 0,
            outflow: Outflow::default(),
            chunks_served: 0,
            unsaid: BTreeSet::new(),
            next_word: None,
            stopping: false,
            complete_said: complete,
            exhausted_since: None,
            exhausted_said: false,
            outputs: VecDeque::new(),
            config,
        };
        machine.slots = machine.usual_slots();
        machine
    }

    /// Processes an input at `now`. Times never go back.
    pub fn handle(&mut self, now: Time, input: Input) {
        match input {
            Input::Source(offer) => self.add_source(now, &offer),
            Input::Connected { conn, peer, site, dialed } => self.connected(now, conn, (peer, site), dialed),
            Input::DialFailed { peer, wrong_key, code } => self.dial_failed(now, peer, wrong_key, code),
            Input::Closed { conn, code } => self.closed(now, conn, code),
            Input::Frame { conn, frame } => self.frame(now, conn, frame),
            Input::Broke { conn, breach } => self.breach(now, conn, breach),
            Input::Rtt { conn, rtt } => {
                if let Some(peer) = self.peers.get_mut(&conn) {
                    peer.down.rtt = rtt;
                }
            }
            Input::Progress { req, received } => self.progressed(now, req, received),
            Input::Arrived { req } => self.arrived(now, req),
            Input::Failed { req, fault } => self.request_failed(now, req, fault),
            Input::Kept { req, outcome } => self.kept(now, req, outcome),
            Input::Leaves { req, outcome } => self.leaves_answered(now, req, outcome),
            Input::Rescanned { have } => self.rescanned(now, &have),
            Input::Asked { ask, conn, index } => self.asked(now, ask, conn, index),
            Input::AskedLeaves { ask, conn } => self.asked_leaves(now, ask, conn),
            Input::AskedManifest { ask, conn } => self.asked_manifest(now, ask, conn),
            Input::Served { ask, outcome } => self.served(now, ask, outcome),
            Input::ChunkLost { index } => self.chunk_lost(now, index),
            Input::Reread { index, is_good } => self.reread(now, index, is_good),
            Input::Controls(controls) => self.apply_controls(now, controls),
            Input::Withheld { req } => self.withheld(now, req),
            Input::OfferChecked { check, verdict } => self.offer_checked(now, check, verdict),
            Input::OwnOffer(offer) => self.own_offer_renewed(offer),
            Input::Calendar { unix } => self.set_calendar(now, unix),
            Input::SourceChanged => self.close_all(now, CloseCode::SourceChanged),
            Input::Stop(code) => self.close_all(now, code),
            Input::Tick => {}
        }
        self.on_time(now);
    }

    /// Returns the next output, in order; `None` when none is queued.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns when to call [`Self::handle`] with [`Input::Tick`] if no other input comes; `None`: no need.
    pub fn wakeup(&self) -> Option<Time> {
        if self.stopping {
            return None;
        }
        let mut at = self.next_dial();
        let mut sooner = |time: Time| at = Some(at.map_or(time, |old: Time| old.min(time)));
        let waits = !self.requests.is_empty() || !self.ready_queue.is_empty() || self.leaves.is_pending();
        if waits || self.handshaking > 0 {
            sooner(self.next_check);
        }
        if self.interested_peers > 0 {
            sooner(self.next_rechoke);
        }
        // Every slot holder is interested, so that more interested peers than holders means some wait.
        if self.serves() && self.interested_peers as usize > self.unchoked.len() {
            sooner(self.next_look);
        }
        let said = self.exhausted_said;
        let exhausted = self.exhausted_since.filter(|_| !said).map(|since| since + EXHAUSTED_AFTER);
        let (checks, look) = (self.offer_checks.wakeup(), self.lost.next_look());
        let times = [self.next_word, self.next_resume, exhausted, checks, look];
        for time in times.into_iter().flatten() {
            sooner(time);
        }
        at
    }

    /// Returns the progress of the fetch.
    pub fn progress(&self) -> Progress {
        let ready = || self.peers.values().filter(|peer| peer.phase == Phase::Ready);
        Progress {
            have: self.chunks.have().ones(),
            total: self.config.terms.chunk_count,
            peers: ready().count() as u32,
            seeds: ready().filter(|peer| peer.have.is_full()).count() as u32,
            served: ready().filter(|peer| peer.up.unchoked).count() as u32,
            serving: ready().filter(|peer| peer.may_be_asked()).count() as u32,
            requests: self.requests.len() as u32,
        }
    }

    /// The chunks that are here.
    pub fn have(&self) -> &Bitfield {
        self.chunks.have()
    }

    /// Returns true if no connection, request or output is left.
    pub fn is_idle(&self) -> bool {
        self.peers.is_empty() && self.requests.is_empty() && self.outputs.is_empty()
    }

    pub(super) fn wants_chunks(&self) -> bool {
        self.config.consent.contains(Consent::FETCH) && !self.chunks.is_complete() && !self.stopping
    }

    pub(super) fn serves(&self) -> bool {
        self.config.consent.contains(Consent::SERVE)
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn send(&mut self, conn: Conn, frame: Frame) {
        self.push(Output::Send { conn, frame });
    }

    /// Closes the connection from our side and forgets its peer at once.
    pub(super) fn drop_peer(&mut self, now: Time, conn: Conn, code: CloseCode) {
        self.push(Output::Close { conn, code });
        self.forget_peer(now, conn, Some(code), false);
    }

    /// Sends Bye to every peer and closes its connection. Chunks that are being stored are still reported when they are kept.
    fn close_all(&mut self, now: Time, code: CloseCode) {
        self.stopping = true;
        let conns: Vec<Conn> = self.peers.keys().copied().collect();
        for conn in conns {
            self.send(conn, Frame::Bye { code });
            self.drop_peer(now, conn, code);
        }
        self.ready_queue.clear();
    }

    fn on_time(&mut self, now: Time) {
        if self.stopping {
            return;
        }
        if now >= self.next_check {
            if now.since(self.next_check) >= self.config.limits.first_byte {
                self.forgive(now);
            }
            self.check_deadlines(now);
            self.looks_around = true;
            self.next_check = now + super::requests::CHECK_EVERY;
        }
        if now >= self.next_rechoke {
            self.rechoke_on_time(now);
            self.next_rechoke = now + self.config.limits.rechoke;
        }
        if now >= self.next_look {
            self.pass_idle_slots(now);
        }
        if self.offer_checks.wakeup().is_some_and(|at| now >= at) {
            self.check_offers(now);
        }
        self.refuse_all_over_quota(now);
        self.resume(now);
        self.look_at_lost(now);
        self.dial(now);
        self.search_leaves(now);
        self.fill(now);
        self.looks_around = false;
        self.speak(now);
        self.say_if_complete();
        self.say_if_exhausted(now);
    }

    fn say_if_complete(&mut self) {
        if self.complete_said || !self.chunks.is_complete() {
            return;
        }
        self.complete_said = true;
        self.event(Event::Complete);
    }

    fn say_if_exhausted(&mut self, now: Time) {
        let is_hope = |peer: &Peer| peer.phase != Phase::Ready || peer.consent.contains(Consent::SERVE);
        let waits = self.config.listening || !self.wants_chunks();
        if waits || !self.sources.is_exhausted() || self.peers.values().any(is_hope) {
            self.exhausted_since = None;
            self.exhausted_said = false;
            return;
        }
        let since = *self.exhausted_since.get_or_insert(now);
        if now.since(since) >= EXHAUSTED_AFTER && !self.exhausted_said {
            self.exhausted_said = true;
            self.event(Event::Exhausted);
        }
    }
}
