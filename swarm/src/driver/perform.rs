//! Carries out the outputs of the machine: one function per output.

use std::net::SocketAddr;
use std::time::Instant;

use minimodel_verifier::{Digest, chunk};
use minimodel_wire::{Frame, PeerId, Request, ResetCode, UncheckedOffer};
use quinn::VarInt;
use tokio::task::{AbortHandle, JoinSet};

use super::bans::Ban;
use super::chunk_writer::Job;
use super::download::{self, ChunkRequest, LeafRequest};
use super::messages::{Answer, Download, SessionEvent, TaskMessage};
use super::quota::{Direction, QuotaRefusal, Reservation};
use super::report::Report;
use super::serve::{self, Reply, Server};
use super::session::{SPARE_BUFFERS, Session};
use super::transport;
use crate::machine::{
    Ask, Check, Conn, Event, Input, LeavesOutcome, OfferVerdict, Output, Req, RequestFault, ServeOutcome,
};

impl Session {
    pub(super) fn carry_out(&mut self) {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Dial { peer, addresses, pex_addresses } => self.dial(peer, addresses, pex_addresses),
                Output::Send { conn, frame } => self.send(conn, &frame),
                Output::Close { conn, code } => {
                    self.close_connection(conn, code);
                }
                Output::Request { conn, req, index } => self.request(conn, req, index),
                Output::Cancel { req } | Output::Discard { req } => self.forget(req),
                Output::Keep { req, index, peer } => self.keep(req, index, peer),
                Output::RequestLeaves { conn, req, first, count } => {
                    self.request_leaves(conn, req, first, count);
                }
                Output::Rescan => self.rescan(),
                Output::Reread { index } => self.reread(index),
                Output::Serve { ask, index } => self.serve(ask, index),
                Output::ServeLeaves { ask } => self.serve_leaves(ask),
                Output::ServeManifest { ask } => self.serve_manifest(ask),
                Output::Refuse { ask, code } => self.refuse(ask, code),
                Output::CheckOffer { check, offer } => self.check_offer(check, offer),
                Output::Event(event) => {
                    if let Event::Chunk { .. } = event {
                        self.last_chunk = Instant::now();
                    }
                    self.tell_ban(&event);
                    let now = self.now();
                    if !self.is_stopping && self.event_limiter.may_report(now, &event) {
                        // A receiver that does not keep up misses some reports; the runner gets every event.
                        let _ = self.reports.try_send(Report::Event(event.clone()));
                    }
                    self.events.push_back(SessionEvent::Machine(event));
                }
            }
        }
    }

    fn tell_ban(&self, event: &Event) {
        let (Some(tell), Event::Banned { peer, breach, index, got }) = (&self.bans, event) else { return };
        let expected = index.zip(self.sink.as_ref()).and_then(|(index, sink)| sink.chunk_hash(index));
        // The receiver of bans may be gone at the end of a run; the machine itself knows them.
        let _ = tell.send(Ban { peer: *peer, breach: *breach, index: *index, expected, got: *got });
    }

    fn dial(&mut self, peer: PeerId, addresses: Vec<SocketAddr>, pex_addresses: Vec<SocketAddr>) {
        let dialing = self.dialer.clone().dial(peer, addresses, pex_addresses);
        let inbox = self.inbox.clone();
        self.tasks.spawn(async move {
            let ended = match dialing.await {
                Ok(connection) => TaskMessage::Connected { connection, peer, dialed: true, place: None },
                Err(fault) => TaskMessage::Input(Input::DialFailed {
                    peer,
                    wrong_key: fault.wrong_key,
                    code: fault.code,
                }),
            };
            let _ = inbox.send(ended).await;
        });
    }

    fn send(&mut self, conn: Conn, frame: &Frame) {
        let Some(link) = self.links.get(&conn) else { return };
        if let Frame::Bitfield(_) = frame {
            // The peer's Hello was good: from here on it may send requests, and this node may fetch from it.
            if self.dialer.serves {
                link.connection
                    .set_max_concurrent_bi_streams(VarInt::from_u32(transport::STREAMS_AFTER_HELLO));
            }
            self.introduced.insert(conn);
            self.pending_handshakes.remove(&conn);
            self.share_windows();
        }
        if let Some(link) = self.links.get(&conn) {
            link.send(frame);
        }
    }

    /// Divides the memory for bytes in flight among the introduced peers; other peers get next to nothing.
    pub(super) fn share_windows(&self) {
        for conn in &self.introduced {
            let Some(link) = self.links.get(conn) else { continue };
            let (receive, send) =
                transport::windows_of(link.connection.remote_address(), self.introduced.len());
            link.connection.set_send_window(send);
            if self.fetches
                && let Ok(receive) = VarInt::from_u64(receive)
            {
                link.connection.set_receive_window(receive);
            }
        }
    }

    fn request(&mut self, conn: Conn, req: Req, index: u32) {
        let (Some(link), Some(&peer)) = (self.links.get(&conn), self.names.get(&conn)) else { return };
        let len = self.terms.chunk_len(index);
        let Ok(reservation) = Reservation::request(self.gate.as_ref(), Direction::Received, peer, len.into())
        else {
            self.tell(Input::Failed { req, fault: RequestFault::HeldBack });
            return;
        };
        let request = ChunkRequest {
            req,
            index,
            len,
            reservation,
            proof_len: chunk::proof_len(self.terms.chunk_count, index),
            buffer: self.spare.pop().unwrap_or_default(),
            counters: link.counters.clone(),
            limiter: self.down.clone(),
            reading: link.readers.subscribe(),
        };
        let abort = self.tasks.spawn(download::chunk(link.connection.clone(), request, self.inbox.clone()));
        self.downloads.insert(req, Download { abort, arrived: None });
    }

    fn forget(&mut self, req: Req) {
        if let Some((_, abort)) = self.leaf_request.take_if(|(asked, _)| *asked == req) {
            abort.abort();
        }
        if let Some(download) = self.downloads.remove(&req) {
            download.abort.abort();
            if let Some((data, _)) = download.arrived.filter(|_| self.spare.len() < SPARE_BUFFERS) {
                self.spare.push(data);
            }
        }
    }

    fn keep(&mut self, req: Req, index: u32, peer: PeerId) {
        let Some(download) = self.downloads.remove(&req) else { return };
        if let (Some((data, proof)), Some(chunk_writer)) = (download.arrived, &self.chunk_writer) {
            chunk_writer.keep(Job { req, index, data, proof, supplier: peer.0 });
        }
    }

    fn request_leaves(&mut self, conn: Conn, req: Req, first: u32, count: u32) {
        let Some(link) = self.links.get(&conn) else { return };
        let proof_len = chunk::range_proof_len(self.terms.chunk_count, first, count);
        let connection = link.connection.clone();
        let request = LeafRequest { req, first, count, proof_len };
        let asking = download::leaves(connection, request, self.inbox.clone());
        self.leaf_request = Some((req, self.tasks.spawn(asking)));
    }

    pub(super) fn leaves_arrived(
        &mut self,
        req: Req,
        first: u32,
        answer: Result<(Vec<Digest>, Vec<Digest>), RequestFault>,
    ) {
        // The answer to a withdrawn request must not touch leaf hashes that were proven since.
        if self.leaf_request.take_if(|(asked, _)| *asked == req).is_none() {
            return;
        }
        let outcome = match answer {
            Err(RequestFault::Malformed) => LeavesOutcome::BadProof,
            Err(RequestFault::Short) => LeavesOutcome::Short,
            Err(RequestFault::Reset(ResetCode::BudgetUsed)) => LeavesOutcome::BudgetUsed,
            Err(RequestFault::Reset(_) | RequestFault::Lost | RequestFault::HeldBack) => {
                LeavesOutcome::Failed
            }
            Ok((hashes, proof)) => {
                let count = self.terms.chunk_count;
                match chunk::verify_range(&self.root, count, first, &hashes, &proof) {
                    Ok(()) => {
                        self.leaves.truncate(first as usize);
                        self.leaves.extend(hashes);
                        LeavesOutcome::Proven
                    }
                    Err(_) => LeavesOutcome::BadProof,
                }
            }
        };
        self.tell(Input::Leaves { req, outcome });
    }

    fn rescan(&mut self) {
        let Some(sink) = self.sink.clone() else { return };
        self.is_rescanning = true;
        let leaves = std::mem::take(&mut self.leaves);
        let inbox = self.inbox.clone();
        self.tasks.spawn(async move {
            let have = tokio::task::spawn_blocking(move || sink.rescan(leaves)).await;
            let have = have.unwrap_or_else(|_| Ok(Vec::new()));
            let _ = inbox.send(TaskMessage::Rescanned { have }).await;
        });
    }

    fn reread(&mut self, index: u32) {
        let (source, inbox) = (self.server.source.clone(), self.inbox.clone());
        self.tasks.spawn(async move {
            let is_good = tokio::task::spawn_blocking(move || serve::is_good(&*source, index)).await;
            // A panic there is a bug of this program, and the chunk stays lost.
            let is_good = is_good.unwrap_or(false);
            let _ = inbox.send(TaskMessage::Input(Input::Reread { index, is_good })).await;
        });
    }

    fn serve(&mut self, ask: Ask, index: u32) {
        let Some(answer) = self.answers.get(&ask) else { return };
        let Some(&peer) = self.names.get(&answer.conn) else {
            self.answers.remove(&ask);
            return;
        };
        let len = self.terms.chunk_len(index);
        let reservation = match Reservation::request(self.gate.as_ref(), Direction::Sent, peer, len.into()) {
            Ok(reservation) => reservation,
            Err(held) => {
                let outcome = ServeOutcome::HeldBack { index, is_used_up: held == QuotaRefusal::UsedUp };
                self.tell(Input::Served { ask, outcome });
                return;
            }
        };
        self.answer(ask, |tasks, server, reply| tasks.spawn(serve::chunk(server, reply, index, reservation)));
    }

    fn serve_leaves(&mut self, ask: Ask) {
        let Some(&Answer { request: Request::Leaves { first, count }, .. }) = self.answers.get(&ask) else {
            return;
        };
        self.answer(ask, |tasks, server, reply| tasks.spawn(serve::leaves(server, reply, first, count)));
    }

    fn serve_manifest(&mut self, ask: Ask) {
        let text = self.manifest_text.clone();
        self.answer(ask, |tasks, server, reply| tasks.spawn(serve::manifest(server, reply, text)));
    }

    fn answer(&mut self, ask: Ask, start: impl FnOnce(&mut JoinSet<()>, Server, Reply) -> AbortHandle) {
        let Some(answer) = self.answers.get_mut(&ask) else { return };
        let (Some(send), Some(link)) = (answer.send.take(), self.links.get(&answer.conn)) else {
            self.answers.remove(&ask);
            return;
        };
        let reply = Reply { ask, send, counters: link.counters.clone() };
        answer.abort = Some(start(&mut self.tasks, self.server.clone(), reply));
    }

    /// Checks the signature of an offer on the blocking pool: unknown peers decide how many there are, and the machine
    /// must not wait.
    fn check_offer(&mut self, check: Check, offer: UncheckedOffer) {
        let inbox = self.inbox.clone();
        self.tasks.spawn(async move {
            let verdict = match tokio::task::spawn_blocking(move || offer.check()).await {
                Ok(Ok(signed)) => OfferVerdict::Good(signed),
                Ok(Err(_)) => OfferVerdict::Forged,
                Err(_) => OfferVerdict::Unknown,
            };
            let _ = inbox.send(TaskMessage::Input(Input::OfferChecked { check, verdict })).await;
        });
    }

    fn refuse(&mut self, ask: Ask, code: ResetCode) {
        let Some(answer) = self.answers.remove(&ask) else { return };
        if let Some(abort) = answer.abort {
            abort.abort();
        }
        if let Some(send) = answer.send {
            send.refuse(code);
        }
    }
}
