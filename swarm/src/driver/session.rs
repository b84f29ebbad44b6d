//! The task that owns the machine: messages come in, the machine decides, and the session carries it out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use minimodel_verifier::Digest;
use minimodel_wire::{CloseCode, Consent, PeerId, Request, ResetCode};
use quinn::Connection;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::bans::Ban;
use super::calendar::Calendar;
use super::chunk_writer::ChunkWriter;
use super::congestion;
use super::connection::{Link, LinkSettings};
use super::control_updates;
use super::counters::Totals;
use super::dial::Dialer;
use super::error::DriverError;
use super::event_limiter::EventLimiter;
use super::limiter::{Limiter, Tally};
use super::messages::{Answer, Download, SessionEvent, SessionInputs, TaskMessage};
use super::newcomers::Place;
use super::node::Node;
use super::quota::QuotaGate;
use super::rate_limit::RateLimit;
use super::renewal::Renewal;
use super::report::Report;
use super::samples::Samples;
use super::serve::{self, ASIDE, Server};
use super::sink::ChunkSink;
use super::transport;
use super::unfinished::Unfinished;
use crate::machine::{Ask, Conn, Controls, Input, KeepOutcome, Machine, Meter, Req, Site, Time};

/// Messages that may wait; a full queue holds the tasks back, and through them the peers.
const WAITING_MESSAGES: usize = 1_024;
/// Buffers kept for the next chunk, so that steady work allocates nothing.
pub(super) const SPARE_BUFFERS: usize = 16;
/// Waking up later than this means that the whole process stood still.
const SUSPENDED: Duration = Duration::from_secs(5);
/// Interval of snapshots while bytes move.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(200);
/// Interval of snapshots while no byte moves: an idle transfer costs next to nothing.
const IDLE_SNAPSHOT_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Session {
    pub(super) machine: Machine,
    pub(super) start: Instant,
    pub(super) calendar: Calendar,
    pub(super) renewal: Option<Renewal>,
    pub(super) dialer: Dialer,
    pub(super) fetches: bool,
    pub(super) terms: crate::machine::Terms,
    pub(super) root: Digest,
    pub(super) server: Server,
    pub(super) sink: Option<Arc<dyn ChunkSink>>,
    pub(super) bans: Option<mpsc::UnboundedSender<Ban>>,
    pub(super) chunk_writer: Option<ChunkWriter>,
    pub(super) manifest_text: Bytes,
    pub(super) controls: watch::Receiver<Controls>,
    pub(super) down: Limiter,
    pub(super) gate: Option<Arc<dyn QuotaGate>>,
    pub(super) messages: mpsc::Receiver<TaskMessage>,
    pub(super) inbox: mpsc::Sender<TaskMessage>,
    pub(super) links: BTreeMap<Conn, Link>,
    /// Introduced connections: the peer's Hello agreed with this node's.
    pub(super) introduced: BTreeSet<Conn>,
    pub(super) names: BTreeMap<Conn, PeerId>,
    /// Newcomer places of incoming connections, held until they are introduced.
    pub(super) pending_handshakes: BTreeMap<Conn, Place>,
    pub(super) next_conn: u64,
    pub(super) next_ask: u64,
    pub(super) downloads: BTreeMap<Req, Download>,
    pub(super) answers: BTreeMap<Ask, Answer>,
    /// Proven leaf hashes from the first chunk on, and the request for the next ones.
    pub(super) leaves: Vec<Digest>,
    pub(super) leaf_request: Option<(Req, AbortHandle)>,
    pub(super) spare: Vec<Vec<u8>>,
    pub(super) tasks: JoinSet<()>,
    /// Connections that are closed once their last frames and answers are delivered.
    pub(super) pending_closes: JoinSet<()>,
    pub(super) events: VecDeque<SessionEvent>,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) next_snapshot: Instant,
    pub(super) samples: Samples,
    pub(super) down_meter: Meter,
    pub(super) up_meter: Meter,
    /// Rate limit of reported events.
    pub(super) event_limiter: EventLimiter,
    /// Tasks that ended by a panic.
    pub(super) panics: u64,
    pub(super) is_stopping: bool,
    /// The partial file is being rescanned; no requests are made meanwhile.
    pub(super) is_rescanning: bool,
    /// The whole file was checked: from here on it is a share.
    pub(super) is_checked: bool,
    /// Payload bytes over all connections.
    pub(super) totals: Arc<Totals>,
    /// When a byte of a chunk last came in, and when a chunk was last proven.
    pub(super) last_byte: Instant,
    pub(super) last_chunk: Instant,
}

impl Session {
    pub(super) fn new(node: &Node, inputs: SessionInputs) -> Result<Self, DriverError> {
        let (inbox, messages) = mpsc::channel(WAITING_MESSAGES);
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        if let Some(server) = node.server.clone() {
            tasks.spawn(super::accept::run(node.dialer.clone(), server, inbox.clone()));
        }
        let start_writer =
            |sink: &Arc<dyn ChunkSink>| ChunkWriter::start(sink.clone(), inputs.follow, inbox.clone());
        let chunk_writer = inputs.sink.as_ref().map(start_writer).transpose().map_err(DriverError::Thread)?;
        let server = Server {
            source: inputs.source,
            limiter: Limiter::new(inputs.up),
            aside: RateLimit::new(Some(ASIDE)),
            reading: Tally::default(),
            reads: Arc::new(Semaphore::new(serve::reads_at_once(inputs.config.terms.chunk_size))),
            inbox: inbox.clone(),
        };
        Ok(Self {
            start,
            calendar: Calendar::new(inputs.config.unix_at_start),
            renewal: inputs
                .config
                .offer
                .clone()
                .and_then(|offer| Renewal::new(node.key().clone(), offer, inputs.config.unix_at_start)),
            dialer: node.dialer.clone(),
            fetches: inputs.config.consent.contains(Consent::FETCH),
            terms: inputs.config.terms.clone(),
            root: inputs.root,
            machine: Machine::new(inputs.config, inputs.have, inputs.bans.until()),
            server,
            sink: inputs.sink,
            bans: inputs.bans.tell,
            chunk_writer,
            manifest_text: inputs.manifest_text,
            controls: inputs.controls,
            down: Limiter::new(inputs.down),
            gate: inputs.gate,
            messages,
            inbox,
            links: BTreeMap::new(),
            introduced: BTreeSet::new(),
            names: BTreeMap::new(),
            pending_handshakes: BTreeMap::new(),
            next_conn: 0,
            next_ask: 0,
            downloads: BTreeMap::new(),
            answers: BTreeMap::new(),
            leaves: Vec::new(),
            leaf_request: None,
            spare: Vec::new(),
            tasks,
            pending_closes: JoinSet::new(),
            events: VecDeque::new(),
            reports: inputs.reports,
            next_snapshot: start,
            samples: Samples::new(start),
            down_meter: Meter::default(),
            up_meter: Meter::default(),
            event_limiter: EventLimiter::default(),
            panics: 0,
            is_stopping: false,
            is_rescanning: false,
            is_checked: false,
            totals: Arc::default(),
            last_byte: start,
            last_chunk: start,
        })
    }

    pub(super) fn now(&self) -> Time {
        Time::after_start(self.start.elapsed())
    }

    pub(super) fn tell(&mut self, input: Input) {
        // The calendar first: the input may come after a sleep of the computer.
        self.look_at_calendar();
        self.machine.handle(self.now(), input);
    }

    /// Runs the session until an event for the runner. The future may be dropped and this called again.
    pub(super) async fn next(&mut self) -> SessionEvent {
        loop {
            self.reap();
            self.carry_out();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let snapshot = self.next_snapshot;
            let wakeup = self.machine.wakeup().map(|at| self.start + at.since_start());
            let until = wakeup.map_or(snapshot, |at| at.min(snapshot));
            tokio::select! {
                biased;
                message = self.messages.recv() => {
                    if let Some(message) = message {
                        self.take(message);
                    }
                    // Waiting messages are taken together, so that one round of decisions sees all of them.
                    for _ in 0..WAITING_MESSAGES {
                        let Ok(message) = self.messages.try_recv() else { break };
                        self.take(message);
                    }
                }
                () = control_updates::changed(&mut self.controls) => self.follow_controls(),
                () = tokio::time::sleep_until(until.into()) => {
                    if wakeup.is_some_and(|at| at <= Instant::now()) {
                        self.tell(Input::Tick);
                    }
                }
            }
            // The process was stopped or suspended: that silence was not the peers'.
            let slept = Instant::now().saturating_duration_since(until);
            if slept > SUSPENDED {
                self.last_byte += slept;
                self.last_chunk += slept;
            }
            if self.next_snapshot <= Instant::now() {
                let pause = if self.sample() { SNAPSHOT_EVERY } else { IDLE_SNAPSHOT_EVERY };
                self.next_snapshot = Instant::now() + pause;
                self.look_at_calendar();
                self.report_snapshot();
                self.events.push_back(SessionEvent::Periodic);
            }
        }
    }

    pub(super) fn take(&mut self, message: TaskMessage) {
        match message {
            TaskMessage::Panicked => self.panics += 1,
            TaskMessage::WorkerLost { doing } => self.events.push_back(SessionEvent::WorkerLost(doing)),
            TaskMessage::Input(input) => {
                if let Input::Progress { .. } = input {
                    self.last_byte = Instant::now();
                }
                if let Input::Failed { req, .. } = input {
                    self.downloads.remove(&req);
                }
                if let Input::Closed { conn, code } = input {
                    drop(self.unlink(conn));
                    if code == Some(CloseCode::BadChunk) {
                        // Either the peer lies or the local disk does: from now on every chunk is hashed before it is
                        // sent.
                        self.server.source.suspect();
                    }
                }
                if let Input::SourceChanged = input {
                    self.events.push_back(SessionEvent::SourceChanged);
                }
                self.tell(input);
            }
            TaskMessage::Connected { connection, peer, dialed, place } => {
                let site = Site::of(connection.remote_address().ip());
                let conn = self.connected(connection, peer, dialed);
                self.pending_handshakes.extend(place.map(|place| (conn, place)));
                self.tell(Input::Connected { conn, peer, site, dialed });
            }
            TaskMessage::Asked { conn, request, send } => self.asked(conn, request, send),
            TaskMessage::Arrived { req, data, proof } => {
                self.last_byte = Instant::now();
                if let Some(download) = self.downloads.get_mut(&req) {
                    download.arrived = Some((data, proof));
                    self.tell(Input::Arrived { req });
                }
            }
            TaskMessage::LeavesArrived { req, first, answer } => self.leaves_arrived(req, first, answer),
            TaskMessage::Served { ask, outcome } => {
                self.answers.remove(&ask);
                self.tell(Input::Served { ask, outcome });
            }
            TaskMessage::Kept { req, outcome, buffer } => {
                if self.spare.len() < SPARE_BUFFERS {
                    self.spare.push(buffer);
                }
                let outcome = outcome.unwrap_or_else(|error| {
                    self.events.push_back(SessionEvent::Disk(error));
                    KeepOutcome::DiskFailed
                });
                self.tell(Input::Kept { req, outcome });
            }
            TaskMessage::Rescanned { have } => {
                (self.is_rescanning, self.last_byte, self.last_chunk) =
                    (false, Instant::now(), Instant::now());
                let have = have.unwrap_or_else(|error| {
                    self.events.push_back(SessionEvent::Disk(error));
                    Vec::new()
                });
                if let Some(chunk_writer) = &self.chunk_writer {
                    chunk_writer.file_grew();
                }
                self.tell(Input::Rescanned { have });
            }
        }
    }

    fn connected(&mut self, connection: Connection, peer: PeerId, dialed: bool) -> Conn {
        let conn = Conn(self.next_conn);
        self.next_conn += 1;
        let settings = LinkSettings {
            chunk_count: self.terms.chunk_count,
            fetches: self.fetches,
            inbox: self.inbox.clone(),
            totals: self.totals.clone(),
        };
        let link = Link::start(connection, conn, dialed, &settings);
        self.links.insert(conn, link);
        self.names.insert(conn, peer);
        conn
    }

    fn asked(&mut self, conn: Conn, request: Request, send: Unfinished) {
        let ask = Ask(self.next_ask);
        self.next_ask += 1;
        if request.check_inside(self.terms.chunk_count).is_err() {
            send.refuse(ResetCode::Malformed);
            self.tell(Input::Broke { conn, breach: crate::machine::Breach::BadIndex });
            return;
        }
        self.answers.insert(ask, Answer { conn, request, send: Some(send), abort: None });
        self.tell(match request {
            Request::Chunk { index } => Input::Asked { ask, conn, index },
            Request::Leaves { .. } => Input::AskedLeaves { ask, conn },
            Request::Manifest => Input::AskedManifest { ask, conn },
        });
    }

    pub(super) fn unlink(&mut self, conn: Conn) -> Option<Link> {
        self.names.remove(&conn);
        self.pending_handshakes.remove(&conn);
        let link = self.links.remove(&conn)?;
        if self.introduced.remove(&conn) {
            self.share_windows();
        }
        Some(link)
    }

    /// Ends a connection with a code.
    pub(super) fn close_connection(&mut self, conn: Conn, code: CloseCode) {
        if let Some(pending) = self.unlink(conn).and_then(|link| link.close(code)) {
            self.pending_closes.spawn(pending);
        }
    }

    /// Ends every connection with this code, and every task. Returns how long the closes must be repeated: a peer that
    /// sends on after one round trip has not received its close.
    pub(super) async fn stop(&mut self, code: CloseCode) -> Duration {
        let slowest = self.links.values().map(|link| link.connection.rtt()).max();
        let grace = transport::drain_time(slowest.unwrap_or_default());
        let connections: Vec<_> = self.links.values().map(|link| link.connection.clone()).collect();
        // A last sample, while the peers are still connected.
        self.sample();
        // Peers that leave from now on leave because this session ends, which is nothing to report.
        self.is_stopping = true;
        self.tell(Input::Stop(code));
        self.carry_out();
        // A close that has no room in its congestion window would not be sent.
        connections.iter().for_each(congestion::make_way);
        let left: Vec<Conn> = self.links.keys().copied().collect();
        left.into_iter().for_each(|conn| self.close_connection(conn, code));
        self.report_snapshot();
        self.tasks.abort_all();
        // Each connection ends with its own code, also those that were about to end. The endpoint is closed next, with
        // one code for all.
        let all_closed = async { while self.pending_closes.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(transport::MAX_DRAIN_TIME, all_closed).await;
        self.pending_closes.abort_all();
        while self.pending_closes.join_next().await.is_some() {}
        grace
    }

    /// Waits, after [`Session::stop`], until the chunks that have arrived are kept and no thread holds the file. Chunks
    /// for which the caller does not wait are proven again when the fetch is resumed.
    pub(super) async fn finish_writing(&mut self) {
        // Otherwise the threads would wait for room in a queue that is no longer read.
        self.messages.close();
        if let Some(chunk_writer) = self.chunk_writer.take() {
            chunk_writer.end().await;
        }
    }
}
