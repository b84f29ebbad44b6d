//! What is due from time to time: samples, snapshots, and a look at the calendar.

use std::time::Instant;

use minimodel_wire::Bitfield;

use super::report::{Losses, Snapshot};
use super::samples::{Moment, Traffic};
use super::session::Session;
use crate::machine::{Input, Progress, Time};

impl Session {
    /// Judges the interval since the last sample.
    pub(super) fn sample(&mut self) {
        let (now, machine) = (self.now(), &self.machine);
        self.links.retell_observed();
        let peers = self.links.sample(now, |conn| machine.peer_state(conn));
        self.links.probe(&peers);
        let moment = Moment {
            bytes: self.traffic(),
            have: machine.have().ones(),
            is_whole: machine.have().is_full(),
            work: machine.work(),
            is_rescanning: self.downloading.is_rescanning(),
            is_down_withheld: self.downloading.has_withheld(),
            is_up_withheld: self.serving.has_withheld(),
            reading: self.serving.reading(),
        };
        let at = Instant::now();
        if self.samples.add(at, &moment, peers) {
            // The user's own limits cause this silence: it does not count towards a stall.
            self.silence.excuse_until(at);
        }
    }

    /// Sends a snapshot to the observer.
    pub(super) fn report_snapshot(&mut self) {
        let have = self.machine.have().clone();
        self.report_snapshot_with(&have);
    }

    /// Sends a snapshot in which just these chunks are proven and on disk: the machine does not learn of a chunk that is
    /// kept after its end.
    pub(super) fn report_snapshot_with(&mut self, have: &Bitfield) {
        let (now, bytes) = (self.now(), self.traffic());
        let (terms, samples) = (self.downloading.terms(), &mut self.samples);
        let rates = samples.rates(now, bytes);
        let snapshot = Snapshot {
            elapsed: samples.at.saturating_duration_since(self.start),
            progress: Progress { have: have.ones(), ..self.machine.progress() },
            have_bytes: Snapshot::have_bytes(terms, have),
            total_bytes: terms.byte_count,
            received_bytes: bytes.received,
            sent_bytes: bytes.sent,
            down_rate: rates.received,
            up_rate: rates.sent,
            idle: samples.idle,
            idle_time: samples.idle_time.clone(),
            busy_time: samples.busy_time,
            peers: samples.peers.iter().filter_map(|sample| self.links.view(sample)).collect(),
            unread: self.serving.being_sent() + self.links.totals().unread(),
            reach: self.links.node().reach(),
            losses: Losses { untold: self.observer.untold(), panics: self.tasks.panics() },
        };
        self.observer.snapshot(snapshot);
    }

    /// Reports the calendar time to the machine when due, and renews the node's own offer in time.
    pub(super) fn look_at_calendar(&mut self) {
        let now = self.now();
        let Some(unix) = self.calendar.look(now.since_start()) else { return };
        self.machine.handle(now, Input::Calendar { unix });
        self.renew_offer(now, unix);
    }

    /// Renews the node's own offer because members see the node at another address than before.
    pub(super) fn renew_moved_offer(&mut self) {
        self.renew_offer(self.now(), self.calendar.unix());
    }

    fn renew_offer(&mut self, now: Time, unix: u64) {
        let Some(renewal) = &mut self.renewal else { return };
        let node = self.links.node();
        if !renewal.begin_look(now, node.moves()) {
            return;
        }
        let signed = renewal.look(now, unix, &node.addresses());
        if let Some(announced) = renewal.announcement(node.unconfirmed()) {
            self.door.set(renewal.whole(), announced.clone());
            self.machine.handle(now, Input::OwnOffer(announced));
        }
        if let Some(offer) = signed {
            self.observer.offer(offer);
        }
    }

    /// Renews the node's own offer soon after this machine's network or its mapping has changed.
    pub(super) fn follow_moves(&mut self) {
        let moves = self.links.node().moves();
        if self.renewal.as_ref().is_some_and(|renewal| renewal.has_moved(moves)) {
            self.renew_moved_offer();
        }
    }

    /// Payload bytes of this session.
    pub(super) fn traffic(&self) -> Traffic {
        let (received, sent) = self.links.totals().bytes();
        Traffic { received, sent }
    }
}
