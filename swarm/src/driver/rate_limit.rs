//! A rate limit that may change while bytes pass.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Burst that may pass at once: small enough to be smooth, large enough not to wake for every packet.
const BURST: Duration = Duration::from_millis(50);
/// The least and the most bytes that one stream takes at a time.
const PIECE: (u64, u64) = (1 << 10, 64 << 10);
/// Longest wait before the rate is looked at again.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// Means that there is no rate limit.
const UNLIMITED: u64 = u64::MAX;

/// A rate limit in payload bytes a second, shared by its clones, also across threads and runtimes. It may be changed at
/// any time: transfers that wait for an old rate go on at the new one at once.
///
/// Bytes pass in the order in which they were requested, in pieces of at most 64 KiB; a transfer queues with one piece
/// at a time, so that transfers with one rate limit share it evenly however many streams each has.
#[derive(Debug, Clone)]
pub struct RateLimit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rate: AtomicU64,
    line: Mutex<Line>,
    changed: Notify,
}

/// First-in-first-out queue: a piece passes when as many bytes may have passed as were requested up to its end.
#[derive(Debug)]
struct Line {
    asked: u64,
    passed: f64,
    at: Instant,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self::new(None)
    }
}

impl RateLimit {
    /// A rate limit of so many bytes a second: `None` is no limit, 0 lets nothing pass.
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        let rate = bytes_per_second.unwrap_or(UNLIMITED);
        let line = Line { asked: 0, passed: burst(rate), at: Instant::now() };
        Self(Arc::new(Shared { rate: rate.into(), line: line.into(), changed: Notify::new() }))
    }

    /// Sets the rate from now on, for all clones.
    pub fn set(&self, bytes_per_second: Option<u64>) {
        let rate = bytes_per_second.unwrap_or(UNLIMITED);
        self.with_line(|line, old| {
            self.0.rate.store(rate, Ordering::Relaxed);
            if old == UNLIMITED {
                // Nothing was counted while nothing was limited.
                line.passed = line.asked as f64;
            }
            line.passed = line.passed.min(line.asked as f64 + burst(rate));
        });
        self.0.changed.notify_waiters();
    }

    /// The rate now.
    pub fn rate(&self) -> Option<u64> {
        Some(self.0.rate.load(Ordering::Relaxed)).filter(|&rate| rate != UNLIMITED)
    }

    /// Bytes to take at a time; `None` without a rate.
    pub(super) fn piece(&self) -> Option<u64> {
        self.rate().map(|rate| (rate / 20).clamp(PIECE.0, PIECE.1))
    }

    /// Waits until the bytes may pass; returns whether it had to wait.
    pub(super) async fn take(&self, bytes: u64) -> bool {
        if self.rate().is_none() {
            return false;
        }
        let mut ticket = self.ticket(bytes);
        let mut waited = false;
        loop {
            let mut changed = pin!(self.0.changed.notified());
            // Enabled first, so that a change between reading the rate and waiting is not missed.
            changed.as_mut().enable();
            let wait = self.with_line(|line, rate| line.wait(ticket.number, rate));
            if wait.is_zero() {
                ticket.is_used = true;
                return waited;
            }
            waited = true;
            first_of(tokio::time::sleep(wait), changed).await;
        }
    }

    fn ticket(&self, bytes: u64) -> Ticket<'_> {
        let number = self.with_line(|line, _| {
            line.asked += bytes;
            line.asked
        });
        Ticket { rate_limit: self, number, bytes, is_used: false }
    }

    /// Runs `work` on the queue as it is now, with the rate that holds until now.
    fn with_line<T>(&self, work: impl FnOnce(&mut Line, u64) -> T) -> T {
        let mut line = self.0.line.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = self.0.rate.load(Ordering::Relaxed);
        line.settle(rate);
        work(&mut line, rate)
    }
}

async fn first_of(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::select! {
        () = one => {}
        () = other => {}
    }
}

fn burst(rate: u64) -> f64 {
    if rate == UNLIMITED {
        0.0
    } else {
        (rate as f64 * BURST.as_secs_f64()).max((PIECE.0 as f64).min(rate as f64))
    }
}

impl Line {
    fn settle(&mut self, rate: u64) {
        let now = Instant::now();
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * rate as f64;
        self.passed = (self.passed + earned).min(self.asked as f64 + burst(rate));
        self.at = now;
    }

    fn wait(&self, number: u64, rate: u64) -> Duration {
        let missing = number as f64 - self.passed;
        if missing <= 0.0 || rate == UNLIMITED {
            return Duration::ZERO;
        }
        let seconds = missing / rate as f64;
        // Never zero, which means that the bytes may pass.
        Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64())).max(Duration::from_micros(1))
    }
}

/// A place in the queue; a stream that leaves before its turn gives its bytes to those behind it.
struct Ticket<'t> {
    rate_limit: &'t RateLimit,
    number: u64,
    bytes: u64,
    is_used: bool,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.is_used {
            self.rate_limit.with_line(|line, _| line.passed += self.bytes as f64);
            self.rate_limit.0.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn passes(rate_limit: &RateLimit, bytes: u64) {
        tokio::time::timeout(PATIENCE, rate_limit.take(bytes)).await.unwrap();
    }

    #[tokio::test]
    async fn no_rate_limit_passes_all_bytes_and_a_limit_of_zero_none() {
        let rate_limit = RateLimit::default();
        assert!(!rate_limit.take(u64::MAX / 2).await);
        rate_limit.set(Some(0));
        assert_eq!((rate_limit.rate(), rate_limit.piece()), (Some(0), Some(1 << 10)));
        let taken = tokio::time::timeout(Duration::from_millis(50), rate_limit.take(1)).await;
        assert!(taken.is_err());
        rate_limit.set(None);
        assert!(!rate_limit.take(u64::MAX / 4).await);
    }

    #[tokio::test]
    async fn waiting_taker_resumes_when_another_thread_raises_the_rate() {
        let rate_limit = RateLimit::new(Some(1));
        let (clone, waiting) = (rate_limit.clone(), rate_limit.clone());
        // 64 KiB take most of a day.
        let waiter = tokio::spawn(async move { waiting.take(64 << 10).await });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        std::thread::spawn(move || clone.set(Some(1 << 30))).join().unwrap();
        assert!(tokio::time::timeout(PATIENCE, waiter).await.unwrap().unwrap());
    }

    #[tokio::test]
    async fn lowered_rate_applies_at_once_and_drops_saved_bytes() {
        let rate_limit = RateLimit::new(Some(1 << 30));
        passes(&rate_limit, 1 << 20).await;
        rate_limit.set(Some(10));
        let next = tokio::time::timeout(Duration::from_millis(50), rate_limit.take(64 << 10)).await;
        assert!(next.is_err());
    }

    #[tokio::test]
    async fn whoever_leaves_the_line_leaves_its_bytes_to_those_behind() {
        let rate_limit = RateLimit::new(Some(1 << 20));
        for _ in 0..50 {
            let left = tokio::time::timeout(Duration::from_micros(1), rate_limit.take(1 << 40)).await;
            assert!(left.is_err());
        }
        passes(&rate_limit, 1 << 10).await;
    }

    #[tokio::test]
    async fn who_asks_first_passes_first() {
        let rate_limit = RateLimit::new(Some(100 << 10));
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for n in 0..6 {
            let (rate_limit, tell) = (rate_limit.clone(), tell.clone());
            tokio::spawn(async move {
                rate_limit.take(4 << 10).await;
                tell.send(n).unwrap();
            });
        }
        drop(tell);
        let mut order = Vec::new();
        while let Some(one) = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap() {
            order.push(one);
        }
        assert_eq!(order, [0, 1, 2, 3, 4, 5]);
    }
}
