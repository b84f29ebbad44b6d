//! Misbehaviour of hostile peers: what they do on the control stream, and how they change their frames. Also the
//! dispatch of steps.

use std::time::Duration;

use bytes::Bytes;
use minimodel_swarm::machine::{Input, Req};
use minimodel_wire::Frame;

use super::peer::{Behaviour, LinkNo, PeerNo, offer_of, renewed_offer_of};
use super::step::{Side, Step, Wanted};
use super::world::{World, ms};

impl World {
    /// Frames that a peer really sends when its machine outputs `frame`.
    pub(super) fn bent(&mut self, no: PeerNo, link: LinkNo, side: Side, frame: Frame) -> Vec<Frame> {
        if let Frame::Bitfield(_) = frame {
            self.queue.push(self.now + ms(200), Step::Mischief(link, side));
        }
        match (self.peers[no].plan.behaviour, frame) {
            (Behaviour::HaveBeforeHello, hello @ Frame::Hello(_)) => {
                vec![Frame::Have { indexes: vec![0] }, hello]
            }
            (Behaviour::OtherVersion, Frame::Hello(mut hello)) => {
                hello.version += 1;
                vec![Frame::Hello(hello)]
            }
            (Behaviour::SecondHello, hello @ Frame::Hello(_)) => vec![hello.clone(), hello],
            (Behaviour::Idler, Frame::Interested) => vec![],
            (_, frame) => vec![frame],
        }
    }

    pub(super) fn mischief(&mut self, link: LinkNo, side: Side) {
        let Some(delay) = self.delay(link, side) else { return };
        let (no, other) = (self.links[&link].peer(side), side.other());
        let at = self.now + delay;
        let count = self.terms.chunk_count;
        match self.peers[no].plan.behaviour {
            Behaviour::ControlFlooder => {
                for _ in 0..2_500 {
                    self.queue.push(at, Step::FrameIn(link, other, Frame::DontHave { index: 0 }));
                    self.queue.push(at, Step::FrameIn(link, other, Frame::Have { indexes: vec![0] }));
                }
            }
            Behaviour::AskFlooder => {
                for n in 0..200 {
                    self.queue.push(at, Step::AskIn(link, other, Req(u64::MAX - n), Wanted::Chunk(0)));
                }
                self.queue.push(self.now + ms(500), Step::Mischief(link, side));
            }
            Behaviour::BadHave => {
                self.queue.push(at, Step::FrameIn(link, other, Frame::Have { indexes: vec![count] }));
            }
            Behaviour::BadAsk => {
                self.queue.push(at, Step::AskIn(link, other, Req(u64::MAX), Wanted::Chunk(count)));
            }
            Behaviour::ForgedOffer => {
                // An offer of an unknown peer, so that the receiver checks its signature.
                let mut bytes = offer_of(no + 100, self.terms.swarm_id).to_bytes();
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
                let frame = Frame::Peers { offers: vec![Bytes::from(bytes)] };
                self.queue.push(at, Step::FrameIn(link, other, frame));
            }
            Behaviour::Fickle => {
                let mut frames = vec![Frame::Have { indexes: (0..count).collect() }];
                frames.extend((0..count).map(|index| Frame::DontHave { index }));
                frames.into_iter().for_each(|frame| self.queue.push(at, Step::FrameIn(link, other, frame)));
                self.queue.push(self.now + ms(200), Step::Mischief(link, side));
            }
            Behaviour::Teaser => {
                self.queue.push(at, Step::FrameIn(link, other, Frame::Choke));
                self.queue.push(at, Step::FrameIn(link, other, Frame::Unchoke));
                self.queue.push(self.now + ms(100), Step::Mischief(link, side));
            }
            Behaviour::Toggler => self.churn(link, side, true, false),
            Behaviour::Renewer => self.churn(link, side, false, true),
            Behaviour::Comer => {
                self.churn(link, side, true, true);
                for side in [Side::Dialer, Side::Acceptor] {
                    self.queue.push(self.now + ms(500), Step::ClosedAt(link, side, None));
                }
            }
            _ => {}
        }
    }

    /// Sends forty frames of each chosen kind in the next tenth of a second, and schedules itself again: alternating
    /// interest (`toggles`), renewed own offers (`renews`).
    fn churn(&mut self, link: LinkNo, side: Side, toggles: bool, renews: bool) {
        let Some(delay) = self.delay(link, side) else { return };
        let (no, other) = (self.links[&link].peer(side), side.other());
        for turn in 0..40 {
            let at = self.now + delay + Duration::from_micros(2_500 * turn);
            if toggles {
                let frame = if turn % 2 == 0 { Frame::NotInterested } else { Frame::Interested };
                self.queue.push(at, Step::FrameIn(link, other, frame));
            }
            if renews {
                let number = self.number();
                let offer = renewed_offer_of(no, self.terms.swarm_id, number);
                let frame = Frame::Peers { offers: vec![Bytes::from(offer.to_bytes())] };
                self.queue.push(at, Step::FrameIn(link, other, frame));
            }
        }
        self.queue.push(self.now + ms(100), Step::Mischief(link, side));
    }

    pub(super) fn take(&mut self, step: Step) {
        if let Some(no) = self.whose(&step)
            && self.peers[no].suspended_until > self.now
        {
            self.queue.push(self.peers[no].suspended_until, step);
            return;
        }
        if let Step::FrameIn(link, ..)
        | Step::AskIn(link, ..)
        | Step::StopIn(link, ..)
        | Step::ResetIn(link, ..)
        | Step::PieceIn(link, ..)
        | Step::LeavesIn(link, ..) = step
        {
            self.message(link);
        }
        let step = self.perhaps_reset(step);
        match step {
            Step::Join(no, run) => self.join(no, run),
            Step::Tick(no) => self.tick(no),
            Step::Tell(no, run, input) => {
                if self.peers[no].run == run {
                    self.tell(no, input);
                }
            }
            Step::Verdict(no, run, req, outcome) => self.verdict(no, run, req, outcome),
            Step::Finish(no, run) => self.finish(no, run),
            Step::DiskFailed(no, run) => self.disk_failed(no, run),
            Step::Moment(no, run) => self.moment(no, run),
            Step::Unread(no, flow) => self.unread(no, flow),
            Step::Connected(link, side) => self.connected(link, side),
            Step::FrameIn(link, side, frame) => {
                if self.is_open(link, side) {
                    let (no, conn) = (self.links[&link].peer(side), super::connections::conn_of(link, side));
                    self.tell(no, Input::Frame { conn, frame });
                }
            }
            Step::ClosedAt(link, side, code) => self.closed(link, side, code),
            Step::AskIn(link, side, req, wanted) => self.asked(link, side, req, wanted),
            Step::StopIn(link, side, req) => self.stopped(link, side, req),
            Step::ResetIn(link, side, req, code) => self.reset(link, side, req, code),
            Step::StreamFree(link, side) => self.stream_free(link, side),
            Step::PieceSent(no, flow, link, bytes) => self.piece_sent(no, flow, link, bytes),
            Step::Acked(link, side, bytes) => self.acked(link, side, bytes),
            Step::PieceIn(link, side, piece) => self.piece_in(link, side, piece),
            Step::Drip(no, flow) => self.drip(no, flow),
            Step::LeavesIn(link, side, req, good) => self.leaves_in(link, side, req, good),
            Step::Mischief(link, side) => self.mischief(link, side),
            Step::Scripted(what) => self.scripted(what),
        }
    }

    fn whose(&self, step: &Step) -> Option<PeerNo> {
        match step {
            Step::Tick(no)
            | Step::Join(no, _)
            | Step::Tell(no, ..)
            | Step::Verdict(no, ..)
            | Step::Finish(no, _)
            | Step::DiskFailed(no, _)
            | Step::Moment(no, _)
            | Step::Unread(no, _)
            | Step::PieceSent(no, ..)
            | Step::Drip(no, _) => Some(*no),
            Step::Connected(link, side)
            | Step::FrameIn(link, side, _)
            | Step::ClosedAt(link, side, _)
            | Step::AskIn(link, side, ..)
            | Step::StopIn(link, side, _)
            | Step::ResetIn(link, side, ..)
            | Step::StreamFree(link, side)
            | Step::PieceIn(link, side, _)
            | Step::Acked(link, side, _)
            | Step::LeavesIn(link, side, ..)
            | Step::Mischief(link, side) => self.links.get(link).map(|ends| ends.peer(*side)),
            Step::Scripted(_) => None,
        }
    }
}
