//! Network faults: jitter, loss, partitions, new addresses, and connections that break at any message.
//!
//! Streams are reliable: a lost packet is a late one, and what was sent behind it on the same stream waits for it.

use std::time::Duration;

use minimodel_swarm::machine::{Input, Time};

use super::connections::conn_of;
use super::peer::{LinkNo, PeerNo};
use super::process::IDLE;
use super::step::{Side, Step};
use super::world::{World, ms};

/// Quality of the paths of a world.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weather {
    /// Largest extra delay of a message.
    pub(super) jitter: Duration,
    /// Of a thousand messages, so many are lost once and sent again.
    pub(super) lost_of_1000: u32,
    /// So many of them are lost twice.
    pub(super) lost_twice_of_1000: u32,
}

impl World {
    /// Extra delay of a message, besides the path's own delay.
    pub(super) fn lateness(&mut self, delay: Duration) -> Duration {
        let Weather { jitter, lost_of_1000, lost_twice_of_1000 } = self.weather;
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

    /// When a message that is sent now arrives over this path.
    pub(super) fn arrival(&mut self, link: LinkNo, delay: Duration) -> Time {
        let late = self.lateness(delay);
        let blocked = self.links.get(&link).map_or(Time::ZERO, |ends| ends.blocked_until);
        if blocked > self.now { blocked + delay + late } else { self.now + delay + late }
    }

    /// When a control frame that is sent now arrives: the control stream keeps its order.
    pub(super) fn arrival_in_order(&mut self, link: LinkNo, side: Side, delay: Duration) -> Time {
        let at = self.arrival(link, delay);
        let Some(ends) = self.links.get_mut(&link) else { return at };
        let last = &mut ends.control_at[usize::from(side == Side::Acceptor)];
        *last = at.max(*last);
        *last
    }

    /// Both ends learn at once that the connection is gone.
    pub(super) fn cut(&mut self, link: LinkNo) {
        for side in [Side::Dialer, Side::Acceptor] {
            self.queue.push(self.now, Step::ClosedAt(link, side, None));
        }
    }

    /// Starts a partition: connections across it stand still, and end if it lasts as long as the idle timeout.
    pub(super) fn split(&mut self, side: u64, until: Time) {
        self.counts.partitions += 1;
        self.partition = Some((side, until));
        let across: Vec<LinkNo> = self
            .links
            .iter()
            .filter(|(_, ends)| is_across(side, ends.dialer, ends.acceptor))
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

    pub(super) fn is_split(&self, one: PeerNo, other: PeerNo) -> bool {
        self.partition.is_some_and(|(side, until)| self.now < until && is_across(side, one, other))
    }

    /// Moves the peer to another address: its paths are silent while they are validated anew, and have other delays
    /// afterwards.
    pub(super) fn rebind(&mut self, no: PeerNo, delay: Duration) {
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
    pub(super) fn perhaps_reset(&mut self, step: Step) -> Step {
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
    pub(super) fn message(&mut self, link: LinkNo) {
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
