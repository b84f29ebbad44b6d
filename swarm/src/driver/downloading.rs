//! What a session fetches: chunks from their request until they are kept, leaf hashes, and the rescan of the partial file.

use std::collections::BTreeMap;
use std::sync::Arc;

use minimodel_verifier::{Digest, chunk};
use minimodel_wire::{Bitfield, PeerId};
use tokio::task::{AbortHandle, Id};

use super::chunk_writer::{ChunkWriter, Job};
use super::download::{self, ChunkRequest, LeafRequest};
use super::leaf_hashes::{LeafAnswer, LeafHashes};
use super::limiter::Limiter;
use super::links::Links;
use super::messages::TaskMessage;
use super::quota::{Direction, QuotaGate, Reservation};
use super::rate_limit::RateLimit;
use super::sink::ChunkSink;
use super::workers::Tasks;
use crate::machine::{Conn, Input, LeavesOutcome, Req, RequestFault, Terms};

/// Buffers kept for the next chunk, so that steady work allocates nothing.
const SPARE_BUFFERS: usize = 16;

/// Requests to peers, the chunks that arrived, and the file that they go to.
pub(super) struct Downloading {
    terms: Terms,
    downloads: BTreeMap<Req, Download>,
    leaves: LeafHashes,
    spare: Vec<Vec<u8>>,
    /// Where chunks are kept; `None` in a share, which fetches none.
    file: Option<GrowingFile>,
    limiter: Limiter,
    pub(super) gate: Option<Arc<dyn QuotaGate>>,
    is_rescanning: bool,
}

/// The file that grows by chunks, and the threads that hash and write them.
pub(super) struct GrowingFile {
    pub(super) sink: Arc<dyn ChunkSink>,
    /// `None` once its work has ended.
    pub(super) chunk_writer: Option<ChunkWriter>,
}

/// One requested chunk.
struct Download {
    task: AbortHandle,
    /// Bytes and proof, once all of them are here.
    arrived: Option<(Vec<u8>, Vec<Digest>)>,
}

/// Where chunks go, and within which limits they are fetched.
pub(super) struct DownloadingInputs {
    pub(super) root: Digest,
    pub(super) file: Option<GrowingFile>,
    /// Rate limits on payload bytes from all peers together.
    pub(super) down: Vec<RateLimit>,
    pub(super) gate: Option<Arc<dyn QuotaGate>>,
}

impl Downloading {
    pub(super) fn new(inputs: DownloadingInputs, terms: Terms) -> Self {
        Self {
            downloads: BTreeMap::new(),
            leaves: LeafHashes::new(inputs.root, terms.chunk_count),
            spare: Vec::new(),
            file: inputs.file,
            limiter: Limiter::new(inputs.down),
            gate: inputs.gate,
            is_rescanning: false,
            terms,
        }
    }

    /// What the file is, and its sizes.
    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Requests a chunk. Returns what the machine is told if the quota holds the request back.
    pub(super) fn request(
        &mut self,
        conn: Conn,
        req: Req,
        index: u32,
        links: &Links,
        tasks: &mut Tasks,
    ) -> Option<Input> {
        let (link, peer) = links.get(conn)?;
        let len = self.terms.chunk_len(index);
        let reserved = Reservation::request(self.gate.as_ref(), Direction::Received, peer, len.into());
        let reservation = match reserved {
            Ok(reservation) => reservation,
            Err(refusal) => return Some(Input::Failed { req, fault: RequestFault::HeldBack(refusal) }),
        };
        let request = ChunkRequest {
            req,
            index,
            len,
            reservation,
            proof_len: chunk::proof_len(self.terms.chunk_count, index),
            buffer: self.spare.pop().unwrap_or_default(),
            counters: link.counters.clone(),
            limiter: self.limiter.clone(),
            reading: link.readers.subscribe(),
        };
        let task = tasks.spawn(download::chunk(link.connection.clone(), request, tasks.inbox()));
        self.downloads.insert(req, Download { task, arrived: None });
        None
    }

    /// Withdraws a request, or discards its chunk.
    pub(super) fn forget(&mut self, req: Req) {
        self.leaves.withdraw(req);
        if let Some(download) = self.downloads.remove(&req) {
            download.task.abort();
            if let Some((data, _)) = download.arrived {
                self.give_back(data);
            }
        }
    }

    /// A request has failed.
    pub(super) fn failed(&mut self, req: Req) {
        self.downloads.remove(&req);
    }

    /// A chunk is in memory, unproven. False if its request was withdrawn.
    pub(super) fn arrived(&mut self, req: Req, data: Vec<u8>, proof: Vec<Digest>) -> bool {
        let Some(download) = self.downloads.get_mut(&req) else { return false };
        download.arrived = Some((data, proof));
        true
    }

    /// Has a chunk that arrived proven and written.
    pub(super) fn keep(&mut self, req: Req, index: u32, supplier: PeerId) {
        let Some(download) = self.downloads.remove(&req) else { return };
        let chunk_writer = self.file.as_ref().and_then(|file| file.chunk_writer.as_ref());
        if let (Some((data, proof)), Some(chunk_writer)) = (download.arrived, chunk_writer) {
            chunk_writer.keep(Job { req, index, data, proof, supplier: supplier.0 });
        }
    }

    /// Takes back the buffer of a chunk.
    pub(super) fn give_back(&mut self, buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS {
            self.spare.push(buffer);
        }
    }

    /// The chunk request that a task makes.
    pub(super) fn req_of(&self, task: Id) -> Option<Req> {
        self.downloads.iter().find(|(_, download)| download.task.id() == task).map(|(&req, _)| req)
    }

    /// Requests leaf hashes.
    pub(super) fn request_leaves(
        &mut self,
        conn: Conn,
        request: LeafRequest,
        links: &Links,
        tasks: &mut Tasks,
    ) {
        let Some((link, _)) = links.get(conn) else { return };
        let proof_len = chunk::range_proof_len(self.terms.chunk_count, request.first, request.count);
        let asking = download::leaves(link.connection.clone(), request, proof_len, tasks.inbox());
        self.leaves.requested(request.req, tasks.spawn(asking));
    }

    /// Proves leaf hashes; `None` if their request was withdrawn.
    pub(super) fn leaves_arrived(
        &mut self,
        req: Req,
        first: u32,
        answer: LeafAnswer,
    ) -> Option<LeavesOutcome> {
        self.leaves.answered(req, first, answer)
    }

    /// Compares the partial file with the leaf hashes; no requests are made meanwhile.
    pub(super) fn rescan(&mut self, tasks: &mut Tasks) {
        let Some(file) = &self.file else { return };
        let (sink, leaves) = (file.sink.clone(), self.leaves.take());
        self.is_rescanning = true;
        let have = tasks.blocking().run(move || sink.rescan(leaves));
        tasks.report(async move {
            TaskMessage::Rescanned { have: have.await.unwrap_or_else(|_| Ok(Vec::new())) }
        });
    }

    /// The rescan is over, and the file may have grown by it.
    pub(super) fn rescanned(&mut self) {
        self.is_rescanning = false;
        if let Some(chunk_writer) = self.file.as_ref().and_then(|file| file.chunk_writer.as_ref()) {
            chunk_writer.file_grew();
        }
    }

    pub(super) fn is_rescanning(&self) -> bool {
        self.is_rescanning
    }

    /// Waits until the chunks that have arrived are kept and no thread holds the file, and returns what is kept then;
    /// `None` if nothing was being written.
    pub(super) async fn finish_writing(&mut self) -> Option<Bitfield> {
        let file = self.file.as_mut()?;
        file.chunk_writer.take()?.end().await;
        let mut have = Bitfield::new(self.terms.chunk_count);
        for index in file.sink.held() {
            have.set(index);
        }
        Some(have)
    }

    /// SHA-256 of a chunk, where a proof for it was seen.
    pub(super) fn chunk_hash(&self, index: u32) -> Option<Digest> {
        self.file.as_ref()?.sink.chunk_hash(index)
    }

    /// True if a chunk waits, or has waited since the last call, for a rate limit.
    pub(super) fn has_withheld(&self) -> bool {
        self.limiter.has_withheld()
    }
}

#[cfg(test)]
impl Downloading {
    /// Chunks that are requested or arrived, and not kept yet.
    pub(super) fn under_way(&self) -> usize {
        self.downloads.len()
    }

    /// Replaces the task of a request by another one; false if there is no request.
    pub(super) fn replace_task(&mut self, start: impl FnOnce() -> AbortHandle) -> bool {
        let Some(download) = self.downloads.values_mut().next() else { return false };
        download.task.abort();
        download.task = start();
        true
    }
}
