//! Bytes in transit, at the rate of links.
//!
//! The uplink of a peer sends pieces, one of each transfer in turn; the downlink of a peer takes them in order of
//! arrival. So transfers share both links fairly, and a queue in front of a slow link has its effect.

use std::time::Duration;

use minimodel_swarm::machine::{Ask, Input, ServeOutcome};

use super::peer::{Behaviour, LinkNo, PeerNo};
use super::step::{Flow, Piece, Side, Step};
use super::world::{KIB, World, secs};

/// A driver gives an answer up when the requesting peer takes no byte for this long.
const WRITE_DEADLINE: Duration = Duration::from_secs(20);

impl World {
    /// Answers a request: an honest peer sends the chunk, a hostile peer misbehaves.
    pub(super) fn serve(&mut self, no: PeerNo, ask: Ask, index: u32) {
        let Some(answer) = self.peers[no].answers.get(&ask) else { return };
        let (link, req) = (answer.link, answer.req);
        let Some(ends) = self.links.get(&link) else { return };
        let side = ends.side_of(no);
        let len = u64::from(self.terms.chunk_len(index));
        let behaviour = self.peers[no].plan.behaviour;
        let cargo = match self.cargo(no, index) {
            Ok(cargo) => cargo,
            Err(code) => {
                let input = Input::Served { ask, outcome: ServeOutcome::Cancelled { bytes: 0 } };
                self.queue.push(self.now, Step::Tell(no, self.peers[no].run, input));
                return self.refuse(no, ask, code);
            }
        };
        let (corrupt, last_at) = (behaviour.is_lie(), self.now);
        let mut flow = Flow { link, side, ask, req, len, sent: 0, corrupt, breaks_at: None, cargo, last_at };
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
        let number = self.number();
        self.flows.insert(number, flow);
        if let Some(answer) = self.peers[no].answers.get_mut(&ask) {
            answer.flow = Some(number);
        }
        let asker = self.links[&link].peer(side.other());
        if self.peers[asker].plan.behaviour == Behaviour::NotReader {
            self.queue.push(self.now + WRITE_DEADLINE, Step::Unread(no, number));
        } else if drips {
            self.queue.push(self.now + secs(1), Step::Drip(no, number));
        } else {
            self.peers[no].sending.push_back(number);
            self.send_piece(no);
        }
    }

    /// Sends the next piece of the next transfer whose connection has room on its path.
    fn send_piece(&mut self, no: PeerNo) {
        if self.peers[no].is_sending {
            return;
        }
        for _ in 0..self.peers[no].sending.len() {
            let Some(number) = self.peers[no].sending.pop_front() else { return };
            let Some(flow) = self.flows.get(&number) else { continue };
            let Some(ends) = self.links.get_mut(&flow.link) else { continue };
            let (up, down) = (self.peers[no].plan.up, self.peers[ends.peer(flow.side.other())].plan.down);
            let slower = up.min(down);
            // Small enough that a slow path is seen to move.
            let piece = (flow.len / 8).min(slower / 16).clamp(KIB, 128 * KIB).min(flow.len - flow.sent);
            // Congestion window: what the path holds, and a little queue.
            let window = slower * ends.delay.as_millis() as u64 / 500 + 4 * piece;
            let on_path = ends.on_path(flow.side);
            if *on_path + piece > window.max(64 * KIB) {
                self.peers[no].sending.push_back(number);
                continue;
            }
            *on_path += piece;
            self.peers[no].is_sending = true;
            self.peers[no].sending.push_front(number);
            let at = self.now + time_for(piece, up);
            self.queue.push(at, Step::PieceSent(no, number, flow.link, piece));
            return;
        }
    }

    /// Handles an acknowledgement: the path has room again.
    pub(super) fn acked(&mut self, link: LinkNo, side: Side, bytes: u64) {
        let Some(ends) = self.links.get_mut(&link) else { return };
        let no = ends.peer(side);
        let on_path = ends.on_path(side);
        *on_path = on_path.saturating_sub(bytes);
        self.send_piece(no);
    }

    pub(super) fn piece_sent(&mut self, no: PeerNo, number: u64, link: LinkNo, bytes: u64) {
        if !self.flows.contains_key(&number)
            && let Some(side) = self.links.get(&link).map(|ends| ends.side_of(no))
        {
            // The answer was cancelled while the piece was sent.
            self.acked(link, side, bytes);
        }
        let peer = &mut self.peers[no];
        peer.is_sending = false;
        if peer.sending.front() == Some(&number) {
            peer.sending.pop_front();
            peer.sending.push_back(number);
        }
        self.deliver(no, number, bytes);
        self.send_piece(no);
    }

    /// Ends an answer of which the peer took no byte within the write deadline.
    pub(super) fn unread(&mut self, no: PeerNo, number: u64) {
        let Some(flow) = self.flows.remove(&number) else { return };
        self.peers[no].answers.remove(&flow.ask);
        self.tell(no, Input::Served { ask: flow.ask, outcome: ServeOutcome::TooSlow });
    }

    /// Sends the next few bytes of a trickling answer, once a second.
    pub(super) fn drip(&mut self, no: PeerNo, number: u64) {
        let Behaviour::Trickler(rate) = self.peers[no].plan.behaviour else { return };
        let Some(flow) = self.flows.get(&number) else { return };
        let bytes = rate.min(flow.len - flow.sent);
        self.queue.push(self.now + secs(1), Step::Drip(no, number));
        self.deliver(no, number, bytes);
    }

    fn deliver(&mut self, no: PeerNo, number: u64, bytes: u64) {
        let Some(flow) = self.flows.get_mut(&number) else { return };
        flow.sent += bytes;
        let (link, side, ask, len) = (flow.link, flow.side, flow.ask, flow.len);
        let last = flow.sent >= flow.len;
        let cargo = if last { flow.cargo.take() } else { None };
        let piece = Piece { req: flow.req, bytes, corrupt: flow.corrupt, last, cargo };
        if flow.breaks_at.is_some_and(|at| flow.sent >= at) {
            let at = self.now;
            self.queue.push(at, Step::ClosedAt(link, side, None));
            self.close_end(link, side, None);
            return;
        }
        let Some(ends) = self.links.get(&link) else { return };
        let (to, delay, blocked_until) = (ends.peer(side.other()), ends.delay, ends.blocked_until);
        let late = self.lateness(delay);
        self.peers[no].tally.sent_bytes += bytes;
        let to = &mut self.peers[to];
        to.down_free_at = (self.now + delay).max(to.down_free_at) + time_for(bytes, to.plan.down);
        let mut at = to.down_free_at + late;
        if blocked_until > self.now {
            at = at.max(blocked_until + delay);
        }
        if let Some(flow) = self.flows.get_mut(&number) {
            at = at.max(flow.last_at);
            flow.last_at = at;
        }
        self.queue.push(at, Step::PieceIn(link, side.other(), piece));
        self.queue.push(at + delay, Step::Acked(link, side, bytes));
        if last {
            self.flows.remove(&number);
            self.peers[no].answers.remove(&ask);
            self.tell(no, Input::Served { ask, outcome: ServeOutcome::Done { bytes: len } });
        }
    }

    pub(super) fn piece_in(&mut self, link: LinkNo, side: Side, piece: Piece) {
        let Some(ends) = self.links.get(&link).filter(|ends| ends.is_open(side)) else { return };
        let no = ends.peer(side);
        let peer = &mut self.peers[no];
        peer.tally.received_bytes += piece.bytes;
        let Some(download) = peer.downloads.get_mut(&piece.req) else { return };
        download.received += piece.bytes;
        download.corrupt |= piece.corrupt;
        download.cargo = piece.cargo;
        let (received, index, is_marked) = (download.received, download.index, download.corrupt);
        let (sender, cargo) = (ends.peer(side.other()), download.cargo.clone());
        let is_rotten = self.peers[sender].is_rotten && cargo.is_some_and(|cargo| self.is_bad(index, &cargo));
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

fn time_for(bytes: u64, rate: u64) -> Duration {
    Duration::from_nanos(bytes * 1_000_000_000 / rate.max(1)).max(Duration::from_micros(1))
}

/// How long a file takes at a rate, in seconds.
pub(super) fn ideal(bytes: u64, rate: u64) -> f64 {
    bytes as f64 / rate as f64
}
