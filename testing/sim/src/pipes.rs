//! Bytes in transit, at the rate of links.
//!
//! The uplink of a peer sends pieces, one of each lane in turn; the downlink of a peer takes them in order of arrival. So
//! lanes share both links fairly, and a queue in front of a slow link has its effect.

use std::collections::VecDeque;
use std::time::Duration;

use minimodel_swarm::machine::{Ask, Input, ServeOutcome};
use minimodel_swarm::store::SourceError;
use minimodel_wire::ResetCode;

use crate::artifact::Payload;
use crate::hostile::bent_payload;
use crate::network::Turns;
use crate::peer::{LinkNo, PeerNo};
use crate::plan::Behaviour;
use crate::step::{Flow, Piece, Side, Step};
use crate::world::{KIB, World, ms, secs};

/// A driver gives an answer up when the requesting peer takes no byte for this long.
const WRITE_DEADLINE: Duration = Duration::from_secs(20);

/// Answers that share one turn on the uplink: all those of a connection, or a single one.
pub(crate) struct Lane {
    link: LinkNo,
    /// Numbers of the answers; the first is the next to send a piece.
    flows: VecDeque<u64>,
}

impl World {
    /// Answers a request: an honest peer sends the chunk, a hostile peer misbehaves.
    pub(crate) fn serve(&mut self, no: PeerNo, ask: Ask, index: u32) {
        let Some(answer) = self.peers[no].requests.answers.get(&ask) else { return };
        let (link, req) = (answer.link, answer.req);
        let Some(ends) = self.paths.links.get(&link) else { return };
        let side = ends.side_of(no);
        let len = u64::from(self.terms.chunk_len(index));
        let behaviour = self.peers[no].plan.behaviour;
        let payload = match self.payload(no, index) {
            Ok(payload) => payload,
            Err(code) => {
                let input = Input::Served { ask, outcome: ServeOutcome::Cancelled { bytes: 0 } };
                self.queue.push(self.now, Step::Tell(no, self.peers[no].process.run, input));
                return self.refuse(no, ask, code);
            }
        };
        let (corrupt, last_at) = (behaviour.is_lie(), self.now);
        let mut flow =
            Flow { link, side, ask, req, len, sent: 0, corrupt, breaks_at: None, payload, last_at };
        let mut drips = false;
        match behaviour {
            Behaviour::Mute | Behaviour::Teaser | Behaviour::Refuser | Behaviour::AlwaysBusy => return,
            Behaviour::EndStaller if u64::from(index) * 4 >= u64::from(self.terms.chunk_count) * 3 => return,
            Behaviour::Trickler(_) => drips = true,
            Behaviour::Leaver(whole) if self.peers[no].chunks_served >= whole => {
                flow.breaks_at = Some(len / 2);
            }
            _ => {}
        }
        self.peers[no].chunks_served += 1;
        let number = self.numbers.next();
        self.paths.flows.insert(number, flow);
        if let Some(answer) = self.peers[no].requests.answers.get_mut(&ask) {
            answer.flow = Some(number);
        }
        let asker = self.paths.links[&link].peer(side.other());
        if self.peers[asker].plan.behaviour == Behaviour::NotReader {
            self.queue.push(self.now + WRITE_DEADLINE, Step::Unread(no, number));
        } else if drips {
            self.queue.push(self.now + secs(1), Step::Drip(no, number));
        } else {
            self.enter_lane(no, link, number);
            self.send_piece(no);
        }
    }

    /// The bytes and the proof that a peer sends for a chunk; `None` in a world without bytes.
    fn payload(&mut self, no: PeerNo, index: u32) -> Result<Option<Payload>, ResetCode> {
        let Some(artifact) = self.artifact else { return Ok(None) };
        let Some(store) = self.peers[no].storage.store() else {
            let behaviour = self.peers[no].plan.behaviour;
            return Ok(Some(bent_payload(behaviour, artifact, index, &mut self.rng)));
        };
        let (code, input) = match store.read(index) {
            Ok(payload) => return Ok(Some(payload)),
            Err(SourceError::Changed { .. }) => (ResetCode::SourceChanged, Some(Input::SourceChanged)),
            Err(SourceError::NotHave { .. }) => (ResetCode::NotHave, None),
            Err(_) => {
                self.peers[no].unreadable.insert(index);
                (ResetCode::NotHave, Some(Input::ChunkLost { index }))
            }
        };
        if let Some(input) = input {
            self.queue.push(self.now, Step::Tell(no, self.peers[no].process.run, input));
        }
        Err(code)
    }

    /// Reads a chunk again after a failed read, and tells the machine whether it is good.
    pub(crate) fn reread(&mut self, no: PeerNo, index: u32) {
        let read = self.peers[no].storage.store().map(|store| store.read(index));
        let is_good = match (read, self.artifact) {
            (Some(Ok(payload)), Some(artifact)) => artifact.is_good(index, &payload),
            _ => false,
        };
        let run = self.peers[no].process.run;
        self.queue.push(self.now + ms(3), Step::Tell(no, run, Input::Reread { index, is_good }));
    }

    /// Queues an answer for the uplink.
    fn enter_lane(&mut self, no: PeerNo, link: LinkNo, number: u64) {
        let is_shared = self.network.turns != Turns::Answers;
        let lanes = &mut self.peers[no].access.sending;
        match lanes.iter_mut().find(|lane| is_shared && lane.link == link) {
            Some(lane) => lane.flows.push_back(number),
            None => lanes.push_back(Lane { link, flows: VecDeque::from([number]) }),
        }
    }

    /// Sends the next piece of the next lane whose connection has room on its path.
    fn send_piece(&mut self, no: PeerNo) {
        if self.peers[no].access.is_sending {
            return;
        }
        for _ in 0..self.peers[no].access.sending.len() {
            let Some(mut lane) = self.peers[no].access.sending.pop_front() else { return };
            while lane.flows.front().is_some_and(|number| !self.paths.flows.contains_key(number)) {
                lane.flows.pop_front();
            }
            let Some(&number) = lane.flows.front() else { continue };
            let flow = &self.paths.flows[&number];
            let Some(ends) = self.paths.links.get_mut(&lane.link) else { continue };
            let (up, down) = (self.peers[no].plan.up, self.peers[ends.peer(flow.side.other())].plan.down);
            let slower = up.min(down);
            // Small enough that a slow path is seen to move.
            let piece = (flow.len / 8).min(slower / 16).clamp(KIB, 128 * KIB).min(flow.len - flow.sent);
            // Congestion window: what the path holds, and a little queue.
            let window = slower * ends.delay.as_millis() as u64 / 500 + self.network.queued_pieces * piece;
            let on_path = &mut ends.on_path[flow.side.at()];
            let has_room = *on_path + piece <= window.max(64 * KIB);
            if !has_room {
                self.peers[no].access.sending.push_back(lane);
                continue;
            }
            *on_path += piece;
            let peer = &mut self.peers[no];
            peer.access.is_sending = true;
            peer.access.up_free_at = peer.access.up_free_at.max(self.now) + time_for(piece, up);
            let sent = Step::PieceSent(no, number, lane.link, piece);
            peer.access.sending.push_front(lane);
            self.queue.push(peer.access.up_free_at, sent);
            return;
        }
    }

    /// Handles an acknowledgement: the path has room again.
    pub(crate) fn acked(&mut self, link: LinkNo, side: Side, bytes: u64) {
        let Some(ends) = self.paths.links.get_mut(&link) else { return };
        let no = ends.peer(side);
        let on_path = &mut ends.on_path[side.at()];
        *on_path = on_path.saturating_sub(bytes);
        self.send_piece(no);
    }

    pub(crate) fn piece_sent(&mut self, no: PeerNo, number: u64, link: LinkNo, bytes: u64) {
        if !self.paths.flows.contains_key(&number)
            && let Some(side) = self.paths.links.get(&link).map(|ends| ends.side_of(no))
        {
            // The answer was cancelled while the piece was sent.
            self.acked(link, side, bytes);
        }
        let peer = &mut self.peers[no];
        peer.access.is_sending = false;
        if peer.access.sending.front().is_some_and(|lane| lane.flows.front() == Some(&number))
            && let Some(mut lane) = peer.access.sending.pop_front()
        {
            if self.network.turns == Turns::Streams {
                lane.flows.rotate_left(1);
            }
            peer.access.sending.push_back(lane);
        }
        self.deliver(no, number, bytes);
        self.send_piece(no);
    }

    /// Ends an answer of which the peer took no byte within the write deadline.
    pub(crate) fn unread(&mut self, no: PeerNo, number: u64) {
        let Some(flow) = self.paths.flows.remove(&number) else { return };
        self.peers[no].requests.answers.remove(&flow.ask);
        self.tell(no, Input::Served { ask: flow.ask, outcome: ServeOutcome::TooSlow });
    }

    /// Sends the next few bytes of a trickling answer, once a second.
    pub(crate) fn drip(&mut self, no: PeerNo, number: u64) {
        let Behaviour::Trickler(rate) = self.peers[no].plan.behaviour else { return };
        let Some(flow) = self.paths.flows.get(&number) else { return };
        let bytes = rate.min(flow.len - flow.sent);
        self.queue.push(self.now + secs(1), Step::Drip(no, number));
        self.deliver(no, number, bytes);
    }

    fn deliver(&mut self, no: PeerNo, number: u64, bytes: u64) {
        let Some(flow) = self.paths.flows.get_mut(&number) else { return };
        flow.sent += bytes;
        let (link, side, ask, len) = (flow.link, flow.side, flow.ask, flow.len);
        let last = flow.sent >= flow.len;
        let payload = if last { flow.payload.take() } else { None };
        let piece = Piece { req: flow.req, bytes, corrupt: flow.corrupt, last, payload };
        if flow.breaks_at.is_some_and(|at| flow.sent >= at) {
            let at = self.now;
            self.queue.push(at, Step::ClosedAt(link, side, None));
            self.close_end(link, side, None);
            return;
        }
        let Some(ends) = self.paths.links.get(&link) else { return };
        let (to, delay, blocked_until) = (ends.peer(side.other()), ends.delay, ends.blocked_until);
        let lateness = self.network.lateness(delay, &mut self.rng, &mut self.counts);
        let late = lateness + self.network.retransmission(bytes, delay, &mut self.rng);
        self.peers[no].tally.sent_bytes += bytes;
        let to = &mut self.peers[to];
        to.access.down_free_at =
            (self.now + delay).max(to.access.down_free_at) + time_for(bytes, to.plan.down);
        let mut at = to.access.down_free_at + late;
        if blocked_until > self.now {
            at = at.max(blocked_until + delay);
        }
        if let Some(flow) = self.paths.flows.get_mut(&number) {
            at = at.max(flow.last_at);
            flow.last_at = at;
        }
        self.queue.push(at, Step::PieceIn(link, side.other(), piece));
        self.queue.push(at + delay, Step::Acked(link, side, bytes));
        if last {
            self.paths.flows.remove(&number);
            self.peers[no].requests.answers.remove(&ask);
            self.tell(no, Input::Served { ask, outcome: ServeOutcome::Done { bytes: len } });
        }
    }

    pub(crate) fn piece_in(&mut self, link: LinkNo, side: Side, piece: Piece) {
        let Some(ends) = self.paths.links.get(&link).filter(|ends| ends.is_open(side)) else { return };
        let no = ends.peer(side);
        let peer = &mut self.peers[no];
        peer.tally.received_bytes += piece.bytes;
        let Some(download) = peer.requests.downloads.get_mut(&piece.req) else { return };
        download.received += piece.bytes;
        download.corrupt |= piece.corrupt;
        download.payload = piece.payload;
        let (received, index, is_marked) = (download.received, download.index, download.corrupt);
        let (sender, payload) = (ends.peer(side.other()), download.payload.clone());
        let is_rotten =
            self.peers[sender].is_rotten && payload.is_some_and(|payload| self.is_bad(index, &payload));
        if piece.last && (is_marked || is_rotten) {
            let liar = self.peers[sender].id;
            let now = self.now;
            self.peers[no].tally.lies.entry(liar).or_insert((0, now)).0 += 1;
        }
        self.tell(no, Input::Progress { req: piece.req, received });
        if piece.last {
            self.stream_free(link, side);
            self.tell(no, Input::Arrived { req: piece.req });
        }
    }
}

/// Time of bytes at a rate of bytes a second.
pub(crate) fn time_for(bytes: u64, rate: u64) -> Duration {
    Duration::from_nanos(bytes * 1_000_000_000 / rate.max(1)).max(Duration::from_micros(1))
}

/// How long a file takes at a rate, in seconds.
pub fn ideal(bytes: u64, rate: u64) -> f64 {
    bytes as f64 / rate as f64
}
