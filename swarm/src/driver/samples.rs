//! Samples a session: what moved since the last sample, and if nothing did, why.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use minimodel_wire::Frame;

use super::idle::{FetchFacts, Idle, ShareFacts};
use super::path_sample::PathSample;
use super::session::Session;
use crate::machine::{Conn, PeerState};

/// Results of the samples so far.
#[derive(Debug)]
pub(super) struct Samples {
    /// Time of the last sample.
    pub(super) at: Instant,
    bytes: (u64, u64),
    have: u32,
    /// Idle cause in the interval before it.
    pub(super) idle: Option<Idle>,
    pub(super) idle_time: BTreeMap<Idle, Duration>,
    pub(super) busy_time: Duration,
    /// Each peer at that sample.
    pub(super) peers: Vec<PeerSample>,
}

/// One peer at the last sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerSample {
    pub(super) conn: Conn,
    pub(super) path: PathSample,
    pub(super) state: PeerState,
    /// Answers to the peer are not acknowledged yet.
    is_unread: bool,
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
    pub(super) fn new(at: Instant) -> Self {
        Self {
            at,
            bytes: (0, 0),
            have: 0,
            idle: None,
            idle_time: BTreeMap::new(),
            busy_time: Duration::ZERO,
            peers: Vec::new(),
        }
    }
}

impl Session {
    /// Judges the interval since the last sample; returns whether any byte moved in it.
    pub(super) fn sample(&mut self) -> bool {
        let (now, bytes, have) = (self.now(), self.bytes(), self.machine.have().ones());
        let mut peers: Vec<PeerSample> = Vec::with_capacity(self.links.len());
        for (&conn, link) in &mut self.links {
            let path = link.sample_path(now);
            let state = self.machine.peer_state(conn).unwrap_or_default();
            peers.push(PeerSample { conn, path, state, is_unread: link.is_unread(), idle: None });
        }
        let (received, sent) = (bytes.0 > self.samples.bytes.0, bytes.1 > self.samples.bytes.1);
        let has_kept = have > self.samples.have;
        let work = self.machine.work();
        let is_whole = self.machine.have().is_full();
        // Read in any case, since reading resets them.
        let (is_down_withheld, is_up_withheld) =
            (self.down.has_withheld(), self.server.limiter.has_withheld());
        let idle = if self.fetches && !is_whole {
            let facts = FetchFacts {
                is_rescanning: self.is_rescanning,
                storing: work.storing,
                has_kept,
                is_withheld: is_down_withheld,
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
            (!received).then(|| peers.iter().fold(facts, of_peer).cause())
        } else if sent || received {
            None
        } else if self.fetches && !self.is_checked {
            Some(Idle::Checking)
        } else {
            Some(self.share_facts(&peers, is_up_withheld, work.has_turned_away).cause())
        };
        if idle == Some(Idle::RateLimit) || (idle == Some(Idle::Quota) && work.is_at_quota) {
            // The user's own limits cause this silence: it does not count towards a stall.
            (self.last_byte, self.last_chunk) = (Instant::now(), Instant::now());
        }
        self.probe(&peers);
        let samples = &mut self.samples;
        let at = Instant::now();
        let passed = at.saturating_duration_since(samples.at);
        match idle {
            Some(idle) => *samples.idle_time.entry(idle).or_default() += passed,
            None => samples.busy_time += passed,
        }
        (samples.at, samples.bytes, samples.have, samples.idle, samples.peers) =
            (at, bytes, have, idle, peers);
        received || sent
    }

    fn share_facts(&self, peers: &[PeerSample], is_withheld: bool, has_turned_away: bool) -> ShareFacts {
        let count = |is: fn(&PeerSample) -> bool| peers.iter().filter(|one| is(one)).count() as u32;
        ShareFacts {
            is_withheld,
            reading: self.server.reading.count() as u32,
            answered: count(PeerSample::is_answered),
            in_trouble: count(|one| one.is_answered() && (one.path.is_in_trouble || one.path.is_draining)),
            interested: count(|one| one.state.interested && one.state.may_be_served),
            served: count(|one| !one.state.we_choke),
            has_turned_away,
        }
    }

    /// Probes silent peers: only an answer to a packet tells a silent peer from a silent path. A repeated Interested
    /// says nothing new, and the peer's QUIC acknowledges it.
    fn probe(&self, peers: &[PeerSample]) {
        for one in peers.iter().filter(|one| one.state.requests > 0 && !one.path.is_heard) {
            if let Some(link) = self.links.get(&one.conn).filter(|_| one.state.useful) {
                link.send(&Frame::Interested);
            }
        }
    }
}

fn of_peer(mut facts: FetchFacts, one: &PeerSample) -> FetchFacts {
    let is_owing = one.state.requests > 0;
    facts.owing += u32::from(is_owing);
    facts.in_trouble += u32::from(is_owing && one.path.is_in_trouble);
    facts.useful += u32::from(one.state.useful);
    facts
}
