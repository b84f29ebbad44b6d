//! Network faults: jitter, loss, partitions, and connections that break at any message.
//!
//! Streams are reliable: a lost packet is a late one, and what was sent behind it on the same stream waits for it.

use std::time::Duration;

use minimodel_swarm::machine::Time;
use minimodel_wire::ResetCode;

use crate::peer::PeerNo;
use crate::record::Counts;
use crate::step::Step;
use crate::world::ms;

/// Payload of a packet, in bytes.
const PACKET: u64 = 1_400;

/// What the paths of a world do to what is sent over them.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    /// Largest extra delay of a message.
    pub jitter: Duration,
    /// Of a thousand messages, so many are lost once and sent again.
    pub lost_of_1000: u32,
    /// So many of them are lost twice.
    pub lost_twice_of_1000: u32,
    /// Share of packets of chunks that are lost: the piece of such a packet comes a round trip later.
    pub packet_loss: f64,
    /// Bytes of the heads of a control frame's packet. Some: frames take their time on both links, with their heads;
    /// `None`: frames take no time.
    pub frame_heads: Option<u64>,
    /// Which answers take turns on an uplink.
    pub turns: Turns,
    /// Pieces that a connection may have on its path beyond what the path holds.
    pub queued_pieces: u64,
}

/// Which answers take turns on an uplink, a piece each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turns {
    /// All answers of the peer.
    Answers,
    /// Connections, as congestion controllers that share a link fairly would; within a connection its streams take turns.
    Streams,
    /// Connections; within a connection the oldest stream goes first.
    OldestStream,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            jitter: Duration::ZERO,
            lost_of_1000: 0,
            lost_twice_of_1000: 0,
            packet_loss: 0.0,
            frame_heads: None,
            turns: Turns::Answers,
            queued_pieces: 4,
        }
    }
}

impl Network {
    /// Extra delay of a message, besides the path's own delay.
    pub(crate) fn lateness(&self, delay: Duration, rng: &mut fastrand::Rng, counts: &mut Counts) -> Duration {
        let Self { jitter, lost_of_1000, lost_twice_of_1000, .. } = *self;
        if jitter.is_zero() && lost_of_1000 == 0 {
            return Duration::ZERO;
        }
        let mut late = Duration::from_micros(rng.u64(..=jitter.as_micros() as u64));
        let chance = rng.u32(..1000);
        if chance < lost_of_1000 {
            counts.lost_messages += 1;
            // The loss is found by later packets, or by the timeout if the packet is lost again (RFC 9002, section
            // 6).
            late += delay * 2 + ms(10);
            if chance < lost_twice_of_1000 {
                late += delay * 6 + ms(400);
            }
        }
        late
    }

    /// Extra delay of a piece of a chunk, one packet of which may be lost.
    pub(crate) fn retransmission(&self, bytes: u64, delay: Duration, rng: &mut fastrand::Rng) -> Duration {
        let loss = self.packet_loss;
        let is_lost = loss > 0.0 && rng.f64() > (1.0 - loss).powi(bytes.div_ceil(PACKET) as i32);
        if is_lost { delay * 2 } else { Duration::ZERO }
    }
}

/// What breaks in a world, and how many messages arrived so far.
#[derive(Debug, Default)]
pub struct Faults {
    /// Number of messages that arrived.
    pub messages: u64,
    /// Numbers of messages whose connection breaks, in rising order.
    pub cut_at: Vec<u64>,
    /// The message with this number, if it is an ask or a piece of an answer, is a reset with this code instead.
    pub reset_at: Option<(u64, ResetCode)>,
    /// Peers on one side of a partition, as bits, and its end.
    partition: Option<(u64, Time)>,
}

impl Faults {
    /// Starts a partition between the peers whose bit is set and the rest.
    pub(crate) fn split(&mut self, side: u64, until: Time) {
        self.partition = Some((side, until));
    }

    pub(crate) fn is_split(&self, now: Time, one: PeerNo, other: PeerNo) -> bool {
        self.partition.is_some_and(|(side, until)| now < until && is_across(side, one, other))
    }

    /// Turns the request, or the piece of an answer, that `reset_at` names into a reset of its stream.
    pub(crate) fn perhaps_reset(&self, step: Step) -> Step {
        match (step, self.reset_at) {
            (Step::AskIn(link, side, req, _), Some((number, code))) if number == self.messages => {
                Step::ResetIn(link, side.other(), req, code)
            }
            (Step::PieceIn(link, side, piece), Some((number, code))) if number == self.messages => {
                Step::ResetIn(link, side, piece.req, code)
            }
            (step, _) => step,
        }
    }

    /// Counts a message on its arrival; returns true if `cut_at` names its number, so that its connection breaks.
    pub(crate) fn breaks(&mut self) -> bool {
        self.messages += 1;
        let breaks = self.cut_at.first() == Some(&self.messages);
        if breaks {
            self.cut_at.remove(0);
        }
        breaks
    }
}

pub(crate) fn is_across(side: u64, one: PeerNo, other: PeerNo) -> bool {
    (side >> (one % 64) & 1) != (side >> (other % 64) & 1)
}
