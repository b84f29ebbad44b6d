//! Senders, one link and the events between them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use minimodel_swarm::congestion::DelayController;

use super::cubic::Cubic;
use super::link::{Link, Path};
use super::receiver::Receiver;
use super::sender::{Control, Next, Sender};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Wake(usize),
    Alarm(usize),
    Arrive(usize, u64),
    Late(usize),
    Acked(usize, Vec<u64>),
}

#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) link: Link,
    pub(crate) senders: Vec<Sender>,
    receivers: Vec<Receiver>,
    pub(crate) now: Duration,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    counter: u64,
}

/// More bytes than any simulated flow sends.
pub(crate) const ENDLESS: u64 = 1 << 50;

impl Network {
    pub(crate) fn new(path: Path, seed: u64) -> Self {
        Self {
            link: Link::new(path, seed),
            senders: Vec::new(),
            receivers: Vec::new(),
            now: Duration::ZERO,
            events: BinaryHeap::new(),
            counter: 0,
        }
    }

    pub(crate) fn own(&mut self, starts: Duration, bytes: u64) -> usize {
        let controller = DelayController::new(starts, self.link.path.mtu, 14_720);
        self.add(Control::Own(Box::new(controller)), starts, bytes)
    }

    pub(crate) fn cubic(&mut self, starts: Duration, bytes: u64) -> usize {
        let cubic = Cubic::new(self.link.path.mtu);
        self.add(Control::Cubic(cubic), starts, bytes)
    }

    fn add(&mut self, control: Control, starts: Duration, bytes: u64) -> usize {
        self.senders.push(Sender::new(control, self.link.path.mtu, starts, bytes));
        self.receivers.push(Receiver::default());
        let flow = self.senders.len() - 1;
        self.at(starts, Event::Wake(flow));
        flow
    }

    /// Adds `bytes` to what a sender has to send.
    pub(crate) fn feed(&mut self, flow: usize, bytes: u64) {
        self.senders[flow].left += bytes;
        self.at(self.now, Event::Wake(flow));
    }

    fn at(&mut self, at: Duration, event: Event) {
        self.counter += 1;
        self.events.push(Reverse((at, self.counter, event)));
    }

    pub(crate) fn run_until(&mut self, end: Duration) {
        while self.events.peek().is_some_and(|Reverse((at, ..))| *at <= end) {
            let Some(Reverse((now, _, event))) = self.events.pop() else { break };
            self.now = now;
            self.handle(event);
        }
        self.now = end;
    }

    /// Runs until the sender's data is delivered, at most a minute; returns how long that took.
    pub(crate) fn finish(&mut self, flow: usize) -> Duration {
        let step = Duration::from_millis(10);
        while self.senders[flow].finished.is_none() && self.now < Duration::from_secs(60) {
            self.run_until(self.now + step);
        }
        self.senders[flow].finished.expect("it never finished") - self.senders[flow].starts
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Wake(flow) => self.send(flow),
            Event::Alarm(flow) => {
                if self.senders[flow].alarm().is_some_and(|at| at <= self.now) {
                    self.senders[flow].ring(self.now);
                    self.send(flow);
                    self.set_alarm(flow);
                }
            }
            Event::Arrive(flow, number) => {
                if self.receivers[flow].arrived(self.now, number) {
                    self.acknowledge(flow);
                } else if let Some(by) = self.receivers[flow].ack_by {
                    self.at(by, Event::Late(flow));
                }
            }
            Event::Late(flow) => {
                if self.receivers[flow].ack_by.is_some_and(|by| by <= self.now) {
                    self.acknowledge(flow);
                }
            }
            Event::Acked(flow, numbers) => {
                self.senders[flow].acked(self.now, &numbers);
                self.send(flow);
                self.set_alarm(flow);
            }
        }
    }

    fn acknowledge(&mut self, flow: usize) {
        let arrives = self.link.carry_back(self.now);
        let numbers = self.receivers[flow].acknowledge(arrives.is_none());
        if let Some(at) = arrives {
            self.at(at, Event::Acked(flow, numbers));
        }
    }

    fn set_alarm(&mut self, flow: usize) {
        if let Some(at) = self.senders[flow].alarm() {
            self.at(at.max(self.now + Duration::from_micros(100)), Event::Alarm(flow));
        }
    }

    fn send(&mut self, flow: usize) {
        let was_empty = self.senders[flow].alarm().is_none();
        loop {
            match self.senders[flow].poll(self.now) {
                Next::Send => {
                    let number = self.senders[flow].send(self.now);
                    if let Some(at) = self.link.carry(self.now, self.senders[flow].mtu) {
                        self.at(at, Event::Arrive(flow, number));
                    }
                }
                Next::Wait(until) => {
                    self.at(until, Event::Wake(flow));
                    break;
                }
                Next::Blocked => break,
            }
        }
        if was_empty {
            self.set_alarm(flow);
        }
    }

    /// Bytes a second that a sender delivered between two moments.
    pub(crate) fn rate(&self, flow: usize, from: Duration, to: Duration) -> f64 {
        let tenth = |at: Duration| (at.as_millis() / 100) as usize;
        let tenths = &self.senders[flow].tenths;
        let range = tenth(from).min(tenths.len())..tenth(to).min(tenths.len());
        tenths[range].iter().sum::<u64>() as f64 / (to - from).as_secs_f64()
    }
}
