//! Event queue: steps in the order of their time, and of their number where times are equal; and numbers for what they name.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use minimodel_swarm::machine::Time;

use crate::step::Step;

#[derive(Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<(Time, u64, Entry)>>,
    next: u64,
}

/// Never compared: no two entries have the same number.
struct Entry(Step);

impl PartialEq for Entry {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl Queue {
    pub(crate) fn push(&mut self, at: Time, step: Step) {
        self.heap.push(Reverse((at, self.next, Entry(step))));
        self.next += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<(Time, Step)> {
        self.heap.pop().map(|Reverse((at, _, Entry(step)))| (at, step))
    }

    pub(crate) fn next_at(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }
}

/// Numbers that are used once in a world: of connections, requests, answers and renewed offers.
#[derive(Default)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}
