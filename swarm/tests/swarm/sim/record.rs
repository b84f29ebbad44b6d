//! The log of a run: folded into one number, and printed line by line when a run is replayed.

use std::fmt::Debug;

use minimodel_swarm::machine::{Input, Output, Time};

use super::peer::PeerNo;

/// What happened in a world, for one line of figures.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts {
    pub(super) kills: u64,
    pub(super) power_losses: u64,
    pub(super) disk_faults: u64,
    pub(super) stalls: u64,
    pub(super) rotten: u64,
    pub(super) rescans: u64,
    pub(super) cuts: u64,
    pub(super) partitions: u64,
    pub(super) rebinds: u64,
    pub(super) suspends: u64,
    pub(super) clock_jumps: u64,
    pub(super) lost_messages: u64,
}

#[derive(Default)]
pub(super) struct Record {
    hash: u64,
    pub(super) steps: u64,
    pub(super) is_printed: bool,
}

impl Record {
    /// One number that differs when anything differed.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn input(&mut self, now: Time, peer: PeerNo, input: &Input) {
        self.steps += 1;
        self.line(now, peer, "<-", input);
        self.number(1, now, peer);
        match input {
            Input::Connected { conn, dialed, .. } => self.fold(&[2, conn.0, u64::from(*dialed)]),
            Input::Closed { conn, code } => self.fold(&[3, conn.0, code.map_or(99, u64::from)]),
            Input::Frame { conn, frame } => {
                self.fold(&[4, conn.0]);
                self.bytes(&frame.encode());
            }
            Input::Progress { req, received } => self.fold(&[5, req.0, *received]),
            Input::Arrived { req } => self.fold(&[6, req.0]),
            Input::Failed { req, fault } => self.fold(&[7, req.0, format!("{fault:?}").len() as u64]),
            Input::Kept { req, .. } => self.fold(&[8, req.0]),
            Input::Asked { ask, conn, index } => self.fold(&[9, ask.0, conn.0, (*index).into()]),
            Input::Served { ask, .. } => self.fold(&[10, ask.0]),
            other => self.bytes(format!("{other:?}").as_bytes()),
        }
    }

    /// Something that no machine is told, such as an answer of a disk.
    pub(super) fn note(&mut self, now: Time, peer: PeerNo, what: &str) {
        self.line(now, peer, "--", &what);
        self.number(3, now, peer);
        self.bytes(what.as_bytes());
    }

    pub(super) fn output(&mut self, now: Time, peer: PeerNo, output: &Output) {
        self.line(now, peer, "->", output);
        self.number(2, now, peer);
        match output {
            Output::Send { conn, frame } => {
                self.fold(&[2, conn.0]);
                self.bytes(&frame.encode());
            }
            Output::Request { conn, req, index } => self.fold(&[3, conn.0, req.0, (*index).into()]),
            Output::Cancel { req } => self.fold(&[4, req.0]),
            Output::Keep { req, index, .. } => self.fold(&[5, req.0, (*index).into()]),
            Output::Serve { ask, index } => self.fold(&[6, ask.0, (*index).into()]),
            other => self.bytes(format!("{other:?}").as_bytes()),
        }
    }

    #[expect(clippy::print_stdout, reason = "the log of a replayed run is for people")]
    fn line(&self, now: Time, peer: PeerNo, way: &str, what: &dyn Debug) {
        if self.is_printed {
            let mut text = format!("{what:?}");
            text.truncate(200);
            println!("{:>12.6} {peer:>3} {way} {text}", now.since_start().as_secs_f64());
        }
    }

    fn number(&mut self, kind: u64, now: Time, peer: PeerNo) {
        self.fold(&[kind, now.since_start().as_micros() as u64, peer as u64]);
    }

    fn fold(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.hash = (self.hash.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.fold(&[u64::from_le_bytes(word)]);
        }
        self.fold(&[bytes.len() as u64]);
    }
}
