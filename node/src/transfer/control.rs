//! The one control of a running transfer: cancel it, change its limits and which peers it serves and asks.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use minimodel_swarm::driver::{
    ChunkMap, ChunkMapAsker, ChunkMapQuestions, Controls, QuotaGate, RateLimit, chunk_maps,
};
use tokio::sync::watch;

/// Limits and settings with which a [`Control`] begins.
///
/// ```
/// use minimodel::transfer::{Control, Limits, RateLimit};
///
/// // Two transfers send 5 MB a second together, and one of them receives 1 MB a second at most.
/// let both = Limits { shared_up: Some(RateLimit::new(Some(5_000_000))), ..Limits::default() };
/// let first = Control::new(Limits { down: Some(1_000_000), ..both.clone() });
/// let second = Control::new(both);
/// // The one limit is lifted later, for both.
/// first.set_down(None);
/// assert_eq!(first.controls(), second.controls());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Which peers may connect and be dialed, and upload slots.
    pub controls: Controls,
    /// Bytes a second that this transfer sends at most; `None`: no limit.
    pub up: Option<u64>,
    /// Bytes a second that this transfer receives at most; `None`: no limit.
    pub down: Option<u64>,
    /// A rate limit of sending that is shared with other transfers.
    pub shared_up: Option<RateLimit>,
    /// A rate limit of receiving that is shared with other transfers.
    pub shared_down: Option<RateLimit>,
    /// Quotas, which may be shared with other transfers.
    pub gate: Option<Arc<dyn QuotaGate>>,
}

/// Control of a transfer, from any thread and at any time, also before it starts. Clones control the same transfer.
///
/// ```
/// use minimodel::transfer::{Control, Limits};
///
/// let control = Control::new(Limits { down: Some(50_000_000), ..Limits::default() });
/// control.set_down(None);
/// control.pause();
/// assert!(control.is_paused());
/// control.resume();
/// control.cancel();
/// assert!(control.is_cancelled());
/// ```
#[derive(Clone, Debug)]
pub struct Control(Arc<Shared>);

/// What the user wants of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It goes on.
    Goes,
    /// It waits, without a connection and without the file.
    Paused,
    /// It ends.
    Cancelled,
}

#[derive(Debug)]
struct Shared {
    phase: Mutex<Phase>,
    changed: Condvar,
    /// True while the phase is any but [`Phase::Goes`].
    stop: watch::Sender<bool>,
    controls: watch::Sender<Controls>,
    up: RateLimit,
    down: RateLimit,
    shared_up: Option<RateLimit>,
    shared_down: Option<RateLimit>,
    gate: Option<Arc<dyn QuotaGate>>,
    /// The UDP port on which peers were served first, 0 if none was, so that a transfer that was paused comes back at it.
    port: AtomicU16,
    /// Asks the newest session for its map of chunks.
    chunk_maps: Mutex<ChunkMapAsker>,
}

impl Default for Control {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Control {
    /// Makes the control of one transfer.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared {
            phase: Mutex::new(Phase::Goes),
            changed: Condvar::new(),
            stop: watch::channel(false).0,
            controls: watch::channel(limits.controls).0,
            up: RateLimit::new(limits.up),
            down: RateLimit::new(limits.down),
            shared_up: limits.shared_up,
            shared_down: limits.shared_down,
            gate: limits.gate,
            port: AtomicU16::new(0),
            // No session runs yet.
            chunk_maps: Mutex::new(chunk_maps().0),
        }))
    }

    /// Ends the transfer in good order; whatever is proven stays on disk.
    pub fn cancel(&self) {
        self.set(|_| Phase::Cancelled);
    }

    /// Pauses the transfer: it closes its connections and its files until [`resume`](Self::resume). A repair, whose file gets its
    /// own name back, and a fetch that serves the whole file already end instead.
    pub fn pause(&self) {
        self.set(|phase| if phase == Phase::Goes { Phase::Paused } else { phase });
    }

    /// Lets a paused transfer go on.
    pub fn resume(&self) {
        self.set(|phase| if phase == Phase::Paused { Phase::Goes } else { phase });
    }

    /// Returns true once [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        *self.phase() == Phase::Cancelled
    }

    /// Returns true while the transfer is paused.
    pub fn is_paused(&self) -> bool {
        *self.phase() == Phase::Paused
    }

    /// Returns true if the transfer is to stop what it does, for now or for good.
    pub(super) fn is_stopping(&self) -> bool {
        *self.phase() != Phase::Goes
    }

    /// Waits while the transfer is paused. Returns false if it was cancelled.
    pub(super) fn wait_while_paused(&self) -> bool {
        let waited = self.0.changed.wait_while(self.phase(), |phase| *phase == Phase::Paused);
        *waited.unwrap_or_else(PoisonError::into_inner) != Phase::Cancelled
    }

    fn set(&self, next: impl FnOnce(Phase) -> Phase) {
        let mut phase = self.phase();
        *phase = next(*phase);
        self.0.stop.send_replace(*phase != Phase::Goes);
        self.0.changed.notify_all();
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.0.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the rate limit of sending in bytes a second; `None`: no limit.
    pub fn set_up(&self, bytes_per_second: Option<u64>) {
        self.0.up.set(bytes_per_second);
    }

    /// Sets the rate limit of receiving in bytes a second; `None`: no limit.
    pub fn set_down(&self, bytes_per_second: Option<u64>) {
        self.0.down.set(bytes_per_second);
    }

    /// Returns which peers may connect and be dialed, and the upload slots.
    pub fn controls(&self) -> Controls {
        self.0.controls.borrow().clone()
    }

    /// Sets which peers may connect and be dialed, and the upload slots. Another `quota_version` than before has the transfer
    /// try again what [`Limits::gate`] refused as used up.
    pub fn set_controls(&self, controls: Controls) {
        self.0.controls.send_if_modified(|now| {
            let differs = *now != controls;
            *now = controls;
            differs
        });
    }

    /// Asks the running transfer for the map of its chunks in this many cells, or fewer; waits for the answer, for a second at
    /// most. `None` while the transfer is not connected to its swarm: before its start and after its end, while it is paused, and
    /// while its file is checked first.
    pub fn chunk_map(&self, cells: u32) -> Option<ChunkMap> {
        let asker = self.0.chunk_maps.lock().unwrap_or_else(PoisonError::into_inner).clone();
        asker.ask(cells)
    }

    /// Receives the questions of [`Self::chunk_map`] from now on: for the session that begins.
    pub(super) fn chunk_maps(&self) -> ChunkMapQuestions {
        let (asker, questions) = chunk_maps();
        *self.0.chunk_maps.lock().unwrap_or_else(PoisonError::into_inner) = asker;
        questions
    }

    /// Returns the port on which peers were served before a pause.
    pub(super) fn port(&self) -> Option<u16> {
        Some(self.0.port.load(Ordering::Relaxed)).filter(|&port| port != 0)
    }

    /// Keeps the port on which peers are served, unless one is kept already: a run that had to take another comes back to it.
    pub(super) fn keep_port(&self, port: u16) {
        let _ = self.0.port.compare_exchange(0, port, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Receives `true` when the transfer is to stop.
    pub(super) fn stop(&self) -> watch::Receiver<bool> {
        self.0.stop.subscribe()
    }

    /// Receives the controls as they change.
    pub(super) fn settings(&self) -> watch::Receiver<Controls> {
        self.0.controls.subscribe()
    }

    /// Rate limits of sending: bytes pass when all of them permit it.
    pub(super) fn up(&self) -> Vec<RateLimit> {
        self.0.shared_up.iter().chain([&self.0.up]).cloned().collect()
    }

    /// Rate limits of receiving.
    pub(super) fn down(&self) -> Vec<RateLimit> {
        self.0.shared_down.iter().chain([&self.0.down]).cloned().collect()
    }

    /// The quotas.
    pub(super) fn gate(&self) -> Option<Arc<dyn QuotaGate>> {
        self.0.gate.clone()
    }
}
