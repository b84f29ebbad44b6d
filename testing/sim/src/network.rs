//! Network faults: jitter, loss, partitions, new addresses, and connections that break at any message.
//!
//! Streams are reliable: a lost packet is a late one, and what was sent behind it on the same stream waits for it.

use std::time::Duration;

use minimodel_swarm::machine::{Input, Time};

use crate::connections::conn_of;
use crate::peer::{LinkNo, PeerNo};
use crate::process::IDLE;
use crate::step::{Side, Step};
use crate::world::{World, ms};

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

impl World {
    /// Extra delay of a message, besides the path's own delay.
    pub(crate) fn lateness(&mut self, delay: Duration) -> Duration {
        let Network { jitter, lost_of_1000, lost_twice_of_1000, .. } = self.network;
        if jitter.is_zero() && lost_of_1000 == 0 {
            return Duration::ZERO;
        }
        let mut late = Duration::from_micros(self.rng.u64(..=jitter.as_micros() as u64));
        let chance = self.rng.u32(..1000);
        if chance < lost_of_1000 {
            self.counts.lost_messages += 1;
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
    pub(crate) fn retransmission(&mut self, bytes: u64, delay: Duration) -> Duration {
        let loss = self.network.packet_loss;
        let is_lost = loss > 0.0 && self.rng.f64() > (1.0 - loss).powi(bytes.div_ceil(PACKET) as i32);
        if is_lost { delay * 2 } else { Duration::ZERO }
    }

    /// When a message that is sent now arrives over this path.
    pub(crate) fn arrival(&mut self, link: LinkNo, delay: Duration) -> Time {
        let late = self.lateness(delay);
        let blocked = self.links.get(&link).map_or(Time::ZERO, |ends| ends.blocked_until);
        if blocked > self.now { blocked + delay + late } else { self.now + delay + late }
    }

    /// When a control frame that is sent now arrives: the control stream keeps its order.
    pub(crate) fn arrival_in_order(&mut self, link: LinkNo, side: Side, delay: Duration) -> Time {
        let at = self.arrival(link, delay);
        let Some(ends) = self.links.get_mut(&link) else { return at };
        let last = &mut ends.control_at[side.at()];
        *last = at.max(*last);
        *last
    }

    /// Both ends learn at once that the connection is gone.
    pub(crate) fn cut(&mut self, link: LinkNo) {
        for side in [Side::Dialer, Side::Acceptor] {
            self.queue.push(self.now, Step::ClosedAt(link, side, None));
        }
    }

    /// Starts a partition: connections across it stand still, and end if it lasts as long as the idle timeout.
    pub(crate) fn split(&mut self, side: u64, until: Time) {
        self.counts.partitions += 1;
        self.partition = Some((side, until));
        let across: Vec<LinkNo> = self
            .links
            .iter()
            .filter(|(_, ends)| is_across(side, ends.peers[0], ends.peers[1]))
            .map(|(&link, _)| link)
            .collect();
        for link in across {
            if let Some(ends) = self.links.get_mut(&link) {
                ends.blocked_until = until;
            }
            if until.since(self.now) >= IDLE {
                for side in [Side::Dialer, Side::Acceptor] {
                    self.queue.push(self.now + IDLE, Step::ClosedAt(link, side, None));
                }
            }
        }
    }

    pub(crate) fn is_split(&self, one: PeerNo, other: PeerNo) -> bool {
        self.partition.is_some_and(|(side, until)| self.now < until && is_across(side, one, other))
    }

    /// Moves the peer to another address: its paths are silent while they are validated anew, and have other delays
    /// afterwards.
    pub(crate) fn rebind(&mut self, no: PeerNo, delay: Duration) {
        self.counts.rebinds += 1;
        self.peers[no].plan.delay = delay;
        for (link, side) in self.links_of(no) {
            let other = self.links[&link].peer(side.other());
            let one_way = delay + self.peers[other].plan.delay;
            let now = self.now;
            if let Some(ends) = self.links.get_mut(&link) {
                ends.delay = one_way;
                ends.blocked_until = ends.blocked_until.max(now + one_way * 3 + ms(100));
            }
            for side in [side, side.other()] {
                let rtt = Input::Rtt { conn: conn_of(link, side), rtt: one_way * 2 };
                let no = self.links[&link].peer(side);
                self.queue.push(now + one_way * 4, Step::Tell(no, self.peers[no].run, rtt));
            }
        }
    }

    /// Turns the request, or the piece of an answer, that `reset_at` names into a reset of its stream.
    pub(crate) fn perhaps_reset(&mut self, step: Step) -> Step {
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

    /// Counts a message on its arrival; breaks its connection if `cut_at` names its number.
    pub(crate) fn message(&mut self, link: LinkNo) {
        self.messages += 1;
        if self.cut_at.first() == Some(&self.messages) {
            self.cut_at.remove(0);
            self.counts.cuts += 1;
            self.cut(link);
        }
    }
}

fn is_across(side: u64, one: PeerNo, other: PeerNo) -> bool {
    (side >> (one % 64) & 1) != (side >> (other % 64) & 1)
}
