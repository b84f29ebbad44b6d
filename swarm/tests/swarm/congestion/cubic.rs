//! CUBIC (RFC 9438): the competing flow at a shared bottleneck.

use std::time::Duration;

const C: f64 = 0.4;
const BETA: f64 = 0.7;

#[derive(Debug)]
pub(crate) struct Cubic {
    mtu: f64,
    pub(crate) window: f64,
    threshold: f64,
    most: f64,
    epoch: Option<Duration>,
    recovering_since: Option<Duration>,
    reno: f64,
}

impl Cubic {
    pub(crate) fn new(mtu: u16) -> Self {
        let mtu = f64::from(mtu);
        Self {
            mtu,
            window: 10.0 * mtu,
            threshold: f64::MAX,
            most: 0.0,
            epoch: None,
            recovering_since: None,
            reno: 0.0,
        }
    }

    pub(crate) fn on_ack(&mut self, now: Duration, sent: Duration, bytes: u64, rtt: Duration) {
        if self.recovering_since.is_some_and(|since| sent <= since) {
            return;
        }
        if self.window < self.threshold {
            self.window += bytes as f64;
            return;
        }
        let epoch = *self.epoch.get_or_insert(now);
        let k = (self.most / self.mtu * (1.0 - BETA) / C).cbrt();
        let t = (now.saturating_sub(epoch) + rtt).as_secs_f64();
        let target = (C * (t - k).powi(3)) * self.mtu + self.most;
        self.reno += 3.0 * (1.0 - BETA) / (1.0 + BETA) * self.mtu * bytes as f64 / self.window;
        let target = target.clamp(self.window, 1.5 * self.window);
        self.window += (target - self.window) * bytes as f64 / self.window;
        self.window = self.window.max(self.reno);
    }

    pub(crate) fn on_loss(&mut self, now: Duration, sent: Duration) {
        if self.recovering_since.is_some_and(|since| sent <= since) {
            return;
        }
        self.recovering_since = Some(now);
        self.most = if self.window < self.most { self.window * (1.0 + BETA) / 2.0 } else { self.window };
        self.window = (self.window * BETA).max(2.0 * self.mtu);
        self.threshold = self.window;
        self.reno = self.window;
        self.epoch = None;
    }
}
