//! Samples a session: what moved since the last sample, and if nothing did, why.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::idle::{FetchFacts, Idle, ShareFacts};
use super::path_sample::PathSample;
use crate::machine::{Conn, Meter, PeerState, Time, Work};

/// Interval of snapshots while bytes move.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(200);
/// Interval of snapshots while no byte moves: an idle transfer costs next to nothing.
const IDLE_SNAPSHOT_EVERY: Duration = Duration::from_secs(1);

/// Results of the samples so far.
#[derive(Debug)]
pub(super) struct Samples {
    fetches: bool,
    /// The whole file was checked: from here on it is a share.
    is_checked: bool,
    /// Time of the last sample.
    pub(super) at: Instant,
    bytes: Traffic,
    have: u32,
    /// Idle cause in the interval before it.
    pub(super) idle: Option<Idle>,
    pub(super) idle_time: BTreeMap<Idle, Duration>,
    pub(super) busy_time: Duration,
    /// Each peer at that sample.
    pub(super) peers: Vec<PeerSample>,
    down: Meter,
    up: Meter,
    /// When the next sample is due.
    next: Instant,
}

/// Payload bytes of a session, or their rates a second, by direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// A session at the moment of a sample.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moment {
    pub(super) bytes: Traffic,
    /// Chunks that are here.
    pub(super) have: u32,
    /// Every chunk is here.
    pub(super) is_whole: bool,
    /// What the machine waits for.
    pub(super) work: Work,
    /// The partial file is being rescanned.
    pub(super) is_rescanning: bool,
    /// Traffic waited for a rate limit since the last sample, on their way in and out.
    pub(super) is_down_withheld: bool,
    pub(super) is_up_withheld: bool,
    /// Chunks that are being read from the disk.
    pub(super) reading: u32,
}

/// One peer at the last sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerSample {
    pub(super) conn: Conn,
    pub(super) path: PathSample,
    pub(super) state: PeerState,
    /// Answers to the peer are not acknowledged yet.
    pub(super) is_unread: bool,
    /// Why the peer sends nothing to a fetch.
    pub(super) idle: Option<Idle>,
}

impl PeerSample {
    /// True while the peer is being answered, or has not acknowledged an answer: the local QUIC buffers much more than
    /// a path carries.
    fn is_answered(&self) -> bool {
        self.state.answering > 0 || self.is_unread
    }
}

impl Samples {
    pub(super) fn new(at: Instant, fetches: bool) -> Self {
        Self {
            fetches,
            is_checked: false,
            at,
            bytes: Traffic::default(),
            have: 0,
            idle: None,
            idle_time: BTreeMap::new(),
            busy_time: Duration::ZERO,
            peers: Vec::new(),
            down: Meter::default(),
            up: Meter::default(),
            next: at,
        }
    }

    /// The whole file was checked: from here on the session is judged as a share.
    pub(super) fn file_checked(&mut self) {
        self.is_checked = true;
    }

    /// When the next sample is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Judges the interval from the last sample to `at`. Returns true if the user's own limits cause its silence.
    pub(super) fn add(&mut self, at: Instant, moment: &Moment, mut peers: Vec<PeerSample>) -> bool {
        let has_received = moment.bytes.received > self.bytes.received;
        let has_sent = moment.bytes.sent > self.bytes.sent;
        let work = moment.work;
        let idle = if self.fetches && !moment.is_whole {
            let facts = FetchFacts {
                is_rescanning: moment.is_rescanning,
                storing: work.storing,
                has_kept: moment.have > self.have,
                is_withheld: moment.is_down_withheld,
                is_at_quota: work.is_at_quota,
                lacks_leaves: work.lacks_leaves,
                is_out_of_budget: work.is_out_of_budget,
                ..FetchFacts::default()
            };
            for one in &mut peers {
                let of_it = FetchFacts {
                    is_out_of_budget: false,
                    is_at_quota: one.state.at_quota,
                    ..of_peer(facts, one)
                };
                one.idle = (one.path.received == 0).then(|| of_it.cause());
            }
            (!has_received).then(|| peers.iter().fold(facts, of_peer).cause())
        } else if has_sent || has_received {
            None
        } else if self.fetches && !self.is_checked {
            Some(Idle::Checking)
        } else {
            Some(share_facts(moment, &peers).cause())
        };
        let passed = at.saturating_duration_since(self.at);
        match idle {
            Some(idle) => *self.idle_time.entry(idle).or_default() += passed,
            None => self.busy_time += passed,
        }
        let pause = if has_received || has_sent { SNAPSHOT_EVERY } else { IDLE_SNAPSHOT_EVERY };
        self.next = at + pause;
        (self.at, self.bytes, self.have, self.idle, self.peers) =
            (at, moment.bytes, moment.have, idle, peers);
        idle == Some(Idle::RateLimit) || (idle == Some(Idle::Quota) && work.is_at_quota)
    }

    /// Payload bytes a second at `now`, in and out, smoothed.
    pub(super) fn rates(&mut self, now: Time, bytes: Traffic) -> Traffic {
        self.down.add(now, bytes.received - self.down.total());
        self.up.add(now, bytes.sent - self.up.total());
        Traffic { received: self.down.rate(now), sent: self.up.rate(now) }
    }
}

fn share_facts(moment: &Moment, peers: &[PeerSample]) -> ShareFacts {
    let count = |is: fn(&PeerSample) -> bool| peers.iter().filter(|one| is(one)).count() as u32;
    ShareFacts {
        is_withheld: moment.is_up_withheld,
        reading: moment.reading,
        answered: count(PeerSample::is_answered),
        in_trouble: count(|one| one.is_answered() && (one.path.is_in_trouble || one.path.is_draining)),
        interested: count(|one| one.state.interested && one.state.may_be_served),
        served: count(|one| !one.state.we_choke),
        has_turned_away: moment.work.has_turned_away,
    }
}

fn of_peer(mut facts: FetchFacts, one: &PeerSample) -> FetchFacts {
    let is_owing = one.state.requests > 0;
    facts.owing += u32::from(is_owing);
    facts.in_trouble += u32::from(is_owing && one.path.is_in_trouble);
    facts.useful += u32::from(one.state.useful);
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn received(received: u64) -> Moment {
        Moment { bytes: Traffic { received, sent: 0 }, ..Moment::default() }
    }

    #[test]
    fn each_interval_counts_as_busy_or_for_one_cause() {
        let start = Instant::now();
        let mut samples = Samples::new(start, true);
        assert!(!samples.add(start + SECOND, &received(1), Vec::new()));
        assert_eq!(samples.next(), start + SECOND + SNAPSHOT_EVERY);
        assert!(!samples.add(start + SECOND * 3, &received(1), Vec::new()));
        assert_eq!(samples.next(), start + SECOND * 3 + IDLE_SNAPSHOT_EVERY);
        let withheld = Moment { is_down_withheld: true, ..received(1) };
        assert!(samples.add(start + SECOND * 6, &withheld, Vec::new()), "the user's own limit");
        assert_eq!(samples.busy_time, SECOND);
        let expected = BTreeMap::from([(Idle::NoSource, SECOND * 2), (Idle::RateLimit, SECOND * 3)]);
        assert_eq!(samples.idle_time, expected);
    }

    #[test]
    fn a_whole_file_is_checked_first_and_a_share_then() {
        let start = Instant::now();
        let mut samples = Samples::new(start, true);
        let whole = Moment { is_whole: true, ..Moment::default() };
        samples.add(start + SECOND, &whole, Vec::new());
        assert_eq!(samples.idle, Some(Idle::Checking));
        samples.file_checked();
        samples.add(start + SECOND, &whole, Vec::new());
        assert_eq!(samples.idle, Some(Idle::NoDemand));
    }

    #[test]
    fn a_peer_that_owes_chunks_and_is_silent_is_slow() {
        let start = Instant::now();
        let mut samples = Samples::new(start, true);
        let peer = |conn, received| PeerSample {
            conn: Conn(conn),
            path: PathSample { received, is_heard: true, ..PathSample::default() },
            state: PeerState { useful: true, requests: 1, ..PeerState::default() },
            is_unread: false,
            idle: None,
        };
        samples.add(start + SECOND, &received(5), vec![peer(1, 0), peer(2, 5)]);
        let causes: Vec<_> = samples.peers.iter().map(|one| one.idle).collect();
        assert_eq!((samples.idle, causes), (None, vec![Some(Idle::PeerSlow), None]));
    }
}
