//! What a session tells the program that runs it: events within their rate limit, snapshots, renewed offers, and bans.

use minimodel_verifier::Digest;
use minimodel_wire::SignedOffer;
use tokio::sync::mpsc;

use super::bans::Ban;
use super::event_limiter::EventLimiter;
use super::report::{Report, Snapshot};
use crate::machine::{Event, Time};

/// The session's side of the channels for reports and bans.
///
/// A receiver of reports that does not keep up misses some of them; the runner of the session gets every event by
/// another way.
pub(super) struct Observer {
    reports: mpsc::Sender<Report>,
    bans: Option<mpsc::UnboundedSender<Ban>>,
    event_limiter: EventLimiter,
    is_stopping: bool,
}

impl Observer {
    pub(super) fn new(reports: mpsc::Sender<Report>, bans: Option<mpsc::UnboundedSender<Ban>>) -> Self {
        Self { reports, bans, event_limiter: EventLimiter::default(), is_stopping: false }
    }

    /// Reports an event, and a ban to its own receiver; `chunk_hash` gives the right hash of a chunk where it is known.
    pub(super) fn event(&mut self, now: Time, event: &Event, chunk_hash: impl FnOnce(u32) -> Option<Digest>) {
        if let (Some(bans), Event::Banned { peer, breach, index, got }) = (&self.bans, event) {
            let expected = index.and_then(chunk_hash);
            // The receiver of bans may be gone at the end of a run; the machine itself knows them.
            let _ = bans.send(Ban { peer: *peer, breach: *breach, index: *index, expected, got: *got });
        }
        if !self.is_stopping && self.event_limiter.may_report(now, event) {
            let _ = self.reports.try_send(Report::Event(event.clone()));
        }
    }

    /// Reports a snapshot.
    pub(super) fn snapshot(&self, snapshot: Snapshot) {
        let _ = self.reports.try_send(Report::Snapshot(Box::new(snapshot)));
    }

    /// Reports the node's renewed offer. A receiver that misses it has an offer that is valid for half of its time yet.
    pub(super) fn offer(&self, offer: SignedOffer) {
        let _ = self.reports.try_send(Report::Offer(offer));
    }

    /// Reports no events from now on: peers that leave then leave because the session ends.
    pub(super) fn stop_events(&mut self) {
        self.is_stopping = true;
    }

    /// Events that were not reported, since there were too many of their kind.
    pub(super) fn untold(&self) -> u64 {
        self.event_limiter.untold()
    }
}

#[cfg(test)]
mod tests {
    use minimodel_wire::PeerId;

    use super::*;
    use crate::machine::Breach;

    #[test]
    fn events_end_with_the_session_and_bans_do_not() {
        let (tell, mut reports) = mpsc::channel(8);
        let (tell_bans, mut bans) = mpsc::unbounded_channel();
        let mut observer = Observer::new(tell, Some(tell_bans));
        let (peer, got) = (PeerId([1; 32]), Some([2; 32]));
        let banned = Event::Banned { peer, breach: Breach::BadChunk, index: Some(7), got };
        let hash = |index: u32| Some([index as u8; 32]);
        observer.event(Time::ZERO, &banned, hash);
        observer.stop_events();
        observer.event(Time::ZERO, &banned, hash);
        observer.snapshot(Snapshot::default());
        assert!(matches!(reports.try_recv(), Ok(Report::Event(Event::Banned { .. }))));
        assert!(matches!(reports.try_recv(), Ok(Report::Snapshot(_))));
        let told = Ban { peer, breach: Breach::BadChunk, index: Some(7), expected: Some([7; 32]), got };
        for _ in 0..2 {
            assert_eq!(bans.try_recv(), Ok(told.clone()));
        }
        assert_eq!(observer.untold(), 0);
    }
}
