//! The sending end, as in quinn: a window, a pacer of 1.25 windows a round trip with bursts of 2 ms, loss by three
//! packets or 9/8 of a round trip (RFC 9002), probes when no acknowledgement comes.

use std::collections::BTreeMap;
use std::time::Duration;

use minimodel_swarm::congestion::DelayController;

use super::cubic::Cubic;

const REORDERED: u64 = 3;
const BURST: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(crate) enum Control {
    Own(Box<DelayController>),
    Cubic(Cubic),
}

impl Control {
    fn window(&self) -> u64 {
        match self {
            Self::Own(controller) => controller.window(),
            Self::Cubic(cubic) => cubic.window as u64,
        }
    }
}

/// Next action of the sender.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    Send,
    /// The pacer permits no packet before this time.
    Wait(Duration),
    Blocked,
}

#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) control: Control,
    pub(crate) mtu: u64,
    pub(crate) starts: Duration,
    /// Bytes still to send.
    pub(crate) left: u64,
    pub(crate) sent_packets: u64,
    pub(crate) delivered: u64,
    /// Delivered bytes by tenths of a second.
    pub(crate) tenths: Vec<u64>,
    next: u64,
    under_way: BTreeMap<u64, Duration>,
    largest_acked: Option<u64>,
    smoothed: Option<Duration>,
    variance: Duration,
    latest: Duration,
    tokens: f64,
    refilled: Duration,
    is_idle: bool,
    probes: u32,
    backoff: u32,
    last_progress: Duration,
    pub(crate) finished: Option<Duration>,
}

impl Sender {
    pub(crate) fn new(control: Control, mtu: u16, starts: Duration, bytes: u64) -> Self {
        Self {
            control,
            mtu: mtu.into(),
            starts,
            left: bytes,
            sent_packets: 0,
            delivered: 0,
            tenths: Vec::new(),
            next: 0,
            under_way: BTreeMap::new(),
            largest_acked: None,
            smoothed: None,
            variance: Duration::ZERO,
            latest: Duration::from_millis(333),
            tokens: 10.0 * f64::from(mtu),
            refilled: starts,
            is_idle: false,
            probes: 0,
            backoff: 0,
            last_progress: starts,
            finished: None,
        }
    }

    fn rtt(&self) -> Duration {
        self.smoothed.unwrap_or(self.latest)
    }

    pub(crate) fn window(&self) -> u64 {
        self.control.window()
    }

    fn in_flight(&self) -> u64 {
        self.under_way.len() as u64 * self.mtu
    }

    pub(crate) fn poll(&mut self, now: Duration) -> Next {
        self.is_idle = false;
        if self.probes > 0 {
            self.probes -= 1;
            return Next::Send;
        }
        if self.left == 0 {
            self.is_idle = true;
            return Next::Blocked;
        }
        let window = self.window();
        if self.in_flight() + self.mtu >= window {
            return Next::Blocked;
        }
        let mtu = self.mtu as f64;
        if self.tokens >= mtu {
            return Next::Send;
        }
        let rtt = self.rtt().as_secs_f64();
        let burst = (window as f64 * BURST.as_secs_f64() / rtt).clamp(10.0 * mtu, 256.0 * mtu);
        let rate = window as f64 * 1.25 / rtt;
        self.tokens += rate * now.saturating_sub(self.refilled).as_secs_f64();
        self.tokens = self.tokens.min(burst);
        self.refilled = now;
        if self.tokens >= mtu {
            return Next::Send;
        }
        Next::Wait(now + Duration::from_secs_f64((burst - self.tokens) / rate).max(Duration::from_micros(1)))
    }

    /// Sends a packet; returns its number.
    pub(crate) fn send(&mut self, now: Duration) -> u64 {
        self.left = self.left.saturating_sub(self.mtu);
        self.tokens = (self.tokens - self.mtu as f64).max(0.0);
        self.sent_packets += 1;
        if self.under_way.is_empty() {
            self.last_progress = now;
        }
        self.under_way.insert(self.next, now);
        self.next += 1;
        self.next - 1
    }

    pub(crate) fn acked(&mut self, now: Duration, numbers: &[u64]) {
        let mut newest = None;
        for &number in numbers {
            let Some(sent) = self.under_way.remove(&number) else { continue };
            self.delivered += self.mtu;
            newest = newest.max(Some((number, sent)));
            let rtt = self.rtt();
            match &mut self.control {
                Control::Own(controller) => controller.on_ack(sent, self.mtu, self.is_idle),
                Control::Cubic(cubic) if !self.is_idle => cubic.on_ack(now, sent, self.mtu, rtt),
                Control::Cubic(_) => {}
            }
            let tenth = (now.as_millis() / 100) as usize;
            self.tenths.resize(self.tenths.len().max(tenth + 1), 0);
            self.tenths[tenth] += self.mtu;
        }
        let Some((number, sent)) = newest else { return };
        (self.backoff, self.last_progress) = (0, now);
        if let Control::Own(controller) = &mut self.control {
            controller.on_acks_end(now);
        }
        if self.largest_acked.is_none_or(|largest| number > largest) {
            self.largest_acked = Some(number);
            self.measure(now - sent);
        }
        self.detect_lost(now);
        if self.left == 0 && self.under_way.is_empty() {
            self.finished.get_or_insert(now);
        }
    }

    fn measure(&mut self, rtt: Duration) {
        self.latest = rtt;
        match self.smoothed {
            None => (self.smoothed, self.variance) = (Some(rtt), rtt / 2),
            Some(smoothed) => {
                self.variance = (3 * self.variance + smoothed.abs_diff(rtt)) / 4;
                self.smoothed = Some((7 * smoothed + rtt) / 8);
            }
        }
    }

    pub(crate) fn detect_lost(&mut self, now: Duration) {
        let Some(largest) = self.largest_acked else { return };
        let patience = self.rtt().max(self.latest) * 9 / 8;
        let mut lost = Vec::new();
        for (&number, &sent) in self.under_way.range(..largest) {
            if number + REORDERED <= largest || sent + patience <= now {
                lost.push((number, sent));
            } else {
                break;
            }
        }
        let (Some(&(_, first)), Some(&(_, last))) = (lost.first(), lost.last()) else { return };
        for (number, _) in &lost {
            self.under_way.remove(number);
        }
        let bytes = lost.len() as u64 * self.mtu;
        self.left += bytes;
        let is_persistent = lost.windows(2).all(|two| two[1].0 == two[0].0 + 1)
            && last - first > (self.rtt() + 4 * self.variance + Duration::from_millis(25)) * 3;
        match &mut self.control {
            Control::Own(controller) => controller.on_loss(now, bytes, is_persistent),
            Control::Cubic(cubic) => cubic.on_loss(now, last),
        }
    }

    /// Next timer: when loss detection or a probe is due although no acknowledgement comes.
    pub(crate) fn alarm(&self) -> Option<Duration> {
        let (_, &oldest) = self.under_way.first_key_value()?;
        let probe = (self.rtt() + 4 * self.variance + Duration::from_millis(25)) * (1 << self.backoff.min(6));
        let at = self.last_progress.max(oldest) + probe;
        let has_later_ack = self.largest_acked > self.under_way.keys().next().copied();
        let lost = oldest + self.rtt().max(self.latest) * 9 / 8;
        Some(if has_later_ack { at.min(lost) } else { at })
    }

    pub(crate) fn ring(&mut self, now: Duration) {
        self.detect_lost(now);
        let probe = (self.rtt() + 4 * self.variance + Duration::from_millis(25)) * (1 << self.backoff.min(6));
        if let Some((_, &oldest)) = self.under_way.first_key_value()
            && self.last_progress.max(oldest) + probe <= now
        {
            self.probes += 2;
            self.backoff += 1;
            self.last_progress = now;
        }
    }
}
