//! The driver of each machine: every input goes in here, every output is carried out here, every step is checked.

use minimodel_swarm::machine::{Breach, Event, Input, KeepOutcome, OfferVerdict, Output, Req};
use minimodel_wire::{Frame, Nat, WireAddress};

use crate::attempts::{Attempt, Met};
use crate::connections::{conn_of, end_of};
use crate::hostile::Mischief;
use crate::peer::{Download, LinkNo, PeerNo};
use crate::plan::Behaviour;
use crate::step::{Side, Step, Wanted};
use crate::world::{World, ms};

/// Where every peer of a world is seen: nothing depends on it there.
const SEEN_AT: ([u8; 4], u16) = ([203, 0, 113, 9], 4433);

impl World {
    pub(crate) fn take(&mut self, step: Step) {
        if let Some(no) = self.whose(&step)
            && self.peers[no].process.suspended_until > self.now
        {
            self.queue.push(self.peers[no].process.suspended_until, step);
            return;
        }
        if let Step::FrameIn(link, ..)
        | Step::AskIn(link, ..)
        | Step::StopIn(link, ..)
        | Step::ResetIn(link, ..)
        | Step::PieceIn(link, ..)
        | Step::LeavesIn(link, ..) = step
        {
            self.message(link);
        }
        let step = self.faults.perhaps_reset(step);
        match step {
            Step::Join(no, run) => self.join(no, run),
            Step::Tick(no) => self.tick(no),
            Step::Tell(no, run, input) => {
                if self.peers[no].process.run == run {
                    self.tell(no, input);
                }
            }
            Step::Verdict(no, run, req, outcome) => self.verdict(no, run, req, outcome),
            Step::Finish(no, run) => self.finish(no, run),
            Step::DiskFailed(no, run) => self.disk_failed(no, run),
            Step::Moment(no, run) => self.moment(no, run),
            Step::Unread(no, flow) => self.unread(no, flow),
            Step::Connected(link, side) => self.connected(link, side),
            Step::Sends(id, is_handshake) => self.sends(id, is_handshake),
            Step::Arrives(id, transit, is_handshake) => self.arrives(id, transit, is_handshake),
            Step::Ends(id) => self.ends(id),
            Step::FrameIn(link, side, frame) => {
                if self.paths.is_open(link, side) {
                    let (no, conn) = (self.paths.links[&link].peer(side), conn_of(link, side));
                    self.tell(no, Input::Frame { conn, frame });
                }
            }
            Step::ClosedAt(link, side, code) => self.closed(link, side, code),
            Step::AskIn(link, side, req, wanted) => self.asked(link, side, req, wanted),
            Step::StopIn(link, side, req) => self.stopped(link, side, req),
            Step::ResetIn(link, side, req, code) => self.reset(link, side, req, code),
            Step::StreamFree(link, side) => self.stream_free(link, side),
            Step::PieceSent(no, flow, link, bytes) => self.piece_sent(no, flow, link, bytes),
            Step::Acked(link, side, bytes) => self.acked(link, side, bytes),
            Step::PieceIn(link, side, piece) => self.piece_in(link, side, piece),
            Step::Drip(no, flow) => self.drip(no, flow),
            Step::LeavesIn(link, side, req, good) => self.leaves_in(link, side, req, good),
            Step::Mischief(link, side) => self.mischief(link, side),
            Step::Scripted(what) => self.scripted(what),
        }
    }

    fn whose(&self, step: &Step) -> Option<PeerNo> {
        match step {
            Step::Tick(no)
            | Step::Join(no, _)
            | Step::Tell(no, ..)
            | Step::Verdict(no, ..)
            | Step::Finish(no, _)
            | Step::DiskFailed(no, _)
            | Step::Moment(no, _)
            | Step::Unread(no, _)
            | Step::PieceSent(no, ..)
            | Step::Drip(no, _) => Some(*no),
            Step::Connected(link, side)
            | Step::FrameIn(link, side, _)
            | Step::ClosedAt(link, side, _)
            | Step::AskIn(link, side, ..)
            | Step::StopIn(link, side, _)
            | Step::ResetIn(link, side, ..)
            | Step::StreamFree(link, side)
            | Step::PieceIn(link, side, _)
            | Step::Acked(link, side, _)
            | Step::LeavesIn(link, side, ..)
            | Step::Mischief(link, side) => self.paths.links.get(link).map(|ends| ends.peer(*side)),
            Step::Scripted(_) | Step::Sends(..) | Step::Arrives(..) | Step::Ends(_) => None,
        }
    }

    pub(crate) fn tell(&mut self, no: PeerNo, input: Input) {
        let now = self.now;
        self.record.input(now, no, &input);
        let peer = &mut self.peers[no];
        if !peer.process.online {
            return;
        }
        peer.machine.handle(now, input);
        let mut outputs = 0;
        while let Some(output) = self.peers[no].machine.poll() {
            if self.settings.is_detailed {
                self.record.output(now, no, &output);
            }
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
            if self.peers[no].process.tick_at.is_none_or(|old| at < old) {
                self.peers[no].process.tick_at = Some(at);
                self.queue.push(at, Step::Tick(no));
            }
        }
    }

    fn check(&self, no: PeerNo) {
        let peer = &self.peers[no];
        if !peer.is_honest() || !self.record.steps.is_multiple_of(self.settings.check_every) {
            return;
        }
        if let Err(what) = peer.machine.check_invariants() {
            self.fail(&format!("invariant of {no}: {what}"));
        }
        // A store that has just found rot shares no chunk any more; its machine learns of it with the next input.
        let lacks = |index: &u32| !peer.storage.has(*index) && !peer.is_rotten;
        if let Some(index) = peer.machine.have().iter_ones().find(lacks) {
            self.fail(&format!("I1: {no} believes in chunk {index}, which is not on its disk"));
        }
        let limits = &peer.plan.limits;
        let most = limits.max_connections + limits.max_guests;
        if peer.machine.progress().peers as usize > most {
            self.fail(&format!("I6: {no} has more than {most} peers"));
        }
        let budget = limits.memory_budget_bytes.max(self.terms.chunk_size.into());
        let in_memory: u64 = peer.requests.downloads.values().map(|download| download.received).sum();
        if in_memory > budget {
            self.fail(&format!("I6: {no} holds {in_memory} bytes of chunks, its budget is {budget}"));
        }
    }

    pub(crate) fn tick(&mut self, no: PeerNo) {
        // A suspended process is called late.
        if self.peers[no].process.tick_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.peers[no].process.tick_at = None;
        self.tell(no, Input::Tick);
    }

    fn carry_out(&mut self, no: PeerNo, output: Output) {
        match output {
            Output::Dial { peer, addresses, pex_addresses } => {
                self.dial(no, peer, &[addresses, pex_addresses].concat());
            }
            Output::Meet { peer, by, addresses, dials, delay } => {
                let run = self.peers[no].process.run;
                for to in addresses {
                    self.meet(Attempt { no, run, peer, by: Some(by), to }, dials, delay);
                }
            }
            Output::Introduce { sides } => self.introduce(no, sides),
            Output::Send { conn, frame } => self.send(no, conn, frame),
            Output::TellObserved { conn } => {
                if let Some(address) = WireAddress::seen(SEEN_AT.into()) {
                    self.send(no, conn, Frame::Observed { address, nat: Nat::Unknown });
                }
            }
            // What members say of a node is judged beside the machine.
            Output::Observed { .. } => {}
            Output::Close { conn, code } => {
                let (link, side) = end_of(conn);
                if self.paths.is_open(link, side) {
                    self.close_end(link, side, Some(code));
                }
            }
            Output::Request { conn, req, index } => self.request(no, conn, req, index),
            Output::Cancel { req } => self.cancel(no, req),
            Output::Discard { req } => {
                self.peers[no].requests.downloads.remove(&req);
            }
            Output::Keep { req, index, peer } => self.keep(no, req, index, peer),
            Output::RequestLeaves { conn, req, first, count } => {
                let (link, side) = end_of(conn);
                if let Some(delay) = self.paths.delay(link, side) {
                    let at = self.arrival(link, delay);
                    let download = Download { asked_at: at, ..Download::new(link, u32::MAX, self.now) };
                    self.peers[no].requests.downloads.insert(req, download);
                    self.queue.push(at, Step::AskIn(link, side.other(), req, Wanted::Leaves(first, count)));
                }
            }
            Output::Rescan => self.rescan(no),
            Output::Reread { index } => self.reread(no, index),
            Output::Serve { ask, index } => {
                // The store finds rotten bytes only when it reads them.
                let is_rotten = self.peers[no].is_rotten;
                if !self.peers[no].storage.has(index) && self.peers[no].is_honest() && !is_rotten {
                    self.fail(&format!("{no} serves chunk {index}, which it lacks"));
                }
                self.serve(no, ask, index);
            }
            Output::ServeLeaves { ask } => self.serve_leaves(no, ask),
            Output::ServeManifest { .. } => self.fail("no peer of a world asks for a manifest"),
            Output::Refuse { ask, code } => self.refuse(no, ask, code),
            Output::CheckOffer { check, offer } => {
                let verdict = offer.check().map_or(OfferVerdict::Forged, OfferVerdict::Good);
                let checked = Input::OfferChecked { check, verdict };
                self.peers[no].tally.offer_checks.push(self.now);
                self.queue.push(self.now + ms(1), Step::Tell(no, self.peers[no].process.run, checked));
            }
            Output::Event(event) => self.note(no, &event),
        }
    }

    pub(crate) fn verdict(&mut self, no: PeerNo, run: u32, req: Req, outcome: KeepOutcome) {
        if self.runs(no, run) {
            self.tell(no, Input::Kept { req, outcome });
        }
    }

    /// I7: only provable breaches are blamed, and an honest peer commits none.
    fn check_blame(&self, no: PeerNo, event: &Event) {
        let (peer, breach, is_ban) = match event {
            Event::Banned { peer, breach, .. } => (peer, breach, true),
            Event::Struck { peer, breach } => (peer, breach, false),
            _ => return,
        };
        let are_honest = self.peers[no].is_honest()
            && self
                .no_of(*peer)
                .is_some_and(|other| self.peers[other].is_honest() && !self.peers[other].is_rotten);
        // Breaches that a bad path alone can cause. Two streams have no common order, so a refusal can overtake the
        // DontHave that was sent before it.
        let is_path = matches!(
            breach,
            Breach::NoAnswer
                | Breach::Trickle
                | Breach::Overdue
                | Breach::BrokeOff
                | Breach::NoHello
                | Breach::NotReading
                | Breach::RefusedAnnounced
        );
        if are_honest && (is_ban || !is_path) {
            self.fail(&format!("I7: {no} blames {peer}, which is honest: {event:?}"));
        }
    }

    fn note(&mut self, no: PeerNo, event: &Event) {
        let now = self.now;
        self.check_blame(no, event);
        match *event {
            Event::Banned { peer, index: Some(index), got: Some(got), .. } => {
                self.blame(no, peer, index, got);
            }
            Event::Complete if self.peers[no].plan.behaviour != Behaviour::Hog => self.completed(no),
            _ => {}
        }
        let tally = &mut self.peers[no].tally;
        match *event {
            Event::Joined { peer, .. } => tally.joined.push((peer, now)),
            Event::Left { peer, code } => tally.left.push((peer, code, now)),
            Event::Refused { peer, code, by_peer } => tally.refused.push((peer, code, by_peer)),
            Event::WrongKey { expected, found } => tally.wrong_keys.push((expected, found)),
            Event::Unreachable { .. } | Event::Uploaded { .. } | Event::Offered(_) => {}
            Event::Met { peer, .. } => self.attempts.end(no, Met { peer, why_not: None, at: now }),
            Event::NotMet { peer, why } => {
                self.attempts.end(no, Met { peer, why_not: Some(why), at: now });
            }
            Event::Chunk { peer, index, .. } => {
                *tally.chunks_from.entry(peer).or_default() += 1;
                if self.settings.is_detailed {
                    tally.kept.push((now, peer, index));
                }
            }
            Event::Banned { peer, breach, .. } => tally.banned.push((peer, breach, now)),
            Event::Struck { peer, breach } => tally.struck.push((peer, breach, now)),
            Event::Complete | Event::NothingGood => {}
            Event::Exhausted => {
                tally.exhausted_at.get_or_insert(now);
            }
        }
    }

    fn mischief(&mut self, link: LinkNo, side: Side) {
        let Some(delay) = self.paths.delay(link, side) else { return };
        let no = self.paths.links[&link].peer(side);
        let turn = Mischief { link, side, no, now: self.now, delay, terms: &self.terms };
        for (at, step) in turn.steps(self.peers[no].plan.behaviour, &mut self.numbers) {
            self.queue.push(at, step);
        }
    }
}
