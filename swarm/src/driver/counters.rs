//! Counters of transferred bytes, per connection and per session.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Payload bytes of one peer, counted as they are read and written, and its unacknowledged answers.
#[derive(Debug, Default)]
pub(super) struct Counters {
    received: AtomicU64,
    sent: AtomicU64,
    unread: AtomicU32,
    of_all: Arc<Totals>,
}

/// The counters of all peers of a session, disconnected peers included.
#[derive(Debug, Default)]
pub(super) struct Totals {
    received: AtomicU64,
    sent: AtomicU64,
    unread: AtomicU32,
}

impl Totals {
    /// Answers that are written and not acknowledged yet.
    pub(super) fn unread(&self) -> u32 {
        self.unread.load(Ordering::Relaxed)
    }

    /// Payload bytes received and sent.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }
}

impl Counters {
    pub(super) fn new(of_all: Arc<Totals>) -> Arc<Self> {
        Arc::new(Self { of_all, ..Self::default() })
    }

    pub(super) fn add_received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
        self.of_all.received.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
        self.of_all.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether answers are written and not acknowledged yet.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed) > 0
    }
}

/// An answer that is written and not acknowledged yet, counted until this is dropped.
#[derive(Debug)]
pub(super) struct Unread(Arc<Counters>);

impl Unread {
    pub(super) fn new(counters: &Arc<Counters>) -> Self {
        counters.unread.fetch_add(1, Ordering::Relaxed);
        counters.of_all.unread.fetch_add(1, Ordering::Relaxed);
        Self(counters.clone())
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.0.unread.fetch_sub(1, Ordering::Relaxed);
        self.0.of_all.unread.fetch_sub(1, Ordering::Relaxed);
    }
}
