//! The congestion controller: keeps a chosen queue by delay, and reacts to overload.

use std::time::Duration;

use super::round::{Base, Dips, Losses, Queue, Round, Verdict};

/// Smallest window in packets: fewer would be acknowledged by a timer alone.
const LEAST_PACKETS: u64 = 4;
/// Largest window in bytes; a larger one means nothing.
const MOST_WINDOW: u64 = 1 << 30;

/// Queue that is wanted at any rate, in seconds: what the clocks and schedulers of two computers blur anyway.
const QUEUE_TIME: f64 = 0.001;
/// Beyond it the wanted queue is the geometric mean of this many bytes and of what fits on the path. Being less than
/// proportional to the rate, it makes the slower of two transfers push more, until they are equal.
const QUEUE_BYTES: f64 = 20_000.0;

/// Part of the difference to the wanted queue that is made up in a round. A round shows what was sent the round before,
/// so that anything near 1 would oscillate.
const GAIN: f64 = 0.5;
/// A round with less than this part of the wanted queue counts as empty; after `PATIENCE` empty rounds growth doubles
/// each round. A dip of another transfer is over by then.
const EMPTY: f64 = 0.25;
const PATIENCE: u32 = 3;
/// Least growth in a round in packets, while there is no queue.
const LEAST_GROWTH: f64 = 2.0;
/// Most growth in a round after the start, as a part of the window.
const FASTEST: f64 = 0.125;

/// No growth beyond this many times what fits on the path (draft-ietf-ccwg-bbr: its cwnd_gain).
const MOST_FLIGHT: f64 = 2.0;

/// The start is over when the rate no longer grows by this factor (draft-ietf-ccwg-bbr, "Startup").
const STILL_GROWING: f64 = 1.25;
/// Rounds without such growth that end the start.
const PLATEAU_ROUNDS: u32 = 3;
/// Acknowledgements before a round's lowest delay is believed during the start (RFC 9406 takes 8).
const START_SAMPLES: u32 = 16;
/// Bounds of the delay that counts as a queue during the start, a quarter of the path's own delay (RFC 9406: an eighth,
/// 4 to 16 ms; but a transfer that joins a path in use must not take the others' queue for its own).
const LEAST_START_QUEUE: Duration = Duration::from_millis(4);
const MOST_START_QUEUE: Duration = Duration::from_millis(30);

/// A dip empties the queue after so many round trips, and not more often than in `DIP_EVERY`.
const DIP_ROUNDS: u32 = 20;
const DIP_EVERY: Duration = Duration::from_secs(1);
/// Depth of a dip as a multiple of the transfer's own part of the queue: enough for one other transfer of the same
/// kind.
const DIP_DEPTH: f64 = 2.0;
/// Deepest dip, as a part of the window.
const DEEPEST: f64 = 0.5;
/// When the path turns out shorter by this part of the wanted queue, another transfer is in a dip: joining it empties
/// the queue.
const JOIN: f64 = 0.25;

/// A queue of more than this times the wanted one for so many rounds calls for a dip, to learn whose queue it is.
const PRESSED: f64 = 2.5;
const PRESSED_ROUNDS: u32 = 2;
/// Round trips between two such dips.
const PRESSED_EVERY: u32 = 6;
/// Delay that stays in a dip is foreign if it is more than this times the delay that this transfer wants.
const FOREIGN: f64 = 2.0;
/// Foreign delay is believed up to this, or up to twice the path's own delay if that is more.
const MOST_FOREIGN: Duration = Duration::from_millis(200);
/// If a dip takes away this part of what it would take from a queue of this transfer alone, most of the queue is its
/// own.
const OURS: f64 = 0.75;

/// Part of the window that stays when the path is overloaded (CUBIC's beta, RFC 9438 section 4.6).
const KEEP: f64 = 0.7;
/// The part of the queue's room that may be wanted, and how long that room is remembered.
const ROOM: f64 = 0.8;
const ROOM_LIFETIME: Duration = Duration::from_secs(10);
const LEAST_ROOM: f64 = 0.001;
/// Where there is little room, a transfer of this many bytes a second wants half of it, and a faster one less.
const ROOM_RATE: f64 = 4e6;
/// Most doublings of growth while the room is known: there is less to discover.
const KNOWN_DOUBLINGS: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Doubling until a queue is seen.
    Start { best: f64, flat: u32 },
    /// Keeping the wanted queue.
    Cruise,
    /// Below the path's capacity for a round, so that every transfer sees the path's own delay. Holds the window to
    /// return to.
    Dip { window: u64, since: Duration },
}

/// A congestion controller for one connection. All times count from one moment, the same for all calls.
#[derive(Debug, Clone)]
pub struct DelayController {
    mtu: u64,
    window: u64,
    phase: Phase,
    round: Round,
    base: Base,
    losses: Losses,
    /// Bytes a second of the last round.
    rate: f64,
    dips: Dips,
    queue: Queue,
    /// Rounds that only show what was before the last large change.
    stale: u32,
    newest_acked: Option<Duration>,
}

impl DelayController {
    /// `mtu` is the size of a full datagram in bytes, `first_window` what is sent before anything is known
    /// (RFC 9002 section 7.2).
    pub fn new(now: Duration, mtu: u16, first_window: u64) -> Self {
        let mtu = u64::from(mtu.max(1));
        Self {
            mtu,
            window: first_window.clamp(LEAST_PACKETS * mtu, MOST_WINDOW),
            phase: Phase::Start { best: 0.0, flat: 0 },
            round: Round::begin(now),
            base: Base::default(),
            losses: Losses::default(),
            rate: 0.0,
            dips: Dips {
                last: now,
                foreign: Duration::ZERO,
                shown: None,
                given: (Duration::ZERO, 0.0),
                shorter: Duration::ZERO,
            },
            queue: Queue::default(),
            stale: 0,
            newest_acked: None,
        }
    }

    /// The congestion window: bytes that may be in flight.
    pub fn window(&self) -> u64 {
        self.window
    }

    /// Bytes a second that the last round delivered; 0 before the first is over.
    pub fn rate(&self) -> u64 {
        self.rate as u64
    }

    /// A packet of `bytes`, sent at `sent`, was acknowledged. `is_idle`: everything there was to send had been sent.
    pub fn on_ack(&mut self, sent: Duration, bytes: u64, is_idle: bool) {
        self.round.acked(bytes, is_idle);
        self.newest_acked = Some(self.newest_acked.map_or(sent, |newest| newest.max(sent)));
        if matches!(self.phase, Phase::Start { .. }) && !is_idle {
            self.set_window((self.window + bytes) as f64);
        }
    }

    /// Ends an acknowledgement: all its packets were passed to [`Self::on_ack`].
    pub fn on_acks_end(&mut self, now: Duration) {
        let Some(newest) = self.newest_acked.take() else { return };
        let rtt = now.saturating_sub(newest);
        let before = self.base.get();
        self.base.sample(now, rtt);
        if let Some(before) = before {
            self.dips.shorter += before.saturating_sub(rtt);
        }
        self.round.rtt(rtt);
        if let Phase::Start { best, .. } = self.phase
            && self.sees_a_queue()
        {
            return self.cruise(now, best.max(self.rate));
        }
        if self.round.is_over(now, newest) {
            self.end_round(now, newest);
        }
    }

    /// Packets of `bytes` altogether were lost. `is_persistent`: so many that nothing known of the path holds
    /// (RFC 9002 section 7.6).
    pub fn on_loss(&mut self, now: Duration, bytes: u64, is_persistent: bool) {
        if is_persistent {
            let mtu = u16::try_from(self.mtu).unwrap_or(u16::MAX);
            *self = Self::new(now, mtu, 0);
            return;
        }
        self.losses.lost(bytes);
        if matches!(self.phase, Phase::Start { .. })
            && self.losses.is_too_much(self.round.delivered(), self.mtu)
        {
            let round = self.round.clone();
            self.overloaded(now, &round);
        }
    }

    /// The network marked packets instead of dropping them (RFC 3168).
    pub fn on_mark(&mut self, now: Duration) {
        if self.stale == 0 {
            let round = self.round.clone();
            self.overloaded(now, &round);
        }
    }

    /// Full datagrams are of `mtu` bytes from now on.
    pub fn on_mtu(&mut self, mtu: u16) {
        self.mtu = u64::from(mtu.max(1));
        self.set_window(self.window as f64);
    }

    fn set_window(&mut self, window: f64) {
        self.window = (window as u64).clamp(LEAST_PACKETS * self.mtu, MOST_WINDOW);
    }

    /// True if the round shows a queue during the start (RFC 9406 section 4.2).
    fn sees_a_queue(&self) -> bool {
        let Some(base) = self.base.get() else { return false };
        let queue = (base / 4).clamp(LEAST_START_QUEUE, MOST_START_QUEUE);
        self.round.lowest_of(START_SAMPLES).is_some_and(|lowest| lowest >= base + queue)
    }

    /// Delay that this transfer's own bytes may cause at a rate, in seconds.
    fn wanted(&self, rate: f64, base: Duration) -> f64 {
        let at = |rate: f64| QUEUE_TIME + (QUEUE_BYTES * base.as_secs_f64() / rate.max(1.0)).sqrt();
        let free = at(rate);
        // Near the room the curve bends, and still wants less at a higher rate, so that two transfers become equal.
        self.queue.room.map_or(free, |(full, _)| {
            let room = (ROOM * full.saturating_sub(base).as_secs_f64()).max(LEAST_ROOM);
            free * room / free.hypot(room.max(at(ROOM_RATE)))
        })
    }

    /// Ends the start with a window of what fits on the path and the wanted queue.
    fn cruise(&mut self, now: Duration, rate: f64) {
        let base = self.base.get().unwrap_or_default();
        // The unfinished round counts if there is enough of it to tell a rate from a burst.
        let rate = rate.max(self.round.rate_over(now, base / 2).unwrap_or(0.0));
        let fits = rate * (base.as_secs_f64() + self.wanted(rate, base));
        self.set_window(fits.min(self.window as f64));
        self.phase = Phase::Cruise;
        self.rate = rate;
        self.stale = 2;
        self.dips.last = now;
        self.dips.shorter = Duration::ZERO;
        self.round = Round::begin(now);
    }

    fn end_round(&mut self, now: Duration, newest: Duration) {
        let round = std::mem::replace(&mut self.round, Round::begin(now));
        self.judge_round(now, newest, &round);
        self.queue.highest_before = round.highest();
    }

    fn judge_round(&mut self, now: Duration, newest: Duration, round: &Round) {
        self.rate = round.rate(now);
        let Some(lowest) = round.lowest() else { return };
        let base = self.base.get().unwrap_or(lowest);
        let delay = lowest.saturating_sub(base);
        self.queue.room = self.queue.room.filter(|&(_, until)| now < until);
        let verdict = if self.stale > 0 {
            self.losses.forget();
            Verdict::Fine
        } else {
            self.losses.judge(now, round.delivered(), self.mtu, self.window)
        };
        if verdict == Verdict::Bad {
            self.queue.room = None;
        }
        let is_overloaded = verdict == Verdict::Overloaded;
        match self.phase {
            Phase::Start { best, flat } => {
                if is_overloaded {
                    self.overloaded(now, round);
                } else if round.is_full() {
                    let is_flat = self.rate < best * STILL_GROWING;
                    let flat = if is_flat { flat + 1 } else { 0 };
                    if flat >= PLATEAU_ROUNDS {
                        return self.cruise(now, best);
                    }
                    self.phase = Phase::Start { best: if is_flat { best } else { self.rate }, flat };
                }
            }
            Phase::Dip { window, since } => {
                if newest >= since {
                    self.set_window(window as f64);
                    self.phase = Phase::Cruise;
                    self.dips.shown = Some(self.dips.given);
                    self.dips.last = now;
                }
            }
            Phase::Cruise => {
                if let Some((before, given)) = self.dips.shown.take() {
                    self.blame(before, given, delay, base);
                }
                self.dips.foreign = self.dips.foreign.min(delay);
                if self.stale > 0 {
                    self.stale -= 1;
                } else if is_overloaded {
                    self.overloaded(now, round);
                } else {
                    self.adjust(now, round, delay - self.dips.foreign, base);
                }
            }
        }
    }

    /// Decides how much of the delay that stayed in a dip is foreign. A long queue that is this transfer's own is given
    /// up at once.
    fn blame(&mut self, before: Duration, given: f64, delay: Duration, base: Duration) {
        let own = Duration::from_secs_f64(self.wanted(self.rate, base));
        let most = MOST_FOREIGN.max(base * 2);
        let fell = before.saturating_sub(delay).as_secs_f64();
        let is_foreign = delay > own.mul_f64(FOREIGN) && fell < OURS * given.min(before.as_secs_f64());
        self.dips.foreign = if is_foreign { delay.min(most) } else { Duration::ZERO };
        if !is_foreign && before > own.mul_f64(PRESSED) {
            let excess = self.rate * (before - own).as_secs_f64();
            self.set_window((self.window as f64 - excess).max(self.window as f64 * (1.0 - DEEPEST)));
            self.stale = 2;
        }
    }

    /// One step toward the wanted queue.
    fn adjust(&mut self, now: Duration, round: &Round, delay: Duration, base: Duration) {
        let queue = self.rate * delay.as_secs_f64();
        let wanted = self.rate * self.wanted(self.rate, base);
        let window = self.window as f64;
        self.queue.pressed = if queue > PRESSED * wanted { self.queue.pressed + 1 } else { 0 };
        let ago = now.saturating_sub(self.dips.last);
        let may_dip = ago >= base * PRESSED_EVERY && round.is_full();
        if self.queue.pressed > 0 && may_dip {
            // Nothing: the coming dip shows whose queue it is.
        } else if queue > wanted {
            self.queue.empty = 0;
            self.set_window(window - GAIN * (queue - wanted));
        } else if round.is_full() {
            // The longer queue of two rounds: one round alone may show another transfer's dip.
            let queue = queue.max(self.rate * self.queue.delay_before.as_secs_f64()).min(wanted);
            self.queue.empty = if queue < EMPTY * wanted { self.queue.empty + 1 } else { 0 };
            let most = if self.queue.room.is_some() { KNOWN_DOUBLINGS } else { 16 };
            let doublings =
                if round.is_never_idle() { self.queue.empty.saturating_sub(PATIENCE).min(most) } else { 0 };
            let step = GAIN * (wanted - queue) * f64::from(1 << doublings);
            let least = LEAST_GROWTH * self.mtu as f64 * (1.0 - queue / wanted.max(1.0));
            let step = step.min(FASTEST * window).max(least);
            // The path needs no larger window than this, whatever the delay says.
            let most = window.max(MOST_FLIGHT * self.rate * (base + delay).as_secs_f64() + 2.0 * wanted);
            self.set_window((window + step).min(most));
        }
        let is_due = ago >= (base * DIP_ROUNDS).max(DIP_EVERY)
            || self.queue.pressed >= PRESSED_ROUNDS
            || self.rate * self.dips.shorter.as_secs_f64() > JOIN * wanted;
        if is_due && may_dip {
            let depth = (DIP_DEPTH * queue.max(wanted)).min(DEEPEST * window);
            self.dips.given = (delay + self.dips.foreign, depth / self.rate.max(1.0));
            self.phase = Phase::Dip { window: self.window, since: now };
            self.set_window(self.window as f64 - depth);
            self.queue.pressed = 0;
            self.dips.shorter = Duration::ZERO;
        }
        self.queue.delay_before = delay;
    }

    /// Reacts to overload, more loss than on a bad path: back to what the path delivers, and less queue for a while.
    fn overloaded(&mut self, now: Duration, round: &Round) {
        let base = self.base.get().unwrap_or_default();
        if let Phase::Start { best: 0.0, .. } = self.phase {
            // The first packets met another transfer's queue; nothing is known of the path yet.
            self.losses.forget();
            self.set_window(0.0);
            return;
        }
        let full = round.highest().max(self.queue.highest_before);
        let known = self.queue.room.map_or(full, |(room, _)| room.max(full));
        self.queue.room = Some((known, now + ROOM_LIFETIME));
        self.queue.empty = 0;
        if let Phase::Start { best, .. } = self.phase {
            return self.cruise(now, best.max(self.rate));
        }
        let fits = self.rate * (base.as_secs_f64() + self.wanted(self.rate, base));
        let window = self.window as f64;
        self.set_window(fits.max(KEEP * window).min(window));
        self.stale = 2;
    }
}
