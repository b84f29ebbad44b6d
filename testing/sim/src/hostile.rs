//! Misbehaviour of hostile peers: what they do on the control stream, and how they change frames and chunks.

use std::time::Duration;

use bytes::Bytes;
use minimodel_swarm::machine::{Req, Terms, Time};
use minimodel_wire::Frame;

use crate::artifact::{Artifact, Payload};
use crate::keys::{offer_of, renewed_offer_of};
use crate::peer::{LinkNo, PeerNo};
use crate::plan::Behaviour;
use crate::queue::Numbers;
use crate::step::{Side, Step, Wanted};
use crate::world::ms;

/// Frames that a peer really sends when its machine outputs `frame`.
pub(crate) fn bent(behaviour: Behaviour, frame: Frame) -> Vec<Frame> {
    match (behaviour, frame) {
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

/// The bytes and the proof that a peer without a store sends for a chunk.
pub(crate) fn bent_payload(
    behaviour: Behaviour,
    artifact: &Artifact,
    index: u32,
    rng: &mut fastrand::Rng,
) -> Payload {
    let mut payload = artifact.payload(index);
    match behaviour {
        Behaviour::Liar => {
            let mut bytes = payload.bytes.to_vec();
            let at = rng.usize(..bytes.len());
            bytes[at] ^= 1 << rng.u8(..8);
            payload.bytes = Bytes::from(bytes);
        }
        Behaviour::BadProof => {
            let node = rng.usize(..payload.proof.len().max(1));
            match payload.proof.get_mut(node) {
                Some(hash) => hash[rng.usize(..32)] ^= 1 << rng.u8(..8),
                None => payload.proof.push([0; 32]),
            }
        }
        // Another chunk with its own proof, which is valid for another index.
        Behaviour::OtherIndex => payload = artifact.payload((index + 1) % artifact.spec.layout.count()),
        _ => {}
    }
    payload
}

/// One turn of a hostile peer on one connection.
pub(crate) struct Mischief<'a> {
    pub(crate) link: LinkNo,
    /// The end of the hostile peer.
    pub(crate) side: Side,
    pub(crate) no: PeerNo,
    pub(crate) now: Time,
    /// One-way delay of the path.
    pub(crate) delay: Duration,
    pub(crate) terms: &'a Terms,
}

impl Mischief<'_> {
    /// What happens because of this turn, and when.
    pub(crate) fn steps(&self, behaviour: Behaviour, numbers: &mut Numbers) -> Vec<(Time, Step)> {
        let (link, other, at) = (self.link, self.side.other(), self.now + self.delay);
        let count = self.terms.chunk_count;
        let frame = |frame| (at, Step::FrameIn(link, other, frame));
        let ask = |req, index| (at, Step::AskIn(link, other, Req(req), Wanted::Chunk(index)));
        match behaviour {
            Behaviour::ControlFlooder => {
                let both = || [Frame::DontHave { index: 0 }, Frame::Have { indexes: vec![0] }];
                (0..2_500).flat_map(|_| both()).map(frame).collect()
            }
            Behaviour::AskFlooder => {
                (0..200).map(|n| ask(u64::MAX - n, 0)).chain([self.again_in(ms(500))]).collect()
            }
            Behaviour::BadHave => vec![frame(Frame::Have { indexes: vec![count] })],
            Behaviour::BadAsk => vec![ask(u64::MAX, count)],
            Behaviour::ForgedOffer => {
                // An offer of an unknown peer, so that the receiver checks its signature.
                let mut bytes = offer_of(self.no + 100, self.terms.swarm_id).to_bytes();
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
                vec![frame(Frame::Peers { offers: vec![Bytes::from(bytes)] })]
            }
            Behaviour::Fickle => {
                let have = Frame::Have { indexes: (0..count).collect() };
                let takes_back = (0..count).map(|index| Frame::DontHave { index });
                let frames = [have].into_iter().chain(takes_back).map(frame);
                frames.chain([self.again_in(ms(200))]).collect()
            }
            Behaviour::Teaser => {
                vec![frame(Frame::Choke), frame(Frame::Unchoke), self.again_in(ms(100))]
            }
            Behaviour::Toggler => self.churn(true, None),
            Behaviour::Renewer => self.churn(false, Some(numbers)),
            Behaviour::Comer => {
                let mut steps = self.churn(true, Some(numbers));
                for side in [Side::Dialer, Side::Acceptor] {
                    steps.push((self.now + ms(500), Step::ClosedAt(link, side, None)));
                }
                steps
            }
            _ => Vec::new(),
        }
    }

    fn again_in(&self, time: Duration) -> (Time, Step) {
        (self.now + time, Step::Mischief(self.link, self.side))
    }

    /// Forty frames of each chosen kind in the next tenth of a second, and another turn: alternating interest (`toggles`),
    /// renewed own offers (`renews`: their numbers).
    fn churn(&self, toggles: bool, mut renews: Option<&mut Numbers>) -> Vec<(Time, Step)> {
        let (link, other) = (self.link, self.side.other());
        let mut steps = Vec::new();
        for turn in 0..40 {
            let at = self.now + self.delay + Duration::from_micros(2_500 * turn);
            if toggles {
                let frame = if turn % 2 == 0 { Frame::NotInterested } else { Frame::Interested };
                steps.push((at, Step::FrameIn(link, other, frame)));
            }
            if let Some(numbers) = &mut renews {
                let offer = renewed_offer_of(self.no, self.terms.swarm_id, numbers.next());
                let frame = Frame::Peers { offers: vec![Bytes::from(offer.to_bytes())] };
                steps.push((at, Step::FrameIn(link, other, frame)));
            }
        }
        steps.push(self.again_in(ms(100)));
        steps
    }
}
