//! The bottleneck: a rate, a drop-tail queue, a delay, and loss at random behind the queue.

use std::time::Duration;

/// IPv4 and UDP header bytes of a packet, which take up the link as well.
pub(crate) const HEADERS: u64 = 28;

#[derive(Debug, Clone)]
pub(crate) struct Path {
    /// Bits a second.
    pub(crate) rate: f64,
    /// Round-trip time without a queue.
    pub(crate) rtt: Duration,
    /// Capacity of the queue in bytes.
    pub(crate) queue: u64,
    /// Fraction of packets lost at random, each way.
    pub(crate) loss: f64,
    /// Longest time for which acknowledgements are held back and then arrive together, as over a wireless link.
    pub(crate) jitter: Duration,
    /// Bytes of a full datagram.
    pub(crate) mtu: u16,
}

impl Path {
    /// Path of the performance targets: 200 Mbit/s, 50 ms round trip, a queue of 1 MiB.
    pub(crate) fn usual() -> Self {
        Self {
            rate: 200e6,
            rtt: Duration::from_millis(50),
            queue: 1 << 20,
            loss: 0.0,
            jitter: Duration::ZERO,
            mtu: 1452,
        }
    }

    /// Bytes of datagrams a second, without the headers.
    pub(crate) fn payload_rate(&self) -> f64 {
        self.rate / 8.0 * f64::from(self.mtu) / (f64::from(self.mtu) + HEADERS as f64)
    }

    /// Bandwidth-delay product in bytes: what the path holds without a queue.
    pub(crate) fn fits(&self) -> f64 {
        self.rate / 8.0 * self.rtt.as_secs_f64()
    }
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) path: Path,
    free_at: Duration,
    rng: fastrand::Rng,
    last_arrival: Duration,
    held_until: Duration,
    /// Queueing delays since the last `take_waits`: their sum in seconds, their number, and the longest.
    waited: (f64, u64, Duration),
}

impl Link {
    pub(crate) fn new(path: Path, seed: u64) -> Self {
        Self {
            path,
            free_at: Duration::ZERO,
            rng: fastrand::Rng::with_seed(seed),
            last_arrival: Duration::ZERO,
            held_until: Duration::ZERO,
            waited: (0.0, 0, Duration::ZERO),
        }
    }

    /// When a packet sent now arrives; `None` when it is lost.
    pub(crate) fn carry(&mut self, now: Duration, bytes: u64) -> Option<Duration> {
        let bytes = bytes + HEADERS;
        let wait = self.free_at.saturating_sub(now);
        let backlog = wait.as_secs_f64() * self.path.rate / 8.0;
        if backlog + bytes as f64 > self.path.queue as f64 {
            return None;
        }
        self.waited = (self.waited.0 + wait.as_secs_f64(), self.waited.1 + 1, self.waited.2.max(wait));
        self.free_at = self.free_at.max(now) + Duration::from_secs_f64(bytes as f64 * 8.0 / self.path.rate);
        if self.rng.f64() < self.path.loss {
            return None;
        }
        Some(self.free_at + self.path.rtt / 2)
    }

    /// When an acknowledgement sent now arrives, in order; `None` when it is lost.
    pub(crate) fn carry_back(&mut self, now: Duration) -> Option<Duration> {
        if now > self.held_until {
            self.held_until = now + self.path.jitter.mul_f64(self.rng.f64());
        }
        self.last_arrival = self.last_arrival.max(self.held_until + self.path.rtt / 2);
        (self.rng.f64() >= self.path.loss).then_some(self.last_arrival)
    }

    /// Mean and longest wait in the queue since the last call.
    pub(crate) fn take_waits(&mut self) -> (Duration, Duration) {
        let (sum, number, longest) = std::mem::take(&mut self.waited);
        (Duration::from_secs_f64(sum / number.max(1) as f64), longest)
    }
}
