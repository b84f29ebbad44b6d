//! The task that owns the machine: messages come in, the machine decides, and the session carries it out.
//!
//! Its parts are told what happened and do the work: [`Links`] the connections, [`Downloading`] the requests of this node,
//! [`Serving`] those of peers, [`Samples`] and [`Silence`] the judgement of idle times, [`Observer`] the reports. The session
//! itself only routes messages to them (this file), outputs of the machine (`perform.rs`), and what is due from time to
//! time (`periodic.rs`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use minimodel_verifier::Digest;
use minimodel_wire::{Bitfield, CloseCode, Consent, ResetCode, SignedOffer};
use tokio::sync::mpsc;

use super::bans::Bans;
use super::calendar::Calendar;
use super::chunk_writer::{ChunkWriter, Follow};
use super::close::close;
use super::congestion;
use super::connection::LinkSettings;
use super::door::{Door, Knocks};
use super::downloading::{Downloading, DownloadingInputs, GrowingFile};
use super::error::DriverError;
use super::links::Links;
use super::messages::{SessionEvent, TaskMessage};
use super::node::Node;
use super::observer::Observer;
use super::outside::Outside;
use super::renewal::Renewal;
use super::report::Report;
use super::samples::Samples;
use super::serving::{Serving, ServingInputs};
use super::settings::SessionLimits;
use super::silence::Silence;
use super::sink::ChunkSink;
use super::transport;
use super::workers::Tasks;
use crate::machine::{Config, Input, KeepOutcome, Machine, RequestFault, ServeOutcome, Site, Time};
use crate::store::ChunkSource;

/// Messages that may wait; a full queue holds the tasks back, and through them the peers.
const WAITING_MESSAGES: usize = 1_024;
/// Offers that the user named, of those it gave.
const NAMED: usize = 3;
/// Waking up later than this means that the whole process stood still.
const SUSPENDED: Duration = Duration::from_secs(5);

/// Inputs of a new session.
pub(super) struct SessionInputs {
    pub(super) config: Config,
    pub(super) have: Bitfield,
    pub(super) bans: Bans,
    pub(super) source: Arc<dyn ChunkSource>,
    pub(super) sink: Option<Arc<dyn ChunkSink>>,
    pub(super) follow: Option<Follow>,
    pub(super) root: Digest,
    pub(super) manifest_text: Bytes,
    pub(super) outside: Outside,
    pub(super) knocks: Knocks,
    pub(super) limits: SessionLimits,
    pub(super) reports: mpsc::Sender<Report>,
}

pub(super) struct Session {
    pub(super) machine: Machine,
    pub(super) start: Instant,
    pub(super) calendar: Calendar,
    pub(super) renewal: Option<Renewal>,
    pub(super) links: Links,
    pub(super) downloading: Downloading,
    pub(super) serving: Serving,
    pub(super) samples: Samples,
    pub(super) silence: Silence,
    pub(super) observer: Observer,
    pub(super) tasks: Tasks,
    outside: Outside,
    pub(super) door: Door,
    messages: mpsc::Receiver<TaskMessage>,
    /// Events for the runner.
    pub(super) events: VecDeque<SessionEvent>,
}

impl Session {
    pub(super) fn new(node: &Node, inputs: SessionInputs) -> Result<Self, DriverError> {
        let (inbox, messages) = mpsc::channel(WAITING_MESSAGES);
        let (mut config, start) = (inputs.config, Instant::now());
        let (terms, unix) = (config.terms.clone(), config.unix_at_start);
        let fetches = config.consent.contains(Consent::FETCH);
        let tasks = Tasks::new(node.blocking.part(), inbox.clone());
        let file = match inputs.sink {
            Some(sink) => {
                let chunk_writer = ChunkWriter::start(sink.clone(), inputs.follow, inbox.clone());
                let chunk_writer = chunk_writer.map_err(DriverError::Thread)?;
                Some(GrowingFile { sink, chunk_writer: Some(chunk_writer) })
            }
            None => None,
        };
        let link_settings =
            LinkSettings { chunk_count: terms.chunk_count, fetches, inbox, totals: Arc::default() };
        let SessionLimits { down, up, gate } = inputs.limits;
        let downloading = DownloadingInputs { root: inputs.root, file, down, gate: gate.clone() };
        let serving = ServingInputs { source: inputs.source, manifest_text: inputs.manifest_text, up, gate };
        let named = node.addresses();
        let mut renewal =
            config.offer.take().map(|offer| Renewal::new(node.key().clone(), offer, unix, named));
        config.offer = renewal.as_mut().and_then(|renewal| renewal.announcement(node.unconfirmed()));
        let door = Door::new(inputs.knocks);
        if let (Some(renewal), Some(announced)) = (&renewal, &config.offer) {
            door.set(renewal.whole(), announced.clone());
        }
        Ok(Self {
            start,
            calendar: Calendar::new(unix),
            renewal,
            links: Links::new(node, &config, link_settings, door.clone())?,
            downloading: Downloading::new(downloading, terms.clone()),
            serving: Serving::new(serving, terms, &tasks),
            samples: Samples::new(start, fetches),
            silence: Silence::new(start),
            observer: Observer::new(inputs.reports, inputs.bans.tell.clone()),
            tasks,
            outside: inputs.outside,
            door,
            messages,
            events: VecDeque::new(),
            machine: Machine::new(config, inputs.have, inputs.bans.until()),
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

    /// Tells of the peers that the user named. A list or a link is one promise of its maker, so those beyond the first few are listed.
    pub(super) fn tell_of_sources(&mut self, offers: Vec<SignedOffer>) {
        for (at, offer) in offers.into_iter().enumerate() {
            self.tell(if at < NAMED { Input::Source(offer) } else { Input::Listed(offer) });
        }
    }

    /// Runs the session until an event for the runner. The future may be dropped and this called again.
    pub(super) async fn next(&mut self) -> SessionEvent {
        loop {
            self.reap();
            self.carry_out();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let snapshot = self.samples.next();
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
                message = self.outside.next() => match message.input() {
                    Ok(input) => self.tell(input),
                    Err(question) => question.answer(|cells| self.machine.chunk_map(cells)),
                },
                () = tokio::time::sleep_until(until.into()) => {
                    if wakeup.is_some_and(|at| at <= Instant::now()) {
                        self.tell(Input::Tick);
                    }
                }
            }
            // The process was stopped or suspended: that silence was not the peers'.
            let slept = Instant::now().saturating_duration_since(until);
            if slept > SUSPENDED {
                self.silence.slept(slept);
            }
            if self.samples.next() <= Instant::now() {
                self.sample();
                self.look_at_calendar();
                self.follow_moves();
                self.report_snapshot();
                self.events.push_back(SessionEvent::Periodic);
            }
        }
    }

    /// Routes a message to the part that it concerns, and tells the machine.
    fn take(&mut self, message: TaskMessage) {
        match message {
            TaskMessage::Panicked => self.tasks.count_panic(),
            TaskMessage::WorkerLost { doing } => self.events.push_back(SessionEvent::WorkerLost(doing)),
            TaskMessage::Input(input) => self.take_input(input),
            TaskMessage::Connected { connection, from, peer, origin } => {
                let site = Site::of(from.ip());
                let dialed = origin.is_dialed();
                let conn = self.links.add(connection, from, peer, origin);
                self.tell(Input::Connected { conn, peer, site, dialed });
            }
            TaskMessage::Asked { conn, request, send } => {
                let input = self.serving.asked(conn, request, send);
                self.tell(input);
            }
            TaskMessage::Arrived { req, data, proof } => {
                self.silence.byte_came();
                if self.downloading.arrived(req, data, proof) {
                    self.tell(Input::Arrived { req });
                }
            }
            TaskMessage::LeavesArrived { req, first, answer } => {
                if let Some(outcome) = self.downloading.leaves_arrived(req, first, answer) {
                    self.tell(Input::Leaves { req, outcome });
                }
            }
            TaskMessage::Served { ask, outcome } => {
                self.serving.served(ask);
                self.tell(Input::Served { ask, outcome });
            }
            TaskMessage::Kept { req, outcome, buffer } => {
                self.downloading.give_back(buffer);
                let outcome = outcome.unwrap_or_else(|error| {
                    self.events.push_back(SessionEvent::Disk(error));
                    KeepOutcome::DiskFailed
                });
                self.tell(Input::Kept { req, outcome });
            }
            TaskMessage::Rescanned { have } => {
                self.silence.excuse_until(Instant::now());
                let have = have.unwrap_or_else(|error| {
                    self.events.push_back(SessionEvent::Disk(error));
                    Vec::new()
                });
                self.downloading.rescanned();
                self.tell(Input::Rescanned { have });
            }
        }
    }

    fn take_input(&mut self, input: Input) {
        match input {
            Input::Progress { .. } => self.silence.byte_came(),
            Input::Failed { req, .. } => self.downloading.failed(req),
            Input::Closed { conn, code } => {
                drop(self.links.remove(conn));
                if code == Some(CloseCode::BadChunk) {
                    self.serving.suspect_source();
                }
            }
            Input::SourceChanged => self.events.push_back(SessionEvent::SourceChanged),
            _ => {}
        }
        self.tell(input);
    }

    /// Removes tasks that are done. A task that panicked has reported nothing, so its request or answer is given up
    /// here; the fault is this program's and no peer's.
    fn reap(&mut self) {
        self.links.reap();
        while let Some(task) = self.tasks.next_panicked() {
            if let Some(req) = self.downloading.req_of(task) {
                let fault = RequestFault::Reset(ResetCode::Cancelled);
                self.take_input(Input::Failed { req, fault });
            }
            if let Some(ask) = self.serving.ask_of(task) {
                self.take(TaskMessage::Served { ask, outcome: ServeOutcome::Withdrawn });
            }
        }
    }

    /// Ends every connection with this code, and every task. The returned future repeats the closes: a peer that sends on
    /// after one round trip has not received its close.
    pub(super) async fn stop(&mut self, code: CloseCode) -> impl Future<Output = ()> + 'static {
        let connections = self.links.connections();
        let slowest = connections.iter().map(quinn::Connection::rtt).max();
        let grace = transport::drain_time(slowest.unwrap_or_default());
        // A last sample, while the peers are still connected.
        self.sample();
        self.observer.stop_events();
        self.tell(Input::Stop(code));
        self.carry_out();
        // A close that has no room in its congestion window would not be sent.
        connections.iter().for_each(congestion::make_way);
        self.links.close_all(code);
        self.turn_away_newcomers(code);
        self.report_snapshot();
        self.tasks.abort_all();
        // Each connection ends with its own code, also those that were about to end.
        self.links.all_closed().await;
        self.links.drained(code, grace)
    }

    /// Closes connections that wait for this session and were not taken, and takes no message any more: threads and tasks
    /// must not wait for room in a queue that is no longer read.
    fn turn_away_newcomers(&mut self, code: CloseCode) {
        self.messages.close();
        while let Ok(message) = self.messages.try_recv() {
            if let TaskMessage::Connected { connection, .. } = message {
                close(&connection, code);
            }
        }
    }

    /// Waits, after [`Session::stop`], until the chunks that have arrived are kept and no thread holds the file, and
    /// reports them. Chunks for which the caller does not wait are proven again when the fetch is resumed.
    pub(super) async fn finish_writing(&mut self) {
        let kept = self.downloading.finish_writing().await;
        if let Some(have) = kept.filter(|have| have != self.machine.have()) {
            self.report_snapshot_with(&have);
        }
    }
}
