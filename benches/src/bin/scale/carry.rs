//! The driver of each machine: every input goes in here, every output is carried out here.

use std::time::Duration;

use minimodel_swarm::machine::{Conn, Event, Input, KeepOutcome, OfferVerdict, Output, Req, RequestFault};
use minimodel_wire::Frame;

use super::queue::Step;
use super::world::{Download, Flow, LinkNo, No, Side, World, time_for};

/// Time to prove and write one chunk.
const KEEP: Duration = Duration::from_millis(3);
/// Overhead of a frame on the path, in bytes: the heads of its QUIC packet, of UDP and of IP, and its share of
/// acknowledgements.
const FRAME_HEADS: u64 = 75;

/// Each side names the connection by its own number.
pub(super) fn conn_of(link: LinkNo, side: Side) -> Conn {
    Conn(u64::from(link) * 2 + u64::from(side == Side::Acceptor))
}

pub(super) fn end_of(conn: Conn) -> (LinkNo, Side) {
    ((conn.0 / 2) as LinkNo, if conn.0.is_multiple_of(2) { Side::Dialer } else { Side::Acceptor })
}

impl World {
    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Join(no) => self.join(no),
            Step::Leave(no) => self.leave(no),
            Step::Tick(no) => {
                let peer = &mut self.peers[no as usize];
                if peer.tick_at == Some(self.now) {
                    peer.tick_at = None;
                    self.tell(no, Input::Tick);
                }
            }
            Step::Unreachable(no, to) => {
                let peer = self.peers[to as usize].id;
                self.tell(no, Input::DialFailed { peer, wrong_key: None, code: None });
            }
            Step::Connected(link, side) => self.connected(link, side),
            Step::Closed(link, side, code) => self.closed(link, side, code),
            Step::Frame(link, side, frame) => {
                if let Some(no) = self.open_at(link, side) {
                    self.tell(no, Input::Frame { conn: conn_of(link, side), frame });
                }
            }
            Step::Asked(link, side, req, index) => self.asked(link, side, req, index),
            Step::Stopped(link, side, req) => self.stopped(link, side, req),
            Step::Reset(link, side, req, code) => {
                if let Some(no) = self.open_at(link, side)
                    && self.take_download(no, req).is_some()
                {
                    self.tell(no, Input::Failed { req, fault: RequestFault::Reset(code) });
                }
            }
            Step::Sent(no, link, req, bytes) => self.sent(no, link, req, bytes),
            Step::Came(link, side, req, bytes) => self.came(link, side, req, bytes),
            Step::Acked(link, side, bytes) => self.acked(link, side, bytes),
            Step::Kept(no, req) => self.tell(no, Input::Kept { req, outcome: KeepOutcome::Kept }),
            Step::Checked(no, check, offer) => {
                let verdict = offer.check().map_or(OfferVerdict::Forged, OfferVerdict::Good);
                self.tell(no, Input::OfferChecked { check, verdict });
            }
        }
    }

    pub(super) fn tell(&mut self, no: No, input: Input) {
        let now = self.now;
        // The machine is taken out of its peer while its outputs are carried out: none of them leads back to it in the same step.
        let Some(mut machine) = self.peers[no as usize].machine.take() else { return };
        self.record.input(now, no, &input);
        self.tally.turns += 1;
        machine.handle(now, input);
        while let Some(output) = machine.poll() {
            self.carry_out(no, output);
        }
        if let Some(at) = machine.wakeup()
            && self.peers[no as usize].tick_at.is_none_or(|old| at < old)
        {
            self.peers[no as usize].tick_at = Some(at);
            self.queue.push(at, Step::Tick(no));
        }
        self.peers[no as usize].machine = Some(machine);
    }

    fn carry_out(&mut self, no: No, output: Output) {
        match output {
            Output::Dial { addresses, pex_addresses, .. } => {
                self.dial(no, &[addresses, pex_addresses].concat());
            }
            Output::Send { conn, frame } => self.send(no, conn, frame),
            Output::Close { conn, code } => {
                let (link, side) = end_of(conn);
                if self.open_at(link, side).is_some() {
                    self.close_end(link, side, Some(code));
                }
            }
            Output::Request { conn, req, index } => {
                let (link, side) = end_of(conn);
                let len = self.terms.chunk_len(index);
                self.peers[no as usize].downloads.push(Download { req, link, len, received: 0 });
                self.push_over(link, Step::Asked(link, side.other(), req, index));
            }
            Output::Cancel { req } => {
                if let Some(download) = self.take_download(no, req) {
                    let link = download.link;
                    let side = self.links[link as usize].as_ref().map(|ends| ends.side_of(no).other());
                    if let Some(side) = side {
                        self.push_over(link, Step::Stopped(link, side, req));
                    }
                }
            }
            Output::Discard { .. } => {}
            Output::Keep { req, .. } => self.queue.push(self.now + KEEP, Step::Kept(no, req)),
            Output::Serve { ask, index } => {
                let Some(&(link, req)) = self.peers[no as usize].asks.get(&ask) else { return };
                let len = self.terms.chunk_len(index);
                if let Some(ends) = self.links[link as usize].as_mut() {
                    let side = ends.side_of(no);
                    ends.end_mut(side).flows.push_back(Flow { ask, req, len, begun: 0 });
                    self.queue_end(link, side);
                }
            }
            Output::Refuse { ask, code } => {
                let Some((link, req)) = self.peers[no as usize].asks.remove(&ask) else { return };
                self.drop_flow(no, link, req);
                let to = self.links[link as usize].as_ref().map(|ends| ends.side_of(no).other());
                if let Some(to) = to {
                    self.push_over(link, Step::Reset(link, to, req, code));
                }
            }
            Output::CheckOffer { check, offer } => {
                self.queue.push(self.now, Step::Checked(no, check, Box::new(offer)));
            }
            Output::Event(event) => self.note(no, &event),
            // No peer of this simulation searches leaves, loses a chunk or asks for a manifest.
            Output::RequestLeaves { .. }
            | Output::Rescan
            | Output::Reread { .. }
            | Output::ServeLeaves { .. }
            | Output::ServeManifest { .. } => {}
        }
    }

    fn note(&mut self, no: No, event: &Event) {
        match event {
            Event::Complete => {
                let now = self.now;
                let peer = &mut self.peers[no as usize];
                peer.done_at = Some(now);
                if let Some(after) = peer.plan.lingers {
                    self.queue.push(now + after, Step::Leave(no));
                }
                if self.peers[no as usize].plan.quits_after.is_none() {
                    self.unfinished -= 1;
                }
            }
            Event::Chunk { bytes, .. } => self.tally.kept_bytes += u64::from(*bytes),
            Event::Struck { .. } => self.tally.struck += 1,
            Event::Banned { .. } => self.tally.banned += 1,
            _ => {}
        }
    }

    /// Sends a frame at once, ahead of waiting pieces of chunks; its bytes count on the sender's uplink and the receiver's
    /// downlink.
    fn send(&mut self, no: No, conn: Conn, frame: Frame) {
        let (link, side) = end_of(conn);
        let Some(ends) = self.links[link as usize].as_ref().filter(|ends| ends.end(side).is_open) else {
            return;
        };
        let (other, delay) = (ends.end(side.other()).no, ends.delay);
        let bytes = FRAME_HEADS + frame_len(&frame);
        self.tally.frames += 1;
        self.tally.frame_bytes += bytes;
        let now = self.now;
        let peer = &mut self.peers[no as usize];
        peer.up_free_at = peer.up_free_at.max(now) + time_for(bytes, peer.plan.up);
        let peer = &mut self.peers[other as usize];
        peer.down_free_at = peer.down_free_at.max(now) + time_for(bytes, peer.plan.down);
        self.queue.push(now + delay, Step::Frame(link, side.other(), frame));
    }

    /// Schedules a step that happens a path's delay later.
    pub(super) fn push_over(&mut self, link: LinkNo, step: Step) {
        if let Some(delay) = self.links[link as usize].as_ref().map(|ends| ends.delay) {
            self.queue.push(self.now + delay, step);
        }
    }

    pub(super) fn take_download(&mut self, no: No, req: Req) -> Option<Download> {
        let downloads = &mut self.peers[no as usize].downloads;
        let at = downloads.iter().position(|download| download.req == req)?;
        Some(downloads.swap_remove(at))
    }
}

/// Bytes of a frame as it is on the wire: a head of 6, then the body.
fn frame_len(frame: &Frame) -> u64 {
    6 + match frame {
        Frame::Hello(_) | Frame::ManifestOnly(_) => 180,
        Frame::Bitfield(have) => u64::from(have.count().div_ceil(8)),
        Frame::Have { indexes } => 8 + 4 * indexes.len() as u64,
        Frame::Peers { offers } => 8 + offers.iter().map(|offer| 8 + offer.len() as u64).sum::<u64>(),
        _ => 4,
    }
}
