//! Pacing by a token bucket: the machine's arithmetic, the driver's clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::machine::{Bucket, Time};

/// What may pass at once: small enough to be smooth, large enough not to wake for every packet.
const BURST: Duration = Duration::from_millis(50);
/// A burst is never less than one piece of an answer.
const LEAST_BURST: u64 = 64 << 10;

/// Lets bytes pass at a rate; without a rate, at once. Clones share the rate.
#[derive(Debug, Clone, Default)]
pub(super) struct Limiter(Option<Arc<(Instant, Mutex<Bucket>)>>);

impl Limiter {
    pub(super) fn new(bytes_per_second: Option<u64>) -> Self {
        Self(bytes_per_second.map(|rate| {
            let burst = (rate / 1000).saturating_mul(BURST.as_millis() as u64).max(LEAST_BURST);
            Arc::new((Instant::now(), Mutex::new(Bucket::new(Time::ZERO, rate, burst))))
        }))
    }

    /// Whether there is a rate at all.
    pub(super) fn is_limited(&self) -> bool {
        self.0.is_some()
    }

    pub(super) async fn take(&self, bytes: u64) {
        let Some(shared) = &self.0 else { return };
        let wait = {
            let now = Time::after_start(shared.0.elapsed());
            shared.1.lock().unwrap_or_else(PoisonError::into_inner).take(now, bytes)
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}
