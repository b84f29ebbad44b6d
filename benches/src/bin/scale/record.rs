//! A hash over the inputs of all machines: two runs with one seed must give the same hash.

use minimodel_swarm::machine::{Input, Time};

use super::world::No;

#[derive(Default)]
pub(super) struct Record(u64);

impl Record {
    pub(super) fn hash(&self) -> u64 {
        self.0
    }

    pub(super) fn input(&mut self, now: Time, no: No, input: &Input) {
        let (kind, number) = match input {
            Input::Source(_) => (1, 0),
            Input::Connected { conn, .. } => (2, conn.0),
            Input::DialFailed { .. } => (3, 0),
            Input::Closed { conn, .. } => (4, conn.0),
            Input::Frame { conn, .. } => (5, conn.0),
            Input::Progress { req, received } => (6, req.0 ^ received << 32),
            Input::Arrived { req } => (7, req.0),
            Input::Failed { req, .. } => (8, req.0),
            Input::Kept { req, .. } => (9, req.0),
            Input::Asked { ask, index, .. } => (10, ask.0 ^ u64::from(*index) << 40),
            Input::Served { ask, .. } => (11, ask.0),
            _ => (12, 0),
        };
        for number in [now.since_start().as_micros() as u64, u64::from(no) << 8 | kind, number] {
            self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }
}
