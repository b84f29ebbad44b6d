//! The uplinks and downlinks of the peers.
//!
//! The uplink of a peer sends one piece of each connection in turn, as congestion controllers that share a link fairly
//! would; the downlink of a peer takes pieces in the order in which they come, so that a queue in front of a slow downlink
//! has its effect. A connection has no more on its path than the path holds and a little queue.

use std::time::Duration;

use minimodel_swarm::machine::{Input, Req, ServeOutcome};

use super::queue::Step;
use super::world::{CHUNK, LinkNo, No, Side, World, time_for};

/// Pieces of a chunk: each is one turn on the uplink.
const PIECES: u32 = 8;
const PIECE: u32 = CHUNK / PIECES;
/// Payload of a packet.
const PACKET: u32 = 1_400;
/// Pieces that a connection may have on its path beyond what the path holds.
const QUEUED: u32 = 2;

impl World {
    /// Queues an end that has something to send for a turn on its peer's uplink.
    pub(super) fn queue_end(&mut self, link: LinkNo, side: Side) {
        let Some(ends) = self.links[link as usize].as_mut() else { return };
        let end = ends.end_mut(side);
        let no = end.no;
        if !end.is_queued && !end.flows.is_empty() {
            end.is_queued = true;
            self.peers[no as usize].sending.push_back((link, side));
        }
        self.send_piece(no);
    }

    /// Sends the next piece of the next connection that has room on its path.
    fn send_piece(&mut self, no: No) {
        if self.peers[no as usize].is_sending {
            return;
        }
        while let Some((link, side)) = self.peers[no as usize].sending.pop_front() {
            let Some(ends) = self.links[link as usize].as_mut() else { continue };
            let (to, delay) = (ends.end(side.other()).no, ends.delay);
            let up = self.peers[no as usize].plan.up;
            let slower = up.min(self.peers[to as usize].plan.down);
            let window = (slower * delay.as_millis() as u64 / 500) as u32 + QUEUED * PIECE;
            let end = ends.end_mut(side);
            end.is_queued = false;
            let on_path = end.on_path;
            let is_fair = self.streams_share;
            let Some(at) = end.flows.iter().position(|flow| flow.begun < flow.len) else { continue };
            if on_path + PIECE > window {
                // An acknowledgement queues it again.
                continue;
            }
            let flow = &mut end.flows[at];
            let bytes = PIECE.min(flow.len - flow.begun);
            flow.begun += bytes;
            let req = flow.req;
            if is_fair && let Some(flow) = end.flows.remove(at) {
                end.flows.push_back(flow);
            }
            end.on_path += bytes;
            let now = self.now;
            let peer = &mut self.peers[no as usize];
            peer.is_sending = true;
            peer.up_free_at = peer.up_free_at.max(now) + time_for(bytes.into(), up);
            self.queue.push(peer.up_free_at, Step::Sent(no, link, req, bytes));
            return;
        }
    }

    pub(super) fn acked(&mut self, link: LinkNo, side: Side, bytes: u32) {
        if let Some(ends) = self.links[link as usize].as_mut() {
            ends.end_mut(side).on_path -= bytes;
            self.queue_end(link, side);
        }
    }

    pub(super) fn sent(&mut self, no: No, link: LinkNo, req: Req, bytes: u32) {
        self.peers[no as usize].is_sending = false;
        if no == 0 {
            self.tally.seeder_bytes += u64::from(bytes);
        }
        let mut answered = None;
        if let Some(ends) = self.links[link as usize].as_mut() {
            let (side, delay) = (ends.side_of(no), ends.delay);
            let to = ends.end(side.other()).no;
            let flows = &mut ends.end_mut(side).flows;
            // The answer whose bytes are all handed over is the one whose last piece this was.
            if let Some(at) = flows.iter().position(|flow| flow.req == req && flow.begun >= flow.len) {
                answered = flows.remove(at);
            }
            let again = if self.is_lost(bytes) { delay * 2 } else { Duration::ZERO };
            let now = self.now;
            let to = &mut self.peers[to as usize];
            to.down_free_at = (now + delay).max(to.down_free_at) + time_for(bytes.into(), to.plan.down);
            let at = to.down_free_at + again;
            self.queue.push(at, Step::Came(link, side.other(), req, bytes));
            self.queue.push(at + delay, Step::Acked(link, side, bytes));
            self.queue_end(link, side);
        }
        self.send_piece(no);
        if let Some(flow) = answered {
            self.peers[no as usize].asks.remove(&flow.ask);
            let outcome = ServeOutcome::Done { bytes: flow.len.into() };
            self.tell(no, Input::Served { ask: flow.ask, outcome });
        }
    }

    /// True if a packet of the piece was lost, so that the piece is complete a round trip later.
    fn is_lost(&mut self, bytes: u32) -> bool {
        let packets = bytes.div_ceil(PACKET) as i32;
        self.rng.f64() > (1.0 - self.loss).powi(packets)
    }

    pub(super) fn came(&mut self, link: LinkNo, side: Side, req: Req, bytes: u32) {
        let Some(no) = self.open_at(link, side) else { return };
        let downloads = &mut self.peers[no as usize].downloads;
        self.tally.chunk_bytes += u64::from(bytes);
        let Some(at) = downloads.iter().position(|download| download.req == req) else { return };
        downloads[at].received += bytes;
        let (received, len) = (downloads[at].received, downloads[at].len);
        if received >= len {
            downloads.swap_remove(at);
            self.tell(no, Input::Arrived { req });
        } else {
            self.tell(no, Input::Progress { req, received: received.into() });
        }
    }
}
