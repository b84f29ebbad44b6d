//! Our download from one peer: its requests, its pace, and its backoff.

use std::collections::BTreeSet;
use std::time::Duration;

use super::config::{Config, Limits, Terms};
use super::events::{QuotaRefusal, Req};
use super::rate::Meter;
use super::refusals::Refusals;
use super::time::Time;

/// Round trips in which a request brings its whole chunk: for the request and the bytes, and one for each of two losses
/// in turn, since on a path that loses 2 % hardly a chunk comes whole at once.
const ROUND_TRIPS: f64 = 4.0;
/// A chunk that takes longer than `SLOW_CHUNK` seconds is requested from a peer one at a time; the next is requested
/// `AHEAD` seconds and the round trips before it is whole.
const SLOW_CHUNK: f64 = 2.0;
const AHEAD: f64 = 0.5;
/// Largest pipeline depth of a peer whose rate is not fully measured yet.
const UNMEASURED_DEPTH: u32 = 30;

/// Our download from a peer.
#[derive(Debug)]
pub(super) struct Download {
    /// The peer chokes us.
    pub(super) choked: bool,
    /// The user does not let us fetch from the peer.
    pub(super) disallowed: bool,
    pub(super) requests: BTreeSet<Req>,
    /// Requests in flight, and received chunks that are being proven and written.
    pub(super) open: u32,
    /// The driver reported requests that were lost with the connection.
    pub(super) was_cut: bool,
    /// Proven chunks that the peer supplied.
    pub(super) proven: u32,
    pub(super) backoff: Backoff,
    /// Chunks that the peer announced and then refused.
    pub(super) refused: Refusals,
    /// Total bytes of the meter at the last rechoke, and the bytes received in earlier rounds, halved each round.
    pub(super) given: (u64, u64),
    pub(super) pace: Pace,
    /// The peer was silent or very slow and has delivered nothing since: it gets one request at a time as a probe.
    pub(super) stalled: bool,
    /// How long the peer has owed us chunks without ever having sent a byte; a refusal or a choke sets it back.
    pub(super) mute_for: Duration,
    /// Why a quota held back a request to the peer, until one that is made after the backoff brings bytes.
    pub(super) held_back: Option<QuotaRefusal>,
    /// The peer stands in the ready queue (`ReadyQueue`).
    pub(super) is_queued: bool,
}

/// When a peer may be asked again, and why it must wait.
#[derive(Debug)]
pub(super) struct Backoff {
    /// Refusals and stalls in a row.
    pub(super) refusals: u32,
    /// The end of the backoff.
    pub(super) not_before: Time,
    /// Times in a row that the peer's only request was withdrawn for another peer.
    pub(super) yielded: u32,
}

/// How fast a peer's bytes come, and how many requests keep its path full.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) meter: Meter,
    pub(super) rtt: Duration,
    /// The pipeline depth: requests in flight that keep the peer's path full.
    pub(super) depth: u32,
    /// When the last byte came, or a request was made while none was open.
    pub(super) last_byte: Time,
    /// Beginning of the window of the minimum rate, and bytes in it.
    pub(super) window: (Time, u64),
}

impl Pace {
    /// Restarts the deadlines: the peer is not late.
    pub(super) fn restart(&mut self, now: Time) {
        self.last_byte = now;
        self.window = (now, 0);
    }

    /// Counts bytes that came.
    pub(super) fn got(&mut self, now: Time, bytes: u64) {
        self.last_byte = now;
        self.window.1 += bytes;
        self.meter.add(now, bytes);
    }

    /// Returns true if a chunk takes so long that the peer is asked for one at a time.
    pub(super) fn is_slow(&mut self, now: Time, chunk_size: u32) -> bool {
        self.meter.shown(now).is_some_and(|rate| rate * SLOW_CHUNK < f64::from(chunk_size))
    }
}

impl Download {
    pub(super) fn new(now: Time, terms: &Terms, limits: &Limits) -> Self {
        let depth = limits.first_depth(terms.chunk_size);
        let (meter, rtt) = (Meter::default(), Duration::from_millis(100));
        Self {
            choked: true,
            disallowed: false,
            requests: BTreeSet::new(),
            open: 0,
            was_cut: false,
            proven: 0,
            backoff: Backoff { refusals: 0, not_before: now, yielded: 0 },
            refused: Refusals::default(),
            given: (0, 0),
            pace: Pace { meter, rtt, depth, last_byte: now, window: (now, 0) },
            stalled: false,
            mute_for: Duration::ZERO,
            held_back: None,
            is_queued: false,
        }
    }

    /// Returns true if the peer never delivered or is stalled, so that what it owes is not expected.
    pub(super) fn is_doubtful(&self) -> bool {
        self.proven == 0 || self.stalled
    }

    /// Open requests of a doubtful peer; 0 for any other.
    pub(super) fn doubted(&self) -> u32 {
        if self.is_doubtful() { self.open } else { 0 }
    }

    /// How many more requests the peer should have in flight.
    pub(super) fn room(&self) -> u32 {
        if self.stalled || self.held_back.is_some() {
            return 1u32.saturating_sub(self.requests.len() as u32);
        }
        // Before the first proven chunk, unproven ones count as well: a liar gets no second round.
        let open = if self.proven == 0 { self.open } else { self.requests.len() as u32 };
        self.pace.depth.saturating_sub(open)
    }

    /// Returns true if a quota keeps us from requesting chunks of the peer.
    pub(super) fn is_at_quota(&self, now: Time) -> bool {
        self.held_back.is_some_and(|why| why == QuotaRefusal::UsedUp || now < self.backoff.not_before)
    }

    /// Stops measuring the rate while no request is in flight.
    pub(super) fn pause_if_idle(&mut self, now: Time) {
        if self.requests.is_empty() {
            self.pace.meter.pause(now);
        }
    }

    /// Sets the pipeline depth: enough requests to keep the path full, and no more than a slow peer can deliver. `owed`:
    /// bytes that the peer owes us.
    pub(super) fn adapt_depth(&mut self, now: Time, owed: u64, config: &Config) {
        let (limits, chunk_size) = (&config.limits, config.terms.chunk_size);
        let (owed, chunk) = (owed as f64, f64::from(chunk_size));
        let rate = self.pace.meter.peak(now).max(self.pace.meter.shown(now).unwrap_or(0.0));
        let path = rate * (self.pace.rtt.as_secs_f64() * ROUND_TRIPS + 0.005);
        let measured = if rate * SLOW_CHUNK < chunk {
            // A slow peer gets its next request when its chunk is nearly here: no other peer can deliver what it holds.
            if owed > 0.0 && owed <= path + rate * AHEAD { 2 } else { 1 }
        } else {
            (path / chunk).ceil() as u32 + 2
        };
        // One more for each chunk that comes: this doubles the depth in a round trip.
        let grown = if self.pace.meter.is_young() { (self.pace.depth + 1).min(UNMEASURED_DEPTH) } else { 0 };
        self.pace.depth = if self.proven == 0 {
            // Before its first proven chunk a peer gets as much as its rate soon brings, within narrow bounds: a liar
            // gets no second round.
            let shown = (rate * SLOW_CHUNK / chunk) as u32;
            shown.clamp(limits.first_depth(chunk_size), limits.parole_depth(chunk_size))
        } else if measured == 1 {
            1
        } else {
            measured.max(grown).min(limits.max_pipeline)
        };
    }
}
