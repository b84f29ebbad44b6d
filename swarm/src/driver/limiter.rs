//! Rate limiter of one session in one direction: all rate limits that apply to its bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Mutex;

use super::rate_limit::RateLimit;

/// Lets bytes pass when every rate limit does. Clones share one limiter.
#[derive(Debug, Clone, Default)]
pub(super) struct Limiter(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rate_limits: Vec<RateLimit>,
    /// Held by the one stream of the session that queues at the rate limits, which other sessions may share.
    turn: Mutex<()>,
    waiting: Tally,
    has_waited: AtomicBool,
}

impl Limiter {
    pub(super) fn new(rate_limits: Vec<RateLimit>) -> Self {
        Self(Arc::new(Inner { rate_limits, ..Inner::default() }))
    }

    /// Bytes to take at a time; `None` while none of them has a rate.
    pub(super) fn piece(&self) -> Option<usize> {
        let least = self.0.rate_limits.iter().filter_map(RateLimit::piece).min();
        least.map(|piece| usize::try_from(piece).unwrap_or(usize::MAX))
    }

    pub(super) async fn take(&self, bytes: u64) {
        if self.piece().is_none() {
            return;
        }
        let _waiting = self.0.waiting.one();
        let _turn = self.0.turn.lock().await;
        for rate_limit in &self.0.rate_limits {
            if rate_limit.take(bytes).await {
                self.0.has_waited.store(true, Ordering::Relaxed);
            }
        }
    }

    /// True if a stream waits, or has waited since the last call.
    pub(super) fn has_withheld(&self) -> bool {
        self.0.has_waited.swap(false, Ordering::Relaxed) || self.0.waiting.count() > 0
    }
}

/// Counter of running operations, shared by its clones.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally(Arc<AtomicUsize>);

impl Tally {
    /// Counts one more until the guard is dropped.
    pub(super) fn one(&self) -> One<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        One(&self.0)
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(super) struct One<'t>(&'t AtomicUsize);

impl Drop for One<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn bytes_pass_when_all_rate_limits_let_them() {
        let (own, shared) = (RateLimit::default(), RateLimit::new(Some(0)));
        let limiter = Limiter::new(vec![own.clone(), shared.clone()]);
        let moment = Duration::from_millis(20);
        assert!(tokio::time::timeout(moment, limiter.take(10)).await.is_err());
        shared.set(None);
        limiter.take(1 << 40).await;
        own.set(Some(0));
        assert!(tokio::time::timeout(moment, limiter.take(10)).await.is_err());
        assert!(!limiter.has_withheld(), "nobody waits any more");
        own.set(Some(1 << 20));
        limiter.take(200 << 10).await;
        assert!(limiter.has_withheld() && !limiter.has_withheld());
    }

    #[tokio::test]
    async fn two_transfers_share_a_rate_limit_evenly_despite_many_streams() {
        let shared = RateLimit::new(Some(400 << 10));
        let (few, many) = (Limiter::new(vec![shared.clone()]), Limiter::new(vec![shared]));
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let streams = std::iter::once((few, true)).chain((0..15).map(|_| (many.clone(), false)));
        for (limiter, is_few) in streams {
            let tell = tell.clone();
            tokio::spawn(async move {
                loop {
                    limiter.take(4 << 10).await;
                    if tell.send(is_few).is_err() {
                        return;
                    }
                }
            });
        }
        let mut of_few = 0;
        for _ in 0..120 {
            of_few += usize::from(told.recv().await.unwrap());
        }
        // One in sixteen if streams were counted. It is not exactly one in two on a busy machine: bytes earned while
        // the whole process stood still go to the first stream that asks.
        assert!((30..=108).contains(&of_few), "{of_few} of 120");
    }
}
