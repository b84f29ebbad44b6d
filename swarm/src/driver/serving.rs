//! The requests of peers that a session answers: each from the moment it is read until its answer is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use minimodel_wire::{Request, ResetCode};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, Id};

use super::limiter::{Limiter, Tally};
use super::links::Links;
use super::messages::TaskMessage;
use super::quota::{Direction, QuotaGate, Reservation};
use super::rate_limit::RateLimit;
use super::serve::{self, ASIDE, Reply, Server};
use super::unfinished::Unfinished;
use super::workers::Tasks;
use crate::machine::{Ask, Breach, Conn, Input, ServeOutcome, Terms};
use crate::store::ChunkSource;

/// Unanswered requests, and what answers are made of.
pub(super) struct Serving {
    server: Server,
    terms: Terms,
    pub(super) manifest_text: Bytes,
    pub(super) gate: Option<Arc<dyn QuotaGate>>,
    answers: BTreeMap<Ask, Answer>,
    next_ask: u64,
}

/// A request, and its answer as far as it has come.
struct Answer {
    conn: Conn,
    request: Request,
    /// The stream of the request, until a task answers on it.
    send: Option<Unfinished>,
    task: Option<AbortHandle>,
}

/// What is served, and within which limits.
pub(super) struct ServingInputs {
    pub(super) source: Arc<dyn ChunkSource>,
    pub(super) manifest_text: Bytes,
    /// Rate limits on payload bytes to all peers together.
    pub(super) up: Vec<RateLimit>,
    pub(super) gate: Option<Arc<dyn QuotaGate>>,
}

impl Serving {
    pub(super) fn new(inputs: ServingInputs, terms: Terms, tasks: &Tasks) -> Self {
        let server = Server {
            source: inputs.source,
            limiter: Limiter::new(inputs.up),
            aside: RateLimit::new(Some(ASIDE)),
            reading: Tally::default(),
            reads: Arc::new(Semaphore::new(serve::reads_at_once(terms.chunk_size))),
            blocking: tasks.blocking().clone(),
            inbox: tasks.inbox(),
        };
        let ServingInputs { manifest_text, gate, .. } = inputs;
        Self { server, terms, manifest_text, gate, answers: BTreeMap::new(), next_ask: 0 }
    }

    /// Takes a request; returns what the machine is told of it.
    pub(super) fn asked(&mut self, conn: Conn, request: Request, send: Unfinished) -> Input {
        let ask = Ask(self.next_ask);
        self.next_ask += 1;
        if request.check_inside(self.terms.chunk_count).is_err() {
            send.refuse(ResetCode::Malformed);
            return Input::Broke { conn, breach: Breach::BadIndex };
        }
        self.answers.insert(ask, Answer { conn, request, send: Some(send), task: None });
        match request {
            Request::Chunk { index } => Input::Asked { ask, conn, index },
            Request::Leaves { .. } => Input::AskedLeaves { ask, conn },
            Request::Manifest => Input::AskedManifest { ask, conn },
        }
    }

    /// Answers with a chunk. Returns what the machine is told if the quota holds it back.
    pub(super) fn chunk(&mut self, ask: Ask, index: u32, links: &Links, tasks: &mut Tasks) -> Option<Input> {
        let answer = self.answers.get(&ask)?;
        let Some((_, peer)) = links.get(answer.conn) else {
            self.answers.remove(&ask);
            return None;
        };
        let len = self.terms.chunk_len(index);
        match Reservation::request(self.gate.as_ref(), Direction::Sent, peer, len.into()) {
            Ok(reservation) => {
                self.answer(ask, links, |server, reply| {
                    tasks.spawn(serve::chunk(server, reply, index, reservation))
                });
                None
            }
            Err(refusal) => Some(Input::Served { ask, outcome: ServeOutcome::HeldBack { index, refusal } }),
        }
    }

    /// Answers with leaf hashes.
    pub(super) fn leaves(&mut self, ask: Ask, links: &Links, tasks: &mut Tasks) {
        let Some(&Answer { request: Request::Leaves { first, count }, .. }) = self.answers.get(&ask) else {
            return;
        };
        self.answer(ask, links, |server, reply| tasks.spawn(serve::leaves(server, reply, first, count)));
    }

    /// Answers with the manifest.
    pub(super) fn manifest(&mut self, ask: Ask, links: &Links, tasks: &mut Tasks) {
        let text = self.manifest_text.clone();
        self.answer(ask, links, |server, reply| tasks.spawn(serve::manifest(server, reply, text)));
    }

    fn answer(&mut self, ask: Ask, links: &Links, start: impl FnOnce(Server, Reply) -> AbortHandle) {
        let Some(answer) = self.answers.get_mut(&ask) else { return };
        let (Some(send), Some((link, _))) = (answer.send.take(), links.get(answer.conn)) else {
            self.answers.remove(&ask);
            return;
        };
        let reply = Reply { ask, send, counters: link.counters.clone() };
        answer.task = Some(start(self.server.clone(), reply));
    }

    /// Refuses a request, also in the middle of its answer.
    pub(super) fn refuse(&mut self, ask: Ask, code: ResetCode) {
        let Some(answer) = self.answers.remove(&ask) else { return };
        if let Some(task) = answer.task {
            task.abort();
        }
        if let Some(send) = answer.send {
            send.refuse(code);
        }
    }

    /// Forgets a request whose answer has ended.
    pub(super) fn served(&mut self, ask: Ask) {
        self.answers.remove(&ask);
    }

    /// The request that a task answers.
    pub(super) fn ask_of(&self, task: Id) -> Option<Ask> {
        let is_it = |answer: &Answer| answer.task.as_ref().is_some_and(|answering| answering.id() == task);
        self.answers.iter().find(|(_, answer)| is_it(answer)).map(|(&ask, _)| ask)
    }

    /// Reads a chunk again, to find out whether it is still good.
    pub(super) fn reread(&self, index: u32, tasks: &mut Tasks) {
        let source = self.server.source.clone();
        let is_good = tasks.blocking().run(move || serve::is_good(&*source, index));
        tasks.report(async move {
            // A panic there is a bug of this program, and the chunk stays lost.
            TaskMessage::Input(Input::Reread { index, is_good: is_good.await.unwrap_or(false) })
        });
    }

    /// A peer found a chunk bad: either it lies or the local disk does. From now on every chunk is hashed before it is
    /// sent.
    pub(super) fn suspect_source(&self) {
        self.server.source.suspect();
    }

    /// Answers that are being sent.
    pub(super) fn being_sent(&self) -> u32 {
        self.answers.values().filter(|answer| answer.task.is_some()).count() as u32
    }

    /// Chunks that are being read from the disk.
    pub(super) fn reading(&self) -> u32 {
        self.server.reading.count() as u32
    }

    /// True if an answer waits, or has waited since the last call, for a rate limit.
    pub(super) fn has_withheld(&self) -> bool {
        self.server.limiter.has_withheld()
    }

    /// Requests that are not answered whole.
    #[cfg(test)]
    pub(super) fn unanswered(&self) -> usize {
        self.answers.len()
    }
}
