//! Two threads behind the session: one hashes, one writes.
//!
//! Every byte is hashed twice, as part of its chunk and as part of the whole file, which is read back. The hashing
//! thread takes both at once ([`Sha256::update_both`]), which costs little more than one of them: a chunk that has
//! just arrived beside the next piece of the file that is on disk already, and two chunks where the file has no
//! next piece yet. One thread writes, since writers of one file would wait for each other in the kernel.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use minimodel_verifier::Digest;
use minimodel_verifier::sha::Sha256;
use minimodel_verifier::verify::{Following, Verified};
use tokio::sync::{mpsc, oneshot};

use super::messages::TaskMessage;
use super::sink::ChunkSink;
use super::workers::spawn;
use crate::machine::Req;

/// Bytes of the file that are read back at a time.
const PIECE: usize = 1 << 20;
/// The whole-file check waits for chunks to be hashed beside until it is this many chunks behind.
const FAR_BEHIND: u32 = 8;

/// A chunk that has arrived.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) req: Req,
    pub(super) index: u32,
    pub(super) data: Vec<u8>,
    pub(super) proof: Vec<Digest>,
    pub(super) supplier: [u8; 32],
}

/// The whole-file check, and the channel for its verdict.
pub(super) struct Follow {
    pub(super) check: Following,
    pub(super) verdict: oneshot::Sender<std::io::Result<Verified>>,
}

/// Messages to the hashing thread.
enum Task {
    Chunk(Job),
    /// The writer is done with a chunk: the file may have grown.
    Written,
    /// The session is gone.
    Stop,
}

/// The session's handle to both threads. They end when it is dropped and their queued work is done.
#[derive(Debug)]
pub(super) struct ChunkWriter {
    tasks: Sender<Task>,
    /// Carries no message; closed when both threads have released the file.
    running: mpsc::Receiver<Infallible>,
}

impl ChunkWriter {
    /// Starts the threads; with `follow` the whole file is checked in step.
    pub(super) fn start(
        sink: Arc<dyn ChunkSink>,
        follow: Option<Follow>,
        inbox: mpsc::Sender<TaskMessage>,
    ) -> std::io::Result<Self> {
        let (tasks, waiting) = channel();
        let (hashed, to_write) = channel();
        let writer = Writer { sink: sink.clone(), inbox: inbox.clone() };
        let grown = tasks.clone();
        let (runs, running) = mpsc::channel(1);
        let until_written = runs.clone();
        spawn("write", "writing chunks", inbox.clone(), move || {
            writer.run(&to_write, &grown);
            drop(until_written);
        })?;
        let follower = follow.map(|follow| Follower::new(sink, follow));
        let hasher = Hasher { waiting, hashed, follower, is_stopped: false };
        spawn("hash", "hashing chunks", inbox, move || {
            hasher.run();
            drop(runs);
        })?;
        Ok(Self { tasks, running })
    }

    /// Ends both threads and waits until their queued work is done and the file is released. Meanwhile their messages must
    /// be received, or the channel closed.
    pub(super) async fn end(mut self) {
        let _ = self.tasks.send(Task::Stop);
        self.running.recv().await;
    }

    /// Tells the whole-file check that the file has grown by a rescan.
    pub(super) fn file_grew(&self) {
        let _ = self.tasks.send(Task::Written);
    }

    /// Queues a chunk for hashing and writing; the answer is a [`TaskMessage::Kept`].
    pub(super) fn keep(&self, job: Job) {
        // Fails only if the thread has panicked, which is reported as `TaskMessage::WorkerLost`.
        let _ = self.tasks.send(Task::Chunk(job));
    }
}

impl Drop for ChunkWriter {
    fn drop(&mut self) {
        // Each thread holds a sender to the other: neither channel would ever close by itself.
        let _ = self.tasks.send(Task::Stop);
    }
}

struct Writer {
    sink: Arc<dyn ChunkSink>,
    inbox: mpsc::Sender<TaskMessage>,
}

impl Writer {
    fn run(self, jobs: &Receiver<(Job, Digest)>, grown: &Sender<Task>) {
        for (job, got) in jobs {
            let Job { req, index, data, proof, supplier } = job;
            let outcome = self.sink.keep(index, &data, got, &proof, supplier);
            let message = TaskMessage::Kept { req, outcome, buffer: data };
            // An error means that the receiver is gone and needs neither.
            let _ = grown.send(Task::Written);
            let _ = self.inbox.blocking_send(message);
        }
    }
}

struct Hasher {
    waiting: Receiver<Task>,
    hashed: Sender<(Job, Digest)>,
    follower: Option<Follower>,
    is_stopped: bool,
}

impl Hasher {
    fn run(mut self) {
        while !self.is_stopped {
            let is_behind = self.follower.as_ref().is_some_and(Follower::must_catch_up);
            let task = if is_behind { self.waiting.try_recv().ok() } else { self.waiting.recv().ok() };
            match (task, &mut self.follower) {
                (Some(Task::Chunk(job)), _) => self.hash(job),
                (Some(Task::Written), _) => {}
                (None, Some(follower)) if is_behind => follower.step(None),
                (Some(Task::Stop) | None, _) => return,
            }
            if let Some(done) = self.follower.take_if(|follower| follower.is_done()) {
                done.tell();
            }
        }
    }

    fn hash(&mut self, job: Job) {
        let mut sha = Sha256::default();
        let Some(follower) = self.follower.as_mut().filter(|follower| follower.has_next()) else {
            return self.hash_pair(job);
        };
        for piece in job.data.chunks(PIECE) {
            follower.step(Some((&mut sha, piece)));
        }
        let _ = self.hashed.send((job, sha.finish()));
    }

    /// Hashes a chunk beside another one, if one waits: the file has no next piece.
    fn hash_pair(&mut self, job: Job) {
        let mut sha = Sha256::default();
        let partner = self.waiting.try_iter().find(|task| !matches!(task, Task::Written));
        self.is_stopped = matches!(partner, Some(Task::Stop));
        match partner {
            Some(Task::Chunk(partner)) => {
                let mut other = Sha256::default();
                sha.update_both(&job.data, &mut other, &partner.data);
                let _ = self.hashed.send((job, sha.finish()));
                let _ = self.hashed.send((partner, other.finish()));
            }
            _ => {
                sha.update(&job.data);
                let _ = self.hashed.send((job, sha.finish()));
            }
        }
    }
}

/// The whole-file check and its place in the file.
struct Follower {
    sink: Arc<dyn ChunkSink>,
    follow: Follow,
    offset: u64,
    piece: Vec<u8>,
    failed: Option<std::io::Error>,
}

impl Follower {
    fn new(sink: Arc<dyn ChunkSink>, follow: Follow) -> Self {
        Self { sink, follow, offset: 0, piece: Vec::new(), failed: None }
    }

    fn next_chunk(&self) -> u32 {
        // A layout counts its chunks in u32.
        u32::try_from(self.offset / u64::from(self.sink.layout().chunk_size())).unwrap_or(u32::MAX)
    }

    fn has_next(&self) -> bool {
        !self.is_done() && self.sink.has(self.next_chunk())
    }

    /// True if the check is far behind, or no more chunks will come to be hashed beside it.
    fn must_catch_up(&self) -> bool {
        if self.is_done() {
            return false;
        }
        let next = self.next_chunk();
        let ready =
            (0..=FAR_BEHIND).take_while(|ahead| self.sink.has(next.saturating_add(*ahead))).count() as u32;
        ready > FAR_BEHIND || (ready > 0 && next + ready == self.sink.layout().count())
    }

    fn is_done(&self) -> bool {
        self.failed.is_some() || self.offset >= self.sink.layout().byte_count()
    }

    /// Hashes the next piece of the file, if it is there, and the `other` bytes in any case.
    fn step(&mut self, other: Option<(&mut Sha256, &[u8])>) {
        let is_read = self.has_next() && self.read_next();
        let piece = if is_read { self.piece.as_slice() } else { &[] };
        match other {
            Some((sha, data)) => self.follow.check.push_beside(piece, sha, data),
            None => self.follow.check.push(piece),
        }
        self.offset += piece.len() as u64;
    }

    fn read_next(&mut self) -> bool {
        let layout = self.sink.layout();
        let index = self.next_chunk();
        let end = layout.offset(index) + u64::from(layout.chunk_len(index));
        let len = usize::try_from(end - self.offset).unwrap_or(PIECE).min(PIECE);
        self.piece.resize(len, 0);
        let read = self.sink.read_back(self.offset, &mut self.piece);
        self.failed = read.err();
        self.failed.is_none()
    }

    fn tell(self) {
        let verdict = match self.failed {
            Some(error) => Err(error),
            None => Ok(self.follow.check.finish()),
        };
        // An error means that the fetch was stopped and has dropped the receiver.
        let _ = self.follow.verdict.send(verdict);
    }
}

#[cfg(test)]
mod tests;
