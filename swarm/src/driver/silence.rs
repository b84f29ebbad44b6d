//! The silence of a fetch: how long no byte and no proven chunk came, by which a stall is judged.

use std::time::{Duration, Instant};

/// A fetch without a proven chunk for this many stall timeouts is stalled, however many bytes trickle in.
const CHUNK_PATIENCE: u32 = 20;

/// When a byte of a chunk last came in, and when a chunk was last proven.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silence {
    pub(super) last_byte: Instant,
    pub(super) last_chunk: Instant,
}

impl Silence {
    pub(super) fn new(start: Instant) -> Self {
        Self { last_byte: start, last_chunk: start }
    }

    /// A byte of a chunk came in.
    pub(super) fn byte_came(&mut self) {
        self.last_byte = Instant::now();
    }

    /// A chunk was proven.
    pub(super) fn chunk_proven(&mut self) {
        self.last_chunk = Instant::now();
    }

    /// The silence up to `now` counts towards no stall: the user's own limits or this machine's disk cause it.
    pub(super) fn excuse_until(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// The process stood still for so long, in which no peer could be heard.
    pub(super) fn slept(&mut self, slept: Duration) {
        self.last_byte += slept;
        self.last_chunk += slept;
    }

    /// True if no byte came for the stall timeout, or no proven chunk for many of them.
    pub(super) fn is_stalled(&self, now: Instant, stall_timeout: Duration) -> bool {
        let since = |at| now.saturating_duration_since(at);
        since(self.last_byte) >= stall_timeout || since(self.last_chunk) >= stall_timeout * CHUNK_PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(60);

    #[test]
    fn a_fetch_is_stalled_without_a_byte_or_without_a_proven_chunk() {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        assert!(!silence.is_stalled(start + TIMEOUT / 2, TIMEOUT));
        assert!(silence.is_stalled(start + TIMEOUT, TIMEOUT));
        // Bytes trickle in, and no chunk becomes whole.
        silence.last_byte = start + TIMEOUT * 19;
        assert!(!silence.is_stalled(silence.last_byte, TIMEOUT));
        silence.last_byte = start + TIMEOUT * CHUNK_PATIENCE;
        assert!(silence.is_stalled(silence.last_byte, TIMEOUT));
    }

    #[test]
    fn a_sleep_of_the_process_and_the_users_own_limits_are_no_stall() {
        let start = Instant::now();
        let mut silence = Silence::new(start);
        silence.slept(TIMEOUT * 100);
        assert!(!silence.is_stalled(start + TIMEOUT * 100, TIMEOUT));
        silence.excuse_until(start + TIMEOUT * 200);
        assert!(!silence.is_stalled(start + TIMEOUT * 200, TIMEOUT));
        assert!(silence.is_stalled(start + TIMEOUT * 201, TIMEOUT));
    }
}
