//! The event queue: steps in the order of their time, and of their number where times are equal.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use minimodel_swarm::machine::{Check, Req, Time};
use minimodel_wire::{CloseCode, Frame, ResetCode, UncheckedOffer};

use super::world::{LinkNo, No, Side};

/// An event of the simulation. A side is always the end at which the event happens.
#[derive(Debug)]
pub(super) enum Step {
    /// The process starts.
    Join(No),
    /// The process closes its connections and ends.
    Leave(No),
    /// The wakeup of a machine is due.
    Tick(No),
    /// The dial of the first peer to the second got no answer.
    Unreachable(No, No),
    /// A handshake is done.
    Connected(LinkNo, Side),
    /// The connection is gone.
    Closed(LinkNo, Side, Option<CloseCode>),
    /// A control frame came.
    Frame(LinkNo, Side, Frame),
    /// The other end asks for a chunk.
    Asked(LinkNo, Side, Req, u32),
    /// The other end withdrew its request.
    Stopped(LinkNo, Side, Req),
    /// The other end refused a request of this end.
    Reset(LinkNo, Side, Req, ResetCode),
    /// The uplink of this peer sent bytes of an answer.
    Sent(No, LinkNo, Req, u32),
    /// Bytes of a chunk came.
    Came(LinkNo, Side, Req, u32),
    /// The other end acknowledged bytes.
    Acked(LinkNo, Side, u32),
    /// A chunk is proven and written.
    Kept(No, Req),
    /// The signature of an offer is checked.
    Checked(No, Check, Box<UncheckedOffer>),
}

/// Steps wait in a slab, so that the heap moves small entries only.
#[derive(Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<(Time, u64, u32)>>,
    steps: Vec<Option<Step>>,
    free: Vec<u32>,
    next: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: Time, step: Step) {
        let slot = self.free.pop().unwrap_or(self.steps.len() as u32);
        match self.steps.get_mut(slot as usize) {
            Some(place) => *place = Some(step),
            None => self.steps.push(Some(step)),
        }
        self.heap.push(Reverse((at, self.next, slot)));
        self.next += 1;
    }

    pub(super) fn pop(&mut self) -> Option<(Time, Step)> {
        let Reverse((at, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        self.steps[slot as usize].take().map(|step| (at, step))
    }
}
