//! Measurements of the congestion controller: one round trip at a time, the delay of the empty path, and the loss.

use std::time::Duration;

/// Shortest round: a shorter one says more about the scheduling of two computers than about the path.
const SHORTEST: Duration = Duration::from_millis(2);
/// How long a delay counts as the path's own: routes change (so BBR's filter of the minimum, draft-ietf-ccwg-bbr).
const BASE_LIFETIME: Duration = Duration::from_secs(10);

/// Acknowledgements since the round began. A round is over when a packet that was sent within it is acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Round {
    start: Duration,
    delivered: u64,
    /// The part of `delivered` that was acknowledged while the application had nothing to send.
    idle: u64,
    lowest: Option<Duration>,
    highest: Duration,
    samples: u32,
}

impl Round {
    pub(super) fn begin(now: Duration) -> Self {
        Self { start: now, delivered: 0, idle: 0, lowest: None, highest: Duration::ZERO, samples: 0 }
    }

    pub(super) fn acked(&mut self, bytes: u64, is_idle: bool) {
        self.delivered += bytes;
        if is_idle {
            self.idle += bytes;
        }
    }

    pub(super) fn rtt(&mut self, rtt: Duration) {
        self.lowest = Some(self.lowest.map_or(rtt, |lowest| lowest.min(rtt)));
        self.highest = self.highest.max(rtt);
        self.samples += 1;
    }

    pub(super) fn is_over(&self, now: Duration, newest_acked: Duration) -> bool {
        newest_acked >= self.start && now >= self.start + SHORTEST && self.delivered > 0
    }

    /// The lowest round trip.
    pub(super) fn lowest(&self) -> Option<Duration> {
        self.lowest
    }

    /// The lowest round trip, once there are so many samples.
    pub(super) fn lowest_of(&self, samples: u32) -> Option<Duration> {
        self.lowest.filter(|_| self.samples >= samples)
    }

    pub(super) fn highest(&self) -> Duration {
        self.highest
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Delivery rate in bytes a second from the beginning of the round.
    pub(super) fn rate(&self, now: Duration) -> f64 {
        self.delivered as f64 / now.saturating_sub(self.start).as_secs_f64().max(1e-6)
    }

    /// The delivery rate, once the round has run for `least`.
    pub(super) fn rate_over(&self, now: Duration, least: Duration) -> Option<f64> {
        (now >= self.start + least.max(SHORTEST)).then(|| self.rate(now))
    }

    /// True if at most an eighth of the delivered bytes was limited by the application, so that the round shows what
    /// the path does.
    pub(super) fn is_full(&self) -> bool {
        self.idle * 8 <= self.delivered
    }

    /// True if the application always had something to send.
    pub(super) fn is_never_idle(&self) -> bool {
        self.idle == 0
    }
}

/// The delay of the path without a queue: the lowest round trip of the last five to ten seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Base {
    since: Duration,
    before: Option<Duration>,
    lowest: Option<Duration>,
}

impl Base {
    pub(super) fn sample(&mut self, now: Duration, rtt: Duration) {
        if now.saturating_sub(self.since) >= BASE_LIFETIME / 2 {
            self.since = now;
            self.before = self.lowest.take();
        }
        self.lowest = Some(self.lowest.map_or(rtt, |lowest| lowest.min(rtt)));
    }

    pub(super) fn get(&self) -> Option<Duration> {
        match (self.before, self.lowest) {
            (Some(before), Some(lowest)) => Some(before.min(lowest)),
            (before, lowest) => lowest.or(before),
        }
    }
}

/// Share of lost packets beyond which the path is overloaded and not merely bad.
const TOO_MUCH: f64 = 0.06;
/// Fewer lost packets than this prove nothing.
const FEW: u64 = 8;
/// Packets that are enough to say that the path does not lose too much.
const ENOUGH: u64 = 128;
/// Most loss that is tolerated: a path that loses more whatever the window is worth no more than what gets through.
const MOST_TOLERATED: f64 = 0.2;
/// If at least `STAYED` of the loss remains although the window is at most `GAVE_WAY` of what it was, this transfer
/// does not cause the loss.
const STAYED: f64 = 0.6;
const GAVE_WAY: f64 = 0.92;
/// Factor on that loss beyond which the path counts as overloaded.
const MARGIN: f64 = 1.4;

/// The verdict of a round on the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    Overloaded,
    /// Much is lost, and as much when less is sent: a bad path.
    Bad,
}

/// Counts loss over as many rounds as it takes to tell 2 % from too much.
#[derive(Debug, Clone)]
pub(super) struct Losses {
    lost: u64,
    delivered: u64,
    tolerated: f64,
    tolerated_until: Duration,
    /// Loss share when it was last too much, and the window then.
    last: Option<(f64, u64)>,
}

impl Default for Losses {
    fn default() -> Self {
        Self { lost: 0, delivered: 0, tolerated: TOO_MUCH, tolerated_until: Duration::ZERO, last: None }
    }
}

impl Losses {
    pub(super) fn lost(&mut self, bytes: u64) {
        self.lost += bytes;
    }

    /// True if too much is lost already of what the unfinished round and those before it sent.
    pub(super) fn is_too_much(&self, delivered: u64, mtu: u64) -> bool {
        let all = self.lost + self.delivered + delivered;
        self.lost >= FEW * mtu && self.lost as f64 > self.tolerated * all as f64
    }

    /// Judges the loss at the end of a round that was sent with `window`.
    pub(super) fn judge(&mut self, now: Duration, delivered: u64, mtu: u64, window: u64) -> Verdict {
        if now >= self.tolerated_until {
            self.tolerated = TOO_MUCH;
        }
        let is_too_much = self.is_too_much(delivered, mtu);
        self.delivered += delivered;
        let all = self.lost + self.delivered;
        let share = self.lost as f64 / all.max(1) as f64;
        if is_too_much || all >= ENOUGH * mtu {
            self.forget();
        }
        if !is_too_much {
            return Verdict::Fine;
        }
        if let Some((before, then)) = self.last.replace((share, window))
            && share > before * STAYED
            && (window as f64) < then as f64 * GAVE_WAY
        {
            self.tolerated = (share.max(before) * MARGIN).min(MOST_TOLERATED);
            self.tolerated_until = now + BASE_LIFETIME;
            if share <= self.tolerated {
                return Verdict::Bad;
            }
        }
        Verdict::Overloaded
    }

    /// Resets the counts, which belong to a window that is given up.
    pub(super) fn forget(&mut self) {
        (self.lost, self.delivered) = (0, 0);
    }
}

/// Dips: rounds in which the window is cut on purpose, so that the delay shows how much of it is this transfer's own.
#[derive(Debug, Clone)]
pub(super) struct Dips {
    pub(super) last: Duration,
    /// Foreign delay, which stays in a dip of this transfer: of other transfers, or of a path that became longer.
    pub(super) foreign: Duration,
    /// The delay before the last dip, and the delay that the dip gave up; held until the round that shows the dip ends.
    pub(super) shown: Option<(Duration, f64)>,
    /// The same two delays of the dip that is under way.
    pub(super) given: (Duration, f64),
    /// By how much the path turned out shorter since the last dip.
    pub(super) shorter: Duration,
}

/// What the last rounds showed of the queue in the path.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    /// Rounds in a row with far more queue than wanted.
    pub(super) pressed: u32,
    /// Rounds in a row without a queue.
    pub(super) empty: u32,
    /// The round trip with which the queue overflowed, and until when that is remembered.
    pub(super) room: Option<(Duration, Duration)>,
    /// The delay of the round before.
    pub(super) delay_before: Duration,
    /// The longest round trip of the round before.
    pub(super) highest_before: Duration,
}
