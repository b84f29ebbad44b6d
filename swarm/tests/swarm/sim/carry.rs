//! The driver of each machine: every input goes in here, every output is carried out here, every step is checked.

use minimodel_swarm::machine::{Event, Input, KeepOutcome, Output, Req};

use super::connections::end_of;
use super::peer::{Download, PeerNo};
use super::step::{Scripted, Step, Wanted};
use super::world::{World, ms};

impl World {
    pub(super) fn tell(&mut self, no: PeerNo, input: Input) {
        let now = self.now;
        self.record.input(now, no, &input);
        let peer = &mut self.peers[no];
        if !peer.online {
            return;
        }
        peer.machine.handle(now, input);
        let mut outputs = 0;
        while let Some(output) = self.peers[no].machine.poll() {
            self.record.output(now, no, &output);
            self.carry_out(no, output);
            outputs += 1;
            if outputs > 20_000 {
                self.fail(&format!("{no} has no end of outputs"));
            }
        }
        self.check(no);
        if let Some(at) = self.peers[no].machine.wakeup() {
            if at <= now {
                self.fail(&format!("{no} wants to be called at {:?}, which is not later", at.since_start()));
            }
            if self.peers[no].tick_at.is_none_or(|old| at < old) {
                self.peers[no].tick_at = Some(at);
                self.queue.push(at, Step::Tick(no));
            }
        }
    }

    fn check(&self, no: PeerNo) {
        let peer = &self.peers[no];
        if !peer.is_honest() || !self.record.steps.is_multiple_of(self.check_every) {
            return;
        }
        if let Err(what) = peer.machine.check_invariants() {
            self.fail(&format!("invariant of {no}: {what}"));
        }
        if let Some(index) = peer.machine.have().iter_ones().find(|index| !peer.disk.contains(index)) {
            self.fail(&format!("{no} believes in chunk {index}, which is not on its disk"));
        }
    }

    pub(super) fn tick(&mut self, no: PeerNo) {
        // A sleeping process is called late.
        if self.peers[no].tick_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.peers[no].tick_at = None;
        self.tell(no, Input::Tick);
    }

    fn carry_out(&mut self, no: PeerNo, output: Output) {
        match output {
            Output::Dial { peer, addresses } => self.dial(no, peer, &addresses),
            Output::Send { conn, frame } => self.send(no, conn, frame),
            Output::Close { conn, code } => {
                let (link, side) = end_of(conn);
                if self.is_open(link, side) {
                    self.close_end(link, side, Some(code));
                }
            }
            Output::Request { conn, req, index } => self.request(no, conn, req, index),
            Output::Cancel { req } => self.cancel(no, req),
            Output::Discard { req } => {
                self.peers[no].downloads.remove(&req);
            }
            Output::Keep { req, index, .. } => {
                let Some(download) = self.peers[no].downloads.remove(&req) else {
                    self.fail(&format!("{no} keeps {req:?}, which never arrived"));
                };
                let verdict = Step::Verdict(no, self.peers[no].run, req, index, download.corrupt);
                self.queue.push(self.now + self.keep_time, verdict);
            }
            Output::RequestLeaves { conn, req, .. } => {
                let (link, side) = end_of(conn);
                if let Some(delay) = self.delay(link, side) {
                    let download = Download { link, index: u32::MAX, received: 0, corrupt: false };
                    self.peers[no].downloads.insert(req, download);
                    self.queue.push(self.now + delay, Step::AskIn(link, side.other(), req, Wanted::Leaves));
                }
            }
            Output::Rescan => {
                let peer = &mut self.peers[no];
                peer.tally.rescans += 1;
                let have = peer.plan.unrecorded.clone();
                peer.disk.extend(&have);
                let input = Input::Rescanned { have };
                self.queue.push(self.now + ms(50), Step::Tell(no, self.peers[no].run, input));
            }
            Output::Serve { ask, index } => {
                if !self.peers[no].disk.contains(&index) && self.peers[no].is_honest() {
                    self.fail(&format!("{no} serves chunk {index}, which it lacks"));
                }
                self.serve(no, ask, index);
            }
            Output::ServeLeaves { ask } => self.serve_leaves(no, ask),
            Output::ServeManifest { .. } => self.fail("nobody here asks for a manifest"),
            Output::Refuse { ask, code } => self.refuse(no, ask, code),
            Output::Event(event) => self.note(no, &event),
        }
    }

    pub(super) fn verdict(&mut self, no: PeerNo, run: u32, req: Req, index: u32, corrupt: bool) {
        if self.peers[no].run != run || !self.peers[no].online {
            return;
        }
        let outcome = if corrupt {
            KeepOutcome::BadProof { got: [0; 32] }
        } else {
            self.peers[no].disk.insert(index);
            KeepOutcome::Kept
        };
        self.tell(no, Input::Kept { req, outcome });
    }

    fn note(&mut self, no: PeerNo, event: &Event) {
        let now = self.now;
        let stops = self.peers[no].plan.stops_when_complete;
        let tally = &mut self.peers[no].tally;
        match *event {
            Event::Joined { peer, .. } => tally.joined.push((peer, now)),
            Event::Left { peer, code } => tally.left.push((peer, code, now)),
            Event::Refused { peer, code, by_peer } => tally.refused.push((peer, code, by_peer)),
            Event::WrongKey { expected, found } => tally.wrong_keys.push((expected, found)),
            Event::Unreachable { .. } | Event::Uploaded { .. } => {}
            Event::Chunk { peer, .. } => *tally.chunks_from.entry(peer).or_default() += 1,
            Event::Banned { peer, breach, .. } => tally.banned.push((peer, breach, now)),
            Event::Struck { peer, breach } => tally.struck.push((peer, breach, now)),
            Event::Complete => {
                tally.complete_at.get_or_insert(now);
                if stops {
                    self.queue.push(now, Step::Scripted(Scripted::Stop(no)));
                }
            }
            Event::Exhausted => {
                tally.exhausted_at.get_or_insert(now);
            }
        }
    }

    pub(super) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}
