//! Processes that start, end, are killed, lose power, and meet the failures of their own disk.

use std::collections::BTreeSet;
use std::time::Duration;

use minimodel_swarm::machine::{Config, Controls, Input, KeepOutcome, Machine, Req, Time};
use minimodel_swarm::store::Crash;
use minimodel_wire::{Bitfield, CloseCode, PeerId};

use crate::artifact::Payload;
use crate::config::{UNIX_AT_START, config};
use crate::keys::{id_of, offer_of};
use crate::peer::PeerNo;
use crate::plan::{Behaviour, Plan};
use crate::record::Counts;
use crate::step::{Scripted, Step};
use crate::storage::Storage;
use crate::store::{Found, Trouble};
use crate::world::{World, ms, secs};

/// QUIC's idle timeout: how long a side waits for a peer that vanished without a close.
pub(crate) const IDLE: Duration = Duration::from_secs(30);
/// Time after which the user runs a program again that ended with an error.
const RUN_AGAIN: Duration = Duration::from_millis(1_500);
const MOMENT: Duration = Duration::from_millis(500);

impl World {
    /// Opens the disk as a starting process does, and returns what it finds.
    pub(crate) fn look_at(&self, storage: &mut Storage, plan: &Plan) -> Result<Found, String> {
        match storage {
            Storage::Numbers(chunks) => Ok(Found {
                have: chunks.iter().copied().collect(),
                rescan: !plan.unrecorded.is_empty(),
                ..Found::default()
            }),
            Storage::Store(store) => store.open().map_err(|trouble| match trouble {
                Trouble::Disk(what) => what,
                Trouble::Broken(what) => self.fail(&what),
            }),
        }
    }

    pub(crate) fn machine(&mut self, no: PeerNo, plan: &Plan, found: &Found) -> Machine {
        let mut have = Bitfield::new(self.terms.chunk_count);
        for &index in &found.have {
            have.set(index);
        }
        let terms = plan.other.bend(self.terms.clone(), &mut have);
        let config = Config {
            controls: Controls { allow: plan.allow.clone(), ..Controls::default() },
            offer: Some(offer_of(no, self.terms.swarm_id)),
            order: plan.order,
            rescan: found.rescan,
            listening: plan.listening,
            seed: self.rng.u64(..),
            unix_at_start: UNIX_AT_START.saturating_add_signed(plan.clock_is_off_by),
            limits: plan.limits.clone(),
            ..config(id_of(no), terms, plan.consent)
        };
        // Bans of earlier runs, as the program's own record of bans carries them into the next run.
        let day = Time::after_start(secs(24 * 3_600));
        Machine::new(config, have, found.banned.iter().map(|&peer| (peer, day)).collect())
    }

    /// Does now what a scenario would do later.
    pub fn scripted(&mut self, what: Scripted) {
        self.record.script(self.now, &what);
        match what {
            Scripted::Stop(no) => {
                self.tell(no, Input::Stop(CloseCode::ShuttingDown));
                self.end(no, None, None);
            }
            Scripted::Kill(no) => {
                self.count(no, |counts| &mut counts.kills);
                self.end(no, Some(IDLE), Some(Crash::Kill));
            }
            Scripted::PowerLoss(no, seed) => {
                self.count(no, |counts| &mut counts.power_losses);
                let crash = seed.map_or(Crash::LoseUnsynced, |seed| Crash::Torn { seed });
                self.end(no, Some(IDLE), Some(crash));
            }
            Scripted::Forget(no) => {
                self.scripted(Scripted::Stop(no));
                self.peers[no].storage.numbers().expect("forgets its numbers").clear();
                self.scripted(Scripted::Restart(no));
            }
            Scripted::Restart(no) => self.restart(no),
            Scripted::Cut(no) => {
                self.counts.cuts += 1;
                for (link, _) in self.paths.ends_of(no) {
                    self.cut(link);
                }
            }
            Scripted::Suspend(no, until) => self.suspend(no, until),
            Scripted::Lose(no, index) => {
                self.peers[no].storage.numbers().expect("loses a number").remove(&index);
                self.tell(no, Input::ChunkLost { index });
            }
            Scripted::FailCall(no, after, kind) => {
                if let Some(store) = self.peers[no].storage.store() {
                    self.counts.disk_faults += u64::from(store.disk.fail_call(after, kind));
                }
            }
            Scripted::Room(no, room) => {
                if let Some(store) = self.peers[no].storage.store() {
                    store.disk.limit(room);
                    self.counts.disk_faults += u64::from(room.is_some());
                }
            }
            Scripted::Rate(no, rate) => self.peers[no].plan.up = rate,
            Scripted::StallDisk(no, until) => {
                self.counts.stalls += 1;
                self.peers[no].disk_free_at = self.peers[no].disk_free_at.max(until);
            }
            Scripted::Rot(no, index) => {
                if let Some(store) = self.peers[no].storage.store().filter(|store| !store.is_open()) {
                    self.counts.rotten += u64::from(store.rot(index));
                }
            }
            Scripted::RotShare(no, index) => {
                let store = self.peers[no].storage.store().expect("a whole world");
                self.peers[no].is_rotten |= store.rot(index);
            }
            Scripted::SetClock(no, seconds) => {
                self.counts.clock_jumps += 1;
                self.peers[no].plan.clock_is_off_by = seconds;
                if self.peers[no].process.online {
                    let unix = UNIX_AT_START + self.now.since_start().as_secs();
                    self.tell(no, Input::Calendar { unix: unix.saturating_add_signed(seconds) });
                }
            }
            Scripted::Split(side, until) => self.split(side, until),
            Scripted::Rebind(no, delay) => self.rebind(no, delay),
        }
    }

    fn count(&mut self, no: PeerNo, which: impl Fn(&mut Counts) -> &mut u64) {
        if self.peers[no].process.online {
            *which(&mut self.counts) += 1;
        }
    }

    fn restart(&mut self, no: PeerNo) {
        // A process that waits for its time to join has its files open already.
        let is_open = self.peers[no].storage.store().is_some_and(|store| store.is_open());
        if self.peers[no].process.online || is_open {
            return;
        }
        let plan = self.peers[no].plan.clone();
        let mut storage = std::mem::replace(&mut self.peers[no].storage, Storage::Numbers(BTreeSet::new()));
        let found = self.look_at(&mut storage, &plan);
        self.peers[no].storage = storage;
        let found = match found {
            Ok(found) => found,
            Err(what) => {
                self.record.note(self.now, no, &what);
                self.peers[no].tally.disk_failures += 1;
                self.peers[no].storage.store().expect("it failed").crash(Crash::Kill);
                self.queue.push(self.now + RUN_AGAIN, Step::Scripted(Scripted::Restart(no)));
                return;
            }
        };
        self.peers[no].machine = self.machine(no, &plan, &found);
        self.peers[no].process.run += 1;
        self.peers[no].process.tick_at = None;
        self.peers[no].disk_free_at = self.now;
        if found.is_finished {
            self.peers[no].tally.complete_at.get_or_insert(self.now);
        }
        self.queue.push(self.now, Step::Join(no, self.peers[no].process.run));
    }

    pub(crate) fn join(&mut self, no: PeerNo, run: u32) {
        if self.peers[no].process.run != run {
            return;
        }
        self.peers[no].process.online = true;
        for known in self.peers[no].plan.knows.clone() {
            self.tell(no, Input::Source(offer_of(known, self.terms.swarm_id)));
        }
        // A seeder knows no other peer: it begins by waiting.
        self.tell(no, Input::Tick);
        if let Some(store) = self.peers[no].storage.store() {
            if store.is_complete() {
                self.queue.push(self.now + ms(1), Step::Finish(no, run));
            }
            self.queue.push(self.now + MOMENT, Step::Moment(no, run));
        }
    }

    fn suspend(&mut self, no: PeerNo, until: Time) {
        if self.peers[no].process.suspended_until > self.now {
            // A process that is suspended already is not suspended again; the steps that wait for its wake-up stay in
            // order.
            return;
        }
        self.counts.suspends += 1;
        self.peers[no].process.suspended_until = until;
        if until.since(self.now) >= IDLE {
            for (link, side) in self.paths.ends_of(no) {
                self.queue.push(until, Step::ClosedAt(link, side, None));
                self.queue.push(self.now + IDLE, Step::ClosedAt(link, side.other(), None));
            }
        }
    }

    /// Ends the process, after closing its files (`crash` is `None`) or not.
    fn end(&mut self, no: PeerNo, noticed_after: Option<Duration>, crash: Option<Crash>) {
        let is_online = self.peers[no].process.online;
        if let Some(store) = self.peers[no].storage.store().filter(|_| is_online) {
            match crash {
                None => store.close(),
                Some(crash) => store.crash(crash),
            }
        }
        self.peers[no].process.online = false;
        for (link, side) in self.paths.ends_of(no) {
            self.forget_end(link, side);
            if let Some(after) = noticed_after {
                self.queue.push(self.now + after, Step::ClosedAt(link, side.other(), None));
            }
        }
    }

    /// Writes a chunk to the store; the verdict follows when the disk is done with it.
    pub(crate) fn keep(&mut self, no: PeerNo, req: Req, index: u32, from: PeerId) {
        let Some(download) = self.peers[no].requests.downloads.remove(&req) else {
            self.fail(&format!("{no} keeps {req:?}, which never arrived"));
        };
        let (now, run, len) = (self.now, self.peers[no].process.run, u64::from(self.terms.chunk_len(index)));
        let is_bad =
            download.corrupt || download.payload.as_ref().is_some_and(|payload| self.is_bad(index, payload));
        let is_hog = self.peers[no].plan.behaviour == Behaviour::Hog;
        let mut failed = false;
        let outcome = match (&mut self.peers[no].storage, &download.payload) {
            (Storage::Store(store), Some(payload)) => match store.keep(index, payload, from, now) {
                Ok(outcome) => outcome,
                Err(Trouble::Broken(what)) => self.fail(&format!("{no}: {what}")),
                Err(Trouble::Disk(what)) => {
                    self.record.note(now, no, &what);
                    failed = true;
                    KeepOutcome::DiskFailed
                }
            },
            (Storage::Store(_), None) => self.fail(&format!("{no} keeps chunk {index} without its bytes")),
            (Storage::Numbers(_), _) if is_bad => KeepOutcome::BadProof { got: [0; 32] },
            (Storage::Numbers(chunks), _) => {
                if !is_hog {
                    chunks.insert(index);
                }
                KeepOutcome::Kept
            }
        };
        if let KeepOutcome::BadProof { .. } = outcome {
            self.peers[no].tally.wasted_bytes += len;
        }
        let keep_time = self.settings.keep_time;
        let at = match self.peers[no].storage {
            Storage::Numbers(_) => now + keep_time,
            // A single thread writes.
            Storage::Store(_) => {
                let free = &mut self.peers[no].disk_free_at;
                *free = (*free).max(now) + keep_time;
                *free
            }
        };
        self.queue.push(at, Step::Verdict(no, run, req, outcome));
        if failed {
            self.queue.push(at, Step::DiskFailed(no, run));
        }
        if is_hog {
            self.queue.push(at, Step::Tell(no, run, Input::ChunkLost { index }));
        }
    }

    pub(crate) fn is_bad(&self, index: u32, payload: &Payload) -> bool {
        self.artifact.is_some_and(|artifact| !artifact.is_good(index, payload))
    }

    /// Whether this run of the process still goes on.
    pub(crate) fn runs(&self, no: PeerNo, run: u32) -> bool {
        self.peers[no].process.run == run && self.peers[no].process.online
    }

    pub(crate) fn disk_failed(&mut self, no: PeerNo, run: u32) {
        if self.runs(no, run) {
            self.peers[no].tally.disk_failures += 1;
            self.scripted(Scripted::Stop(no));
            self.queue.push(self.now + RUN_AGAIN, Step::Scripted(Scripted::Restart(no)));
        }
    }

    /// The result of a store operation: a broken invariant fails the test, a disk failure ends the process.
    fn checked<T>(&mut self, no: PeerNo, answer: Result<T, Trouble>) -> Option<T> {
        match answer {
            Ok(done) => Some(done),
            Err(Trouble::Broken(what)) => self.fail(&format!("{no}: {what}")),
            Err(Trouble::Disk(what)) => {
                self.record.note(self.now, no, &what);
                self.queue.push(self.now, Step::DiskFailed(no, self.peers[no].process.run));
                None
            }
        }
    }

    pub(crate) fn moment(&mut self, no: PeerNo, run: u32) {
        let now = self.now;
        if !self.runs(no, run) {
            return;
        }
        let answer = self.peers[no].storage.store().map_or(Ok(()), |store| store.moment(now));
        self.checked(no, answer);
        self.queue.push(now + MOMENT, Step::Moment(no, run));
    }

    pub(crate) fn finish(&mut self, no: PeerNo, run: u32) {
        if !self.runs(no, run) {
            return;
        }
        let answer = self.peers[no].storage.store().map_or(Ok(true), |store| store.finish());
        match self.checked(no, answer) {
            Some(true) => self.is_done(no),
            // The file has its final name, and the exit code says that a copy is missing: the user runs the program
            // again.
            Some(false) => self.queue.push(self.now, Step::DiskFailed(no, run)),
            None => {}
        }
    }

    fn is_done(&mut self, no: PeerNo) {
        self.peers[no].tally.complete_at.get_or_insert(self.now);
        if let Some(after) = self.peers[no].plan.lingers {
            self.queue.push(self.now + after, Step::Scripted(Scripted::Stop(no)));
        }
    }

    /// Handles the machine's last chunk. A real store needs a moment to finish the file.
    pub(crate) fn completed(&mut self, no: PeerNo) {
        match self.peers[no].storage {
            Storage::Numbers(_) => self.is_done(no),
            Storage::Store(_) => {
                self.queue.push(self.now + ms(2), Step::Finish(no, self.peers[no].process.run));
            }
        }
    }

    pub(crate) fn rescan(&mut self, no: PeerNo) {
        self.peers[no].tally.rescans += 1;
        self.counts.rescans += 1;
        let unrecorded = self.peers[no].plan.unrecorded.clone();
        let answer = match &mut self.peers[no].storage {
            Storage::Numbers(chunks) => {
                chunks.extend(&unrecorded);
                Ok(unrecorded)
            }
            Storage::Store(store) => store.rescan(),
        };
        let have = self.checked(no, answer).unwrap_or_default();
        let rescanned = Step::Tell(no, self.peers[no].process.run, Input::Rescanned { have });
        self.queue.push(self.now + ms(50), rescanned);
    }

    pub(crate) fn blame(&mut self, no: PeerNo, peer: PeerId, index: u32, got: [u8; 32]) {
        let answer = self.peers[no].storage.store().map_or(Ok(()), |store| store.blame(peer, index, got));
        self.checked(no, answer);
    }

    /// Asserts that every file under a final name is the whole artifact, and that every peer that completed has one.
    pub fn check_ends(&mut self) {
        for no in 0..self.peers.len() {
            let is_complete = self.is_complete(no);
            if self.peers[no].is_rotten {
                continue;
            }
            let Some(store) = self.peers[no].storage.store() else { continue };
            match store.check_end() {
                Ok(is_there) if is_there || !is_complete => {}
                Ok(_) => self.fail(&format!("{no} is done and has no file")),
                Err(Trouble::Broken(what) | Trouble::Disk(what)) => self.fail(&format!("{no}: {what}")),
            }
        }
    }
}
