//! Misbehaviour of hostile peers: what they do on the control stream, and how they change their frames.

use std::time::Duration;

use bytes::Bytes;
use minimodel_swarm::machine::Req;
use minimodel_wire::Frame;

use crate::keys::{offer_of, renewed_offer_of};
use crate::peer::{LinkNo, PeerNo};
use crate::plan::Behaviour;
use crate::step::{Side, Step, Wanted};
use crate::world::{World, ms};

impl World {
    /// Frames that a peer really sends when its machine outputs `frame`.
    pub(crate) fn bent(&mut self, no: PeerNo, link: LinkNo, side: Side, frame: Frame) -> Vec<Frame> {
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

    pub(crate) fn mischief(&mut self, link: LinkNo, side: Side) {
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
}
